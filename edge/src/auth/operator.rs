//! The operators' tokens: each has a name, which the ledger keeps, and a role, which says what it may do.

use std::cell::OnceCell;
use std::rc::Rc;

use protocol::printable::is_printable;
use subtle::ConstantTimeEq;

use crate::runtime::config::Config;
use crate::runtime::digest::sha256;
use crate::runtime::limits;

/// What a token may do; each role may do what the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads.
    Viewer,
    /// A sale's day.
    Operator,
    /// Subscriptions with their secrets, limits, erasure.
    Owner,
}

impl Role {
    /// As `ADMIN_TOKENS` and a refusal write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Owner => "owner",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Viewer, Self::Operator, Self::Owner].into_iter().find(|role| role.name() == name)
    }
}

/// Who is calling, by their token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    pub name: String,
    pub role: Role,
}

thread_local! {
    /// Hashed once an isolate: its variables never change.
    static OPERATORS: OnceCell<Rc<Operators>> = const { OnceCell::new() };
}

/// The operators that the Worker is configured with.
pub fn configured(config: &Config) -> Rc<Operators> {
    let read = || Rc::new(Operators::of(&config.admin_tokens, &config.admin_token));
    OPERATORS.with(|operators| operators.get_or_init(read).clone())
}

/// No `Debug`: it is made of secrets.
pub struct Operators(Vec<(Operator, [u8; 32])>);

impl Operators {
    /// `ADMIN_TOKENS` is `name:role:token`, separated by white space; a name may have several tokens, so that one can
    /// be replaced while it is in use. `ADMIN_TOKEN` is an owner named `admin`. Entries of another form, and short
    /// tokens, are ignored.
    pub fn of(admin_tokens: &str, admin_token: &str) -> Self {
        let named = admin_tokens.split_whitespace().filter_map(|entry| {
            let mut parts = entry.splitn(3, ':');
            Some((parts.next()?, Role::named(parts.next()?)?, parts.next()?))
        });
        let all = named.chain([("admin", Role::Owner, admin_token)]);
        let usable = all.filter(|(name, _, token)| {
            is_printable(name, limits::OPERATOR_MAX_CHARS) && token.len() >= limits::ADMIN_TOKEN_MIN_BYTES
        });
        Self(usable.map(|(name, role, token)| (Operator { name: name.to_owned(), role }, digest(token))).collect())
    }

    /// Whose token it is. Every token is compared, and hashes have one length: the time depends neither on which token
    /// matches nor on how much of it does.
    pub fn find(&self, token: &str) -> Option<&Operator> {
        let given = digest(token);
        let mut found = None;
        for (operator, hash) in &self.0 {
            if bool::from(hash.ct_eq(&given)) {
                found = Some(operator);
            }
        }
        found
    }
}

fn digest(token: &str) -> [u8; 32] {
    sha256(token.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(admin_tokens: &str, token: &str) -> Option<(String, Role)> {
        let operators = Operators::of(admin_tokens, "the owner's own token");
        operators.find(token).map(|operator| (operator.name.clone(), operator.role))
    }

    #[test]
    fn a_token_names_its_operator_and_its_role() {
        let tokens =
            "보기:viewer:0123456789abcdef minji:operator:with:colons-in-it\n minji:owner:another-token-of-hers";
        assert_eq!(of(tokens, "0123456789abcdef"), Some(("보기".to_owned(), Role::Viewer)));
        assert_eq!(of(tokens, "with:colons-in-it"), Some(("minji".to_owned(), Role::Operator)));
        assert_eq!(of(tokens, "another-token-of-hers"), Some(("minji".to_owned(), Role::Owner)));
        assert_eq!(of(tokens, "the owner's own token"), Some(("admin".to_owned(), Role::Owner)));
        for nobody in ["", "0123456789abcde", "0123456789abcdef0", "viewer:0123456789abcdef"] {
            assert_eq!(of(tokens, nobody), None, "{nobody}");
        }
    }

    #[test]
    fn a_malformed_or_short_token_is_refused() {
        for entry in [
            "a:viewer:short",
            "a:chief:0123456789abcdef",
            "0123456789abcdef",
            "a:0123456789abcdef",
            ":viewer:0123456789abcdef",
            "a\u{202e}b:viewer:0123456789abcdef",
            "a\u{200b}:viewer:0123456789abcdef",
        ] {
            assert_eq!(of(entry, "0123456789abcdef"), None, "{entry}");
        }
        let named = |chars| of(&format!("{}:viewer:0123456789abcdef", "a".repeat(chars)), "0123456789abcdef");
        assert!(named(128).is_some() && named(129).is_none());
        assert!(Operators::of("", "").find("").is_none());
        assert!(Operators::of("", "short").find("short").is_none());
    }

    #[test]
    fn a_role_may_do_what_the_lower_ones_may() {
        assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Owner);
    }
}
