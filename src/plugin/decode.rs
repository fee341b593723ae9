//! Core's messages, in Terraform's terms. Together with [`super::encode`], the only place that converts wire
//! types.

use super::proto::tfplugin6::{ClientCapabilities, DynamicValue, RawState, ResourceIdentityData};
use crate::terraform::msgpack::DecodeError;
use crate::terraform::{Diagnostic, Type, Value, json, msgpack};

/// A value of this type. `what` names the value in an error: `the prior state`.
pub fn value(wire: Option<&DynamicValue>, ty: &Type, what: &str) -> Result<Value, Diagnostic> {
    let decoded = match wire {
        None => Ok(Value::Null),
        Some(DynamicValue { msgpack, json }) if msgpack.is_empty() => json::decode(json, ty),
        Some(DynamicValue { msgpack, .. }) => msgpack::decode(msgpack, ty),
    };
    decoded.map_err(|error| unreadable(what, &error))
}

/// An identity, if core sent one: cores before 1.12 know none, and a new object has none yet.
pub fn identity(wire: Option<&ResourceIdentityData>, ty: &Type) -> Result<Option<Value>, Diagnostic> {
    let Some(wire) = wire else { return Ok(None) };
    let identity = value(wire.identity_data.as_ref(), ty, "the identity")?;
    Ok(if identity.is_null() { None } else { Some(identity) })
}

/// The JSON of a stored state or identity.
pub fn raw_state(wire: Option<RawState>) -> Result<Vec<u8>, Diagnostic> {
    let RawState { json, flatmap } = wire.unwrap_or_default();
    if json.is_empty() && !flatmap.is_empty() {
        // Never read as null: the object would be lost.
        return Err(Diagnostic::error(
            "The state has a form that this provider never wrote",
            "The state has the form of Terraform 0.11 and older, which is older than this provider. Remove \
             the resource from the state and import it.",
        ));
    }
    Ok(json)
}

/// Whether this core keeps write-only arguments out of its state.
pub fn write_only_allowed(wire: Option<ClientCapabilities>) -> bool {
    wire.is_some_and(|capabilities| capabilities.write_only_attributes_allowed)
}

/// Core and provider disagree on the schema. The user cannot have caused this, but needs a way out.
fn unreadable(what: &str, error: &DecodeError) -> Diagnostic {
    Diagnostic::error(
        format!("The provider cannot read {what}"),
        format!(
            "Terraform sent it in a form that does not match the provider's schema: {error}. The provider \
             may have been replaced while Terraform was running. Run the command again. If the error \
             persists, it is a bug in the provider: please report it."
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn list() -> Type {
        Type::List(Box::new(Type::String))
    }

    #[test]
    fn msgpack_and_json_mean_the_same() {
        let expected = Value::List(vec![Value::from("a")]);
        let wire = DynamicValue { msgpack: msgpack::encode(&expected, &list()), json: Vec::new() };
        assert_eq!(value(Some(&wire), &list(), "it"), Ok(expected.clone()));
        let wire = DynamicValue { msgpack: Vec::new(), json: br#"["a"]"#.into() };
        assert_eq!(value(Some(&wire), &list(), "it"), Ok(expected));
    }

    #[test]
    fn absent_and_empty_are_null() {
        assert_eq!(value(None, &list(), "it"), Ok(Value::Null));
        assert_eq!(value(Some(&DynamicValue::default()), &list(), "it"), Ok(Value::Null));
        assert_eq!(identity(None, &list()), Ok(None));
        assert_eq!(identity(Some(&ResourceIdentityData::default()), &list()), Ok(None));
        assert_eq!(raw_state(None), Ok(Vec::new()));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let wire = DynamicValue { msgpack: vec![0xc3], json: Vec::new() };
        let error = value(Some(&wire), &list(), "the prior state").unwrap_err();
        assert_eq!(error.summary, "The provider cannot read the prior state");
    }

    #[test]
    fn a_flatmap_is_not_null() {
        let flatmap = HashMap::from([("id".to_owned(), "x".to_owned())]);
        assert!(raw_state(Some(RawState { json: Vec::new(), flatmap })).is_err());
    }
}
