//! How one attempt of a refund ended, and the name under which it is stored (schema/routines/refund.sql).

const DISPUTE_OPEN: &str = "the payment is disputed: the bank may pay the buyer back";

pub(super) enum AttemptOutcome {
    Done(Option<String>),
    /// This attempt completed; another refund for the rest is in progress.
    Partly,
    /// This attempt completed; the rest waits until its dispute is over.
    PartlyWaits,
    Requested,
    /// Nothing was requested: the bank may return what is left, because its dispute is open.
    Waits,
    /// A deposit: the buyer or an operator has to name an account.
    NeedsAccount,
    Refused(String),
    /// A deposit whose refund was requested to an account that is not stored, and the answer was lost: the request cannot
    /// be sent again, and the gateway may still do it.
    AnswerLost,
    /// Refused by Holdfast for good.
    Never(&'static str),
    Unknown(String),
}

impl AttemptOutcome {
    /// The outcome as `settle_refund` takes it, and what an operator reads of it.
    pub(super) fn into_words(self) -> (&'static str, Option<String>) {
        let said = |text: &str| Some(text.to_owned());
        match self {
            Self::Done(detail) => ("done", detail),
            Self::Partly => ("partly", None),
            Self::PartlyWaits => ("partly_waits", said(DISPUTE_OPEN)),
            Self::Requested => ("requested", None),
            Self::Waits => ("waits", said(DISPUTE_OPEN)),
            Self::Refused(why) => ("refused", Some(why)),
            Self::Never(why) => ("refused", said(why)),
            Self::NeedsAccount => ("refused", said("the refund of a deposit needs an account")),
            Self::AnswerLost => ("unknown", said("whether the account was paid is not known yet")),
            Self::Unknown(why) => ("unknown", Some(why)),
        }
    }
}
