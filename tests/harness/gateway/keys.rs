//! Idempotency keys as gateways keep them: a key in flight is told apart from one that is done, and what was answered
//! is answered again. Whether another body under the same key matters is each gateway's own rule.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;
use serde_json::Value;

#[derive(Clone)]
enum Kept {
    InFlight(String),
    Done { asked: String, status: StatusCode, body: Value },
}

#[derive(Debug, PartialEq)]
pub enum Begun {
    New,
    InFlight,
    /// Used for something else.
    Different,
    Again(StatusCode, Value),
}

#[derive(Default)]
pub struct Keys(Mutex<HashMap<String, Kept>>);

impl Keys {
    /// `asked` is what the key is for.
    pub fn begin(&self, key: &str, asked: &str) -> Begun {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match keys.get(key) {
            None => {
                keys.insert(key.to_owned(), Kept::InFlight(asked.to_owned()));
                Begun::New
            }
            Some(Kept::InFlight(other)) if other != asked => Begun::Different,
            Some(Kept::InFlight(_)) => Begun::InFlight,
            Some(Kept::Done { asked: other, .. }) if other != asked => Begun::Different,
            Some(Kept::Done { status, body, .. }) => Begun::Again(*status, body.clone()),
        }
    }

    /// Nothing was done under it.
    pub fn unused(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    pub fn done(&self, key: &str, asked: &str, status: StatusCode, body: &Value) {
        let kept = Kept::Done { asked: asked.to_owned(), status, body: body.clone() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), kept);
    }
}
