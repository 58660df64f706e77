//! From a path and a method to a row of the table. Only ids are percent-decoded: a filter of paths in front of the
//! Worker (`/v1/admin`) must see the same words that the Worker sees.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use matchit::Router;
use protocol::printable::is_printable;

use crate::api::admin::dead_letters;
use crate::http::problem::{Code, Problem};
use crate::http::{percent, text};
use crate::routes::TABLE;
use crate::routes::route::{Exists, PathParameters, Route};
use crate::runtime::limits::USER_ID_MAX_CHARS;

/// The routes of one path, a method each, and what stands in its braces.
pub struct Offers {
    pub routes: Vec<&'static Route>,
    pub parameters: PathParameters,
}

/// The table's routes by their paths, in the table's order. Conflicting paths are left out: a test finds every route.
static PATHS: LazyLock<Router<Vec<&'static Route>>> = LazyLock::new(|| {
    let mut paths: BTreeMap<&str, Vec<&'static Route>> = BTreeMap::new();
    for route in TABLE.iter() {
        paths.entry(route.path).or_default().push(route);
    }
    let mut router = Router::new();
    for (path, routes) in paths {
        let _ = router.insert(path, routes);
    }
    router
});

/// # Errors
/// `not_found`: no such path. A path with an id of the wrong form is no such path, either.
pub fn offers(path: &str, development: bool) -> Result<Offers, Problem> {
    let found = PATHS.at(path).map_err(|_| Problem::not_found())?;
    let exists = |route: &&Route| development || route.exists != Exists::InDevelopment;
    let routes: Vec<_> = found.value.iter().copied().filter(exists).collect();
    let parameters = found.params.iter().map(|(name, given)| Some((name, parameter(name, given)?)));
    let gateway = routes.iter().find_map(|route| match route.exists {
        Exists::WithGateway(gateway) => Some(Some(("gateway", gateway.to_owned()))),
        Exists::Always | Exists::InDevelopment => None,
    });
    match parameters.chain(gateway).collect::<Option<Vec<_>>>() {
        Some(parameters) if !routes.is_empty() => Ok(Offers { routes, parameters: PathParameters(parameters) }),
        _ => Err(Problem::not_found()),
    }
}

/// One parameter of a path, if it has the form of its name.
fn parameter(name: &str, segment: &str) -> Option<String> {
    match name {
        "sale_id" | "sku_id" => percent::segment(segment).filter(|id| text::is_slug(id)).map(String::from),
        "hold_id" | "order_id" | "subscription_id" => text::uuid(&percent::segment(segment)?),
        "dead_letter_id" => dead_letters::id(&percent::segment(segment)?),
        // A user may have any printable name, a slash in it too.
        "user_id" => percent::decoded(segment).map(String::from).filter(|id| is_printable(id, USER_ID_MAX_CHARS)),
        "name" => percent::segment(segment).map(String::from),
        // A test says that every name of the table is one of these.
        _ => None,
    }
}

/// The route of this method.
///
/// # Errors
/// `method_not_allowed`, with the methods that are.
pub fn choose(offers: &Offers, method: &str) -> Result<&'static Route, Problem> {
    let head = method == "HEAD";
    let wanted = if head { "GET" } else { method };
    let offered = |route: &&&'static Route| route.method.name == wanted && (!head || route.method.has_head);
    offers.routes.iter().find(offered).copied().ok_or_else(|| {
        let allow = allowed(offers);
        Problem::new(Code::MethodNotAllowed, format!("Use one of {allow} here.")).header("Allow", allow)
    })
}

/// For `Allow` and for CORS: `GET, HEAD, DELETE`.
pub fn allowed(offers: &Offers) -> String {
    let names = |route: &&Route| if route.method.has_head { "GET, HEAD" } else { route.method.name };
    offers.routes.iter().map(names).collect::<Vec<_>>().join(", ")
}
