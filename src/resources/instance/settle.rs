//! From a plan to a model in which all is known: first values for what only the provider sets.

use std::collections::BTreeMap;

use super::model::{Instance, Status};
use super::state::not_ready;
use crate::resources::password;
use crate::terraform::attribute::{Attr, Reading};
use crate::terraform::resource::Problems;
use crate::terraform::{Known, Planned, Value};

/// The model of a plan. A value that only the provider sets and that the plan leaves unknown stays as before,
/// or is that of an instance of which nothing has been written yet.
///
/// # Errors
/// If an argument is unknown. In apply, none is.
pub fn settle(planned: &Instance<Planned>, prior: Option<&Instance>) -> Result<Instance, Problems> {
    settle_value(Instance::write::<Planned>(planned), prior)
}

/// The same, from values.
pub fn settle_value(mut planned: Value, prior: Option<&Instance>) -> Result<Instance, Problems> {
    if let Value::Map(attributes) = &mut planned {
        let text = |name: &str| attributes.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let id = format!("{}/{}", text("namespace"), text("name"));
        let claim = prior.map_or_else(|| password::random(16), |prior| prior.claim.clone());
        let as_found = prior.map(|prior| prior.as_found.clone()).unwrap_or_default();
        let as_found = Value::Map(as_found.into_iter().map(|(key, text)| (key, Value::from(text))).collect());
        for (attribute, first) in [
            ("id", Value::from(id)),
            ("claim", Value::from(claim)),
            ("app_labels", Value::Map(BTreeMap::new())),
            ("as_found", as_found),
            ("auth_secret", Value::Null),
            ("external_host", Value::Null),
            ("status", Status::write::<Known>(&not_ready("Progressing", "nothing has been written yet"))),
            ("objects", Value::List(Vec::new())),
            ("repairs", Value::Map(BTreeMap::new())),
        ] {
            if let Some(slot) = attributes.get_mut(attribute).filter(|slot| slot.is_unknown()) {
                *slot = first;
            }
        }
    }
    let mut reading = Reading::default();
    Instance::read::<Known>(&planned, &mut reading).ok_or_else(|| reading.problems())
}
