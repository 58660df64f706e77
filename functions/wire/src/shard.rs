//! How users are spread over Gates. The Worker asks the Gate that this names, and `lookup` tells a Gate of its own users
//! only: both must name the same one.

/// FNV-1a, 64 bits: the same on every machine and in every version, and done at compile time where it can be.
#[must_use]
pub const fn fnv1a(mut bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    while let [byte, rest @ ..] = bytes {
        hash = (hash ^ *byte as u64).wrapping_mul(0x0100_0000_01b3);
        bytes = rest;
    }
    hash
}

/// The shard of whoever has this hash: the same user is at the same Gate, wherever the Worker runs.
#[must_use]
pub const fn of(user: u64, shards: u64) -> u64 {
    match user.checked_rem(shards) {
        Some(shard) => shard,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn users_are_spread_evenly() {
        let mut counts = [0_u32; 4];
        for user in 0..4_000 {
            counts[of(fnv1a(format!("buyer-{user}").as_bytes()), 4) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_user_is_always_at_the_same_gate_and_the_gates_share_the_crowd() {
        assert_eq!(of(fnv1a("홍길동".as_bytes()), 4), of(fnv1a("홍길동".as_bytes()), 4));
        assert_eq!(of(fnv1a(b"anybody"), 0), 0);
        for shards in 1..=16 {
            let used: std::collections::HashSet<_> =
                (0..1_000).map(|user| of(fnv1a(format!("u{user}").as_bytes()), shards)).collect();
            assert_eq!(used.len() as u64, shards);
        }
    }
}
