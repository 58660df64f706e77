//! `POST /dev/session`: in development, a session for any user. The route exists nowhere else.

use protocol::admin::FieldError;
use protocol::printable::is_printable;
use serde::{Deserialize, Serialize};

use crate::auth::session;
use crate::http::context::{HandlerResult, RequestContext};
use crate::http::origin;
use crate::http::problem::{Code, Problem};
use crate::http::response::Response;
use crate::runtime::limits::{DEV_SESSION_TTL_S, USER_ID_MAX_CHARS};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Who {
    user_id: String,
}

#[derive(Serialize)]
struct Session {
    token: String,
}

pub async fn begin(context: &mut RequestContext) -> HandlerResult {
    if context.header("Origin").is_some_and(|page| page != origin::of(&context.head.url)) {
        return Err(Problem::new(Code::Forbidden, "Ask from a page of this address."));
    }
    let Who { user_id } = context.json().await?;
    if !is_printable(&user_id, USER_ID_MAX_CHARS) {
        let detail = "Use 1 to 128 printable characters.".to_owned();
        return Err(Problem::invalid(vec![FieldError { pointer: "/user_id".to_owned(), detail }]));
    }
    let now_s = context.now_ms.checked_div(1_000).unwrap_or_default();
    let token = session::token::issue(&user_id, &context.config.session, now_s.saturating_add(DEV_SESSION_TTL_S))
        .ok_or_else(|| Problem::unavailable().because("SESSION_SECRET is missing or shorter than 32 bytes"))?;
    // Over plain HTTP a browser drops a cookie that says Secure.
    let secure = if context.head.url.starts_with("https:") { "; Secure" } else { "" };
    let cookie =
        format!("{}={token}; HttpOnly; SameSite=Lax; Path=/; Max-Age={DEV_SESSION_TTL_S}{secure}", session::COOKIE);
    Ok(Response::json(200, &Session { token }).with("Set-Cookie", cookie))
}
