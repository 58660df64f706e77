//! What a deployment can be seen to lack without a cloud: rules over the template and over wrangler.toml. They are about
//! what is written there, whoever has written it; each finding is a sentence.

mod access;
mod on_schedule;
mod reading;
mod template;
mod wrangler;

pub use template::template;
pub use wrangler::wrangler;
