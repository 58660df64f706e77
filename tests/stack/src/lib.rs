//! The local stack: everything that a purchase travels through, as real parts, on loopback.
//!
//! `Stack::start_in_order` is the order in which they start. `children` keeps processes running and ends them; `state` is what
//! is kept on disk; the other files are one part each.

pub mod alone;
pub mod always;
mod build;
pub mod children;
pub mod database;
mod demo;
pub mod detours;
pub mod edge;
mod front;
pub mod functions;
mod guard;
pub mod leftovers;
pub mod migrate;
pub mod pooler;
pub mod ports;
pub mod postgres;
pub mod production;
pub mod proxy;
pub mod ready;
mod renew;
mod report;
pub mod scheduler;
pub mod state;
pub mod tools;
pub mod workspace;
pub mod wrangler;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::task::{JoinHandle, spawn_blocking};

use children::Children;
use detours::Detours;
pub use ports::free as free_port;
use production::{Production, Shares};
pub use report::Report;
pub use simulator::http;
use simulator::{self, Gateway};
use state::{Secrets, State};
use wrangler::Wrangler;

/// How a stack is to run.
pub struct Options {
    /// Where it keeps its state; one running stack a folder.
    pub dir: PathBuf,
    pub ports: Ports,
    pub sweep_interval_s: u64,
    /// The functions' `REFUND_RETRY_S`.
    pub refund_retry_s: &'static str,
    /// How often `reconcile` has a tick; none: only a test that wants it calls it.
    pub reconcile_every: Option<Duration>,
    /// Begin with an empty database.
    pub fresh: bool,
    /// A Postgres to use in place of the embedded one.
    pub database_url: Option<String>,
    /// The functions' `EARLY_RELEASE`; see schema/routines/reserve.sql.
    pub early_release: bool,
    /// Give an empty database something to sell.
    pub demo_sale: bool,
    /// What stands between the parts, for whoever wants to break what goes on there.
    pub detours: Option<Detours>,
    /// Build `relay` with its targets of AWS.
    pub aws: bool,
    /// What the real platforms do and one machine does not; with it there have to be detours.
    pub production: Option<Production>,
}

pub enum Ports {
    /// What people expect: the shop on this port or not at all, the others where they always are, if that is free.
    Usual { edge: u16 },
    /// Whatever is free.
    Free,
}

impl Options {
    /// A stack for tests: its state in `target/{name}`, no port in common with any other, an empty database.
    pub fn for_tests(name: &str) -> Self {
        Self {
            dir: workspace::root().join("target").join(name),
            ports: Ports::Free,
            sweep_interval_s: 1,
            refund_retry_s: "0,0.1,0.2,0.2,0.2,0.2",
            reconcile_every: None,
            fresh: true,
            database_url: None,
            early_release: true,
            demo_sale: false,
            detours: None,
            aws: true,
            production: None,
        }
    }
}

/// A stack that runs, or is being brought up. It has to be stopped: dropping it leaves its processes to the next run.
pub struct Stack {
    options: Options,
    state: State,
    secrets: Secrets,
    children: Children,
    gateway: Option<Gateway>,
    running: Option<renew::Running>,
    tasks: Vec<JoinHandle<()>>,
    schedulers: Vec<JoinHandle<()>>,
    shares: Option<Shares>,
    before_gateways: Option<proxy::Proxy>,
}

impl Stack {
    /// Takes the state's folder, and ends what a killed run left behind in it.
    pub fn prepare(options: Options) -> anyhow::Result<Self> {
        let state = State::open(&options.dir)?;
        leftovers::end_recorded(&state.path("pids.json"));
        // Nothing answers yet, whatever a killed run has written.
        let _ = std::fs::remove_file(state.path("stack.json"));
        let secrets = Secrets::of(&state)?;
        let children = Children::new(&state);
        Ok(Self {
            options,
            state,
            secrets,
            children,
            gateway: None,
            running: None,
            tasks: vec![],
            schedulers: vec![],
            shares: None,
            before_gateways: None,
        })
    }

    /// Builds and starts everything; when it returns, all of it answers.
    pub async fn bring_up(&mut self) -> anyhow::Result<Report> {
        let children = self.children.clone();
        tokio::select! {
            report = self.start_in_order() => report,
            reason = children.hopeless() => bail!(reason),
        }
    }

    async fn start_in_order(&mut self) -> anyhow::Result<Report> {
        let (edge_port, lambda_port, gateway_port) = self.choose_ports()?;
        let (edge_url, lambda_url) = (loopback(edge_port), loopback(lambda_port));
        let emulator = SocketAddr::from((guard::hidden(), ports::free()?));
        let (wrangler, workerd, cargo_lambda) = {
            let aws = self.options.aws;
            spawn_blocking(move || built(aws)).await??
        };

        let (detours, production) = (self.options.detours.clone(), self.options.production);
        let database_url = self.start_migrated_database().await?;
        if let Some(detours) = &detours {
            let (dir, password) = (self.state.path("pooler"), &self.secrets.functions_password);
            let pooler = pooler::start(&dir, &database_url, password, &self.children).await?;
            detours.lead(pooler, lambda_port, edge_port);
            production.inspect(|production| detours.keep_distance(*production));
        }
        functions::start_emulator(cargo_lambda, emulator, &self.children).await?;
        self.tasks.push(guard::start(lambda_port, emulator, production.is_some()).await?);
        let (shop_url, behind_url, clock) = match &detours {
            None => (edge_url.clone(), lambda_url.clone(), None),
            Some(detours) => (detours.shop.url(), detours.lambda.url(), detours.clock_dir.clone()),
        };
        let config = self.gateway_config(gateway_port, &shop_url);
        let secrets = config.webhook_env().into_iter().map(|(name, secret)| (name.to_owned(), secret));
        let gateways = match production {
            Some(production) => {
                let proxy = production.before_gateways(gateway_port).await?;
                let url = proxy.url();
                self.before_gateways = Some(proxy);
                url
            }
            None => loopback(gateway_port),
        };
        let gateways: Vec<_> = config.functions_env(&gateways).into_iter().chain(secrets).collect();
        let given =
            functions::Given { emulator, database_url: &database_url, secrets: &self.secrets, gateways: &gateways };
        functions::start_instances(&self.options, &given, &self.children)?;
        let gateway_url = self.start_gateway(gateway_port, &shop_url).await?;
        let isolates = production.map_or(1, |production| production.isolates.max(1));
        let worker_ports = (0..isolates).map(|_| ports::free()).collect::<Result<Vec<u16>, _>>()?;
        let mut local = edge::Local::new(worker_ports.clone(), &behind_url, &gateway_url, &self.secrets);
        (local.clock, local.like_production) = (clock, production.is_some());
        edge::start(workerd, &wrangler, local.clone(), &self.state.path("edge"), &self.children).await?;
        self.running = Some(renew::Running { local, database_url: database_url.clone() });
        self.tasks.push(front::start(edge_port, &worker_ports)?);

        self.shares = production.map(|_| Shares::start(self.children.clone()));
        self.schedule(&lambda_url, 1);
        let how = self.deliveries();
        for (function, every) in scheduler::beats(&self.options) {
            let Some(every) = every else { continue };
            self.tasks.push(tokio::spawn(scheduler::run(function, lambda_url.clone(), every, how)));
        }
        if self.options.demo_sale {
            demo::open(&database_url, &edge_url, &self.secrets.admin_token).await?;
        }
        let report = Report::new(edge_url, lambda_url, gateway_url, database_url, &self.secrets);
        report.until_everything_answers().await?;
        self.tasks.push(report.clone().keep_written(self.state.path("stack.json"), &self.children)?);
        Ok(report)
    }

    /// So many schedulers at once from now on; one is as it should be.
    pub fn schedule(&mut self, lambda_url: &str, schedulers: usize) {
        let (every, how) = (Duration::from_secs(self.options.sweep_interval_s), self.deliveries());
        self.schedulers.drain(..).for_each(|scheduler| scheduler.abort());
        let begin = |_| tokio::spawn(scheduler::run(scheduler::SWEEP, lambda_url.to_owned(), every, how));
        self.schedulers = (0..schedulers).map(begin).collect();
    }

    /// Who has asked for detours breaks things on purpose: that a call fails is no news then.
    fn deliveries(&self) -> scheduler::How {
        scheduler::How { hushed: self.options.detours.is_some(), like_production: self.options.production.is_some() }
    }

    /// What the functions' roles log in with.
    pub fn functions_password(&self) -> &str {
        &self.secrets.functions_password
    }

    /// The processes, for whoever wants to kill one.
    pub fn children(&self) -> &Children {
        &self.children
    }

    /// Where a running stack says where everything is.
    pub fn report_path(&self) -> PathBuf {
        self.state.path("stack.json")
    }

    /// Ends everything that was started, in the opposite order, and returns when it is gone.
    pub async fn stop(mut self) {
        for task in self.tasks.drain(..).chain(self.schedulers.drain(..)) {
            task.abort();
            // Aborted is what it is meant to be.
            let _ = task.await;
        }
        let _ = std::fs::remove_file(self.state.path("stack.json"));
        // What is stopped takes no signal to end.
        if let Some(shares) = self.shares.take() {
            shares.end().await;
        }
        self.gateway = None;
        self.children.stop(&["edge"]).await;
        let instances: Vec<&str> = functions::INSTANCES.iter().map(|(name, _)| *name).collect();
        self.children.stop(&instances).await;
        self.children.stop(&["lambda"]).await;
        self.children.stop(&[]).await;
        let _ = std::fs::remove_file(self.state.path("pids.json"));
    }

    /// The Worker's process.
    ///
    /// # Errors
    /// It does not run.
    pub fn edge_pid(&self) -> anyhow::Result<u32> {
        self.children.pids().get("edge").and_then(|pids| pids.first().copied()).context("workerd does not run")
    }

    fn choose_ports(&self) -> anyhow::Result<(u16, u16, u16)> {
        let Ports::Usual { edge } = self.options.ports else {
            return Ok((ports::free()?, ports::free()?, ports::free()?));
        };
        if !ports::is_free(edge) {
            bail!("port {edge} is taken by another program; end that one, or choose another port: --edge-port N");
        }
        let lambda = ports::free_or_another(9000, "the Lambda emulator")?;
        Ok((edge, lambda, ports::free_or_another(8790, "the payment gateway")?))
    }

    fn gateway_config(&self, port: u16, edge_url: &str) -> simulator::Config {
        simulator::Config {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            edge_url: edge_url.to_owned(),
            webhook_secret: self.secrets.webhook_secret.clone(),
            log: self.state.logs().join("gateway.log"),
        }
    }

    async fn start_gateway(&mut self, port: u16, edge_url: &str) -> anyhow::Result<String> {
        let config = self.gateway_config(port, edge_url);
        let gateway = Gateway::start(config).await.context("cannot start the payment gateway's stand-in")?;
        let url = gateway.url.clone();
        self.gateway = Some(gateway);
        Ok(url)
    }
}

/// Everything built, and the two programs that run it.
fn built(aws: bool) -> anyhow::Result<(Wrangler, PathBuf, PathBuf)> {
    let wrangler = Wrangler::read()?;
    let (workerd, cargo_lambda) = (tools::workerd()?, tools::cargo_lambda()?);
    build::functions(aws)?;
    build::worker(&wrangler)?;
    Ok((wrangler, workerd, cargo_lambda))
}

fn loopback(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
