//! What the commands have in common: reading an id, a key's fingerprint, naming a wrong field.

use protocol::field_error::FieldError;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::runtime::database::InfraError;

pub(super) fn field_error(pointer: &str, detail: &str) -> FieldError {
    FieldError { pointer: pointer.to_owned(), detail: detail.to_owned() }
}

/// # Errors
/// It is not a UUID: the edge checks ids, so the caller is not the edge.
pub fn uuid(text: &str) -> Result<Uuid, InfraError> {
    Uuid::parse_str(text).map_err(|_| InfraError::misuse("an id is not a UUID"))
}

/// SHA-256 of what an idempotency key is used for: a repeat has the same one.
///
/// # Errors
/// It cannot be written as JSON.
pub fn fingerprint<T: serde::Serialize>(request: &T) -> Result<Vec<u8>, InfraError> {
    let text = serde_json::to_vec(request).map_err(|_| InfraError::misuse("the request cannot be written"))?;
    Ok(Sha256::digest(text).to_vec())
}
