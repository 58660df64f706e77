//! One operation of the description: who may call it, what it reads, what it answers, what it refuses.

use serde_json::{Map, Value, json};

use super::answers::{carrying, refusals};
use super::parameters::if_none_match;
use super::schemas::Schemas;
use crate::http::problem::Code;
use crate::routes::WEBHOOK;
use crate::routes::route::{Caller, Exists, Route};

pub struct Operation {
    id: String,
    tag: &'static str,
    summary: String,
    security: Value,
    parameters: Vec<Value>,
    body: Option<Value>,
    /// Whether it may be left out.
    body_if_any: bool,
    answers: Map<String, Value>,
    pub refusals: Vec<Code>,
    pub headers_of_refusals: Vec<&'static str>,
}

impl Operation {
    pub fn new(route: &Route, summary: impl Into<String>) -> Self {
        let (tag, security, mut refusals) = match route.caller {
            Caller::Anybody => ("public", json!([]), vec![Code::RateLimited]),
            Caller::Buyer => (
                "buyer",
                json!([{"session": []}, {"cookie": []}]),
                vec![Code::RateLimited, Code::Unauthenticated, Code::Forbidden],
            ),
            Caller::Gateway => ("gateway", json!([{"signature": []}]), vec![Code::SignatureInvalid]),
            Caller::Operator(_) => {
                ("operator", json!([{"operator": []}]), vec![Code::RateLimited, Code::Unauthenticated, Code::Forbidden])
            }
        };
        // It refuses a parameter that it does not know.
        refusals.extend(route.query.map(|_| Code::MalformedRequest));
        Self {
            id: id(route),
            tag,
            summary: summary.into(),
            security,
            parameters: vec![],
            body: None,
            body_if_any: false,
            answers: Map::new(),
            refusals,
            headers_of_refusals: vec![],
        }
    }

    pub fn with(mut self, parameters: impl IntoIterator<Item = Value>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    pub fn reads(mut self, body: Value) -> Self {
        self.body = Some(body);
        self.refuses(&[Code::PayloadTooLarge, Code::UnsupportedMediaType, Code::MalformedRequest])
    }

    pub fn reads_if_any(self, body: Value) -> Self {
        Self { body_if_any: true, ..self.reads(body) }
    }

    pub fn refuses(mut self, codes: &[Code]) -> Self {
        for code in codes {
            if !self.refusals.contains(code) {
                self.refusals.push(*code);
            }
        }
        self
    }

    /// Operations that call a function, and so the database.
    pub fn asks(self) -> Self {
        self.refuses(&[Code::Unavailable])
    }

    pub fn answers(self, status: u16, description: &str, schema: Value, headers: &[&str]) -> Self {
        self.sends(status, description, "application/json", schema, headers)
    }

    pub fn sends(mut self, status: u16, description: &str, media: &str, schema: Value, headers: &[&str]) -> Self {
        let answer =
            json!({"description": description, "headers": carrying(headers), "content": {media: {"schema": schema}}});
        self.answers.insert(status.to_string(), answer);
        self
    }

    /// To another address, without a body.
    pub fn sends_on(mut self, status: u16, description: &str) -> Self {
        let answer = json!({"description": description, "headers": carrying(&["Location"])});
        self.answers.insert(status.to_string(), answer);
        self
    }

    /// Cacheable, and revalidated by its `ETag`.
    pub fn kept(mut self) -> Self {
        self.parameters.push(if_none_match());
        let answer = json!({"description": "Not modified.", "headers": carrying(&["ETag"])});
        self.answers.insert("304".to_owned(), answer);
        self
    }

    /// What one with these schemas is, refusals and all.
    pub fn complete(mut self, schemas: &mut Schemas) -> Self {
        for (status, answer) in refusals(&self.refusals, &self.headers_of_refusals, schemas) {
            self.answers.insert(status, answer);
        }
        self
    }

    pub fn into_value(self) -> Value {
        let mut value = json!({"operationId": self.id, "tags": [self.tag], "summary": self.summary,
                               "security": self.security, "responses": self.answers});
        if !self.parameters.is_empty() {
            value["parameters"] = self.parameters.into();
        }
        if let Some(schema) = self.body {
            value["requestBody"] =
                json!({"required": !self.body_if_any, "content": {"application/json": {"schema": schema}}});
        }
        value
    }

    /// The same as HEAD.
    pub fn without_bodies(&self) -> Value {
        let mut answers = self.answers.clone();
        for answer in answers.values_mut().filter_map(Value::as_object_mut) {
            answer.remove("content");
        }
        let mut value = json!({"operationId": format!("{}_head", self.id), "tags": [self.tag], "summary": self.summary,
                               "security": self.security, "responses": answers});
        if !self.parameters.is_empty() {
            value["parameters"] = self.parameters.clone().into();
        }
        value
    }
}

/// A route that is found under several paths is several operations.
fn id(route: &Route) -> String {
    match route.path {
        "/sales/{sale_id}" => "shop_of_sale".to_owned(),
        "/orders/{order_id}" => "orders_one".to_owned(),
        _ => match route.exists {
            // That of the shop's own service has the name without more.
            Exists::WithGateway(name)
                if route.name == WEBHOOK
                    && payments::gateway(name).is_some_and(|gateway| gateway.details.is_none()) =>
            {
                format!("{WEBHOOK}_{name}")
            }
            _ => route.name.to_owned(),
        },
    }
}
