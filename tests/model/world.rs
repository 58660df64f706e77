//! The real transactions, called by their roles: what the model is held against.

use std::cell::RefCell;
use std::collections::HashMap;

use futures_util::future::{join_all, try_join};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{Json, ToSql, Type};
use tokio_postgres::{Client, Error};
use uuid::Uuid;

use super::command::{Amount, Ask, Command, HoldOf};
use super::names::Window;
use super::shown::lapsed_at;
use crate::database::Database;

type Params<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

/// A connection that takes the rights of whoever's call it makes next.
pub struct Session {
    client: Client,
    role: RefCell<&'static str>,
}

/// What a command was answered, and when.
pub struct Answered {
    /// As it was said: with the sum that was paid, and about nobody's hold where the hold was not known yet.
    pub said: Command,
    /// One each, for a batch; else one.
    pub values: Vec<Value>,
    pub window: Window,
}

pub struct World {
    pub database: Database,
    pub sessions: Vec<Session>,
    /// Which id and which price the hold of a user and key was granted with, and its order.
    known: RefCell<Known>,
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
}

impl Session {
    pub async fn new(database: &Database, settings: &str) -> Self {
        let client = harness::database::connect(&database.url()).await.unwrap();
        client.batch_execute(settings).await.unwrap();
        Self { client, role: RefCell::new("") }
    }

    /// One statement with a function's rights; the change of rights travels with it.
    pub async fn call(&self, role: &'static str, sql: &str, params: Params<'_>) -> Result<Value, Error> {
        // The rights are taken whatever becomes of the statement.
        let rows = if self.role.replace(role) == role {
            self.client.query_typed(sql, params).await?
        } else {
            let become_it = format!("set session authorization holdfast_{role}");
            try_join(self.client.batch_execute(&become_it), self.client.query_typed(sql, params)).await?.1
        };
        match rows[0].columns()[0].type_() {
            &Type::INT4 => Ok(json!(rows[0].get::<_, i32>(0))),
            _ => Ok(rows[0].get::<_, Option<Json<Value>>>(0).map_or(Value::Null, |json| json.0)),
        }
    }

    /// Settings that only a superuser may make.
    pub async fn set(&self, settings: &str) {
        self.client.batch_execute(&format!("reset session authorization; {settings}")).await.unwrap();
        *self.role.borrow_mut() = "";
    }

    pub async fn pid(&self) -> i32 {
        self.client.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0)
    }
}

/// Nobody here waits for the disk: what survives a crash is seen elsewhere. Plans are made once, as the roles have it.
const SETTINGS: &str = "set synchronous_commit = off; set jit = off; select set_config(split_part(one, '=', 1),
    split_part(one, '=', 2), false) from pg_db_role_setting s join pg_roles r on r.oid = s.setrole, unnest(s.setconfig) as one
    where r.rolname = 'holdfast_reserve' and (one like 'enable%' or one like 'plan_cache_mode=%')";

impl World {
    pub async fn new(early_release: bool, sessions: usize) -> Self {
        let database = Database::with(early_release).await;
        database.owner.batch_execute(SETTINGS).await.unwrap();
        let sessions = join_all((0..sessions).map(|_| Session::new(&database, SETTINGS))).await;
        Self { database, sessions, known: RefCell::default() }
    }

    /// One on the first connection, or all at once on one each.
    pub async fn perform(&self, command: &Command) -> Result<Vec<Answered>, Error> {
        let racers: Vec<Command> = command.racers().iter().map(|racer| self.said(racer)).collect();
        assert!(racers.len() <= self.sessions.len());
        let all = racers.into_iter().zip(&self.sessions).map(async |(racer, session)| {
            match self.one(session, racer.clone()).await {
                Err(error) if error.code() == Some(&SqlState::T_R_SERIALIZATION_FAILURE) => Ok(Answered::again(racer)),
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
            Command::ReadOrder { .. } | Command::Cancel { .. } => known.orders.contains_key(of),
            _ => known.holds.contains_key(of),
        };
        let command = if is_known { command.clone() } else { command.about_nobodys() };
        self.with_price(&command, known.holds.get(of))
    }

    fn with_price(&self, command: &Command, hold: Option<&(Uuid, i64, String)>) -> Command {
        let mut one = command.clone();
        if let Command::Pay { amount, currency, .. } = &mut one {
            let (price, of_sale) = hold.map_or((100, "KRW"), |(_, price, currency)| (*price, currency.as_str()));
            let Amount::More(more) = *amount else { return one };
            *amount = Amount::Exactly((price + more).max(0));
            currency.get_or_insert_with(|| of_sale.to_owned());
        }
        one
    }

    /// `command` as `said`.
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
        match command {
            Command::NewSale { sale, currency, ttl_s, phase, retakes, skus } => {
                let skus: Vec<Value> = skus
                    .iter()
                    .map(|(sku, price, stock, most)| {
                        json!({"sku_id": sku, "name": sku, "unit_price": price, "stock": stock, "max_per_user": most})
                    })
                    .collect();
                let sale = json!({"sale_id": sale, "name": sale, "currency": currency, "hold_ttl_s": ttl_s,
                    "opens_at": phase.opens_at(), "closes_at": phase.closes_at(), "skus": skus,
                    "late_payment": retakes.then_some("retake")});
                let params: Params = &[(&Json(&sale), Type::JSON), (&sha256(&sale.to_string()), Type::BYTEA)];
                session.call("admin", "select holdfast.create_sale($1, $2)", params).await
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
                session.call("confirm", sql, params).await
            }
            Command::Sweep { most } => {
                session.call("expire", "select holdfast.expire($1)", &[(most, Type::INT4)]).await
            }
            Command::Release { user, .. } => {
                let sql = "select holdfast.release($1, $2)";
                session.call("release", sql, &[(user, Type::TEXT), (&hold, Type::UUID)]).await
            }
            Command::Stock { sale, sku, delta, key } => {
                let print = sha256(&format!("{sale} {sku} {delta}"));
                let params: Params = &[
                    (sale, Type::TEXT),
                    (sku, Type::TEXT),
                    (delta, Type::INT8),
                    (key, Type::TEXT),
                    (&print, Type::BYTEA),
                ];
                session.call("admin", "select holdfast.adjust_stock($1, $2, $3, 'a reason', $4, $5)", params).await
            }
            Command::Status { sale, status } => {
                let sql = "select holdfast.set_sale_status($1, $2)";
                session.call("admin", sql, &[(sale, Type::TEXT), (status, Type::TEXT)]).await
            }
            Command::Cancel { of, key } => {
                let by = json!({"actor": "minji", "reason": "a reason", "request_id": key});
                let params: Params = &[
                    (&Json(by), Type::JSON),
                    (key, Type::TEXT),
                    (&sha256(&of.to_string()), Type::BYTEA),
                    (&order, Type::UUID),
                ];
                session.call("admin", "select holdfast.cancel_order($1, $2, $3, $4)", params).await
            }
            Command::ReadHold { user, .. } => {
                let sql = "call holdfast.look_up_hold($1, $2, $3, null)";
                let early = self.database.early_release;
                session.call("lookup", sql, &[(user, Type::TEXT), (&hold, Type::UUID), (&early, Type::BOOL)]).await
            }
            Command::ReadOrder { user, .. } => {
                let sql = "select holdfast.look_up_order($1, $2)";
                session.call("lookup", sql, &[(user, Type::TEXT), (&order, Type::UUID)]).await
            }
            Command::ReadOrderOfHold { user, .. } => {
                let sql = "select holdfast.look_up_order_of_hold($1, $2)";
                session.call("lookup", sql, &[(user, Type::TEXT), (&hold, Type::UUID)]).await
            }
            Command::ReadSale { sale } => {
                session.call("lookup", "select holdfast.look_up_sale($1)", &[(sale, Type::TEXT)]).await
            }
            Command::Report { sale } => {
                session.call("admin", "select holdfast.report($1)", &[(sale, Type::TEXT)]).await
            }
            Command::ReadPayments { begin, state } => {
                let sql = "select holdfast.list_payments($1, 0, 100000, 100000)";
                let list = session.call("admin", sql, &[(state, Type::TEXT)]).await?;
                Ok(without_others(list, begin))
            }
            Command::Lapse { order, .. } => {
                let sql =
                    "update holdfast.reservation_hold set created_at = $2::text::timestamptz - interval '1 second',
                           expire_at = $2::text::timestamptz where hold_id = $1 and status = 'HOLD'";
                let at = lapsed_at(*order);
                self.database.owner.query_typed(sql, &[(&hold, Type::UUID), (&at, Type::TEXT)]).await?;
                Ok(Value::Null)
            }
            Command::Schedule { sale, phase } => {
                let sql = "update holdfast.sale set opens_at = $2::text::timestamptz, closes_at = $3::text::timestamptz
                           where sale_id = $1";
                let params: Params =
                    &[(sale, Type::TEXT), (&phase.opens_at(), Type::TEXT), (&phase.closes_at(), Type::TEXT)];
                self.database.owner.query_typed(sql, params).await?;
                Ok(Value::Null)
            }
            Command::Race(_) => panic!("a race within a race"),
        }
    }

    async fn reserve(&self, session: &Session, sale: &str, asks: &[Ask]) -> Result<Value, Error> {
        let users: Vec<&str> = asks.iter().map(|ask| ask.user.as_str()).collect();
        let keys: Vec<&str> = asks.iter().map(|ask| ask.key.as_str()).collect();
        let prints: Vec<Vec<u8>> = asks.iter().map(|ask| sha256(&format!("{sale} {:?}", ask.lines))).collect();
        let lines = || (1..).zip(asks).flat_map(|(n, ask)| ask.lines.iter().map(move |line| (n, line)));
        let line_of: Vec<i32> = lines().map(|(n, _)| n).collect();
        let skus: Vec<&str> = lines().map(|(_, line)| line.0.as_str()).collect();
        let qtys: Vec<i32> = lines().map(|(_, line)| line.1).collect();
        let params: Params = &[
            (&sale, Type::TEXT),
            (&users, Type::TEXT_ARRAY),
            (&keys, Type::TEXT_ARRAY),
            (&prints, Type::BYTEA_ARRAY),
            (&line_of, Type::INT4_ARRAY),
            (&skus, Type::TEXT_ARRAY),
            (&qtys, Type::INT4_ARRAY),
            (&self.database.early_release, Type::BOOL),
        ];
        session.call("reserve", "call holdfast.reserve($1, $2, $3, $4, $5, $6, $7, $8, null)", params).await
    }

    fn remember(&self, command: &Command, values: &[Value]) {
        let mut known = self.known.borrow_mut();
        let Command::Reserve { asks, .. } = command else { return };
        for (ask, hold) in asks.iter().zip(values).map(|(ask, value)| (ask, &value["hold"])) {
            let (Some(id), Some(amount)) = (id_in(&hold["hold_id"]), hold["total_amount"].as_i64()) else { continue };
            let of = HoldOf { user: ask.user.clone(), key: ask.key.clone() };
            known.holds.insert(of, (id, amount, hold["currency"].as_str().unwrap_or_default().to_owned()));
        }
    }

    /// Which hold an order is of is the model's to say: a payment that is told of twice may name another.
    pub fn remember_order(&self, of: &HoldOf, order_id: &str) {
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
    pub async fn expired_among(&self, ids: &[String]) -> Vec<String> {
        let ids: Vec<Uuid> = ids.iter().map(|id| Uuid::parse_str(id).unwrap()).collect();
        // Paid late, it may be an order by now.
        let sql = "select distinct hold_id::text from holdfast.inventory_ledger
                   where hold_id = any ($1) and event_type = 'EXPIRE_CREDIT'";
        let rows = self.database.owner.query_typed(sql, &[(&ids, Type::UUID_ARRAY)]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Forgets what is nobody's business any more.
    pub fn forget(&self) {
        *self.known.borrow_mut() = Known::default();
    }
}

fn id_in(value: &Value) -> Option<Uuid> {
    value.as_str().and_then(|id| Uuid::parse_str(id).ok())
}

fn sha256(text: &str) -> Vec<u8> {
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
