//! What each verb takes and answers. A verb without its words here does not compile.

use serde_json::{Map, Value, json};

use super::answers::{carrying, refusals};
use super::parameters::{idempotency_key, if_none_match};
use super::schemas::Schemas;
use super::{buyers, money};
use crate::http::problem::Code;
use crate::routes::Route;

pub struct Operation {
    id: String,
    tag: &'static str,
    summary: &'static str,
    security: Value,
    parameters: Vec<Value>,
    body: Option<Value>,
    /// Whether it may be left out.
    body_if_any: bool,
    answers: Map<String, Value>,
    refusals: Vec<Code>,
    pub headers_of_refusals: Vec<&'static str>,
}

/// Who may ask.
enum Caller {
    Anybody,
    Buyer,
    Gateway,
    Operator,
}

impl Operation {
    fn new(route: &Route, caller: Caller, summary: &'static str) -> Self {
        let (tag, security, mut refusals) = match caller {
            Caller::Anybody => ("public", json!([]), vec![Code::RateLimited]),
            Caller::Buyer => (
                "buyer",
                json!([{"session": []}, {"cookie": []}]),
                vec![Code::RateLimited, Code::Unauthenticated, Code::Forbidden],
            ),
            Caller::Gateway => ("gateway", json!([{"signature": []}]), vec![Code::SignatureInvalid]),
            Caller::Operator => {
                ("operator", json!([{"operator": []}]), vec![Code::RateLimited, Code::Unauthenticated, Code::Forbidden])
            }
        };
        // It refuses a parameter that it does not know.
        refusals.extend(route.parameters().map(|_| Code::MalformedRequest));
        Self {
            // A verb that is found at several addresses is several operations.
            id: match route {
                Route::Shop { sale_id: Some(_) } => "shop_of_sale".to_owned(),
                Route::OrdersPage { order_id: Some(_) } => "orders_one".to_owned(),
                Route::Webhook { gateway } if *gateway != "standard" => format!("webhook_{gateway}"),
                _ => route.name().to_owned(),
            },
            tag,
            summary,
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

    /// What asks a function, and so the database.
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

    /// May be kept, and asked for again by its tag.
    fn kept(mut self) -> Self {
        self.parameters.push(if_none_match());
        let answer = json!({"description": "What you have is what there is.", "headers": carrying(&["ETag"])});
        self.answers.insert("304".to_owned(), answer);
        self
    }

    /// What one with these schemas is, refusals and all.
    fn complete(mut self, schemas: &mut Schemas) -> Self {
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

pub fn of(route: &Route, schemas: &mut Schemas) -> Operation {
    let new = |caller, summary| Operation::new(route, caller, summary);
    let html = || json!({"type": "string"});
    match route {
        Route::Shop { sale_id } => {
            let page =
                new(Caller::Anybody, "The shop").sends(200, "The page.", "text/html; charset=utf-8", html(), &[]);
            if sale_id.is_some() { page.asks().refuses(&[Code::NotFound]) } else { page.asks() }
        }
        Route::OrdersPage { order_id } => {
            let (summary, html) = ("The page of the caller's own orders", html());
            let page = new(Caller::Anybody, summary).sends(
                200,
                "The page, which asks for them.",
                "text/html; charset=utf-8",
                html,
                &[],
            );
            if order_id.is_some() { page.refuses(&[Code::NotFound]) } else { page }
        }
        Route::Asset { .. } => new(Caller::Anybody, "A file of the shop")
            .sends(200, "The file.", "*/*", html(), &["ETag"])
            .kept()
            .refuses(&[Code::NotFound]),
        Route::Health => {
            let mut health = new(Caller::Anybody, "Whether the Worker runs");
            // A monitor is not counted.
            health.refusals.clear();
            health.answers(
                200,
                "It does.",
                json!({"type": "object", "properties": {"ok": {"const": true}}, "required": ["ok"]}),
                &[],
            )
        }
        Route::Description => new(Caller::Anybody, "This description")
            .answers(200, "OpenAPI 3.1.", json!({"type": "object", "required": ["openapi"]}), &["ETag"])
            .kept()
            .refuses(&[Code::Unavailable]),
        Route::DevSession => new(Caller::Anybody, "In development only"),
        Route::Reserve => buyers::reserve(new(Caller::Buyer, "Reserve: all lines or none"), schemas),
        Route::Hold { .. } => buyers::hold(new(Caller::Buyer, "What became of a hold"), "The hold.", schemas),
        Route::Release { .. } => {
            buyers::hold(new(Caller::Buyer, "Give a hold back; again, the same answer"), "It was given back.", schemas)
                .refuses(&[Code::HoldNotActive])
        }
        Route::PayHold { .. } => {
            buyers::pay(new(Caller::Buyer, "Pay without a gateway; again, the same answer"), schemas)
        }
        Route::Order { .. } => buyers::order(new(Caller::Buyer, "An order"), schemas),
        Route::Holds => buyers::holds(new(Caller::Buyer, "The caller's own holds, newest first"), schemas),
        Route::Orders => {
            buyers::orders(new(Caller::Buyer, "The caller's own orders, newest first; or the one of a hold"), schemas)
        }
        Route::Sales => new(Caller::Anybody, "The newest 100 sales, what can be bought first")
            .answers(200, "The sales.", schemas.answer::<crate::api::sales::List>(), &["ETag"])
            .kept()
            .refuses(&[Code::NotFound])
            .asks(),
        Route::Sale { .. } => new(Caller::Anybody, "A sale, at most about a second old")
            .answers(200, "The sale.", schemas.answer::<protocol::shop::Sale>(), &["ETag"])
            .kept()
            .refuses(&[Code::NotFound])
            .asks(),
        Route::Webhook { gateway: "standard" } => {
            money::of_standard(new(Caller::Gateway, "A gateway says that money was taken"), schemas)
        }
        // It signs nothing, and is believed nothing: whoever asks, the payment itself is asked for.
        Route::Webhook { gateway: "toss" } => {
            money::of_another_gateway(new(Caller::Anybody, "Toss says that a payment changed"), "toss", schemas)
        }
        Route::Webhook { gateway } => {
            money::of_another_gateway(new(Caller::Gateway, "A gateway says that a payment changed"), gateway, schemas)
        }
        Route::TossReturn => money::toss_return(new(Caller::Anybody, "A buyer comes back from Toss's payment window")),
        Route::PortOneConfirm => {
            money::portone_confirm(new(Caller::Buyer, "Hand in what PortOne's SDK was given"), schemas)
        }
        Route::OpenPayment { .. } => {
            money::open_payment(new(Caller::Buyer, "Say that a payment page is about to be opened"), schemas)
        }
        Route::RefundAccount { .. } => {
            money::refund_account(new(Caller::Buyer, "Name the account that a deposit goes back to"), schemas)
        }
        Route::ListPayments => money::payments(new(Caller::Operator, "What became of each payment"), schemas),
        Route::AdminOrder { .. } => buyers::order(new(Caller::Operator, "An order, with whose it is"), schemas),
        Route::CancelOrder { .. } => money::cancel(new(Caller::Operator, "Cancel an order, with a refund"), schemas),
        Route::CreateSale => new(Caller::Operator, "Make a sale; the same body again is the same sale")
            .reads(schemas.request::<protocol::admin::NewSale>())
            .answers(201, "It was made.", schemas.answer::<protocol::shop::Sale>(), &["Location"])
            .answers(200, "It was there, made from the same.", schemas.answer::<protocol::shop::Sale>(), &[])
            .refuses(&[Code::InvalidRequest, Code::AlreadyExists])
            .asks(),
        Route::SetStatus { .. } => new(Caller::Operator, "Open, pause or close a sale")
            .reads(schemas.request::<protocol::admin::StatusChange>())
            .answers(200, "The sale as it is now.", schemas.answer::<protocol::shop::Sale>(), &[])
            .refuses(&[Code::NotFound, Code::InvalidRequest])
            .asks(),
        Route::AdjustStock { .. } => new(Caller::Operator, "Put stock in or take it out, never below zero")
            .with([idempotency_key()])
            .reads(schemas.request::<protocol::admin::Adjustment>())
            .answers(
                200,
                "The counter afterwards.",
                schemas.answer::<protocol::admin::Stock>(),
                &["Idempotent-Replayed"],
            )
            .refuses(&[Code::NotFound, Code::InvalidRequest, Code::SoldOut])
            .refuses(&[Code::IdempotencyKeyMissing, Code::IdempotencyKeyInvalid, Code::IdempotencyKeyReused])
            .asks(),
        Route::ForgetUser { .. } => super::deliveries::forget(
            new(Caller::Operator, "Put a pseudonym in a user's place wherever nobody needs the name any more"),
            schemas,
        ),
        Route::Actions => {
            super::deliveries::actions(new(Caller::Operator, "What operators did, newest first"), schemas)
        }
        Route::Subscriptions
        | Route::Subscribe
        | Route::Subscription { .. }
        | Route::SetSubscription { .. }
        | Route::Unsubscribe { .. }
        | Route::RotateSecret { .. } => {
            super::deliveries::subscription(route, |summary| new(Caller::Operator, summary), schemas)
        }
        Route::DeadLetters
        | Route::ReplayDeadLetter { .. }
        | Route::ReplayDeadLetters
        | Route::DecideDeadLetter { .. } => {
            super::deliveries::dead_letter(route, |summary| new(Caller::Operator, summary), schemas)
        }
        Route::Report { .. } => new(Caller::Operator, "A sale's sums, all of them seen at one moment")
            .answers(200, "The report.", schemas.answer::<protocol::admin::Report>(), &[])
            .refuses(&[Code::NotFound])
            .asks(),
    }
    .complete(schemas)
}
