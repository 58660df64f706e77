//! Headless Chromium, driven by chromedriver: started for a test, on a free port, ended with it.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use crate::database;

pub struct Browser {
    pub page: Client,
    driver: Child,
    profile: std::path::PathBuf,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver and its browser, which does not end with it, are one group of processes.
        if let Some(group) = i32::try_from(self.driver.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.driver.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

impl Browser {
    /// A phone, in this language.
    pub async fn new(language: &str) -> Self {
        Self::with(language, (390, 844), 16).await
    }

    /// A screen of this size, for a reader whose letters are so large: 16 px is what browsers come with.
    pub async fn with(language: &str, (width, height): (u32, u32), font_px: u32) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let driver = Command::new(stack::tools::chromedriver().unwrap())
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let profile = std::env::temp_dir().join(format!("holdfast-browser-{}", uuid::Uuid::new_v4()));
        let mut options = json!({
            "binary": stack::tools::chromium().unwrap(),
            "prefs": {"intl.accept_languages": language, "webkit": {"webprefs": {"default_font_size": font_px}}},
            "args": ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                     "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync",
                     format!("--window-size={width},{height}"), format!("--lang={language}"),
                     format!("--user-data-dir={}", profile.display())],
        });
        options["excludeSwitches"] = json!(["enable-automation"]);
        let capabilities = json!({"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}});
        let Value::Object(capabilities) = capabilities else { unreachable!() };
        let deadline = Instant::now() + Duration::from_secs(30);
        let page = loop {
            let connecting = ClientBuilder::new(HttpConnector::new())
                .capabilities(capabilities.clone())
                .connect(&format!("http://127.0.0.1:{port}"))
                .await;
            match connecting {
                Ok(page) => break page,
                Err(error) => assert!(Instant::now() < deadline, "chromedriver: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let browser = Self { page, driver, profile };
        // A window is wider than a phone, at the least.
        let screen = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        browser.devtools("Emulation.setDeviceMetricsOverride", screen).await;
        browser
    }

    /// A command of Chrome's own protocol: what WebDriver has no word for.
    pub async fn devtools(&self, command: &'static str, params: Value) -> Value {
        self.page.issue_cmd(DevTools { command, params }).await.expect(command)
    }

    /// "Slow 3G" as Chrome's own tools define it, and a processor six times slower.
    pub async fn slow(&self) {
        let line =
            json!({"offline": false, "latency": 2_000, "downloadThroughput": 50_000, "uploadThroughput": 50_000});
        self.devtools("Network.enable", json!({})).await;
        self.devtools("Network.emulateNetworkConditions", line).await;
        self.devtools("Emulation.setCPUThrottlingRate", json!({"rate": 6})).await;
    }

    /// Runs before anything of each page that is opened from now on.
    pub async fn before_each_page(&self, script: &str) {
        self.devtools("Page.addScriptToEvaluateOnNewDocument", json!({"source": script})).await;
    }

    pub async fn open(&self, path: &str) {
        let url = format!("{}{path}", database::stack()["edge_url"].as_str().unwrap());
        self.page.goto(&url).await.unwrap();
    }

    /// The page's state; empty while another page is there.
    pub async fn state(&self) -> String {
        let script = "return document.querySelector('main')?.dataset.state ?? ''";
        let state = self.page.execute(script, vec![]).await;
        state.ok().and_then(|state| state.as_str().map(ToOwned::to_owned)).unwrap_or_default()
    }

    /// Waits until the page says that it is in this state.
    pub async fn until(&self, wanted: &str) {
        self.until_one_of(&[wanted]).await;
    }

    pub async fn until_one_of(&self, wanted: &[&str]) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let state = self.state().await;
            if wanted.contains(&state.as_str()) {
                return state;
            }
            assert!(Instant::now() < deadline, "the page is {state}, not {wanted:?}: {}", self.text("main").await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A page that is drawn anew between finding and clicking has another element in its place.
    pub async fn click(&self, selector: &str) {
        loop {
            let element = self.page.wait().for_element(Locator::Css(selector)).await.expect(selector);
            match element.click().await {
                Err(error) if error.is_stale_element_reference() => {}
                clicked => return clicked.expect(selector),
            }
        }
    }

    /// Empty where there is no such element.
    pub async fn text(&self, selector: &str) -> String {
        loop {
            let Ok(element) = self.page.find(Locator::Css(selector)).await else { return String::new() };
            match element.text().await {
                Err(error) if error.is_stale_element_reference() => {}
                text => return text.unwrap_or_default(),
            }
        }
    }

    pub async fn script(&self, script: &str) -> Value {
        self.page.execute(script, vec![]).await.unwrap()
    }
}

#[derive(Debug)]
struct DevTools {
    command: &'static str,
    params: Value,
}

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(
        &self,
        base: &reqwest::Url,
        session: Option<&str>,
    ) -> Result<reqwest::Url, <reqwest::Url as std::str::FromStr>::Err> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _url: &reqwest::Url) -> (hyper::Method, Option<String>) {
        (hyper::Method::POST, Some(json!({"cmd": self.command, "params": self.params}).to_string()))
    }
}
