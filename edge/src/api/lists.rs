//! `GET /v1/reservations` and `/v1/orders`: a buyer's own holds and orders, a page at a time, for a device that
//! remembers nothing.

use protocol::admin::FieldError;
use protocol::lookup::{LookupOutcome, Page, Question};
use protocol::shop::{Hold, HoldStatus, Order};
use serde::Serialize;

use crate::api::{cursor, lookup};
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::problem::Problem;
use crate::http::query::{self, Bare, query};
use crate::http::response::Response;
use crate::http::text::{is_slug, uuid};
use crate::runtime::limits;

query! {
    pub struct HoldsQuery { sale_id, status, cursor, limit }
}

/// A page of holds; `next` is the next page's `cursor`, null: this is the last page.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HoldPage {
    reservations: Vec<Hold>,
    next: Option<String>,
}

/// A page of orders; `next` is the next page's `cursor`, null: this is the last page.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OrderPage {
    orders: Vec<Order>,
    next: Option<String>,
}

/// `GET /v1/reservations`.
pub async fn holds(context: &RequestContext) -> HandlerResult {
    let user_id = context.user_id()?;
    let list = List::of("holds", &context.head.url).map_err(Problem::invalid)?;
    match lookup::ask(context, Question::Holds { user_id, status: list.status, page: list.page() }).await? {
        LookupOutcome::Holds { holds, next } => {
            Ok(Response::json(200, &HoldPage { reservations: holds, next: list.next(next) }))
        }
        _ => Err(Problem::unavailable().because("lookup answered another question")),
    }
}

/// `GET /v1/orders`: the list, or with `hold_id` the one order of that hold.
pub async fn orders(context: &RequestContext) -> HandlerResult {
    let user_id = context.user_id()?;
    if let Some(hold_id) = lookup::hold_of(&context.head.url)? {
        return lookup::order_of_hold(context, user_id, hold_id).await;
    }
    let list = List::of("orders", &context.head.url).map_err(Problem::invalid)?;
    match lookup::ask(context, Question::Orders { user_id, page: list.page() }).await? {
        LookupOutcome::Orders { orders, next } => Ok(Response::json(200, &OrderPage { orders, next: list.next(next) })),
        _ => Err(Problem::unavailable().because("lookup answered another question")),
    }
}

/// The filters, the cursor and the limit of a list.
#[derive(Debug, PartialEq)]
struct List {
    name: &'static str,
    sale_id: Option<String>,
    status: Option<HoldStatus>,
    before: Option<String>,
    limit: i32,
}

impl List {
    fn of(name: &'static str, url: &str) -> Result<Self, Vec<FieldError>> {
        let HoldsQuery { sale_id, status, cursor, limit } = Self::query(name, url);
        let mut errors = Vec::new();
        let mut field_error = |pointer: &str, detail: &str| {
            errors.push(FieldError { pointer: pointer.to_owned(), detail: detail.to_owned() });
        };
        if sale_id.as_deref().is_some_and(|sale_id| !is_slug(sale_id)) {
            field_error("/sale_id", "Use 1 to 64 of a-z, 0-9 and -, not beginning with -.");
        }
        let known = |name: &str| HoldStatus::ALL.into_iter().find(|status| status.name() == name);
        let found = status.as_deref().and_then(known);
        if status.is_some() && found.is_none() {
            field_error("/status", "Send HOLD, COMMITTED, EXPIRED or RELEASED.");
        }
        let limit = query::limit(limit.as_deref());
        if limit.is_none() {
            field_error("/limit", "Send 1 to 100.");
        }
        let limit = limit.unwrap_or(limits::PAGE_DEFAULT);
        let mut list = Self { name, sale_id, status: found, before: None, limit };
        if let Some(cursor) = cursor {
            list.before = cursor::read(&list.filters(), &cursor).and_then(|last| uuid(&last));
            if list.before.is_none() {
                field_error("/cursor", "Send the last page's `next`, with the filters of that page.");
            }
        }
        if errors.is_empty() { Ok(list) } else { Err(errors) }
    }

    /// Orders are not filtered by a status.
    fn query(name: &str, url: &str) -> HoldsQuery {
        if name == "holds" {
            return HoldsQuery::read(url, Bare::LeftOut);
        }
        let lookup::OrdersQuery { sale_id, cursor, limit, .. } = lookup::OrdersQuery::read(url, Bare::LeftOut);
        HoldsQuery { sale_id, status: None, cursor, limit }
    }

    fn filters(&self) -> [&str; 3] {
        [self.name, self.sale_id.as_deref().unwrap_or_default(), self.status.map_or("", HoldStatus::name)]
    }

    fn page(&self) -> Page {
        Page { sale_id: self.sale_id.clone(), before: self.before.clone(), limit: self.limit }
    }

    fn next(&self, last: Option<String>) -> Option<String> {
        last.map(|last| cursor::write(&self.filters(), &last))
    }
}

/// For the fuzzer: whatever is let through is a page of one list, and its cursor leads there again and to no other list.
#[cfg(any(test, feature = "fuzz"))]
pub fn assert_lists(url: &str) {
    for (name, other) in [("holds", "orders"), ("orders", "holds")] {
        let Ok(list) = List::of(name, url) else { continue };
        assert!((1..=limits::PAGE_MAX).contains(&list.limit) && list.sale_id.as_deref().is_none_or(is_slug));
        assert!(list.status.is_none() || name == "holds");
        let Some(last) = list.before.clone() else { continue };
        assert_eq!(uuid(&last), Some(last.clone()));
        let cursor = list.next(Some(last.clone())).unwrap_or_default();
        assert_eq!(cursor::read(&list.filters(), &cursor), Some(last));
        assert_eq!(cursor::read(&List { name: other, ..list }.filters(), &cursor), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "019a9e7c-4b5a-7c3d-8e9f-0123456789ab";

    fn pointers(name: &'static str, query: &str) -> Vec<String> {
        let list = List::of(name, &format!("http://edge/v1/{name}{query}"));
        list.err().into_iter().flatten().map(|error| error.pointer).collect()
    }

    #[test]
    fn a_list_query_takes_filters_cursor_and_limit() {
        let list = List::of("holds", "http://edge/v1/reservations?sale_id=drop&status=HOLD&limit=100");
        let want = List {
            name: "holds",
            sale_id: Some("drop".to_owned()),
            status: Some(HoldStatus::Hold),
            before: None,
            limit: 100,
        };
        assert_eq!(list, Ok(want));
        for (query, error) in [
            ("?sale_id=Drop", "/sale_id"),
            ("?sale_id=", "/sale_id"),
            ("?status=hold", "/status"),
            ("?status=", "/status"),
            ("?limit=0", "/limit"),
            ("?limit=101", "/limit"),
            ("?limit=many", "/limit"),
            ("?limit=", "/limit"),
            ("?cursor=", "/cursor"),
            ("?cursor=1", "/cursor"),
        ] {
            assert_eq!(pointers("holds", query), [error], "{query}");
        }
        assert_eq!(pointers("orders", "?sale_id=A&limit=0&cursor=x"), ["/sale_id", "/limit", "/cursor"]);
    }

    #[test]
    fn a_cursor_belongs_to_its_list_and_its_filters() {
        let list = List::of("holds", "http://edge/v1/reservations?sale_id=drop").unwrap();
        let next = list.next(Some(ID.to_owned())).unwrap();
        let again = List::of("holds", &format!("http://edge/v1/reservations?cursor={next}&sale_id=drop&limit=1"));
        assert_eq!(again.map(|list| list.before), Ok(Some(ID.to_owned())));
        for query in ["?", "?sale_id=another&", "?sale_id=drop&status=HOLD&"] {
            assert_eq!(pointers("holds", &format!("{query}cursor={next}")), ["/cursor"], "{query}");
        }
        assert_eq!(pointers("orders", &format!("?sale_id=drop&cursor={next}")), ["/cursor"]);
        assert_eq!(list.next(None), None);
    }
}
