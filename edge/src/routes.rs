//! The table of paths and methods: which of the edge's verbs a request asks for.

use std::borrow::Cow;

use crate::dead_letters;
use crate::percent;
use crate::problem::{Code, Problem};
use crate::text::{is_slug, uuid};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    Shop { sale_id: Option<String> },
    Asset { name: String },
    Health,
    Description,
    DevSession,
    Reserve,
    Hold { hold_id: String },
    Release { hold_id: String },
    PayHold { hold_id: String },
    Holds,
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
    Subscriptions,
    Subscribe,
    Subscription { subscription_id: String },
    SetSubscription { subscription_id: String },
    Unsubscribe { subscription_id: String },
    RotateSecret { subscription_id: String },
    DeadLetters,
    ReplayDeadLetter { id: String },
    ReplayDeadLetters,
    AdminOrder { order_id: String },
    CancelOrder { order_id: String },
    ListPayments,
}

/// The name of the one route that no page may call.
pub const WEBHOOK: &str = "webhook";

/// What a path offers: a verb a method.
pub type Offers = Vec<(&'static str, Route)>;

/// # Errors
/// `not_found`: no such path. An id that cannot be one is such a path.
pub fn offers(path: &str, development: bool) -> Result<Offers, Problem> {
    let segments = path.strip_prefix('/').and_then(|path| path.split('/').map(percent::segment).collect());
    let offers = |segments: Vec<Cow<str>>| at(&segments.iter().map(AsRef::as_ref).collect::<Vec<_>>(), development);
    segments.and_then(offers).ok_or_else(Problem::not_found)
}

/// # Errors
/// `method_not_allowed`, with what is.
pub fn choose(offers: Offers, method: &str) -> Result<Route, Problem> {
    let allow = allowed(&offers);
    // HEAD is GET whose body stays here.
    let wanted = if method == "HEAD" { "GET" } else { method };
    let chosen = offers.into_iter().find(|(offered, _)| *offered == wanted).map(|(_, route)| route);
    chosen
        .ok_or_else(|| Problem::new(Code::MethodNotAllowed, format!("Use one of {allow} here.")).header("Allow", allow))
}

/// For `Allow`: `GET, HEAD, DELETE`.
pub fn allowed(offers: &Offers) -> String {
    let name = |(method, _): &(&'static str, Route)| if *method == "GET" { "GET, HEAD" } else { method };
    offers.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn at(segments: &[&str], development: bool) -> Option<Offers> {
    let slug = |text: &str| is_slug(text).then(|| text.to_owned());
    Some(match segments {
        [""] => vec![("GET", Route::Shop { sale_id: None })],
        ["sales", sale_id] => vec![("GET", Route::Shop { sale_id: Some(slug(sale_id)?) })],
        ["assets", name] => vec![("GET", Route::Asset { name: (*name).to_owned() })],
        ["healthz"] => vec![("GET", Route::Health)],
        ["openapi.json"] => vec![("GET", Route::Description)],
        ["dev", "session"] if development => vec![("POST", Route::DevSession)],
        ["v1", "reservations"] => vec![("GET", Route::Holds), ("POST", Route::Reserve)],
        ["v1", "reservations", id] => {
            let hold_id = uuid(id)?;
            vec![("GET", Route::Hold { hold_id: hold_id.clone() }), ("DELETE", Route::Release { hold_id })]
        }
        ["v1", "reservations", id, "pay"] => vec![("POST", Route::PayHold { hold_id: uuid(id)? })],
        ["v1", "orders"] => vec![("GET", Route::Orders)],
        ["v1", "orders", id] => vec![("GET", Route::Order { order_id: uuid(id)? })],
        ["v1", "sales"] => vec![("GET", Route::Sales)],
        ["v1", "sales", sale_id] => vec![("GET", Route::Sale { sale_id: slug(sale_id)? })],
        ["v1", "webhooks", name] => {
            let gateway = gateways::NAMES.into_iter().find(|gateway| gateway == name)?;
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
            vec![("POST", Route::ReplayDeadLetter { id: dead_letters::id(id)? })]
        }
        _ => return None,
    })
}

impl Route {
    /// For the log: one name a verb, without the ids.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Shop { .. } => "shop",
            Self::Asset { .. } => "asset",
            Self::Health => "health",
            Self::Description => "description",
            Self::DevSession => "dev_session",
            Self::Reserve => "reserve",
            Self::Hold { .. } => "hold",
            Self::Release { .. } => "release",
            Self::PayHold { .. } => "pay_hold",
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
            Self::Subscriptions => "admin_subscriptions",
            Self::Subscribe => "admin_subscribe",
            Self::Subscription { .. } => "admin_subscription",
            Self::SetSubscription { .. } => "admin_set_subscription",
            Self::Unsubscribe { .. } => "admin_unsubscribe",
            Self::RotateSecret { .. } => "admin_rotate_secret",
            Self::DeadLetters => "admin_dead_letters",
            Self::ReplayDeadLetter { .. } => "admin_replay_dead_letter",
            Self::ReplayDeadLetters => "admin_replay_dead_letters",
            Self::AdminOrder { .. } => "admin_order",
            Self::CancelOrder { .. } => "admin_cancel_order",
            Self::ListPayments => "admin_list_payments",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Answer;

    const ID: &str = "019a9e7c-4b5a-7c3d-8e9f-0123456789ab";

    fn answer(method: &str, path: &str) -> Result<Route, (u16, Option<String>)> {
        offers(path, false).and_then(|offers| choose(offers, method)).map_err(|problem| {
            let answer = Answer::from(problem);
            (answer.status, answer.header("Allow").map(str::to_owned))
        })
    }

    #[test]
    fn every_path_of_the_contract_is_found_by_its_method() {
        for (method, path, name) in [
            ("GET", "/", "shop"),
            ("HEAD", "/sales/spring-drop", "shop"),
            ("GET", "/assets/shop.js", "asset"),
            ("GET", "/healthz", "health"),
            ("GET", "/openapi.json", "description"),
            ("POST", "/v1/reservations", "reserve"),
            ("GET", &format!("/v1/reservations/{ID}"), "hold"),
            ("DELETE", &format!("/v1/reservations/{ID}"), "release"),
            ("POST", &format!("/v1/reservations/{ID}/pay"), "pay_hold"),
            ("GET", "/v1/reservations", "holds"),
            ("GET", "/v1/orders", "orders"),
            ("GET", &format!("/v1/orders/{ID}"), "order"),
            ("GET", "/v1/sales", "sales"),
            ("GET", "/v1/sales/spring-drop", "sale"),
            ("POST", "/v1/webhooks/standard", "webhook"),
            ("POST", "/v1/webhooks/toss", "webhook"),
            ("GET", "/v1/payments/toss/return", "toss_return"),
            ("POST", "/v1/payments/portone/confirm", "portone_confirm"),
            ("GET", "/v1/admin/payments", "admin_list_payments"),
            ("GET", &format!("/v1/admin/orders/{ID}"), "admin_order"),
            ("POST", &format!("/v1/admin/orders/{ID}/cancel"), "admin_cancel_order"),
            ("POST", "/v1/admin/sales", "admin_create_sale"),
            ("PATCH", "/v1/admin/sales/spring-drop", "admin_set_status"),
            ("GET", "/v1/admin/sales/spring-drop/report", "admin_report"),
            ("POST", "/v1/admin/skus/sneaker-270/stock", "admin_adjust_stock"),
            ("GET", "/v1/admin/subscriptions", "admin_subscriptions"),
            ("POST", "/v1/admin/subscriptions", "admin_subscribe"),
            ("GET", &format!("/v1/admin/subscriptions/{ID}"), "admin_subscription"),
            ("PATCH", &format!("/v1/admin/subscriptions/{ID}"), "admin_set_subscription"),
            ("DELETE", &format!("/v1/admin/subscriptions/{ID}"), "admin_unsubscribe"),
            ("POST", &format!("/v1/admin/subscriptions/{ID}/secret"), "admin_rotate_secret"),
            ("GET", "/v1/admin/dead-letters", "admin_dead_letters"),
            ("POST", "/v1/admin/dead-letters/event-7/replay", "admin_replay_dead_letter"),
            ("POST", "/v1/admin/dead-letters/replay", "admin_replay_dead_letters"),
        ] {
            assert_eq!(answer(method, path).map(|route| route.name()), Ok(name), "{method} {path}");
        }
    }

    #[test]
    fn a_path_that_is_not_there_is_not_found_whatever_the_method() {
        for path in [
            "",
            "//",
            "/v1",
            "/v1/",
            "/v1/reservations/",
            "/v1/Reservations",
            "/v1/reservations/1",
            "/v1/orders/null",
            "/sales/",
            "/sales/A",
            "/sales/%2561",
            "/sales/%zz",
            "/sales/%ff",
            "/v1%2Fsales",
            "/v1/sales/a%2Fb",
            "/assets/..%2Fshop.js",
            "/v1/sales/-",
            "/v1/admin/skus/x/stock/y",
            "/v1/webhooks/other",
            "/v1/admin/subscriptions/1",
            "/v1/admin/dead-letters/a%20b/replay",
            "/dev/session",
        ] {
            for method in ["GET", "POST", "BREW"] {
                assert_eq!(answer(method, path), Err((404, None)), "{method} {path}");
            }
        }
    }

    #[test]
    fn a_path_is_the_same_however_much_of_it_is_encoded() {
        let sale = Route::Sale { sale_id: "spring-drop".to_owned() };
        assert_eq!(answer("GET", "/v1/s%61les/spring%2Ddrop"), Ok(sale));
        let hold = Route::Hold { hold_id: ID.to_owned() };
        assert_eq!(answer("GET", &format!("/v1/reservations/{}", ID.replace('-', "%2d"))), Ok(hold));
        assert_eq!(answer("GET", "/assets/shop%2Ejs"), Ok(Route::Asset { name: "shop.js".to_owned() }));
    }

    #[test]
    fn a_method_that_is_not_there_is_told_which_are() {
        let hold = format!("/v1/reservations/{ID}");
        for (method, path, allow) in [
            ("PUT", "/v1/reservations", "GET, HEAD, POST"),
            ("PUT", hold.as_str(), "GET, HEAD, DELETE"),
            ("POST", "/", "GET, HEAD"),
            ("get", "/", "GET, HEAD"),
            ("OPTIONS", "/v1/webhooks/standard", "POST"),
        ] {
            assert_eq!(answer(method, path), Err((405, Some(allow.to_owned()))), "{method} {path}");
        }
    }

    #[test]
    fn the_session_maker_exists_in_development_only() {
        assert!(offers("/dev/session", true).is_ok());
        assert!(offers("/dev/session", false).is_err());
    }
}
