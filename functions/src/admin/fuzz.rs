//! The check of a new sale as a function of bytes, for the fuzzer in tests/fuzz, which includes this file; here its
//! corpus is replayed.

use protocol::admin::NewSale;

use super::new_sale;

/// An accepted sale has times in the years that the database supports, in the form that the database reads.
pub fn sale(data: &[u8]) {
    let Ok(sale) = serde_json::from_slice::<NewSale>(data) else { return };
    let Ok(sale) = new_sale::checked(sale) else { return };
    for time in [&sale.opens_at, &sale.closes_at].into_iter().flatten() {
        assert_eq!(new_sale::in_utc(time).map(|again| format!("{again}Z")).as_ref(), Some(time));
        assert!(time.len() >= 20 && time.starts_with(|first: char| first.is_ascii_digit()) && time.ends_with('Z'));
        assert!(!time.starts_with("0000"), "{time}");
    }
    assert!(sale.hold_ttl_s.is_some() && sale.skus.iter().all(|sku| sku.max_per_user.is_some()));
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_the_fuzzer_has_kept_still_holds() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/corpus/sale");
        let mut inputs = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            super::sale(&std::fs::read(entry.unwrap().path()).unwrap());
            inputs += 1;
        }
        assert!(inputs > 0);
    }
}
