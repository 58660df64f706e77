//! Histories from a seed: few users, few SKUs, little stock, so that everybody is in everybody's way.
//!
//! What a history is about is imagined with the model on the way, so that most commands are about holds that there are
//! and can change something. What races may come out otherwise: then a command finds something else, and that is fine.

mod attempts;
mod changes;
mod letters;
mod orders;

use fastrand::Rng;

use super::command::{Amount, Ask, Command, HoldOf, NewSku, Phase};
use super::rules::{Hold, Model};

const USERS: [&str; 9] = ["ann", "bob", "cho", "dan", "eve", "fay", "gus", "hal", "홍길동"];
const SALES: [&str; 3] = ["drop", "gig", "late"];
const SKUS: [&str; 3] = ["a", "b", "c"];
/// Commands of one history; a race counts as one here.
const LENGTH: usize = 90;

/// The history of this seed.
pub fn history(seed: u64) -> Vec<Command> {
    let mut generator = Generator { rng: Rng::with_seed(seed), ..Generator::default() };
    let mut commands = vec![generator.new_sale(SALES[0])];
    generator.imagine(&commands[0]);
    while commands.len() < LENGTH {
        let command = generator.next();
        command.racers().iter().for_each(|one| generator.imagine(one));
        commands.push(command);
    }
    // What has lapsed is swept, so that the next history finds nothing to do.
    commands.extend(std::iter::repeat_n(Command::Sweep { most: 1000 }, SALES.len()));
    commands
}

#[derive(Default)]
struct Generator {
    rng: Rng,
    sales: Vec<Command>,
    /// Sales that grant nothing just now.
    shut: Vec<String>,
    asked: Vec<(String, Ask)>,
    payments: Vec<Command>,
    /// How many attempts there were, each at a payment with a number of its own.
    secured: usize,
    cancellations: Vec<Command>,
    /// How many orders were moved on.
    moves: usize,
    decisions: Vec<Command>,
    adjustments: Vec<Command>,
    lapses: Vec<u32>,
    imagined: Model,
    /// What a race is about.
    about: Option<(String, String, HoldOf)>,
}

impl Generator {
    fn next(&mut self) -> Command {
        if let Some(sale) = self.shut.first().cloned().filter(|_| self.rng.u8(..) < 90) {
            return self.open_again(&sale);
        }
        match self.rng.u32(0..100) {
            0..14 => self.reserve(1),
            14..18 => self.attempt(),
            18 => self.part_of_a_refund(),
            19 => self.refund(),
            20 | 21 => self.decide(),
            22 => self.park_or_retain(),
            23 => self.present(),
            24..36 => {
                let many = self.rng.usize(2..=8);
                self.reserve(many)
            }
            36..50 => self.pay(),
            50..54 => self.release(),
            54..57 => self.change(),
            57..61 => self.sweep(),
            61..65 => self.stock(),
            65 => self.status(),
            66 => self.present(),
            67 => self.cancel(),
            68 | 69 => self.move_order(),
            70..76 => self.read(),
            76..85 => self.lapse(),
            85..87 => self.new_sale_or_again(),
            87 => self.schedule(),
            _ => self.race(),
        }
    }

    fn imagine(&mut self, command: &Command) {
        if let Command::Reserve { sale, asks } = command {
            let mut back = self.imagined.due();
            back.retain(|of| Model::may_reclaim(sale, asks, &self.imagined.holds[of]));
            self.imagined.end(&back, "EXPIRED");
            // A lapsed hold in the way would be a defect of the transactions; here it is all the same.
            let _ = self.imagined.reserve(sale, asks);
        } else if let Command::Change { of, user, version, lines } = command {
            let _ = self.imagined.change_hold(of, user, *version, lines);
        } else {
            let said = self.with_price(command);
            self.imagined.answer(&said);
        }
    }

    fn with_price(&self, command: &Command) -> Command {
        let mut said = command.clone();
        match &mut said {
            Command::Attempt { pay, .. } => **pay = self.with_price(pay),
            Command::Pay { of, amount, currency, .. } => {
                let hold = of.as_ref().and_then(|of| self.imagined.holds.get(of));
                let (price, of_sale) = hold.map_or((100, "KRW"), |hold| (hold.amount, hold.currency.as_str()));
                if let Amount::More(more) = *amount {
                    *amount = Amount::Exactly((price + more).max(0));
                    currency.get_or_insert_with(|| of_sale.to_owned());
                }
            }
            _ => {}
        }
        said
    }

    fn race(&mut self) -> Command {
        let of_its_own = match self.rng.u8(..20) {
            0 | 1 => self.one_payment_for_two(),
            2..4 => self.one_buyers(),
            4 | 5 => self.two_attempts(),
            6 => self.parked_and_decided(),
            _ => None,
        };
        if let Some(race) = of_its_own {
            return race;
        }
        let of = match self.rng.u8(..16) {
            0..3 => self.one_of(Model::stands),
            3..6 => self.one_of(Model::may_be_late),
            _ => None,
        };
        let of = of.unwrap_or_else(|| self.hold_of());
        let hold = self.imagined.holds.get(&of);
        let (sale, sku) = hold.map_or((SALES[0], SKUS[0]), |hold| (&hold.sale, &hold.lines[0].sku));
        self.about = Some((sale.to_owned(), sku.to_owned(), of));
        let racers = if self.rng.u8(..) < 180 { 2 } else { 3 };
        let racers = (0..racers).map(|_| match self.rng.u32(0..16) {
            0..3 => {
                let many = if self.rng.u8(..) < 40 { 2 } else { 1 };
                self.reserve(many)
            }
            3 | 4 => self.pay(),
            5 => self.sweep(),
            6 => self.release(),
            7 => self.change(),
            8 => self.stock(),
            9 => self.status(),
            10 => self.cancel_or_move(),
            11 => {
                let of = self.hold_of();
                self.secure(&of)
            }
            12 => self.decide(),
            13 => self.pay_free(),
            _ => self.read(),
        });
        let racers: Vec<Command> = racers.collect();
        self.about = None;
        // Not in the race itself: of one payment that is new and told of for two holds at once no order is promised.
        let begun = racers.iter().filter_map(|racer| match racer {
            Command::Attempt { pay, .. } => Some((**pay).clone()),
            _ => None,
        });
        self.payments.extend(begun);
        Command::Race(racers)
    }

    /// A gateway that tells of one payment at once for two holds that are over: each would take its stock again.
    fn one_payment_for_two(&mut self) -> Option<Command> {
        let one = self.one_of(Model::may_be_late)?;
        let other = self.one_of(|model, of| model.may_be_late(of) && *of != one)?;
        let (gateway, payment) = ("standard".to_owned(), format!("p{}", self.payments.len()));
        let racers = [one, other].map(|of| Command::Pay {
            gateway: gateway.clone(),
            payment: payment.clone(),
            user: of.user.clone(),
            of: Some(of),
            amount: Amount::More(0),
            currency: None,
        });
        self.payments.push(racers[0].clone());
        Some(Command::Race(racers.to_vec()))
    }

    /// A buyer whose order is cancelled while a payment of theirs comes late and they reserve: all count to one limit.
    fn one_buyers(&mut self) -> Option<Command> {
        let late = self.one_of(Model::may_be_late)?;
        let order = self.one_of(|model, of| model.stands(of) && of.user == late.user)?;
        let Hold { sale, lines, .. } = self.imagined.holds[&late].clone();
        self.about = Some((sale.clone(), lines[0].sku.clone(), late.clone()));
        let ask = Ask { user: late.user.clone(), key: format!("k{}", self.asked.len()), lines: self.lines() };
        self.asked.push((sale.clone(), ask.clone()));
        let (cancelled, payment) = (format!("c{}", self.cancellations.len()), format!("p{}", self.payments.len()));
        let mut racers = vec![
            Command::Cancel { of: order, key: cancelled },
            Command::Pay {
                gateway: "standard".to_owned(),
                payment,
                user: late.user.clone(),
                of: Some(late),
                amount: Amount::More(0),
                currency: None,
            },
            Command::Reserve { sale, asks: vec![ask] },
        ];
        self.cancellations.push(racers[0].clone());
        self.payments.push(racers[1].clone());
        self.about = None;
        self.rng.shuffle(&mut racers);
        racers.truncate([2, 3, 3][self.rng.usize(..3)]);
        Some(Command::Race(racers))
    }

    fn reserve(&mut self, many: usize) -> Command {
        // In a race a request is often another of the same user's, or the very same again.
        if many == 1 && self.rng.u8(..) < 40 && !self.asked.is_empty() {
            let at = self.recent(self.asked.len());
            let (sale, mut ask) = self.asked[at].clone();
            if self.rng.u8(..) < 80 {
                ask.lines = self.lines();
            }
            return Command::Reserve { sale, asks: vec![ask] };
        }
        let sale = self.sale();
        let mut asks: Vec<Ask> = Vec::new();
        while asks.len() < many {
            let mut user = self.user();
            if (self.about.is_some() || self.often()) && asks.iter().any(|ask| ask.user == user) {
                let free = USERS.iter().find(|one| asks.iter().all(|ask| ask.user != **one));
                user = (*free.unwrap_or(&USERS[0])).to_owned();
            }
            let key = format!("k{}", self.asked.len() + asks.len());
            asks.push(Ask { user, key, lines: self.lines() });
        }
        self.asked.extend(asks.iter().map(|ask| (sale.clone(), ask.clone())));
        Command::Reserve { sale, asks }
    }

    fn lines(&mut self) -> Vec<(String, i32)> {
        let mut skus = SKUS.to_vec();
        self.rng.shuffle(&mut skus);
        if let Some((_, sku, _)) = self.about.clone().filter(|_| self.often()) {
            skus.sort_by_key(|one| *one != sku);
        }
        if self.rng.u8(..) < 5 {
            skus.insert(0, "x");
            self.rng.shuffle(&mut skus);
        }
        skus.truncate([1, 1, 1, 2, 2, 3][self.rng.usize(..6)]);
        let mut qty = || [1, 1, 1, 1, 1, 2, 2, 2, 3, 5, 1, 1, 1, 1, 2, 100][self.rng.usize(..16)];
        skus.iter().map(|sku| ((*sku).to_owned(), qty())).collect()
    }

    fn pay(&mut self) -> Command {
        // Parked, and now told of for a hold of ours; or the other way round.
        if self.about.is_none() && self.rng.u8(..) < 8 {
            return self.pay_parked();
        }
        if self.rng.u8(..) < 40 {
            return self.pay_free();
        }
        if !self.payments.is_empty() && self.rng.u8(..) < 50 {
            let at = self.recent(self.payments.len());
            let mut again = self.payments[at].clone();
            if let Command::Pay { of, gateway, .. } = &mut again {
                match self.rng.u8(..8) {
                    0 => *of = Some(self.hold_of()),
                    1 => *gateway = "another".to_owned(),
                    _ => {}
                }
            }
            return again;
        }
        // Now and then too late, by somebody who has bought something since.
        let late = if self.rng.u8(..) < 24 { self.one_of(Model::has_bought_since) } else { None };
        let mut of = Some(late.unwrap_or_else(|| self.hold_of()));
        let mut user = of.as_ref().map_or_else(String::new, |of| of.user.clone());
        let (mut more, mut currency) = (0, None);
        // Twice, so that two things are wrong with some of them, and the first reason has to be told.
        for _ in 0..2 {
            match self.rng.u8(..40) {
                0 => of = None,
                1..4 => user = self.user(),
                4 => more = 1,
                5 => more = -1,
                6 => currency = Some("EUR".to_owned()),
                7 => of = of.map(|of| HoldOf { key: "never".to_owned(), ..of }),
                _ => {}
            }
        }
        let payment = format!("p{}", self.payments.len());
        let paid =
            Command::Pay { gateway: "standard".to_owned(), payment, of, user, amount: Amount::More(more), currency };
        self.payments.push(paid.clone());
        paid
    }

    /// Mostly of what costs nothing.
    fn pay_free(&mut self) -> Command {
        let free = |model: &Model, of: &HoldOf| model.holds[of].amount == 0 && model.holds[of].status == "HOLD";
        let (mut of, mut user) = self.hold_and_user();
        if let Some(found) = if self.about.is_none() && self.often() { self.one_of(free) } else { None } {
            user = if of.user == user { found.user.clone() } else { user };
            of = found;
        }
        Command::PayFree { of, user, method: if self.rng.u8(..) < 190 { "free" } else { "wallet" } }
    }

    fn release(&mut self) -> Command {
        let (of, user) = self.hold_and_user();
        Command::Release { of, user }
    }

    fn read(&mut self) -> Command {
        let (of, user) = self.hold_and_user();
        match self.rng.u32(0..11) {
            0..4 => Command::ReadHold { of, user },
            4 if self.about.is_none() => Command::ReadOrder { of, user },
            5 if self.about.is_none() => Command::Report { sale: self.sale() },
            6 if self.about.is_none() => {
                let states = ["ordered", "refund_pending", "refunded", "refund_failed", "unsettled"];
                let state = [None].into_iter().chain(states.map(Some)).nth(self.rng.usize(..6)).flatten();
                Command::ReadPayments { begin: String::new(), state }
            }
            4..8 => Command::ReadOrderOfHold { of, user },
            _ => Command::ReadSale { sale: self.sale() },
        }
    }

    fn sweep(&mut self) -> Command {
        Command::Sweep { most: [1, 2, 1000][self.rng.usize(..3)] }
    }

    fn stock(&mut self) -> Command {
        if !self.adjustments.is_empty() && self.rng.u8(..) < 60 {
            let at = self.recent(self.adjustments.len());
            let mut again = self.adjustments[at].clone();
            if let (Command::Stock { delta, .. }, true) = (&mut again, self.rng.u8(..) < 60) {
                *delta += 1 + i64::from(*delta == -1);
            }
            return again;
        }
        let sku = if self.rng.u8(..) < 10 { "x".to_owned() } else { self.sku() };
        let delta = [1, 2, 5, -1, -1, -2, -4][self.rng.usize(..7)];
        let change = Command::Stock { sale: self.sale(), sku, delta, key: format!("s{}", self.adjustments.len()) };
        self.adjustments.push(change.clone());
        change
    }

    fn status(&mut self) -> Command {
        let sale = self.sale();
        let status = ["open", "paused", "paused", "closed"][self.rng.usize(..4)];
        if status != "open" {
            self.shut.push(sale.clone());
        }
        Command::Status { sale, status }
    }

    fn schedule(&mut self) -> Command {
        let sale = self.sale();
        self.shut.push(sale.clone());
        Command::Schedule { sale, phase: if self.rng.bool() { Phase::Before } else { Phase::After } }
    }

    fn open_again(&mut self, sale: &str) -> Command {
        // Twice, since it may be the schedule and the operator both.
        if self.rng.bool() {
            self.shut.retain(|shut| shut != sale);
            return Command::Status { sale: sale.to_owned(), status: "open" };
        }
        Command::Schedule { sale: sale.to_owned(), phase: Phase::During }
    }

    fn lapse(&mut self) -> Command {
        let mut order = self.rng.u32(0..3_600_000);
        while self.lapses.contains(&order) {
            order += 1;
        }
        self.lapses.push(order);
        Command::Lapse { of: self.hold_of(), order }
    }

    fn new_sale_or_again(&mut self) -> Command {
        let again = self.sales[self.rng.usize(..self.sales.len())].clone();
        match (self.rng.u8(..7), again) {
            (0, Command::NewSale { sale, currency, ttl_s, phase, retakes, cools, cancels, skus }) => {
                Command::NewSale { sale, currency, ttl_s: ttl_s + 1, phase, retakes, cools, cancels, skus }
            }
            (1, Command::NewSale { sale, currency, ttl_s, phase, retakes, cools, cancels, skus }) => {
                Command::NewSale { sale, currency, ttl_s, phase, retakes: !retakes, cools, cancels, skus }
            }
            (2, again) => again,
            _ if self.sales.len() < SALES.len() => self.new_sale(SALES[self.sales.len()]),
            (_, again) => again,
        }
    }

    fn new_sale(&mut self, id: &str) -> Command {
        let mut sku = |name: &str| -> NewSku {
            let price = [0, 50, 100, 1500][self.rng.usize(..4)];
            (name.to_owned(), price, self.rng.i64(0..=16), [1, 2, 4, 9, 30, 200][self.rng.usize(..6)])
        };
        let skus: Vec<NewSku> = SKUS.iter().map(|name| sku(name)).collect();
        let phase = if self.rng.u8(..) < 20 { Phase::Before } else { Phase::During };
        if phase == Phase::Before {
            self.shut.push(id.to_owned());
        }
        let currency = if self.rng.bool() { "KRW" } else { "JPY" }.to_owned();
        let (ttl_s, retakes) = (self.rng.i64(600..=86_400), self.rng.bool());
        let (cools, cancels) = (self.rng.u8(..) < 80, self.rng.u8(..) < 160);
        let sale = Command::NewSale { sale: id.to_owned(), currency, ttl_s, phase, retakes, cools, cancels, skus };
        self.sales.push(sale.clone());
        sale
    }

    fn sale(&mut self) -> String {
        if let Some((sale, ..)) = self.about.clone().filter(|_| self.often()) {
            return sale;
        }
        // Now and then one that there is not (yet).
        let known = self.sales.len() + usize::from(self.rng.u8(..) < 10);
        SALES[self.rng.usize(..known.min(SALES.len()))].to_owned()
    }

    fn sku(&mut self) -> String {
        let about = self.about.clone().filter(|_| self.often());
        about.map_or_else(|| self.one(&SKUS).to_owned(), |(_, sku, _)| sku)
    }

    fn user(&mut self) -> String {
        let about = self.about.clone().filter(|_| self.rng.bool());
        about.map_or_else(|| self.one(&USERS).to_owned(), |(.., of)| of.user)
    }

    fn hold_and_user(&mut self) -> (HoldOf, String) {
        let of = self.hold_of();
        let user = if self.rng.u8(..) < 16 { self.user() } else { of.user.clone() };
        (of, user)
    }

    fn hold_of(&mut self) -> HoldOf {
        if let Some((.., of)) = self.about.clone().filter(|_| self.often()) {
            return of;
        }
        // Mostly one that there is, and of those mostly one that is still to end.
        let holds: Vec<(&HoldOf, bool)> =
            self.imagined.holds.iter().map(|(of, hold)| (of, hold.status == "HOLD")).collect();
        let live: Vec<HoldOf> = holds.iter().filter(|(_, live)| *live).map(|(of, _)| (*of).clone()).collect();
        let all: Vec<HoldOf> = holds.iter().map(|(of, _)| (*of).clone()).collect();
        let chosen = match self.rng.u8(..16) {
            0..9 if !live.is_empty() => live,
            0..15 if !all.is_empty() => all,
            _ => self.asked.iter().map(|(_, ask)| HoldOf { user: ask.user.clone(), key: ask.key.clone() }).collect(),
        };
        if chosen.is_empty() {
            return HoldOf { user: USERS[0].to_owned(), key: "never".to_owned() };
        }
        chosen[self.rng.usize(..chosen.len())].clone()
    }

    /// One of the holds of which this is so.
    fn one_of(&mut self, so: impl Fn(&Model, &HoldOf) -> bool) -> Option<HoldOf> {
        let all: Vec<HoldOf> = self.imagined.holds.keys().filter(|of| so(&self.imagined, of)).cloned().collect();
        (!all.is_empty()).then(|| all[self.rng.usize(..all.len())].clone())
    }

    /// One of the last of so many, mostly.
    fn recent(&mut self, many: usize) -> usize {
        let back = if self.rng.u8(..) < 200 { self.rng.usize(..many.min(8)) } else { self.rng.usize(..many) };
        many - 1 - back
    }

    fn often(&mut self) -> bool {
        self.rng.u8(..) < 200
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.rng.usize(..of.len())]
    }
}
