//! Which two meet, and over what: for each pair of the transactions every row that both can want.

use model::{Amount, Ask, Command, HoldOf, Next, Phase};

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

/// At a gateway whose account others may use, too.
fn at_another(payment: &str, key: &str) -> Command {
    let Command::Pay { payment, of, user, amount, currency, .. } = pay(payment, "ann", key) else { unreachable!() };
    Command::Pay { gateway: "another".to_owned(), payment, of, user, amount, currency }
}

/// And for a hold in our form that this shop does not have.
fn elsewhere(payment: &str) -> Command {
    at_another(payment, "never")
}

/// An operator decides on that.
fn decide(payment: &str, decision: &'static str, key: &str) -> Command {
    let (gateway, payment, key) = ("another".to_owned(), payment.to_owned(), key.to_owned());
    Command::Decide { kind: "parked", gateway, payment, decision, key }
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

fn cancel(user: &str, key: &str, operators: &str) -> Command {
    Command::Cancel { of: of(user, key), key: operators.to_owned() }
}

fn change(user: &str, key: &str, lines: &[(&str, i32)]) -> Command {
    let lines = lines.iter().map(|(sku, qty)| ((*sku).to_owned(), *qty)).collect();
    Command::Change { of: of(user, key), user: user.to_owned(), version: 1, lines }
}

fn cancel_own(user: &str, key: &str) -> Command {
    Command::CancelOwn { of: of(user, key), user: user.to_owned() }
}

/// An operator who has seen this version of the order.
fn goes_on(user: &str, key: &str, version: i64, status: &'static str) -> Command {
    let next = Next { version, status, tracking: None, restock: status != "RETURNED" };
    Command::Move { of: of(user, key), next, key: format!("m{version}") }
}

fn lapse(user: &str, key: &str, order: u32) -> Command {
    Command::Lapse { of: of(user, key), order }
}

const SWEEP: Command = Command::Sweep { most: 1000 };

/// A sale of so many `a` and so many `b`, and what has been done in it.
fn after(stock: (i64, i64), before: &[Command]) -> Vec<Command> {
    let skus = vec![("a".to_owned(), 100, stock.0, 3), ("b".to_owned(), 50, stock.1, 3)];
    let (sale, currency) = ("drop".to_owned(), "KRW".to_owned());
    let (ttl_s, phase) = (3600, Phase::During);
    let (retakes, cools, cancels) = (false, false, true);
    let sale = Command::NewSale { sale, currency, ttl_s, phase, retakes, cools, cancels, skus };
    [&[sale], before].concat()
}

/// The same in a sale that sells to late payments.
fn retaking(mut before: Vec<Command>) -> Vec<Command> {
    for command in &mut before {
        if let Command::NewSale { retakes, .. } = command {
            *retakes = true;
        }
    }
    before
}

/// The same in a sale whose buyers may not cancel.
fn keeping(mut before: Vec<Command>) -> Vec<Command> {
    for command in &mut before {
        if let Command::NewSale { cancels, .. } = command {
            *cancels = false;
        }
    }
    before
}

/// The same in a sale in which who lets a hold lapse has to wait.
fn cooling(mut before: Vec<Command>) -> Vec<Command> {
    for command in &mut before {
        if let Command::NewSale { cools, .. } = command {
            *cools = true;
        }
    }
    before
}

pub fn all() -> Vec<Scenario> {
    let of_buyers = [among_buyers(), of_what_costs_nothing(), with_cool_downs(), with_late_payments()];
    of_buyers
        .into_iter()
        .chain([with_cancellations(), with_orders_that_go_on(), with_changes(), with_decisions()])
        .flatten()
        .collect()
}

/// A payment for a hold that is none of ours waits for an operator, who decides while it is told of again, or for a hold
/// of ours after all; and for another operator.
fn with_decisions() -> Vec<Scenario> {
    let parked = || after((5, 5), &[reserve("ann", "k1", &[("a", 1)]), elsewhere("p1")]);
    let mut all = Vec::new();
    for decision in ["replay", "dismiss", "settle"] {
        for other in
            [at_another("p1", "k1"), elsewhere("p1"), decide("p1", "replay", "d2"), decide("p1", decision, "d1")]
        {
            all.push(Scenario { before: parked(), one: decide("p1", decision, "d1"), other });
        }
    }
    all.push(Scenario { before: parked(), one: at_another("p1", "k1"), other: at_another("p1", "k1") });
    all.push(Scenario { before: parked(), one: at_another("p1", "k1"), other: release("ann", "k1") });
    all
}

/// Who let a hold lapse comes back while it is swept, paid for after all, or taken back by another; and an order of theirs
/// is made or cancelled meanwhile, which is kept in the same row.
fn with_cool_downs() -> Vec<Scenario> {
    let ann = || reserve("ann", "k1", &[("a", 1)]);
    let lapsed = |stock| cooling(after(stock, &[ann(), lapse("ann", "k1", 1)]));
    let again = || reserve("ann", "k2", &[("a", 1)]);
    let late = || pay("p1", "ann", "k1");
    [
        (lapsed((5, 5)), again(), SWEEP),
        (lapsed((1, 1)), reserve("bob", "k1", &[("a", 1)]), SWEEP),
        (lapsed((5, 5)), again(), again()),
        (retaking(lapsed((5, 5))), again(), late()),
        (retaking(lapsed((5, 5))), late(), SWEEP),
        (retaking(cooling(after((5, 5), &[ann(), lapse("ann", "k1", 1), SWEEP]))), again(), late()),
    ]
    .map(|(before, one, other)| Scenario { before, one, other })
    .into()
}

/// T2 without a gateway and whoever else ends the hold, or pays for it.
fn of_what_costs_nothing() -> Vec<Scenario> {
    let free = |before: &[Command]| {
        let skus = vec![("a".to_owned(), 0, 2, 3), ("b".to_owned(), 50, 2, 3)];
        let (sale, currency) = ("drop".to_owned(), "KRW".to_owned());
        let (ttl_s, phase) = (3600, Phase::During);
        let (retakes, cools, cancels) = (false, false, true);
        let sale = Command::NewSale { sale, currency, ttl_s, phase, retakes, cools, cancels, skus };
        [&[sale, reserve("ann", "k1", &[("a", 1)])], before].concat()
    };
    let take = || Command::PayFree { of: of("ann", "k1"), user: "ann".to_owned(), method: "free" };
    let lapsed = || free(&[lapse("ann", "k1", 1)]);
    let others = [take(), pay("p1", "ann", "k1"), release("ann", "k1"), reserve("ann", "k2", &[("a", 1)]), SWEEP];
    let meets = |before: Vec<Command>, other: &Command| Scenario { before, one: take(), other: other.clone() };
    let back = |one: Command| Scenario { before: free(&[take()]), one, other: take() };
    others
        .iter()
        .map(|other| meets(free(&[]), other))
        .chain(others.iter().map(|other| meets(lapsed(), other)))
        .chain([cancel("ann", "k1", "c1"), cancel_own("ann", "k1")].map(back))
        .collect()
}

fn among_buyers() -> Vec<Scenario> {
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
    // Of a hold in our form that this shop does not have.
    meet(annes(), elsewhere("p1"), elsewhere("p1"));
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

/// A payment that comes too late, where the sale wants it sold all the same.
fn with_late_payments() -> Vec<Scenario> {
    let mut all = Vec::new();
    let mut meet = |before: Vec<Command>, one: Command, other: Command| {
        all.push(Scenario { before: retaking(before), one, other })
    };
    let (ann, bob) = (|| reserve("ann", "k1", &[("a", 1)]), || reserve("bob", "k1", &[("a", 1)]));
    let late = || pay("p1", "ann", "k1");
    let again = || reserve("ann", "k2", &[("a", 1)]);
    let before = |stock, swept: &[Command]| after(stock, &[&[ann(), lapse("ann", "k1", 1)], swept].concat());

    // Before the sweep has come and after it: another buyer, the same one, the sweep, giving back, itself, stock, a pause.
    for swept in [&[][..], &[SWEEP]] {
        let (last, more) = (|| before((1, 1), swept), || before((5, 5), swept));
        meet(last(), late(), bob());
        meet(more(), late(), again());
        meet(more(), late(), reserve("ann", "k2", &[("a", 3)]));
        meet(more(), late(), SWEEP);
        meet(more(), late(), release("ann", "k1"));
        meet(more(), late(), late());
        meet(more(), late(), pay("p2", "ann", "k1"));
        meet(last(), late(), stock("a", -1, "s1"));
        meet(before((1, 1), &[swept, &[stock("a", -1, "s1")]].concat()), late(), stock("a", 1, "s2"));
        meet(last(), late(), status("paused"));
    }

    // What its buyer has by now: another hold, which ends; an order, with which it would be too many.
    let with_another = |more: &[Command]| before((5, 5), &[&[SWEEP, again()], more].concat());
    meet(with_another(&[]), late(), release("ann", "k2"));
    meet(with_another(&[]), late(), pay("p2", "ann", "k2"));
    meet(with_another(&[lapse("ann", "k2", 2)]), late(), SWEEP);
    let three = reserve("ann", "k2", &[("a", 3)]);
    meet(before((5, 5), &[SWEEP, three.clone()]), late(), pay("p2", "ann", "k2"));

    // Somebody's lapsed hold has the last piece; two late payments want it; two that want two SKUs in both orders.
    let (bobs, bobs_end) = (bob(), lapse("bob", "k1", 2));
    meet(before((1, 1), &[SWEEP, bobs.clone(), bobs_end.clone()]), late(), SWEEP);
    meet(before((1, 1), &[SWEEP, bobs, bobs_end, SWEEP]), late(), pay("p2", "bob", "k1"));
    let two = |user: &str, lines: &[(&str, i32)], order| [reserve(user, "k1", lines), lapse(user, "k1", order), SWEEP];
    let crossed = [two("ann", &[("a", 1), ("b", 1)], 1), two("bob", &[("b", 1), ("a", 1)], 2)].concat();
    meet(after((1, 1), &crossed), late(), pay("p2", "bob", "k1"));
    meet(after((1, 1), &[&crossed[..], &[stock("b", -1, "s1")]].concat()), late(), stock("b", 1, "s2"));
    all
}

/// An operator takes an order back.
fn with_cancellations() -> Vec<Scenario> {
    let mut all = Vec::new();
    let mut meet = |before: Vec<Command>, one: Command, other: Command| all.push(Scenario { before, one, other });
    let bought =
        |user: &str, payment: &str, lines: &[(&str, i32)]| [reserve(user, "k1", lines), pay(payment, user, "k1")];
    let anns = |stock, more: &[Command]| after(stock, &[&bought("ann", "p1", &[("a", 1)]), more].concat());
    let bob = || reserve("bob", "k1", &[("a", 1)]);
    let back = || cancel("ann", "k1", "c1");

    // The last piece, the limit, the limit with a lapsed hold in the way, the key that bought it.
    meet(anns((1, 1), &[]), back(), bob());
    let three = after((5, 5), &bought("ann", "p1", &[("a", 3)]));
    meet(three, back(), reserve("ann", "k2", &[("a", 3)]));
    let lapsed = [&bought("ann", "p1", &[("a", 2)])[..], &[reserve("ann", "k2", &[("a", 1)]), lapse("ann", "k2", 1)]];
    meet(after((3, 3), &lapsed.concat()), back(), reserve("ann", "k3", &[("a", 2)]));
    meet(anns((5, 5), &[]), back(), reserve("ann", "k1", &[("a", 1)]));

    // The payment told again, another for the same hold, another's; late ones that want the stock, or the limit.
    meet(anns((5, 5), &[]), back(), pay("p1", "ann", "k1"));
    meet(anns((5, 5), &[]), back(), pay("p2", "ann", "k1"));
    meet(anns((5, 5), &[bob()]), back(), pay("p2", "bob", "k1"));
    let bobs = [bob(), lapse("bob", "k1", 1), SWEEP];
    let last = after((1, 1), &[&bobs[..], &bought("ann", "p1", &[("a", 1)])].concat());
    meet(retaking(last), back(), pay("p2", "bob", "k1"));
    let late = [reserve("ann", "k2", &[("a", 3)]), lapse("ann", "k2", 1), SWEEP];
    let limit = after((5, 5), &[&late[..], &bought("ann", "p1", &[("a", 1)])].concat());
    meet(retaking(limit), back(), pay("p2", "ann", "k2"));

    // A sweep and a release of the same SKU, a release of what was bought, stock, a pause.
    meet(anns((5, 5), &[bob(), lapse("bob", "k1", 1)]), back(), SWEEP);
    meet(anns((5, 5), &[bob()]), back(), release("bob", "k1"));
    meet(anns((5, 5), &[]), back(), release("ann", "k1"));
    meet(anns((1, 1), &[]), back(), stock("a", -1, "s1"));
    meet(anns((5, 5), &[]), back(), status("paused"));

    // Itself, by the same key and by another; one key for two orders; what is cancelled already; nobody's order.
    let both = || anns((5, 5), &bought("bob", "p2", &[("b", 1), ("a", 1)]));
    meet(anns((5, 5), &[]), back(), back());
    meet(anns((5, 5), &[]), back(), cancel("ann", "k1", "c2"));
    meet(both(), back(), cancel("bob", "k1", "c2"));
    meet(both(), back(), cancel("bob", "k1", "c1"));
    meet(anns((5, 5), &[back()]), back(), cancel("ann", "k1", "c2"));
    meet(anns((5, 5), &[]), back(), cancel("ann", "never", "c1"));
    all
}

/// Operators and a buyer move one order, and whoever wants its stock, its limit or its money is there too.
fn with_orders_that_go_on() -> Vec<Scenario> {
    let bought = [reserve("ann", "k1", &[("a", 1)]), pay("p1", "ann", "k1")];
    let anns = |stock, more: &[Command]| after(stock, &[&bought, more].concat());
    let prepare = || goes_on("ann", "k1", 1, "PREPARING");
    let own = || cancel_own("ann", "k1");
    let delivered = || {
        let steps = [prepare(), goes_on("ann", "k1", 2, "SHIPPED"), goes_on("ann", "k1", 3, "DELIVERED")];
        anns((1, 1), &steps)
    };
    let back = || goes_on("ann", "k1", 4, "RETURNED");
    let bob = || reserve("bob", "k1", &[("a", 1)]);
    let mut all = Vec::new();
    let mut meet = |before: Vec<Command>, one: Command, other: Command| all.push(Scenario { before, one, other });

    // One order: two operators, and its buyer.
    for other in [prepare(), goes_on("ann", "k1", 1, "CANCELLED"), own(), cancel("ann", "k1", "c1")] {
        meet(anns((5, 5), &[]), prepare(), other);
    }
    meet(anns((5, 5), &[]), own(), own());
    meet(anns((5, 5), &[]), own(), cancel("ann", "k1", "c1"));
    meet(anns((5, 5), &[prepare()]), goes_on("ann", "k1", 2, "SHIPPED"), cancel("ann", "k1", "c1"));
    meet(delivered(), back(), back());
    meet(delivered(), back(), own());
    meet(anns((5, 5), &[]), own(), cancel_own("ann", "never"));
    // What nobody may do: an order that is not there, a step that is left out, a sale whose buyers may not cancel.
    meet(anns((5, 5), &[]), prepare(), goes_on("ann", "never", 1, "PREPARING"));
    meet(anns((5, 5), &[]), goes_on("ann", "k1", 1, "DELIVERED"), goes_on("ann", "k1", 2, "SHIPPED"));
    meet(keeping(anns((5, 5), &[])), own(), prepare());
    // Its stock, its buyer's limit, and its payment told again.
    for one in [own(), prepare()] {
        for other in [
            bob(),
            reserve("ann", "k2", &[("a", 3)]),
            pay("p1", "ann", "k1"),
            pay("p2", "ann", "k1"),
            release("ann", "k1"),
            stock("a", -1, "s1"),
            status("paused"),
        ] {
            meet(anns((3, 3), &[]), one.clone(), other);
        }
        meet(anns((5, 5), &[bob(), lapse("bob", "k1", 1)]), one, SWEEP);
    }
    for other in [bob(), stock("a", -1, "s1"), pay("p2", "ann", "k1"), status("paused")] {
        meet(delivered(), back(), other);
    }
    all
}

/// A hold's lines become others, while somebody wants what it gives up, what it takes, or the hold itself.
fn with_changes() -> Vec<Scenario> {
    let (ann, bob) = (|| reserve("ann", "k1", &[("a", 1)]), || reserve("bob", "k1", &[("a", 1)]));
    let annes = |stock, more: &[Command]| after(stock, &[&[ann()], more].concat());
    let another = || change("ann", "k1", &[("b", 1)]);
    let more = || change("ann", "k1", &[("a", 2), ("b", 1)]);
    let mut all = Vec::new();
    let mut meet = |before: Vec<Command>, one: Command, other: Command| all.push(Scenario { before, one, other });

    // The hold itself: changed at once by another device, paid, given back, swept.
    for other in [more(), another(), pay("p1", "ann", "k1"), release("ann", "k1"), SWEEP] {
        meet(annes((5, 5), &[]), another(), other);
    }
    meet(annes((5, 5), &[]), another(), change("ann", "never", &[("b", 1)]));
    meet(annes((5, 5), &[lapse("ann", "k1", 1)]), another(), SWEEP);
    meet(annes((5, 5), &[lapse("ann", "k1", 1)]), another(), reserve("ann", "k2", &[("a", 1)]));
    // What it gives up, and what it takes.
    meet(annes((1, 1), &[]), another(), bob());
    meet(annes((1, 1), &[]), another(), reserve("bob", "k1", &[("b", 1)]));
    meet(annes((1, 1), &[]), another(), reserve("bob", "k1", &[("b", 1), ("a", 1)]));
    meet(annes((5, 5), &[bob()]), another(), change("bob", "k1", &[("b", 1)]));
    let crossed = || after((1, 1), &[ann(), reserve("bob", "k1", &[("b", 1)])]);
    meet(crossed(), another(), change("bob", "k1", &[("a", 1)]));
    meet(annes((5, 5), &[]), another(), reserve("ann", "k2", &[("b", 1)]));
    meet(annes((5, 5), &[]), another(), ann());
    let anns_two = || after((5, 5), &[ann(), reserve("ann", "k2", &[("b", 1)])]);
    meet(anns_two(), another(), change("ann", "k2", &[("a", 1)]));
    meet(anns_two(), another(), release("ann", "k2"));
    meet(anns_two(), another(), pay("p2", "ann", "k2"));
    // Stock that lapsed holds have, its limit, stock, a pause, an order that goes back.
    let bobs = [reserve("bob", "k1", &[("b", 1)]), lapse("bob", "k1", 1)];
    meet(annes((1, 1), &bobs), another(), SWEEP);
    meet(annes((1, 1), &bobs), another(), reserve("cho", "k1", &[("b", 1)]));
    meet(annes((1, 1), &[]), another(), stock("b", -1, "s1"));
    meet(annes((5, 5), &[]), another(), stock("a", -4, "s1"));
    meet(annes((5, 5), &[]), another(), status("paused"));
    let bought = [reserve("ann", "k2", &[("b", 3)]), pay("p2", "ann", "k2")];
    for other in [cancel("ann", "k2", "c1"), cancel_own("ann", "k2"), goes_on("ann", "k2", 1, "PREPARING")] {
        meet(annes((5, 5), &bought), another(), other);
    }
    all
}
