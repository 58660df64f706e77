//! Tables of test rows: a row is one command and its result, and the clock ticks by a row of its own.
//!
//! ```text
//! sale 300 a:3:1 b:2:2                the sale `drop`: hold_ttl_s, then sku:stock:max_per_user
//! reserve ann k1 a:1 b:1   = granted
//! + bob k2 a:1             = granted  with the row before in one batch
//! pay p1 ann/k1            = confirmed             (user= amount= currency= say something else)
//! release ann/k1           = released
//! tick 300                                         so many seconds pass
//! sweep                    = 1                     holds that ended
//! stock a +5 key1          = total 8 available 7
//! status paused            = paused
//! cooldown 600                                     the sale's lapse_cooldown_s
//! count a                  = total 3 available 2 held 1 sold 0
//! ```
//! A hold is named by its user and key. After every row, all that must always hold is looked at.

use std::collections::HashMap;

use serde_json::Value;
use tokio_postgres::Client;
use tokio_postgres::types::{Json, Type};

use crate::database::{Ask, Database, Paid, confirm, release, reserve, sweep};

/// Runs the rows on a database of its own, with early release and without.
pub async fn run(rows: &str) {
    for early_release in [true, false] {
        let mut table = Table::new(early_release).await;
        for batch in batches(rows) {
            table.step(&batch).await;
            table.database.checked_report().await;
        }
    }
}

/// A batch is one row and the `+` rows behind it; every other command is a batch of one.
fn batches(rows: &str) -> Vec<Vec<(String, String)>> {
    let mut batches: Vec<Vec<(String, String)>> = Vec::new();
    for row in rows.lines().map(str::trim).filter(|row| !row.is_empty() && !row.starts_with('#')) {
        let (command, result) =
            row.split_once('=').filter(|_| row.contains(" = ")).map_or((row, ""), |_| row.split_once(" = ").unwrap());
        let pair = (command.trim().to_owned(), result.trim().to_owned());
        if row.starts_with('+') {
            batches.last_mut().expect("a + row follows a reserve row").push(pair);
        } else {
            batches.push(vec![pair]);
        }
    }
    batches
}

struct Table {
    database: Database,
    roles: HashMap<&'static str, Client>,
    holds: HashMap<String, (String, String, i64)>,
}

impl Table {
    async fn new(early_release: bool) -> Self {
        let database = Database::with(early_release).await;
        let mut roles = HashMap::new();
        for role in ["reserve", "confirm", "expire", "release", "admin"] {
            roles.insert(role, database.as_role(role).await);
        }
        Self { database, roles, holds: HashMap::new() }
    }

    async fn step(&mut self, batch: &[(String, String)]) {
        let (command, expected) = &batch[0];
        let words: Vec<&str> = command.split_whitespace().collect();
        let found = match words[0] {
            "reserve" => return self.reserve(batch).await,
            "sale" => {
                let skus: Vec<(&str, i64, i64)> = words[2..].iter().map(|word| sku(word)).collect();
                self.database.sale(words[1].parse().unwrap(), &skus).await;
                String::new()
            }
            "pay" => self.pay(&words).await,
            "release" => {
                let (user, hold, _) = self.hold(words[1]);
                let answer = release(&self.roles["release"], &user, &hold).await.unwrap();
                named(&answer, "outcome", &["hold_status"])
            }
            "tick" => {
                self.tick(words[1].parse().unwrap()).await;
                String::new()
            }
            "sweep" => sweep(&self.roles["expire"]).await.unwrap().to_string(),
            "stock" => self.stock(&words).await,
            "status" => {
                let sql = "select holdfast.set_sale_status('drop', $1)";
                let rows = self.roles["admin"].query_typed(sql, &[(&words[1], Type::TEXT)]).await.unwrap();
                rows[0].get::<_, Json<Value>>(0).0["sale"]["status"].as_str().unwrap().to_owned()
            }
            "count" => self.count(words[1]).await,
            "cooldown" => {
                let sql = format!("update holdfast.sale set lapse_cooldown_s = {}", words[1]);
                self.database.owner.batch_execute(&sql).await.unwrap();
                String::new()
            }
            other => panic!("no such command: {other}"),
        };
        assert_eq!(&found, expected, "early_release {}: {command}", self.database.early_release);
    }

    async fn reserve(&mut self, batch: &[(String, String)]) {
        let asks: Vec<Ask> = batch.iter().map(|(command, _)| ask(command)).collect();
        let answers = reserve(&self.roles["reserve"], self.database.early_release, &asks).await.unwrap();
        for (((command, expected), ask), answer) in batch.iter().zip(&asks).zip(&answers) {
            let mut found = named(answer, "outcome", details(answer));
            if answer["outcome"] == "granted" {
                let name = format!("{}/{}", ask.user, ask.key);
                let hold = &answer["hold"];
                let id = hold["hold_id"].as_str().unwrap().to_owned();
                let amount = hold["total_amount"].as_i64().unwrap();
                if answer["replayed"] == true {
                    assert_eq!(self.holds[&name].1, id, "a replay answers with what was granted");
                    found = "replayed".to_owned();
                }
                self.holds.insert(name, (ask.user.clone(), id, amount));
            }
            assert_eq!(&found, expected, "early_release {}: {command}", self.database.early_release);
        }
    }

    async fn pay(&self, words: &[&str]) -> String {
        let (user, hold, amount) = self.holds.get(words[2]).cloned().unwrap_or((words[2].into(), words[2].into(), 100));
        let mut paid = Paid { payment: words[1].into(), hold, user, amount, currency: "KRW".into() };
        for word in &words[3..] {
            match word.split_once('=').unwrap() {
                ("user", user) => paid.user = user.into(),
                ("amount", amount) => paid.amount = amount.parse().unwrap(),
                ("currency", currency) => paid.currency = currency.into(),
                other => panic!("no such word: {other:?}"),
            }
        }
        named(&confirm(&self.roles["confirm"], &paid).await.unwrap(), "result", &["reason"])
    }

    async fn stock(&self, words: &[&str]) -> String {
        let delta: i64 = words[2].parse().unwrap();
        let sql = "select holdfast.adjust_stock('drop', $1, $2, 'a reason', $3, sha256($4))";
        let asked = format!("{} {delta}", words[1]).into_bytes();
        let params: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] =
            &[(&words[1], Type::TEXT), (&delta, Type::INT8), (&words[3], Type::TEXT), (&asked, Type::BYTEA)];
        let rows = self.roles["admin"].query_typed(sql, params).await.unwrap();
        let answer = rows[0].get::<_, Json<Value>>(0).0;
        match answer["outcome"].as_str().unwrap() {
            "stock" => {
                let stock = &answer["stock"];
                let replayed = if answer["replayed"] == true { " replayed" } else { "" };
                format!("total {} available {}{replayed}", stock["total"], stock["available"])
            }
            other => other.to_owned(),
        }
    }

    async fn count(&self, sku: &str) -> String {
        let report = self.database.checked_report().await;
        let skus = report["skus"].as_array().unwrap();
        let sku = skus.iter().find(|one| one["sku_id"] == sku).expect("no such SKU");
        format!("total {} available {} held {} sold {}", sku["total"], sku["available"], sku["held"], sku["sold"])
    }

    /// Moves everything that was written so many seconds into the past, as if that time had passed.
    async fn tick(&self, seconds: i64) {
        let by = format!("interval '{seconds} seconds'");
        let statement = format!(
            "update holdfast.reservation_hold set created_at = created_at - {by}, expire_at = expire_at - {by},
                 finalized_at = finalized_at - {by};
             update holdfast.buyer_history set lapsed_at = lapsed_at - {by};
             update holdfast.sale set opens_at = opens_at - {by}, closes_at = closes_at - {by};"
        );
        self.database.owner.batch_execute(&statement).await.unwrap();
    }

    fn hold(&self, name: &str) -> (String, String, i64) {
        self.holds.get(name).cloned().unwrap_or_else(|| panic!("no hold {name} was granted"))
    }
}

/// `sku:stock:max_per_user`, or `sku:qty`.
fn sku(word: &str) -> (&str, i64, i64) {
    let mut parts = word.split(':');
    let name = parts.next().unwrap();
    let mut number = || parts.next().map_or(1, |part| part.parse().unwrap());
    (name, number(), number())
}

/// `reserve ann k1 a:1 b:2` or `+ ann k1 a:1`.
fn ask(command: &str) -> Ask {
    let words: Vec<&str> = command.split_whitespace().collect();
    let line = |word: &&str| {
        let (name, qty, _) = sku(word);
        (name.to_owned(), i32::try_from(qty).unwrap())
    };
    Ask { user: words[1].into(), key: words[2].into(), lines: words[3..].iter().map(line).collect() }
}

/// What a client gets with it.
fn details(answer: &Value) -> &'static [&'static str] {
    if answer["outcome"] == "sold_out" { &["sku_id", "available"] } else { &["sku_id", "max_per_user", "status"] }
}

/// The answer's name and the details that come with it, in one line.
fn named(answer: &Value, name: &str, details: &[&str]) -> String {
    let mut words = vec![answer[name].as_str().unwrap().to_owned()];
    for value in details.iter().map(|detail| &answer[*detail]).filter(|value| !value.is_null()) {
        words.push(value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned));
    }
    if !answer["retry_at"].is_null() {
        words.push("retry".to_owned());
    }
    words.join(" ")
}
