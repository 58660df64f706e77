//! Creating, changing and deleting subscriptions (schema/routines/subscriptions.sql), and replacing their secrets.

use protocol::deliveries::{Actor, OperationOutcome};
use protocol::field_error::FieldError;
use protocol::subscription::{ENDPOINT_MAX_CHARS, Kind, NewSubscription, SECRET_OVERLAP_MAX_S};
use tokio_postgres::types::{Json, Type};

use super::request::{field_error, fingerprint, uuid};
use super::settings::Settings;
use crate::events::seal::Seal;
use crate::events::{endpoint, sign};
use crate::runtime::database::{Database, InfraError, Param};
use crate::runtime::limits::SUBSCRIPTIONS_MAX;

fn new_secret(seal: &Seal) -> Result<String, InfraError> {
    let secret = sign::new_secret().ok_or_else(|| InfraError::misuse("there is no randomness for a secret"))?;
    seal.seal(&secret)
}

pub(super) async fn create(
    database: &Database,
    settings: &Settings,
    by: &Actor,
    idem_key: &str,
    new: &NewSubscription,
) -> Result<Option<OperationOutcome>, InfraError> {
    let kind = new.kind.as_deref().map_or(Some(Kind::Http), Kind::named);
    let errors = field_errors(new, kind, settings.allow_private);
    let Some(kind) = kind.filter(|_| errors.is_empty()) else {
        return Ok(Some(OperationOutcome::InvalidRequest { errors }));
    };
    let secret = match kind {
        Kind::Http => Some(new_secret(&settings.seal)?),
        Kind::Sqs | Kind::Eventbridge => None,
    };
    let (print, kind) = (fingerprint(&("subscribe", new))?, kind.name());
    database
        .json(
            "select holdfast.create_subscription($1, $2, $3, $4, $5, $6, $7, $8)",
            &[
                (&Json(by), Type::JSON),
                (&idem_key, Type::TEXT),
                (&print, Type::BYTEA),
                (&kind, Type::TEXT),
                (&endpoint::as_parsed(&new.endpoint), Type::TEXT),
                (&new.event_types, Type::TEXT_ARRAY),
                (&secret, Type::TEXT),
                (&SUBSCRIPTIONS_MAX, Type::INT4),
            ],
        )
        .await
}

pub(super) async fn set(
    database: &Database,
    by: &Actor,
    id: &str,
    status: &str,
) -> Result<Option<OperationOutcome>, InfraError> {
    let params: [Param<'_>; 3] = [(&Json(by), Type::JSON), (&uuid(id)?, Type::UUID), (&status, Type::TEXT)];
    database.json("select holdfast.set_subscription_status($1, $2, $3)", &params).await
}

pub(super) async fn rotate(
    database: &Database,
    seal: &Seal,
    by: &Actor,
    idem_key: &str,
    subscription_id: &str,
    overlap_s: i64,
) -> Result<Option<OperationOutcome>, InfraError> {
    if !(0..=SECRET_OVERLAP_MAX_S).contains(&overlap_s) {
        let errors = vec![field_error("/overlap_s", "must be from 0 to 604800 seconds")];
        return Ok(Some(OperationOutcome::InvalidRequest { errors }));
    }
    let secret = new_secret(seal)?;
    let (print, overlap) = (fingerprint(&("rotate", subscription_id, overlap_s))?, overlap_s as f64);
    database
        .json(
            "select holdfast.rotate_secret($1, $2, $3, $4, $5, $6)",
            &[
                (&Json(by), Type::JSON),
                (&idem_key, Type::TEXT),
                (&print, Type::BYTEA),
                (&uuid(subscription_id)?, Type::UUID),
                (&secret, Type::TEXT),
                (&overlap, Type::FLOAT8),
            ],
        )
        .await
}

fn field_errors(new: &NewSubscription, kind: Option<Kind>, allow_private: bool) -> Vec<FieldError> {
    let mut errors = new.errors();
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:".contains(&byte));
    let wrong = match kind {
        _ if !errors.is_empty() => None,
        None => Some(field_error("/kind", "must be http, sqs or eventbridge")),
        _ if !(1..=ENDPOINT_MAX_CHARS).contains(&endpoint::as_parsed(&new.endpoint).len()) => {
            Some(field_error("/endpoint", "must be 1 to 2000 characters"))
        }
        Some(Kind::Http | Kind::Sqs) => {
            let wrong = endpoint::url(&new.endpoint, allow_private).err();
            wrong.map(|why| field_error("/endpoint", &format!("must be an https URL of the public internet: {why}")))
        }
        Some(Kind::Eventbridge) => {
            (!plain(&new.endpoint)).then(|| field_error("/endpoint", "must be the name or the ARN of a bus"))
        }
    };
    errors.extend(wrong);
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_endpoint_is_refused_unless_it_is_allowed() {
        let pointers = |kind, endpoint: &str, allow_private| -> Vec<String> {
            let new = NewSubscription {
                kind: None,
                endpoint: endpoint.to_owned(),
                event_types: vec!["OrderConfirmed".to_owned()],
                reason: None,
            };
            field_errors(&new, Some(kind), allow_private).into_iter().map(|error| error.pointer).collect()
        };
        for inside in [
            "http://shop.example/",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://10.0.0.1/hooks",
            "https://169.254.169.254/latest/meta-data",
            "https://[::1]/",
            "https://[::ffff:192.168.0.1]/",
            "https://[fe80::1]/",
        ] {
            assert_eq!(pointers(Kind::Http, inside, false), ["/endpoint"], "{inside}");
        }
        assert_eq!(pointers(Kind::Sqs, "https://127.0.0.1/1/shop", false), ["/endpoint"]);
        assert!(pointers(Kind::Http, "http://127.0.0.1:9/", true).is_empty());
        assert!(pointers(Kind::Http, "https://shop.example/hooks", false).is_empty());
    }
}
