//! One request on its way through the edge: what came, who it is in every log, and what the Worker is configured to.

use std::rc::Rc;

use worker::{Env, web_sys};

use crate::answer::Answer;
use crate::config::{self, Config};
use crate::crossing::Head;
use crate::media::Media;
use crate::problem::Problem;
use crate::{body, clock, session, trace};

pub struct Call {
    pub request: web_sys::Request,
    pub head: Head,
    /// If it has been read already.
    pub body: Option<Vec<u8>>,
    pub env: Env,
    pub config: Rc<Config>,
    pub trace: wire::Trace,
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
        let trace = wire::Trace {
            request_id: id.to_string(),
            traceparent: Some(trace::parent(head.header("traceparent"), id.as_u128(), id.as_u64_pair().1)),
        };
        Self { request, head, body: None, env, config, trace, now_ms: clock::now_ms() }
    }

    /// A header; one that came several times is joined with commas.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// # Errors
    /// `unauthenticated`.
    pub fn buyer(&self) -> Result<String, Problem> {
        let (auth, cookies) = (self.header("Authorization"), self.header("Cookie"));
        session::buyer(auth, cookies, &self.config.session_secret, self.now_ms)
    }

    /// # Errors
    /// `unauthenticated`.
    pub fn operator(&self) -> Result<(), Problem> {
        session::operator(self.header("Authorization"), &self.config.admin_token)
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
