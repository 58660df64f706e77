//! A function's environment: its own variables, those that all functions have, and the gateways'.

use crate::function::{Function, Gateways, Kind, Variable};
use crate::table::OF_ALL;

/// One variable that a function may have.
pub struct Entry {
    pub name: String,
    pub kind: Kind,
    /// It is set only where this gateway is used.
    pub gateway: Option<&'static str>,
}

impl Function {
    /// Every variable that it may have.
    #[must_use]
    pub fn environment(&self) -> Vec<Entry> {
        let own = self.own().map(|one| Entry { name: one.name.to_owned(), kind: one.kind, gateway: None });
        own.chain(self.gateway_variables()).collect()
    }

    /// The value of a variable on the local stack, where the table has one.
    #[must_use]
    pub fn local_value(&self, name: &str) -> Option<&'static str> {
        self.own().find(|variable| variable.name == name)?.local
    }

    fn own(&self) -> impl Iterator<Item = &'static Variable> {
        OF_ALL.iter().chain(self.variables)
    }

    fn gateway_variables(&self) -> Vec<Entry> {
        let mut found = Vec::new();
        for gateway in payments::GATEWAYS {
            let mut add = |name: String, kind: Kind| found.push(Entry { name, kind, gateway: Some(gateway.name) });
            let upper = gateway.name.to_uppercase();
            if self.gateways != Gateways::None {
                // The shop's own service has no usual address.
                let has_address = !gateway.default_url.is_empty();
                add(format!("{upper}_API_URL"), if has_address { Kind::Tuning } else { Kind::Secret });
                add(format!("{upper}_API_SECRET"), Kind::Secret);
            }
            if self.gateways == Gateways::ApiAndWebhooks && gateway.webhook.signs() {
                add(gateway.webhook_secret_variable.to_owned(), Kind::Secret);
            }
        }
        found
    }
}
