//! The gateways that this function calls: their accounts, addresses and the circuit breaker that all instances share
//! (schema/routines/capture.sql).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use payments::{Account, GatewayApi, LookupResult};
use tokio_postgres::types::Type;
use tracing::warn;

use crate::runtime::config::{self, ConfigError};
use crate::runtime::database::{Database, InfraError};
use crate::runtime::http::{Http, HttpResponse, NoResponse};
use crate::runtime::limits::ASK_DEADLINE_MS;

pub struct Gateways {
    clients: BTreeMap<&'static str, GatewayClient>,
    http: Http,
    /// Whether the shop sells for real money. Then test payments buy nothing.
    pub live: bool,
    foreign: AtomicU64,
}

/// One gateway.
pub struct GatewayClient {
    pub name: &'static str,
    pub api: Box<dyn GatewayApi>,
    url: String,
}

impl Gateways {
    /// Each gateway that has an `…_API_SECRET`.
    ///
    /// # Errors
    /// A variable is wrong, or a test key would be used in a shop that sells for real money.
    pub fn from_env() -> Result<Self, ConfigError> {
        let live = config::live()?;
        let mut clients = BTreeMap::new();
        for gateway in payments::GATEWAYS {
            let name = gateway.name;
            let Some((url, secret)) = config::gateway(gateway)? else { continue };
            if live && gateway.is_test_key(&secret) {
                let variable = format!("{}_API_SECRET", name.to_uppercase());
                return Err(ConfigError::new(&variable, "is a test key, and GATEWAY_MODE is live"));
            }
            let api = (gateway.api)(Account { secret, live });
            clients.insert(name, GatewayClient { name, api, url });
        }
        Ok(Self { clients, http: Http::from_env()?, live, foreign: AtomicU64::new(0) })
    }

    /// None: it is not configured.
    #[must_use]
    pub fn client(&self, gateway: &str) -> Option<&GatewayClient> {
        self.clients.get(gateway)
    }

    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.clients.keys().copied().collect()
    }

    /// Counts a payment that is not ours; how many this instance has seen.
    pub fn count_foreign(&self) -> u64 {
        self.foreign.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// # Errors
    /// There is no response; whether the request was carried out is unknown.
    pub async fn send(
        &self,
        client: &GatewayClient,
        request: &payments::GatewayRequest,
        within_ms: u64,
    ) -> Result<HttpResponse, NoResponse> {
        self.http.send(&client.url, request, within_ms).await
    }

    /// Looks a payment up. `shaky`: the gateway has failed lately, so a success is recorded too.
    ///
    /// # Errors
    /// The database could not note what the gateway did.
    pub async fn look_up(
        &self,
        database: &Database,
        client: &GatewayClient,
        payment_id: &str,
        shaky: bool,
    ) -> Result<LookupResult, InfraError> {
        match self.send_and_record(database, client, &client.api.look_up(payment_id), shaky).await? {
            Ok(response) => Ok(client.api.snapshot(&response.as_gateway_response())),
            Err(no_response) => Ok(LookupResult::Unknown(no_response.0)),
        }
    }

    /// Finds the payments that a reference of ours has led to.
    ///
    /// # Errors
    /// The database could not note what the gateway did.
    pub async fn find(
        &self,
        database: &Database,
        client: &GatewayClient,
        reference: &str,
        shaky: bool,
    ) -> Result<Vec<LookupResult>, InfraError> {
        let Some(request) = client.api.find(reference) else { return Ok(Vec::new()) };
        match self.send_and_record(database, client, &request, shaky).await? {
            Ok(response) => Ok(client.api.found(&response.as_gateway_response())),
            Err(no_response) => Ok(vec![LookupResult::Unknown(no_response.0)]),
        }
    }

    /// Sends a lookup and records the gateway's health. Only no response and 5xx count as failures of the gateway;
    /// after a 429 it is called less often.
    async fn send_and_record(
        &self,
        database: &Database,
        client: &GatewayClient,
        request: &payments::GatewayRequest,
        shaky: bool,
    ) -> Result<Result<HttpResponse, NoResponse>, InfraError> {
        let response = self.send(client, request, ASK_DEADLINE_MS).await;
        let failure = match &response {
            Err(no_response) => Some(no_response.0.clone()),
            Ok(response) if response.status >= 500 => Some(format!("status {}", response.status)),
            Ok(_) => None,
        };
        match (failure, &response) {
            (Some(why), _) => {
                warn!(gateway = client.name, %why, "asking a gateway failed");
                let noted = [(&client.name as _, Type::TEXT), (&why as _, Type::TEXT)];
                database.call("select holdfast.gateway_failed($1, $2)", &noted).await?;
            }
            (None, Ok(response)) if response.status == 429 => self.record_slowed(database, client, response).await?,
            (None, _) if shaky => {
                database.call("select holdfast.gateway_answered($1)", &[(&client.name, Type::TEXT)]).await?;
            }
            (None, _) => {}
        }
        Ok(response)
    }

    /// After a 429 the gateway is called less often, whichever request it answered so.
    ///
    /// # Errors
    /// The database could not note it.
    pub async fn record_slowed(
        &self,
        database: &Database,
        client: &GatewayClient,
        response: &HttpResponse,
    ) -> Result<(), InfraError> {
        if response.status != 429 {
            return Ok(());
        }
        let after_s = response.retry_after_s.map(f64::from);
        warn!(gateway = client.name, after_s, "a gateway wants to be asked less often");
        let noted = [(&client.name as _, Type::TEXT), (&after_s as _, Type::FLOAT8)];
        database.call("select holdfast.gateway_slowed($1, $2)", &noted).await.map(drop)
    }
}
