//! `POST /dev/session`: in development anybody may be anybody. The route exists nowhere else.

use protocol::admin::FieldError;
use protocol::printable::is_printable;
use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::bounds::{DEV_SESSION_TTL_S, USER_ID_MAX_CHARS};
use crate::call::{Answered, Call};
use crate::problem::{Code, Problem};
use crate::{origin, session};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Who {
    user_id: String,
}

#[derive(Serialize)]
struct Session {
    token: String,
}

pub async fn begin(call: &mut Call) -> Answered {
    if call.header("Origin").is_some_and(|page| page != origin::of(&call.head.url)) {
        return Err(Problem::new(Code::Forbidden, "Ask from a page of this address."));
    }
    let Who { user_id } = call.json().await?;
    if !is_printable(&user_id, USER_ID_MAX_CHARS) {
        let detail = "Use 1 to 128 printable characters.".to_owned();
        return Err(Problem::invalid(vec![FieldError { pointer: "/user_id".to_owned(), detail }]));
    }
    let now_s = call.now_ms.checked_div(1_000).unwrap_or_default();
    let token = session::token::issue(&user_id, &call.config.session, now_s.saturating_add(DEV_SESSION_TTL_S))
        .ok_or_else(|| Problem::unavailable().because("SESSION_SECRET is missing or shorter than 32 bytes"))?;
    // Over plain HTTP a browser drops a cookie that says Secure.
    let secure = if call.head.url.starts_with("https:") { "; Secure" } else { "" };
    let cookie =
        format!("{}={token}; HttpOnly; SameSite=Lax; Path=/; Max-Age={DEV_SESSION_TTL_S}{secure}", session::COOKIE);
    Ok(Answer::json(200, &Session { token }).with("Set-Cookie", cookie))
}
