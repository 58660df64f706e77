//! The banks that a refund of a deposit can go to. A buyer chooses one by name, without knowing which gateway has the
//! payment: each gateway gets its own name or code for it.

/// Name at PortOne (`Bank` of its REST API), by which the shop's API knows a bank; and Toss's code for it.
pub const BANKS: [(&str, &str); 26] = [
    ("BUSAN", "32"),
    ("CITI", "27"),
    ("DAEGU", "31"),
    ("HANA", "81"),
    ("HSBC", "54"),
    ("IBK", "03"),
    ("JEJU", "35"),
    ("JEONBUK", "37"),
    ("KAKAO", "90"),
    ("KDB", "02"),
    ("KFCC", "45"),
    ("KOOKMIN", "06"),
    ("KWANGJU", "34"),
    ("KYONGNAM", "39"),
    ("K_BANK", "89"),
    ("LOCAL_NONGHYUP", "12"),
    ("NFCF", "64"),
    ("NONGHYUP", "11"),
    ("POST", "71"),
    ("SAVINGS_BANK", "50"),
    ("SHINHAN", "88"),
    ("SHINHYUP", "48"),
    ("STANDARD_CHARTERED", "23"),
    ("SUHYUP", "07"),
    ("TOSS", "92"),
    ("WOORI", "20"),
];

/// Toss's code. What is none of these names is passed on as it came: the code of a bank that is not listed.
#[must_use]
pub fn toss_code(bank: &str) -> &str {
    BANKS.iter().find(|(name, _)| *name == bank).map_or(bank, |(_, code)| code)
}

/// PortOne's name, also for Toss's code.
#[must_use]
pub fn portone_name(bank: &str) -> &str {
    BANKS.iter().find(|(_, code)| *code == bank).map_or(bank, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bank_is_known_by_its_name_and_by_its_code_at_both_gateways() {
        for bank in ["SHINHAN", "88"] {
            assert_eq!((toss_code(bank), portone_name(bank)), ("88", "SHINHAN"));
        }
        assert_eq!((toss_code("UOB"), portone_name("UOB")), ("UOB", "UOB"));
        for (at, (name, code)) in BANKS.iter().enumerate() {
            assert!(BANKS[..at].iter().all(|(other, its)| other < name && its != code), "{name}");
        }
    }
}
