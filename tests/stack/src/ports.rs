//! Ports on loopback.
//!
//! They are chosen below the range from which the system takes the ports of outgoing connections: a process that is
//! started again must find its own port free, under load too.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;

use anyhow::Context as _;

const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// No port is given out twice within this process, though its user may not have bound it yet.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A free port, looked for from a place that differs between clones and runs.
pub fn free() -> anyhow::Result<u16> {
    let mut given = GIVEN.lock().map_err(|_| anyhow::anyhow!("another start has failed"))?;
    let [high, low, ..] = uuid::Uuid::new_v4().into_bytes();
    let start = u16::from_be_bytes([high, low]);
    let candidates = (0..COUNT).map(|step| FIRST + (start % COUNT + step) % COUNT);
    let port = candidates.filter(|port| !given.contains(port)).find(|port| is_free(*port));
    let port = port.context("no port is free on 127.0.0.1")?;
    given.insert(port);
    Ok(port)
}

/// `wanted` when it is free, otherwise another, with a line that says so.
pub fn free_or_another(wanted: u16, what: &str) -> anyhow::Result<u16> {
    if is_free(wanted) {
        return Ok(wanted);
    }
    let port = free()?;
    println!("  port {wanted} is taken, so {what} listens on {port}");
    Ok(port)
}
