//! Terraform's values: the contents of a configuration, a plan or a state, which distinguish unknown and
//! null.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;

/// A value of any type, as core sends it. Lists and sets have the same form, and so do maps and objects: the
/// [`Type`](super::Type) beside a value distinguishes them.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Value {
    /// Not set. Differs from an empty string, list or map.
    #[default]
    Null,
    /// Not known before apply.
    Unknown,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as decimal text.
    Number(Number),
    /// A string.
    String(String),
    /// The elements of a list, or of a set in any order.
    List(Vec<Value>),
    /// The elements of a map, or the attributes of an object.
    Map(BTreeMap<String, Value>),
}

/// A number kept as the decimal text it arrived in, since neither `i64` nor `f64` holds every number that
/// Terraform can write, and core compares numbers by their shortest decimal text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(String);

impl Number {
    /// Reads decimal text such as `12`, `-0.5` or `1e3`. `None` when it is not a finite number.
    pub fn parse(text: &str) -> Option<Number> {
        if let Ok(whole) = text.parse::<i64>() {
            return Some(Number(whole.to_string()));
        }
        let plain = text.starts_with(|first: char| first.is_ascii_digit() || first == '-');
        match text.parse::<f64>() {
            // "1.0" and "1e3" are whole numbers to Terraform.
            Ok(float) if plain && float.fract() == 0.0 && float.abs() < 9.0e15 => {
                Some(Number((float as i64).to_string()))
            }
            Ok(float) if plain && float.is_finite() => Some(Number(text.to_owned())),
            _ => None,
        }
    }

    /// The decimal text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number, if it is whole and fits.
    pub fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }
}

impl From<i64> for Number {
    fn from(whole: i64) -> Number {
        Number(whole.to_string())
    }
}

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Value {
    /// Whether this is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Whether this is unknown as a whole; see [`Value::is_wholly_known`] for what is inside.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Value::Unknown)
    }

    /// Whether nothing in it is unknown.
    pub fn is_wholly_known(&self) -> bool {
        match self {
            Value::Unknown => false,
            Value::List(elements) => elements.iter().all(Value::is_wholly_known),
            Value::Map(elements) => elements.values().all(Value::is_wholly_known),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        }
    }

    /// The attribute or element of that name. It is null if there is none or if this is no map or object, and
    /// unknown if this is unknown.
    pub fn get(&self, name: &str) -> &Value {
        match self {
            Value::Map(elements) => elements.get(name).unwrap_or(&Value::Null),
            Value::Unknown => &Value::Unknown,
            _ => &Value::Null,
        }
    }

    /// The value below a chain of attribute names, as [`Value::get`].
    pub fn at<Name: Borrow<str>>(&self, names: &[Name]) -> &Value {
        names.iter().fold(self, |value, name| value.get(name.borrow()))
    }

    /// The text of a known string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// A known boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// An object from its attributes.
    pub fn object<const N: usize>(attributes: [(&str, Value); N]) -> Value {
        Value::Map(attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Number(value.into())
    }
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(elements: [T; N]) -> Value {
        Value::List(elements.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_text_and_whole_ones_agree() {
        for (text, expected) in [
            ("1", Some("1")),
            ("1.0", Some("1")),
            ("1e3", Some("1000")),
            ("-7", Some("-7")),
            ("0.1", Some("0.1")),
            ("123456789012345678901234567890", Some("123456789012345678901234567890")),
            ("NaN", None),
            ("inf", None),
            ("", None),
            ("12x", None),
        ] {
            assert_eq!(Number::parse(text).as_ref().map(Number::as_str), expected, "{text}");
        }
    }
}
