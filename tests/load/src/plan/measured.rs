//! What the model counts with, each with where it comes from. Put your own here.

#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Processor time of Worker and Gate together for one reservation, in milliseconds (`cargo dev bench edge`).
    pub edge_ms: f64,
    /// Requests a second that one Gate answers when it has a processor to itself (`cargo dev bench edge`).
    pub gate_per_s: f64,
    /// Processor time of T1 for a call, whatever it carries, in milliseconds: a batch of 1.
    pub batch_ms: f64,
    /// Processor time of T1 for each reservation of a batch of 100, in milliseconds.
    pub reservation_ms: f64,
    /// Processor time of T2, in milliseconds: taken to be a batch of 1's, which writes more.
    pub confirm_ms: f64,
    /// Reservations a second on one SKU, in batches with early release (`cargo dev bench t1`).
    pub hot_sku_per_s: f64,
}

/// Two processors of a shared machine at a quiet hour: the whole path, one call for one and one for 100 with early release,
/// each on both processors; the hot SKU with a commit of 3 ms, 64 clients.
pub const ON_TWO_CORES: Measured = Measured {
    edge_ms: 0.45,
    gate_per_s: 1_900.0,
    batch_ms: 0.9,
    reservation_ms: 0.06,
    confirm_ms: 0.9,
    hot_sku_per_s: 31_000.0,
};
