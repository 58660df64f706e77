//! A Bloom filter of users: small enough for a reply, and never wrong about who is in it. Of the others one in a hundred is
//! taken for one who is, with many users up to one in ten, which only means that the Gate is asked.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;

use crate::runtime::limits::LEASE_FILTER_BYTES_MAX;

/// Bits a user, as long as there is room.
const BITS_EACH: usize = 10;

pub struct Filter {
    /// Bits set for each user: 0.7 times the bits that there are for one, which is where the fewest others are found.
    hashes: u8,
    bytes: Vec<u8>,
}

impl Filter {
    /// Of these users' hashes ([`crate::runtime::user_hash::Key::user`]).
    pub fn of(users: impl ExactSizeIterator<Item = u64>) -> Self {
        let wanted = users.len().saturating_mul(BITS_EACH).div_ceil(8);
        let bytes = vec![0; wanted.clamp(1, LEASE_FILTER_BYTES_MAX)];
        let bits_each = bytes.len().saturating_mul(8).checked_div(users.len()).unwrap_or(BITS_EACH).min(BITS_EACH);
        let hashes = u8::try_from(bits_each.saturating_mul(7).div_ceil(10)).unwrap_or(1).max(1);
        let mut filter = Self { hashes, bytes };
        for user in users {
            for (byte, mask) in filter.places(user) {
                if let Some(byte) = filter.bytes.get_mut(byte) {
                    *byte |= mask;
                }
            }
        }
        filter
    }

    pub fn contains(&self, user: u64) -> bool {
        self.places(user).all(|(byte, mask)| self.bytes.get(byte).is_some_and(|byte| byte & mask != 0))
    }

    /// How much memory it takes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn text(&self) -> String {
        format!("{}:{}", self.hashes, BASE64_STANDARD_NO_PAD.encode(&self.bytes))
    }

    /// None: the text is no filter.
    pub fn read(text: &str) -> Option<Self> {
        let (hashes, bytes) = text.split_once(':')?;
        let hashes = hashes.parse().ok().filter(|hashes| *hashes > 0)?;
        let bytes = BASE64_STANDARD_NO_PAD.decode(bytes).ok().filter(|bytes| !bytes.is_empty())?;
        Some(Self { hashes, bytes })
    }

    /// A byte and the bit in it for each hash: the halves of the user's hash make as many as are needed.
    fn places(&self, user: u64) -> impl Iterator<Item = (usize, u8)> + use<> {
        let bits = (self.bytes.len() as u64).saturating_mul(8).max(1);
        let (first, step) = (user >> 32, (user & u64::from(u32::MAX)) | 1);
        (0..u64::from(self.hashes)).map(move |n| {
            let bit = first.wrapping_add(n.wrapping_mul(step)).checked_rem(bits).unwrap_or_default();
            (usize::try_from(bit >> 3).unwrap_or_default(), 1 << (bit & 7))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::limits::LEASE_USERS_MAX;
    use crate::runtime::user_hash::Key;

    fn user(n: usize) -> u64 {
        Key::default().user(&n.to_string())
    }

    #[test]
    fn whoever_is_in_it_is_found_and_few_of_the_others() {
        for (count, others_max) in [(1, 300), (40, 300), (3_000, 300), (LEASE_USERS_MAX, 1_200)] {
            let filter = Filter::of((0..count).map(user));
            let read = Filter::read(&filter.text()).expect("a filter");
            assert!((0..count).all(|n| read.contains(user(n))));
            let others = (count..count + 10_000).filter(|n| read.contains(user(*n))).count();
            assert!(others < others_max, "{others} of 10 000 with {count}");
            assert!(read.len() <= LEASE_FILTER_BYTES_MAX);
        }
    }

    #[test]
    fn an_empty_one_has_nobody_and_what_is_no_filter_is_none() {
        let none = Filter::read(&Filter::of(std::iter::empty::<u64>()).text()).expect("a filter");
        assert!((0..100).all(|n| !none.contains(user(n))));
        for wrong in ["", "7", "7:", "0:AA", "x:AA", "7:!"] {
            assert!(Filter::read(wrong).is_none(), "{wrong}");
        }
    }
}
