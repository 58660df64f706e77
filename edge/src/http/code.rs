//! The codes of refusal: name, status and title of each in one table, in the order in which they are checked.

/// In the order in which they are checked: of several that apply, a client gets the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    NotFound,
    MethodNotAllowed,
    RateLimited,
    Unauthenticated,
    Forbidden,
    PayloadTooLarge,
    SignatureInvalid,
    UnsupportedMediaType,
    MalformedRequest,
    InvalidRequest,
    IdempotencyKeyMissing,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    RequestInProgress,
    SaleNotOpen,
    AlreadyHolding,
    LimitReached,
    SoldOut,
    InsufficientBalance,
    TransitionNotAllowed,
    HoldNotActive,
    PreconditionRequired,
    PreconditionFailed,
    AlreadyExists,
    Unavailable,
}

/// Code, name, status, title; the table of docs/refusals.md is checked against this one.
pub const TABLE: [(Code, &str, u16, &str); 25] = [
    (Code::NotFound, "not_found", 404, "Not found"),
    (Code::MethodNotAllowed, "method_not_allowed", 405, "Method not allowed"),
    (Code::RateLimited, "rate_limited", 429, "Too many requests"),
    (Code::Unauthenticated, "unauthenticated", 401, "Not authenticated"),
    (Code::Forbidden, "forbidden", 403, "Forbidden"),
    (Code::PayloadTooLarge, "payload_too_large", 413, "Body too large"),
    (Code::SignatureInvalid, "signature_invalid", 401, "Signature invalid"),
    (Code::UnsupportedMediaType, "unsupported_media_type", 415, "Not JSON"),
    (Code::MalformedRequest, "malformed_request", 400, "Malformed request"),
    (Code::InvalidRequest, "invalid_request", 422, "Invalid request"),
    (Code::IdempotencyKeyMissing, "idempotency_key_missing", 400, "Idempotency-Key is missing"),
    (Code::IdempotencyKeyInvalid, "idempotency_key_invalid", 400, "Idempotency-Key is invalid"),
    (Code::IdempotencyKeyReused, "idempotency_key_reused", 422, "Idempotency-Key is already used"),
    (Code::RequestInProgress, "request_in_progress", 409, "A request is outstanding for this Idempotency-Key"),
    (Code::SaleNotOpen, "sale_not_open", 403, "The sale is not open"),
    (Code::AlreadyHolding, "already_holding", 409, "Already holding"),
    (Code::LimitReached, "limit_reached", 409, "Limit reached"),
    (Code::SoldOut, "sold_out", 409, "Sold out"),
    (Code::InsufficientBalance, "insufficient_balance", 409, "Insufficient balance"),
    (Code::TransitionNotAllowed, "transition_not_allowed", 409, "The order cannot change so"),
    (Code::HoldNotActive, "hold_not_active", 409, "The hold is not active"),
    (Code::PreconditionRequired, "precondition_required", 428, "If-Match is missing"),
    (Code::PreconditionFailed, "precondition_failed", 412, "Changed meanwhile"),
    (Code::AlreadyExists, "already_exists", 409, "Already exists"),
    (Code::Unavailable, "unavailable", 503, "Unavailable"),
];

impl Code {
    pub fn row(self) -> (&'static str, u16, &'static str) {
        let row = TABLE.iter().find(|(code, ..)| *code == self);
        // A test checks that every code has its row.
        row.map_or(("unavailable", 503, "Unavailable"), |(_, name, status, title)| (name, *status, title))
    }

    pub fn name(self) -> &'static str {
        self.row().0
    }

    pub fn of_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|(_, other, ..)| *other == name).map(|(code, ..)| *code)
    }
}

#[cfg(test)]
mod tests {
    use protocol::reserve::Refusal;

    use super::*;

    #[test]
    fn every_code_has_one_row_in_the_order_of_the_contract() {
        for (index, (code, name, status, title)) in TABLE.into_iter().enumerate() {
            assert_eq!((code as usize, code.row()), (index, (name, status, title)));
        }
        assert_eq!(TABLE.len(), Code::Unavailable as usize + 1);
    }

    /// `not_found` stands first, for a path that does not exist; T1 looks for the sale and its SKUs after the key.
    #[test]
    fn t1s_refusals_stand_in_the_order_of_its_checks() {
        let others = || Refusal::ALL.map(Refusal::name).into_iter().filter(|name| *name != Code::NotFound.name());
        let listed = TABLE.iter().map(|(_, name, ..)| *name).filter(|name| others().any(|other| other == *name));
        assert!(listed.eq(others()));
        assert!(Refusal::ALL.contains(&Refusal::NotFound) && TABLE[0].1 == Refusal::NotFound.name());
    }

    #[test]
    fn the_documents_list_every_code_with_its_status_in_this_order() {
        let listed: Vec<(&str, &str)> = include_str!("../../../docs/refusals.md")
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
            .filter_map(|(code, rest)| Some((code, rest.split_once(" |")?.0)))
            .filter(|(_, status)| status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit()))
            .collect();
        let table = TABLE.map(|(_, name, status, _)| (name, status.to_string()));
        let table: Vec<(&str, &str)> = table.iter().map(|(name, status)| (*name, status.as_str())).collect();
        assert_eq!(listed, table);
    }
}
