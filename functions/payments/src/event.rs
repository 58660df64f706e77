//! A gateway's message as JSON: of any shape, for it has more in it than is ours, but of one reading. Whoever writes a
//! member twice means two things, and who signed it may have looked at the other one.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::{AMOUNT_MAX, DisputeHint, TEXT_MAX_CHARS, WebhookReader};

/// What a message says. It is a reason to look, and the truth only where `said` is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookEvent {
    /// The gateway's id; where a message does not know it, ours ([`EventKind::Deposit`]).
    pub payment_id: String,
    pub kind: EventKind,
    /// The whole payment: of the shop's own service alone, which signs what it knows to be so now.
    pub details: Option<PaymentDetails>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Something about the payment has changed; which way, only the payment itself says.
    Changed,
    /// The gateway waits for our word before it takes the money: its answer is the status of ours. With how much it
    /// would take, where it says so.
    CaptureApproval { amount: Option<i64> },
    /// Something about an account that a buyer deposits into. The message is not signed, and names the payment by our id
    /// alone: the payment it finds must have the same secret.
    Deposit { secret: String },
    /// Something about money that was settled before: disputed, paid back, taken back. Of a dispute, what the message says.
    Later { dispute: Option<DisputeHint> },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentDetails {
    pub hold_ref: String,
    pub user_id: String,
    /// In the currency's minor unit.
    pub amount: i64,
    pub currency: String,
    /// Play money otherwise.
    pub live: bool,
}

/// An object in which no object names a member twice.
pub struct RawEvent(pub Map<String, Value>);

impl<'de> Deserialize<'de> for RawEvent {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match from.deserialize_any(OneReading)? {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(D::Error::custom("not an object")),
        }
    }
}

struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OneReading).map(Self)
    }
}

struct OneReading;

impl<'de> Visitor<'de> for OneReading {
    type Value = Value;

    fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Once(value)) = from.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Once(value))) = from.next_entry::<String, Once>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
            }
            members.insert(name, value);
        }
        Ok(members.into())
    }
}

/// What an authentic message says, as the edge filters it and as the function that believes it reads it again.
///
/// # Errors
/// What is missing from an event that its type promises, or is what no payment can have.
pub fn read_event(reader: &dyn WebhookReader, event: &Map<String, Value>) -> Result<Option<WebhookEvent>, String> {
    reader.read(event)?.map(bounded).transpose()
}

/// A hold we do not know is not refused here: at the shop's own service the money must come to rest as a refund.
fn bounded(event: WebhookEvent) -> Result<WebhookEvent, String> {
    let short = |text: &str| text.chars().count() <= TEXT_MAX_CHARS;
    let id = &event.payment_id;
    let mut wrong = None;
    if id.is_empty() || !short(id) || id.chars().any(char::is_control) {
        wrong = Some("payment_id: 1 to 255 characters, none a control character");
    }
    if let Some(PaymentDetails { hold_ref, user_id, amount, currency, .. }) = &event.details {
        let text = |text: &str| short(text) && !text.contains('\0');
        if !text(hold_ref) {
            wrong = Some("hold_id: at most 255 characters");
        } else if !text(user_id) {
            wrong = Some("user_id: at most 255 characters");
        } else if !(0..=AMOUNT_MAX).contains(amount) {
            wrong = Some("amount: a whole number of minor units");
        } else if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            wrong = Some("currency: three capital letters");
        }
    }
    wrong.map_or(Ok(event), |wrong| Err(wrong.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<Map<String, Value>> {
        serde_json::from_str::<RawEvent>(json).ok().map(|RawEvent(members)| members)
    }

    fn payment() -> PaymentDetails {
        let (hold_ref, user_id) = ("no uuid".to_owned(), "홍길동".to_owned());
        PaymentDetails { hold_ref, user_id, amount: 150_000, currency: "KRW".to_owned(), live: true }
    }

    fn is_possible(payment_id: &str, details: PaymentDetails) -> bool {
        bounded(WebhookEvent { payment_id: payment_id.to_owned(), kind: EventKind::Changed, details: Some(details) })
            .is_ok()
    }

    #[test]
    fn a_payment_for_a_hold_that_cannot_be_is_passed_on_to_become_a_refund() {
        assert!(is_possible("pay_1", payment()));
        assert!(is_possible("pay_1", PaymentDetails { hold_ref: String::new(), amount: 0, ..payment() }));
    }

    #[test]
    fn what_no_payment_can_be_is_malformed() {
        let long = || "a".repeat(256);
        for id in ["", "a\n", &long()] {
            assert!(!is_possible(id, payment()), "{id}");
        }
        for bad in [
            PaymentDetails { hold_ref: "a\0".to_owned(), ..payment() },
            PaymentDetails { hold_ref: long(), ..payment() },
            PaymentDetails { user_id: long(), ..payment() },
            PaymentDetails { amount: -1, ..payment() },
            PaymentDetails { amount: i64::MAX, ..payment() },
            PaymentDetails { currency: "krw".to_owned(), ..payment() },
            PaymentDetails { currency: "KRWW".to_owned(), ..payment() },
        ] {
            assert!(!is_possible("pay_1", bad.clone()), "{bad:?}");
        }
    }

    #[test]
    fn an_event_is_read_as_it_is_written() {
        let all = r#"{"a":null,"b":[true,-1,18446744073709551615,1.5,"가\n",{}],"c":{"a":{"a":1e2}}}"#;
        assert_eq!(read(all), serde_json::from_str(all).ok());
        // Two objects may have members of the same name.
        assert!(read(r#"{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}]}"#).is_some());
        for other in ["[]", "null", "1", "\"a\"", "", "{", r#"{"a":1}{}"#] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn a_member_twice_is_not_one_reading_however_deep_it_is() {
        for twice in [
            r#"{"type":"payment.paid","type":"x"}"#,
            r#"{"a":1,"b":2,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"data":{"amount":1,"amount":2}}"#,
            r#"{"data":[{"x":[{"y":1,"y":1}]}]}"#,
        ] {
            assert_eq!(read(twice), None, "{twice}");
        }
    }
}
