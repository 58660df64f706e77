//! Crowds at gateways that lose answers: every captured payment is one order or one refund at the gateway's own books.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use serde_json::json;

use support::client::until;
use support::gateways::{GATEWAYS, by_the_shop};
use support::shop::{PRICE, Shop};

/// Where a payment came to rest: its order's total, or its refund's status and amount.
type Rest = (Option<i64>, Option<String>, Option<i64>);

/// A third pays after the end of the hold; each webhook comes three times, in any order.
async fn crowd(shop: &Arc<Shop>, gateway: &'static str, sale: String, buyers: usize, late: bool) -> Vec<String> {
    let buyer = |n: usize| {
        let (shop, sale) = (Arc::clone(shop), sale.clone());
        async move {
            let user = format!("{gateway}-{late}-{n}");
            let hold = shop.hold(&sale, &user).await;
            let mut webhooks = json!({"times": 3, "spread_ms": 1_500, "fresh_ids": n.is_multiple_of(2)});
            if late {
                webhooks["at"] = hold["expire_at"].clone();
            }
            let made = shop.pay(gateway, &hold, &user, json!({"webhooks": webhooks})).await;
            made["payment_id"].as_str().unwrap().to_owned()
        }
    };
    stream::iter((0..buyers).map(buyer)).buffer_unordered(12).collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn buyers_through_each_gateway_have_an_order_or_their_money_and_the_books_agree() {
    play(30).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long"]
async fn a_thousand_buyers_through_each_gateway_have_an_order_or_their_money_and_the_books_agree() {
    play(1_000).await;
}

/// So many buyers at each gateway, all of whose payments come to rest.
async fn play(buyers: usize) {
    let late_buyers = buyers / 3;
    let prompt_buyers = buyers - late_buyers;
    let [all, all_prompt, all_late] = [buyers, prompt_buyers, late_buyers].map(|one| (GATEWAYS.len() * one) as i64);
    let shop = Arc::new(Shop::open_alone().await);
    for gateway in GATEWAYS {
        shop.gateways.fault(gateway, "refund", 5, "cut").await;
    }
    let mut crowds = Vec::new();
    let mut sales = Vec::new();
    for gateway in GATEWAYS {
        let prompt = shop.client.sale(3_600, &[("pair", prompt_buyers as i64, 1)]).await;
        let late = shop.client.sale(2, &[("pair", late_buyers as i64, 1)]).await;
        crowds.push(tokio::spawn({
            let (shop, prompt, late) = (Arc::clone(&shop), prompt.clone(), late.clone());
            async move {
                let (mut one, two) = tokio::join!(
                    crowd(&shop, gateway, prompt, prompt_buyers, false),
                    crowd(&shop, gateway, late, late_buyers, true)
                );
                one.extend(two);
                one
            }
        }));
        sales.extend([prompt, late]);
    }
    let mut paid = Vec::new();
    for crowd in crowds {
        paid.extend(crowd.await.unwrap());
    }
    assert_eq!(paid.len() as i64, all);

    let ours = format!("sale_id in ('{}')", sales.join("', '"));
    let told = format!("select count(*) from holdfast.payment where {ours}");
    let due = format!(
        "select count(*) from holdfast.refund r join holdfast.payment p using (gateway, payment_id)
                       where {ours} and r.status = 'REQUIRED'"
    );
    until("every payment is told of and every refund is over", 240, || async {
        (shop.count(&told).await == all && shop.count(&due).await == 0).then_some(())
    })
    .await;

    let rows = "select p.payment_id, o.total_amount, r.status, r.amount from holdfast.payment p
                left join holdfast.orders o using (gateway, payment_id) left join holdfast.refund r using (gateway, payment_id)";
    let rows = shop.owner.query(&format!("{rows} where p.{ours}"), &[]).await.unwrap();
    let book: HashMap<String, Rest> =
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2), row.get(3)))).collect();
    let (mut orders, mut refunds, mut kept) = (0, 0, 0);
    for id in &paid {
        let theirs = shop.gateways.payment(id).await;
        kept += theirs["captured"].as_i64().unwrap() - theirs["refunded"].as_i64().unwrap();
        match &book[id] {
            (Some(amount), None, None) => {
                assert_eq!((&theirs["captured"], &theirs["refunded"]), (&json!(amount), &json!(0)), "{theirs}");
                orders += 1;
            }
            (None, Some(status), Some(amount)) => {
                assert_eq!((status.as_str(), by_the_shop(&theirs)), ("COMPLETED", vec![*amount]), "{theirs}");
                assert_eq!(theirs["refunded"], theirs["captured"], "{theirs}");
                refunds += 1;
            }
            other => panic!("{id} is {other:?}"),
        }
    }
    assert_eq!((orders, refunds, kept), (all_prompt, all_late, all_prompt * PRICE));
    for sale in &sales {
        shop.client.report(sale).await;
        assert!(shop.payments(sale, "unsettled").await.is_empty());
    }
    shop.gateways.well_again().await;
}
