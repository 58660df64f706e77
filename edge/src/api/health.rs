//! `GET /healthz`: whether the Worker runs. It calls nothing else.

use crate::http::context::HandlerResult;
use crate::http::response::Response;

pub async fn check() -> HandlerResult {
    Ok(Response::json(200, &serde_json::json!({"ok": true})))
}
