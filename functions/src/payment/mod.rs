//! Payments at gateways: confirming, capturing, refunding, and comparing ours with the gateways' own lists.

pub mod confirm;
pub mod flow;
pub mod gateways;
pub mod hints;
pub mod opening;
pub mod proof;
pub mod recheck;
pub mod reconcile;
pub mod refund;
pub mod refund_account;
pub mod returned;
pub mod unanswered;
pub mod webhook_secrets;
