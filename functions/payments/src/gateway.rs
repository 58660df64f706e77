//! What Holdfast knows of one gateway. Each gateway's file has one constant of it, and the registry one line.

use crate::api::{Account, GatewayApi};
use crate::event::WebhookReader;
use crate::units::{Unit, is_code};

pub struct Gateway {
    /// In addresses, the database and, in capitals, the names of environment variables.
    pub name: &'static str,
    /// As it calls itself, for a person.
    pub title: &'static str,
    /// Its signature rule, and the reading of its messages.
    pub webhook: &'static dyn WebhookReader,
    /// What its messages have at least: one of these lists of members. Only the API's description says so; what a message
    /// is, `webhook` decides.
    pub messages: &'static [&'static [Member]],
    /// The type of the message that says what was paid, by a gateway that may have no API for lookups. None: its
    /// messages only name a payment.
    pub details: Option<&'static str>,
    /// Snapshot, capture, void and refund.
    pub api: fn(Account) -> Box<dyn GatewayApi>,
    /// Its address unless configured otherwise; empty: there is none.
    pub default_url: &'static str,
    /// The environment variable with the secrets of its messages.
    pub webhook_secret_variable: &'static str,
    /// The environment variable with the addresses that its unsigned messages come from. None: it signs.
    pub addresses_variable: Option<&'static str>,
    /// What the secret of an account for test payments begins with.
    pub test_key_prefixes: &'static [&'static str],
    /// The unit of its amounts in this currency, which is three capital letters. None: it does not take the currency.
    pub unit_of: fn(&str) -> Option<Unit>,
    /// The currencies it takes, for a person.
    pub currencies: &'static str,
    /// How the buyer's browser comes back from its payment page to have the money captured.
    pub return_page: ReturnPage,
    /// A member that a refusal of a capture needs, and its text: the gateway shows it to the buyer.
    pub refusal: Option<(&'static str, &'static str)>,
}

/// A member of a message: a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    Text(&'static str),
    /// Not empty.
    Filled(&'static str),
    /// Not empty, at most `TEXT_MAX_CHARS`, without control characters.
    Line(&'static str),
}

/// How a buyer's browser comes back from paying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnPage {
    /// The payment is reported by webhooks alone.
    None,
    /// By a redirect with these three query parameters, none of which is trusted.
    Redirect(ReturnQuery),
    /// The shop's page hands in the payment's id and the token that the gateway's SDK gave it.
    Token,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReturnQuery {
    pub payment_id: &'static str,
    pub order_ref: &'static str,
    /// As the gateway writes it: its unit depends on the currency, which only the payment says.
    pub amount: &'static str,
}

impl Gateway {
    /// Whether the secret is of an account for test payments.
    #[must_use]
    pub fn is_test_key(&self, secret: &str) -> bool {
        self.test_key_prefixes.iter().any(|prefix| secret.starts_with(prefix))
    }

    /// None: it does not take this currency, or its unit is not known; nothing is guessed about money.
    #[must_use]
    pub fn unit(&self, currency: &str) -> Option<Unit> {
        is_code(currency).then(|| (self.unit_of)(currency)).flatten()
    }
}
