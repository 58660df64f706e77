//! Which parameters a route takes in its query. An API route refuses every other one by its name; pages, webhooks and
//! return addresses are called by others' programs, which add what they like.

use super::Route;

impl Route {
    /// None: whatever comes is ignored.
    pub fn parameters(&self) -> Option<&'static [&'static str]> {
        match self {
            Self::Shop { .. }
            | Self::OrdersPage { .. }
            | Self::Asset { .. }
            | Self::Health
            | Self::Description
            | Self::DevSession
            | Self::Webhook { .. }
            | Self::TossReturn => None,
            Self::Holds => Some(&["sale_id", "status", "cursor", "limit"]),
            Self::Orders => Some(&["hold_id", "sale_id", "cursor", "limit"]),
            Self::DeadLetters => Some(&["kind", "event_type", "subscription", "sale_id", "cursor", "limit"]),
            Self::Actions => Some(&["cursor", "limit"]),
            Self::ListPayments => Some(&["state", "cursor", "limit"]),
            Self::Reserve
            | Self::Hold { .. }
            | Self::Release { .. }
            | Self::OpenPayment { .. }
            | Self::RefundAccount { .. }
            | Self::Order { .. }
            | Self::Sales
            | Self::Sale { .. }
            | Self::PortOneConfirm
            | Self::CreateSale
            | Self::SetStatus { .. }
            | Self::AdjustStock { .. }
            | Self::Report { .. }
            | Self::Subscriptions
            | Self::Subscribe
            | Self::Subscription { .. }
            | Self::SetSubscription { .. }
            | Self::Unsubscribe { .. }
            | Self::RotateSecret { .. }
            | Self::ReplayDeadLetter { .. }
            | Self::ReplayDeadLetters
            | Self::DecideDeadLetter { .. }
            | Self::PayHold { .. }
            | Self::AdminOrder { .. }
            | Self::ForgetUser { .. }
            | Self::CancelOrder { .. } => Some(&[]),
        }
    }
}
