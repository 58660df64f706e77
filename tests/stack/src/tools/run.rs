//! Running a program that takes a while: one line of progress, its own output in a log, ended when we are.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::workspace;

/// How often a line is added where a line cannot be rewritten: in a pipe or a file.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Python's installer, before the name of a file that has the hashes of everything it names.
pub const PIP_INSTALL: [&str; 7] =
    ["-m", "pip", "install", "--no-deps", "--disable-pip-version-check", "--require-hashes", "--requirement"];

/// The answer to every question about this machine is yes: `--yes`.
static YES: AtomicBool = AtomicBool::new(false);

/// What `interrupt` has to end. One at a time: installs and builds run one after another.
static RUNNING: Mutex<Option<Pid>> = Mutex::new(None);
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Runs `command` to its end with its output in `target/dev/logs/{log}.log`, saying `what` and how long it takes.
/// An error names the log and shows its last lines.
pub fn quietly(what: &str, log: &str, command: &mut Command) -> anyhow::Result<()> {
    let logs = workspace::dev_dir().join("logs");
    fs::create_dir_all(&logs).with_context(|| format!("cannot create {}", logs.display()))?;
    let path = logs.join(format!("{log}.log"));
    let output = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0);

    let progress = Progress::start(what);
    let status = wait(command, &progress).with_context(|| format!("cannot run {:?}", command.get_program()))?;
    if INTERRUPTED.load(Ordering::SeqCst) {
        bail!("interrupted");
    }
    if !status.success() {
        progress.end("failed");
        bail!("{what}: {status}\n{}\n  the whole output is in {}", last_lines(&path), path.display());
    }
    progress.end("done");
    Ok(())
}

/// Ends the program that runs now and lets no other start. For the moment between Ctrl-C and our own end.
pub fn interrupt() {
    INTERRUPTED.store(true, Ordering::SeqCst);
    if let Ok(running) = RUNNING.lock()
        && let Some(pid) = *running
    {
        // It may have ended by itself in this moment, which is as good.
        let _ = kill_process_group(pid, Signal::TERM);
    }
}

/// From now on installs for the whole machine need no confirmation.
pub fn answer_yes() {
    YES.store(true, Ordering::SeqCst);
}

/// Asks before `what` is done to the whole machine rather than to the user's own cache. Only a person at a terminal can be
/// asked: in a container or in CI the command itself was the answer.
///
/// # Errors
/// The answer is no.
pub fn ask_before(what: &str) -> anyhow::Result<()> {
    let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
    if YES.load(Ordering::SeqCst) || !stdin.is_terminal() || !stdout.is_terminal() {
        return Ok(());
    }
    print!("  {what}: this changes the whole machine. Go on? [y/N] ");
    stdout.lock().flush()?;
    let mut answer = String::new();
    stdin.read_line(&mut answer)?;
    if !is_yes(&answer) {
        bail!("not done: {what}. Do it yourself, or start again with --yes");
    }
    Ok(())
}

fn is_yes(answer: &str) -> bool {
    ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str())
}

/// Takes out of the environment what `cargo run` put there for us: another cargo must not take itself to be building
/// this package, nor with this toolchain.
pub fn outside_cargo(command: &mut Command) -> &mut Command {
    const OURS: [&str; 5] =
        ["CARGO", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH"];
    const PREFIXES: [&str; 4] = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_", "DYLD_"];
    let of_cargo = |name: &OsString| {
        name.to_str().is_some_and(|name| OURS.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
    };
    for name in std::env::vars_os().map(|(name, _)| name).filter(of_cargo) {
        command.env_remove(name);
    }
    command
}

fn wait(command: &mut Command, progress: &Progress) -> anyhow::Result<ExitStatus> {
    let mut child = {
        let mut running = RUNNING.lock().map_err(|_| anyhow::anyhow!("another install has failed"))?;
        if INTERRUPTED.load(Ordering::SeqCst) {
            bail!("interrupted");
        }
        let child = command.spawn()?;
        *running = Pid::from_raw(i32::try_from(child.id())?);
        child
    };
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        progress.tick();
        std::thread::sleep(Duration::from_millis(50));
    };
    if let Ok(mut running) = RUNNING.lock() {
        *running = None;
    }
    Ok(status)
}

fn last_lines(path: &std::path::Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// One line about something that takes a while. On a terminal it is rewritten each second; elsewhere a line is added
/// now and then, so that a log shows that it goes on.
struct Progress {
    what: String,
    started: Instant,
    terminal: bool,
    said: std::cell::Cell<Duration>,
}

impl Progress {
    fn start(what: &str) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let progress = Self {
            what: what.to_owned(),
            started: Instant::now(),
            terminal,
            said: std::cell::Cell::new(Duration::ZERO),
        };
        if terminal {
            progress.rewrite("")
        } else {
            println!("  {what} ...")
        }
        progress
    }

    fn tick(&self) {
        let elapsed = self.started.elapsed();
        let every = if self.terminal { Duration::from_secs(1) } else { LINE_EVERY };
        if elapsed < self.said.get() + every {
            return;
        }
        self.said.set(elapsed);
        if self.terminal {
            self.rewrite(&format!("{} s", elapsed.as_secs()));
        } else {
            println!("  {} ... {} s", self.what, elapsed.as_secs());
        }
    }

    fn end(&self, how: &str) {
        let took = self.started.elapsed().as_secs_f64();
        if self.terminal {
            self.rewrite(&format!("{how}, {took:.1} s\n"));
        } else {
            println!("  {} ... {how}, {took:.1} s", self.what);
        }
    }

    fn rewrite(&self, state: &str) {
        let mut out = std::io::stdout().lock();
        // A closed terminal is no reason to stop an install.
        let _ = write!(out, "\r\x1b[2K  {} ... {state}", self.what).and_then(|()| out.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(["y\n", "Y\n", " yes \n", "YES"].into_iter().all(is_yes));
        assert!(!["", "\n", "n\n", "no\n", "yep\n", "y y\n"].into_iter().any(is_yes));
    }
}
