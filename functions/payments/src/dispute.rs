//! A dispute about a payment, as its gateway tells of it.

/// What a gateway says of a dispute about a payment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disputed {
    /// It does not say, disputed or not.
    #[default]
    Unsaid,
    No,
    /// There is one, which is asked for by itself: [`crate::GatewayApi::ask_dispute`].
    Ask,
    Yes(Dispute),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dispute {
    pub state: DisputeState,
    /// In the currency's minor unit.
    pub amount: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisputeState {
    Open,
    /// The money stays.
    Won,
    /// The bank has given it back to the buyer.
    Lost,
}

impl DisputeState {
    /// As schema/present.sql writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }

    /// None: there is no such state.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Open, Self::Won, Self::Lost].into_iter().find(|state| state.name() == name)
    }
}

/// What a signed message says of a dispute, for a gateway that does not say it when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisputeHint {
    Opened,
    /// Which way, what is left of the payment says.
    Resolved,
}

impl DisputeHint {
    /// As a message to `confirm` writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Resolved => "resolved",
        }
    }
}
