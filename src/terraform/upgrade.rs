//! A state that an older version of the provider wrote, in the form of today's schema.

use super::attribute::Attribute;
use super::diagnostic::Diagnostic;
use super::handler::{Upgrade, Upgraded};
use super::schema::Schema;
use super::types::Type;
use super::value::Value;
use super::{json, plan};

/// A state.
pub fn state(type_name: &str, schema: &Schema, request: &Upgrade) -> Upgraded {
    answer(decode(type_name, schema.ty(), request).map(|state| fill_in(&schema.attributes, &state)))
}

/// An identity, which has this type.
pub fn identity(type_name: &str, ty: &Type, request: &Upgrade) -> Upgraded {
    answer(decode(type_name, ty, request))
}

fn answer(upgraded: Result<Value, Diagnostic>) -> Upgraded {
    match upgraded {
        Ok(value) => Upgraded { value, diagnostics: Vec::new() },
        Err(problem) => Upgraded { value: Value::Null, diagnostics: vec![problem] },
    }
}

fn decode(type_name: &str, ty: &Type, request: &Upgrade) -> Result<Value, Diagnostic> {
    json::decode(&request.json, ty).map_err(|error| {
        Diagnostic::error(
            format!("The state of this {type_name} cannot be read"),
            format!(
                "It was written with schema version {}: {error}. Restore a backup of the state, or remove the \
                 resource from the state and import it again.",
                request.version
            ),
        )
    })
}

/// Attributes that an older schema did not have take their defaults, so that the next plan is empty.
fn fill_in(attributes: &[Attribute], state: &Value) -> Value {
    if state.is_null() {
        return Value::Null;
    }
    // With the state as its own configuration and prior state, everything in it stays.
    let completed = plan::complete(attributes, state, state);
    plan::strip_write_only(attributes, &plan::derive(attributes, state, completed, state, None).0)
}
