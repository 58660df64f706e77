//! The table of routes: for each its method and path, who may call it, what it costs, its query, what it reads and answers,
//! and its handler. Dispatch, `Allow`, CORS, the limits and the paths of the API's description all come from here. `route`
//! says what a row is, `find` finds the row of a request.

pub mod find;
pub mod route;

use std::sync::LazyLock;

use ::payments::{GATEWAYS, Gateway, ReturnPage};
use protocol::deliveries::Decision;

use crate::api::admin::{actions, dead_letters, orders, payments, sales as admin_sales, stock, subscriptions, users};
use crate::api::payments::{confirm, open, returns};
use crate::api::reservations::{change, pay, release, reserve};
use crate::api::{description, health, lists, lookup, orders as own_orders, rankings, sales};
use crate::auth::dev_session;
use crate::auth::operator::Role;
use crate::routes::route::{Caller, Exists, Limit, Method, Route};
use crate::shop;

const GET: Method = Method { name: "GET", has_head: true };
/// A GET that changes something: a gateway sends a browser there with nothing else.
const GET_ACTS: Method = Method { name: "GET", has_head: false };
const POST: Method = Method { name: "POST", has_head: false };
const PATCH: Method = Method { name: "PATCH", has_head: false };
const DELETE: Method = Method { name: "DELETE", has_head: false };

const ANYBODY: Caller = Caller::Anybody;
const BUYER: Caller = Caller::Buyer;
const GATEWAY: Caller = Caller::Gateway;
/// Reads.
const VIEWER: Caller = Caller::Operator(Role::Viewer);
/// A sale's day.
const OPERATOR: Caller = Caller::Operator(Role::Operator);
/// Subscriptions with their secrets, erasure.
const OWNER: Caller = Caller::Operator(Role::Owner);

const FREE: Limit = Limit::None;
const PRESS: Limit = Limit::Reservation;
const UNAUTHENTICATED: Limit = Limit::Unauthenticated;
const USER: Limit = Limit::User;
const HINT: Limit = Limit::Hint;

const IGNORED: Option<&[&str]> = None;
const NO_QUERY: Option<&[&str]> = Some(&[]);

/// The name of the webhooks' routes: the only ones that no page may call.
pub const WEBHOOK: &str = "webhook";

/// Every route. Made once an isolate, and kept.
pub static TABLE: LazyLock<Vec<Route>> = LazyLock::new(|| own().chain(GATEWAYS.iter().flat_map(of_gateway)).collect());

/// What a gateway needs: the address of its webhooks, and how a browser comes back from paying there.
fn of_gateway(gateway: &'static Gateway) -> impl Iterator<Item = Route> {
    let Gateway { name, webhook, details, return_page, .. } = *gateway;
    let webhook = Route {
        name: WEBHOOK,
        method: POST,
        path: kept(format!("/v1/webhooks/{name}")),
        exists: Exists::WithGateway(name),
        // An unsigned gateway's message only causes a lookup of the payment, so any client may send it.
        caller: if webhook.signs() { GATEWAY } else { ANYBODY },
        limit: HINT,
        query: IGNORED,
        request: if details.is_some() { "Data" } else { "" },
        response: "PaymentOutcome",
        handler: |c, p| Box::pin(async move { confirm::webhook(c, &p.get("gateway")).await }),
    };
    let back = match return_page {
        ReturnPage::None => None,
        ReturnPage::Redirect(_) => Some(Route {
            name: kept(format!("{name}_return")),
            method: GET_ACTS,
            path: kept(format!("/v1/payments/{name}/return")),
            exists: Exists::WithGateway(name),
            caller: ANYBODY,
            limit: UNAUTHENTICATED,
            query: IGNORED,
            request: "",
            response: "",
            handler: |c, p| Box::pin(async move { returns::redirect(c, &p.get("gateway")).await }),
        }),
        ReturnPage::Token => Some(Route {
            name: kept(format!("{name}_confirm")),
            method: POST,
            path: kept(format!("/v1/payments/{name}/confirm")),
            exists: Exists::WithGateway(name),
            caller: BUYER,
            limit: FREE,
            query: NO_QUERY,
            request: "ToConfirm",
            response: "PaymentOutcome",
            handler: |c, p| Box::pin(async move { returns::token(c, &p.get("gateway")).await }),
        }),
    };
    std::iter::once(webhook).chain(back)
}

/// A text of the table, which lasts as long as the isolate.
fn kept(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// `name METHOD path: caller, limit, query, request => response[, where exists]; handler;`
macro_rules! table {
    ($($name:literal $method:ident $path:literal: $caller:expr, $limit:expr, $query:expr,
       $request:literal => $response:literal $(, where $exists:expr)?; $handler:expr;)*) => {
        /// What the Worker offers with whatever gateways.
        fn own() -> impl Iterator<Item = Route> {
            [$(Route {
                name: $name,
                method: $method,
                path: $path,
                exists: table!(@exists $($exists)?),
                caller: $caller,
                limit: $limit,
                query: $query,
                request: $request,
                response: $response,
                handler: $handler,
            }),*].into_iter()
        }
    };
    (@exists) => { Exists::Always };
    (@exists $exists:expr) => { $exists };
}

table! {
    "shop" GET "/": ANYBODY, FREE, IGNORED, "" => "";
        |c, _| Box::pin(shop::home(c));
    "shop" GET "/sales/{sale_id}": ANYBODY, FREE, IGNORED, "" => "";
        |c, p| Box::pin(shop::sale(c, p.get("sale_id")));
    "orders_page" GET "/orders": ANYBODY, FREE, IGNORED, "" => "";
        |c, _| Box::pin(async { Ok(shop::orders(c, None)) });
    "orders_page" GET "/orders/{order_id}": ANYBODY, FREE, IGNORED, "" => "";
        |c, p| Box::pin(async move { Ok(shop::orders(c, Some(p.get("order_id")))) });
    "rankings_page" GET "/rankings": ANYBODY, FREE, IGNORED, "" => "";
        |c, _| Box::pin(shop::rankings::page(c));
    "asset" GET "/assets/{name}": ANYBODY, FREE, IGNORED, "" => "";
        |c, p| Box::pin(async move {
            shop::asset(&p.get("name"), c.header("If-None-Match"), c.header("Accept-Encoding"))
        });
    "health" GET "/healthz": ANYBODY, FREE, IGNORED, "" => "";
        |_, _| Box::pin(health::check());
    "description" GET "/openapi.json": ANYBODY, FREE, IGNORED, "" => "";
        |c, _| Box::pin(description::serve(c));
    "dev_session" POST "/dev/session": ANYBODY, FREE, IGNORED, "" => "", where Exists::InDevelopment;
        |c, _| Box::pin(dev_session::begin(c));

    "holds" GET "/v1/reservations": BUYER, FREE, Some(lists::HoldsQuery::NAMES), "" => "HoldPage";
        |c, _| Box::pin(lists::holds(c));
    "reserve" POST "/v1/reservations": BUYER, PRESS, NO_QUERY, "Cart" => "Hold";
        |c, _| Box::pin(reserve::reserve(c));
    "hold" GET "/v1/reservations/{hold_id}": BUYER, FREE, NO_QUERY, "" => "Hold";
        |c, p| Box::pin(lookup::hold(c, p.get("hold_id")));
    "change_hold" PATCH "/v1/reservations/{hold_id}": BUYER, USER, NO_QUERY, "Lines" => "Hold";
        |c, p| Box::pin(change::change(c, p.get("hold_id")));
    "release" DELETE "/v1/reservations/{hold_id}": BUYER, USER, NO_QUERY, "" => "Hold";
        |c, p| Box::pin(release::release(c, p.get("hold_id")));
    "pay_hold" POST "/v1/reservations/{hold_id}/pay": BUYER, USER, NO_QUERY, "ToPay" => "Paid";
        |c, p| Box::pin(pay::pay(c, p.get("hold_id")));
    "open_payment" POST "/v1/reservations/{hold_id}/payments": BUYER, FREE, NO_QUERY, "ToOpen" => "Opened";
        |c, p| Box::pin(open::open(c, p.get("hold_id")));
    "refund_account" POST "/v1/reservations/{hold_id}/refund-account": BUYER, FREE, NO_QUERY, "RefundAccount" => "Tried";
        |c, p| Box::pin(open::refund_account(c, p.get("hold_id")));
    "orders" GET "/v1/orders": BUYER, FREE, Some(lookup::OrdersQuery::NAMES), "" => "Order OrderPage";
        |c, _| Box::pin(lists::orders(c));
    "order" GET "/v1/orders/{order_id}": BUYER, FREE, NO_QUERY, "" => "Order";
        |c, p| Box::pin(lookup::order(c, p.get("order_id")));
    "cancel_order" POST "/v1/orders/{order_id}/cancel": BUYER, USER, NO_QUERY, "Cancellation" => "Order";
        |c, p| Box::pin(own_orders::cancel(c, p.get("order_id")));
    "sales" GET "/v1/sales": ANYBODY, FREE, NO_QUERY, "" => "List";
        |c, _| Box::pin(sales::list(c));
    "sale" GET "/v1/sales/{sale_id}": ANYBODY, FREE, NO_QUERY, "" => "Sale";
        |c, p| Box::pin(sales::one(c, p.get("sale_id")));

    "sku_ranking" GET "/v1/rankings/skus": ANYBODY, FREE, Some(rankings::SkuRankingQuery::NAMES), "" => "SkuRanking";
        |c, _| Box::pin(rankings::skus(c));
    "sale_ranking" GET "/v1/rankings/sales": ANYBODY, FREE, Some(rankings::SaleRankingQuery::NAMES), "" => "SaleRanking";
        |c, _| Box::pin(rankings::sales(c));

    "admin_create_sale" POST "/v1/admin/sales": OPERATOR, FREE, NO_QUERY, "NewSale" => "Sale";
        |c, _| Box::pin(admin_sales::create(c));
    "admin_set_status" PATCH "/v1/admin/sales/{sale_id}": OPERATOR, FREE, NO_QUERY, "StatusChange" => "Sale";
        |c, p| Box::pin(admin_sales::set_status(c, p.get("sale_id")));
    "admin_report" GET "/v1/admin/sales/{sale_id}/report": VIEWER, FREE, NO_QUERY, "" => "Report";
        |c, p| Box::pin(admin_sales::report(c, p.get("sale_id")));
    "admin_adjust_stock" POST "/v1/admin/skus/{sku_id}/stock": OPERATOR, FREE, NO_QUERY, "Adjustment" => "Stock";
        |c, p| Box::pin(stock::adjust(c, p.get("sku_id")));
    "admin_order" GET "/v1/admin/orders/{order_id}": VIEWER, FREE, NO_QUERY, "" => "Order";
        |c, p| Box::pin(orders::one(c, p.get("order_id")));
    "admin_change_order" PATCH "/v1/admin/orders/{order_id}": OPERATOR, FREE, NO_QUERY, "OrderChange" => "Order";
        |c, p| Box::pin(orders::change(c, p.get("order_id")));
    "admin_cancel_order" POST "/v1/admin/orders/{order_id}/cancel": OPERATOR, FREE, NO_QUERY, "Cancellation" => "Order";
        |c, p| Box::pin(orders::cancel(c, p.get("order_id")));
    "admin_list_payments" GET "/v1/admin/payments": VIEWER, FREE, Some(payments::PaymentsQuery::NAMES), "" => "PaymentRow";
        |c, _| Box::pin(payments::list(c));
    "admin_actions" GET "/v1/admin/actions": VIEWER, FREE, Some(actions::ActionsQuery::NAMES), "" => "Action";
        |c, _| Box::pin(actions::list(c));
    "admin_forget_user" POST "/v1/admin/users/{user_id}/forget": OWNER, FREE, NO_QUERY, "Why" => "Forgotten";
        |c, p| Box::pin(users::forget(c, p.get("user_id")));
    "admin_subscriptions" GET "/v1/admin/subscriptions": VIEWER, FREE,
        Some(subscriptions::SubscriptionsQuery::NAMES), "" => "Subscription";
        |c, _| Box::pin(subscriptions::list(c));
    "admin_subscribe" POST "/v1/admin/subscriptions": OWNER, FREE, NO_QUERY, "NewSubscription" => "Shown";
        |c, _| Box::pin(subscriptions::create(c));
    "admin_subscription" GET "/v1/admin/subscriptions/{subscription_id}": VIEWER, FREE, NO_QUERY, "" => "Subscription";
        |c, p| Box::pin(subscriptions::one(c, p.get("subscription_id")));
    "admin_set_subscription" PATCH "/v1/admin/subscriptions/{subscription_id}": OWNER, FREE, NO_QUERY,
        "SubscriptionChange" => "Subscription";
        |c, p| Box::pin(subscriptions::change(c, p.get("subscription_id")));
    "admin_unsubscribe" DELETE "/v1/admin/subscriptions/{subscription_id}": OWNER, FREE, NO_QUERY,
        "Why" => "Subscription";
        |c, p| Box::pin(subscriptions::delete(c, p.get("subscription_id")));
    "admin_rotate_secret" POST "/v1/admin/subscriptions/{subscription_id}/secret": OWNER, FREE, NO_QUERY,
        "Rotation" => "Shown";
        |c, p| Box::pin(subscriptions::rotate_secret(c, p.get("subscription_id")));
    "admin_dead_letters" GET "/v1/admin/dead-letters": VIEWER, FREE,
        Some(dead_letters::DeadLettersQuery::NAMES), "" => "DeadLetter";
        |c, _| Box::pin(dead_letters::list(c));
    "admin_replay_dead_letters" POST "/v1/admin/dead-letters/replay": OPERATOR, FREE, NO_QUERY,
        "Filter" => "ReplayedMany";
        |c, _| Box::pin(dead_letters::replay_many(c));
    "admin_replay_dead_letter" POST "/v1/admin/dead-letters/{dead_letter_id}/replay": OPERATOR, FREE, NO_QUERY,
        "Again" => "Replayed Tried";
        |c, p| Box::pin(dead_letters::replay_one(c, p.get("dead_letter_id")));
    "admin_dismiss_dead_letter" POST "/v1/admin/dead-letters/{dead_letter_id}/dismiss": OPERATOR, FREE, NO_QUERY,
        "Because" => "Replayed";
        |c, p| Box::pin(dead_letters::decide(c, p.get("dead_letter_id"), Decision::Dismiss));
    "admin_settle_dead_letter" POST "/v1/admin/dead-letters/{dead_letter_id}/settle": OPERATOR, FREE, NO_QUERY,
        "Because" => "Replayed";
        |c, p| Box::pin(dead_letters::decide(c, p.get("dead_letter_id"), Decision::Settle));
}

#[cfg(test)]
mod tests;
