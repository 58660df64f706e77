//! Subscribers' secrets.

use payments::signature::{SECRET_BYTES, secret};

/// A new secret. None: the system has no randomness.
#[must_use]
pub fn new_secret() -> Option<String> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).ok()?;
    Some(secret(&bytes))
}

#[cfg(test)]
mod tests {
    use super::new_secret;

    #[test]
    fn a_secret_is_a_new_one_each_time() {
        let (one, another) = (new_secret(), new_secret());
        assert!(one.is_some() && one != another);
    }
}
