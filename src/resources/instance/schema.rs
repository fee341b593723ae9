//! The schema of the resource: the arguments of the model, with default and class of change in their descriptions.

use super::model::Instance;
use crate::terraform::attribute::{Attribute, Change, Kind, Presence};
use crate::terraform::{Schema, Value};

/// The schema, with each attribute's class of change in its description.
pub fn schema() -> Schema {
    let about = "A Redis instance on Kubernetes, through the OpsTree Redis operator: a single Redis, a \
                 master with replicas, or a cluster. Terraform creates, resizes, upgrades and deletes the \
                 instance as a whole, and waits until it serves requests.";
    Schema::new(0, about, documented(Instance::attributes()))
}

fn documented(attributes: Vec<Attribute>) -> Vec<Attribute> {
    attributes
        .into_iter()
        .map(|mut attribute| {
            if let Kind::Nested(nesting, nested) = attribute.kind {
                attribute.kind = Kind::Nested(nesting, documented(nested));
            }
            let default = match &attribute.presence {
                Presence::Defaulted(Value::String(text)) => format!(" Default: `{text}`."),
                Presence::Defaulted(Value::Number(number)) => format!(" Default: `{number}`."),
                Presence::Defaulted(Value::Bool(value)) => format!(" Default: `{value}`."),
                _ => String::new(),
            };
            let change = match attribute.change {
                Change::Rolls => " A change restarts the pods.",
                Change::Replaces => " A change replaces the instance: its data is lost.",
                Change::Refused => " A change on an existing instance is refused.",
                Change::Live | Change::ProviderOnly => "",
            };
            attribute.description.push_str(&default);
            attribute.description.push_str(change);
            attribute
        })
        .collect()
}
