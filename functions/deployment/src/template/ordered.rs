//! The order in which a template is read: what a thing is before what is said of it.

use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use serde_json::Value;

/// Members that stand first, in this order; the others follow by their names.
const FIRST: [&str; 16] = [
    "AWSTemplateFormatVersion",
    "Transform",
    "Type",
    "Condition",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "Description",
    "Version",
    "Effect",
    "Action",
    "Globals",
    "Parameters",
    "Conditions",
    "Resources",
    "FunctionName",
    "Name",
];

/// A value that is printed in that order.
pub struct Ordered<'a>(pub &'a Value);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(members) => {
                let place = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_by(|(a, _), (b, _)| (place(a), a).cmp(&(place(b), b)));
                let mut map = to.serialize_map(Some(sorted.len()))?;
                for (name, value) in sorted {
                    map.serialize_entry(name, &Ordered(value))?;
                }
                map.end()
            }
            Value::Array(items) => {
                let mut list = to.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&Ordered(item))?;
                }
                list.end()
            }
            other => other.serialize(to),
        }
    }
}
