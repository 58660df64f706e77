//! Credentials: the buyer's session token (`token`) and the operator's token.

pub mod token;

use crate::auth::operator::{Operator, Operators};
use crate::http::problem::{Code, Problem};
use crate::runtime::limits;
use token::Mistake;

use crate::runtime::config::SessionRules;

pub const COOKIE: &str = "holdfast_session";
/// The same with the prefix that makes a browser accept it from this host only, over HTTPS.
pub const HOST_COOKIE: &str = "__Host-holdfast_session";

/// An authenticated buyer.
#[derive(Debug, PartialEq, Eq)]
pub struct Buyer {
    pub user_id: String,
    /// By cookie: a browser sends it with every request to this host, whichever page made it. Only a script can send
    /// the header.
    pub by_cookie: bool,
}

/// The buyer, by the Authorization header if it is a `Bearer`, else by a cookie. A browser may send several cookies of
/// the name, from different paths or domains: a valid one counts.
///
/// # Errors
/// `unauthenticated`, with what is wrong with the token.
pub fn buyer(auth: Option<&str>, cookies: Option<&str>, rules: &SessionRules, now_ms: u64) -> Result<Buyer, Problem> {
    if let Some(token) = auth.and_then(bearer) {
        let user_id = token::subject(token, rules, now_ms).map_err(|mistake| unauthenticated(Some(mistake)))?;
        return Ok(Buyer { user_id, by_cookie: false });
    }
    let mut first_mistake = None;
    for token in candidates(cookies.unwrap_or_default()) {
        match token::subject(token, rules, now_ms) {
            Ok(user_id) => return Ok(Buyer { user_id, by_cookie: true }),
            Err(mistake) => first_mistake = first_mistake.or(Some(mistake)),
        }
    }
    Err(unauthenticated(first_mistake))
}

/// The operator, by the Authorization header alone.
///
/// # Errors
/// `unauthenticated`.
pub fn operator(auth: Option<&str>, operators: &Operators) -> Result<Operator, Problem> {
    let token = auth.and_then(bearer);
    let found = token.and_then(|token| operators.find(token));
    found.cloned().ok_or_else(|| unauthenticated(token.map(|_| Mistake::Operator)))
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ').unwrap_or((authorization, ""));
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The values of our cookies that have the form of tokens, the safer name first. Several `Cookie` headers come joined
/// with commas, which no token contains.
fn candidates(cookies: &str) -> impl Iterator<Item = &str> {
    let of = move |name: &'static str| {
        let pairs = cookies.split([';', ',']).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(move |(given, _)| given.trim_end() == name).map(|(_, value)| unquoted(value.trim_start()))
    };
    let worth_a_look = |token: &&str| token::is_formed(token);
    // If none has the form, one is kept to explain what is wrong with it.
    let formed = of(HOST_COOKIE).chain(of(COOKIE)).filter(worth_a_look).take(limits::SESSION_COOKIES_MAX);
    formed.chain(of(HOST_COOKIE).chain(of(COOKIE)).filter(move |token| !worth_a_look(token)).take(1))
}

/// RFC 6265: a value may be quoted.
fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// RFC 6750: without a token, only the scheme is named.
pub fn unauthenticated(mistake: Option<Mistake>) -> Problem {
    let problem = |detail: &str| Problem::new(Code::Unauthenticated, detail);
    match mistake.map(Mistake::says) {
        None => problem("Send a valid token as `Authorization: Bearer …`.").header("WWW-Authenticate", "Bearer"),
        Some(says) => problem(&format!("Send a valid token as `Authorization: Bearer …`: {says}."))
            .header("WWW-Authenticate", format!(r#"Bearer error="invalid_token", error_description="{says}""#))
            .because(says),
    }
}

#[cfg(test)]
mod tests;
