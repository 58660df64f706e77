//! What each route of the table takes and answers. A test fails for a route that is not described here.

use serde_json::json;

use super::operation::Operation;
use super::parameters::idempotency_key;
use super::schemas::Schemas;
use super::{buyers, money};
use crate::http::problem::Code;
use crate::routes::route::{Exists, Route};

pub fn of(route: &Route, schemas: &mut Schemas) -> Operation {
    if let Exists::WithGateway(name) = route.exists {
        let gateway = payments::gateway(name).unwrap_or_else(|| panic!("{} is of no gateway", route.path));
        return money::of_gateway(route, gateway, schemas).complete(schemas);
    }
    let new = |summary| Operation::new(route, summary);
    // A path with a parameter may not be there.
    let has_parameter = route.path.contains('{');
    let html = || json!({"type": "string"});
    match route.name {
        "shop" => {
            let page = new("The shop").sends(200, "The page.", "text/html; charset=utf-8", html(), &[]);
            if has_parameter { page.asks().refuses(&[Code::NotFound]) } else { page.asks() }
        }
        "orders_page" => {
            let (summary, html) = ("The page of the caller's own orders", html());
            let page = new(summary).sends(200, "The page, which asks for them.", "text/html; charset=utf-8", html, &[]);
            if has_parameter { page.refuses(&[Code::NotFound]) } else { page }
        }
        "asset" => new("A file of the shop")
            .sends(200, "The file.", "*/*", html(), &["ETag"])
            .kept()
            .refuses(&[Code::NotFound]),
        "health" => {
            let mut health = new("Whether the Worker runs");
            // A monitor is not counted.
            health.refusals.clear();
            health.answers(
                200,
                "It does.",
                json!({"type": "object", "properties": {"ok": {"const": true}}, "required": ["ok"]}),
                &[],
            )
        }
        "description" => new("This description")
            .answers(200, "OpenAPI 3.1.", json!({"type": "object", "required": ["openapi"]}), &["ETag"])
            .kept()
            .refuses(&[Code::Unavailable]),
        "reserve" => buyers::reserve(new("Reserve: all lines or none"), schemas),
        "hold" => buyers::hold(new("What became of a hold"), "The hold.", schemas),
        "release" => buyers::hold(new("Give a hold back; again, the same answer"), "It was given back.", schemas)
            .refuses(&[Code::HoldNotActive]),
        "pay_hold" => buyers::pay(new("Pay without a gateway; again, the same answer"), schemas),
        "order" => buyers::order(new("An order"), schemas),
        "holds" => buyers::holds(new("The caller's own holds, newest first"), schemas),
        "orders" => buyers::orders(new("The caller's own orders, newest first; or the one of a hold"), schemas),
        "sales" => new("The newest 100 sales, what can be bought first")
            .answers(200, "The sales.", schemas.answer::<crate::api::sales::List>(), &["ETag"])
            .kept()
            .refuses(&[Code::NotFound])
            .asks(),
        "sale" => new("A sale, at most about a second old")
            .answers(200, "The sale.", schemas.answer::<protocol::shop::Sale>(), &["ETag"])
            .kept()
            .refuses(&[Code::NotFound])
            .asks(),
        "open_payment" => money::open_payment(new("Say that a payment page is about to be opened"), schemas),
        "refund_account" => money::refund_account(new("Name the account that a deposit goes back to"), schemas),
        "admin_list_payments" => money::payments(new("What became of each payment"), schemas),
        "admin_order" => buyers::order(new("An order, with whose it is"), schemas),
        "admin_cancel_order" => money::cancel(new("Cancel an order, with a refund"), schemas),
        "admin_create_sale" => new("Make a sale; the same body again is the same sale")
            .reads(schemas.request::<protocol::admin::NewSale>())
            .answers(201, "It was made.", schemas.answer::<protocol::shop::Sale>(), &["Location"])
            .answers(200, "It was there, made from the same.", schemas.answer::<protocol::shop::Sale>(), &[])
            .refuses(&[Code::InvalidRequest, Code::AlreadyExists])
            .asks(),
        "admin_set_status" => new("Open, pause or close a sale")
            .reads(schemas.request::<protocol::admin::StatusChange>())
            .answers(200, "The sale as it is now.", schemas.answer::<protocol::shop::Sale>(), &[])
            .refuses(&[Code::NotFound, Code::InvalidRequest])
            .asks(),
        "admin_adjust_stock" => new("Put stock in or take it out, never below zero")
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
        "admin_forget_user" => super::deliveries::forget(
            new("Put a pseudonym in a user's place wherever nobody needs the name any more"),
            schemas,
        ),
        "admin_actions" => super::deliveries::actions(new("What operators did, newest first"), schemas),
        "admin_subscriptions"
        | "admin_subscribe"
        | "admin_subscription"
        | "admin_set_subscription"
        | "admin_unsubscribe"
        | "admin_rotate_secret" => super::deliveries::subscription(route, new, schemas),
        "admin_dead_letters"
        | "admin_replay_dead_letter"
        | "admin_replay_dead_letters"
        | "admin_dismiss_dead_letter"
        | "admin_settle_dead_letter" => super::deliveries::dead_letter(route, new, schemas),
        "admin_report" => new("A sale's sums, all of them seen at one moment")
            .answers(200, "The report.", schemas.answer::<protocol::admin::Report>(), &[])
            .refuses(&[Code::NotFound])
            .asks(),
        other => panic!("describe the route {other}"),
    }
    .complete(schemas)
}
