//! The ways of reserving that are held against each other. Each does the same six steps on the same tables.

/// How a client of this way calls.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum CallMethod {
    /// The guide's statements, one by one in a transaction.
    Statements,
    /// One reservation in one call of `bench.{0}`.
    OneCall(&'static str),
    /// The same, and again after 50, 100 and 200 ms when another transaction was quicker.
    Optimistic,
    /// The product's `holdfast.reserve`, for so many at once.
    Product { batch: usize, early_release: bool },
    /// The same rows without any check; no way of selling.
    Bulk { batch: usize },
}

pub struct Variant {
    /// As `--only` names it.
    pub name: &'static str,
    /// As the table and the plot name it.
    pub label: &'static str,
    pub way: CallMethod,
    /// Where its stock is counted: a column of `bench.sums`.
    pub counted_in: &'static str,
}

impl Variant {
    /// Reservations a call.
    #[must_use]
    pub fn batch(&self) -> usize {
        match self.way {
            CallMethod::Statements | CallMethod::OneCall(_) | CallMethod::Optimistic => 1,
            CallMethod::Product { batch, .. } | CallMethod::Bulk { batch } => batch,
        }
    }

    /// Whether its calls are the function's own, made with the function's rights and bounds.
    #[must_use]
    pub fn is_the_product(&self) -> bool {
        matches!(self.way, CallMethod::Product { .. })
    }
}

const fn of(name: &'static str, label: &'static str, way: CallMethod, counted_in: &'static str) -> Variant {
    Variant { name, label, way, counted_in }
}

const fn product(name: &'static str, label: &'static str, batch: usize, early_release: bool) -> Variant {
    of(name, label, CallMethod::Product { batch, early_release }, "counter")
}

/// What every ratio is held against.
pub const BASELINE: &str = "one-call";

/// The product's call for one, committed in the ordinary way: what `crash` has commit asynchronously.
pub const ONE_FOR_ONE: Variant = product("one-for-one", "the product's call for one", 1, false);

pub const VARIANTS: [Variant; 14] = [
    of("statements", "the guide's statements, one by one", CallMethod::Statements, "counter"),
    of("one-call", "one call, counter last", CallMethod::OneCall("one_call"), "counter"),
    of("optimistic", "optimistic, a version, 3 retries", CallMethod::Optimistic, "versioned"),
    of("for-update", "FOR UPDATE first", CallMethod::OneCall("for_update"), "counter"),
    of("unit-rows", "a row a unit, SKIP LOCKED", CallMethod::OneCall("unit_rows"), "units"),
    of("striped", "16 counter stripes", CallMethod::OneCall("striped"), "stripes"),
    product("batch-10", "batches of 10", 10, false),
    product("batch-50", "batches of 50", 50, false),
    product("batch-100", "batches of 100", 100, false),
    product("early", "early release", 1, true),
    product("batch-10-early", "batches of 10, early release", 10, true),
    product("batch-50-early", "batches of 50, early release", 50, true),
    product("batch-100-early", "batches of 100, early release", 100, true),
    of("bulk-100", "100 rows in bulk, nothing checked", CallMethod::Bulk { batch: 100 }, "counter"),
];

/// The way of that name.
///
/// # Errors
/// There is none.
pub fn named(name: &str) -> anyhow::Result<&'static Variant> {
    let known = || VARIANTS.iter().map(|variant| variant.name).collect::<Vec<_>>().join(", ");
    VARIANTS
        .iter()
        .find(|variant| variant.name == name)
        .ok_or_else(|| anyhow::anyhow!("no way of reserving is called {name}; there are: {}", known()))
}
