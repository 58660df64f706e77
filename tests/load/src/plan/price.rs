//! Published prices and limits, in US dollars, without what a plan includes. Read in November 2026; a page's address
//! stands where its figures are.

/// A request to the Worker. <https://developers.cloudflare.com/workers/platform/pricing>, Standard.
pub const WORKER_REQUEST: f64 = 0.30 / 1e6;
/// A millisecond of the Worker's processor time. The same page.
pub const WORKER_CPU_MS: f64 = 0.02 / 1e6;
/// A request to a Durable Object. <https://developers.cloudflare.com/durable-objects/platform/pricing>
pub const OBJECT_REQUEST: f64 = 0.15 / 1e6;
/// A gigabyte held in memory for a second by a Durable Object. The same page.
pub const OBJECT_GB_S: f64 = 12.50 / 1e6;
/// What a Durable Object is billed for, whatever it uses.
pub const OBJECT_GB: f64 = 0.128;
/// What one Durable Object is meant to take, a soft limit.
/// <https://developers.cloudflare.com/durable-objects/platform/limits>
pub const OBJECT_REQUESTS_PER_S: f64 = 1_000.0;
/// A call of a function. <https://aws.amazon.com/lambda/pricing/>, Arm, us-east-1.
pub const LAMBDA_REQUEST: f64 = 0.20 / 1e6;
/// A gigabyte of memory for a second of a function. The same page, the first tier.
pub const LAMBDA_GB_S: f64 = 0.000_013_333_4;
/// A processor with 4 GB for an hour. <https://neon.com/pricing>, Launch.
pub const POSTGRES_CU_HOUR: f64 = 0.106;
/// The largest computer that grows by itself. <https://neon.com/docs/introduction/plans>
pub const PROCESSORS_MAX: f64 = 16.0;
