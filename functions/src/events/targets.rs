//! The targets of subscriptions by kind, behind one function, `send`.

use protocol::deliveries::Kind;

use super::attempt::Attempt;
#[cfg(feature = "aws")]
use super::aws::Aws;
use super::http::Http;
use super::message::Message;
use super::queue::Delivery;
use super::settings::Settings;
use crate::runtime::config::ConfigError;

pub struct Targets {
    http: Http,
    #[cfg(feature = "aws")]
    aws: Aws,
}

/// The target of one subscription.
#[derive(Clone)]
pub struct Target<'a> {
    targets: &'a Targets,
    kind: Kind,
    endpoint: String,
    secrets: Vec<String>,
}

impl Targets {
    pub fn new(settings: &Settings) -> Result<Self, ConfigError> {
        Ok(Self {
            http: Http::new(settings.deadline, settings.allow_private)?,
            #[cfg(feature = "aws")]
            aws: Aws::from_env(settings.deadline),
        })
    }

    pub fn of(&self, kind: Kind, endpoint: String, secrets: Vec<String>) -> Target<'_> {
        Target { targets: self, kind, endpoint, secrets }
    }
}

impl<'a> Target<'a> {
    /// One attempt.
    pub fn send(&self, delivery: Delivery) -> impl Future<Output = Attempt> + use<'a> {
        let Self { targets, kind, endpoint, secrets } = self.clone();
        async move {
            let Ok(body) = serde_json::to_string(&delivery.event) else {
                return Attempt::failed("the event cannot be written as JSON");
            };
            let Delivery { event_id, hold_id, event, .. } = delivery;
            let message = Message { event_id, hold_id, event_type: event.r#type, body };
            match kind {
                Kind::Http => targets.http.send(&endpoint, &secrets, &message).await,
                #[cfg(feature = "aws")]
                Kind::Sqs => targets.aws.send_to_queue(&endpoint, &message).await,
                #[cfg(feature = "aws")]
                Kind::Eventbridge => targets.aws.put_on_bus(&endpoint, &message).await,
                #[cfg(not(feature = "aws"))]
                Kind::Sqs | Kind::Eventbridge => Attempt::failed("this relay was built without the feature `aws`"),
            }
        }
    }
}
