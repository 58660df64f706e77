//! Idempotency keys as gateways keep them: a key in flight is distinguished from one that is done, and what was
//! answered is answered again. Whether another body under the same key matters is each gateway's own rule.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;
use serde_json::Value;
use tokio::sync::watch;

enum Kept {
    InFlight { asked: String, comes_again: watch::Sender<bool> },
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
                let begun = Kept::InFlight { asked: asked.to_owned(), comes_again: watch::Sender::new(false) };
                keys.insert(key.to_owned(), begun);
                Begun::New
            }
            Some(Kept::InFlight { asked: other, .. }) if other != asked => Begun::Different,
            Some(Kept::InFlight { comes_again, .. }) => {
                comes_again.send_replace(true);
                Begun::InFlight
            }
            Some(Kept::Done { asked: other, .. }) if other != asked => Begun::Different,
            Some(Kept::Done { status, body, .. }) => Begun::Again(*status, body.clone()),
        }
    }

    /// Returns when a key in flight has come once more, and was refused as in flight.
    pub async fn until_it_comes_again(&self, key: &str) {
        let coming = match self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key) {
            Some(Kept::InFlight { comes_again, .. }) => Some(comes_again.subscribe()),
            _ => None,
        };
        if let Some(mut coming) = coming {
            // It ends with the key, which is in flight for as long as this waits.
            let _ = coming.wait_for(|comes_again| *comes_again).await;
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
