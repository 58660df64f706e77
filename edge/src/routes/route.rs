//! A row of the table of routes.

use std::future::Future;
use std::pin::Pin;

use crate::auth::operator::Role;
use crate::http::context::{HandlerResult, RequestContext};

/// One operation of the Worker.
pub struct Route {
    /// For the log; routes that do the same under several paths share it.
    pub name: &'static str,
    pub method: Method,
    /// Its parameters stand in braces; `find` says what each may be.
    pub path: &'static str,
    pub exists: Exists,
    pub caller: Caller,
    pub limit: Limit,
    /// The parameters of its query. Every other one is refused. None: whatever comes is ignored, because pages, webhooks and
    /// return addresses are called by programs of others, which add what they like.
    pub query: Option<&'static [&'static str]>,
    /// The schema of its body, as the description names it; empty: it reads none. The description makes the schemas from the
    /// types, which this table cannot name without bringing `schemars` into the Worker: a test compares the two.
    #[cfg_attr(not(test), expect(dead_code, reason = "only a test compares it with the description"))]
    pub request: &'static str,
    /// The schemas that a success refers to, in alphabetical order.
    #[cfg_attr(not(test), expect(dead_code, reason = "only a test compares it with the description"))]
    pub response: &'static str,
    pub handler: Handler,
}

type Handler = for<'a> fn(&'a mut RequestContext, PathParameters) -> Pin<Box<dyn Future<Output = HandlerResult> + 'a>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    pub name: &'static str,
    /// Whether HEAD does the same without a body: where GET only reads.
    pub has_head: bool,
}

/// Where a route exists. Elsewhere it is `not_found`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exists {
    Always,
    InDevelopment,
    /// Where the Worker is configured with this gateway.
    WithGateway(&'static str),
}

/// Who may call. The dispatcher identifies buyers and operators before the handler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    Anybody,
    /// With a session. Counted against the user's limit.
    Buyer,
    /// With a signature, which the handler checks.
    Gateway,
    /// With a token of at least this role.
    Operator(Role),
}

/// What the dispatcher counts a request against. A refused token is counted as `Unauthenticated`, whatever the route;
/// reservations are counted per user by the Gate, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    None,
    /// The isolate's room for reservations, then `PER_ADDRESS`.
    Reservation,
    /// `PER_UNAUTHENTICATED`: requests without a known caller.
    Unauthenticated,
    /// The user's reservations at the Gate: what costs as much as one.
    User,
    /// `PER_HINT`: of an unsigned webhook only. A return from a payment without a session is counted there by its handler,
    /// too, which reads the session.
    Hint,
}

/// The parameters of a path by their names, each decoded and of its form; and `gateway`, whose route it is, if any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathParameters(pub Vec<(&'static str, String)>);

impl PathParameters {
    /// Empty where the path has no such parameter; a test reads in the table that every handler takes the parameters of
    /// its path.
    pub fn get(&self, name: &str) -> String {
        self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone()).unwrap_or_default()
    }
}
