//! `GET /openapi.json`: the API's description, a file beside the Worker and no part of it. It is made from the code's own
//! types (`describe`), and a test says that it is what they say.

#[cfg(test)]
mod describe;

use crate::http::context::{Answered, Call};
use crate::http::problem::Problem;
use crate::http::response::Answer;
use crate::runtime::digest::fnv1a;
use crate::runtime::limits;

/// # Errors
/// `unavailable`: the Worker was deployed without its files.
pub async fn serve(call: &Call) -> Answered {
    // Of the binding's address only the path counts.
    let mut file = call.env.assets("ASSETS")?.fetch("https://assets/openapi.json", None).await?;
    if file.status_code() != 200 {
        return Err(Problem::unavailable().because(format!("openapi.json: {}", file.status_code())));
    }
    let body = file.bytes().await?;
    let etag = format!("\"{:016x}\"", fnv1a(&body));
    Ok(Answer::bytes(200, "application/json", body)
        .with("ETag", etag)
        .with("Cache-Control", format!("public, max-age={}", limits::ASSET_MAX_AGE_S))
        .unless_known(call.header("If-None-Match")))
}
