//! W3C Trace Context: a valid `traceparent` goes on to the functions, anything else starts a new trace here.

/// The header if it is valid, else a new one from two random numbers.
pub fn parent(header: Option<&str>, trace: u128, span: u64) -> String {
    match header {
        Some(header) if is_valid(header) => header.to_owned(),
        // Zero means "none" in both places.
        _ => format!("00-{:032x}-{:016x}-01", trace.max(1), span.max(1)),
    }
}

fn is_valid(header: &str) -> bool {
    let mut fields = header.split('-');
    let mut next = |digits| fields.next().filter(|field| is_lower_hex(field, digits));
    let (Some(version), Some(trace), Some(span), Some(_)) = (next(2), next(32), next(16), next(2)) else {
        return false;
    };
    let nothing = |field: &str| field.bytes().all(|byte| byte == b'0');
    // A later version may add fields after these; version 00 has no more, and ff is forbidden.
    let complete = match version {
        "00" => fields.next().is_none(),
        "ff" => false,
        _ => header.len() <= 256,
    };
    complete && !nothing(trace) && !nothing(span) && header.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_lower_hex(field: &str, digits: usize) -> bool {
    field.len() == digits && field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_valid_parent_is_passed_on() {
        assert_eq!(parent(Some(GOOD), 1, 2), GOOD);
        let later = GOOD.replacen("00", "cc", 1) + "-what-the-future-will-be-like";
        assert_eq!(parent(Some(&later), 1, 2), later);
    }

    #[test]
    fn anything_else_starts_a_new_trace() {
        let fresh = "00-00000000000000000000000000000001-0000000000000002-01";
        let zero_trace = GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32));
        let zero_span = GOOD.replace("00f067aa0ba902b7", &"0".repeat(16));
        let (forbidden, upper, longer) = (GOOD.replacen("00", "ff", 1), GOOD.to_uppercase(), format!("{GOOD}-x"));
        for header in ["", "00", &GOOD[..54], &zero_trace, &zero_span, &forbidden, &upper, &longer] {
            assert_eq!(parent(Some(header), 1, 2), fresh, "{header}");
        }
        assert_eq!(parent(None, 1, 2), fresh);
        assert_eq!(parent(None, 0, 0), "00-00000000000000000000000000000001-0000000000000001-01");
    }
}
