//! A command in words, one line: what a history is printed in.

use std::fmt;

use super::{Amount, Ask, Command, HoldOf};

impl fmt::Display for HoldOf {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}/{}", self.user, self.key)
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} {}", self.user, self.key)?;
        self.lines.iter().try_for_each(|(sku, qty)| write!(to, " {sku}:{qty}"))
    }
}

impl fmt::Display for Command {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = self.verb();
        match self {
            Self::NewSale { sale, currency, ttl_s, phase, retakes, cools, cancels, skus } => {
                let late = if *retakes { " retake" } else { "" };
                let cools = if *cools { " cools" } else { "" };
                let cancels = if *cancels { " cancels" } else { "" };
                write!(to, "{verb} {sale} {currency} ttl={ttl_s} {phase:?}{late}{cools}{cancels}")?;
                skus.iter()
                    .try_for_each(|(sku, price, stock, most)| write!(to, " {sku}: {stock} at {price}, {most} a user;"))
            }
            Self::Reserve { sale, asks } => {
                let asks: Vec<String> = asks.iter().map(ToString::to_string).collect();
                write!(to, "{verb} {sale} {}", asks.join(" + "))
            }
            Self::Pay { gateway, payment, of, user, amount, currency } => {
                let hold = of.as_ref().map_or_else(|| "no-hold".to_owned(), ToString::to_string);
                write!(to, "{verb} {gateway} {payment} {hold} user={user}")?;
                match amount {
                    Amount::More(0) => {}
                    Amount::More(more) => write!(to, " amount{more:+}")?,
                    Amount::Exactly(amount) => write!(to, " amount={amount}")?,
                }
                currency.iter().try_for_each(|currency| write!(to, " currency={currency}"))
            }
            Self::Attempt { pay, .. } => write!(to, "{verb}: {pay}"),
            Self::OpenPage { of, user, gateway } => write!(to, "{verb} {gateway} {of} user={user}"),
            Self::Asked { gateway, payment, says } => write!(to, "{verb} {gateway} {payment}: {says}"),
            Self::PayFree { of, user, method } => write!(to, "{verb} {of} user={user} {method}"),
            Self::Sweep { most } => write!(to, "{verb} {most}"),
            Self::Release { of, user } | Self::CancelOwn { of, user } | Self::ReadHold { of, user } => {
                write!(to, "{verb} {of} user={user}")
            }
            Self::ReadOrder { of, user } | Self::ReadOrderOfHold { of, user } => write!(to, "{verb} {of} user={user}"),
            Self::Change { of, user, version, lines } => {
                write!(to, "{verb} {of} user={user} {version}")?;
                lines.iter().try_for_each(|(sku, qty)| write!(to, " {sku}:{qty}"))
            }
            Self::Stock { sale, sku, delta, key } => write!(to, "{verb} {sale} {sku} {delta:+} {key}"),
            Self::Status { sale, status } => write!(to, "{verb} {sale} {status}"),
            Self::Cancel { of, key } => write!(to, "{verb} {of} {key}"),
            Self::Move { of, next, key } => {
                let restock = if next.restock { "" } else { " not for sale again" };
                let (version, status, tracking) = (next.version, next.status, next.tracking.unwrap_or_default());
                write!(to, "{verb} {of} {version} {status} {tracking}{restock} {key}")
            }
            Self::Present { gateway, payment, gone, refunded_percent, dispute }
            | Self::Listed { gateway, payment, gone, refunded_percent, dispute } => {
                let left = if *gone { "gone".to_owned() } else { format!("refunded={refunded_percent}%") };
                write!(to, "{verb} {gateway} {payment} {left} dispute={}", dispute.unwrap_or("?"))
            }
            Self::Refund { gateway, payment, done } => {
                write!(to, "{verb} {gateway} {payment} {}", if *done { "done" } else { "refused" })
            }
            Self::BeginRefund { gateway, payment, amount } => write!(to, "{verb} {gateway} {payment} amount={amount}"),
            Self::SettleRefund { gateway, payment, outcome, again } => {
                write!(to, "{verb} {gateway} {payment} {outcome}{}", if *again { ", again" } else { "" })
            }
            Self::Park { gateway, payment, amount } => write!(to, "{verb} {gateway} {payment} amount={amount}"),
            Self::Decide { kind, gateway, payment, decision, key } => {
                write!(to, "{verb} {kind} {gateway} {payment} {decision} {key}")
            }
            Self::Retain => write!(to, "{verb}"),
            Self::ReadSale { sale } | Self::Report { sale } => write!(to, "{verb} {sale}"),
            Self::ReadPayments { state, .. } => write!(to, "{verb} {}", state.unwrap_or("all")),
            Self::Lapse { of, order } => write!(to, "{verb} {of} as {order}"),
            Self::Schedule { sale, phase } => write!(to, "{verb} {sale} {phase:?}"),
            Self::Race(racers) => {
                let racers: Vec<String> = racers.iter().map(ToString::to_string).collect();
                write!(to, "{verb} {{ {} }}", racers.join(" || "))
            }
        }
    }
}
