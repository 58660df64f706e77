//! Which two meet, and over what: for each pair of the transactions every row that both can want.

use crate::model::{Amount, Ask, Command, HoldOf, Phase};

/// Two commands that are sent to the same shop.
pub struct Scenario {
    pub before: Vec<Command>,
    pub one: Command,
    pub other: Command,
}

fn of(user: &str, key: &str) -> HoldOf {
    HoldOf { user: user.to_owned(), key: key.to_owned() }
}

fn reserve(user: &str, key: &str, lines: &[(&str, i32)]) -> Command {
    let lines = lines.iter().map(|(sku, qty)| ((*sku).to_owned(), *qty)).collect();
    let ask = Ask { user: user.to_owned(), key: key.to_owned(), lines };
    Command::Reserve { sale: "drop".to_owned(), asks: vec![ask] }
}

/// Two reservations in one batch.
fn batch(one: Command, other: Command) -> Command {
    let (Command::Reserve { sale, asks }, Command::Reserve { asks: more, .. }) = (one, other) else { unreachable!() };
    Command::Reserve { sale, asks: [asks, more].concat() }
}

fn pay(payment: &str, user: &str, key: &str) -> Command {
    let (of, user) = (Some(of(user, key)), user.to_owned());
    let (gateway, payment) = ("standard".to_owned(), payment.to_owned());
    Command::Pay { gateway, payment, of, user, amount: Amount::More(0), currency: None }
}

fn release(user: &str, key: &str) -> Command {
    Command::Release { of: of(user, key), user: user.to_owned() }
}

fn stock(sku: &str, delta: i64, key: &str) -> Command {
    Command::Stock { sale: "drop".to_owned(), sku: sku.to_owned(), delta, key: key.to_owned() }
}

fn status(status: &'static str) -> Command {
    Command::Status { sale: "drop".to_owned(), status }
}

fn lapse(user: &str, key: &str, order: u32) -> Command {
    Command::Lapse { of: of(user, key), order }
}

const SWEEP: Command = Command::Sweep { most: 1000 };

/// A sale of so many `a` and so many `b`, and what has been done in it.
fn after(stock: (i64, i64), before: &[Command]) -> Vec<Command> {
    let skus = vec![("a".to_owned(), 100, stock.0, 3), ("b".to_owned(), 50, stock.1, 3)];
    let (sale, currency) = ("drop".to_owned(), "KRW".to_owned());
    let sale = Command::NewSale { sale, currency, ttl_s: 3600, phase: Phase::During, retakes: false, skus };
    [&[sale], before].concat()
}

pub fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    let mut meet = |before: Vec<Command>, one: Command, other: Command| all.push(Scenario { before, one, other });
    let (ann, bob) = (|| reserve("ann", "k1", &[("a", 1)]), || reserve("bob", "k1", &[("a", 1)]));
    let annes = || after((5, 5), &[ann()]);
    let last = || after((1, 1), &[ann()]);
    let lapsed = || after((5, 5), &[ann(), lapse("ann", "k1", 1)]);
    let last_lapsed = || after((1, 1), &[ann(), lapse("ann", "k1", 1)]);
    let again = || reserve("ann", "k2", &[("a", 1)]);

    // T1 and T1: the last piece, plenty, a key, a user, two SKUs in both orders, what lapsed, batches.
    meet(after((1, 1), &[]), ann(), bob());
    meet(after((5, 5), &[]), ann(), bob());
    meet(after((5, 5), &[]), ann(), ann());
    meet(after((5, 5), &[]), ann(), reserve("ann", "k1", &[("a", 2)]));
    meet(after((5, 5), &[]), ann(), again());
    meet(after((5, 5), &[]), ann(), reserve("ann", "k2", &[("b", 1)]));
    meet(after((5, 5), &[]), reserve("ann", "k1", &[("a", 1), ("b", 1)]), reserve("ann", "k2", &[("b", 1), ("a", 1)]));
    meet(after((1, 1), &[]), reserve("ann", "k1", &[("a", 1), ("b", 1)]), reserve("bob", "k1", &[("b", 1), ("a", 1)]));
    meet(last_lapsed(), bob(), reserve("cho", "k1", &[("a", 1)]));
    meet(last_lapsed(), again(), bob());
    meet(after((3, 3), &[]), batch(ann(), bob()), batch(reserve("bob", "k2", &[("a", 1)]), again()));
    meet(after((1, 1), &[]), batch(ann(), bob()), reserve("cho", "k1", &[("a", 1)]));

    // T1 and T2: the same user and SKU, the same key, the limit, another's, a lapsed one.
    meet(annes(), again(), pay("p1", "ann", "k1"));
    meet(annes(), ann(), pay("p1", "ann", "k1"));
    meet(annes(), reserve("ann", "k2", &[("a", 3)]), pay("p1", "ann", "k1"));
    meet(last(), bob(), pay("p1", "ann", "k1"));
    meet(lapsed(), again(), pay("p1", "ann", "k1"));
    meet(last_lapsed(), bob(), pay("p1", "ann", "k1"));

    // T1 and T3: the user's own, the last piece, nothing to do.
    meet(lapsed(), again(), SWEEP);
    meet(lapsed(), ann(), SWEEP);
    meet(last_lapsed(), bob(), SWEEP);
    meet(last_lapsed(), batch(bob(), again()), SWEEP);
    // Enough for each of them, not for both, until it is swept.
    let one_lapsed = after((2, 2), &[ann(), lapse("ann", "k1", 1)]);
    meet(one_lapsed, batch(bob(), reserve("cho", "k1", &[("a", 1)])), SWEEP);

    // T1 and release: the same user, the same key, the last piece.
    meet(annes(), again(), release("ann", "k1"));
    meet(annes(), ann(), release("ann", "k1"));
    meet(last(), bob(), release("ann", "k1"));
    meet(lapsed(), again(), release("ann", "k1"));

    // T1 and stock, T1 and the sale's status.
    meet(after((1, 1), &[]), ann(), stock("a", -1, "s1"));
    meet(after((0, 0), &[]), ann(), stock("a", 1, "s1"));
    meet(after((5, 5), &[]), reserve("ann", "k1", &[("a", 1), ("b", 1)]), stock("b", -5, "s1"));
    meet(after((5, 5), &[]), ann(), status("paused"));
    meet(after((5, 5), &[status("paused")]), ann(), status("open"));
    meet(annes(), ann(), status("closed"));

    // T2 and T2: one payment twice, two payments for one hold, one payment for two holds, two of each.
    let both = || after((5, 5), &[ann(), bob()]);
    meet(annes(), pay("p1", "ann", "k1"), pay("p1", "ann", "k1"));
    meet(annes(), pay("p1", "ann", "k1"), pay("p2", "ann", "k1"));
    meet(both(), pay("p1", "ann", "k1"), pay("p1", "bob", "k1"));
    meet(both(), pay("p1", "ann", "k1"), pay("p2", "bob", "k1"));
    meet(after((5, 5), &[]), pay("p1", "ann", "k1"), pay("p1", "ann", "k1"));

    // T2 and T3, release, stock, status.
    meet(lapsed(), pay("p1", "ann", "k1"), SWEEP);
    meet(after((5, 5), &[ann(), bob(), lapse("bob", "k1", 1)]), pay("p1", "ann", "k1"), SWEEP);
    meet(annes(), pay("p1", "ann", "k1"), release("ann", "k1"));
    meet(lapsed(), pay("p1", "ann", "k1"), release("ann", "k1"));
    meet(annes(), pay("p1", "ann", "k1"), stock("a", -4, "s1"));
    meet(annes(), pay("p1", "ann", "k1"), status("paused"));

    // T3 and T3, release, stock, status.
    let two_lapsed = || after((5, 5), &[ann(), bob(), lapse("ann", "k1", 2), lapse("bob", "k1", 1)]);
    meet(two_lapsed(), SWEEP, SWEEP);
    meet(two_lapsed(), Command::Sweep { most: 1 }, SWEEP);
    meet(lapsed(), SWEEP, release("ann", "k1"));
    meet(after((5, 5), &[ann(), bob(), lapse("bob", "k1", 1)]), SWEEP, release("ann", "k1"));
    meet(last_lapsed(), SWEEP, stock("a", -1, "s1"));
    meet(lapsed(), SWEEP, status("paused"));

    // Release and release, stock, status.
    meet(annes(), release("ann", "k1"), release("ann", "k1"));
    meet(both(), release("ann", "k1"), release("bob", "k1"));
    meet(last(), release("ann", "k1"), stock("a", -1, "s1"));
    meet(annes(), release("ann", "k1"), status("paused"));

    // What finds nothing to do, and what was done before.
    meet(annes(), SWEEP, release("ann", "k1"));
    meet(annes(), release("ann", "never"), SWEEP);
    meet(after((5, 5), &[ann(), pay("p1", "ann", "k1")]), pay("p1", "ann", "k1"), SWEEP);
    meet(after((5, 5), &[stock("a", 1, "s1")]), stock("a", 1, "s1"), stock("a", 1, "s1"));
    let elsewhere = Command::Status { sale: "nowhere".to_owned(), status: "open" };
    meet(annes(), elsewhere, stock("a", 1, "s1"));

    // Stock and stock, status; status and status.
    meet(after((1, 1), &[]), stock("a", -1, "s1"), stock("a", -1, "s1"));
    meet(after((1, 1), &[]), stock("a", -1, "s1"), stock("a", -1, "s2"));
    meet(after((5, 5), &[]), stock("a", 1, "s1"), stock("b", 1, "s1"));
    meet(after((5, 5), &[]), stock("a", 1, "s1"), stock("a", 2, "s1"));
    meet(after((5, 5), &[]), stock("a", 1, "s1"), status("paused"));
    meet(after((5, 5), &[]), stock("x", 1, "s1"), status("paused"));
    meet(after((5, 5), &[]), status("paused"), status("open"));
    meet(after((5, 5), &[]), status("paused"), status("paused"));
    all
}
