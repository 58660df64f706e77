//! What the model counts with, each with where it comes from. Figures of a machine that did other things besides: slower
//! than what one would rent, so the plan errs on the safe side. Put your own here.

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
    /// Reservations a second on one SKU, in batches with early release (`cargo dev bench t1`): what a first sketch of T1
    /// did; today's writes the same rows with 41 % of the instructions of the T1 before it.
    pub hot_sku_per_s: f64,
}

/// Two processors of a shared machine.
pub const ON_TWO_CORES: Measured = Measured {
    edge_ms: 0.67,
    gate_per_s: 1_400.0,
    batch_ms: 1.6,
    reservation_ms: 0.08,
    confirm_ms: 1.6,
    hot_sku_per_s: 12_000.0,
};
