//! What is said of a function: the columns of the table.

/// One function: what Lambda, IAM, EventBridge Scheduler and the database are told of it.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// The binary in functions/src/bin, and the part of the deployed name that follows the prefix.
    pub name: &'static str,
    /// When Lambda ends an invocation.
    pub timeout_s: u64,
    /// Its processor share comes with it: 1 769 MB are one processor.
    pub memory_mb: u64,
    /// Instances that Lambda keeps for it and lets it have; each holds one connection of the database.
    pub reserved: u64,
    pub caller: Caller,
    /// `CONNECTION LIMIT` of its role, as schema/roles.sql sets it.
    pub connections_max: u64,
    pub gateways: Gateways,
    pub variables: &'static [Variable],
    /// What it may do on AWS besides writing its own log.
    pub rights: &'static [Right],
    /// Its instances on the local stack: Lambda runs several of each at once, and so do we, or nothing that goes wrong
    /// between two of them would ever be seen there.
    pub local_instances: usize,
}

/// Who invokes a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The Worker, with the key pair of this name.
    Edge(&'static str),
    /// EventBridge Scheduler.
    Schedule(Schedule),
}

/// When EventBridge Scheduler invokes a function, and what becomes of an invocation that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub every_min: u64,
    /// How often Scheduler tries again where Lambda does not take the invocation, and for how long; its own defaults are
    /// 185 attempts in 24 hours.
    pub delivery_retries: u64,
    pub delivery_age_max_s: u64,
    /// How often Lambda runs a failed invocation again, and how old one may get in its queue; its own defaults are twice and
    /// six hours. The next tick does the work, so a failed one is not repeated and a late one is dropped.
    pub run_retries: u64,
    pub run_age_max_s: u64,
    /// How often the local stack's scheduler invokes it.
    pub local: LocalBeat,
}

/// The beat of the local stack's scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalBeat {
    Seconds(u64),
    /// As often as the sweep.
    Sweep,
    /// Only where the stack's options say so.
    Wished,
}

/// Which of the gateways' variables a function has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gateways {
    None,
    /// Its API's secret and address.
    Api,
    /// Those, and the secret of its webhooks.
    ApiAndWebhooks,
}

/// One variable of a function's environment.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    pub name: &'static str,
    pub kind: Kind,
    /// Its value on the local stack, where the stack has none of its own.
    pub local: Option<&'static str>,
}

/// Where a variable's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// AWS Secrets Manager: the function's own secret, a JSON object with the variable's name in it.
    Secret,
    /// A parameter of the template with this default; empty: the function does not get the variable.
    Parameter(&'static str),
    /// Not set where it is deployed: the timeouts are computed with the default that the function has.
    Tuning,
}

/// What a function may do on AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Lambda writes a failed asynchronous invocation to the queue with the function's rights.
    ReportFailedRuns,
    /// Queues and buses that subscriptions name.
    DeliverToTargets,
}

impl Function {
    #[must_use]
    pub const fn timeout_ms(&self) -> u64 {
        self.timeout_s * 1_000
    }

    #[must_use]
    pub const fn memory_gb(&self) -> f64 {
        self.memory_mb as f64 / 1_024.0
    }

    #[must_use]
    pub const fn schedule(&self) -> Option<Schedule> {
        match self.caller {
            Caller::Schedule(schedule) => Some(schedule),
            Caller::Edge(_) => None,
        }
    }

    /// Runs that can be under way at once when each tick comes in time and each run takes all the time it has.
    #[must_use]
    pub const fn overlapping_runs(&self) -> u64 {
        match self.schedule() {
            Some(schedule) => self.timeout_s.div_ceil(schedule.every_min * 60),
            None => 0,
        }
    }

    /// Its role in the database.
    #[must_use]
    pub fn role(&self) -> String {
        format!("holdfast_{}", self.name)
    }
}
