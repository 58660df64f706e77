//! What can be asked of a shop, as the model and the real transactions both take it.
//!
//! A hold goes by the user and the key that it was asked with, and not by its id: so a history still says the same
//! when commands before it are taken away. A history is printed one command a line, in these words.

mod words;

use super::orders::Next;

/// Where the clock stands for a sale: its schedule is moved by hand, so that nobody waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Before,
    During,
    After,
}

/// What was captured, by what is to be paid for the hold; once it is known to whoever says it, the sum itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    More(i64),
    Exactly(i64),
}

/// `(sku_id, unit_price, stock, max_per_user)`.
pub type NewSku = (String, i64, i64, i64);

#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    pub user: String,
    pub key: String,
    pub lines: Vec<(String, i32)>,
}

/// The hold that `user` was granted for `key`, if it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HoldOf {
    pub user: String,
    pub key: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    NewSale {
        sale: String,
        currency: String,
        ttl_s: i64,
        phase: Phase,
        /// Whether a payment that comes too late takes the stock again, if it is still there.
        retakes: bool,
        /// Whether who let a hold lapse cannot have the SKU again for as long as a history lasts.
        cools: bool,
        /// Whether a buyer may cancel an order.
        cancels: bool,
        skus: Vec<NewSku>,
    },
    /// T1.
    Reserve {
        sale: String,
        asks: Vec<Ask>,
    },
    /// T2. `of`: none where the gateway names no hold of anybody's.
    Pay {
        gateway: String,
        payment: String,
        of: Option<HoldOf>,
        user: String,
        amount: Amount,
        currency: Option<String>,
    },
    /// A payment, as in `Pay`, that is told of before its money is taken.
    Attempt {
        /// `secure`: it is to be taken. `note`: its buyer is about to pay. `note taken`: the money comes later.
        how: &'static str,
        pay: Box<Self>,
    },
    /// Its buyer opens a page to pay.
    OpenPage {
        of: HoldOf,
        user: String,
        gateway: String,
    },
    /// What came of a question about an attempt: `nothing` once or `nothing at all`, `over` without money; of a page that was
    /// opened: `not paid` yet, or that it `led to a payment`.
    Asked {
        gateway: String,
        payment: String,
        says: &'static str,
    },
    /// T2 without a gateway: `free`, or `wallet`.
    PayFree {
        of: HoldOf,
        user: String,
        method: &'static str,
    },
    /// T3, one transaction of it.
    Sweep {
        most: i32,
    },
    Release {
        of: HoldOf,
        user: String,
    },
    /// Its lines become these, of the hold that the buyer has seen.
    Change {
        of: HoldOf,
        user: String,
        version: i64,
        lines: Vec<(String, i32)>,
    },
    Stock {
        sale: String,
        sku: String,
        delta: i64,
        key: String,
    },
    Status {
        sale: String,
        status: &'static str,
    },
    /// An operator takes the order of this hold back.
    Cancel {
        of: HoldOf,
        key: String,
    },
    /// Its buyer does.
    CancelOwn {
        of: HoldOf,
        user: String,
    },
    /// An operator moves it on, by version.
    Move {
        of: HoldOf,
        next: Next,
        key: String,
    },
    /// What a gateway has of a payment now, as it says when it is asked.
    Present {
        gateway: String,
        payment: String,
        /// A deposit was taken back: nothing of it is left.
        gone: bool,
        /// How much of it was paid back, in hundredths of it.
        refunded_percent: i64,
        /// `none`, `open`, `won`, `lost`; what only its message says, `opened`, `resolved`; or the gateway does not say. It is
        /// about half of the payment.
        dispute: Option<&'static str>,
    },
    /// The gateway's list of the day says the same of it, and it is asked where that is not what is recorded.
    Listed {
        gateway: String,
        payment: String,
        gone: bool,
        refunded_percent: i64,
        dispute: Option<&'static str>,
    },
    /// `refund` has asked the gateway of a payment that has to go back, and that nobody has touched since: what came of it.
    Refund {
        gateway: String,
        payment: String,
        /// Else it will not, and that is the end of it.
        done: bool,
    },
    /// `refund` is about to request so much of it.
    BeginRefund {
        gateway: String,
        payment: String,
        amount: i64,
    },
    /// And knows what came of that, in the words of `settle_refund`.
    SettleRefund {
        gateway: String,
        payment: String,
        outcome: &'static str,
        /// Else it is given up, if it is not done.
        again: bool,
    },
    /// A payment names a hold in our form that is none of ours.
    Park {
        gateway: String,
        payment: String,
        amount: i64,
    },
    /// An operator decides on a dead letter.
    Decide {
        /// `refund`, `parked` or `asked`.
        kind: &'static str,
        gateway: String,
        payment: String,
        /// `replay`, `dismiss` or `settle`.
        decision: &'static str,
        key: String,
    },
    /// Retention, at its usual times: nothing of a history has served its own.
    Retain,
    ReadHold {
        of: HoldOf,
        user: String,
    },
    ReadOrder {
        of: HoldOf,
        user: String,
    },
    ReadOrderOfHold {
        of: HoldOf,
        user: String,
    },
    ReadSale {
        sale: String,
    },
    Report {
        sale: String,
    },
    /// The operator's list, of the payments whose ids begin so.
    ReadPayments {
        begin: String,
        state: Option<&'static str>,
    },
    /// Time passes for one hold: it is past its end, as the `order`-th since the beginning.
    Lapse {
        of: HoldOf,
        order: u32,
    },
    /// Time passes for a sale.
    Schedule {
        sale: String,
        phase: Phase,
    },
    /// At once, each on a connection of its own.
    Race(Vec<Command>),
}

impl Command {
    /// What it is called where it is counted.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::NewSale { .. } => "new sale",
            Self::Reserve { .. } => "reserve",
            Self::Pay { .. } => "pay",
            Self::Attempt { how, .. } => how,
            Self::OpenPage { .. } => "open page",
            Self::Asked { .. } => "asked",
            Self::PayFree { .. } => "pay free",
            Self::Sweep { .. } => "sweep",
            Self::Release { .. } => "release",
            Self::Change { .. } => "change",
            Self::Stock { .. } => "stock",
            Self::Status { .. } => "status",
            Self::Cancel { .. } => "cancel",
            Self::CancelOwn { .. } => "cancel own",
            Self::Move { .. } => "move",
            Self::Present { .. } => "present",
            Self::Listed { .. } => "listed",
            Self::Refund { .. } => "refund",
            Self::BeginRefund { .. } => "begin refund",
            Self::SettleRefund { .. } => "settle refund",
            Self::Park { .. } => "park",
            Self::Decide { .. } => "decide",
            Self::Retain => "retain",
            Self::ReadHold { .. } => "read hold",
            Self::ReadOrder { .. } => "read order",
            Self::ReadOrderOfHold { .. } => "read order of hold",
            Self::ReadSale { .. } => "read sale",
            Self::Report { .. } => "report",
            Self::ReadPayments { .. } => "read payments",
            Self::Lapse { .. } => "lapse",
            Self::Schedule { .. } => "schedule",
            Self::Race(_) => "race",
        }
    }

    /// The function whose call it is; time passes by nobody's.
    pub fn role(&self) -> &'static str {
        match self {
            Self::Reserve { .. } => "reserve",
            // The sweep asks about pages.
            Self::Asked { says: "not paid" | "led to a payment", .. } | Self::Sweep { .. } => "expire",
            Self::Pay { .. }
            | Self::Attempt { .. }
            | Self::OpenPage { .. }
            | Self::Asked { .. }
            | Self::PayFree { .. }
            | Self::Park { .. } => "confirm",
            Self::BeginRefund { .. } | Self::SettleRefund { .. } => "refund",
            Self::Release { .. } | Self::Change { .. } | Self::CancelOwn { .. } => "release",
            Self::NewSale { .. }
            | Self::Stock { .. }
            | Self::Status { .. }
            | Self::Cancel { .. }
            | Self::Move { .. }
            | Self::Decide { .. }
            | Self::Report { .. }
            | Self::ReadPayments { .. } => "admin",
            Self::ReadHold { .. } | Self::ReadOrder { .. } | Self::ReadOrderOfHold { .. } | Self::ReadSale { .. } => {
                "lookup"
            }
            // Time passes by nobody's call; and the owner knows what a payment came to, which the gateway would say.
            Self::Present { .. }
            | Self::Listed { .. }
            | Self::Refund { .. }
            | Self::Retain
            | Self::Lapse { .. }
            | Self::Schedule { .. }
            | Self::Race(_) => "",
        }
    }

    /// The commands that are sent for it: a race is several, a batch one for each of its reservations.
    pub fn weight(&self) -> usize {
        match self {
            Self::Race(racers) => racers.iter().map(Self::weight).sum(),
            Self::Reserve { asks, .. } => asks.len(),
            _ => 1,
        }
    }

    /// The same with every name begun by `prefix`, so that one database serves many histories.
    pub fn prefixed(&self, prefix: &str) -> Self {
        let mut one = self.clone();
        // What stands for the id of an opened page names a user.
        let begin = |name: &mut String| name.insert_str(usize::from(name.starts_with('@')), prefix);
        let (mut of_whom, mut who, mut sale_of) = (None, None, None);
        match &mut one {
            Self::Race(racers) => racers.iter_mut().for_each(|racer| *racer = racer.prefixed(prefix)),
            Self::Attempt { pay, .. } => **pay = pay.prefixed(prefix),
            Self::NewSale { sale, .. }
            | Self::Status { sale, .. }
            | Self::ReadSale { sale }
            | Self::Report { sale }
            | Self::Schedule { sale, .. } => sale_of = Some(sale),
            Self::Stock { sale, key, .. } => {
                begin(key);
                sale_of = Some(sale);
            }
            Self::Reserve { sale, asks } => {
                asks.iter_mut().for_each(|ask| begin(&mut ask.user));
                sale_of = Some(sale);
            }
            Self::Pay { payment, of, user, .. } => {
                begin(payment);
                (of_whom, who) = (of.as_mut(), Some(user));
            }
            Self::Release { of, user }
            | Self::Change { of, user, .. }
            | Self::CancelOwn { of, user }
            | Self::OpenPage { of, user, .. }
            | Self::PayFree { of, user, .. }
            | Self::ReadHold { of, user }
            | Self::ReadOrder { of, user }
            | Self::ReadOrderOfHold { of, user } => (of_whom, who) = (Some(of), Some(user)),
            Self::Cancel { of, key } | Self::Move { of, key, .. } => {
                begin(key);
                of_whom = Some(of);
            }
            Self::Decide { payment, key, .. } => {
                begin(payment);
                begin(key);
            }
            Self::ReadPayments { begin: ids, .. }
            | Self::Present { payment: ids, .. }
            | Self::Listed { payment: ids, .. }
            | Self::Refund { payment: ids, .. }
            | Self::BeginRefund { payment: ids, .. }
            | Self::SettleRefund { payment: ids, .. }
            | Self::Asked { payment: ids, .. }
            | Self::Park { payment: ids, .. } => begin(ids),
            Self::Lapse { of, .. } => of_whom = Some(of),
            Self::Sweep { .. } | Self::Retain => {}
        }
        of_whom.map(|of| &mut of.user).into_iter().chain(who).chain(sale_of).for_each(begin);
        one
    }

    /// The hold that it names.
    pub fn of(&self) -> Option<&HoldOf> {
        match self {
            Self::Pay { of, .. } => of.as_ref(),
            Self::Attempt { pay, .. } => pay.of(),
            Self::Release { of, .. }
            | Self::OpenPage { of, .. }
            | Self::PayFree { of, .. }
            | Self::Cancel { of, .. }
            | Self::CancelOwn { of, .. }
            | Self::Change { of, .. }
            | Self::Move { of, .. }
            | Self::ReadHold { of, .. }
            | Self::ReadOrder { of, .. }
            | Self::ReadOrderOfHold { of, .. }
            | Self::Lapse { of, .. } => Some(of),
            _ => None,
        }
    }

    /// The same about a hold that nobody has.
    pub fn about_nobodys(&self) -> Self {
        let mut one = self.clone();
        match &mut one {
            Self::Attempt { pay, .. } => **pay = pay.about_nobodys(),
            Self::Pay { of: Some(of), .. }
            | Self::OpenPage { of, .. }
            | Self::PayFree { of, .. }
            | Self::Release { of, .. }
            | Self::Cancel { of, .. }
            | Self::CancelOwn { of, .. }
            | Self::Change { of, .. }
            | Self::Move { of, .. }
            | Self::ReadHold { of, .. }
            | Self::ReadOrder { of, .. }
            | Self::ReadOrderOfHold { of, .. }
            | Self::Lapse { of, .. } => *of = HoldOf { user: String::new(), key: String::new() },
            _ => {}
        }
        one
    }

    /// Those that are sent together.
    pub fn racers(&self) -> &[Self] {
        match self {
            Self::Race(racers) => racers,
            one => std::slice::from_ref(one),
        }
    }
}
