//! The payment page's two requests: `GET /pay` shows it, `POST /pay` does what was pressed and sends the buyer back to
//! the shop. Everything the page needs travels in its form, so that nothing is kept for buyers who never press.

use std::time::Duration;

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use reqwest::Url;
use serde::Deserialize;
use uuid::Uuid;

use super::books::Charge;
use super::gateways::{Busy, Gateways, Manner, Plan};
use super::locale::Locale;
use super::shop::with_result;
use super::{page, payments};

/// "After the hold has ended" is this much after: past any rounding of `expire_at`, and past what a question about its
/// payment may move it by (`asking_extension_max` in schema/routines/capture.sql).
const LATE: Duration = Duration::from_secs(11);
pub const DELAY_MAX_S: u64 = 3_600;
pub const REPEAT_MAX: u32 = 100;

/// The order as the shop wrote it into the address, and as the form sends it again. All text, so that an unreadable
/// value is refused with our sentence and not with the parser's.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct PageQuery {
    pub hold_id: String,
    pub user_id: String,
    pub amount: String,
    pub currency: String,
    pub name: String,
    pub expire_at: String,
    pub return_url: String,
}

#[derive(Deserialize)]
pub struct Choice {
    #[serde(flatten)]
    asked: PageQuery,
    action: Action,
    /// Made anew each time the page is shown: a double click carries the same one.
    #[serde(default)]
    checkout: String,
    #[serde(default)]
    delay_s: String,
    #[serde(default)]
    times: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Pay,
    Decline,
    PayTwice,
    PayLate,
    Delay,
    Repeat,
    RepeatFresh,
    WrongAmount,
}

/// An order that can be paid.
pub struct Order {
    pub charge: Charge,
    pub name: String,
    pub expire_at: Timestamp,
    pub return_to: Url,
}

pub async fn show(
    State(gateways): State<Gateways>,
    headers: HeaderMap,
    asked: Result<Query<PageQuery>, QueryRejection>,
) -> Response {
    let locale = Locale::of(&headers);
    let Ok(Query(asked)) = asked else { return page::refusal(locale, StatusCode::BAD_REQUEST, "address") };
    match read(&gateways, &asked) {
        Ok(order) => {
            let checkout = Uuid::new_v4().simple().to_string();
            page::checkout(locale, &gateways.shop.origin(), &asked, &order, &checkout, Timestamp::now())
        }
        Err(field) => page::refusal(locale, StatusCode::BAD_REQUEST, field),
    }
}

pub async fn choose(
    State(gateways): State<Gateways>,
    headers: HeaderMap,
    choice: Result<Form<Choice>, FormRejection>,
) -> Response {
    let locale = Locale::of(&headers);
    let Ok(Form(choice)) = choice else { return page::refusal(locale, StatusCode::BAD_REQUEST, "form") };
    let order = match read(&gateways, &choice.asked) {
        Ok(order) => order,
        Err(field) => return page::refusal(locale, StatusCode::BAD_REQUEST, field),
    };
    if choice.action == Action::Decline {
        let payment_id = gateways.decline(&order.charge);
        return back(&order, &payment_id, "declined");
    }
    let plan = match choice.plan(&order) {
        Ok(plan) => plan,
        Err(field) => return page::refusal(locale, StatusCode::BAD_REQUEST, field),
    };
    let pressed = (!choice.checkout.is_empty()).then(|| format!("{} {:?}", choice.checkout, choice.action));
    match gateways.capture(&choice.action.charges(&order.charge), Manner::default(), &plan, pressed) {
        Ok(payment_id) => back(&order, &payment_id, "paid"),
        Err(Busy) => page::refusal(locale, StatusCode::SERVICE_UNAVAILABLE, "busy"),
    }
}

/// 303: the browser fetches the shop's page with GET, and reloading that page does not pay again.
fn back(order: &Order, payment_id: &str, result: &str) -> Response {
    Redirect::to(with_result(order.return_to.clone(), payment_id, result).as_str()).into_response()
}

/// The order, or the name of the first field that cannot be used.
fn read(gateways: &Gateways, asked: &PageQuery) -> Result<Order, &'static str> {
    let charge = Charge {
        hold_id: asked.hold_id.clone(),
        user_id: asked.user_id.clone(),
        amount: asked.amount.parse().map_err(|_| "amount")?,
        currency: asked.currency.clone(),
    };
    payments::check(&charge).map_err(|detail| detail.split(':').next().unwrap_or(detail))?;
    if asked.name.chars().count() > 300 {
        return Err("name");
    }
    let expire_at = asked.expire_at.parse().map_err(|_| "expire_at")?;
    let return_to = gateways.shop.return_to(&asked.return_url).ok_or("return_url")?;
    Ok(Order { charge, name: asked.name.clone(), expire_at, return_to })
}

impl Choice {
    /// When and how often it is reported to the shop, or the name of the field that is out of bounds.
    fn plan(&self, order: &Order) -> Result<Plan, &'static str> {
        let now = Plan::now();
        let times = || self.times.parse().ok().filter(|n| (2..=REPEAT_MAX).contains(n)).ok_or("times");
        Ok(match self.action {
            Action::Pay | Action::Decline | Action::PayTwice | Action::WrongAmount => now,
            Action::PayLate => {
                let ended = order.expire_at.checked_add(LATE).map_err(|_| "expire_at")?;
                Plan { not_before: now.not_before.max(ended), ..now }
            }
            Action::Delay => {
                let delay_s = self.delay_s.parse().ok().filter(|s| *s <= DELAY_MAX_S).ok_or("delay_s")?;
                Plan { not_before: now.not_before + Duration::from_secs(delay_s), ..now }
            }
            Action::Repeat => Plan { times: times()?, ..now },
            Action::RepeatFresh => Plan { times: times()?, fresh_ids: true, ..now },
        })
    }
}

impl Action {
    fn charges(self, charge: &Charge) -> Vec<Charge> {
        match self {
            Self::PayTwice => vec![charge.clone(), charge.clone()],
            Self::WrongAmount => vec![Charge { amount: wrong(charge.amount), ..charge.clone() }],
            _ => vec![charge.clone()],
        }
    }
}

/// One unit too little; where nothing would be left to pay, one too much.
pub fn wrong(amount: i64) -> i64 {
    if amount > 1 { amount - 1 } else { amount + 1 }
}
