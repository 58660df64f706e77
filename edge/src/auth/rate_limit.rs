//! A token bucket for each user: a burst, then a rate. Counted in thousandths of a token, so that a millisecond at one
//! token a second is a whole number.

use std::collections::HashMap;

use crate::runtime::limits::{BUCKETS_MAX, BUCKETS_SWEEP_MS};

const MILLI: u64 = 1_000;

/// The state of the user's token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    pub admitted: bool,
    /// Whole tokens left.
    pub remaining: u32,
    /// Until the next token.
    pub reset_s: u32,
}

pub struct Buckets {
    burst: u64,
    per_s: u64,
    swept_ms: u64,
    buckets: HashMap<String, Bucket>,
}

#[derive(Clone, Copy)]
struct Bucket {
    millitokens: u64,
    filled_ms: u64,
}

impl Buckets {
    pub fn new(burst: u32, per_s: u32) -> Self {
        Self { burst: burst.max(1).into(), per_s: per_s.max(1).into(), swept_ms: 0, buckets: HashMap::new() }
    }

    /// Takes a token of the user's, or says when there will be one.
    pub fn charge(&mut self, user_id: &str, now_ms: u64) -> Charge {
        self.sweep(now_ms);
        let known = self.buckets.get(user_id).copied();
        let before = known.map_or(self.full(now_ms), |bucket| self.filled(bucket, now_ms));
        let admitted = before.millitokens >= MILLI;
        let after = if admitted { before.millitokens.saturating_sub(MILLI) } else { before.millitokens };
        if let Some(bucket) = self.buckets.get_mut(user_id) {
            *bucket = Bucket { millitokens: after, ..before };
        } else {
            self.buckets.insert(user_id.to_owned(), Bucket { millitokens: after, ..before });
        }
        Charge { admitted, remaining: whole_tokens(after), reset_s: self.next_token_s(after) }
    }

    /// Leaves the user this many tokens at most.
    pub fn lower(&mut self, user_id: &str, tokens: u32, now_ms: u64) {
        self.sweep(now_ms);
        let at_most = u64::from(tokens).saturating_mul(MILLI);
        let before = self.buckets.get(user_id).map_or(self.full(now_ms), |bucket| self.filled(*bucket, now_ms));
        if before.millitokens > at_most {
            self.buckets.insert(user_id.to_owned(), Bucket { millitokens: at_most, ..before });
        }
    }

    /// Drops full buckets: they say no more than no bucket. If there are still too many, all are dropped with their
    /// counts, because memory is the bound that must hold.
    fn sweep(&mut self, now_ms: u64) {
        let crowded = self.buckets.len() >= BUCKETS_MAX;
        if !crowded && now_ms.saturating_sub(self.swept_ms) < BUCKETS_SWEEP_MS {
            return;
        }
        self.swept_ms = now_ms;
        let (burst, per_s) = (self.burst, self.per_s);
        self.buckets.retain(|_, bucket| refilled(*bucket, per_s, now_ms) < burst.saturating_mul(MILLI));
        if self.buckets.len() >= BUCKETS_MAX {
            self.buckets.clear();
        }
    }

    fn full(&self, now_ms: u64) -> Bucket {
        Bucket { millitokens: self.burst.saturating_mul(MILLI), filled_ms: now_ms }
    }

    fn filled(&self, bucket: Bucket, now_ms: u64) -> Bucket {
        // If the clock was ahead by more than a bucket takes to fill, its user would be locked out until then: the
        // bucket starts over at the current time, with the tokens that it has.
        let full_ms = self.burst.saturating_mul(MILLI).checked_div(self.per_s).unwrap_or_default();
        let ahead = bucket.filled_ms > now_ms.saturating_add(full_ms);
        let millitokens = refilled(bucket, self.per_s, now_ms).min(self.burst.saturating_mul(MILLI));
        Bucket { millitokens, filled_ms: if ahead { now_ms } else { now_ms.max(bucket.filled_ms) } }
    }

    /// Seconds until the next whole token, at least one.
    fn next_token_s(&self, millitokens: u64) -> u32 {
        let part = millitokens.checked_rem(MILLI).unwrap_or_default();
        let missing = MILLI.saturating_sub(part);
        let rate = self.per_s.saturating_mul(MILLI);
        u32::try_from(missing.div_ceil(rate)).unwrap_or(u32::MAX).max(1)
    }
}

fn refilled(bucket: Bucket, per_s: u64, now_ms: u64) -> u64 {
    let elapsed_ms = now_ms.saturating_sub(bucket.filled_ms);
    bucket.millitokens.saturating_add(elapsed_ms.saturating_mul(per_s))
}

fn whole_tokens(millitokens: u64) -> u32 {
    u32::try_from(millitokens.checked_div(MILLI).unwrap_or_default()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(buckets: &mut Buckets, user: &str, tries: u32, now_ms: u64) -> u32 {
        (0..tries).filter(|_| buckets.charge(user, now_ms).admitted).count() as u32
    }

    #[test]
    fn a_burst_is_admitted_and_then_so_many_a_second() {
        let mut buckets = Buckets::new(20, 5);
        assert_eq!(admitted(&mut buckets, "a", 50, 1_000), 20);
        assert_eq!(admitted(&mut buckets, "a", 50, 1_199), 0);
        assert_eq!(admitted(&mut buckets, "a", 50, 1_200), 1);
        assert_eq!(admitted(&mut buckets, "a", 50, 2_200), 5);
        assert_eq!(admitted(&mut buckets, "a", 50, 900_000), 20);
    }

    #[test]
    fn users_do_not_share_a_bucket() {
        let mut buckets = Buckets::new(2, 1);
        assert_eq!(admitted(&mut buckets, "a", 9, 0), 2);
        assert_eq!(admitted(&mut buckets, "b", 9, 0), 2);
    }

    #[test]
    fn it_reports_the_remaining_tokens_and_when_there_are_more() {
        let mut buckets = Buckets::new(2, 1);
        let charges: Vec<_> = (0..3).map(|_| buckets.charge("a", 0)).collect();
        let want = |admitted, remaining| Charge { admitted, remaining, reset_s: 1 };
        assert_eq!(charges, [want(true, 1), want(true, 0), want(false, 0)]);
    }

    #[test]
    fn a_clock_that_goes_back_gives_no_tokens() {
        let mut buckets = Buckets::new(2, 1);
        assert_eq!(admitted(&mut buckets, "a", 9, 10_000), 2);
        assert_eq!(admitted(&mut buckets, "a", 9, 9_000), 0);
        assert_eq!(admitted(&mut buckets, "a", 9, 10_999), 0);
        assert_eq!(admitted(&mut buckets, "a", 9, 11_000), 1);
    }

    #[test]
    fn a_clock_that_was_far_ahead_blocks_no_user() {
        let mut buckets = Buckets::new(2, 1);
        assert_eq!(admitted(&mut buckets, "a", 9, 600_000), 2);
        assert_eq!(admitted(&mut buckets, "a", 9, 1_000), 0);
        assert_eq!(admitted(&mut buckets, "a", 9, 1_999), 0);
        assert_eq!(admitted(&mut buckets, "a", 9, 2_000), 1);
    }

    #[test]
    fn full_buckets_are_dropped_and_their_number_is_bounded() {
        let mut buckets = Buckets::new(20, 5);
        for user in 0..BUCKETS_MAX {
            buckets.charge(&user.to_string(), 0);
        }
        buckets.charge("late", 0);
        assert!(buckets.buckets.len() <= BUCKETS_MAX);
        buckets.charge("later", BUCKETS_SWEEP_MS);
        assert_eq!(buckets.buckets.len(), 1);
    }
}
