//! The Gate, a Durable Object for a shard of users: the second hop of a reservation. It keeps no promise of its own;
//! it answers what it remembers, and gathers what it does not into calls of `reserve`.
//!
//! A Durable Object may do I/O for several requests at once, and that is what makes batches without a timer possible.

pub mod ask;
pub mod bucket;
pub mod forget;
pub mod keys;
pub mod life;
pub mod memory;
pub mod message;
pub mod queue;
pub mod scouts;
pub mod sold_out;
#[cfg(test)]
pub mod testing;
pub mod under_way;
pub mod users;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_channel::oneshot;
use protocol::lookup::{self, Question};
use protocol::reserve::{Batch, BatchResponse, Reservation};
use worker::js_sys::futures::future_to_promise;
use worker::wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use worker::{Env, State, wasm_bindgen, worker_sys};

use crate::config::{self, Config};
use crate::gate::life::Life;
use crate::gate::memory::{Flight, Memory};
use crate::gate::message::{Ask, Charge, Reply, Verdict};
use crate::{clock, invoke};

/// What `main.js` makes a Durable Object of.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
pub struct Gate {
    inner: Rc<Inner>,
}

struct Inner {
    state: State,
    config: Rc<Config>,
    /// Which of the Gates this is: the one that its users are sent to.
    shard: Cell<u64>,
    life: RefCell<Life>,
    /// Never borrowed across an await.
    memory: RefCell<Memory<oneshot::Sender<Verdict>>>,
}

#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
impl Gate {
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(state: worker_sys::DurableObjectState, env: Env) -> Self {
        let state = State::from(state);
        let config = config::of(&env);
        let (life, settled_ms) = Life::begin(state.storage().sql(), clock::now_ms());
        let mut memory = Memory::new(config.user_burst, config.user_per_s, config.gate_key);
        memory.sold_out.settle(settled_ms);
        let (life, memory) = (RefCell::new(life), RefCell::new(memory));
        Self { inner: Rc::new(Inner { state, config, shard: Cell::default(), life, memory }) }
    }

    /// An [`Ask`] as JSON. What is known is answered at once, and the rest by a promise: a [`Reply`] as JSON, or nothing
    /// to who asks to forget.
    ///
    /// # Errors
    /// It is no `Ask`.
    pub fn ask(&self, question: &str) -> Result<JsValue, JsValue> {
        match serde_json::from_str(question).map_err(|error| error.to_string())? {
            Ask::Forget { sale_ids } => {
                let memory = &mut self.inner.memory.borrow_mut();
                sale_ids.iter().for_each(|sale_id| memory.sold_out.forget(sale_id, clock::now_ms()));
                Ok("".into())
            }
            Ask::Charge { user_id } => said(self.inner.charge(&user_id), Verdict::Charged),
            Ask::Reserve(asked) => self.inner.reserve(asked),
        }
    }
}

fn said(charge: Charge, verdict: Verdict) -> Result<JsValue, JsValue> {
    let reply = serde_json::to_string(&Reply { charge, verdict }).map_err(|error| error.to_string())?;
    Ok(reply.into())
}

impl Inner {
    fn charge(&self, user_id: &str) -> Charge {
        self.memory.borrow_mut().charge(user_id, clock::now_ms())
    }

    fn reserve(self: &Rc<Self>, asked: Reservation) -> Result<JsValue, JsValue> {
        let charge = self.charge(&asked.user_id);
        if !charge.admitted {
            return said(charge, Verdict::Charged);
        }
        self.shard.set(self.config.gate_key.shard(&asked.user_id, self.config.gate_shards));
        let (waiter, mut verdict) = oneshot::channel();
        self.memory.borrow_mut().arrive(asked, waiter, clock::now_ms());
        self.launch();
        match verdict.try_recv() {
            Ok(Some(verdict)) => said(charge, verdict),
            // The Worker is who watches the clock: a timer here too would be one more for every request.
            Ok(None) => {
                Ok(future_to_promise(async move { said(charge, verdict.await.unwrap_or(Verdict::Unavailable)) }).into())
            }
            Err(oneshot::Canceled) => said(charge, Verdict::Unavailable),
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
        let question = self.memory.borrow_mut().sold_out.question(clock::now_ms());
        if let Some(sale_id) = question {
            let inner = self.clone();
            self.state.wait_until(async move { inner.ask_for_holders(sale_id).await });
        }
        let answers = self.memory.borrow_mut().drain();
        for (waiter, verdict) in answers {
            // A waiter that the Worker gave up has gone; the keys remember for its next try.
            let _ = waiter.send(verdict);
        }
    }

    async fn fly(self: Rc<Self>, mut flight: Flight) {
        self.life.borrow_mut().mark(flight.sent_ms);
        let (sent_ms, within_ms) = (Some(flight.sent_ms), Some(flight.within_ms));
        let batch = Batch { reservations: std::mem::take(&mut flight.reservations), sent_ms, within_ms };
        let answers = invoke::call_unguarded::<_, BatchResponse>(&self.config.lambda, "reserve", &batch).await;
        flight.reservations = batch.reservations;
        let outcomes = match answers {
            Ok(answers) => Some(answers.outcomes),
            Err(error) => {
                let reservations = flight.users.len();
                let line =
                    serde_json::json!({"flight": "failed", "reservations": reservations, "error": error.to_string()});
                worker::console_error!("{line}");
                if !error.is_the_functions() {
                    self.memory.borrow_mut().land_rejected(&flight, clock::now_ms());
                    self.launch();
                    return;
                }
                None
            }
        };
        self.memory.borrow_mut().land(&flight, outcomes, clock::now_ms());
        self.launch();
    }

    async fn ask_for_holders(self: Rc<Self>, sale_id: String) {
        let (shard, shards) = (self.shard.get(), self.config.gate_shards);
        let trace = protocol::Trace { request_id: format!("gate-{shard}"), traceparent: None };
        let key = self.config.gate_key.hex();
        let question = Question::Holders { sale_id: sale_id.clone(), shard, shards, key };
        let request = lookup::LookupRequest { trace, question };
        let answer = match invoke::call(&self.config.lambda, "lookup", &request).await {
            Ok(lookup::LookupOutcome::Holders { users, complete }) => Some((users, complete)),
            Ok(other) => {
                worker::console_error!("{}", serde_json::json!({"holders": "unknown", "answer": other.name()}));
                None
            }
            Err(error) => {
                worker::console_error!("{}", serde_json::json!({"holders": "unknown", "error": error.to_string()}));
                None
            }
        };
        self.memory.borrow_mut().sold_out.holders(&sale_id, answer, clock::now_ms());
    }
}
