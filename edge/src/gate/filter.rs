//! A Bloom filter of users: small enough for a reply, and never wrong about who is in it. One in a hundred of the others
//! is taken for one who is, which only means that the Gate is asked.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;

/// Bits a user, and bits set for each: one in a hundred is found by chance.
const BITS_EACH: usize = 10;
const HASHES: u64 = 7;

pub struct Filter(Vec<u8>);

impl Filter {
    /// Of these users' hashes ([`crate::runtime::user_hash::Key::user`]).
    pub fn of(users: impl ExactSizeIterator<Item = u64>) -> Self {
        let mut filter = Self(vec![0; users.len().saturating_mul(BITS_EACH).div_ceil(8).max(1)]);
        for user in users {
            for (byte, mask) in filter.places(user) {
                if let Some(byte) = filter.0.get_mut(byte) {
                    *byte |= mask;
                }
            }
        }
        filter
    }

    pub fn contains(&self, user: u64) -> bool {
        self.places(user).all(|(byte, mask)| self.0.get(byte).is_some_and(|byte| byte & mask != 0))
    }

    pub fn text(&self) -> String {
        BASE64_STANDARD_NO_PAD.encode(&self.0)
    }

    /// None: the text is no filter.
    pub fn read(text: &str) -> Option<Self> {
        BASE64_STANDARD_NO_PAD.decode(text).ok().filter(|bytes| !bytes.is_empty()).map(Self)
    }

    /// The byte and the bit in it, seven times: the halves of the hash make as many as are needed.
    fn places(&self, user: u64) -> impl Iterator<Item = (usize, u8)> + use<> {
        let bits = (self.0.len() as u64).saturating_mul(8).max(1);
        let (first, step) = (user >> 32, (user & u64::from(u32::MAX)) | 1);
        (0..HASHES).map(move |n| {
            let bit = first.wrapping_add(n.wrapping_mul(step)).checked_rem(bits).unwrap_or_default();
            (usize::try_from(bit >> 3).unwrap_or_default(), 1 << (bit & 7))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::user_hash::Key;

    fn user(n: u32) -> u64 {
        Key::default().user(&n.to_string())
    }

    #[test]
    fn whoever_is_in_it_is_found_and_one_in_a_hundred_of_the_others() {
        for count in [1, 40, 3_000] {
            let filter = Filter::of((0..count).map(user));
            let read = Filter::read(&filter.text()).expect("a filter");
            assert!((0..count).all(|n| read.contains(user(n))));
            let others = (count..count + 10_000).filter(|n| read.contains(user(*n))).count();
            assert!(others < 300, "{others} of 10 000 with {count}");
        }
        assert!(Filter::of((0..3_000).map(user)).text().len() < 5_120);
    }

    #[test]
    fn an_empty_one_has_nobody_and_what_is_no_filter_is_none() {
        let none = Filter::read(&Filter::of(std::iter::empty::<u64>()).text()).expect("a filter");
        assert!((0..100).all(|n| !none.contains(user(n))));
        assert!(Filter::read("").is_none() && Filter::read("!").is_none());
    }
}
