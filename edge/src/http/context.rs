//! One request on its way through the Worker: its head, its ids for logs and traces, and the configuration.

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
    /// The body, if it has been read already.
    pub body: Option<Vec<u8>>,
    /// What is wrong with its query. It is reported when the form of the request is checked, after authentication.
    pub query_error: Option<String>,
    pub env: Env,
    pub config: Rc<Config>,
    /// Set by the dispatcher, as the table of routes requires: the buyer, or the operator's name.
    pub user_id: Option<String>,
    pub operator: Option<String>,
    pub trace: protocol::Trace,
    /// When it arrived, in Unix milliseconds.
    pub now_ms: u64,
}

/// What a handler returns: a response, or a refusal that becomes one.
pub type HandlerResult = Result<Response, Problem>;

impl RequestContext {
    pub fn begin(request: web_sys::Request, env: Env) -> Self {
        let config = config::of(&env);
        let head = RequestHead::of(&request);
        // One random id serves all three: a trace that begins here has the request's id.
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

    /// A request with a body has its query checked with the body, because its size and media type are refused first.
    pub fn query_of_no_body(&self) -> Result<(), Problem> {
        if matches!(self.head.method.as_str(), "GET" | "HEAD" | "DELETE") { self.query_is_known() } else { Ok(()) }
    }

    /// The declared media type and encoding of its body.
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

    /// An operator's may be longer: a sale has up to 100 SKUs with their names.
    fn body_max_bytes(&self) -> usize {
        if self.operator.is_some() { limits::ADMIN_BODY_MAX_BYTES } else { limits::BODY_MAX_BYTES }
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
        let body = self.body_within(self.body_max_bytes()).await?;
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

    /// The body as JSON, or the default where there is none.
    ///
    /// # Errors
    /// `payload_too_large`, `unsupported_media_type`, `malformed_request`.
    pub async fn json_if_any<T: Default + serde::de::DeserializeOwned>(&mut self) -> Result<T, Problem> {
        let bytes = self.bytes().await?;
        if bytes.is_empty() { Ok(T::default()) } else { body::json(self.media(), &bytes) }
    }
}
