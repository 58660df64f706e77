//! One request on its way through the edge: what came, who it is in every log, and what the Worker is configured to.

use std::rc::Rc;

use worker::{Env, web_sys};

use crate::http::media_type::Media;
use crate::http::problem::Problem;
use crate::http::request::RequestHead;
use crate::http::response::Response;
use crate::http::{body, trace};
use crate::runtime::config::Config;
use crate::runtime::{clock, config, limits};

pub struct RequestContext {
    pub request: web_sys::Request,
    pub head: RequestHead,
    /// If it has been read already.
    pub body: Option<Vec<u8>>,
    /// What is wrong with its query: told when the shape of the request is looked at, which is after who asks.
    pub query_error: Option<String>,
    pub env: Env,
    pub config: Rc<Config>,
    /// Whom the dispatcher has identified: the buyer, or the operator by name, as the table of routes asks.
    pub user_id: Option<String>,
    pub operator: Option<String>,
    pub trace: protocol::Trace,
    /// When it came.
    pub now_ms: u64,
}

/// A request on its way to an answer; a `Problem` is an answer too.
pub type HandlerResult = Result<Response, Problem>;

impl RequestContext {
    pub fn begin(request: web_sys::Request, env: Env) -> Self {
        let config = config::of(&env);
        let head = RequestHead::of(&request);
        // One draw of randomness serves all three: the trace that begins here has the request's own id.
        let id = uuid::Uuid::now_v7();
        let trace = protocol::Trace {
            request_id: id.to_string(),
            traceparent: Some(trace::parent(head.header("traceparent"), id.as_u128(), id.as_u64_pair().1)),
        };
        let now_ms = clock::now_ms();
        Self { request, head, body: None, query_error: None, env, config, user_id: None, operator: None, trace, now_ms }
    }

    /// A header; one that came several times is joined with commas.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// The buyer who is calling.
    ///
    /// # Errors
    /// `unavailable`: the table of routes does not say that the caller is a buyer.
    pub fn user_id(&self) -> Result<String, Problem> {
        self.user_id.clone().ok_or_else(|| Problem::unavailable().because("the route's caller is no buyer"))
    }

    /// The name of the operator who is calling.
    ///
    /// # Errors
    /// `unavailable`: the table of routes does not say that the caller is an operator.
    pub fn operator(&self) -> Result<&str, Problem> {
        self.operator.as_deref().ok_or_else(|| Problem::unavailable().because("the route's caller is no operator"))
    }

    /// # Errors
    /// `malformed_request`: a parameter that the route does not know, or one twice.
    pub fn query_is_known(&self) -> Result<(), Problem> {
        self.query_error.as_ref().map_or(Ok(()), |error| Err(Problem::malformed(error)))
    }

    /// A body is read first where there is one: it may be too large, or no JSON, which comes before.
    pub fn query_of_no_body(&self) -> Result<(), Problem> {
        if matches!(self.head.method.as_str(), "GET" | "HEAD" | "DELETE") { self.query_is_known() } else { Ok(()) }
    }

    /// What its body is said to be.
    pub fn media(&self) -> Media<'_> {
        Media { content_type: self.header("Content-Type"), content_encoding: self.header("Content-Encoding") }
    }

    /// Whether the request says how long its body is, so that it may be read at once.
    ///
    /// # Errors
    /// `payload_too_large`.
    pub fn body_is_announced(&self) -> Result<bool, Problem> {
        body::is_announced(self.header("Content-Length"), limits::BODY_MAX_BYTES)
    }

    /// The body, at most `max_bytes` of it, whatever the query is.
    ///
    /// # Errors
    /// `payload_too_large`; `malformed_request` when the client stops sending or takes too long.
    pub async fn body_within(&mut self, max_bytes: usize) -> Result<Vec<u8>, Problem> {
        match self.body.take() {
            Some(body) => Ok(body),
            None => body::read(&self.request, self.header("Content-Length"), max_bytes).await,
        }
    }

    /// The body. The query is checked with it: a body that is too large or no JSON is refused before a parameter that the
    /// route does not know.
    ///
    /// # Errors
    /// `payload_too_large`, `unsupported_media_type`, `malformed_request`.
    pub async fn bytes(&mut self) -> Result<Vec<u8>, Problem> {
        let body = self.body_within(limits::BODY_MAX_BYTES).await?;
        if let Err(error) = self.query_is_known() {
            let media = if body.is_empty() { Ok(()) } else { self.media().must_be_json() };
            return Err(media.err().unwrap_or(error));
        }
        Ok(body)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// `payload_too_large`, `unsupported_media_type`, `malformed_request`.
    pub async fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, Problem> {
        let bytes = self.bytes().await?;
        body::json(self.media(), &bytes)
    }

    /// The body as JSON where there is one: some changes need none.
    ///
    /// # Errors
    /// `payload_too_large`, `unsupported_media_type`, `malformed_request`.
    pub async fn json_if_any<T: Default + serde::de::DeserializeOwned>(&mut self) -> Result<T, Problem> {
        let bytes = self.bytes().await?;
        if bytes.is_empty() { Ok(T::default()) } else { body::json(self.media(), &bytes) }
    }
}
