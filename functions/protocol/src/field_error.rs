//! What is wrong with one member of a request.

use serde::{Deserialize, Serialize};

/// One member of a problem's `errors`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "describe", schemars(rename = "Fault"))]
pub struct FieldError {
    /// A JSON Pointer (RFC 6901) into the body.
    pub pointer: String,
    pub detail: String,
}
