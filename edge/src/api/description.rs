//! `GET /openapi.json`: the description of the API, a static file. It is made from the code (`openapi`), and a test
//! compares the two.

use crate::http::context::{HandlerResult, RequestContext};
use crate::http::problem::Problem;
use crate::http::response::Response;
use crate::runtime::digest::fnv1a;
use crate::runtime::limits;

/// # Errors
/// `unavailable`: the Worker was deployed without its files.
pub async fn serve(context: &RequestContext) -> HandlerResult {
    // The binding looks at the path only.
    let mut file = context.env.assets("ASSETS")?.fetch("https://assets/openapi.json", None).await?;
    if file.status_code() != 200 {
        return Err(Problem::unavailable().because(format!("openapi.json: {}", file.status_code())));
    }
    let body = file.bytes().await?;
    let etag = format!("\"{:016x}\"", fnv1a(&body));
    Ok(Response::bytes(200, "application/json", body)
        .with("ETag", etag)
        .with("Cache-Control", format!("public, max-age={}", limits::ASSET_MAX_AGE_S))
        .unless_known(context.header("If-None-Match")))
}
