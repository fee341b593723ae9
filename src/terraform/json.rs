//! Values from the JSON in a state file (which core may also send).

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::msgpack::DecodeError;
use super::types::Type;
use super::value::{Number, Value};

/// Reads a value of that type. Attributes that the type lacks are ignored and those the text lacks are
/// null, so that a state written by another version of the schema can be read. Numbers keep their text.
pub fn decode(bytes: &[u8], ty: &Type) -> Result<Value, DecodeError> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let raw: &RawValue = serde_json::from_slice(bytes).map_err(|_| DecodeError {
        at: "the object".to_owned(),
        expected: ty.describe(),
        found: "bytes that are no JSON",
    })?;
    typed(raw, ty, "")
}

fn typed(raw: &RawValue, ty: &Type, at: &str) -> Result<Value, DecodeError> {
    let text = raw.get();
    if text == "null" {
        return Ok(Value::Null);
    }
    let wrong = || DecodeError {
        at: if at.is_empty() { "the object".to_owned() } else { at.to_owned() },
        expected: ty.describe(),
        found: kind_of(text),
    };
    fn parsed<'text, T: serde::Deserialize<'text>>(text: &'text str) -> Option<T> {
        serde_json::from_str(text).ok()
    }
    match ty {
        Type::Bool => parsed(text).map(Value::Bool).ok_or_else(wrong),
        Type::Number => Number::parse(text).map(Value::Number).ok_or_else(wrong),
        Type::String => parsed(text).map(Value::String).ok_or_else(wrong),
        Type::List(element) | Type::Set(element) => parsed::<Vec<&RawValue>>(text)
            .ok_or_else(wrong)?
            .into_iter()
            .enumerate()
            .map(|(index, raw)| typed(raw, element, &format!("{at}[{index}]")))
            .collect::<Result<_, _>>()
            .map(Value::List),
        Type::Map(element) => parsed::<BTreeMap<String, &RawValue>>(text)
            .ok_or_else(wrong)?
            .into_iter()
            .map(|(key, raw)| {
                let value = typed(raw, element, &format!("{at}[{key:?}]"))?;
                Ok((key, value))
            })
            .collect::<Result<_, _>>()
            .map(Value::Map),
        Type::Object(attributes) => {
            let entries = parsed::<BTreeMap<String, &RawValue>>(text).ok_or_else(wrong)?;
            attributes
                .iter()
                .map(|(name, ty)| {
                    let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                    let value = entries.get(name).map_or(Ok(Value::Null), |raw| typed(raw, ty, &at))?;
                    Ok((name.clone(), value))
                })
                .collect::<Result<_, _>>()
                .map(Value::Map)
        }
    }
}

fn kind_of(text: &str) -> &'static str {
    match text.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a bool",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ty() -> Type {
        Type::Object(vec![
            ("name".to_owned(), Type::String),
            ("count".to_owned(), Type::Number),
            ("tags".to_owned(), Type::Map(Box::new(Type::String))),
            ("list".to_owned(), Type::List(Box::new(Type::Bool))),
            ("new".to_owned(), Type::String),
        ])
    }

    #[test]
    fn a_state_of_another_schema_version_is_read() {
        let state = br#"{"name": "a", "count": 12345678901234567890.5, "tags": {"k": "v"}, "list": [true], "old": {}}"#;
        assert_eq!(
            decode(state, &ty()),
            Ok(Value::object([
                ("name", Value::from("a")),
                ("count", Value::Number(Number::parse("12345678901234567890.5").unwrap())),
                ("tags", Value::object([("k", Value::from("v"))])),
                ("list", Value::from([true])),
                ("new", Value::Null),
            ]))
        );
        assert_eq!(decode(b"null", &ty()), Ok(Value::Null));
        assert_eq!(decode(b"", &ty()), Ok(Value::Null));
    }

    #[test]
    fn what_does_not_fit_is_named_and_never_quoted() {
        let error = decode(br#"{"tags": {"k": ["secret"]}}"#, &ty()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "could not read the value of tags[\"k\"]: expected a string, found a list"
        );
        assert!(decode(b"{", &ty()).is_err());
    }
}
