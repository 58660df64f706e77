//! A buyer's own holds and orders, listed: what a second device shows that remembers nothing.

use std::collections::HashSet;

use iso_currency::IntoEnumIterator;
use reqwest::Method;
use serde_json::{Value, json};
use tokio_postgres::types::{Json, Type};
use uuid::Uuid;

use support::client::Client;
use support::database::{Ask, Database, Paid, confirm, release, reserve};

fn one(sku: &str) -> Value {
    json!([{"sku_id": sku, "qty": 1}])
}

fn ids<'a>(list: &'a Value, name: &str, id: &str) -> Vec<&'a str> {
    list[name].as_array().unwrap().iter().map(|row| row[id].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_second_device_finds_the_hold_and_the_order() {
    let client = Client::new();
    let sale = client.sale(300, &[("a", 5, 5), ("b", 5, 5)]).await;
    let other = client.sale(300, &[("a", 5, 5)]).await;
    let first = client.reserve("ann", "k1", &sale, one("a")).await.ok(201);
    let second = client.reserve("ann", "k2", &sale, one("b")).await.ok(201);
    let third = client.reserve("ann", "k3", &other, one("a")).await.ok(201);
    client.reserve("bob", "k1", &sale, one("a")).await.ok(201);
    let id = |hold: &Value| hold["hold_id"].as_str().unwrap().to_owned();

    let list = client.get("ann", &format!("/v1/reservations?sale_id={sale}&status=HOLD")).await.ok(200);
    assert_eq!(list, json!({"reservations": [second, first], "next": null}));
    let all = client.get("ann", "/v1/reservations").await.ok(200);
    assert_eq!(ids(&all, "reservations", "hold_id"), [id(&third), id(&second), id(&first)]);

    client.pay(&format!("pay_{}", Uuid::new_v4()), &first, "ann").await.ok(200);
    let released = client.buyer("ann", Method::DELETE, &format!("/v1/reservations/{}", id(&second)));
    client.send(released).await.ok(200);
    for (status, hold) in [("HOLD", &third), ("COMMITTED", &first), ("RELEASED", &second)] {
        let list = client.get("ann", &format!("/v1/reservations?status={status}")).await.ok(200);
        assert_eq!(ids(&list, "reservations", "hold_id"), [id(hold)], "{status}");
        assert_eq!(list["reservations"][0]["status"], status);
        let shown = client.get("ann", &format!("/v1/reservations/{}", id(hold))).await.ok(200);
        assert_eq!(list["reservations"][0], shown, "a hold is the same wherever it is shown");
    }
    assert_eq!(
        client.get("ann", "/v1/reservations?status=EXPIRED").await.ok(200),
        json!({"reservations": [], "next": null})
    );

    let order = client.get("ann", &format!("/v1/orders?hold_id={}", id(&first))).await.ok(200);
    for query in ["", &format!("?sale_id={sale}")] {
        let list = client.get("ann", &format!("/v1/orders{query}")).await.ok(200);
        assert_eq!(list, json!({"orders": [order], "next": null}), "{query}");
    }
    for query in [&format!("/v1/orders?sale_id={other}"), "/v1/orders?sale_id=no-such-sale"] {
        assert_eq!(client.get("ann", query).await.ok(200), json!({"orders": [], "next": null}), "{query}");
    }
    assert_eq!(client.get("mallory", "/v1/orders").await.ok(200)["orders"], json!([]));
}

#[tokio::test]
async fn an_order_has_a_number_a_version_and_how_it_was_paid_and_only_an_operator_sees_whose_it_is() {
    let client = Client::new();
    let sale = client.sale(300, &[("a", 5, 5)]).await;
    let hold = client.reserve("ann", "k1", &sale, one("a")).await.ok(201);
    let payment = format!("pay_{}", Uuid::new_v4());
    let confirmed = client.pay(&payment, &hold, "ann").await.ok(200);
    let id = confirmed["order_id"].as_str().unwrap();
    let order = client.get("ann", &format!("/v1/orders/{id}")).await;
    assert_eq!(order.header("etag"), Some("\"1\""));
    let order = order.ok(200);
    let number = order["order_number"].as_str().unwrap();
    assert!(number.len() == 10 && number.bytes().all(|b| b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ".contains(&b)), "{number}");
    let mut wanted = json!({"order_id": id, "order_number": number, "hold_id": hold["hold_id"], "sale_id": sale,
        "status": "CONFIRMED", "version": 1, "items": hold["items"], "subtotal_amount": 1000, "discount_amount": 0,
        "total_amount": 1000, "currency": "KRW", "currency_decimals": 0, "coupon": null,
        "payment": {"method": "gateway", "gateway": "standard", "payment_id": payment}, "tracking": null,
        "disputed": false, "refunded_amount": 0, "refund": null, "created_at": order["created_at"]});
    assert_eq!(order, wanted);

    let path = format!("/v1/admin/orders/{id}");
    wanted["user_id"] = json!(client.user("ann"));
    assert_eq!(client.admin(Method::GET, &path, None).await.ok(200), wanted);
    let cancelled = client.admin(Method::POST, &format!("{path}/cancel"), Some(json!({"reason": "broken"}))).await;
    assert_eq!(cancelled.header("etag"), Some("\"2\""));
    (wanted["status"], wanted["version"]) = (json!("CANCELLED"), json!(2));
    wanted["refund"] = json!({"status": "pending", "amount": 1000, "currency": "KRW", "currency_decimals": 0});
    assert_eq!(cancelled.ok(200), wanted);
    let nobodys = format!("/v1/admin/orders/{}", Uuid::now_v7());
    assert_eq!(client.admin(Method::GET, &nobodys, None).await.refusal(), (404, "not_found".into()));
    let as_a_buyer = client.send(client.buyer("ann", Method::GET, &path)).await;
    assert_eq!(as_a_buyer.refusal().0, 401, "whatever a buyer's token is told there, it is no order");
}

#[tokio::test]
async fn a_second_payment_and_its_refund_are_shown_beside_the_order() {
    let client = Client::new();
    let sale = client.sale(300, &[("a", 5, 5)]).await;
    let hold = client.reserve("ann", "k1", &sale, one("a")).await.ok(201);
    let path = format!("/v1/reservations/{}", hold["hold_id"].as_str().unwrap());
    client.pay_with(&format!("pay_{}", Uuid::new_v4()), &hold, "ann", 999).await.ok(200);
    client.pay(&format!("pay_{}", Uuid::new_v4()), &hold, "ann").await.ok(200);
    let second = client.pay(&format!("pay_{}", Uuid::new_v4()), &hold, "ann").await.ok(200);
    assert_eq!(second, json!({"result": "refund_required", "reason": "already_paid"}));
    let seen = client.get("ann", &path).await.ok(200);
    assert_eq!(seen["status"], "COMMITTED");
    let told: Vec<(&str, i64)> = seen["refunds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|refund| (refund["reason"].as_str().unwrap(), refund["amount"].as_i64().unwrap()))
        .collect();
    assert_eq!(told, [("already_paid", 1000), ("amount_mismatch", 999)], "the newest first");
    let order = client.get("ann", &format!("/v1/orders?hold_id={}", hold["hold_id"].as_str().unwrap())).await.ok(200);
    assert_eq!(order["refund"], Value::Null, "the order itself stays paid");
}

#[tokio::test]
async fn amounts_have_the_decimals_of_iso_4217() {
    let database = Database::new().await;
    for currency in iso_currency::Currency::iter() {
        let sql = "select holdfast.currency_decimals($1)";
        let decimals: i32 = database.owner.query_one(sql, &[&currency.code()]).await.unwrap().get(0);
        assert_eq!(decimals, i32::from(currency.exponent().unwrap_or(0)), "{currency}");
    }
    let client = Client::new();
    let make = async |currency: &str| {
        let sale_id = format!("t-{}", Uuid::new_v4());
        let sku = json!({"sku_id": "a", "name": "A", "unit_price": 1000, "stock": 5});
        let sale = json!({"sale_id": sale_id, "name": "Decimals", "currency": currency, "skus": [sku]});
        client.admin(Method::POST, "/v1/admin/sales", Some(sale)).await
    };
    for (currency, decimals) in [("KRW", 0), ("RSD", 2), ("IQD", 3), ("HUF", 2), ("CLF", 4)] {
        let sale = make(currency).await.ok(201);
        let path = format!("/v1/sales/{}", sale["sale_id"].as_str().unwrap());
        let shown = client.send(client.request(Method::GET, &path)).await.ok(200);
        assert_eq!((&sale["currency_decimals"], &shown["currency_decimals"]), (&json!(decimals), &json!(decimals)));
        let hold = client.reserve(currency, "k", sale["sale_id"].as_str().unwrap(), one("a")).await.ok(201);
        assert_eq!(hold["currency_decimals"], decimals, "{currency}");
    }
    for currency in ["XAU", "XXX", "XDR"] {
        let refused = make(currency).await;
        assert_eq!(refused.refusal(), (422, "invalid_request".into()), "{currency}");
        assert_eq!(refused.body["errors"][0]["pointer"], "/currency");
    }
}

#[tokio::test]
async fn a_hold_past_its_end_is_expired_in_every_list_before_the_sweep() {
    let database = Database::new().await;
    database.sale(300, &[("a", 5, 5)]).await;
    let hold = granted(&database, "ann", "k").await;
    let listed = async |status: &str| page(&database, Some(status), None, 50).await.0;
    assert_eq!((listed("HOLD").await.len(), listed("EXPIRED").await.len()), (1, 0));
    let lapse = "update holdfast.reservation_hold set created_at = now() - interval '2 s', expire_at = now()";
    database.owner.batch_execute(lapse).await.unwrap();
    assert_eq!((listed("HOLD").await, listed("EXPIRED").await), (vec![], vec![hold]));
}

#[tokio::test]
async fn paging_shows_everything_that_was_there_once_whatever_is_added_and_ended_meanwhile() {
    let database = Database::new().await;
    database.sale(300, &[("a", 1000, 1000)]).await;
    let (confirming, releasing) = (database.as_role("confirm").await, database.as_role("release").await);
    let mut held = Vec::new();
    for n in 0..7 {
        let hold = granted(&database, "ann", &format!("k{n}")).await;
        match n % 3 {
            0 => drop(release(&releasing, "ann", &hold).await.unwrap()),
            _ => {
                let (payment, user) = (format!("p{n}"), "ann".into());
                let paid = Paid { payment, hold: hold.clone(), user, amount: 100, currency: "KRW".into() };
                confirm(&confirming, &paid).await.unwrap();
            }
        }
        held.insert(0, hold);
        granted(&database, &format!("bob-{n}"), "k").await;
    }
    held.insert(0, granted(&database, "ann", "last").await);

    let (mut seen, mut before, mut added) = (Vec::new(), None, HashSet::new());
    loop {
        let (shown, next) = page(&database, None, before, 2).await;
        seen.extend(shown);
        // What was HOLD ends between two pages, and something new comes.
        if added.is_empty() {
            release(&releasing, "ann", &held[0]).await.unwrap();
        }
        let key = format!("meanwhile {}", added.len());
        if added.len() < 3 {
            let new = granted(&database, "ann", &key).await;
            release(&releasing, "ann", &new).await.unwrap();
            added.insert(new);
        }
        let Some(next) = next else { break };
        before = Some(next);
    }
    assert_eq!(seen, held, "newest first, each once, and nothing that came later");
}

/// A page looks at so much and no more: it may be short, and goes on.
#[tokio::test]
async fn a_page_of_what_is_rare_looks_at_a_bounded_number_and_goes_on() {
    let database = Database::new().await;
    database.sale(300, &[("a", 1000, 1000)]).await;
    let releasing = database.as_role("release").await;
    let lapsed = granted(&database, "ann", "k").await;
    let lapse = "update holdfast.reservation_hold set created_at = now() - interval '2 s', expire_at = now()";
    database.owner.batch_execute(lapse).await.unwrap();
    for n in 0..9 {
        let hold = granted(&database, "ann", &format!("k{n}")).await;
        release(&releasing, "ann", &hold).await.unwrap();
    }
    let (mut seen, mut before, mut pages) = (Vec::new(), None, 0);
    loop {
        let (shown, next) = looking_at(&database, Some("EXPIRED"), before, 50, 4).await;
        seen.extend(shown);
        pages += 1;
        let Some(next) = next else { break };
        before = Some(next);
    }
    assert_eq!((seen, pages), (vec![lapsed], 3));
}

#[tokio::test]
async fn an_invalid_query_of_a_list_is_refused_by_name() {
    let client = Client::new();
    let sale = client.sale(300, &[("a", 5, 5), ("b", 5, 5)]).await;
    client.reserve("ann", "k1", &sale, one("a")).await.ok(201);
    client.reserve("ann", "k2", &sale, one("b")).await.ok(201);
    let first = client.get("ann", &format!("/v1/reservations?sale_id={sale}&limit=1")).await.ok(200);
    let next = first["next"].as_str().unwrap();
    let rest = client.get("ann", &format!("/v1/reservations?sale_id={sale}&cursor={next}")).await.ok(200);
    assert_eq!((rest["reservations"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
    for (path, pointer) in [
        ("/v1/reservations?status=held".to_owned(), "/status"),
        ("/v1/reservations?status=".to_owned(), "/status"),
        ("/v1/reservations?limit=0".to_owned(), "/limit"),
        ("/v1/reservations?limit=101".to_owned(), "/limit"),
        ("/v1/reservations?limit=1e1".to_owned(), "/limit"),
        ("/v1/reservations?cursor=x".to_owned(), "/cursor"),
        (format!("/v1/reservations?cursor={next}"), "/cursor"),
        (format!("/v1/reservations?sale_id={sale}&status=HOLD&cursor={next}"), "/cursor"),
        (format!("/v1/orders?sale_id={sale}&cursor={next}"), "/cursor"),
        ("/v1/orders?limit=-1".to_owned(), "/limit"),
        ("/v1/orders?sale_id=Drop".to_owned(), "/sale_id"),
    ] {
        let answer = client.get("ann", &path).await;
        assert_eq!(answer.refusal(), (422, "invalid_request".into()), "{path}");
        assert_eq!(answer.body["errors"][0]["pointer"], pointer, "{path}");
    }
    let both = format!("/v1/orders?hold_id={}&sale_id={sale}", Uuid::nil());
    assert_eq!(client.get("ann", &both).await.refusal(), (400, "malformed_request".into()));
    let nobody = client.send(client.request(Method::GET, "/v1/reservations")).await;
    assert_eq!(nobody.refusal(), (401, "unauthenticated".into()));
}

async fn granted(database: &Database, user: &str, key: &str) -> String {
    let client = database.as_role("reserve").await;
    let ask = Ask { user: user.into(), key: key.into(), lines: vec![("a".into(), 1)] };
    let answers = reserve(&client, database.early_release, &[ask]).await.unwrap();
    answers[0]["hold"]["hold_id"].as_str().unwrap_or_else(|| panic!("{answers:?}")).to_owned()
}

async fn page(
    database: &Database,
    status: Option<&str>,
    before: Option<Uuid>,
    limit: i32,
) -> (Vec<String>, Option<Uuid>) {
    looking_at(database, status, before, limit, 1000).await
}

/// Ann's holds, and where they go on.
async fn looking_at(
    database: &Database,
    status: Option<&str>,
    before: Option<Uuid>,
    limit: i32,
    look: i32,
) -> (Vec<String>, Option<Uuid>) {
    let client = database.as_role("lookup").await;
    let sql = "call holdfast.look_up_holds('ann', 'drop', $1, $2, $3, $4, true, null)";
    let rows = client
        .query_typed(sql, &[(&status, Type::TEXT), (&before, Type::UUID), (&limit, Type::INT4), (&look, Type::INT4)])
        .await
        .unwrap();
    let Json(page): Json<Value> = rows[0].get(0);
    let shown = ids(&page, "holds", "hold_id").into_iter().map(str::to_owned).collect();
    (shown, page["next"].as_str().map(|next| Uuid::parse_str(next).unwrap()))
}
