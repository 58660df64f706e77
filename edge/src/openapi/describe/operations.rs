//! The request and the responses of each route of the table. A test fails for a route that is not described here.

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
            let page = new("Get the shop's page").sends(200, "The page.", "text/html; charset=utf-8", html(), &[]);
            if has_parameter { page.asks().refuses(&[Code::NotFound]) } else { page.asks() }
        }
        "orders_page" => {
            let (summary, html) = ("Get the page of the caller's own orders", html());
            let page = new(summary).sends(
                200,
                "The page; its script loads the orders.",
                "text/html; charset=utf-8",
                html,
                &[],
            );
            if has_parameter { page.refuses(&[Code::NotFound]) } else { page }
        }
        "asset" => new("Get a file of the shop")
            .sends(200, "The file.", "*/*", html(), &["ETag"])
            .kept()
            .refuses(&[Code::NotFound]),
        "health" => {
            let mut health = new("Check that the Worker runs");
            // A monitor is not counted.
            health.refusals.clear();
            health.answers(
                200,
                "The Worker runs.",
                json!({"type": "object", "properties": {"ok": {"const": true}}, "required": ["ok"]}),
                &[],
            )
        }
        "description" => new("Get this description")
            .answers(
                200,
                "The description, in OpenAPI 3.1.",
                json!({"type": "object", "required": ["openapi"]}),
                &["ETag"],
            )
            .kept()
            .refuses(&[Code::Unavailable]),
        "reserve" => buyers::reserve(new("Reserve all lines of a cart, or none"), schemas),
        "hold" => buyers::hold(new("Get a hold"), "The hold.", schemas),
        "change_hold" => buyers::change(new("Change the lines of a hold, all or none, by version"), schemas),
        "release" => buyers::hold(new("Release a hold; idempotent"), "The released hold.", schemas)
            .refuses(&[Code::HoldNotActive]),
        "pay_hold" => buyers::pay(new("Pay without a gateway; idempotent"), schemas),
        "order" => buyers::order(new("Get an order"), schemas),
        "holds" => buyers::holds(new("List the caller's own holds, newest first"), schemas),
        "orders" => {
            buyers::orders(new("List the caller's own orders, newest first; or get the order of a hold"), schemas)
        }
        "sales" => new("List 100 sales, those that can be bought first, the newest of each status first")
            .answers(200, "The sales.", schemas.answer::<crate::api::sales::List>(), &["ETag"])
            .kept()
            .refuses(&[Code::NotFound])
            .asks(),
        "sale" => new("Get a sale, at most about a second old")
            .answers(200, "The sale.", schemas.answer::<protocol::shop::Sale>(), &["ETag"])
            .kept()
            .refuses(&[Code::NotFound])
            .asks(),
        "rankings_page" => new("Get the page of what sells best")
            .sends(200, "The page.", "text/html; charset=utf-8", html(), &[])
            .asks(),
        "sku_ranking" => {
            buyers::sku_ranking(new("Get the most sold SKUs of a window, half a minute old at most"), schemas)
        }
        "sale_ranking" => buyers::sale_ranking(new("Get the sales that were sold out fastest"), schemas),
        "open_payment" => money::open_payment(new("Open a payment: get what the payment page needs"), schemas),
        "refund_account" => money::refund_account(new("Set the bank account for the refund of a deposit"), schemas),
        "admin_list_payments" => money::payments(new("List payments"), schemas),
        "admin_order" => buyers::order(new("Get an order, with its user"), schemas),
        "cancel_order" => buyers::cancel(new("Cancel an order, if the sale lets its buyers; idempotent"), schemas),
        "admin_change_order" => money::change_order(new("Move an order on, by version"), schemas),
        "admin_cancel_order" => money::cancel(new("Cancel and refund an order"), schemas),
        "admin_create_sale" => new("Create a sale; idempotent by its body")
            .reads(schemas.request::<protocol::admin::NewSale>())
            .answers(201, "The new sale.", schemas.answer::<protocol::shop::Sale>(), &["Location"])
            .answers(
                200,
                "The sale, which the same body had created before.",
                schemas.answer::<protocol::shop::Sale>(),
                &[],
            )
            .refuses(&[Code::InvalidRequest, Code::AlreadyExists])
            .asks(),
        "admin_set_status" => new("Open, pause or close a sale")
            .reads(schemas.request::<protocol::admin::StatusChange>())
            .answers(200, "The sale after the change.", schemas.answer::<protocol::shop::Sale>(), &[])
            .refuses(&[Code::NotFound, Code::InvalidRequest])
            .asks(),
        "admin_adjust_stock" => new("Adjust a SKU's stock, never below zero")
            .with([idempotency_key()])
            .reads(schemas.request::<protocol::admin::Adjustment>())
            .answers(
                200,
                "The SKU's counter after the adjustment.",
                schemas.answer::<protocol::admin::Stock>(),
                &["Idempotent-Replayed"],
            )
            .refuses(&[Code::NotFound, Code::InvalidRequest, Code::SoldOut])
            .refuses(&[Code::IdempotencyKeyMissing, Code::IdempotencyKeyInvalid, Code::IdempotencyKeyReused])
            .asks(),
        "admin_forget_user" => super::deliveries::forget(
            new("Forget a user: replace the user's id by a pseudonym wherever no duty to keep it is left"),
            schemas,
        ),
        "admin_actions" => super::deliveries::actions(new("List operators' actions, newest first"), schemas),
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
        "admin_report" => new("Get a sale's report, from one snapshot")
            .answers(200, "The report.", schemas.answer::<protocol::admin::Report>(), &[])
            .refuses(&[Code::NotFound])
            .asks(),
        other => panic!("describe the route {other}"),
    }
    .complete(schemas)
}
