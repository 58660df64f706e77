//! Who is calling, and how many requests a caller, a user or an address may send.

pub mod address_limit;
pub mod dev_session;
pub mod operator;
pub mod rate_limit;
pub mod session;
pub mod user_limit;

use crate::auth::operator::Role;
use crate::auth::session::Buyer;
use crate::http::context::RequestContext;
use crate::http::origin;
use crate::http::problem::{Code, Problem};
use crate::http::request::RequestHead;

/// The buyer who is calling: counted against the user's limit.
///
/// # Errors
/// `unauthenticated`; `rate_limited`; `forbidden`: by a cookie, from a page of another origin; `malformed_request`: of a
/// request without a body, a parameter that the route does not know.
pub fn buyer(context: &RequestContext) -> Result<String, Problem> {
    let Buyer { user_id, by_cookie } = session_of(context)?;
    user_limit::charge(&user_id, context.now_ms)?;
    if by_cookie {
        cookie_may_act(context)?;
    }
    context.query_of_no_body()?;
    Ok(user_id)
}

/// Whether a page is shown to a buyer who is signed in. This costs nothing and is not counted.
pub fn is_signed_in(context: &RequestContext) -> bool {
    session_of(context).is_ok()
}

fn session_of(context: &RequestContext) -> Result<Buyer, Problem> {
    session::buyer(context.header("Authorization"), context.header("Cookie"), &context.config.session, context.now_ms)
}

/// A cookie alone only proves that some page made the browser send it.
fn cookie_may_act(context: &RequestContext) -> Result<(), Problem> {
    let (origin, site) = (context.header("Origin"), context.header("Sec-Fetch-Site"));
    let RequestHead { method, url, .. } = &context.head;
    if origin::may_use_a_cookie(method, url, origin, site, &context.config.allowed_origins) {
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
/// `unauthenticated`, `forbidden`; `malformed_request`: of a request without a body, a parameter that the route does not
/// know.
pub fn admit(context: &mut RequestContext, least: Role) -> Result<(), Problem> {
    let operator = session::operator(context.header("Authorization"), &operator::configured(&context.config))?;
    if operator.role < least {
        let detail = format!("Use a token with the role `{}` or above.", least.name());
        let forbidden = Problem::new(Code::Forbidden, detail);
        return Err(forbidden.with("role", operator.role.name()).with("required", least.name()));
    }
    context.operator = Some(operator.name);
    context.query_of_no_body()
}
