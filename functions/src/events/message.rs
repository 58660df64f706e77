//! An event as a subscriber gets it.

use uuid::Uuid;

pub struct Message {
    pub event_id: Uuid,
    pub hold_id: Option<Uuid>,
    pub event_type: String,
    /// `{"type","timestamp","data"}`.
    pub body: String,
}
