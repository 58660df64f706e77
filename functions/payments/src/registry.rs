//! Every gateway there is. A new one is a file beside this one, its `mod` in lib.rs and its line here.

use crate::api::{Account, GatewayApi};
use crate::event::WebhookReader;
use crate::gateway::Gateway;
use crate::units::Unit;
use crate::{portone, standard, stripe, toss};

/// In the order in which the documents list them.
pub const GATEWAYS: &[Gateway] = &[standard::GATEWAY, portone::GATEWAY, toss::GATEWAY, stripe::GATEWAY];

/// The gateways' names, in the same order.
pub const NAMES: [&str; GATEWAYS.len()] = {
    let mut names = [""; GATEWAYS.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = GATEWAYS[i].name;
        i += 1;
    }
    names
};

/// None: no such gateway.
#[must_use]
pub fn gateway(name: &str) -> Option<&'static Gateway> {
    GATEWAYS.iter().find(|gateway| gateway.name == name)
}

/// None: no such gateway.
#[must_use]
pub fn webhook(name: &str) -> Option<&'static dyn WebhookReader> {
    gateway(name).map(|gateway| gateway.webhook)
}

/// None: no such gateway.
#[must_use]
pub fn api(name: &str, account: Account) -> Option<Box<dyn GatewayApi>> {
    gateway(name).map(|gateway| (gateway.api)(account))
}

/// In which unit a gateway counts a currency. None: it does not take it, or there is no such gateway.
#[must_use]
pub fn unit(name: &str, currency: &str) -> Option<Unit> {
    gateway(name)?.unit(currency)
}

/// The currencies that a gateway takes, for a person.
#[must_use]
pub fn currencies(name: &str) -> &'static str {
    gateway(name).map_or("none", |gateway| gateway.currencies)
}
