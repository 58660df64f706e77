//! The table of paths and methods: which of the edge's verbs a request asks for.

mod parameters;

use protocol::operate::Decision;
use protocol::printable::is_printable;

use crate::api::admin::dead_letters;
use crate::auth::operator::Role;
use crate::http::problem::{Code, Problem};
use crate::http::{percent, text};
use crate::runtime::limits::USER_ID_MAX_CHARS;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    Shop { sale_id: Option<String> },
    OrdersPage { order_id: Option<String> },
    Asset { name: String },
    Health,
    Description,
    DevSession,
    Reserve,
    Hold { hold_id: String },
    Release { hold_id: String },
    PayHold { hold_id: String },
    Holds,
    OpenPayment { hold_id: String },
    RefundAccount { hold_id: String },
    Order { order_id: String },
    Orders,
    Sales,
    Sale { sale_id: String },
    Webhook { gateway: &'static str },
    TossReturn,
    PortOneConfirm,
    CreateSale,
    SetStatus { sale_id: String },
    AdjustStock { sku_id: String },
    Report { sale_id: String },
    Actions,
    ForgetUser { user_id: String },
    Subscriptions,
    Subscribe,
    Subscription { subscription_id: String },
    SetSubscription { subscription_id: String },
    Unsubscribe { subscription_id: String },
    RotateSecret { subscription_id: String },
    DeadLetters,
    ReplayDeadLetter { id: String },
    ReplayDeadLetters,
    DecideDeadLetter { id: String, decision: Decision },
    AdminOrder { order_id: String },
    CancelOrder { order_id: String },
    ListPayments,
}

/// The name of the one route that no page may call.
pub const WEBHOOK: &str = "webhook";

/// What a path offers: a verb a method.
pub type Offers = Vec<(&'static str, Route)>;

/// # Errors
/// `not_found`: no such path. An id that cannot be one is such a path. Only ids are percent-decoded: whoever filters
/// addresses in front of the Worker (`/v1/admin`) must see the same words that the Worker sees.
pub fn offers(path: &str, development: bool) -> Result<Offers, Problem> {
    let segments: Option<Vec<&str>> = path.strip_prefix('/').map(|path| path.split('/').collect());
    segments.and_then(|segments| at(&segments, development)).ok_or_else(Problem::not_found)
}

fn slug(segment: &str) -> Option<String> {
    percent::segment(segment).filter(|id| text::is_slug(id)).map(String::from)
}

fn uuid(segment: &str) -> Option<String> {
    text::uuid(&percent::segment(segment)?)
}

/// # Errors
/// `method_not_allowed`, with what is.
pub fn choose(offers: Offers, method: &str) -> Result<Route, Problem> {
    let allow = allowed(&offers);
    // HEAD is GET whose body stays here, where a GET only reads.
    let head = method == "HEAD";
    let wanted = if head { "GET" } else { method };
    let offered = |(offered, route): &(&str, Route)| *offered == wanted && !(head && route.acts_on_get());
    let chosen = offers.into_iter().find(offered).map(|(_, route)| route);
    chosen
        .ok_or_else(|| Problem::new(Code::MethodNotAllowed, format!("Use one of {allow} here.")).header("Allow", allow))
}

/// For `Allow`: `GET, HEAD, DELETE`.
pub fn allowed(offers: &Offers) -> String {
    let reads = |method: &str, route: &Route| method == "GET" && !route.acts_on_get();
    let name = |(method, route): &(&'static str, Route)| if reads(method, route) { "GET, HEAD" } else { method };
    offers.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn at(segments: &[&str], development: bool) -> Option<Offers> {
    Some(match segments {
        [""] => vec![("GET", Route::Shop { sale_id: None })],
        ["sales", sale_id] => vec![("GET", Route::Shop { sale_id: Some(slug(sale_id)?) })],
        ["orders"] => vec![("GET", Route::OrdersPage { order_id: None })],
        ["orders", order_id] => vec![("GET", Route::OrdersPage { order_id: Some(uuid(order_id)?) })],
        ["assets", name] => vec![("GET", Route::Asset { name: percent::segment(name)?.into_owned() })],
        ["healthz"] => vec![("GET", Route::Health)],
        ["openapi.json"] => vec![("GET", Route::Description)],
        ["dev", "session"] if development => vec![("POST", Route::DevSession)],
        ["v1", "reservations"] => vec![("GET", Route::Holds), ("POST", Route::Reserve)],
        ["v1", "reservations", id] => {
            let hold_id = uuid(id)?;
            vec![("GET", Route::Hold { hold_id: hold_id.clone() }), ("DELETE", Route::Release { hold_id })]
        }
        ["v1", "reservations", id, "payments"] => vec![("POST", Route::OpenPayment { hold_id: uuid(id)? })],
        ["v1", "reservations", id, "refund-account"] => {
            vec![("POST", Route::RefundAccount { hold_id: uuid(id)? })]
        }
        ["v1", "reservations", id, "pay"] => vec![("POST", Route::PayHold { hold_id: uuid(id)? })],
        ["v1", "orders"] => vec![("GET", Route::Orders)],
        ["v1", "orders", id] => vec![("GET", Route::Order { order_id: uuid(id)? })],
        ["v1", "sales"] => vec![("GET", Route::Sales)],
        ["v1", "sales", sale_id] => vec![("GET", Route::Sale { sale_id: slug(sale_id)? })],
        ["v1", "webhooks", name] => {
            let gateway = payments::NAMES.into_iter().find(|gateway| gateway == name)?;
            vec![("POST", Route::Webhook { gateway })]
        }
        ["v1", "payments", "toss", "return"] => vec![("GET", Route::TossReturn)],
        ["v1", "payments", "portone", "confirm"] => vec![("POST", Route::PortOneConfirm)],
        ["v1", "admin", "payments"] => vec![("GET", Route::ListPayments)],
        ["v1", "admin", "orders", id] => vec![("GET", Route::AdminOrder { order_id: uuid(id)? })],
        ["v1", "admin", "orders", id, "cancel"] => vec![("POST", Route::CancelOrder { order_id: uuid(id)? })],
        ["v1", "admin", "sales"] => vec![("POST", Route::CreateSale)],
        ["v1", "admin", "sales", sale_id] => vec![("PATCH", Route::SetStatus { sale_id: slug(sale_id)? })],
        ["v1", "admin", "sales", sale_id, "report"] => vec![("GET", Route::Report { sale_id: slug(sale_id)? })],
        ["v1", "admin", "skus", sku_id, "stock"] => vec![("POST", Route::AdjustStock { sku_id: slug(sku_id)? })],
        ["v1", "admin", "users", user, "forget"] => {
            let user_id = is_printable(user, USER_ID_MAX_CHARS).then(|| (*user).to_owned())?;
            vec![("POST", Route::ForgetUser { user_id })]
        }
        ["v1", "admin", "actions"] => vec![("GET", Route::Actions)],
        ["v1", "admin", "subscriptions"] => vec![("GET", Route::Subscriptions), ("POST", Route::Subscribe)],
        ["v1", "admin", "subscriptions", id] => {
            let subscription_id = uuid(id)?;
            vec![
                ("GET", Route::Subscription { subscription_id: subscription_id.clone() }),
                ("PATCH", Route::SetSubscription { subscription_id: subscription_id.clone() }),
                ("DELETE", Route::Unsubscribe { subscription_id }),
            ]
        }
        ["v1", "admin", "subscriptions", id, "secret"] => {
            vec![("POST", Route::RotateSecret { subscription_id: uuid(id)? })]
        }
        ["v1", "admin", "dead-letters"] => vec![("GET", Route::DeadLetters)],
        ["v1", "admin", "dead-letters", "replay"] => vec![("POST", Route::ReplayDeadLetters)],
        ["v1", "admin", "dead-letters", id, "replay"] => {
            vec![("POST", Route::ReplayDeadLetter { id: dead_letters::id(&percent::segment(id)?)? })]
        }
        ["v1", "admin", "dead-letters", id, decision] => {
            let decision = Decision::named(decision)?;
            vec![("POST", Route::DecideDeadLetter { id: dead_letters::id(&percent::segment(id)?)?, decision })]
        }
        _ => return None,
    })
}

impl Route {
    /// Whether a GET of it changes something: a gateway sends a browser there with nothing else.
    pub fn acts_on_get(&self) -> bool {
        *self == Self::TossReturn
    }

    /// For the log: one name a verb, without the ids.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Shop { .. } => "shop",
            Self::OrdersPage { .. } => "orders_page",
            Self::Asset { .. } => "asset",
            Self::Health => "health",
            Self::Description => "description",
            Self::DevSession => "dev_session",
            Self::Reserve => "reserve",
            Self::Hold { .. } => "hold",
            Self::Release { .. } => "release",
            Self::PayHold { .. } => "pay_hold",
            Self::OpenPayment { .. } => "open_payment",
            Self::RefundAccount { .. } => "refund_account",
            Self::Order { .. } => "order",
            Self::Orders => "orders",
            Self::Holds => "holds",
            Self::Sales => "sales",
            Self::Sale { .. } => "sale",
            Self::Webhook { .. } => WEBHOOK,
            Self::TossReturn => "toss_return",
            Self::PortOneConfirm => "portone_confirm",
            Self::CreateSale => "admin_create_sale",
            Self::SetStatus { .. } => "admin_set_status",
            Self::AdjustStock { .. } => "admin_adjust_stock",
            Self::Report { .. } => "admin_report",
            Self::Actions => "admin_actions",
            Self::ForgetUser { .. } => "admin_forget_user",
            Self::Subscriptions => "admin_subscriptions",
            Self::Subscribe => "admin_subscribe",
            Self::Subscription { .. } => "admin_subscription",
            Self::SetSubscription { .. } => "admin_set_subscription",
            Self::Unsubscribe { .. } => "admin_unsubscribe",
            Self::RotateSecret { .. } => "admin_rotate_secret",
            Self::DeadLetters => "admin_dead_letters",
            Self::ReplayDeadLetter { .. } => "admin_replay_dead_letter",
            Self::ReplayDeadLetters => "admin_replay_dead_letters",
            Self::DecideDeadLetter { decision: Decision::Dismiss, .. } => "admin_dismiss_dead_letter",
            Self::DecideDeadLetter { decision: Decision::Settle, .. } => "admin_settle_dead_letter",
            Self::AdminOrder { .. } => "admin_order",
            Self::CancelOrder { .. } => "admin_cancel_order",
            Self::ListPayments => "admin_list_payments",
        }
    }
}

/// The least role that may call `route`; none: it is no operator's. Reading is a viewer's, and a change that nobody named
/// here is an operator's.
pub fn required(route: &Route, method: &str) -> Option<Role> {
    let role = match route {
        Route::Subscribe
        | Route::SetSubscription { .. }
        | Route::Unsubscribe { .. }
        | Route::RotateSecret { .. }
        | Route::ForgetUser { .. } => Role::Owner,
        _ if matches!(method, "GET" | "HEAD") => Role::Viewer,
        _ => Role::Operator,
    };
    route.name().starts_with("admin_").then_some(role)
}

#[cfg(test)]
mod tests;
