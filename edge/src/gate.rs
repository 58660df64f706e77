//! The Gate, a Durable Object for a shard of users: the second hop of a reservation. It keeps no promise of its own;
//! it answers what it remembers, and gathers what it does not into calls of `reserve`.
//!
//! A Durable Object may do I/O for several requests at once, and that is what makes batches without a timer possible.

pub mod ask;
pub mod bucket;
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

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_channel::oneshot;
use wire::lookup::{self, Question};
use wire::reserve::{Answers, Batch, Reservation};
use wire::shard::{self, fnv1a};
use worker::js_sys::futures::JsFuture;
use worker::{DurableObject, Env, Request, Response, State, durable_object, wasm_bindgen};

use crate::config::{self, Config};
use crate::gate::life::Life;
use crate::gate::memory::{Flight, Memory};
use crate::gate::message::{Ask, Reply, Verdict};
use crate::{clock, invoke};

#[durable_object(fetch)]
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

impl DurableObject for Gate {
    fn new(state: State, env: Env) -> Self {
        let config = config::of(&env);
        let (life, settled_ms) = Life::begin(state.storage().sql(), clock::now_ms());
        let mut memory = Memory::new(config.user_burst, config.user_per_s);
        memory.sold_out.settle(settled_ms);
        let (life, memory) = (RefCell::new(life), RefCell::new(memory));
        Self { inner: Rc::new(Inner { state, config, shard: Cell::default(), life, memory }) }
    }

    async fn fetch(&self, request: Request) -> worker::Result<Response> {
        let asked = JsFuture::from(request.inner().text()?).await?.as_string().unwrap_or_default();
        let reply = match serde_json::from_str(&asked)? {
            Ask::Forget { sale_id } => {
                self.inner.memory.borrow_mut().sold_out.forget(&sale_id, clock::now_ms());
                return Response::empty();
            }
            Ask::Charge { user_id } => self.inner.charge(&user_id),
            Ask::Reserve(asked) => self.inner.reserve(asked).await,
        };
        // No header: only our own Worker reads it.
        Ok(Response::builder().fixed(serde_json::to_vec(&reply)?))
    }
}

impl Inner {
    fn charge(&self, user_id: &str) -> Reply {
        let charge = self.memory.borrow_mut().charge(user_id, clock::now_ms());
        Reply { charge, verdict: Verdict::Charged }
    }

    async fn reserve(self: &Rc<Self>, asked: Reservation) -> Reply {
        let Reply { charge, verdict } = self.charge(&asked.user_id);
        if !charge.admitted {
            return Reply { charge, verdict };
        }
        self.shard.set(shard::of(fnv1a(asked.user_id.as_bytes()), self.config.gate_shards));
        let (waiter, verdict) = oneshot::channel();
        self.memory.borrow_mut().arrive(asked, waiter, clock::now_ms());
        self.launch();
        // The Worker is who watches the clock: a timer here too would be one more for every request.
        Reply { charge, verdict: verdict.await.unwrap_or(Verdict::Unavailable) }
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
        let batch = Batch { reservations: std::mem::take(&mut flight.reservations) };
        let answers = invoke::call_unguarded::<_, Answers>(&self.config.lambda, "reserve", &batch).await;
        let outcomes = match answers {
            Ok(answers) => Some(answers.outcomes),
            Err(error) => {
                let reservations = flight.users.len();
                let line =
                    serde_json::json!({"flight": "failed", "reservations": reservations, "error": error.to_string()});
                worker::console_error!("{line}");
                None
            }
        };
        self.memory.borrow_mut().land(&flight, outcomes, clock::now_ms());
        self.launch();
    }

    async fn ask_for_holders(self: Rc<Self>, sale_id: String) {
        let (shard, shards) = (self.shard.get(), self.config.gate_shards);
        let trace = wire::Trace { request_id: format!("gate-{shard}"), traceparent: None };
        let question = Question::Holders { sale_id: sale_id.clone(), shard, shards };
        let request = lookup::Request { trace, question };
        let answer = match invoke::call(&self.config.lambda, "lookup", &request).await {
            Ok(lookup::Outcome::Holders { users, complete }) => Some((users, complete)),
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
