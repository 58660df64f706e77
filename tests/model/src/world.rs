//! The real transactions, called by their roles: what the model is held against. Those about money before and after a
//! payment are in `money`.

mod money;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use functions::reservations;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{Json, Type};
use tokio_postgres::{Client, Error, Statement};
use uuid::Uuid;

use super::command::{Amount, Ask, Command, HoldOf};
use super::names::Window;
use super::session::{Params, Session};
use super::shown::lapsed_at;
use super::tables;
use stack::always::{self, Rule};
use stack::database;

/// For one try at the owner's connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// What a command was answered, and when.
pub struct Answered {
    /// As it was said: with the sum that was paid, and about nobody's hold where the hold was not known yet.
    pub said: Command,
    /// One each, for a batch; else one. None at all: nobody saw an answer, and nobody knows what was done.
    pub values: Vec<Value>,
    pub window: Window,
}

pub struct World {
    /// The database's, with its owner's rights.
    pub url: String,
    pub early_release: bool,
    pub sessions: Vec<Session>,
    owner: RefCell<Rc<Client>>,
    /// What is asked after each history, as that connection of the owner has prepared it: to plan it takes longer than to
    /// answer it.
    prepared: RefCell<Option<(Rc<Client>, Prepared)>>,
    /// Only a server that ends takes the owner's connection away.
    crashed: Cell<bool>,
    /// Which id and which price the hold of a user and key was granted with, and its order.
    known: RefCell<Known>,
}

#[derive(Clone)]
struct Prepared {
    tables: Statement,
    rules: always::Prepared,
}

#[derive(Default)]
struct Known {
    holds: HashMap<HoldOf, (Uuid, i64, String)>,
    orders: HashMap<HoldOf, Uuid>,
}

impl Answered {
    /// Nothing was done, and whoever asked asks again: for the model to say whether that may be.
    fn again(said: Command) -> Self {
        let values = vec![json!({"result": "again"})];
        Self { said, values, window: Window { asked_ms: 0, answered_ms: 0 } }
    }

    /// Whatever was done was done within this time.
    pub fn unseen(said: Command, window: Window) -> Self {
        Self { said, values: vec![], window }
    }

    pub fn is_unseen(&self) -> bool {
        self.values.is_empty()
    }
}

impl World {
    /// # Errors
    /// The database cannot be reached.
    pub async fn new(url: &str, early_release: bool, sessions: Vec<Session>) -> anyhow::Result<Self> {
        let owner = RefCell::new(Rc::new(database::connect(url).await?));
        let (crashed, known, prepared) = (Cell::default(), RefCell::default(), RefCell::default());
        Ok(Self { url: url.to_owned(), early_release, sessions, owner, prepared, crashed, known })
    }

    pub fn owner(&self) -> Rc<Client> {
        self.owner.borrow().clone()
    }

    /// The owner, connected again if need be: then the server has ended since, and that is kept in mind.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn owner_again(&self) -> anyhow::Result<Rc<Client>> {
        if self.owner().is_closed() {
            self.crashed.set(true);
            let again = timeout(CONNECT_WITHIN, database::connect(&self.url)).await??;
            self.owner.replace(Rc::new(again));
        }
        Ok(self.owner())
    }

    /// The rows that the history with this prefix has left.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn found(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let (owner, prepared) = self.prepared().await?;
        tables::found(&owner, &prepared.tables, prefix).await
    }

    /// The rules that do not hold now.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn broken(&self) -> Result<Vec<Rule>, Error> {
        let (owner, prepared) = self.prepared().await?;
        prepared.rules.broken(&owner).await
    }

    async fn prepared(&self) -> Result<(Rc<Client>, Prepared), Error> {
        let owner = self.owner();
        if let Some((by, prepared)) = &*self.prepared.borrow()
            && Rc::ptr_eq(by, &owner)
        {
            return Ok((owner, prepared.clone()));
        }
        let prepared =
            Prepared { tables: tables::question(&owner).await?, rules: always::Prepared::new(&owner).await? };
        self.prepared.replace(Some((owner.clone(), prepared.clone())));
        Ok((owner, prepared))
    }

    /// Whether the server has ended since this was asked last.
    pub fn has_crashed(&self) -> bool {
        self.crashed.take()
    }

    /// One on the first connection, or all at once on one each.
    ///
    /// # Errors
    /// The database's, but for one that says that nothing was done and to ask again.
    ///
    /// # Panics
    /// More are to be at once than there are connections.
    pub async fn perform(&self, command: &Command) -> Result<Vec<Answered>, Error> {
        let racers: Vec<Command> = command.racers().iter().map(|racer| self.said(racer)).collect();
        assert!(racers.len() <= self.sessions.len());
        let all = racers.into_iter().zip(&self.sessions).map(async |(racer, session)| {
            match self.one(session, racer.clone()).await {
                Err(error) if error.code() == Some(&SqlState::T_R_SERIALIZATION_FAILURE) => {
                    session.has_ended(racer.role()).await?;
                    Ok(Answered::again(racer))
                }
                answered => answered,
            }
        });
        join_all(all).await.into_iter().collect()
    }

    /// What can be said now: with what is known of the hold.
    pub fn said(&self, command: &Command) -> Command {
        let Some(of) = command.of() else { return self.with_price(command, None) };
        let known = self.known.borrow();
        let is_known = match command {
            Command::ReadOrder { .. } | Command::Cancel { .. } | Command::CancelOwn { .. } | Command::Move { .. } => {
                known.orders.contains_key(of)
            }
            _ => known.holds.contains_key(of),
        };
        let command = if is_known { command.clone() } else { command.about_nobodys() };
        self.with_price(&command, known.holds.get(of))
    }

    fn with_price(&self, command: &Command, hold: Option<&(Uuid, i64, String)>) -> Command {
        let mut one = command.clone();
        if let Command::Attempt { pay, .. } = &mut one {
            **pay = self.with_price(pay, hold);
        }
        if let Command::Pay { amount, currency, .. } = &mut one {
            let (price, of_sale) = hold.map_or((100, "KRW"), |(_, price, currency)| (*price, currency.as_str()));
            let Amount::More(more) = *amount else { return one };
            *amount = Amount::Exactly((price + more).max(0));
            currency.get_or_insert_with(|| of_sale.to_owned());
        }
        one
    }

    /// `command` as `said`.
    ///
    /// # Errors
    /// The database's; or the connection was lost, and nobody knows what was done.
    pub async fn one(&self, session: &Session, command: Command) -> Result<Answered, Error> {
        let asked_ms = jiff::Timestamp::now().as_millisecond();
        let mut values = match self.call(session, &command).await? {
            Value::Array(values) if matches!(command, Command::Reserve { .. }) => values,
            one => vec![one],
        };
        let window = Window { asked_ms, answered_ms: jiff::Timestamp::now().as_millisecond() };
        values.iter_mut().for_each(in_the_contracts_words);
        self.remember(&command, &values);
        Ok(Answered { said: command, values, window })
    }

    async fn call(&self, session: &Session, command: &Command) -> Result<Value, Error> {
        let (hold, order) = (self.hold_id(command), self.order_id(command));
        let (role, owner) = (command.role(), self.owner());
        match command {
            Command::NewSale { sale, currency, ttl_s, phase, retakes, cools, cancels, skus } => {
                let skus: Vec<Value> = skus
                    .iter()
                    .map(|(sku, price, stock, most)| {
                        json!({"sku_id": sku, "name": sku, "unit_price": price, "stock": stock, "max_per_user": most})
                    })
                    .collect();
                let sale = json!({"sale_id": sale, "name": sale, "currency": currency, "hold_ttl_s": ttl_s,
                    "opens_at": phase.opens_at(), "closes_at": phase.closes_at(), "skus": skus,
                    "late_payment": retakes.then_some("retake"), "lapse_cooldown_s": cools.then_some(86_400), "buyer_cancel": cancels});
                let by = json!({"actor": "minji", "request_id": sale["sale_id"]});
                let print = sha256(&sale.to_string());
                let params: Params = &[(&Json(by), Type::JSON), (&Json(&sale), Type::JSON), (&print, Type::BYTEA)];
                session.call(role, "select holdfast.create_sale($1, $2, $3)", params).await
            }
            Command::Reserve { sale, asks } => self.reserve(session, sale, asks).await,
            Command::Pay { gateway, payment, of, user, amount, currency } => {
                let Amount::Exactly(amount) = amount else { panic!("a payment of no known sum") };
                let said = of.as_ref().map_or_else(|| "no-hold".to_owned(), |_| hold.to_string());
                let hold = of.as_ref().map(|_| hold);
                let sql = "select holdfast.confirm($1, $2, $3, $4, $5, $6, $7)";
                let params: Params = &[
                    (gateway, Type::TEXT),
                    (payment, Type::TEXT),
                    (&said, Type::TEXT),
                    (&hold, Type::UUID),
                    (user, Type::TEXT),
                    (amount, Type::INT8),
                    (currency, Type::TEXT),
                ];
                session.call(role, sql, params).await
            }
            Command::PayFree { user, method, .. } => {
                let params: Params = &[(user, Type::TEXT), (&hold, Type::UUID), (method, Type::TEXT)];
                session.call(role, "select holdfast.pay($1, $2, $3)", params).await
            }
            Command::Sweep { most } => session.call(role, "select holdfast.expire($1)", &[(most, Type::INT4)]).await,
            Command::Release { user, .. } => {
                let sql = "select holdfast.release($1, $2)";
                session.call(role, sql, &[(user, Type::TEXT), (&hold, Type::UUID)]).await
            }
            Command::Change { user, version, lines, .. } => {
                let (skus, qtys): (Vec<&str>, Vec<i32>) = lines.iter().map(|(sku, qty)| (sku.as_str(), *qty)).unzip();
                let params: Params = &[
                    (user, Type::TEXT),
                    (&hold, Type::UUID),
                    (version, Type::INT8),
                    (&skus, Type::TEXT_ARRAY),
                    (&qtys, Type::INT4_ARRAY),
                ];
                session.call(role, "call holdfast.change_hold($1, $2, $3, $4, $5, null)", params).await
            }
            Command::Stock { sale, sku, delta, key } => {
                let print = sha256(&format!("{sale} {sku} {delta}"));
                let by = json!({"actor": "minji", "reason": "a reason", "request_id": key});
                let params: Params = &[
                    (&Json(by), Type::JSON),
                    (sale, Type::TEXT),
                    (sku, Type::TEXT),
                    (delta, Type::INT8),
                    (key, Type::TEXT),
                    (&print, Type::BYTEA),
                ];
                session.call(role, "select holdfast.adjust_stock($1, $2, $3, $4, $5, $6)", params).await
            }
            Command::Status { sale, status } => {
                let by = Json(json!({"actor": "minji", "request_id": sale}));
                let sql = "select holdfast.set_sale_status($1, $2, $3)";
                session.call(role, sql, &[(&by, Type::JSON), (sale, Type::TEXT), (status, Type::TEXT)]).await
            }
            Command::Cancel { of, key } => {
                let by = json!({"actor": "minji", "reason": "a reason", "request_id": key});
                let params: Params = &[
                    (&Json(by), Type::JSON),
                    (key, Type::TEXT),
                    (&sha256(&of.to_string()), Type::BYTEA),
                    (&order, Type::UUID),
                ];
                session.call(role, "select holdfast.cancel_order($1, $2, $3, $4)", params).await
            }
            Command::CancelOwn { user, .. } => {
                let sql = "select holdfast.cancel_own_order($1, $2, 'a reason')";
                session.call(role, sql, &[(user, Type::TEXT), (&order, Type::UUID)]).await
            }
            Command::Move { next, key, .. } => {
                let by = Json(json!({"actor": "minji", "reason": "a reason", "request_id": key}));
                let params: Params = &[
                    (&by, Type::JSON),
                    (&order, Type::UUID),
                    (&next.version, Type::INT8),
                    (&next.status, Type::TEXT),
                    (&next.tracking, Type::TEXT),
                    (&next.restock, Type::BOOL),
                ];
                session.call(role, "select holdfast.change_order($1, $2, $3, $4, $5, $6)", params).await
            }
            Command::Attempt { .. }
            | Command::OpenPage { .. }
            | Command::Asked { .. }
            | Command::Present { .. }
            | Command::Listed { .. }
            | Command::Refund { .. }
            | Command::BeginRefund { .. }
            | Command::SettleRefund { .. }
            | Command::Park { .. }
            | Command::Decide { .. } => self.call_about_money(session, command).await,
            Command::Retain => {
                let sql = "select holdfast.remove_sent(1000, 604800, 2592000), holdfast.remove_keys(1000, 86400),
                                  holdfast.remove_holds(1000, 7776000), holdfast.forget_due(1000, 604800, 157766400)";
                owner.query_typed(sql, &[]).await?;
                Ok(Value::Null)
            }
            Command::ReadHold { user, .. } => {
                let sql = "call holdfast.look_up_hold($1, $2, $3, null)";
                let early = self.early_release;
                session.call(role, sql, &[(user, Type::TEXT), (&hold, Type::UUID), (&early, Type::BOOL)]).await
            }
            Command::ReadOrder { user, .. } => {
                let sql = "select holdfast.look_up_order($1, $2)";
                session.call(role, sql, &[(user, Type::TEXT), (&order, Type::UUID)]).await
            }
            Command::ReadOrderOfHold { user, .. } => {
                let sql = "select holdfast.look_up_order_of_hold($1, $2)";
                session.call(role, sql, &[(user, Type::TEXT), (&hold, Type::UUID)]).await
            }
            Command::ReadSale { sale } => {
                session.call(role, "select holdfast.look_up_sale($1)", &[(sale, Type::TEXT)]).await
            }
            Command::Report { sale } => session.call(role, "select holdfast.report($1)", &[(sale, Type::TEXT)]).await,
            Command::ReadPayments { begin, state } => {
                let sql = "select holdfast.newest_payments($1, null, 100000, 100000)";
                let list = session.call(role, sql, &[(state, Type::TEXT)]).await?;
                Ok(without_others(list, begin))
            }
            Command::Lapse { order, .. } => {
                let sql =
                    "update holdfast.reservation_hold set created_at = $2::text::timestamptz - interval '1 second',
                           expire_at = $2::text::timestamptz where hold_id = $1 and status = 'HOLD'";
                let at = lapsed_at(*order);
                owner.query_typed(sql, &[(&hold, Type::UUID), (&at, Type::TEXT)]).await?;
                Ok(Value::Null)
            }
            Command::Schedule { sale, phase } => {
                let sql = "update holdfast.sale set opens_at = $2::text::timestamptz, closes_at = $3::text::timestamptz
                           where sale_id = $1";
                let params: Params =
                    &[(sale, Type::TEXT), (&phase.opens_at(), Type::TEXT), (&phase.closes_at(), Type::TEXT)];
                owner.query_typed(sql, params).await?;
                Ok(Value::Null)
            }
            Command::Race(_) => panic!("a race within a race"),
        }
    }

    async fn reserve(&self, session: &Session, sale: &str, asks: &[Ask]) -> Result<Value, Error> {
        let mut columns = reservations::Batch::new(sale, self.early_release, None);
        for ask in asks {
            let fingerprint = sha256(&format!("{sale} {:?}", ask.lines));
            columns.push(&ask.user, &ask.key, fingerprint, ask.lines.iter().map(|(sku, qty)| (sku.as_str(), *qty)));
        }
        session.call("reserve", reservations::CALL, &columns.params()).await
    }

    fn remember(&self, command: &Command, values: &[Value]) {
        let mut known = self.known.borrow_mut();
        if let (Command::Change { of, .. }, Some(amount)) = (command, values[0]["hold"]["total_amount"].as_i64()) {
            known.holds.entry(of.clone()).and_modify(|hold| hold.1 = amount);
        }
        let Command::Reserve { asks, .. } = command else { return };
        for (ask, hold) in asks.iter().zip(values).map(|(ask, value)| (ask, &value["hold"])) {
            let (Some(id), Some(amount)) = (id_in(&hold["hold_id"]), hold["total_amount"].as_i64()) else { continue };
            let of = HoldOf { user: ask.user.clone(), key: ask.key.clone() };
            known.holds.insert(of, (id, amount, hold["currency"].as_str().unwrap_or_default().to_owned()));
        }
    }

    /// Which hold an order is of is the model's to say: a payment that is told of twice may name another.
    pub(super) fn remember_order(&self, of: &HoldOf, order_id: &str) {
        self.known.borrow_mut().orders.insert(of.clone(), Uuid::parse_str(order_id).unwrap());
    }

    /// The id of the hold that a command is about; one that nobody has, when there is none.
    fn hold_id(&self, command: &Command) -> Uuid {
        let known = self.known.borrow();
        command.of().and_then(|of| known.holds.get(of)).map_or(Uuid::nil(), |(id, ..)| *id)
    }

    fn order_id(&self, command: &Command) -> Uuid {
        let known = self.known.borrow();
        command.of().and_then(|of| known.orders.get(of)).copied().unwrap_or_default()
    }

    /// Which of these holds were ended by now for being past their end, as the database has it.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn expired_among(&self, ids: &[String]) -> Result<Vec<String>, Error> {
        if ids.is_empty() {
            return Ok(vec![]);
        }
        let ids: Vec<Uuid> = ids.iter().filter_map(|id| Uuid::parse_str(id).ok()).collect();
        // Paid late, it may be an order by now.
        let sql = "select distinct hold_id::text from holdfast.inventory_ledger
                   where hold_id = any ($1) and event_type = 'EXPIRE_CREDIT'";
        let rows = self.owner().query_typed(sql, &[(&ids, Type::UUID_ARRAY)]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Removes everything, whoever's it is.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn empty(&self) -> Result<(), Error> {
        let tables =
            "truncate holdfast.parked_payment, holdfast.audit_finding, holdfast.forget_request, holdfast.delivery,
            holdfast.event_outbox, holdfast.inventory_ledger, holdfast.order_ledger,
            holdfast.refund_attempt, holdfast.refund, holdfast.payment_attempt,
            holdfast.payment, holdfast.orders, holdfast.order_items, holdfast.idempotency, holdfast.user_active_hold,
            holdfast.reservation_hold, holdfast.reservation_hold_item, holdfast.stock_adjustment, holdfast.sale,
            holdfast.sku, holdfast.inventory_counter, holdfast.sold_bucket, holdfast.sku_sold, holdfast.sale_sold_out,
            holdfast.buyer_history, holdfast.operator_request, holdfast.operator_ledger";
        self.owner().batch_execute(tables).await
    }

    /// Forgets what is nobody's business any more.
    pub fn forget(&self) {
        *self.known.borrow_mut() = Known::default();
    }
}

fn id_in(value: &Value) -> Option<Uuid> {
    value.as_str().and_then(|id| Uuid::parse_str(id).ok())
}

pub(super) fn sha256(text: &str) -> Vec<u8> {
    Sha256::digest(text).to_vec()
}

/// The payments whose ids begin so, by their ids, and without their times, which nobody here knows.
fn without_others(mut list: Value, begin: &str) -> Value {
    if let Some(Value::Array(payments)) = list.get_mut("payments") {
        payments.retain(|paid| paid["payment_id"].as_str().is_some_and(|id| id.starts_with(begin)));
        payments.sort_by_key(|paid| (paid["gateway"].to_string(), paid["payment_id"].to_string()));
        for paid in payments {
            paid.as_object_mut().and_then(|members| members.remove("created_at"));
        }
    }
    list
}

/// Leaves out what the functions leave out before anybody sees it: members that are null, `replayed` where it is
/// false, whose hold it is.
fn in_the_contracts_words(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let says_nothing =
                |name: &str, member: &Value| member.is_null() || (name == "replayed" && *member == json!(false));
            members.retain(|name, member| !says_nothing(name, member));
            if let Some(Value::Object(hold)) = members.get_mut("hold") {
                hold.remove("user_id");
            }
            members.values_mut().for_each(in_the_contracts_words);
        }
        Value::Array(items) => items.iter_mut().for_each(in_the_contracts_words),
        _ => {}
    }
}
