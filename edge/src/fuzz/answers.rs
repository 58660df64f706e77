//! Responses of gateways and Lambda: untrusted bytes like any client's, and they decide about money.

use payments::{
    Account, Captured, Dispute, Disputed, EntryDetail, GatewayApi, GatewayResponse, ListPage, LookupResult,
    PaymentSnapshot, Refunded, State,
};
use protocol::confirm::Settled;

use crate::lambda::invoke;
use crate::lambda::invoke::InvokeError;
use crate::runtime::limits;

const STATUSES: [u16; 12] = [200, 201, 202, 302, 400, 401, 403, 404, 409, 429, 500, 503];

/// A gateway and a status by the first two bytes, and what it answers: whatever is read of it is money that can be, exactly;
/// and nothing is done that the state in the answer does not say is done.
pub fn gateway(data: &[u8]) {
    let [which, status, body @ ..] = data else { return };
    let pick = |index: &u8, of: usize| usize::from(*index).checked_rem(of).unwrap_or_default();
    let name = payments::NAMES.get(pick(which, payments::NAMES.len())).copied().unwrap_or_default();
    let status = STATUSES.get(pick(status, STATUSES.len())).copied().unwrap_or_default();
    let account = Account { secret: "live_sk_1".to_owned(), live: true };
    let Some(api) = payments::api(name, account) else { return };
    let answer = GatewayResponse { status, body };
    let asked = api.snapshot(&answer);
    for asked in api.found(&answer).iter().chain([&asked]) {
        if let LookupResult::Known(truth) = asked {
            assert_eq!(status, 200);
            assert_money(name, truth);
        }
    }
    let state = if let LookupResult::Known(truth) = &asked { Some(truth.state) } else { None };
    match api.captured(&answer) {
        // PortOne's answer is no payment: it has the state, and nothing else.
        Captured::Done => assert!(status == 200 && (name == "portone" || state == Some(State::Paid))),
        Captured::Waiting => assert!(status == 200 && (name == "portone" || state == Some(State::Waiting))),
        Captured::Refused(_) => assert!(status == 200 || (400..500).contains(&status)),
        Captured::Unknown(_) => {}
    }
    match api.refunded(&answer) {
        Refunded::Done | Refunded::Requested => assert!((200..300).contains(&status)),
        // What is busy or does not know us may do it yet.
        Refunded::Refused(_) => assert!(status < 500 && status != 429),
        Refunded::Already | Refunded::Unknown(_) => {}
    }
    assert!(!api.was_voided(&answer) || state == Some(State::Failed));
    lists(name, api.as_ref(), &answer);
    for currency in ["KRW", "USD", "BHD", "XXX"] {
        if let Some(dispute) = api.dispute(&answer, currency) {
            assert_eq!(status, 200);
            assert_dispute(&dispute);
        }
    }
}

/// As a page of each of the gateway's lists: its entry of a payment must agree with a lookup of it, and the next page
/// begins somewhere.
fn lists(name: &str, api: &dyn GatewayApi, answer: &GatewayResponse) {
    for list in api.lists() {
        for cursor in ["", "1"] {
            let page = ListPage { list, from_s: 1_700_000_000, until_s: 1_800_000_000, cursor };
            let Ok(listed) = api.listed(&page, answer) else { continue };
            assert_eq!(answer.status, 200);
            assert!(listed.next.as_deref().is_none_or(|next| !next.is_empty()), "{name} {list}");
            for entry in &listed.entries {
                assert!(!entry.payment_id.is_empty(), "{name} {list}");
                match &entry.detail {
                    EntryDetail::Snapshot(truth) => assert_money(name, truth),
                    EntryDetail::Disputed(dispute) => assert_dispute(dispute),
                    EntryDetail::Taken | EntryDetail::Changed { .. } => {}
                }
            }
        }
    }
}

fn assert_dispute(dispute: &Dispute) {
    assert!(dispute.amount >= 0 && dispute.lost_before >= 0, "{dispute:?}");
}

fn assert_money(gateway: &str, truth: &PaymentSnapshot) {
    let unit = payments::unit(gateway, &truth.currency);
    assert!((0..=limits::AMOUNT_MAX).contains(&truth.amount) && truth.refunded >= 0);
    assert!(truth.refunding.is_none_or(|amount| amount >= 0) && truth.left() <= truth.amount);
    if let Disputed::Yes(dispute) = &truth.disputed {
        assert_dispute(dispute);
    }
    // What was read in the gateway's unit is written in it as the same.
    let written = unit.and_then(|unit| unit.write(truth.amount));
    assert_eq!(written.and_then(|text| unit.and_then(|unit| unit.read(&text))), Some(truth.amount));
}

/// Whether it broke by the first byte, and what it said: an outcome only of a function that did not break, and said again it
/// is the same.
pub fn lambda(data: &[u8]) {
    let Some((flags, body)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(body) else { return };
    let broke = flags & 1 == 1;
    let status = if flags & 2 == 0 { 200 } else { 429 };
    match invoke::read::<Settled>(status, broke, text) {
        Ok(settled) => {
            assert!(!broke && status == 200);
            let again = serde_json::to_string(&settled).unwrap_or_default();
            assert_eq!(invoke::read::<Settled>(200, false, &again), Ok(settled));
        }
        Err(error) => {
            let of_this_request =
                matches!(error, InvokeError::Rejected | InvokeError::Unreadable(_) | InvokeError::Throttled);
            assert_eq!(error.is_the_functions(), !of_this_request);
        }
    }
    let _ = invoke::read::<protocol::lookup::LookupOutcome>(status, broke, text);
    let _ = invoke::read::<protocol::reserve::BatchResponse>(status, broke, text);
    let _ = invoke::read::<protocol::admin::AdminOutcome>(status, broke, text);
}
