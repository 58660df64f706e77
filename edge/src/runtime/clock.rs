//! The Worker's clock. `std::time` has none in Wasm; everything that is tested gets the time as an argument.

/// Unix time in milliseconds. Cloudflare lets it stand still between two I/O operations.
pub fn now_ms() -> u64 {
    worker::Date::now().as_millis()
}
