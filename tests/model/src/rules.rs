//! The rules of a limited sale, as one would tell them: who may have what, when, and what is answered to everybody
//! else. Nothing here knows how Holdfast does it. One command after the other; the world is a value that is copied.
//!
//! The answer to a command is JSON in the words of the contract, with names (see names.rs) where the database chooses.
//! Two things are left to whoever runs it, within bounds that are kept here: which lapsed holds a reservation takes
//! out of its way before it is refused (`may_reclaim`), and what a refused member of a batch is told was left.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::attempts::Attempt;
use super::command::{Ask, HoldOf, NewSku, Phase};
use super::letters::Parked;
use super::orders::Order;
use super::payments::{Payment, PaymentId};

#[derive(Clone, Debug, PartialEq)]
pub struct Sku {
    pub sku: String,
    pub price: i64,
    pub max_per_user: i64,
    pub total: i64,
    pub available: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sale {
    pub currency: String,
    pub ttl_s: i64,
    pub phase: Phase,
    pub set: &'static str,
    /// Whether a payment that comes too late is sold what is still there.
    pub retakes: bool,
    /// Whether who let a hold lapse has to wait.
    pub cools: bool,
    /// Whether a buyer may cancel an order.
    pub cancels: bool,
    pub skus: Vec<Sku>,
    pub made_from: (Phase, Vec<NewSku>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub sku: String,
    pub qty: i64,
    pub price: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    pub sale: String,
    pub lines: Vec<Line>,
    pub amount: i64,
    pub currency: String,
    pub ttl_s: i64,
    pub status: &'static str,
    /// One more with every change of its lines.
    pub version: i64,
    /// What its key is answered, once its lines have changed.
    pub granted: Option<Value>,
    /// Past its end, and the how manyth to get there.
    pub lapsed: Option<u32>,
    /// Paid after its end, and sold all the same.
    pub retaken: bool,
}

/// A change of stock.
pub type Entry = (String, String, &'static str, i64, Option<HoldOf>);
/// `(kind, sale, what it is about)`: a row of the outbox without its ids and times.
pub type Event = (&'static str, Option<String>, String);

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    pub sales: BTreeMap<String, Sale>,
    /// By who was granted them, for which key.
    pub holds: BTreeMap<HoldOf, Hold>,
    /// What each key was used up for. A key belongs to its user.
    pub keys: BTreeMap<HoldOf, (String, Vec<(String, i32)>)>,
    /// Keys of changes of stock, which are the operator's: what was asked, and what was answered.
    pub stock_keys: BTreeMap<String, ((String, String, i64), Value)>,
    pub payments: BTreeMap<PaymentId, Payment>,
    /// The holds that were paid: an order each.
    pub orders: BTreeMap<HoldOf, Order>,
    /// What gateways said of settled payments, in the order in which it was heard: the kind of entry and its amount.
    pub changes: Vec<(PaymentId, &'static str, i64)>,
    /// How refunds ended or began again: the kind of entry and its amount.
    pub refund_ends: Vec<(PaymentId, &'static str, i64)>,
    pub parked: BTreeMap<PaymentId, Parked>,
    /// Payments that were told of before their money was taken.
    pub attempts: BTreeMap<PaymentId, Attempt>,
    /// Keys of decisions on dead letters: what was asked, and what was answered.
    pub decide_keys: BTreeMap<String, (String, Value)>,
    /// Keys of cancellations: whose order was meant, and what was answered.
    pub cancel_keys: BTreeMap<String, (HoldOf, Value)>,
    /// `(sale, user, sku)` of holds that lapsed unpaid, where that has to be waited for, and nothing was bought since.
    pub lapsed: BTreeSet<(String, String, String)>,
    /// What the operator did, as the ledger has it: action, subject, actor, reason, request.
    pub actions: Vec<String>,
    /// `(sale, sku, kind, qty, hold)`, in the order of the alphabet: which came first is nobody's promise.
    pub ledger: Vec<Entry>,
    /// What each transaction tells the world, by the command it is part of.
    pub told: BTreeMap<(usize, usize), Vec<Event>>,
    /// Which command's which part this is.
    pub part: (usize, usize),
}

impl Model {
    pub fn new_sale(
        &mut self,
        id: &str,
        currency: &str,
        ttl_s: i64,
        phase: Phase,
        (retakes, cools, cancels): (bool, bool, bool),
        skus: &[NewSku],
    ) -> Value {
        let made_from = (phase, skus.to_vec());
        if let Some(known) = self.sales.get(id) {
            let switches = (known.retakes, known.cools, known.cancels);
            let terms = (known.currency.as_str(), known.ttl_s, switches, &known.made_from);
            let same = terms == (currency, ttl_s, (retakes, cools, cancels), &made_from);
            return if same { self.sale_answer(id, false) } else { json!({"outcome": "already_exists"}) };
        }
        let with_stock = |(sku, price, stock, most): &NewSku| Sku {
            sku: sku.clone(),
            price: *price,
            max_per_user: *most,
            total: *stock,
            available: *stock,
        };
        let sale = Sale {
            currency: currency.to_owned(),
            ttl_s,
            phase,
            set: "open",
            retakes,
            cools,
            cancels,
            skus: skus.iter().map(with_stock).collect(),
            made_from,
        };
        self.sales.insert(id.to_owned(), sale);
        self.actions.push(format!("sale_created|{id}|minji|{id}"));
        for (sku, _, stock, _) in skus.iter().filter(|sku| sku.2 > 0) {
            self.enter((id.to_owned(), sku.clone(), "STOCK_IN", *stock, None));
            self.tell("StockAdjusted", Some(id), format!("{id}|{sku}|{stock}"));
        }
        self.sale_answer(id, true)
    }

    pub fn set_status(&mut self, id: &str, status: &'static str) -> Value {
        let Some(sale) = self.sales.get_mut(id) else { return json!({"outcome": "not_found"}) };
        let before = std::mem::replace(&mut sale.set, status);
        if before != status {
            self.actions.push(format!("sale_status_set|{id}|minji|{id}"));
            self.tell("SaleChanged", Some(id), format!("{before}|{status}"));
        }
        self.sale_answer(id, false)
    }

    /// T1 for a batch, in order of arrival. For each reservation the answers that are true; the first is what the
    /// model itself would say. `Err`: the rule that was broken before it came to an answer.
    pub fn reserve(&mut self, sale: &str, asks: &[Ask]) -> Result<Vec<Vec<Value>>, String> {
        let before = if asks.len() > 1 { Some(self.clone()) } else { None };
        let mut answers = Vec::new();
        for (n, ask) in asks.iter().enumerate() {
            let earlier = asks[..n].iter().any(|other| other.user == ask.user);
            let began = before.as_ref().unwrap_or(self);
            if let Some(replayed) = began.replayed(sale, ask) {
                answers.push(vec![replayed]);
                continue;
            }
            let refusal = self.refusal(began, sale, ask, earlier)?;
            let Some(refusal) = refusal else {
                answers.push(vec![self.grant(sale, ask)]);
                continue;
            };
            // What was left when the batch began is as true an answer as what was left at its turn.
            let also = match &before {
                Some(before) if refusal["outcome"] == "sold_out" => before.refusal(before, sale, ask, earlier)?,
                _ => None,
            };
            let also = also.filter(|also| *also != refusal);
            answers.push([Some(refusal), also].into_iter().flatten().collect());
        }
        Ok(answers)
    }

    /// What the same request was granted, if its key was used for it.
    fn replayed(&self, sale: &str, ask: &Ask) -> Option<Value> {
        let of = HoldOf { user: ask.user.clone(), key: ask.key.clone() };
        let same = self.keys.get(&of).is_some_and(|(of_sale, lines)| of_sale == sale && *lines == ask.lines);
        same.then(|| json!({"outcome": "granted", "hold": self.granted_json(&of), "replayed": true}))
    }

    fn grant(&mut self, id: &str, ask: &Ask) -> Value {
        let of = HoldOf { user: ask.user.clone(), key: ask.key.clone() };
        let sale = &self.sales[id];
        let line = |(name, qty): &(String, i32)| {
            let sku = sale.skus.iter().find(|sku| sku.sku == *name).expect("a SKU that is granted");
            Line { sku: name.clone(), qty: i64::from(*qty), price: sku.price }
        };
        let lines: Vec<Line> = ask.lines.iter().map(line).collect();
        let hold = Hold {
            sale: id.to_owned(),
            amount: lines.iter().map(|line| line.qty * line.price).sum(),
            lines,
            currency: sale.currency.clone(),
            ttl_s: sale.ttl_s,
            status: "HOLD",
            version: 1,
            granted: None,
            lapsed: None,
            retaken: false,
        };
        self.holds.insert(of.clone(), hold);
        self.take_stock(&of, "RESERVE_DEBIT");
        self.keys.insert(of.clone(), (id.to_owned(), ask.lines.clone()));
        self.tell("ReservationCreated", Some(id), format!("?hold:{of}"));
        json!({"outcome": "granted", "hold": self.hold_json(&of, "HOLD")})
    }

    /// Whether a reservation may end this lapsed hold: it is the user's own, or it keeps a wanted SKU from being sold.
    pub fn may_reclaim(sale: &str, asks: &[Ask], hold: &Hold) -> bool {
        hold.is_due() && hold.sale == sale && asks.iter().flat_map(|ask| &ask.lines).any(|(sku, _)| hold.has(sku))
    }

    /// The holds end, and their stock comes back: `EXPIRED` or `RELEASED`.
    pub fn end(&mut self, holds: &[HoldOf], status: &'static str) {
        let (credit, event) = match status {
            "EXPIRED" => ("EXPIRE_CREDIT", "ReservationExpired"),
            _ => ("RELEASE_CREDIT", "ReservationReleased"),
        };
        for of in holds {
            let hold = self.holds.get_mut(of).expect("a hold that ends");
            assert_eq!(hold.status, "HOLD", "a hold ends once");
            hold.status = status;
            let sale = hold.sale.clone();
            if status == "EXPIRED" && self.sales[&sale].cools {
                let skus = hold.lines.iter().map(|line| (sale.clone(), of.user.clone(), line.sku.clone()));
                self.lapsed.extend(skus);
            }
            self.give_stock_back(of, credit);
            self.tell(event, Some(&sale), format!("?hold:{of}"));
        }
    }

    pub fn take_stock(&mut self, of: &HoldOf, debit: &'static str) {
        self.move_stock(of, debit, -1);
    }

    pub fn give_stock_back(&mut self, of: &HoldOf, credit: &'static str) {
        self.move_stock(of, credit, 1);
    }

    /// What the hold has of each SKU, out of its counter or into it, with an entry for each.
    fn move_stock(&mut self, of: &HoldOf, kind: &'static str, sign: i64) {
        let Hold { sale: id, lines, .. } = self.holds[of].clone();
        for Line { sku: name, qty, .. } in lines {
            let sale = self.sales.get_mut(&id).expect("the hold's sale");
            let sku = sale.skus.iter_mut().find(|sku| sku.sku == name).expect("the hold's SKU");
            sku.available += sign * qty;
            self.enter((id.clone(), name, kind, sign * qty, Some(of.clone())));
        }
    }

    /// T3, one transaction: the sale of the hold that is longest past its end, and of that sale so many.
    pub fn sweep(&mut self, most: i32) -> Value {
        let mut due = self.due();
        due.sort_by_key(|of| self.holds[of].lapsed);
        if let Some(first) = due.first().cloned() {
            due.retain(|of| self.holds[of].sale == self.holds[&first].sale);
        }
        due.truncate(usize::try_from(most).expect("a number of holds"));
        self.end(&due, "EXPIRED");
        json!(due.len())
    }

    /// What has lapsed and is not swept yet.
    pub fn due(&self) -> Vec<HoldOf> {
        self.holds.iter().filter(|(_, hold)| hold.is_due()).map(|(of, _)| of.clone()).collect()
    }

    pub fn release(&mut self, of: &HoldOf, user: &str) -> Value {
        let Some(hold) = self.hold_for(of, user) else { return json!({"outcome": "not_found"}) };
        let shown = hold.shown();
        match shown {
            status @ ("COMMITTED" | "EXPIRED") => return json!({"outcome": "hold_not_active", "hold_status": status}),
            // While the money for it is being taken it cannot be given away.
            "HOLD" if self.is_capturing(of) => return json!({"outcome": "hold_not_active", "hold_status": "HOLD"}),
            "HOLD" => self.end(std::slice::from_ref(of), "RELEASED"),
            _ => {}
        }
        json!({"outcome": "released", "hold": self.hold_json(of, "RELEASED"), "moved": shown == "HOLD"})
    }

    pub fn stock(&mut self, id: &str, name: &str, delta: i64, key: &str) -> Value {
        let asked = (id.to_owned(), name.to_owned(), delta);
        if let Some((first, stock)) = self.stock_keys.get(key) {
            return match *first == asked {
                true => json!({"outcome": "stock", "replayed": true, "stock": stock}),
                false => json!({"outcome": "idempotency_key_reused"}),
            };
        }
        let Some(sale) = self.sales.get(id) else { return json!({"outcome": "not_found"}) };
        let Some(sku) = sale.skus.iter().find(|sku| sku.sku == name) else {
            return json!({"outcome": "not_found", "sku_id": name});
        };
        if sku.available + delta < 0 {
            return json!({"outcome": "sold_out", "sku_id": name, "available": sku.available});
        }
        let stock =
            json!({"sale_id": id, "sku_id": name, "total": sku.total + delta, "available": sku.available + delta});
        self.stock_keys.insert(key.to_owned(), (asked, stock.clone()));
        self.change_stock(id, name, delta);
        self.actions.push(format!("stock_adjusted|{id}/{name}|minji|a reason|{key}"));
        json!({"outcome": "stock", "stock": stock})
    }

    /// So much more of a SKU, or less, with its entry and its event.
    pub fn change_stock(&mut self, id: &str, name: &str, delta: i64) {
        let sale = self.sales.get_mut(id).expect("a sale whose stock changes");
        let sku = sale.skus.iter_mut().find(|sku| sku.sku == name).expect("a SKU whose stock changes");
        sku.total += delta;
        sku.available += delta;
        let kind = if delta > 0 { "STOCK_IN" } else { "STOCK_OUT" };
        self.enter((id.to_owned(), name.to_owned(), kind, delta, None));
        self.tell("StockAdjusted", Some(id), format!("{id}|{name}|{delta}"));
    }

    /// Time passes for one hold.
    pub fn lapse(&mut self, of: &HoldOf, order: u32) {
        if let Some(hold) = self.holds.get_mut(of).filter(|hold| hold.status == "HOLD") {
            hold.lapsed = Some(order);
        }
    }

    pub fn schedule(&mut self, id: &str, phase: Phase) {
        if let Some(sale) = self.sales.get_mut(id) {
            sale.phase = phase;
        }
    }

    pub fn tell(&mut self, kind: &'static str, sale: Option<&str>, about: String) {
        let told = self.told.entry(self.part).or_default();
        told.push((kind, sale.map(str::to_owned), about));
        told.sort_unstable();
    }

    pub fn enter(&mut self, entry: Entry) {
        let at = self.ledger.partition_point(|other| *other < entry);
        self.ledger.insert(at, entry);
    }

    /// The hold by its name, for its user alone.
    pub fn hold_for(&self, of: &HoldOf, user: &str) -> Option<&Hold> {
        self.holds.get(of).filter(|_| of.user == user)
    }

    pub fn active(&self, sale: &str, user: &str, sku: &str) -> Option<(&HoldOf, &Hold)> {
        self.holds
            .iter()
            .find(|(of, hold)| hold.status == "HOLD" && hold.sale == sale && of.user == user && hold.has(sku))
    }

    /// By orders that stand.
    pub fn bought(&self, sale: &str, user: &str, sku: &str) -> i64 {
        let theirs = self.orders.keys().filter(|of| of.user == user && self.stands(of)).map(|of| &self.holds[of]);
        let lines = theirs.filter(|hold| hold.sale == sale).flat_map(|hold| &hold.lines);
        lines.filter(|line| line.sku == sku).map(|line| line.qty).sum()
    }

    /// What must be true of the model too, or it proves nothing.
    pub fn keeps_its_own_rules(&self) {
        for (id, sale) in &self.sales {
            for sku in &sale.skus {
                let of_it = |of: &HoldOf| self.pieces(of, id, &sku.sku);
                let held: i64 = self.holds.keys().filter(|of| self.holds[*of].status == "HOLD").map(of_it).sum();
                let sold: i64 = self.orders.keys().filter(|of| self.stands(of)).map(of_it).sum();
                let ledger = self.ledger.iter().filter(|entry| (&entry.0, &entry.1) == (id, &sku.sku));
                assert!(sku.available >= 0);
                assert_eq!(sku.total, sku.available + held + sold);
                assert_eq!(sku.available, ledger.map(|entry| entry.3).sum::<i64>());
                for user in self.holds.keys().map(|of| &of.user) {
                    let active = self.holds.iter().filter(|(of, hold)| of.user == *user && hold.status == "HOLD");
                    let active: Vec<i64> = active.map(|(of, _)| of_it(of)).filter(|qty| *qty > 0).collect();
                    assert!(active.len() <= 1, "one active hold a user and SKU");
                    let theirs = self.bought(id, user, &sku.sku) + active.iter().sum::<i64>();
                    assert!(theirs <= sku.max_per_user, "{user} has {theirs} {}", sku.sku);
                }
            }
        }
        for (of, hold) in &self.holds {
            let has = hold.status == "HOLD" || self.stands(of);
            for line in &hold.lines {
                let entries = self.ledger.iter().filter(|entry| entry.4.as_ref() == Some(of) && entry.1 == line.sku);
                assert_eq!(entries.map(|entry| entry.3).sum::<i64>(), if has { -line.qty } else { 0 }, "{of}");
            }
            assert_eq!(hold.status == "COMMITTED", self.orders.contains_key(of), "{of}");
        }
        self.money_is_an_order_or_a_refund();
    }

    pub fn pieces(&self, of: &HoldOf, sale: &str, sku: &str) -> i64 {
        let hold = Some(&self.holds[of]).filter(|hold| hold.sale == sale);
        hold.into_iter().flat_map(|hold| &hold.lines).filter(|line| line.sku == sku).map(|line| line.qty).sum()
    }
}

impl Hold {
    /// What the hold is for who looks now: past its end it is over, swept or not.
    pub fn shown(&self) -> &'static str {
        if self.is_due() { "EXPIRED" } else { self.status }
    }

    pub fn is_due(&self) -> bool {
        self.status == "HOLD" && self.lapsed.is_some()
    }

    pub fn has(&self, sku: &str) -> bool {
        self.lines.iter().any(|line| line.sku == sku)
    }

    pub fn qty_of(&self, sku: &str) -> i64 {
        self.lines.iter().filter(|line| line.sku == sku).map(|line| line.qty).sum()
    }
}
