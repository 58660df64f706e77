//! What an answer carries: its headers, its content, its refusals gathered by status.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::problems;
use super::schemas::{Schemas, uuid};
use crate::http::problem::Code;

/// Every header that an answer may carry, by the name it is referred to by.
pub fn headers() -> Value {
    let text = |description: &str, required: bool| json!({"description": description, "required": required, "schema": {"type": "string"}});
    let seconds = json!({"type": "integer", "minimum": 0});
    json!({
        "X-Request-Id": {"description": "The request's id, which every log line has.", "required": true, "schema": uuid()},
        "X-Server-Time": {"description": "Unix time in milliseconds.", "required": true, "schema": {"type": "integer"}},
        "Retry-After": {"description": "Seconds to wait before the next try.", "required": true, "schema": seconds},
        "WWW-Authenticate": text("`Bearer`, with `error` if the token was not accepted.", true),
        "Allow": text("The methods of this path.", true),
        "Location": text("The resource's URL.", true),
        "Idempotent-Replayed": {"description": "`true`: the key was used before, and this is the stored response.",
                                "schema": {"const": "true"}},
        "RateLimit": text("draft-ietf-httpapi-ratelimit-headers-11", false),
        "RateLimit-Policy": text("draft-ietf-httpapi-ratelimit-headers-11", false),
        "ETag": text("For `If-None-Match`. A hold's or an order's is its version, for `If-Match`.", true),
        "Cache-Control": text("How long the response may be cached.", true),
        "Server-Timing": text("The part that decided: `gate` answered without a function, `lease` without a Gate.", false),
    })
}

/// References to headers, the two that everything carries among them.
pub fn carrying(names: &[&str]) -> Map<String, Value> {
    let reference = |name: &str| json!({"$ref": format!("#/components/headers/{name}")});
    ["X-Request-Id", "X-Server-Time", "Cache-Control"]
        .iter()
        .chain(names)
        .map(|name| ((*name).to_owned(), reference(name)))
        .collect()
}

fn own_headers(code: Code) -> &'static [&'static str] {
    match code {
        Code::RateLimited => &["Retry-After", "RateLimit", "RateLimit-Policy"],
        Code::Unavailable => &["Retry-After"],
        Code::Unauthenticated => &["WWW-Authenticate"],
        Code::MethodNotAllowed => &["Allow"],
        _ => &[],
    }
}

/// A status may stand for several refusals; a header is promised where each of them has it.
pub fn refusals(codes: &[Code], more_headers: &[&str], schemas: &mut Schemas) -> BTreeMap<String, Value> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        by_status.entry(problems::status(*code)).or_default().push(*code);
    }
    let one = |(status, codes): (u16, Vec<Code>)| {
        let names: Vec<String> = codes.iter().map(|code| format!("`{}`", code.name())).collect();
        let mut kinds: Vec<Value> = codes.iter().map(|code| problems::schema(*code, schemas)).collect();
        let schema = if kinds.len() == 1 { kinds.remove(0) } else { json!({"oneOf": kinds}) };
        let promised = codes.first().map_or(&[][..], |first| own_headers(*first)).iter();
        let promised = promised.filter(|name| codes.iter().all(|code| own_headers(*code).contains(name)));
        let headers: Vec<&str> = promised.chain(more_headers).copied().collect();
        let answer = json!({"description": names.join(", "), "headers": carrying(&headers),
                            "content": {"application/problem+json": {"schema": schema}}});
        (status.to_string(), answer)
    };
    by_status.into_iter().map(one).collect()
}
