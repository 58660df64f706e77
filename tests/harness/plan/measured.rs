//! What the model counts with: figures of `cargo dev bench` and `cargo dev rush`, on the machine they were measured on.

#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Processor time of Worker and Gate together for one reservation, in milliseconds (`cargo dev bench edge`).
    pub edge_ms: f64,
    /// Requests a second that one Gate answers when it has a processor to itself (`cargo dev bench edge`).
    pub gate_per_s: f64,
    /// Processor time of T1 for a call, whatever it carries, in milliseconds (`cargo dev bench t1`, batches of 1).
    pub batch_ms: f64,
    /// Processor time of T1 for each reservation of a full batch, in milliseconds (`cargo dev bench t1`, of 100).
    pub reservation_ms: f64,
    /// Processor time of T2, in milliseconds (`cargo dev bench t2-t3`).
    pub confirm_ms: f64,
    /// Reservations a second on one SKU, in batches with early release (`cargo dev bench t1`).
    pub hot_sku_per_s: f64,
}

/// Two processors of a shared machine: slower than what one would rent, so the plan errs on the safe side.
pub const ON_TWO_CORES: Measured = Measured {
    edge_ms: 0.67,
    gate_per_s: 1_400.0,
    batch_ms: 0.8,
    reservation_ms: 0.08,
    confirm_ms: 0.8,
    hot_sku_per_s: 15_000.0,
};
