//! The scalar types of our attributes: reading a value validates it, and `==` compares its meaning.

use std::fmt;
use std::time::Duration as StdDuration;

use secrecy::{ExposeSecret, SecretString};

use crate::redis::names::is_object_name;
use crate::redis::quantity::Quantity;
use crate::redis::version::Version;
use crate::terraform::attribute::Scalar;
use crate::terraform::{Type, Value};

fn text<'value>(value: &'value Value, expected: &str) -> Result<&'value str, String> {
    value.as_str().ok_or_else(|| format!("expected {expected}"))
}

impl Scalar for Quantity {
    const TYPE: Type = Type::String;
    fn parse(value: &Value) -> Result<Quantity, String> {
        let written = text(value, "a quantity such as 500m or 10Gi")?;
        Quantity::parse(written)
            .filter(|quantity| *quantity >= Quantity::default())
            .ok_or_else(|| format!("expected a quantity such as 500m or 10Gi, got {written:?}"))
    }
    fn value(&self) -> Value {
        Value::from(self.as_str())
    }
}

/// A Redis version as written: `7.0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisVersion(pub Version);

impl Scalar for RedisVersion {
    const TYPE: Type = Type::String;
    fn parse(value: &Value) -> Result<RedisVersion, String> {
        Version::parse(text(value, "a version such as 7.0")?).map(RedisVersion)
    }
    fn value(&self) -> Value {
        Value::from(self.0.to_string())
    }
}

/// Whether a text is a DNS-1123 label.
fn is_dns_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(inner)
}

/// A DNS-1035 label: the name of Services and, through the operator, of containers and volumes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsLabel(pub String);

impl Scalar for DnsLabel {
    const TYPE: Type = Type::String;
    fn parse(value: &Value) -> Result<DnsLabel, String> {
        let written = text(value, "a name")?;
        if is_dns_label(written) && written.starts_with(|first: char| first.is_ascii_lowercase()) {
            Ok(DnsLabel(written.to_owned()))
        } else {
            Err(format!(
                "expected at most 63 lower-case letters, digits and \"-\", beginning with a letter and \
                 ending with a letter or digit, got {written:?}"
            ))
        }
    }
    fn value(&self) -> Value {
        Value::from(self.0.as_str())
    }
}

/// A DNS-1123 label: the name of a namespace, which may begin with a digit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceName(pub String);

impl Scalar for NamespaceName {
    const TYPE: Type = Type::String;
    fn parse(value: &Value) -> Result<NamespaceName, String> {
        let written = text(value, "a name")?;
        if is_dns_label(written) {
            Ok(NamespaceName(written.to_owned()))
        } else {
            Err(format!(
                "expected at most 63 lower-case letters, digits and \"-\", with a letter or digit at both ends, got \
                 {written:?}"
            ))
        }
    }
    fn value(&self) -> Value {
        Value::from(self.0.as_str())
    }
}

/// The name of a Kubernetes object that may have dots: a Secret, a class, a service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName(pub String);

impl Scalar for ObjectName {
    const TYPE: Type = Type::String;
    fn parse(value: &Value) -> Result<ObjectName, String> {
        let written = text(value, "a name")?;
        if is_object_name(written) {
            Ok(ObjectName(written.to_owned()))
        } else {
            Err(format!(
                "expected the name of a Kubernetes object (lower-case letters, digits, \"-\" and \".\"), got {written:?}"
            ))
        }
    }
    fn value(&self) -> Value {
        Value::from(self.0.as_str())
    }
}

/// The class of a volume. An empty text is no class: only a volume that somebody has made by hand is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageClass(pub String);

impl Scalar for StorageClass {
    const TYPE: Type = Type::String;
    fn parse(value: &Value) -> Result<StorageClass, String> {
        match text(value, "the name of a storage class")? {
            "" => Ok(StorageClass(String::new())),
            _ => ObjectName::parse(value).map(|name| StorageClass(name.0)),
        }
    }
    fn value(&self) -> Value {
        Value::from(self.0.as_str())
    }
}

/// A length of time: `20m`, `1h30m`, `90s`.
#[derive(Clone, Debug)]
pub struct Duration {
    written: String,
    /// How long.
    pub length: StdDuration,
}

impl Scalar for Duration {
    const TYPE: Type = Type::String;
    fn parse(value: &Value) -> Result<Duration, String> {
        let written = text(value, "a duration such as 20m or 1h30m")?;
        written
            .parse::<jiff::SignedDuration>()
            .ok()
            .and_then(|length| StdDuration::try_from(length).ok())
            .filter(|length| !length.is_zero())
            .map(|length| Duration { written: written.to_owned(), length })
            .ok_or_else(|| format!("expected a duration such as 20m or 1h30m, got {written:?}"))
    }
    fn value(&self) -> Value {
        Value::from(self.written.as_str())
    }
}

impl PartialEq for Duration {
    fn eq(&self, other: &Duration) -> bool {
        self.length == other.length
    }
}

/// JSON in a string, compared as JSON: an object that is merged into the spec of a custom resource.
#[derive(Clone, Debug)]
pub struct JsonObject {
    written: String,
    /// The object.
    pub object: serde_json::Value,
}

impl Scalar for JsonObject {
    const TYPE: Type = Type::String;
    fn parse(value: &Value) -> Result<JsonObject, String> {
        let written = text(value, "a JSON object; jsonencode({ … }) writes one")?;
        match serde_json::from_str(written) {
            Ok(object @ serde_json::Value::Object(_)) => {
                Ok(JsonObject { written: written.to_owned(), object })
            }
            Ok(_) => Err("expected a JSON object; jsonencode({ … }) writes one".to_owned()),
            Err(error) => Err(format!("expected a JSON object; jsonencode({{ … }}) writes one: {error}")),
        }
    }
    fn value(&self) -> Value {
        Value::from(self.written.as_str())
    }
}

impl PartialEq for JsonObject {
    fn eq(&self, other: &JsonObject) -> bool {
        self.object == other.object
    }
}

/// A value that must not appear in any log, plan or state.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The value, for the one write that needs it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl Scalar for Secret {
    const TYPE: Type = Type::String;
    fn parse(value: &Value) -> Result<Secret, String> {
        text(value, "a string").map(|text| Secret(SecretString::from(text)))
    }
    fn value(&self) -> Value {
        Value::from(self.expose())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.expose() == other.expose()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_by_meaning() {
        let quantity = |text: &str| Quantity::parse(text).unwrap();
        assert_eq!(quantity("1000m"), quantity("1"));
        let duration = |text: &str| <Duration as Scalar>::parse(&Value::from(text)).unwrap();
        assert_eq!(duration("90s"), duration("1m30s"));
        let json = |text: &str| JsonObject::parse(&Value::from(text)).unwrap();
        assert_eq!(json(r#"{"a": 1, "b": 2}"#), json(r#"{"b":2,"a":1}"#));
    }

    #[test]
    fn a_refusal_says_what_is_expected() {
        let refusals = [
            <Quantity as Scalar>::parse(&Value::from("10GB")).unwrap_err(),
            <Quantity as Scalar>::parse(&Value::from("-1")).unwrap_err(),
            <Duration as Scalar>::parse(&Value::from("soon")).unwrap_err(),
            <Duration as Scalar>::parse(&Value::from("-5m")).unwrap_err(),
            JsonObject::parse(&Value::from("[]")).unwrap_err(),
            DnsLabel::parse(&Value::from("My_Redis")).unwrap_err(),
            NamespaceName::parse(&Value::from("-a")).unwrap_err(),
            ObjectName::parse(&Value::from("-x")).unwrap_err(),
        ];
        insta::assert_snapshot!(refusals.join("\n"), @r#"
        expected a quantity such as 500m or 10Gi, got "10GB"
        expected a quantity such as 500m or 10Gi, got "-1"
        expected a duration such as 20m or 1h30m, got "soon"
        expected a duration such as 20m or 1h30m, got "-5m"
        expected a JSON object; jsonencode({ … }) writes one
        expected at most 63 lower-case letters, digits and "-", beginning with a letter and ending with a letter or digit, got "My_Redis"
        expected at most 63 lower-case letters, digits and "-", with a letter or digit at both ends, got "-a"
        expected the name of a Kubernetes object (lower-case letters, digits, "-" and "."), got "-x"
        "#);
    }

    #[test]
    fn a_namespace_may_begin_with_a_digit_and_an_instance_may_not() {
        for name in ["2000-tenant", "1", "redis"] {
            assert!(NamespaceName::parse(&Value::from(name)).is_ok(), "{name}");
        }
        assert!(DnsLabel::parse(&Value::from("2cache")).is_err());
        for name in ["", "a.b", "a-", "Team-A", &"n".repeat(64)] {
            assert!(NamespaceName::parse(&Value::from(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        assert_eq!(format!("{:?}", Secret::parse(&Value::from("hush")).unwrap()), "(secret)");
    }
}
