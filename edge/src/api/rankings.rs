//! `GET /v1/rankings/skus` and `/v1/rankings/sales`. Each isolate keeps a copy for ten seconds, all hundred rows of it, and
//! shows as many as are asked for.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use protocol::field_error::FieldError;
use protocol::lookup::{LookupOutcome, Question};
use protocol::ranking::{RankedSale, RankedSku, Ranking, Window};
use serde::Serialize;
use worker::Delay;

use crate::api::lookup;
use crate::api::sales::cache::{CacheLookup, Fetched, SaleCache};
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::problem::Problem;
use crate::http::query::{self, Bare, query};
use crate::http::response::Response;
use crate::runtime::digest::fnv1a;
use crate::runtime::{clock, limits};

query! {
    pub struct SkuRankingQuery { window, limit }
}

query! {
    pub struct SaleRankingQuery { limit }
}

/// The most sold SKUs of a window. Of as many sold, the one that was sold earlier for the first time is first.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SkuRanking {
    window: Window,
    /// Later orders are not counted: half a minute ago at most.
    as_of: String,
    skus: Vec<SkuRank>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SkuRank {
    /// From 1.
    rank: u32,
    sale_id: String,
    sku_id: String,
    name: String,
    /// Pieces in orders that were confirmed in the window and not cancelled since.
    sold: u64,
}

/// The sales that were sold out fastest.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SaleRanking {
    as_of: String,
    sales: Vec<RankedSale>,
}

/// A copy, as it came from the function.
enum Kept {
    Skus(Ranking<RankedSku>),
    Sales(Ranking<RankedSale>),
}

thread_local! {
    static CACHE: RefCell<SaleCache<Rc<Kept>>> = RefCell::new(SaleCache::fresh_for(limits::RANKING_FRESH_MS));
}

/// `GET /v1/rankings/skus`.
pub async fn skus(context: &RequestContext) -> HandlerResult {
    let (window, limit) = asked(&context.head.url).map_err(Problem::invalid)?;
    let kept = copy(context, window.name(), Question::SkuRanking { window }).await?;
    into_response(&sku_ranking(&kept, window, limit)?, context.header("If-None-Match"))
}

/// `GET /v1/rankings/sales`.
pub async fn sales(context: &RequestContext) -> HandlerResult {
    let SaleRankingQuery { limit } = SaleRankingQuery::read(&context.head.url, Bare::Empty);
    let limit = limit_of(limit.as_deref(), limits::PAGE_DEFAULT).map_err(|error| Problem::invalid(vec![error]))?;
    let kept = copy(context, "sales", Question::SaleRanking).await?;
    into_response(&sale_ranking(&kept, limit)?, context.header("If-None-Match"))
}

/// What the page shows: the most sold SKUs and the fastest sold out sales.
pub async fn for_page(context: &RequestContext, window: Window) -> Result<(Vec<RankedSku>, Vec<RankedSale>), Problem> {
    let skus = copy(context, window.name(), Question::SkuRanking { window }).await?;
    let sales = copy(context, "sales", Question::SaleRanking).await?;
    let (Kept::Skus(skus), Kept::Sales(sales)) = (&*skus, &*sales) else { return Err(another()) };
    Ok((first(&skus.ranked, limits::RANKING_DEFAULT), first(&sales.ranked, limits::RANKING_DEFAULT)))
}

/// The window and how many.
fn asked(url: &str) -> Result<(Window, usize), Vec<FieldError>> {
    let SkuRankingQuery { window, limit } = SkuRankingQuery::read(url, Bare::Empty);
    let window = window.map_or(Some(Window::Day), |name| Window::named(&name));
    let window = window.ok_or_else(|| field_error("/window", "Send 1h, 24h or 7d."));
    match (window, limit_of(limit.as_deref(), limits::RANKING_DEFAULT)) {
        (Ok(window), Ok(limit)) => Ok((window, limit)),
        (window, limit) => Err([window.err(), limit.err()].into_iter().flatten().collect()),
    }
}

fn limit_of(given: Option<&str>, default: i32) -> Result<usize, FieldError> {
    let limit = if given.is_none() { Some(default) } else { query::limit(given) };
    limit.and_then(|limit| usize::try_from(limit).ok()).ok_or_else(|| field_error("/limit", "Send 1 to 100."))
}

fn field_error(pointer: &str, detail: &str) -> FieldError {
    FieldError { pointer: pointer.to_owned(), detail: detail.to_owned() }
}

/// While one request fetches, the others get the former copy, or wait for the first one.
async fn copy(context: &RequestContext, name: &str, question: Question) -> Result<Rc<Kept>, Problem> {
    let give_up_ms = context.now_ms.saturating_add(limits::SALE_WAIT_MS);
    loop {
        let now_ms = clock::now_ms();
        match CACHE.with_borrow_mut(|cache| cache.look(name, now_ms)) {
            CacheLookup::Use(kept) => return Ok(kept),
            CacheLookup::Wait | CacheLookup::Busy if now_ms < give_up_ms => {
                Delay::from(Duration::from_millis(limits::SALE_POLL_MS)).await;
            }
            _ => break,
        }
    }
    let kept = match lookup::ask(context, question).await {
        Ok(LookupOutcome::SkuRanking { ranking }) => Ok(Rc::new(Kept::Skus(ranking))),
        Ok(LookupOutcome::SaleRanking { ranking }) => Ok(Rc::new(Kept::Sales(ranking))),
        Ok(_) => Err(another()),
        Err(problem) => Err(problem),
    };
    CACHE.with_borrow_mut(|cache| {
        let fetched = kept.as_ref().map_or(Fetched::Failed, |kept| Fetched::Found(Rc::clone(kept)));
        cache.fetched(name, fetched, clock::now_ms());
    });
    // An old ranking says how old it is.
    kept.or_else(|problem| CACHE.with_borrow(|cache| cache.last_resort(name, clock::now_ms())).ok_or(problem))
}

fn another() -> Problem {
    Problem::unavailable().because("lookup answered another question")
}

fn first<T: Clone>(rows: &[T], limit: i32) -> Vec<T> {
    rows.iter().take(usize::try_from(limit).unwrap_or_default()).cloned().collect()
}

fn sku_ranking(kept: &Kept, window: Window, limit: usize) -> Result<SkuRanking, Problem> {
    let Kept::Skus(ranking) = kept else { return Err(another()) };
    let row = |sku: &RankedSku| {
        let RankedSku { rank, sale_id, sku_id, name, sold, .. } = sku.clone();
        SkuRank { rank, sale_id, sku_id, name, sold }
    };
    let skus = ranking.ranked.iter().take(limit).map(row).collect();
    Ok(SkuRanking { window, as_of: ranking.as_of.clone(), skus })
}

fn sale_ranking(kept: &Kept, limit: usize) -> Result<SaleRanking, Problem> {
    let Kept::Sales(ranking) = kept else { return Err(another()) };
    Ok(SaleRanking { as_of: ranking.as_of.clone(), sales: ranking.ranked.iter().take(limit).cloned().collect() })
}

fn into_response<T: Serialize>(ranking: &T, if_none_match: Option<&str>) -> HandlerResult {
    let answer = Response::json(200, ranking);
    let etag = format!("\"{:016x}\"", fnv1a(&answer.body));
    Ok(answer
        .with("ETag", etag)
        .with("Cache-Control", format!("public, max-age={}", limits::RANKING_MAX_AGE_S))
        .unless_known(if_none_match))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_one_of_three_and_a_day_unless_said() {
        let of = |query: &str| {
            let asked = asked(&format!("https://edge/v1/rankings/skus{query}"));
            asked.map_err(|errors| errors.into_iter().map(|error| error.pointer).collect::<Vec<_>>())
        };
        assert_eq!(of(""), Ok((Window::Day, 10)));
        assert_eq!(of("?window=1h"), Ok((Window::Hour, 10)));
        assert_eq!(of("?limit=100&window=7d"), Ok((Window::Week, 100)));
        for other in ["2h", "1H", "24", "", "1h%20", "1d"] {
            assert_eq!(of(&format!("?window={other}")), Err(vec!["/window".to_owned()]), "{other}");
        }
        for (query, pointers) in [("limit=0", vec!["/limit"]), ("limit=101&window=x", vec!["/window", "/limit"])] {
            assert_eq!(of(&format!("?{query}")), Err(pointers.into_iter().map(str::to_owned).collect()), "{query}");
        }
    }

    #[test]
    fn a_ranking_is_shown_as_far_as_is_asked_and_kept_for_ten_seconds() {
        let of_function = r#"{"as_of":"2026-01-15T05:05:00.000Z","ranked":[
            {"rank":1,"sale_id":"s","sku_id":"a","name":"A","sold":3,"sale_name":"Spring"},
            {"rank":2,"sale_id":"s","sku_id":"b","name":"B","sold":2,"sale_name":"Spring"}]}"#;
        let kept = Kept::Skus(serde_json::from_str(of_function).unwrap());
        let shown = sku_ranking(&kept, Window::Day, 1).unwrap_or_else(|_| panic!("it is a ranking of SKUs"));
        let answer = into_response(&shown, None).unwrap_or_else(Response::from);
        let json = r#"{"window":"24h","as_of":"2026-01-15T05:05:00.000Z","skus":[{"rank":1,"sale_id":"s","sku_id":"a","name":"A","sold":3}]}"#;
        assert_eq!(String::from_utf8_lossy(&answer.body), json);
        assert_eq!(answer.header("Cache-Control"), Some("public, max-age=10"));
        let known = into_response(&shown, answer.header("ETag")).unwrap_or_else(Response::from);
        assert_eq!(known.status, 304);
        assert!(sale_ranking(&kept, 1).is_err());
    }
}
