//! What the table of paths says.

use super::*;
use crate::http::response::Response;

const ID: &str = "019a9e7c-4b5a-7c3d-8e9f-0123456789ab";

fn answer(method: &str, path: &str) -> Result<Route, (u16, Option<String>)> {
    offers(path, false).and_then(|offers| choose(offers, method)).map_err(|problem| {
        let answer = Response::from(problem);
        (answer.status, answer.header("Allow").map(str::to_owned))
    })
}

#[test]
fn every_path_of_the_contract_is_found_by_its_method() {
    for (method, path, name) in [
        ("GET", "/", "shop"),
        ("HEAD", "/sales/spring-drop", "shop"),
        ("GET", "/orders", "orders_page"),
        ("GET", &format!("/orders/{ID}"), "orders_page"),
        ("GET", "/assets/shop.js", "asset"),
        ("GET", "/healthz", "health"),
        ("GET", "/openapi.json", "description"),
        ("POST", "/v1/reservations", "reserve"),
        ("GET", &format!("/v1/reservations/{ID}"), "hold"),
        ("DELETE", &format!("/v1/reservations/{ID}"), "release"),
        ("POST", &format!("/v1/reservations/{ID}/payments"), "open_payment"),
        ("POST", &format!("/v1/reservations/{ID}/refund-account"), "refund_account"),
        ("GET", "/v1/orders", "orders"),
        ("GET", "/v1/reservations", "holds"),
        ("POST", &format!("/v1/reservations/{ID}/pay"), "pay_hold"),
        ("GET", &format!("/v1/admin/orders/{ID}"), "admin_order"),
        ("GET", &format!("/v1/orders/{ID}"), "order"),
        ("GET", "/v1/sales", "sales"),
        ("GET", "/v1/sales/spring-drop", "sale"),
        ("POST", "/v1/webhooks/standard", "webhook"),
        ("POST", "/v1/webhooks/toss", "webhook"),
        ("GET", "/v1/payments/toss/return", "toss_return"),
        ("POST", "/v1/payments/portone/confirm", "portone_confirm"),
        ("GET", "/v1/admin/payments", "admin_list_payments"),
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
        "/orders/1",
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
    let sale = Route::Sale { sale_id: "spring-drop".to_owned() };
    assert_eq!(answer("GET", "/v1/sales/spr%69ng%2Ddrop"), Ok(sale));
    let hold = Route::Hold { hold_id: ID.to_owned() };
    assert_eq!(answer("GET", &format!("/v1/reservations/{}", ID.replace('-', "%2d"))), Ok(hold));
    assert_eq!(answer("GET", "/assets/shop%2Ejs"), Ok(Route::Asset { name: "shop.js".to_owned() }));
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
    let of = |method: &str, path: &str| answer(method, path).ok().and_then(|route| route.parameters());
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
fn a_method_that_is_not_there_is_told_which_are() {
    assert_eq!(offers("/v1/reservations", false).map(|offers| allowed(&offers)), Ok("GET, HEAD, POST".to_owned()));
    let hold = format!("/v1/reservations/{ID}");
    for (method, path, allow) in [
        ("PUT", "/v1/reservations", "GET, HEAD, POST"),
        ("PUT", hold.as_str(), "GET, HEAD, DELETE"),
        ("POST", "/", "GET, HEAD"),
        ("get", "/", "GET, HEAD"),
        ("OPTIONS", "/v1/webhooks/standard", "POST"),
        // Whoever only wants to know what is there takes no money.
        ("HEAD", "/v1/payments/toss/return", "GET"),
    ] {
        assert_eq!(answer(method, path), Err((405, Some(allow.to_owned()))), "{method} {path}");
    }
}

#[test]
fn the_session_maker_exists_in_development_only() {
    assert!(offers("/dev/session", true).is_ok());
    assert!(offers("/dev/session", false).is_err());
}

#[test]
fn reading_is_a_viewers_secrets_are_an_owners_and_the_rest_is_an_operators() {
    let id = || "id".to_owned();
    for (method, route, role) in [
        ("GET", Route::Report { sale_id: id() }, Some(Role::Viewer)),
        ("HEAD", Route::Subscriptions, Some(Role::Viewer)),
        ("GET", Route::ListPayments, Some(Role::Viewer)),
        ("POST", Route::CreateSale, Some(Role::Operator)),
        ("PATCH", Route::SetStatus { sale_id: id() }, Some(Role::Operator)),
        ("POST", Route::AdjustStock { sku_id: id() }, Some(Role::Operator)),
        ("POST", Route::CancelOrder { order_id: id() }, Some(Role::Operator)),
        ("POST", Route::ReplayDeadLetters, Some(Role::Operator)),
        ("POST", Route::Subscribe, Some(Role::Owner)),
        ("PATCH", Route::SetSubscription { subscription_id: id() }, Some(Role::Owner)),
        ("DELETE", Route::Unsubscribe { subscription_id: id() }, Some(Role::Owner)),
        ("POST", Route::RotateSecret { subscription_id: id() }, Some(Role::Owner)),
        ("POST", Route::ForgetUser { user_id: id() }, Some(Role::Owner)),
        ("POST", Route::Reserve, None),
        ("GET", Route::Sales, None),
    ] {
        assert_eq!(required(&route, method), role, "{method} {}", route.name());
    }
}
