//! Ids and times are the database's to choose. The model leaves a name in their place, like `?hold:ann/k1`; the first
//! answer that has it says what it stands for, and every later answer must say the same.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

/// Between which two readings of the clock an answer was made, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    pub asked_ms: i64,
    pub answered_ms: i64,
}

/// What the names stand for, and when each order was made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Names {
    meanings: BTreeMap<String, String>,
    ordered: BTreeMap<String, Window>,
    /// When that was made which no answer has shown yet.
    made: BTreeMap<String, Window>,
}

impl Names {
    pub fn meaning(&self, name: &str) -> Option<&str> {
        self.meanings.get(name).map(String::as_str)
    }

    /// It was made then, and its answer was not seen: whatever shows it first shows something of that time.
    pub fn made(&mut self, name: String, window: Window) {
        self.made.insert(name, window);
    }

    /// Whether `found` is what the model said, member by member.
    pub fn agree(&mut self, expected: &Value, found: &Value, window: Window) -> bool {
        match (expected, found) {
            (Value::String(name), Value::String(at)) if name == "?time" => at.parse::<jiff::Timestamp>().is_ok(),
            (Value::String(name), Value::String(value)) if name.starts_with('?') => self.bind(name, value, window),
            // For how long "sold out" may be repeated: nothing of a history ends within that second by itself.
            (Value::String(name), Value::Number(ms)) if name == "?for" => ms.as_u64().is_some_and(|ms| ms <= 1000),
            (Value::Array(expected), Value::Array(found)) => {
                expected.len() == found.len() && expected.iter().zip(found).all(|(e, f)| self.agree(e, f, window))
            }
            (Value::Object(expected), Value::Object(found)) => {
                expected.len() == found.len()
                    && expected.iter().all(|(key, e)| found.get(key).is_some_and(|f| self.agree(e, f, window)))
            }
            _ => expected == found,
        }
    }

    fn bind(&mut self, name: &str, value: &str, window: Window) -> bool {
        if let Some(known) = self.meaning(name) {
            return known == value;
        }
        let window = self.made.get(name).copied().unwrap_or(window);
        let parts: Vec<&str> = name.split(':').collect();
        let fits = match parts[0] {
            "?hold" | "?order" => Uuid::parse_str(value).is_ok_and(|id| id.get_version_num() == 7),
            "?number" => value.len() == 10 && value.bytes().all(|b| b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ".contains(&b)),
            // `?until:ann/k1:300`
            "?until" => is_in(window, parts[2].parse::<i64>().unwrap() * 1000, value),
            "?created" => self.ordered.get(parts[1]).is_some_and(|ordered| is_in(*ordered, 0, value)),
            other => panic!("no such name: {other}"),
        };
        // One id never stands for two things.
        let is_id = matches!(parts[0], "?hold" | "?order" | "?number");
        if !fits || (is_id && self.meanings.values().any(|known| known == value)) {
            return false;
        }
        self.meanings.insert(name.to_owned(), value.to_owned());
        if parts[0] == "?order" {
            self.ordered.insert(parts[1].to_owned(), window);
        }
        true
    }

    /// Whether `name` stands for this.
    pub fn is(&self, name: &str, value: &str) -> bool {
        self.meaning(name) == Some(value)
    }

    /// `text` with every name in it replaced by what it stands for.
    pub fn replaced(&self, text: &str) -> String {
        let words = text.split('|').map(|word| self.meaning(word).unwrap_or(word));
        words.collect::<Vec<&str>>().join("|")
    }
}

fn is_in(window: Window, later_ms: i64, value: &str) -> bool {
    let at_ms = value.parse::<jiff::Timestamp>().map(|at| at.as_millisecond());
    let is_in_it = |at| (window.asked_ms + later_ms..=window.answered_ms + later_ms).contains(&at);
    value.len() == "2020-01-01T00:00:00.000Z".len() && at_ms.is_ok_and(is_in_it)
}
