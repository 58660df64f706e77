//! The Worker that is measured: built with its feature `bench`, in workerd, with a `reserve` that answers at once; and
//! what can be seen of a workerd from outside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::Target;
use stack::children::Children;
use stack::edge::{self, Local};
use stack::state::{Secrets, State};
use stack::wrangler::Wrangler;
use stack::{ports, ready};
use stack::{tools, workspace};

pub struct Worker {
    pub url: String,
    pub session_secret: String,
    lambda_url: String,
    port: u16,
    wrangler: Wrangler,
    secrets: Secrets,
    state: State,
    children: Children,
}

impl Worker {
    /// `name`: of its folder in `target`. `build`: another build in place of ours.
    pub async fn start(name: &str, lambda_url: String, build: Option<PathBuf>) -> anyhow::Result<Self> {
        let state = State::open(&workspace::root().join("target").join(name))?;
        let secrets = Secrets::of(&state)?;
        let wrangler = match build {
            Some(build) => {
                let mut wrangler = Wrangler::read()?;
                wrangler.built = Some(build);
                wrangler
            }
            None => tokio::task::spawn_blocking(built).await??,
        };
        let (children, port) = (Children::new(&state), ports::free()?);
        let (url, session_secret) = (format!("http://127.0.0.1:{port}"), secrets.session_secret.clone());
        let worker = Self { url, session_secret, lambda_url, port, wrangler, secrets, state, children };
        worker.run().await?;
        Ok(worker)
    }

    async fn run(&self) -> anyhow::Result<()> {
        let local = Local::new(vec![self.port], &self.lambda_url, "", &self.secrets);
        edge::start(tools::workerd()?, &self.wrangler, local, &self.state.path("edge"), &self.children).await
    }

    pub fn target(&self) -> anyhow::Result<Target> {
        Ok(Target { url: self.url.clone(), secret: self.session_secret.clone(), pid: self.pid()? })
    }

    /// With Gates that know nothing.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.children.stop(&[]).await;
        self.run().await
    }

    pub async fn stop(&self) {
        self.children.stop(&[]).await;
    }

    pub fn pid(&self) -> anyhow::Result<u32> {
        pid_of(&self.children)
    }

    /// From the start of the process to the first answer of the Worker: the median.
    pub async fn first_answer_ms(&mut self, times: usize) -> anyhow::Result<f64> {
        let http = stack::http::client().build()?;
        let mut taken = Vec::new();
        for _ in 0..times {
            self.children.stop(&[]).await;
            let began = Instant::now();
            self.run().await?;
            let answer = ready::within(Duration::from_secs(10), "the Worker", async || {
                Ok(http.get(format!("{}/healthz", self.url)).send().await?.error_for_status()?)
            });
            answer.await?;
            taken.push(began.elapsed().as_secs_f64() * 1e3);
        }
        taken.sort_by(f64::total_cmp);
        taken.get(times / 2).copied().context("never started")
    }
}

/// Where the Worker that is measured is built.
pub fn build_dir() -> PathBuf {
    workspace::root().join("target/bench-worker/build")
}

fn built() -> anyhow::Result<Wrangler> {
    let mut wrangler = Wrangler::read()?;
    let dir = build_dir();
    let tools = tools::for_worker()?;
    let mut command = Command::new(&tools.worker_build);
    tools.apply(&mut command).args(["--profile", "wasm", "--out-dir"]).arg(&dir).args(["--features", "bench"]);
    command.current_dir(workspace::root().join(&wrangler.build.cwd));
    tools::quietly("building the Worker that is measured", "build-bench-worker", &mut command)?;
    wrangler.built = Some(dir);
    wrangler.also_serve("BENCH", "Bench");
    Ok(wrangler)
}

pub fn pid_of(children: &Children) -> anyhow::Result<u32> {
    children.pids().get("edge").and_then(|pids| pids.first().copied()).context("workerd does not run")
}

/// What is uploaded, compressed, in bytes: the modules as wrangler sends them.
///
/// # Errors
/// There is no build of the Worker in `dir`.
pub fn compressed(dir: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    let main = workspace::root().join("edge/main.js");
    for path in [main, dir.join("index.js"), dir.join("index_bg.wasm")] {
        let file = fs::File::open(&path).with_context(|| format!("there is no {}", path.display()))?;
        let output = Command::new("gzip").arg("-c").stdin(file).stderr(Stdio::inherit()).output()?;
        ensure!(output.status.success(), "gzip: {}", output.status);
        bytes += output.stdout.len() as u64;
    }
    Ok(bytes)
}

/// What the process has computed since it began.
pub fn cpu_us(pid: u32) -> anyhow::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("workerd has ended")?;
    // The name, in parentheses, may hold anything; the 14th and 15th field count from there.
    let (_, fields) = stat.rsplit_once(')').context("/proc has another format")?;
    let ticks: Vec<u64> = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    // Linux counts in hundredths of a second, whatever its own clock does.
    Ok(ticks.iter().sum::<u64>() * 10_000)
}

pub fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("workerd has ended")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("/proc has another format")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kib * 1024)
}
