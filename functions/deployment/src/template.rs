//! The template of the functions, as CloudFormation reads it (AWS SAM): functions/template.yaml is this, printed.
//!
//! What it leaves out on purpose: versions and the alias, which a deployment moves without CloudFormation, so that a
//! rollback of code is no rollback of a stack; access keys and secrets' values, which stand in no template and no output.

mod ordered;
mod parameters;
pub(crate) mod parts;
mod resources;

pub use ordered::Ordered;

use serde_json::{Value, json};

/// The whole template.
#[must_use]
pub fn template() -> Value {
    json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Transform": "AWS::Serverless-2016-10-31",
        "Description": "Holdfast's functions, their schedules, roles, logs and alarms",
        "Globals": {"Function": {
            "Runtime": "provided.al2023",
            "Architectures": ["arm64"],
            "Handler": "bootstrap",
            "Tracing": "PassThrough",
        }},
        "Parameters": parameters::parameters(),
        "Conditions": parameters::conditions(),
        "Resources": resources::resources(),
        "Outputs": {
            "EdgeUser": {"Description": "The user whose access key the Worker has", "Value": {"Ref": "EdgeUser"}},
            "EdgeAdminUser": {
                "Description": "The user whose access key the Worker has for operators",
                "Value": {"Ref": "EdgeAdminUser"},
            },
        },
    })
}
