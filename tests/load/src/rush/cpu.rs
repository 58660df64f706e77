//! Processor time of the stack's processes, as Linux counts it: where the time of a press goes.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::Value;

/// What Linux counts in: 10 ms, on every architecture that Holdfast is built on.
const TICK: Duration = Duration::from_millis(10);

/// By part; empty where the processes are not known or not on this machine.
#[derive(Clone, Debug, Default)]
pub struct Cpu(BTreeMap<String, Duration>);

impl Cpu {
    /// Until now, of the processes that `stack.json` names, with the children they have or had.
    pub fn of(pids: &BTreeMap<String, Value>) -> Self {
        let children = children();
        let spent = |pid: u64| {
            let own = stat(pid).map_or(0, |stat| stat.ticks);
            let of_children: u64 = children.iter().filter(|child| child.parent == pid).map(|child| child.ticks).sum();
            own + of_children
        };
        let part = |(part, pids): (&String, &Value)| {
            let ticks: u64 = match pids {
                Value::Array(many) => many.iter().filter_map(Value::as_u64).map(spent).sum(),
                one => one.as_u64().map_or(0, spent),
            };
            (part.clone(), TICK * u32::try_from(ticks).unwrap_or(u32::MAX))
        };
        Self(pids.iter().map(part).collect())
    }

    pub fn since(&self, before: &Self) -> Self {
        let since = |(part, now): (&String, &Duration)| {
            (part.clone(), now.saturating_sub(before.0.get(part).copied().unwrap_or_default()))
        };
        Self(self.0.iter().map(since).collect())
    }

    pub fn iter(&self) -> impl Iterator<Item = (String, Duration)> {
        self.0.iter().map(|(part, spent)| (part.clone(), *spent))
    }
}

struct Stat {
    parent: u64,
    /// Of the process and of those of its children that have ended.
    ticks: u64,
}

/// proc_pid_stat(5): the fields after the name, which may hold anything, so they are counted from its closing bracket.
fn stat(pid: u64) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<u64> = text.rsplit_once(')')?.1.split_whitespace().map(|f| f.parse().unwrap_or(0)).collect();
    Some(Stat { parent: *fields.get(1)?, ticks: fields.get(11..15)?.iter().sum() })
}

/// Postgres is a process a connection: all processes there are, of which their parents pick theirs.
fn children() -> Vec<Stat> {
    let Ok(all) = fs::read_dir("/proc") else { return vec![] };
    let pids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(stat).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_was_spent_is_seen() {
        let pids = BTreeMap::from([("me".to_owned(), Value::from(std::process::id()))]);
        let before = Cpu::of(&pids);
        let mut sum = 0_u64;
        while Cpu::of(&pids).since(&before).iter().all(|(_, spent)| spent < TICK * 2) {
            sum = std::hint::black_box((0..100_000).fold(sum, u64::wrapping_add));
        }
        assert!(Cpu::of(&BTreeMap::new()).iter().next().is_none());
    }
}
