//! Values to and from msgpack, in the form in which core sends them (its "object wire format").

use rmp::encode as write;
use rmpv::ValueRef as Raw;

use super::types::Type;
use super::value::{Number, Value};

/// Deeper values are refused; no schema of ours is nearly as deep.
const MAX_DEPTH: usize = 64;

/// The bytes do not fit the schema, or are not msgpack: core and provider disagree on the schema.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("could not read the value of {at}: expected {expected}, found {found}")]
pub struct DecodeError {
    /// The path in the value.
    pub at: String,
    /// The type of the schema.
    pub expected: String,
    /// The type that was found; never the value itself, which may be secret.
    pub found: &'static str,
}

/// Reads a value of that type. No bytes at all mean null. A refined unknown is an unknown.
pub fn decode(mut bytes: &[u8], ty: &Type) -> Result<Value, DecodeError> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let raw =
        rmpv::decode::read_value_ref_with_max_depth(&mut bytes, MAX_DEPTH).map_err(|_| DecodeError {
            at: "the object".to_owned(),
            expected: ty.describe(),
            found: "bytes that are no msgpack",
        })?;
    typed(&raw, ty, "")
}

fn typed(raw: &Raw<'_>, ty: &Type, at: &str) -> Result<Value, DecodeError> {
    let wrong = || DecodeError {
        at: if at.is_empty() { "the object".to_owned() } else { at.to_owned() },
        expected: ty.describe(),
        found: kind_of(raw),
    };
    match (raw, ty) {
        (Raw::Nil, _) => Ok(Value::Null),
        (Raw::Ext(..), _) => Ok(Value::Unknown),
        (Raw::Boolean(value), Type::Bool) => Ok(Value::Bool(*value)),
        (Raw::Integer(integer), Type::Number) => number(&integer.to_string()).ok_or_else(wrong),
        (Raw::F64(float), Type::Number) => number(&float.to_string()).ok_or_else(wrong),
        (Raw::F32(float), Type::Number) => number(&float.to_string()).ok_or_else(wrong),
        (Raw::String(text), Type::Number) => text.as_str().and_then(number).ok_or_else(wrong),
        (Raw::String(text), Type::String) => text.as_str().map(Value::from).ok_or_else(wrong),
        (Raw::Array(elements), Type::List(element) | Type::Set(element)) => elements
            .iter()
            .enumerate()
            .map(|(index, raw)| typed(raw, element, &format!("{at}[{index}]")))
            .collect::<Result<_, _>>()
            .map(Value::List),
        (Raw::Map(entries), Type::Map(element)) => entries
            .iter()
            .map(|(key, raw)| {
                let key = as_text(key).ok_or_else(wrong)?;
                Ok((key.to_owned(), typed(raw, element, &format!("{at}[{key:?}]"))?))
            })
            .collect::<Result<_, _>>()
            .map(Value::Map),
        (Raw::Map(entries), Type::Object(attributes)) => {
            let known = |key: &Raw<'_>| attributes.iter().any(|(name, _)| as_text(key) == Some(name));
            if !entries.iter().all(|(key, _)| known(key)) {
                return Err(DecodeError { found: "an attribute that the schema does not have", ..wrong() });
            }
            attributes
                .iter()
                .map(|(name, ty)| {
                    let raw = entries.iter().find(|(key, _)| as_text(key) == Some(name)).map(|(_, raw)| raw);
                    let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                    Ok((name.clone(), typed(raw.unwrap_or(&Raw::Nil), ty, &at)?))
                })
                .collect::<Result<_, _>>()
                .map(Value::Map)
        }
        _ => Err(wrong()),
    }
}

fn number(text: &str) -> Option<Value> {
    Number::parse(text).map(Value::Number)
}

fn as_text<'value>(raw: &Raw<'value>) -> Option<&'value str> {
    match raw {
        Raw::String(text) => text.into_str(),
        _ => None,
    }
}

fn kind_of(raw: &Raw<'_>) -> &'static str {
    match raw {
        Raw::Nil => "null",
        Raw::Boolean(_) => "a bool",
        Raw::Integer(_) | Raw::F32(_) | Raw::F64(_) => "a number",
        Raw::String(_) => "a string",
        Raw::Binary(_) => "bytes",
        Raw::Array(_) => "a list",
        Raw::Map(_) => "a map",
        Raw::Ext(..) => "an unknown",
    }
}

/// Writes a value of that type. An object always carries all its attributes, the absent ones as null.
pub fn encode(value: &Value, ty: &Type) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    put(&mut bytes, value, ty);
    bytes
}

// Writing into a Vec cannot fail, so the results of `rmp::encode` carry nothing.
fn put(bytes: &mut Vec<u8>, value: &Value, ty: &Type) {
    match (value, ty) {
        (Value::Null, _) => bytes.push(0xc0),
        (Value::Unknown, _) => bytes.extend_from_slice(&[0xd4, 0, 0]),
        (Value::Bool(value), _) => bytes.push(if *value { 0xc3 } else { 0xc2 }),
        (Value::Number(number), _) => match number.as_i64() {
            Some(whole) => drop(write::write_sint(bytes, whole)),
            None => drop(write::write_str(bytes, number.as_str())),
        },
        (Value::String(text), _) => drop(write::write_str(bytes, text)),
        (Value::List(elements), Type::List(element) | Type::Set(element)) => {
            drop(write::write_array_len(bytes, length(elements.len())));
            elements.iter().for_each(|value| put(bytes, value, element));
        }
        (Value::Map(entries), Type::Map(element)) => {
            drop(write::write_map_len(bytes, length(entries.len())));
            for (key, value) in entries {
                drop(write::write_str(bytes, key));
                put(bytes, value, element);
            }
        }
        (Value::Map(_), Type::Object(attributes)) => {
            drop(write::write_map_len(bytes, length(attributes.len())));
            for (name, ty) in attributes {
                drop(write::write_str(bytes, name));
                put(bytes, value.get(name), ty);
            }
        }
        // A value that does not fit its type would be our own mistake; core reports the null.
        (Value::List(_) | Value::Map(_), _) => bytes.push(0xc0),
    }
}

fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ty() -> Type {
        Type::Object(vec![("name".to_owned(), Type::String), ("count".to_owned(), Type::Number)])
    }

    /// What core was seen to send: `0.1` as text, a refined unknown with a known prefix.
    #[test]
    fn the_forms_that_core_sends_are_read() {
        for (bytes, ty, expected) in [
            (&[0xa3, b'0', b'.', b'1'][..], Type::Number, Value::Number(Number::parse("0.1").unwrap())),
            (&[0xcb, 0x40, 0x08, 0, 0, 0, 0, 0, 0], Type::Number, Value::from(3)),
            (&[0xd4, 0, 0], Type::String, Value::Unknown),
            (&[0xc7, 9, 0x0c, 0x82, 1, 0xc2, 2, 0xa4, b'p', b'r', b'e', b'-'], Type::String, Value::Unknown),
            (&[0xc0], ty(), Value::Null),
            (&[], ty(), Value::Null),
        ] {
            assert_eq!(decode(bytes, &ty), Ok(expected), "{bytes:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named_and_never_quoted() {
        let of = |value: &Value, ty: &Type| encode(value, ty);
        let wrong = Type::Object(vec![("name".to_owned(), Type::Bool), ("count".to_owned(), Type::Number)]);
        let error = decode(&of(&Value::object([("name", Value::from(true))]), &wrong), &ty()).unwrap_err();
        assert_eq!(error.to_string(), "could not read the value of name: expected a string, found a bool");
        let more = Type::Object(vec![("other".to_owned(), Type::String)]);
        let error =
            decode(&of(&Value::object([("other", Value::from("secret"))]), &more), &ty()).unwrap_err();
        assert!(error.to_string().ends_with("found an attribute that the schema does not have"), "{error}");
        assert!(decode(&[0x81], &ty()).is_err(), "cut off");
    }
}
