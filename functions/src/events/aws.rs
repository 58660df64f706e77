//! AWS targets: an SQS queue, an EventBridge bus. Access is by IAM, with the credentials that Lambda gives its
//! functions (`AWS_ACCESS_KEY_ID` and so on), in the region of `AWS_REGION`, or at `AWS_ENDPOINT_URL`.

use std::env;
use std::error::Error;
use std::time::Duration;

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region, SharedHttpClient};
use aws_sdk_sqs::types::MessageAttributeValue;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, tls};

use super::attempt::Attempt;
use super::message::Message;
use crate::runtime::http::innermost;

/// `source` of what is put on a bus.
const SOURCE: &str = "holdfast";

pub struct Aws {
    sqs: aws_sdk_sqs::Client,
    eventbridge: aws_sdk_eventbridge::Client,
    deadline: Duration,
}

impl Aws {
    /// A missing variable fails only the attempts that need it: a shop without AWS targets needs none.
    pub fn from_env(deadline: Duration) -> Self {
        let var = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let http: SharedHttpClient = Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build_https();
        let mut credentials = Credentials::builder()
            .access_key_id(var("AWS_ACCESS_KEY_ID").unwrap_or_default())
            .secret_access_key(var("AWS_SECRET_ACCESS_KEY").unwrap_or_default())
            .provider_name("environment");
        if let Some(token) = var("AWS_SESSION_TOKEN") {
            credentials = credentials.session_token(token);
        }
        let credentials = credentials.build();
        let region = var("AWS_REGION").map(Region::new);
        let endpoint = var("AWS_ENDPOINT_URL");
        // `relay` has its own retry schedule, so the clients do not retry.
        let mut sqs = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http.clone())
            .credentials_provider(credentials.clone())
            .retry_config(RetryConfig::disabled());
        sqs.set_region(region.clone()).set_endpoint_url(endpoint.clone());
        let mut eventbridge = aws_sdk_eventbridge::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .credentials_provider(credentials)
            .retry_config(RetryConfig::disabled());
        eventbridge.set_region(region).set_endpoint_url(endpoint);
        Self {
            sqs: aws_sdk_sqs::Client::from_conf(sqs.build()),
            eventbridge: aws_sdk_eventbridge::Client::from_conf(eventbridge.build()),
            deadline,
        }
    }

    /// The body as HTTP receivers get it; the id as the attribute `webhook-id`. A FIFO queue drops repeats by it, and
    /// keeps a hold's messages in order.
    pub async fn send_to_queue(&self, queue_url: &str, message: &Message) -> Attempt {
        let id = message.event_id.to_string();
        let text = |value: &str| MessageAttributeValue::builder().data_type("String").string_value(value).build();
        let (Ok(id_attribute), Ok(type_attribute)) = (text(&id), text(&message.event_type)) else {
            return Attempt::failed("the message has no attributes");
        };
        let mut sending = self
            .sqs
            .send_message()
            .queue_url(queue_url)
            .message_body(&message.body)
            .message_attributes("webhook-id", id_attribute)
            .message_attributes("event-type", type_attribute);
        if queue_url.ends_with(".fifo") {
            let group = message.hold_id.map_or_else(|| id.clone(), |hold_id| hold_id.to_string());
            sending = sending.message_group_id(group).message_deduplication_id(&id);
        }
        match tokio::time::timeout(self.deadline, sending.send()).await {
            Ok(Ok(_)) => Attempt::accepted(None),
            Ok(Err(error)) => failed("SQS", &error),
            Err(_) => late(self.deadline),
        }
    }

    /// The detail is the body as HTTP receivers get it, with the event's id beside `type`.
    pub async fn put_on_bus(&self, bus: &str, message: &Message) -> Attempt {
        let detail = message.body.replacen('{', &format!("{{\"id\":\"{}\",", message.event_id), 1);
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(bus)
            .source(SOURCE)
            .detail_type(&message.event_type)
            .detail(detail)
            .build();
        match tokio::time::timeout(self.deadline, self.eventbridge.put_events().entries(entry).send()).await {
            Ok(Ok(answer)) if answer.failed_entry_count() == 0 => Attempt::accepted(None),
            // A successful call may have put no event.
            Ok(Ok(answer)) => {
                let code = answer.entries().first().and_then(|entry| entry.error_code()).unwrap_or("no reason");
                Attempt::failed(format!("EventBridge refused the event: {code}"))
            }
            Ok(Err(error)) => failed("EventBridge", &error),
            Err(_) => late(self.deadline),
        }
    }
}

fn failed(service: &str, error: &(dyn Error + 'static)) -> Attempt {
    Attempt::failed(format!("{service}: {}", innermost(error)))
}

fn late(deadline: Duration) -> Attempt {
    Attempt::failed(format!("no answer within {} s", deadline.as_secs()))
}
