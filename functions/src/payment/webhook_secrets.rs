//! The secrets by which `confirm` verifies webhooks. The edge verifies them too, but only as a filter: a holder of the
//! edge's credentials could call `confirm` directly.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use payments::{Message, WebhookReader};
use protocol::confirm::Signed;

use crate::runtime::config::{self, ConfigError};

/// By gateway; several during a rotation. No `Debug`: they do not belong in a log.
pub struct WebhookSecrets(BTreeMap<&'static str, Vec<String>>);

impl WebhookSecrets {
    /// From `WEBHOOK_SECRET`, `PORTONE_WEBHOOK_SECRET`, `STRIPE_WEBHOOK_SECRET`; the same values as at the edge.
    ///
    /// # Errors
    /// A signing gateway has an API secret but no webhook secret: all its messages would be refused.
    pub fn from_env() -> Result<Self, ConfigError> {
        let mut all = BTreeMap::new();
        for gateway in payments::GATEWAYS {
            let variable = gateway.webhook_secret_variable;
            let secrets = config::comma_separated(variable);
            if gateway.webhook.signs() && secrets.is_empty() && config::gateway(gateway)?.is_some() {
                return Err(ConfigError::new(variable, "is missing"));
            }
            all.insert(gateway.name, secrets);
        }
        Ok(Self(all))
    }

    /// Whether its gateway signed it within the last five minutes. False for an unsigned gateway.
    #[must_use]
    pub fn prove(&self, reader: &dyn WebhookReader, signed: &Signed) -> bool {
        let secrets = self.0.get(signed.gateway.as_str()).map(Vec::as_slice).unwrap_or_default();
        let header = |name: &str| signed.headers.get(name).cloned();
        let message = Message { header: &header, body: signed.body.as_bytes() };
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        reader.signs() && reader.is_authentic(secrets, &message, now_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_without_signatures_or_a_secret_proves_nothing() {
        let secrets = WebhookSecrets(BTreeMap::from([("stripe", vec!["whsec_a".to_owned()])]));
        for gateway in payments::NAMES {
            let signed = Signed { gateway: gateway.to_owned(), body: "{}".to_owned(), ..Signed::default() };
            let reader = payments::webhook(gateway).expect("a gateway");
            assert!(!secrets.prove(reader, &signed), "{gateway}");
        }
    }
}
