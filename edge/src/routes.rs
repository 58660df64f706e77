//! The table of routes: for each its method and path, who may call it, what it costs, its query, what it reads and answers,
//! and its handler. Dispatch, `Allow`, CORS, the limits and the paths of the API's description all come from here.

mod find;

use std::future::Future;
use std::pin::Pin;

use protocol::deliveries::Decision;

use crate::api::admin::{actions, dead_letters, orders, payments, sales as admin_sales, stock, subscriptions, users};
use crate::api::payments::{confirm, open, returns};
use crate::api::reservations::{pay, release, reserve};
use crate::api::{description, health, lists, lookup, sales};
use crate::auth::dev_session;
use crate::auth::operator::Role;
use crate::http::context::{HandlerResult, RequestContext};
use crate::shop;

pub use find::{Offers, PathParameters, allowed, choose, offers};

/// One operation of the Worker.
pub struct Route {
    /// For the log; routes that do the same under several paths share it.
    pub name: &'static str,
    pub method: Method,
    /// Its parameters stand in braces; `find` says what each may be.
    pub path: &'static str,
    pub exists: Exists,
    pub caller: Caller,
    pub limit: Limit,
    /// The parameters of its query. Every other one is refused. None: whatever comes is ignored, because pages, webhooks and
    /// return addresses are called by programs of others, which add what they like.
    pub query: Option<&'static [&'static str]>,
    /// The schema of its body, as the description names it; empty: it reads none.
    #[cfg_attr(not(test), expect(dead_code, reason = "only a test compares it with the description"))]
    pub request: &'static str,
    /// The schemas that a success refers to, in alphabetical order.
    #[cfg_attr(not(test), expect(dead_code, reason = "only a test compares it with the description"))]
    pub response: &'static str,
    pub handler: Handler,
}

type Handler = for<'a> fn(&'a mut RequestContext, PathParameters) -> Pin<Box<dyn Future<Output = HandlerResult> + 'a>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    pub name: &'static str,
    /// Whether HEAD does the same without a body: where GET only reads.
    pub has_head: bool,
}

/// Where a route exists. Elsewhere it is `not_found`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exists {
    Always,
    InDevelopment,
    /// Where the Worker is configured with this gateway.
    WithGateway(&'static str),
}

/// Who may call. The dispatcher identifies buyers and operators before the handler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    Anybody,
    /// With a session. Counted against the user's limit.
    Buyer,
    /// With a signature, which the handler checks.
    Gateway,
    /// With a token of at least this role.
    Operator(Role),
}

/// What a request is counted against before its caller is known. A refused token is counted as `Unauthenticated`, whatever the
/// route; reservations are counted per user by the Gate, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    None,
    /// The isolate's room for reservations, then `PER_ADDRESS`.
    Reservation,
    /// `PER_UNAUTHENTICATED`: requests without a known caller.
    Unauthenticated,
    /// The user's reservations at the Gate, by the handler: what costs as much as one.
    User,
    /// `PER_HINT`, by the handler: of an unsigned webhook only. A return from a payment without a session is counted there
    /// by its handler, too.
    Hint,
}

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

const WITH_STANDARD: Exists = Exists::WithGateway("standard");
const WITH_PORTONE: Exists = Exists::WithGateway("portone");
const WITH_TOSS: Exists = Exists::WithGateway("toss");
const WITH_STRIPE: Exists = Exists::WithGateway("stripe");

/// The name of the webhooks' routes: the only ones that no page may call.
pub const WEBHOOK: &str = "webhook";

/// `name METHOD path: caller, limit, query, request => response[, where exists]; handler;`
macro_rules! table {
    ($($name:literal $method:ident $path:literal: $caller:expr, $limit:expr, $query:expr,
       $request:literal => $response:literal $(, where $exists:expr)?; $handler:expr;)*) => {
        pub static TABLE: &[Route] = &[$(Route {
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
        }),*];
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

    "holds" GET "/v1/reservations": BUYER, FREE, Some(&["sale_id", "status", "cursor", "limit"]), "" => "HoldPage";
        |c, _| Box::pin(lists::holds(c));
    "reserve" POST "/v1/reservations": BUYER, PRESS, NO_QUERY, "Cart" => "Hold";
        |c, _| Box::pin(reserve::reserve(c));
    "hold" GET "/v1/reservations/{hold_id}": BUYER, FREE, NO_QUERY, "" => "Hold";
        |c, p| Box::pin(lookup::hold(c, p.get("hold_id")));
    "release" DELETE "/v1/reservations/{hold_id}": BUYER, USER, NO_QUERY, "" => "Hold";
        |c, p| Box::pin(release::release(c, p.get("hold_id")));
    "pay_hold" POST "/v1/reservations/{hold_id}/pay": BUYER, USER, NO_QUERY, "ToPay" => "Paid";
        |c, p| Box::pin(pay::pay(c, p.get("hold_id")));
    "open_payment" POST "/v1/reservations/{hold_id}/payments": BUYER, FREE, NO_QUERY, "ToOpen" => "Opened";
        |c, p| Box::pin(open::open(c, p.get("hold_id")));
    "refund_account" POST "/v1/reservations/{hold_id}/refund-account": BUYER, FREE, NO_QUERY, "RefundAccount" => "Tried";
        |c, p| Box::pin(open::refund_account(c, p.get("hold_id")));
    "orders" GET "/v1/orders": BUYER, FREE, Some(&["hold_id", "sale_id", "cursor", "limit"]), "" => "Order OrderPage";
        |c, _| Box::pin(lists::orders(c));
    "order" GET "/v1/orders/{order_id}": BUYER, FREE, NO_QUERY, "" => "Order";
        |c, p| Box::pin(lookup::order(c, p.get("order_id")));
    "sales" GET "/v1/sales": ANYBODY, FREE, NO_QUERY, "" => "List";
        |c, _| Box::pin(sales::list(c));
    "sale" GET "/v1/sales/{sale_id}": ANYBODY, FREE, NO_QUERY, "" => "Sale";
        |c, p| Box::pin(sales::one(c, p.get("sale_id")));

    "webhook" POST "/v1/webhooks/standard": GATEWAY, HINT, IGNORED, "Data" => "PaymentOutcome", where WITH_STANDARD;
        |c, _| Box::pin(confirm::webhook(c, "standard"));
    "webhook" POST "/v1/webhooks/portone": GATEWAY, HINT, IGNORED, "" => "PaymentOutcome", where WITH_PORTONE;
        |c, _| Box::pin(confirm::webhook(c, "portone"));
    // Toss signs nothing: whoever calls, the payment itself is looked up.
    "webhook" POST "/v1/webhooks/toss": ANYBODY, HINT, IGNORED, "" => "PaymentOutcome", where WITH_TOSS;
        |c, _| Box::pin(confirm::webhook(c, "toss"));
    "webhook" POST "/v1/webhooks/stripe": GATEWAY, HINT, IGNORED, "" => "PaymentOutcome", where WITH_STRIPE;
        |c, _| Box::pin(confirm::webhook(c, "stripe"));
    "toss_return" GET_ACTS "/v1/payments/toss/return": ANYBODY, UNAUTHENTICATED, IGNORED, "" => "", where WITH_TOSS;
        |c, _| Box::pin(returns::redirect(c, "toss"));
    "portone_confirm" POST "/v1/payments/portone/confirm": BUYER, FREE, NO_QUERY, "ToConfirm" => "PaymentOutcome",
        where WITH_PORTONE;
        |c, _| Box::pin(returns::token(c, "portone"));

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
    "admin_cancel_order" POST "/v1/admin/orders/{order_id}/cancel": OPERATOR, FREE, NO_QUERY, "Cancellation" => "Order";
        |c, p| Box::pin(orders::cancel(c, p.get("order_id")));
    "admin_list_payments" GET "/v1/admin/payments": VIEWER, FREE, Some(&["state", "cursor", "limit"]), "" => "PaymentRow";
        |c, _| Box::pin(payments::list(c));
    "admin_actions" GET "/v1/admin/actions": VIEWER, FREE, Some(&["cursor", "limit"]), "" => "Action";
        |c, _| Box::pin(actions::list(c));
    "admin_forget_user" POST "/v1/admin/users/{user_id}/forget": OWNER, FREE, NO_QUERY, "Why" => "Forgotten";
        |c, p| Box::pin(users::forget(c, p.get("user_id")));
    "admin_subscriptions" GET "/v1/admin/subscriptions": VIEWER, FREE, NO_QUERY, "" => "Subscription";
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
        Some(&["kind", "event_type", "subscription", "sale_id", "cursor", "limit"]), "" => "DeadLetter";
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
