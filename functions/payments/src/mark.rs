//! A payment is ours if it names a hold in the form of our ids. The account may serve other products and another
//! Holdfast; their payments carry no mark, and their money must not be touched.

/// The hold that a payment names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// As it stands in the payment.
    pub hold_ref: String,
    /// In 32 hexadecimal digits; none where the gateway serves this Holdfast alone and names what is no id of ours.
    pub hold_id: Option<String>,
}

impl Mark {
    /// The first of these places that has an id of our form. None: not our payment.
    pub(crate) fn find(places: [Option<String>; 2]) -> Option<Self> {
        places.into_iter().flatten().find_map(|hold_ref| {
            let hold_id = hold_id(&hold_ref)?;
            Some(Self { hold_ref, hold_id: Some(hold_id) })
        })
    }

    /// For the shop's own service, which reports our payments only: whatever it names counts.
    pub(crate) fn of_own_service(hold_ref: String) -> Self {
        Self { hold_id: hold_id(&hold_ref), hold_ref }
    }
}

/// A hold's id as gateways keep it: a UUID with its hyphens or without, and without them perhaps with the number of the
/// try behind it, two digits, because some take letters and digits only and no id twice.
#[must_use]
pub fn hold_id(hold_ref: &str) -> Option<String> {
    let bytes = hold_ref.as_bytes();
    let digits: Vec<u8> = match bytes.len() {
        36 if [8, 13, 18, 23].iter().all(|at| bytes.get(*at) == Some(&b'-')) => {
            bytes.iter().copied().filter(|byte| *byte != b'-').collect()
        }
        32 => bytes.to_vec(),
        34 if bytes.iter().skip(32).all(u8::is_ascii_digit) => bytes.iter().copied().take(32).collect(),
        _ => return None,
    };
    let id = (digits.len() == 32 && digits.iter().all(u8::is_ascii_hexdigit)).then(|| String::from_utf8(digits).ok());
    id.flatten().map(|id| id.to_ascii_lowercase())
}

/// The id as the database writes it, of a reference that names one.
pub(crate) fn hyphenated(hold_ref: &str) -> Option<String> {
    let id = hold_id(hold_ref)?;
    let part = |from: usize, to: usize| id.get(from..to);
    Some([part(0, 8)?, part(8, 12)?, part(12, 16)?, part(16, 20)?, part(20, 32)?].join("-"))
}

#[cfg(test)]
mod tests {
    use super::{Mark, hold_id};

    const ID: &str = "019a9e7c-4b5a-7c3d-8e9f-0123456789ab";

    #[test]
    fn a_hold_is_found_in_the_ways_that_gateways_keep_it() {
        let bare = ID.replace('-', "");
        for hold_ref in [ID.to_owned(), bare.clone(), format!("{bare}01"), format!("{bare}42"), ID.to_uppercase()] {
            assert_eq!(hold_id(&hold_ref).as_deref(), Some(bare.as_str()), "{hold_ref}");
        }
        for other in [
            "",
            "no id",
            "order-20260115-1",
            &format!("{bare}0x"),
            &format!("{bare}001"),
            &format!("{bare}1"),
            &format!("{{{ID}}}"),
            &format!("urn:uuid:{ID}"),
            &format!("{}-{}", &bare[..17], &bare[17..]),
            &bare.replace('a', "g"),
            "가나다라마바사아자차카타",
        ] {
            assert_eq!(hold_id(other), None, "{other}");
        }
    }

    #[test]
    fn a_shared_account_has_no_mark_and_the_shops_own_service_always_has_one() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(Mark::find([None, text("order_7")]), None);
        assert_eq!(Mark::find([text("room 12"), text("order_7")]), None);
        let found = Mark::find([text("room 12"), text(ID)]).map(|mark| mark.hold_ref);
        assert_eq!(found.as_deref(), Some(ID));
        let own = Mark::of_own_service("no id".to_owned());
        assert_eq!((own.hold_ref.as_str(), own.hold_id), ("no id", None));
    }
}
