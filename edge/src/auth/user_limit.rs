//! Limits the requests of a user, of whatever kind, so that one token cannot take all call slots. Each isolate counts
//! for itself; reservations are also counted by the user's Gate, which sees all of them.

use std::cell::RefCell;

use crate::auth::rate_limit::Buckets;
use crate::http::problem::{Code, Problem};
use crate::runtime::limits::{REQUESTS_BURST, REQUESTS_PER_S};

thread_local! {
    static REQUESTS: RefCell<Buckets> = RefCell::new(Buckets::new(REQUESTS_BURST, REQUESTS_PER_S));
}

/// # Errors
/// `rate_limited`.
pub fn charge(user_id: &str, now_ms: u64) -> Result<(), Problem> {
    let charge = REQUESTS.with_borrow_mut(|requests| requests.charge(user_id, now_ms));
    if charge.admitted {
        return Ok(());
    }
    let window_s = REQUESTS_BURST.div_ceil(REQUESTS_PER_S);
    Err(Problem::new(Code::RateLimited, "Wait as long as `Retry-After` says: this token asks for too much.")
        .header("Retry-After", charge.reset_s.to_string())
        .header("RateLimit-Policy", format!("\"requests\";q={REQUESTS_BURST};w={window_s}"))
        .header("RateLimit", format!("\"requests\";r=0;t={}", charge.reset_s)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::response::Response;

    #[test]
    fn one_token_has_a_burst_and_then_so_many_a_second_and_the_next_user_has_their_own() {
        let admitted = |user: &str, now_ms| (0..500).filter(|_| charge(user, now_ms).is_ok()).count();
        assert_eq!((admitted("one", 1_000), admitted("one", 1_000)), (60, 0));
        assert_eq!((admitted("one", 2_000), admitted("other", 2_000)), (20, 60));
        let refused = charge("one", 2_000).map_err(Response::from).err();
        let header = |name| refused.as_ref().and_then(|answer| answer.header(name));
        assert_eq!(refused.as_ref().map(|answer| answer.status), Some(429));
        assert_eq!((header("Retry-After"), header("RateLimit-Policy")), (Some("1"), Some(r#""requests";q=60;w=3"#)));
    }
}
