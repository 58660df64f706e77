//! What the table of paths says.

use ::payments as registry;

use super::find::{allowed, choose, offers};
use super::*;
use crate::http::response::Response;

const ID: &str = "019a9e7c-4b5a-7c3d-8e9f-0123456789ab";

/// The route's name, or the refusal's status and `Allow`.
fn answer(method: &str, path: &str) -> Result<&'static str, (u16, Option<String>)> {
    let found = offers(path, false).and_then(|offers| choose(&offers, method));
    found.map(|route| route.name).map_err(|problem| {
        let answer = Response::from(problem);
        (answer.status, answer.header("Allow").map(str::to_owned))
    })
}

#[test]
fn every_path_of_the_contract_is_found_by_its_method() {
    let calls = [
        ("GET", "/", "shop"),
        ("HEAD", "/sales/spring-drop", "shop"),
        ("GET", "/orders", "orders_page"),
        ("GET", &format!("/orders/{ID}"), "orders_page"),
        ("GET", "/assets/shop.js", "asset"),
        ("GET", "/healthz", "health"),
        ("GET", "/openapi.json", "description"),
        ("POST", "/v1/reservations", "reserve"),
        ("GET", &format!("/v1/reservations/{ID}"), "hold"),
        ("PATCH", &format!("/v1/reservations/{ID}"), "change_hold"),
        ("DELETE", &format!("/v1/reservations/{ID}"), "release"),
        ("POST", &format!("/v1/reservations/{ID}/payments"), "open_payment"),
        ("POST", &format!("/v1/reservations/{ID}/refund-account"), "refund_account"),
        ("GET", "/v1/orders", "orders"),
        ("GET", "/v1/reservations", "holds"),
        ("POST", &format!("/v1/reservations/{ID}/pay"), "pay_hold"),
        ("GET", &format!("/v1/admin/orders/{ID}"), "admin_order"),
        ("GET", &format!("/v1/orders/{ID}"), "order"),
        ("POST", &format!("/v1/orders/{ID}/cancel"), "cancel_order"),
        ("GET", "/v1/sales", "sales"),
        ("GET", "/v1/sales/spring-drop", "sale"),
        ("GET", "/rankings", "rankings_page"),
        ("GET", "/v1/rankings/skus", "sku_ranking"),
        ("GET", "/v1/rankings/sales", "sale_ranking"),
        ("POST", "/v1/webhooks/standard", "webhook"),
        ("POST", "/v1/webhooks/toss", "webhook"),
        ("GET", "/v1/payments/toss/return", "toss_return"),
        ("POST", "/v1/payments/portone/confirm", "portone_confirm"),
        ("GET", "/v1/admin/payments", "admin_list_payments"),
        ("PATCH", &format!("/v1/admin/orders/{ID}"), "admin_change_order"),
        ("POST", &format!("/v1/admin/orders/{ID}/cancel"), "admin_cancel_order"),
        ("POST", "/v1/admin/sales", "admin_create_sale"),
        ("PATCH", "/v1/admin/sales/spring-drop", "admin_set_status"),
        ("GET", "/v1/admin/sales/spring-drop/report", "admin_report"),
        ("POST", "/v1/admin/skus/sneaker-270/stock", "admin_adjust_stock"),
        ("GET", "/v1/admin/actions", "admin_actions"),
        ("POST", "/v1/admin/users/%ED%99%8D%EA%B8%B8%EB%8F%99/forget", "admin_forget_user"),
        ("GET", "/v1/admin/subscriptions", "admin_subscriptions"),
        ("POST", "/v1/admin/subscriptions", "admin_subscribe"),
        ("GET", &format!("/v1/admin/subscriptions/{ID}"), "admin_subscription"),
        ("PATCH", &format!("/v1/admin/subscriptions/{ID}"), "admin_set_subscription"),
        ("DELETE", &format!("/v1/admin/subscriptions/{ID}"), "admin_unsubscribe"),
        ("POST", &format!("/v1/admin/subscriptions/{ID}/secret"), "admin_rotate_secret"),
        ("GET", "/v1/admin/dead-letters", "admin_dead_letters"),
        ("POST", "/v1/admin/dead-letters/event-7/replay", "admin_replay_dead_letter"),
        ("POST", "/v1/admin/dead-letters/replay", "admin_replay_dead_letters"),
        ("POST", "/v1/admin/dead-letters/parked-61/dismiss", "admin_dismiss_dead_letter"),
        ("POST", "/v1/admin/dead-letters/refund-61/settle", "admin_settle_dead_letter"),
    ];
    for (method, path, name) in &calls {
        assert_eq!(answer(method, path), Ok(*name), "{method} {path}");
    }
    let fits = |pattern: &str, path: &str| {
        let words = || pattern.split('/').zip(path.split('/'));
        pattern.split('/').count() == path.split('/').count()
            && words().all(|(word, given)| word.starts_with('{') || word == given)
    };
    for route in TABLE.iter().filter(|route| route.exists == Exists::Always) {
        let Route { name, method, path, .. } = route;
        let listed = |(of, call, wanted): &(&str, &str, &str)| {
            let same_method = *of == method.name || *of == "HEAD" && method.has_head;
            same_method && wanted == name && fits(path, call)
        };
        assert!(calls.iter().any(listed), "this test has no call of {} {path}", method.name);
    }
}

/// A handler that reads a parameter which its path does not have gets an empty text.
#[test]
fn a_handler_reads_the_parameters_of_its_path() {
    let (_, table) = include_str!("../routes.rs").split_once("\ntable! {").expect("the table");
    let mut seen = 0;
    for row in table.split("\n    \"").skip(1) {
        let path = row.split('"').nth(2).expect("name METHOD path");
        let inner = |open: &str, close: char| -> Vec<String> {
            row.split(open)
                .skip(1)
                .filter_map(|rest| rest.split_once(close))
                .map(|(inner, _)| inner.to_owned())
                .collect()
        };
        let named = path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.to_owned());
        assert_eq!(inner("p.get(\"", '"'), named.collect::<Vec<_>>(), "{path}");
        seen += 1;
    }
    assert_eq!(seen, own().count());
}

#[test]
fn every_gateway_of_the_registry_has_its_webhook_and_its_return_page() {
    let row = |method: Method, path: &str| TABLE.iter().find(|route| route.method == method && route.path == path);
    for gateway in registry::GATEWAYS {
        let (name, mine) = (gateway.name, Exists::WithGateway(gateway.name));
        let webhook = row(POST, &format!("/v1/webhooks/{name}")).unwrap_or_else(|| panic!("{name} has no webhook"));
        let caller = if gateway.webhook.signs() { GATEWAY } else { ANYBODY };
        assert_eq!((webhook.name, webhook.caller, webhook.exists), (WEBHOOK, caller, mine), "{name}");

        let back = |method, last: &str| {
            row(method, &format!("/v1/payments/{name}/{last}")).map(|route| (route.caller, route.limit, route.exists))
        };
        let (redirect, token) = match gateway.return_page {
            ReturnPage::None => (None, None),
            ReturnPage::Redirect(_) => (Some((ANYBODY, UNAUTHENTICATED, mine)), None),
            ReturnPage::Token => (None, Some((BUYER, FREE, mine))),
        };
        assert_eq!((back(GET_ACTS, "return"), back(POST, "confirm")), (redirect, token), "the return page of {name}");
    }
    for route in TABLE.iter() {
        let Exists::WithGateway(name) = route.exists else { continue };
        assert!(registry::gateway(name).is_some(), "{} is of no gateway", route.path);
        assert!(route.path.split('/').any(|word| word == name), "{} is not {name}'s", route.path);
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
        "/orders/1",
        "/sales/A",
        "/sales/%2561",
        "/sales/%zz",
        "/sales/%ff",
        "/v1%2Fsales",
        "/v1/sales/a%2Fb",
        "/assets/..%2Fshop.js",
        "/assets/",
        "/v1/sales/-",
        "/v1/admin/skus/x/stock/y",
        "/v1/webhooks/other",
        "/v1/admin/subscriptions/1",
        "/v1/admin/dead-letters/a%20b/replay",
        "/v1/admin/dead-letters/event-7/forget",
        "/dev/session",
    ] {
        for method in ["GET", "POST", "BREW"] {
            assert_eq!(answer(method, path), Err((404, None)), "{method} {path}");
        }
    }
}

#[test]
fn an_id_may_be_encoded_and_a_word_of_the_path_may_not() {
    let found = |path: &str, name: &str| {
        let offers = offers(path, false).ok()?;
        Some((offers.routes.first()?.name, offers.parameters.get(name)))
    };
    assert_eq!(found("/v1/sales/spr%69ng%2Ddrop", "sale_id"), Some(("sale", "spring-drop".to_owned())));
    let hold = found(&format!("/v1/reservations/{}", ID.replace('-', "%2d")), "hold_id");
    assert_eq!(hold, Some(("hold", ID.to_owned())));
    assert_eq!(found("/assets/shop%2Ejs", "name"), Some(("asset", "shop.js".to_owned())));
    for path in [
        "/v1/%61dmin/payments",
        "/v1/s%61les/spring-drop",
        "/%761/sales",
        "/v1/webhooks/t%6Fss",
        "/v1/payments/toss/retur%6E",
        "/%68ealthz",
        "/d%65v/session",
    ] {
        assert_eq!(answer("GET", path), Err((404, None)), "{path}");
    }
}

#[test]
fn an_api_route_names_its_parameters_and_a_page_takes_any() {
    let of = |method: &str, path: &str| {
        let offers = offers(path, false).ok()?;
        choose(&offers, method).ok()?.query
    };
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/sales/spring-drop"),
        ("GET", "/assets/shop.js"),
        ("GET", "/healthz"),
        ("POST", "/v1/webhooks/stripe"),
        ("GET", "/v1/payments/toss/return"),
    ] {
        assert_eq!(of(method, path), None, "{path}");
    }
    assert_eq!(of("GET", "/v1/sales/spring-drop"), Some([].as_slice()));
    assert_eq!(of("GET", "/v1/admin/payments"), Some(["state", "cursor", "limit"].as_slice()));
}

#[test]
fn an_unsupported_method_gets_the_supported_ones() {
    assert_eq!(offers("/v1/reservations", false).map(|offers| allowed(&offers)), Ok("GET, HEAD, POST".to_owned()));
    let hold = format!("/v1/reservations/{ID}");
    for (method, path, allow) in [
        ("PUT", "/v1/reservations", "GET, HEAD, POST"),
        ("PUT", hold.as_str(), "GET, HEAD, PATCH, DELETE"),
        ("POST", "/", "GET, HEAD"),
        ("get", "/", "GET, HEAD"),
        ("OPTIONS", "/v1/webhooks/standard", "POST"),
        // `HEAD` must not capture.
        ("HEAD", "/v1/payments/toss/return", "GET"),
    ] {
        assert_eq!(answer(method, path), Err((405, Some(allow.to_owned()))), "{method} {path}");
    }
}

#[test]
fn the_development_session_exists_in_development_only() {
    assert!(offers("/dev/session", true).is_ok());
    assert!(offers("/dev/session", false).is_err());
}

#[test]
fn reading_is_a_viewers_secrets_are_an_owners_and_the_rest_is_an_operators() {
    for (method, path, role) in [
        ("GET", "/v1/admin/sales/spring-drop/report", Some(Role::Viewer)),
        ("HEAD", "/v1/admin/subscriptions", Some(Role::Viewer)),
        ("GET", "/v1/admin/payments", Some(Role::Viewer)),
        ("POST", "/v1/admin/sales", Some(Role::Operator)),
        ("PATCH", "/v1/admin/sales/spring-drop", Some(Role::Operator)),
        ("POST", "/v1/admin/skus/sneaker-270/stock", Some(Role::Operator)),
        ("POST", &format!("/v1/admin/orders/{ID}/cancel"), Some(Role::Operator)),
        ("POST", "/v1/admin/dead-letters/replay", Some(Role::Operator)),
        ("POST", "/v1/admin/subscriptions", Some(Role::Owner)),
        ("PATCH", &format!("/v1/admin/subscriptions/{ID}"), Some(Role::Owner)),
        ("DELETE", &format!("/v1/admin/subscriptions/{ID}"), Some(Role::Owner)),
        ("POST", &format!("/v1/admin/subscriptions/{ID}/secret"), Some(Role::Owner)),
        ("POST", "/v1/admin/users/buyer-1/forget", Some(Role::Owner)),
        ("POST", "/v1/reservations", None),
        ("GET", "/v1/sales", None),
    ] {
        let route = offers(path, false).and_then(|offers| choose(&offers, method)).unwrap_or_else(|_| panic!("{path}"));
        let required = match route.caller {
            Caller::Operator(role) => Some(role),
            _ => None,
        };
        assert_eq!(required, role, "{method} {path}");
    }
}

#[test]
fn what_changes_something_needs_more_than_a_viewer() {
    for route in TABLE.iter().filter(|route| matches!(route.caller, Caller::Operator(_))) {
        assert_eq!(route.caller == VIEWER, route.method == GET, "{} {}", route.method.name, route.path);
    }
}

#[test]
fn a_user_has_any_printable_name() {
    let user = |segment: &str| {
        let found = offers(&format!("/v1/admin/users/{segment}/forget"), false);
        found.map(|offers| offers.parameters.get("user_id")).map_err(|_| ())
    };
    assert_eq!(user("%ED%99%8D%EA%B8%B8%EB%8F%99"), Ok("홍길동".to_owned()));
    assert_eq!(user("a%2Fb"), Ok("a/b".to_owned()));
    assert_eq!(user("100%25"), Ok("100%".to_owned()));
    for wrong in ["%00", "%0A", "%FF", "100%", "a/b"] {
        assert_eq!(user(wrong), Err(()), "{wrong}");
    }
}
