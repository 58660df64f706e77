//! Rankings: what sold most in a window, and which sales were sold out fastest. The database makes them
//! (schema/routines/rankings.sql); each has a hundred rows at most.

use serde::{Deserialize, Serialize};

/// The time up to now in which an order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub enum Window {
    #[serde(rename = "1h")]
    Hour,
    #[serde(rename = "24h")]
    Day,
    #[serde(rename = "7d")]
    Week,
}

impl Window {
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Week];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
        }
    }

    /// None: there is no such window.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|window| window.name() == name)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranking<T> {
    /// Later orders are not in it.
    pub as_of: String,
    pub ranked: Vec<T>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RankedSku {
    /// From 1.
    pub rank: u32,
    pub sale_id: String,
    pub sku_id: String,
    pub name: String,
    /// Pieces in orders that were confirmed in the window and not cancelled since.
    pub sold: u64,
    /// For the page alone.
    pub sale_name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct RankedSale {
    /// From 1.
    pub rank: u32,
    pub sale_id: String,
    pub name: String,
    /// Whole seconds from the opening until the last SKU was sold out for the first time.
    pub sold_out_in_s: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_one_name_in_every_place() {
        for window in Window::ALL {
            assert_eq!(serde_json::to_value(window).ok(), Some(window.name().into()));
            assert_eq!(Window::named(window.name()), Some(window));
        }
        assert_eq!(Window::named("2h"), None);
    }
}
