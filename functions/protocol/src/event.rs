//! The list of event types. The outbox's constraint (schema/tables/V8__operators.sql), the check of a subscription, the
//! description's `webhooks` and docs/events.md are compared with it or made from it.

/// A type of event.
pub struct EventType {
    pub name: &'static str,
    /// When it is sent.
    pub when: &'static str,
    /// The `data` of one, as JSON.
    pub example: &'static str,
}

/// All of them, in the order in which the documents list them.
pub const EVENT_TYPES: [EventType; 20] = [
    EventType {
        name: "ReservationCreated",
        when: "A hold was granted.",
        example: r#"{"hold_id": "019a9e7c-4b5a-7c3d-8e9f-0123456789ab", "sale_id": "spring-drop", "status": "HOLD", "user_id": "홍길동",
  "version": 1, "items": [{"sku_id": "sneaker-270", "qty": 1, "unit_price": 150000}], "subtotal_amount": 150000,
  "discount_amount": 0, "total_amount": 150000, "currency": "KRW", "currency_decimals": 0, "coupon": null,
  "expire_at": "2026-01-15T05:05:00.000Z"}"#,
    },
    EventType {
        name: "ReservationExpired",
        when: "A hold expired unpaid; its stock is available again.",
        example: r#"{"hold_id": "019a9e7c-4b5a-7c3d-8e9f-0123456789ab", "sale_id": "spring-drop", "user_id": "홍길동",
  "items": [{"sku_id": "sneaker-270", "qty": 1}]}"#,
    },
    EventType {
        name: "ReservationReleased",
        when: "A buyer released a hold; its stock is available again.",
        example: r#"{"hold_id": "019a9e7c-4b5a-7c3d-8e9f-0123456789ab", "sale_id": "spring-drop", "user_id": "홍길동",
  "items": [{"sku_id": "sneaker-270", "qty": 1}]}"#,
    },
    EventType {
        name: "OrderConfirmed",
        when: "A payment became an order.",
        example: r#"{"order_id": "019a9e7d-0c1a-7d10-9a55-0123456789ab", "hold_id": "019a9e7c-4b5a-7c3d-8e9f-0123456789ab",
  "sale_id": "spring-drop", "user_id": "홍길동", "gateway": "standard", "payment_id": "pay_1",
  "payment": {"method": "gateway", "gateway": "standard", "payment_id": "pay_1"},
  "items": [{"sku_id": "sneaker-270", "qty": 1, "unit_price": 150000}], "total_amount": 150000, "currency": "KRW"}"#,
    },
    EventType {
        name: "RefundRequired",
        when: "A captured payment bought nothing, or its order was cancelled or returned: it is to be refunded.",
        example: r#"{"gateway": "standard", "payment_id": "pay_1", "hold_id": "019a9e7c-4b5a-7c3d-8e9f-0123456789ab",
  "order_id": "019a9e7d-0c1a-7d10-9a55-0123456789ab", "user_id": "홍길동", "amount": 150000, "currency": "KRW",
  "reason": "order_cancelled"}"#,
    },
    EventType {
        name: "RefundCompleted",
        when: "A refund is completed: the buyer has `amount` back. Of it, `refunded_outside` went back at the gateway and not \
               through Holdfast; `PaymentRefundedOutside` or `PaymentDisputed` reports that part as well.",
        example: r#"{"gateway": "standard", "payment_id": "pay_1", "hold_id": "019a9e7c-4b5a-7c3d-8e9f-0123456789ab",
  "hold_ref": "019a9e7c4b5a7c3d8e9f0123456789ab01", "user_id": "홍길동", "amount": 150000, "currency": "KRW",
  "reason": "hold_expired", "failure": null, "refunded_outside": 0}"#,
    },
    EventType {
        name: "RefundFailed",
        when: "A refund failed: it is a dead letter, which an operator replays or settles.",
        example: r#"{"gateway": "standard", "payment_id": "pay_1", "hold_id": "019a9e7c-4b5a-7c3d-8e9f-0123456789ab",
  "hold_ref": "019a9e7c4b5a7c3d8e9f0123456789ab01", "user_id": "홍길동", "amount": 150000, "currency": "KRW",
  "reason": "hold_expired", "failure": "the gateway answered 403"}"#,
    },
    EventType {
        name: "StockAdjusted",
        when: "An operator adjusted a SKU's stock.",
        example: r#"{"sale_id": "spring-drop", "sku_id": "sneaker-270", "delta": 50, "reason": "two more boxes"}"#,
    },
    EventType {
        name: "AuditFinding",
        when: "The audit found a violated invariant.",
        example: r#"{"finding_id": "019a9e7e-1111-7000-8000-0123456789ab", "check": "counter_sum", "subject": "spring-drop/sneaker-270",
  "sale_id": "spring-drop", "expected": 100, "found": 99, "saw": {"total": 99}, "seen_at": "2026-01-15T05:10:00.000Z"}"#,
    },
    EventType {
        name: "OrderCancelled",
        when: "An order was cancelled, `by` an `operator` or its `buyer`: its stock is available again, and its payment is refunded.",
        example: r#"{"order_id": "019a9e7d-0c1a-7d10-9a55-0123456789ab", "hold_id": "019a9e7c-4b5a-7c3d-8e9f-0123456789ab",
  "sale_id": "spring-drop", "user_id": "홍길동", "status": "CANCELLED", "before": "CONFIRMED",
  "by": "buyer", "items": [{"sku_id": "sneaker-270", "qty": 1, "unit_price": 150000}], "total_amount": 150000, "currency": "KRW",
  "reason": "the buyer asked"}"#,
    },
    EventType {
        name: "OrderStatusChanged",
        when: "An order's status changed to PREPARING, SHIPPED, DELIVERED or RETURNED. A returned one is refunded.",
        example: r#"{"order_id": "019a9e7d-0c1a-7d10-9a55-0123456789ab", "hold_id": "019a9e7c-4b5a-7c3d-8e9f-0123456789ab",
  "sale_id": "spring-drop", "user_id": "홍길동", "status": "SHIPPED", "before": "PREPARING", "tracking": "CJ 1234-5678"}"#,
    },
    EventType {
        name: "HoldChanged",
        when: "A hold's lines changed.",
        example: r#"{"hold_id": "019a9e7c-4b5a-7c3d-8e9f-0123456789ab", "sale_id": "spring-drop", "user_id": "홍길동", "version": 2,
  "items": [{"sku_id": "sneaker-280", "qty": 1, "unit_price": 150000}], "total_amount": 150000, "currency": "KRW"}"#,
    },
    EventType {
        name: "CouponIssued",
        when: "A coupon was issued to a user.",
        example: r#"{"issue_id": "019a9e7f-2222-7000-8000-0123456789ab", "coupon_id": "welcome", "user_id": "홍길동", "sale_id": null}"#,
    },
    EventType {
        name: "CouponUsed",
        when: "A coupon was used by an order.",
        example: r#"{"issue_id": "019a9e7f-2222-7000-8000-0123456789ab", "coupon_id": "welcome", "user_id": "홍길동",
  "order_id": "019a9e7d-0c1a-7d10-9a55-0123456789ab", "sale_id": "spring-drop"}"#,
    },
    EventType {
        name: "WalletCharged",
        when: "A user's wallet was charged.",
        example: r#"{"user_id": "홍길동", "currency": "KRW", "delta": 50000, "balance": 50000,
  "charge_id": "019a9e80-3333-7000-8000-0123456789ab"}"#,
    },
    EventType {
        name: "WalletPaid",
        when: "An order was paid from a wallet.",
        example: r#"{"user_id": "홍길동", "currency": "KRW", "delta": -15000, "balance": 35000,
  "order_id": "019a9e7d-0c1a-7d10-9a55-0123456789ab"}"#,
    },
    EventType {
        name: "WalletRefunded",
        when: "An order was refunded to the wallet.",
        example: r#"{"user_id": "홍길동", "currency": "KRW", "delta": 15000, "balance": 50000,
  "order_id": "019a9e7d-0c1a-7d10-9a55-0123456789ab"}"#,
    },
    EventType {
        name: "PaymentDisputed",
        when: "A payment is disputed at its gateway, or the dispute has ended.",
        example: r#"{"gateway": "stripe", "payment_id": "pi_1", "hold_id": "019a9e7c-4b5a-7c3d-8e9f-0123456789ab",
  "order_id": "019a9e7d-0c1a-7d10-9a55-0123456789ab", "sale_id": "spring-drop", "user_id": "홍길동", "status": "open",
  "amount": 150000, "currency": "KRW"}"#,
    },
    EventType {
        name: "PaymentRefundedOutside",
        when: "A payment was refunded at the gateway and not through Holdfast, in its console for example, or a deposit was reversed.",
        example: r#"{"gateway": "stripe", "payment_id": "pi_1", "hold_id": "019a9e7c-4b5a-7c3d-8e9f-0123456789ab",
  "order_id": "019a9e7d-0c1a-7d10-9a55-0123456789ab", "sale_id": "spring-drop", "user_id": "홍길동", "kind": "refunded",
  "amount": 50000, "refunded_amount": 50000, "currency": "KRW"}"#,
    },
    EventType {
        name: "SaleChanged",
        when: "An operator changed a sale: opened, paused or closed it.",
        example: r#"{"sale_id": "spring-drop", "before": {"status": "open"}, "after": {"status": "paused"}}"#,
    },
];

/// Whether there is such a type.
#[must_use]
pub fn is_known(name: &str) -> bool {
    EVENT_TYPES.iter().any(|event| event.name == name)
}

/// Their names, for a sentence.
#[must_use]
pub fn names() -> String {
    EVENT_TYPES.map(|event| event.name).join(", ")
}
