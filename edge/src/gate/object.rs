//! The Gate, a Durable Object for a shard of users: the second hop of a reservation. It guarantees nothing that the
//! database does not: it answers from memory what it knows, and batches the rest into calls of `reserve`.
//!
//! A Durable Object handles several requests while its I/O is pending. That is why batches form without a timer: what
//! arrives while a call is in flight leaves with the next one.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use protocol::json;
use protocol::lookup::{self, Question};
use protocol::reserve::{BatchResponse, Reservation};
use worker::js_sys::futures::future_to_promise;
use worker::wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use worker::{Delay, Env, State, wasm_bindgen, worker_sys};

use crate::auth::rate_limit::Charge;
use crate::gate::answer::{Verdict, answer, counted};
use crate::gate::client::LEASE;
use crate::gate::core::in_flight::InFlightBatch;
use crate::gate::core::memory::Memory;
use crate::gate::message::{Ask, Reply};
use crate::gate::restart_mark::RestartMark;
use crate::lambda::invoke;
use crate::runtime::config::Config;
use crate::runtime::limits::GATE_SETTLE_MS;
use crate::runtime::{clock, config};

/// The class in `main.js` forwards its calls to this.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
pub struct Gate {
    inner: Rc<Inner>,
}

struct Inner {
    state: State,
    config: Rc<Config>,
    /// The shard of this Gate, learned from its first reservation.
    shard: Cell<u64>,
    restart_mark: RefCell<RestartMark>,
    /// When a timer launches what waits for the end of a lease.
    wakes_ms: Cell<u64>,
    /// When a lease was last not given, because there are too many users for its filter.
    unleased_ms: Cell<u64>,
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
        let (restart_mark, settled_ms, leased_ms) = RestartMark::begin(state.storage().sql(), clock::now_ms());
        let mut memory = Memory::new(config.user_burst, config.user_per_s, config.gate_key);
        memory.sold_out.settle(settled_ms);
        memory.sold_out.hold_back_until(leased_ms);
        let (restart_mark, memory) = (RefCell::new(restart_mark), RefCell::new(memory));
        let (shard, wakes_ms, unleased_ms) = (Cell::default(), Cell::default(), Cell::default());
        Self { inner: Rc::new(Inner { state, config, shard, restart_mark, wakes_ms, unleased_ms, memory }) }
    }

    /// Takes an [`Ask`] as text. What is known from memory is answered at once with a [`Reply`] as text, everything
    /// else by a promise of one; `Forget` is answered with an empty string. `wish`: [`LEASE`], or nothing.
    ///
    /// # Errors
    /// The message is no `Ask`.
    pub fn ask(&self, question: &str, wish: Option<String>) -> Result<JsValue, JsValue> {
        match Ask::read(question).ok_or("this is no question")? {
            Ask::Forget { sale_ids } => {
                let memory = &mut self.inner.memory.borrow_mut();
                sale_ids.iter().for_each(|sale_id| memory.sold_out.forget(sale_id, clock::now_ms()));
                Ok("".into())
            }
            Ask::Charge { user_id } => {
                let charge = self.inner.charge(user_id);
                Ok(Reply { charge, response: counted(charge), lease: None }.text().into())
            }
            Ask::Reserve { json } => {
                let asked = Reservation::read(json).map_err(|error| error.to_string())?;
                Ok(self.inner.reserve(asked, wish.as_deref() == Some(LEASE)))
            }
        }
    }
}

fn reply(charge: Charge, verdict: Verdict, lease: Option<String>) -> JsValue {
    Reply { charge, response: answer(charge, verdict), lease }.text().into()
}

impl Inner {
    fn charge(&self, user_id: &str) -> Charge {
        self.memory.borrow_mut().charge(user_id, clock::now_ms())
    }

    fn reserve(self: &Rc<Self>, asked: Reservation, wants_lease: bool) -> JsValue {
        let charge = self.charge(&asked.user_id);
        if !charge.admitted {
            return reply(charge, Verdict::Charged, None);
        }
        let sale_id = wants_lease.then(|| asked.sale_id.clone());
        self.shard.set(self.config.gate_key.shard(&asked.user_id, self.config.gate_shards));
        let (waiter, mut verdict) = oneshot::channel();
        self.memory.borrow_mut().arrive(asked, waiter, clock::now_ms());
        self.launch();
        match verdict.try_recv() {
            Ok(Some(verdict)) => self.reply(charge, verdict, sale_id),
            // The Worker has the deadline: a timer here would be a second one for every request.
            Ok(None) => {
                let inner = self.clone();
                let reply = async move {
                    let verdict = verdict.await.unwrap_or(Verdict::Unavailable);
                    Ok(inner.reply(charge, verdict, sale_id))
                };
                future_to_promise(reply).into()
            }
            Err(oneshot::Canceled) => reply(charge, Verdict::Unavailable, None),
        }
    }

    /// With a lease of the sale, if one is named and the verdict is everybody's.
    fn reply(&self, charge: Charge, verdict: Verdict, sale_id: Option<String>) -> JsValue {
        let lease = sale_id.filter(|_| verdict.is_for_anybody()).and_then(|sale_id| self.lease(&sale_id));
        reply(charge, verdict, lease)
    }

    /// A lease for the Worker that asks. A successor of this Gate has to know of it, or none is given.
    fn lease(&self, sale_id: &str) -> Option<String> {
        let now_ms = clock::now_ms();
        let sold_out = &mut self.memory.borrow_mut().sold_out;
        if sold_out.has_too_many_users_for_a_lease() {
            if now_ms.abs_diff(self.unleased_ms.replace(now_ms)) > GATE_SETTLE_MS {
                worker::console_error!(
                    "{}",
                    serde_json::json!({"lease": "none", "why": "too many users may have something"})
                );
            }
            return None;
        }
        if !self.restart_mark.borrow_mut().lease(now_ms) {
            return None;
        }
        json::print(&sold_out.lease(sale_id, now_ms)?).ok()
    }

    /// What waits for the end of a lease leaves then, whether or not anybody asks.
    fn wake_later(self: &Rc<Self>) {
        let now_ms = clock::now_ms();
        let Some(wake_ms) = self.memory.borrow_mut().wake_ms(now_ms) else { return };
        if (now_ms..=wake_ms).contains(&self.wakes_ms.get()) {
            return;
        }
        self.wakes_ms.set(wake_ms);
        let inner = self.clone();
        self.state.wait_until(async move {
            Delay::from(Duration::from_millis(wake_ms.saturating_sub(now_ms))).await;
            inner.wakes_ms.set(0);
            inner.launch();
        });
    }

    /// Sends every batch that may leave now, and delivers the verdicts that have been decided.
    fn launch(self: &Rc<Self>) {
        loop {
            let in_flight = self.memory.borrow_mut().take_batch(clock::now_ms());
            let Some(in_flight) = in_flight else { break };
            // The batch outlives the request that triggered it: that client may hang up, while others wait.
            let inner = self.clone();
            self.state.wait_until(async move { inner.send(in_flight).await });
        }
        let question = self.memory.borrow_mut().sold_out.question(clock::now_ms());
        if let Some(sale_id) = question {
            let inner = self.clone();
            self.state.wait_until(async move { inner.ask_for_holders(sale_id).await });
        }
        let answers = self.memory.borrow_mut().drain();
        for (waiter, verdict) in answers {
            // The Worker may have given up this waiter; a repeated request finds the outcome in `keys`.
            let _ = waiter.send(verdict);
        }
        self.wake_later();
    }

    async fn send(self: Rc<Self>, in_flight: InFlightBatch) {
        self.restart_mark.borrow_mut().mark(in_flight.sent_ms);
        let payload = in_flight.payload();
        let answers = invoke::call_unguarded::<BatchResponse>(&self.config.lambda, "reserve", &payload).await;
        let outcomes = match answers {
            Ok(answers) => Some(answers.outcomes),
            Err(error) => {
                let reservations = in_flight.users.len();
                let line =
                    serde_json::json!({"batch": "failed", "reservations": reservations, "error": error.to_string()});
                worker::console_error!("{line}");
                if !error.is_the_functions() {
                    self.memory.borrow_mut().complete_rejected(&in_flight, clock::now_ms());
                    self.launch();
                    return;
                }
                None
            }
        };
        self.memory.borrow_mut().complete(&in_flight, outcomes, clock::now_ms());
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
