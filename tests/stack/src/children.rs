//! The processes of a stack: started, started again when they die, ended together.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::Signal;
use tokio::process::{Child, Command};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::leftovers::{self, Record};
use super::state;
use crate::tools::Unprivileged;

/// A process that lived this long was well; the next death is a first one again.
const STEADY: Duration = Duration::from_secs(5);
/// Between attempts to start what dies again and again. The first attempt waits for nothing.
const PAUSES_MS: [u64; 6] = [0, 100, 200, 400, 800, 2000];

/// After so many deaths in a row something is wrong that starting it again does not cure.
const HOPELESS: usize = 7;

/// How one process is started and ended.
pub struct Spec {
    /// Unique: names the log and the lines about it.
    pub name: String,
    /// What it is in `stack.json`: the instances of a function share one.
    pub part: &'static str,
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// Added to PATH, HOME and the like; what cargo set for us is not passed on.
    pub env: Vec<(String, String)>,
    pub user: Option<Unprivileged>,
    /// Asks it to end.
    pub stop: Signal,
    /// How long it may take to end before it is killed.
    pub patience: Duration,
    /// Done before each start.
    pub prepare: Box<dyn Fn() -> anyhow::Result<()> + Send + Sync>,
}

/// The processes of one stack. Clones are the same processes.
#[derive(Clone)]
pub struct Children(Arc<Inner>);

struct Inner {
    logs: PathBuf,
    /// Where the living are recorded for the next run, in case this one is killed.
    records_path: PathBuf,
    records: Mutex<BTreeMap<String, (&'static str, Record)>>,
    changed: watch::Sender<()>,
    hopeless: watch::Sender<Option<String>>,
    supervised: Mutex<Vec<Supervised>>,
    /// Exits are expected, and not reported.
    hushed: AtomicBool,
}

struct Supervised {
    part: &'static str,
    stop: watch::Sender<bool>,
    again: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Children {
    pub fn new(state: &state::State) -> Self {
        Self(Arc::new(Inner {
            logs: state.logs(),
            records_path: state.path("pids.json"),
            records: Mutex::default(),
            changed: watch::channel(()).0,
            hopeless: watch::channel(None).0,
            supervised: Mutex::default(),
            hushed: AtomicBool::default(),
        }))
    }

    /// From now on exits are not reported: processes are killed on purpose.
    pub fn hush(&self) {
        self.0.hushed.store(true, Relaxed);
    }

    /// The living process of this name.
    pub fn pid(&self, name: &str) -> Option<u32> {
        held(&self.0.records).get(name).map(|(_, record)| record.pid)
    }

    /// The names of the living of a part.
    pub fn names(&self, part: &str) -> Vec<String> {
        let records = held(&self.0.records);
        records.iter().filter(|(_, (of, _))| *of == part).map(|(name, _)| name.clone()).collect()
    }

    /// Starts a process and from then on keeps it running. Fails when it cannot be started at all.
    pub fn start(&self, spec: Spec) -> anyhow::Result<()> {
        let child = self.spawn(&spec)?;
        let (stop, stopping) = watch::channel(false);
        let (part, again) = (spec.part, Arc::new(Notify::new()));
        let task = tokio::spawn(supervise(self.clone(), spec, child, stopping, again.clone()));
        held(&self.0.supervised).push(Supervised { part, stop, again, task });
        Ok(())
    }

    /// Has the processes of a part ended and started again, from what their files are now.
    pub fn start_again(&self, part: &str) {
        held(&self.0.supervised).iter().filter(|one| one.part == part).for_each(|one| one.again.notify_one());
    }

    /// Ends the processes of these parts, or of all when none is named; returns when they are gone.
    pub async fn stop(&self, parts: &[&str]) {
        let (ending, staying) = {
            let all = std::mem::take(&mut *held(&self.0.supervised));
            all.into_iter().partition::<Vec<_>, _>(|one| parts.is_empty() || parts.contains(&one.part))
        };
        held(&self.0.supervised).extend(staying);
        for one in &ending {
            one.stop.send_replace(true);
        }
        for one in ending {
            // A task that panicked has nothing more to end.
            let _ = one.task.await;
        }
    }

    /// The living, by part, in the order of their names.
    pub fn pids(&self) -> BTreeMap<&'static str, Vec<u32>> {
        let mut pids: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (part, record) in held(&self.0.records).values() {
            pids.entry(*part).or_default().push(record.pid);
        }
        pids
    }

    /// Reports each start and exit of a process.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    fn spawn(&self, spec: &Spec) -> anyhow::Result<Child> {
        (spec.prepare)()?;
        let path = self.log(spec);
        let log = OpenOptions::new().create(true).append(true).open(&path);
        let log = log.with_context(|| format!("cannot write {}", path.display()))?;
        let mut command = Command::new(&spec.program);
        command.args(&spec.args).env_clear().envs(passed_on()).envs(spec.env.iter().cloned());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // Ctrl-C in the terminal is for us alone; we end the others in their order.
        command.process_group(0);
        if let Some(user) = spec.user {
            command.uid(user.uid).gid(user.gid).current_dir("/");
        }
        let child = command.spawn().with_context(|| format!("cannot start {}", spec.program.display()))?;
        if let Some(pid) = child.id() {
            held(&self.0.records).insert(spec.name.clone(), (spec.part, Record::of(pid)));
            self.write_records();
        }
        Ok(child)
    }

    fn forget(&self, spec: &Spec) {
        held(&self.0.records).remove(&spec.name);
        self.write_records();
    }

    fn write_records(&self) {
        // Held until the file is written: of two changes at once, the later one has to be the file's last.
        let living = held(&self.0.records);
        let records: BTreeMap<_, _> = living.iter().map(|(name, (_, record))| (name.clone(), record.clone())).collect();
        let written = serde_json::to_vec_pretty(&records)
            .map_err(anyhow::Error::from)
            .and_then(|text| state::write_private(&self.0.records_path, &text));
        if let Err(error) = written {
            println!("{error:#}; if this run is killed, the next cannot end what it leaves behind");
        }
        drop(living);
        self.0.changed.send_replace(());
    }

    /// One line a death, until it is clear that the next will be like the last.
    fn tell_of_death(&self, spec: &Spec, status: std::io::Result<ExitStatus>, deaths: usize) {
        if self.0.hushed.load(Relaxed) {
            return;
        }
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        match deaths.cmp(&HOPELESS) {
            Ordering::Less => println!("{} died ({status}); starting it again", spec.name),
            Ordering::Equal => {
                let log = self.log(spec);
                let reason = format!("{} dies again and again ({status}); its log is {}", spec.name, log.display());
                println!("{reason}; it is still started again every {} s", PAUSES_MS[PAUSES_MS.len() - 1] / 1000);
                self.0.hopeless.send_replace(Some(reason));
            }
            Ordering::Greater => {}
        }
    }

    fn log(&self, spec: &Spec) -> PathBuf {
        self.0.logs.join(format!("{}.log", spec.name))
    }

    /// Resolves when a process dies every time that it is started, to a sentence about it.
    pub async fn hopeless(&self) -> String {
        let mut hopeless = self.0.hopeless.subscribe();
        match hopeless.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }
}

/// One process for as long as the stack runs.
async fn supervise(
    children: Children,
    spec: Spec,
    first: Child,
    mut stopping: watch::Receiver<bool>,
    again: Arc<Notify>,
) {
    let mut child = Some(first);
    let mut deaths: usize = 0;
    loop {
        let started = Instant::now();
        if let Some(running) = child.as_mut() {
            tokio::select! {
                () = told(&mut stopping) => {
                    end(running, &spec).await;
                    children.forget(&spec);
                    return;
                }
                () = again.notified() => {
                    end(running, &spec).await;
                    children.forget(&spec);
                    deaths = 0;
                }
                status = running.wait() => {
                    children.forget(&spec);
                    deaths = if started.elapsed() >= STEADY { 1 } else { deaths + 1 };
                    children.tell_of_death(&spec, status, deaths);
                }
            }
        } else {
            deaths += 1;
        }
        let pause = PAUSES_MS[deaths.saturating_sub(1).min(PAUSES_MS.len() - 1)];
        tokio::select! {
            () = told(&mut stopping) => return,
            () = tokio::time::sleep(Duration::from_millis(pause)) => {}
        }
        child = match children.spawn(&spec) {
            Ok(child) => Some(child),
            Err(error) => {
                println!("{}: {error:#}", spec.name);
                None
            }
        };
    }
}

/// Until the process is to end; or until the sender is gone.
async fn told(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

async fn end(child: &mut Child, spec: &Spec) {
    let Some(pid) = child.id() else { return };
    leftovers::signal(pid, spec.stop);
    if tokio::time::timeout(spec.patience, child.wait()).await.is_err() {
        // Killing fails only when it has ended after all.
        let _ = child.kill().await;
    }
}

/// A process gets what programs need to run at all, and nothing that was meant for us.
fn passed_on() -> impl Iterator<Item = (OsString, OsString)> {
    // The last one is where `cargo dev coverage` has them count.
    const NAMES: [&str; 10] = [
        "PATH",
        "HOME",
        "USER",
        "LANG",
        "LC_ALL",
        "TMPDIR",
        "CARGO_HOME",
        "RUSTUP_HOME",
        "RUST_BACKTRACE",
        "LLVM_PROFILE_FILE",
    ];
    std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(|name| NAMES.contains(&name)))
}

/// A panic elsewhere must not keep us from ending processes.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
