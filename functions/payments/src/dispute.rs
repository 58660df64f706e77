//! A dispute about a payment, as its gateway reports it.

/// The dispute of a payment, as its snapshot reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disputed {
    /// The gateway does not report disputes in snapshots.
    #[default]
    Unsaid,
    No,
    /// There is one; its details need a request: [`crate::GatewayApi::look_up_dispute`].
    NeedsLookup,
    Yes(Dispute),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dispute {
    pub state: DisputeState,
    /// In the currency's minor unit.
    pub amount: i64,
    /// What the bank has returned in other disputes of the payment, while this one is open.
    pub lost_before: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisputeState {
    Open,
    /// Won by the shop.
    Won,
    /// The bank has returned the money to the buyer.
    Lost,
}

impl DisputeState {
    /// As schema/routines/present.sql writes it.
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

/// What a signed message says of a dispute, for gateways whose snapshots do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DisputeHint {
    /// When, by the message's RFC 3339: a message about the dispute that is over may come late, and another dispute may
    /// follow it.
    Opened { at: Option<String> },
    /// It is over; whether it was won or lost, the message does not say.
    Resolved,
}

impl DisputeHint {
    /// When the dispute was opened, if the message says so.
    #[must_use]
    pub fn at(&self) -> Option<String> {
        match self {
            Self::Opened { at } => at.clone(),
            Self::Resolved => None,
        }
    }

    /// As a message to `confirm` writes it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "opened",
            Self::Resolved => "resolved",
        }
    }
}
