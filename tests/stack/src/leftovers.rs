//! Processes that outlived a run which was killed before it could end them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// After this long an asked process is ended without asking.
const PATIENCE: Duration = Duration::from_secs(8);

/// A process that was started, distinguished from a later one with the same number by its start time.
#[derive(Clone, Serialize, Deserialize)]
pub struct Record {
    pub pid: u32,
    pub started: String,
}

impl Record {
    pub fn of(pid: u32) -> Self {
        Self { pid, started: start_of(pid).unwrap_or_default() }
    }

    pub fn is_alive(&self) -> bool {
        !self.started.is_empty() && start_of(self.pid).as_ref() == Some(&self.started)
    }
}

/// Ends what the last run recorded in `records` and left behind, and says so.
pub fn end_recorded(records: &Path) {
    let Ok(text) = fs::read_to_string(records) else { return };
    let recorded: BTreeMap<String, Record> = serde_json::from_str(&text).unwrap_or_default();
    let alive: Vec<_> = recorded.into_iter().filter(|(_, record)| record.is_alive()).collect();
    if !alive.is_empty() {
        let names: Vec<_> = alive.iter().map(|(name, record)| format!("{name} ({})", record.pid)).collect();
        println!("  an earlier run was killed and left processes behind; ending {}", names.join(", "));
    }
    for (name, record) in &alive {
        signal(record.pid, if name == "postgres" { Signal::INT } else { Signal::TERM });
    }
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline && alive.iter().any(|(_, record)| record.is_alive()) {
        std::thread::sleep(Duration::from_millis(20));
    }
    for (_, record) in alive.iter().filter(|(_, record)| record.is_alive()) {
        signal(record.pid, Signal::KILL);
    }
    // Gone or not, it is no longer this file's to remember.
    let _ = fs::remove_file(records);
}

pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // One that ended in this moment is as good.
        let _ = kill_process(pid, signal);
    }
}

/// The command line of a living process.
pub fn command_line(pid: u32) -> Option<String> {
    if let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) {
        return Some(String::from_utf8_lossy(&line).replace('\0', " "));
    }
    ps(pid, "command=")
}

/// When a living process started, in whatever words the system has for it. A process that has ended and waits for its
/// parent to notice counts as gone.
fn start_of(pid: u32) -> Option<String> {
    if cfg!(not(target_os = "linux")) {
        return ps(pid, "lstart=");
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name is in parentheses and may hold anything, spaces included; the state follows, and the start
    // time, in ticks since boot, is 19 fields after the state.
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace();
    let state = fields.next()?;
    let ticks = fields.nth(18)?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    (!matches!(state, "Z" | "X")).then(|| format!("{} {ticks}", boot.trim()))
}

fn ps(pid: u32, column: &str) -> Option<String> {
    let output = Command::new("ps").args(["-o", column, "-p", &pid.to_string()]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (!text.is_empty()).then_some(text)
}
