//! What each verb takes and answers. A verb without its words here does not compile.

use serde_json::json;

use super::operation::{Caller, Operation};
use super::parameters::idempotency_key;
use super::schemas::Schemas;
use super::{buyers, money};
use crate::http::problem::Code;
use crate::routes::Route;

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
