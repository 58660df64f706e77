//! Which states of the model explain what was answered: after one command the one that follows from the rules, after
//! several at once every one that some order of them leads to.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::command::{Amount, Ask, Command, HoldOf};
use super::names::Names;
use super::payments::{Captured, Present};
use super::rules::Model;
use super::unseen::{Crash, Unsure};
use super::world::Answered;

/// What may be the case, as far as the answers tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub model: Model,
    pub names: Names,
    /// What was done of that whose answer nobody saw: `number` and place of the command.
    pub done: BTreeSet<(usize, usize)>,
    /// What a crash may bring back.
    pub unsure: Vec<Unsure>,
}

/// What was seen after the commands: their answers, and which of the holds that had lapsed before are swept now.
pub struct Seen<'a> {
    pub number: usize,
    pub answered: &'a [Answered],
    pub expired: &'a [String],
    /// None: nothing crashes here.
    pub crash: Option<Crash>,
}

/// A part of a command that happens at one moment. T1 takes lapsed holds back in a transaction of its own; and what a
/// reservation of a batch is told may have been true before the rest of the batch was done, when others are at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Which round it is: between two of them somebody else may take what the first one brought, and then T1 takes back
    /// what it had left.
    Reclaim(usize),
    Whole,
    Ask(usize),
}

impl State {
    /// The states that follow; none: no order explains it, and the text says what the rules would have answered.
    ///
    /// # Errors
    /// There is none.
    pub fn after(self, seen: &Seen) -> Result<Vec<Self>, String> {
        let alone = seen.answered.len() == 1;
        let parts = |answered: &Answered| match &answered.said {
            Command::Reserve { .. } if alone => vec![Part::Reclaim(0), Part::Whole],
            Command::Reserve { asks, .. } => {
                [0, 1].map(Part::Reclaim).into_iter().chain((0..asks.len()).map(Part::Ask)).collect()
            }
            Command::Change { .. } if alone => vec![Part::Reclaim(0), Part::Whole],
            Command::Change { .. } => vec![Part::Reclaim(0), Part::Reclaim(1), Part::Whole],
            _ => vec![Part::Whole],
        };
        let mut search = Search { seen, found: Vec::new(), why: String::new() };
        for way in seen.ways(parts) {
            search.orders(self.clone(), way);
        }
        if search.found.is_empty() { Err(search.why) } else { Ok(search.found) }
    }

    /// The ids of holds that have lapsed and are not swept yet: what somebody may do of his own accord.
    pub fn watched(&self) -> Vec<String> {
        let models = [&self.model].into_iter().chain(self.unsure.iter().map(|unsure| &unsure.before.model));
        let due = models.flat_map(|model| model.holds.iter().filter(|(_, hold)| hold.is_due()));
        due.filter_map(|(of, _)| self.names.meaning(&format!("?hold:{of}")).map(str::to_owned)).collect()
    }

    fn is_expired(&self, of: &HoldOf, seen: &Seen) -> bool {
        let id = self.names.meaning(&format!("?hold:{of}"));
        seen.expired.iter().any(|expired| Some(expired.as_str()) == id)
    }
}

struct Search<'a> {
    seen: &'a Seen<'a>,
    found: Vec<State>,
    why: String,
}

impl Search<'_> {
    fn orders(&mut self, state: State, mut left: Vec<Vec<Part>>) {
        if self.seen.crash.is_some_and(|crash| crash.happened) {
            // At this moment, or at a later one.
            state.brought_back().for_each(|before| self.orders(before, left.clone()));
        }
        let mut next: Vec<(usize, Part)> = Vec::new();
        for (call, parts) in left.iter().enumerate() {
            // The first part of a command comes first; the reservations of its batch then come as they like.
            let many = if matches!(parts.first(), Some(Part::Ask(_))) { parts.len() } else { parts.len().min(1) };
            next.extend(parts[..many].iter().map(|part| (call, *part)));
        }
        let Some((last, others)) = next.split_last() else { return self.end_of_order(state) };
        for (call, part) in others {
            let mut rest = left.clone();
            rest[*call].retain(|other| other != part);
            for after in self.step(state.clone(), *call, *part) {
                self.orders(after, rest.clone());
            }
        }
        left[last.0].retain(|other| *other != last.1);
        for after in self.step(state, last.0, last.1) {
            self.orders(after, left.clone());
        }
    }

    /// Whatever is swept was swept by one of them.
    fn end_of_order(&mut self, mut state: State) {
        // Whose part was the last makes no difference.
        state.model.part = (0, 0);
        if let Some(of) = state.model.due().iter().find(|of| state.is_expired(of, self.seen)) {
            self.why = format!("{of} is EXPIRED, and nothing that was done may do that");
        } else if !self.found.contains(&state) {
            self.found.push(state);
        }
    }

    /// One part of one command; all that it may have come to, with what is to be known of it if its answer was not
    /// seen, or if it may be lost in a crash.
    fn step(&mut self, state: State, call: usize, part: Part) -> Vec<State> {
        let seen = self.seen;
        let before = (seen.crash.is_some() || seen.answered[call].is_unseen()).then(|| state.clone());
        let mut after = self.rules(state, call, part);
        if let Some(before) = &before {
            after.iter_mut().for_each(|after| after.comes_after(before, seen, call, part));
        }
        after
    }

    /// What the rules say, and what was answered.
    fn rules(&mut self, mut state: State, call: usize, part: Part) -> Vec<State> {
        let answered = &self.seen.answered[call];
        let transaction = match part {
            Part::Reclaim(round) => 1 + round,
            Part::Whole | Part::Ask(_) => 0,
        };
        state.model.part = (self.seen.number, call * 3 + transaction);
        match (&answered.said, part) {
            (Command::Reserve { sale, asks }, Part::Reclaim(_)) => self.reclaim(state, sale, asks),
            (Command::Reserve { sale, asks }, Part::Ask(n)) => {
                self.reserve(state, sale, &asks[n..=n], answered.values.get(n..=n).unwrap_or_default(), call)
            }
            (Command::Reserve { sale, asks }, Part::Whole) => self.reserve(state, sale, asks, &answered.values, call),
            (Command::Change { of, user, lines, .. }, Part::Reclaim(_)) => {
                let Some(sale) = state.model.holds.get(of).map(|hold| hold.sale.clone()) else { return vec![state] };
                let ask = Ask { user: user.clone(), key: of.key.clone(), lines: lines.clone() };
                self.reclaim(state, &sale, &[ask])
            }
            (Command::Change { of, user, version, lines }, _) => {
                let sale = state.model.holds.get(of).map_or_else(String::new, |hold| hold.sale.clone());
                if self.must_ask_again(&state.model, &sale, user, &answered.values, call) {
                    return vec![state];
                }
                match state.model.change_hold(of, user, *version, lines) {
                    Ok(expected) => self.as_answered(state, &expected, call),
                    Err(broken) => {
                        self.why =
                            format!("{}\n  {broken}; answered was {}", answered.said, json!(answered.values.first()));
                        vec![]
                    }
                }
            }
            (Command::Sweep { most }, _) if self.seen.answered.len() > 1 => self.sweep_among_others(state, *most, call),
            (Command::Pay { .. }, _) if self.must_be_told_again(&state.model, call) => vec![state],
            (said, _) => {
                let expected = state.model.answer(said);
                self.as_answered(state, &expected, call)
            }
        }
    }

    /// The state, if that is what was answered.
    fn as_answered(&mut self, mut state: State, expected: &Value, call: usize) -> Vec<State> {
        let answered = &self.seen.answered[call];
        if answered.is_unseen() || state.names.agree(expected, &answered.values[0], answered.window) {
            return vec![state];
        }
        self.why = format!("{}\n  the rules say {expected}\n  answered was {}", answered.said, answered.values[0]);
        vec![]
    }

    fn reserve(&mut self, mut state: State, sale: &str, asks: &[Ask], values: &[Value], call: usize) -> Vec<State> {
        let window = self.seen.answered[call].window;
        if self.must_ask_again(&state.model, sale, &asks[0].user, values, call) {
            return vec![state];
        }
        let said = |n: usize| format!("reserve {sale} {}", asks[n]);
        let expected = match state.model.reserve(sale, asks) {
            Ok(expected) => expected,
            Err(broken) => {
                self.why = format!("{}\n  {broken}; answered was {}", said(0), json!(values.first()));
                return vec![];
            }
        };
        for (n, (expected, found)) in expected.iter().zip(values).enumerate() {
            if !expected.iter().any(|one| state.names.agree(one, found, window)) {
                self.why = format!("{}\n  the rules say {}\n  answered was {found}", said(n), json!(expected));
                return vec![];
            }
        }
        vec![state]
    }

    /// `request_in_progress`: something of the user's is being changed by somebody else, and asking again will tell. A
    /// true answer only while there is such a thing.
    fn must_ask_again(&self, model: &Model, sale: &str, user: &str, values: &[Value], call: usize) -> bool {
        // Whoever reserves in the sale may end what has lapsed in it.
        let ended = |of: &HoldOf| model.holds[of].sale == sale && of.user == user;
        let has_lapsed = model.holds.iter().any(|(of, hold)| hold.lapsed.is_some() && ended(of));
        let others = self.seen.answered.iter().enumerate().filter(|(n, _)| *n != call);
        values.len() == 1
            && values[0]["outcome"] == "request_in_progress"
            && others.map(|(_, other)| &other.said).any(|other| match other {
                Command::Reserve { asks: others, sale: of } => {
                    (has_lapsed && of == sale) || others.iter().any(|other| other.user == user)
                }
                Command::Release { user: other, .. } | Command::Change { user: other, .. } => other == user,
                Command::Pay { .. } | Command::Attempt { .. } | Command::PayFree { .. } | Command::OpenPage { .. } => {
                    other.of().is_some_and(|of| of.user == user)
                }
                Command::Sweep { .. } => true,
                _ => false,
            })
    }

    /// `again`: T2 has done nothing, and whoever tells of the payment tells of it again. A true answer only to a late
    /// payment that would have taken stock again, while somebody else says the same payment is for another hold, or an
    /// operator, who had it parked, has decided to refund it.
    fn must_be_told_again(&self, model: &Model, call: usize) -> bool {
        let Command::Pay { gateway, payment, of: Some(of), .. } = &self.seen.answered[call].said else { return false };
        let others = self.seen.answered.iter().enumerate().filter(|(n, _)| *n != call);
        self.seen.answered[call].values.first().is_some_and(|answer| answer["result"] == "again")
            && model.holds.contains_key(of)
            && model.may_be_late(of)
            && others.map(|(_, other)| &other.said).any(|other| match other {
                Command::Pay { gateway: there, payment: same, of: other, .. } => {
                    (there, same) == (gateway, payment) && other.as_ref() != Some(of)
                }
                Command::Decide { kind: "parked", gateway: there, payment: same, decision: "replay", .. } => {
                    (there, same) == (gateway, payment)
                }
                _ => false,
            })
    }

    /// Alone it has taken what is swept now. Among others it may have been any of it; and if there was a crash, more that
    /// was taken and lost.
    fn reclaim(&mut self, state: State, sale: &str, asks: &[Ask]) -> Vec<State> {
        let crashed = self.seen.crash.is_some_and(|crash| crash.happened);
        let mut may = state.model.due();
        may.retain(|of| {
            Model::may_reclaim(sale, asks, &state.model.holds[of]) && (crashed || state.is_expired(of, self.seen))
        });
        if (self.seen.answered.len() == 1 && !crashed) || may.is_empty() {
            let mut state = state;
            state.model.end(&may, "EXPIRED");
            return vec![state];
        }
        subsets(&may).iter().map(|taken| ended(&state, taken)).collect()
    }

    /// A sweep passes by what somebody else has locked, and by nothing else.
    fn sweep_among_others(&mut self, state: State, most: i32, call: usize) -> Vec<State> {
        let answered = &self.seen.answered[call];
        let others = || self.seen.answered.iter().enumerate().filter(|(n, _)| *n != call).map(|(_, other)| &other.said);
        let (holds, most) = (&state.model.holds, usize::try_from(most).unwrap());
        let due = state.model.due();
        let may_be_locked = |of: &HoldOf| {
            others().any(|other| match other {
                Command::Sweep { .. } => true,
                Command::Reserve { sale, .. } => holds[of].sale == *sale,
                Command::Change { of: own, .. } => {
                    own == of || holds.get(own).is_some_and(|own| own.sale == holds[of].sale)
                }
                other => other.of() == Some(of),
            })
        };
        let mut sales: Vec<&str> = due.iter().map(|of| holds[of].sale.as_str()).collect();
        sales.sort_unstable();
        sales.dedup();
        let mut swept: Vec<Vec<HoldOf>> = vec![vec![]];
        for sale in sales {
            let of_it: Vec<HoldOf> = due.iter().filter(|of| holds[*of].sale == sale).cloned().collect();
            let gone: Vec<HoldOf> = of_it.iter().filter(|of| state.is_expired(of, self.seen)).cloned().collect();
            let whole = |taken: &Vec<HoldOf>| {
                taken.len() == most || of_it.iter().all(|of| taken.contains(of) || may_be_locked(of))
            };
            swept.extend(subsets(&gone).into_iter().filter(|taken| !taken.is_empty() && whole(taken)));
        }
        let is_said = |taken: usize| answered.values.first().is_none_or(|said| *said == json!(taken));
        let found = |taken: &Vec<HoldOf>| is_said(taken.len()) && taken.len() <= most;
        swept.retain(|taken| found(taken) && (!taken.is_empty() || due.iter().all(may_be_locked)));
        if swept.is_empty() {
            let said = json!(answered.values.first());
            self.why = format!("{}\n  {} were due; answered was {said}", answered.said, due.len());
        }
        swept.iter().map(|taken| ended(&state, taken)).collect()
    }
}

fn ended(state: &State, holds: &[HoldOf]) -> State {
    let mut state = state.clone();
    state.model.end(holds, "EXPIRED");
    state
}

fn subsets(of: &[HoldOf]) -> Vec<Vec<HoldOf>> {
    let chosen = |bits: u32| of.iter().enumerate().filter(move |(n, _)| bits >> n & 1 == 1).map(|(_, one)| one.clone());
    (0..1_u32 << of.len()).map(|bits| chosen(bits).collect()).collect()
}

impl Model {
    /// What a command does and answers when nothing else happens; a reservation is in `reserve`.
    pub fn answer(&mut self, command: &Command) -> Value {
        match command {
            Command::NewSale { sale, currency, ttl_s, phase, retakes, cools, cancels, skus } => {
                self.new_sale(sale, currency, *ttl_s, *phase, (*retakes, *cools, *cancels), skus)
            }
            Command::Pay { gateway, payment, of, user, amount: Amount::Exactly(amount), currency: Some(currency) } => {
                self.pay(&Captured { gateway, payment, of: of.as_ref(), user, amount: *amount, currency })
            }
            Command::Attempt { how, pay } => {
                let Command::Pay { gateway, payment, of, user, amount: Amount::Exactly(amount), currency } = &**pay
                else {
                    panic!("an attempt of no known sum")
                };
                let currency = currency.as_deref().expect("a payment's currency");
                let paid = Captured { gateway, payment, of: of.as_ref(), user, amount: *amount, currency };
                match *how {
                    "secure" => self.secure(&paid),
                    how => self.note(&paid, how == "note taken"),
                }
            }
            Command::OpenPage { of, user, gateway } => self.open_payment(of, user, gateway),
            Command::Asked { gateway, payment, says } => self.asked(gateway, payment, says),
            Command::PayFree { of, user, method } => self.pay_free(of, user, method),
            Command::Sweep { most } => self.sweep(*most),
            Command::Release { of, user } => self.release(of, user),
            Command::Stock { sale, sku, delta, key } => self.stock(sale, sku, *delta, key),
            Command::Status { sale, status } => self.set_status(sale, status),
            Command::Cancel { of, key } => self.cancel(of, key),
            Command::CancelOwn { of, user } => self.cancel_own(of, user),
            Command::Move { of, next, key } => self.change_order(of, next, key),
            Command::Present { gateway, payment, gone, refunded_percent, dispute } => {
                let (gone, refunded_percent, dispute) = (*gone, *refunded_percent, *dispute);
                self.present(&Present { gateway, payment, gone, refunded_percent, dispute })
            }
            Command::Listed { gateway, payment, gone, refunded_percent, dispute } => {
                let (gone, refunded_percent, dispute) = (*gone, *refunded_percent, *dispute);
                self.listed(&Present { gateway, payment, gone, refunded_percent, dispute })
            }
            Command::Refund { gateway, payment, done } => self.refund(gateway, payment, *done),
            Command::BeginRefund { gateway, payment, amount } => self.begin_refund(gateway, payment, *amount),
            Command::SettleRefund { gateway, payment, outcome, again } => {
                self.settle_refund(gateway, payment, outcome, *again)
            }
            Command::Park { gateway, payment, amount } => {
                self.park(&(gateway.clone(), payment.clone()), None, *amount, "KRW")
            }
            Command::Decide { kind, gateway, payment, decision, key } => {
                self.decide(kind, (gateway, payment), decision, key)
            }
            Command::Retain => Value::Null,
            Command::ReadHold { of, user } => self.read_hold(of, user),
            Command::ReadOrder { of, user } | Command::ReadOrderOfHold { of, user } => self.read_order(of, user),
            Command::ReadSale { sale } => self.read_sale(sale),
            Command::Report { sale } => self.report(sale),
            Command::ReadPayments { state, .. } => self.read_payments(*state),
            Command::Lapse { of, order } => {
                self.lapse(of, *order);
                Value::Null
            }
            Command::Schedule { sale, phase } => {
                self.schedule(sale, *phase);
                Value::Null
            }
            Command::Pay { .. } | Command::Reserve { .. } | Command::Change { .. } | Command::Race(_) => {
                panic!("not a command by itself")
            }
        }
    }
}
