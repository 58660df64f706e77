//! One request on its way through the edge: what came, who it is in every log, and what the Worker is configured to.

use std::rc::Rc;

use worker::{Env, web_sys};

use crate::auth::operator::{Operator, Role};
use crate::auth::session::Buyer;
use crate::auth::{session, user_limit};
use crate::http::media_type::Media;
use crate::http::problem::{Code, Problem};
use crate::http::response::Answer;
use crate::http::{body, origin, trace};
use crate::runtime::config::Config;
use crate::runtime::js::Head;
use crate::runtime::{clock, config};

pub struct Call {
    pub request: web_sys::Request,
    pub head: Head,
    /// If it has been read already.
    pub body: Option<Vec<u8>>,
    /// What is wrong with its query: told when the shape of the request is looked at, which is after who asks.
    pub query_fault: Option<String>,
    pub env: Env,
    pub config: Rc<Config>,
    /// Who is admitted to an operator's route.
    operator: Option<Operator>,
    pub trace: protocol::Trace,
    /// When it came.
    pub now_ms: u64,
}

/// A request on its way to an answer; a `Problem` is an answer too.
pub type Answered = Result<Answer, Problem>;

impl Call {
    pub fn begin(request: web_sys::Request, env: Env) -> Self {
        let config = config::of(&env);
        let head = Head::of(&request);
        // One draw of randomness serves all three: the trace that begins here has the request's own id.
        let id = uuid::Uuid::now_v7();
        let trace = protocol::Trace {
            request_id: id.to_string(),
            traceparent: Some(trace::parent(head.header("traceparent"), id.as_u128(), id.as_u64_pair().1)),
        };
        let now_ms = clock::now_ms();
        Self { request, head, body: None, query_fault: None, env, config, operator: None, trace, now_ms }
    }

    /// A header; one that came several times is joined with commas.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// # Errors
    /// `unauthenticated`; `rate_limited`; `forbidden`: by a cookie, and from a page that is not ours; `malformed_request`, without a body.
    pub fn buyer(&self) -> Result<String, Problem> {
        let (auth, cookies) = (self.header("Authorization"), self.header("Cookie"));
        let Buyer { user_id, by_cookie } = session::buyer(auth, cookies, &self.config.session, self.now_ms)?;
        user_limit::charge(&user_id, self.now_ms)?;
        if by_cookie {
            self.came_from_a_page_of_ours()?;
        }
        self.query_of_no_body()?;
        Ok(user_id)
    }

    /// Whether a page is shown to somebody who is signed in: it costs nobody anything, and is not counted.
    pub fn is_signed_in(&self) -> bool {
        let (auth, cookies) = (self.header("Authorization"), self.header("Cookie"));
        session::buyer(auth, cookies, &self.config.session, self.now_ms).is_ok()
    }

    /// A cookie alone proves no more than that some page had the browser send it.
    fn came_from_a_page_of_ours(&self) -> Result<(), Problem> {
        let (origin, site) = (self.header("Origin"), self.header("Sec-Fetch-Site"));
        let Head { method, url, .. } = &self.head;
        if origin::may_use_a_cookie(method, url, origin, site, &self.config.allowed_origins) {
            return Ok(());
        }
        Err(Problem::new(
            Code::Forbidden,
            "Send the token as `Authorization: Bearer …`: a cookie counts for pages of this address alone.",
        )
        .because("a change by cookie from a page of another origin"))
    }

    /// Lets an operator with at least this role in; `dispatch` asks for it before an operator's route begins.
    ///
    /// # Errors
    /// `unauthenticated`, `forbidden`.
    pub fn admit(&mut self, least: Role) -> Result<(), Problem> {
        let operator = session::operator(self.header("Authorization"), &self.config.operators)?;
        if operator.role < least {
            let detail = format!("Ask somebody whose token has the role `{}`.", least.name());
            let forbidden = Problem::new(Code::Forbidden, detail);
            return Err(forbidden.with("role", operator.role.name()).with("required", least.name()));
        }
        self.operator = Some(operator);
        Ok(())
    }

    /// Who was admitted.
    ///
    /// # Errors
    /// `unauthenticated`: nobody was; the route is not in the table of roles. `malformed_request`, without a body.
    pub fn operator(&self) -> Result<&Operator, Problem> {
        self.query_of_no_body()?;
        self.operator.as_ref().ok_or_else(|| session::unauthenticated(None))
    }

    /// # Errors
    /// `malformed_request`: a parameter that the route does not know, or one twice.
    pub fn query_is_known(&self) -> Result<(), Problem> {
        self.query_fault.as_ref().map_or(Ok(()), |fault| Err(Problem::malformed(fault)))
    }

    /// A body is read first where there is one: it may be too large, or no JSON, which comes before.
    fn query_of_no_body(&self) -> Result<(), Problem> {
        if matches!(self.head.method.as_str(), "GET" | "HEAD" | "DELETE") { self.query_is_known() } else { Ok(()) }
    }

    /// What its body is said to be.
    pub fn media(&self) -> Media<'_> {
        Media { content_type: self.header("Content-Type"), content_encoding: self.header("Content-Encoding") }
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// `payload_too_large`, `unsupported_media_type`, `malformed_request`.
    pub async fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, Problem> {
        let bytes = body::read(self).await?;
        body::json(self.media(), &bytes)
    }

    /// The body as JSON where there is one: some changes need none.
    ///
    /// # Errors
    /// `payload_too_large`, `unsupported_media_type`, `malformed_request`.
    pub async fn json_if_any<T: Default + serde::de::DeserializeOwned>(&mut self) -> Result<T, Problem> {
        let bytes = body::read(self).await?;
        if bytes.is_empty() { Ok(T::default()) } else { body::json(self.media(), &bytes) }
    }
}
