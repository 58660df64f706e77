//! The Gate, a Durable Object for a shard of users: the second hop of a reservation. It keeps no promise of its own;
//! it answers what it remembers, and gathers what it does not into calls of `reserve`.
//!
//! A Durable Object may do I/O for several requests at once, and that is what makes batches without a timer possible.

pub mod ask;
pub mod bucket;
pub mod keys;
pub mod memory;
pub mod message;
pub mod queue;
#[cfg(test)]
pub mod testing;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use wire::reserve::{Answers, Batch, Reservation};
use worker::{Delay, DurableObject, Env, Request, Response, State, durable_object, wasm_bindgen};

use crate::config::{self, Config};
use crate::gate::memory::{Flight, Memory};
use crate::gate::message::{Ask, Reply, Verdict};
use crate::{bounds, clock, invoke};

#[durable_object(fetch)]
pub struct Gate {
    inner: Rc<Inner>,
}

struct Inner {
    state: State,
    config: Rc<Config>,
    /// Never borrowed across an await.
    memory: RefCell<Memory<oneshot::Sender<Verdict>>>,
}

impl DurableObject for Gate {
    fn new(state: State, env: Env) -> Self {
        let config = config::of(&env);
        let memory = RefCell::new(Memory::new(config.user_burst, config.user_per_s));
        Self { inner: Rc::new(Inner { state, config, memory }) }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let ask = serde_json::from_slice(&request.bytes().await?)?;
        Response::from_json(&self.inner.reply(ask).await)
    }
}

impl Inner {
    async fn reply(self: &Rc<Self>, ask: Ask) -> Reply {
        let now_ms = clock::now_ms();
        let user_id = match &ask {
            Ask::Charge { user_id } | Ask::Reserve(Reservation { user_id, .. }) => user_id,
        };
        let charge = self.memory.borrow_mut().charge(user_id, now_ms);
        let verdict = match ask {
            Ask::Reserve(asked) if charge.admitted => self.reserve(asked, now_ms).await,
            Ask::Reserve(_) | Ask::Charge { .. } => Verdict::Charged,
        };
        Reply { charge, verdict }
    }

    async fn reserve(self: &Rc<Self>, asked: Reservation, now_ms: u64) -> Verdict {
        let (waiter, verdict) = oneshot::channel();
        self.memory.borrow_mut().arrive(asked, waiter, now_ms);
        self.launch();
        let deadline = Delay::from(Duration::from_millis(bounds::GATE_DEADLINE_MS));
        match select(verdict, deadline).await {
            Either::Left((verdict, _)) => verdict.unwrap_or(Verdict::Unavailable),
            Either::Right(((), _)) => Verdict::Unavailable,
        }
    }

    /// Sends what may leave now, and delivers what has been decided.
    fn launch(self: &Rc<Self>) {
        loop {
            let flight = self.memory.borrow_mut().take_batch(clock::now_ms());
            let Some(flight) = flight else { break };
            // Not driven by the request that happened to be first: its client may hang up, the others' may not.
            let inner = self.clone();
            self.state.wait_until(async move { inner.fly(flight).await });
        }
        let answers = self.memory.borrow_mut().drain();
        for (waiter, verdict) in answers {
            // A waiter whose deadline is over has gone; the keys remember for its next try.
            let _ = waiter.send(verdict);
        }
    }

    async fn fly(self: Rc<Self>, Flight { users, reservations }: Flight) {
        let batch = Batch { reservations };
        let answers = invoke::call_unguarded::<_, Answers>(&self.config.lambda, "reserve", &batch).await;
        let outcomes = match answers {
            Ok(answers) => Some(answers.outcomes),
            Err(error) => {
                let line =
                    serde_json::json!({"flight": "failed", "reservations": users.len(), "error": error.to_string()});
                worker::console_error!("{line}");
                None
            }
        };
        self.memory.borrow_mut().land(&users, outcomes, clock::now_ms());
        self.launch();
    }
}
