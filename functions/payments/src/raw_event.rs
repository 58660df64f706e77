//! A message's body as JSON: an object of any shape, in which no object names a member twice. Two members of one name are two
//! meanings, and the sender may have signed the other one.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<Map<String, Value>> {
        serde_json::from_str::<RawEvent>(json).ok().map(|RawEvent(members)| members)
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
