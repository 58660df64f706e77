//! Who is calling, and how much a caller, a user or an address may ask.

pub mod address_limit;
pub mod dev_session;
pub mod operator;
pub mod session;
pub mod user_limit;

use crate::auth::operator::Role;
use crate::auth::session::Buyer;
use crate::http::context::Call;
use crate::http::origin;
use crate::http::problem::{Code, Problem};
use crate::runtime::js::Head;

/// The buyer who is calling: counted against the user's limit.
///
/// # Errors
/// `unauthenticated`; `rate_limited`; `forbidden`: by a cookie, from a page of another origin; `malformed_request`: of a
/// request without a body, a parameter that the route does not know.
pub fn buyer(call: &Call) -> Result<String, Problem> {
    let Buyer { user_id, by_cookie } = session_of(call)?;
    user_limit::charge(&user_id, call.now_ms)?;
    if by_cookie {
        cookie_may_act(call)?;
    }
    call.query_of_no_body()?;
    Ok(user_id)
}

/// Whether a page is shown to a buyer who is signed in. This costs nothing and is not counted.
pub fn is_signed_in(call: &Call) -> bool {
    session_of(call).is_ok()
}

fn session_of(call: &Call) -> Result<Buyer, Problem> {
    session::buyer(call.header("Authorization"), call.header("Cookie"), &call.config.session, call.now_ms)
}

/// A cookie alone only proves that some page made the browser send it.
fn cookie_may_act(call: &Call) -> Result<(), Problem> {
    let (origin, site) = (call.header("Origin"), call.header("Sec-Fetch-Site"));
    let Head { method, url, .. } = &call.head;
    if origin::may_use_a_cookie(method, url, origin, site, &call.config.allowed_origins) {
        return Ok(());
    }
    Err(Problem::new(
        Code::Forbidden,
        "Send the token as `Authorization: Bearer …`: a cookie counts for pages of this address alone.",
    )
    .because("a change by cookie from a page of another origin"))
}

/// Admits an operator who has at least this role; the dispatcher calls it before an operator's route begins.
///
/// # Errors
/// `unauthenticated`, `forbidden`.
pub fn admit(call: &mut Call, least: Role) -> Result<(), Problem> {
    let operator = session::operator(call.header("Authorization"), &operator::configured(&call.config))?;
    if operator.role < least {
        let detail = format!("Ask somebody whose token has the role `{}`.", least.name());
        let forbidden = Problem::new(Code::Forbidden, detail);
        return Err(forbidden.with("role", operator.role.name()).with("required", least.name()));
    }
    call.operator = Some(operator.name);
    Ok(())
}

/// The name of the operator who was admitted.
///
/// # Errors
/// `unauthenticated`: nobody was admitted, because the route has no role. `malformed_request`: of a request without a
/// body, a parameter that the route does not know.
pub fn operator(call: &Call) -> Result<&str, Problem> {
    call.query_of_no_body()?;
    call.operator.as_deref().ok_or_else(|| session::unauthenticated(None))
}
