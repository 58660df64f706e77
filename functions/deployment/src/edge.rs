//! The Worker's side of the table: where its Durable Objects are, what it calls, its secrets, its limits per address.

/// One Durable Object, by its binding in wrangler.toml.
#[derive(Clone, Copy, Debug)]
pub struct Object {
    pub binding: &'static str,
    /// The variable that says where its objects are made: where the database is, because they only wait for it.
    pub location_variable: &'static str,
}

pub const OBJECTS: &[Object] = &[Object { binding: "GATE", location_variable: "GATE_LOCATION" }];

/// The hints that Cloudflare has for where an object is made. An object without one is made near whoever calls it first,
/// and stays there. <https://developers.cloudflare.com/durable-objects/reference/data-location>
pub const LOCATIONS: [&str; 9] = ["wnam", "enam", "sam", "weur", "eeur", "apac", "oc", "afr", "me"];

/// The hint that is nearest to a region of AWS. None: there is no such region, as far as this table knows.
#[must_use]
pub fn location_near(region: &str) -> Option<&'static str> {
    // The first that fits: Australia's regions are of `ap-` like all of Asia's.
    const NEAR: [(&str, &str); 17] = [
        ("us-west-", "wnam"),
        ("ca-west-", "wnam"),
        ("us-east-", "enam"),
        ("ca-central-", "enam"),
        ("mx-", "enam"),
        ("sa-", "sam"),
        ("eu-central-", "weur"),
        ("eu-west-", "weur"),
        ("eu-north-", "weur"),
        ("eu-south-", "weur"),
        ("ap-southeast-2", "oc"),
        ("ap-southeast-4", "oc"),
        ("ap-southeast-6", "oc"),
        ("ap-", "apac"),
        ("af-", "afr"),
        ("me-", "me"),
        ("il-", "me"),
    ];
    NEAR.iter().find(|(start, _)| region.starts_with(start)).map(|(_, hint)| *hint)
}

/// One secret of the Worker.
#[derive(Clone, Copy, Debug)]
pub struct Secret {
    pub name: &'static str,
    /// wrangler.toml refuses a deployment without it.
    pub required: bool,
    /// The function that has it too.
    pub also_at: Option<&'static str>,
}

const fn required(name: &'static str) -> Secret {
    Secret { name, required: true, also_at: None }
}

const fn optional(name: &'static str) -> Secret {
    Secret { name, required: false, also_at: None }
}

/// Without the gateways' webhook secrets, which the gateways' registry names.
pub const SECRETS: &[Secret] = &[
    required("SESSION_SECRET"),
    Secret { also_at: Some("confirm"), ..required("WEBHOOK_SECRET") },
    required("AWS_ACCESS_KEY_ID"),
    required("AWS_SECRET_ACCESS_KEY"),
    Secret { also_at: Some("confirm"), ..optional("CONFIRM_KEY") },
    optional("ADMIN_AWS_ACCESS_KEY_ID"),
    optional("ADMIN_AWS_SECRET_ACCESS_KEY"),
    optional("ADMIN_TOKENS"),
    optional("ADMIN_TOKEN"),
    optional("GATE_KEY"),
    optional("SESSION_SECRET_PREVIOUS"),
];

/// Requests of one address in ten seconds, by the binding in wrangler.toml.
pub const LIMITS: [(&str, u64); 4] =
    [("PER_ADDRESS", 3_000), ("PER_UNAUTHENTICATED", 1_000), ("PER_UNKNOWN", 100), ("PER_HINT", 30)];
pub const LIMITS_PERIOD_S: u64 = 10;

/// Calls of `reserve` that one Gate has in flight: `BATCHES_IN_FLIGHT_MAX` of edge/src/runtime/limits.rs.
pub const CALLS_OF_A_GATE: u64 = 3;

/// From this date on a timer and a `waitUntil` keep a Durable Object alive, on which a Gate's calls depend.
pub const COMPATIBILITY_DATE_MIN: &str = "2026-10-01";

/// Reserved concurrency of `reserve` for so many Gates: twice what they have in flight, because after a Gate has started
/// anew the calls of its predecessor still hold theirs.
#[must_use]
pub const fn reserved_for_gates(gates: u64) -> u64 {
    2 * gates * CALLS_OF_A_GATE
}
