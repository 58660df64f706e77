//! The gateways this function may call: each with its account, its address, and the circuit breaker that all instances
//! share (schema/routines/capture.sql).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use payments::{Account, Api, Asked};
use tokio_postgres::types::Type;
use tracing::warn;

use crate::runtime::config::{self, Misconfigured};
use crate::runtime::database::{Broken, Database};
use crate::runtime::http::{Answer, Http, NoAnswer};
use crate::runtime::limits::ASK_DEADLINE_MS;

pub struct Desk {
    counters: BTreeMap<&'static str, Counter>,
    http: Http,
    /// The shop sells for real money: play money buys nothing.
    pub live: bool,
    foreign: AtomicU64,
}

/// One gateway.
pub struct Counter {
    pub name: &'static str,
    pub api: Box<dyn Api>,
    url: String,
}

impl Desk {
    /// Each gateway that has an `…_API_SECRET`.
    ///
    /// # Errors
    /// A variable is wrong, or a test key would be used in a shop that sells for real money.
    pub fn from_env() -> Result<Self, Misconfigured> {
        let live = config::live()?;
        let mut counters = BTreeMap::new();
        for name in payments::NAMES {
            let Some((url, secret)) = config::gateway(name)? else { continue };
            if live && ["test_", "sk_test_", "rk_test_"].iter().any(|test| secret.starts_with(test)) {
                let variable = format!("{}_API_SECRET", name.to_uppercase());
                return Err(Misconfigured::new(&variable, "is a test key, and GATEWAY_MODE is live"));
            }
            if let Some(api) = payments::api(name, Account { secret, live }) {
                counters.insert(name, Counter { name, api, url });
            }
        }
        Ok(Self { counters, http: Http::from_env()?, live, foreign: AtomicU64::new(0) })
    }

    /// None: it is not configured.
    #[must_use]
    pub fn at(&self, gateway: &str) -> Option<&Counter> {
        self.counters.get(gateway)
    }

    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.counters.keys().copied().collect()
    }

    /// How many payments that are not ours this instance was told of, this one included.
    pub fn count_foreign(&self) -> u64 {
        self.foreign.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// # Errors
    /// There is no answer.
    pub async fn send(&self, at: &Counter, request: &payments::Request, within_ms: u64) -> Result<Answer, NoAnswer> {
        self.http.send(&at.url, request, within_ms).await
    }

    /// The truth about a payment. `shaky`: the gateway has failed lately, and an answer is worth noting.
    ///
    /// # Errors
    /// The database could not note what the gateway did.
    pub async fn ask(&self, database: &Database, at: &Counter, payment_id: &str, shaky: bool) -> Result<Asked, Broken> {
        match self.answer(database, at, &at.api.ask(payment_id), shaky).await? {
            Ok(answer) => Ok(at.api.truth(&payments::Answer { status: answer.status, body: &answer.body })),
            Err(no_answer) => Ok(Asked::Unknown(no_answer.0)),
        }
    }

    /// The payments that a reference of ours has led to.
    ///
    /// # Errors
    /// The database could not note what the gateway did.
    pub async fn find(
        &self,
        database: &Database,
        at: &Counter,
        reference: &str,
        shaky: bool,
    ) -> Result<Vec<Asked>, Broken> {
        let Some(request) = at.api.find(reference) else { return Ok(Vec::new()) };
        match self.answer(database, at, &request, shaky).await? {
            Ok(answer) => Ok(at.api.found(&payments::Answer { status: answer.status, body: &answer.body })),
            Err(no_answer) => Ok(vec![Asked::Unknown(no_answer.0)]),
        }
    }

    /// What a question is answered. Only what is the gateway's own failure counts against it: no answer at all, or one that
    /// says that it is out of order. Whatever else it says, it is at work; and asked too often it is asked less.
    async fn answer(
        &self,
        database: &Database,
        at: &Counter,
        request: &payments::Request,
        shaky: bool,
    ) -> Result<Result<Answer, NoAnswer>, Broken> {
        let answer = self.send(at, request, ASK_DEADLINE_MS).await;
        let failure = match &answer {
            Err(no_answer) => Some(no_answer.0.clone()),
            Ok(answer) if answer.status >= 500 => Some(format!("status {}", answer.status)),
            Ok(_) => None,
        };
        match (failure, &answer) {
            (Some(why), _) => {
                warn!(gateway = at.name, %why, "asking a gateway failed");
                let noted = [(&at.name as _, Type::TEXT), (&why as _, Type::TEXT)];
                database.call("select holdfast.gateway_failed($1, $2)", &noted).await?;
            }
            (None, Ok(answer)) if answer.status == 429 => {
                let after_s = answer.retry_after_s.map(f64::from);
                warn!(gateway = at.name, after_s, "a gateway wants to be asked less often");
                let noted = [(&at.name as _, Type::TEXT), (&after_s as _, Type::FLOAT8)];
                database.call("select holdfast.gateway_slowed($1, $2)", &noted).await?;
            }
            (None, _) if shaky => {
                database.call("select holdfast.gateway_answered($1)", &[(&at.name, Type::TEXT)]).await?;
            }
            (None, _) => {}
        }
        Ok(answer)
    }
}
