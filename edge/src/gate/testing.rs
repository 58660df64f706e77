//! Fixtures of the Gate's tests.

use protocol::reserve::Reservation;
use protocol::shop::{Hold, HoldStatus, Line};

pub fn reservation(user_id: &str, idem_key: &str, fingerprint: &str) -> Reservation {
    Reservation {
        request_id: String::new(),
        traceparent: None,
        user_id: user_id.to_owned(),
        idem_key: idem_key.to_owned(),
        fingerprint: fingerprint.to_owned(),
        sale_id: "spring-drop".to_owned(),
        items: Vec::new(),
        json: String::new(),
    }
}

/// A line of one piece for each SKU.
pub fn lines(skus: &[&str]) -> Vec<Line> {
    skus.iter().map(|sku| Line { sku_id: (*sku).to_owned(), qty: 1 }).collect()
}

pub fn hold(hold_id: &str) -> Hold {
    Hold {
        hold_id: hold_id.to_owned(),
        sale_id: "spring-drop".to_owned(),
        status: HoldStatus::Hold,
        items: Vec::new(),
        subtotal_amount: 0,
        discount_amount: 0,
        total_amount: 0,
        currency: "KRW".to_owned(),
        currency_decimals: 0,
        coupon: None,
        version: 1,
        expire_at: "2026-01-15T05:05:00Z".to_owned(),
        order_id: None,
        refund: None,
        refunds: Vec::new(),
    }
}
