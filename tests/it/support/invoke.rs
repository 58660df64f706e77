//! A function, invoked by Lambda's own API.

use std::time::Duration;

use serde_json::Value;

use crate::database;

/// What an invocation came to: the payload, or the error's type.
pub async fn invoke(function: &str, payload: &Value) -> Result<Value, String> {
    invoke_at(database::stack()["lambda_url"].as_str().unwrap(), function, payload).await
}

pub async fn invoke_at(url: &str, function: &str, payload: &Value) -> Result<Value, String> {
    let http = simulator::http::client().timeout(Duration::from_secs(20)).build().unwrap();
    let request = http.post(format!("{url}/2015-03-31/functions/{function}/invocations")).body(payload.to_string());
    let response = request.send().await.unwrap();
    let failed = response.headers().contains_key("x-amz-function-error") || !response.status().is_success();
    let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    if failed { Err(body["errorType"].as_str().map_or_else(|| body.to_string(), ToOwned::to_owned)) } else { Ok(body) }
}
