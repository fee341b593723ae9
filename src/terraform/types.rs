//! Terraform's types, and the form in which a schema sends them on the wire.

use serde_json::{Value as Json, json};

/// A type as `cty` knows it. `dynamic` and tuples are left out: nothing of ours has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// `bool`
    Bool,
    /// `number`
    Number,
    /// `string`
    String,
    /// `list(T)`
    List(Box<Type>),
    /// `set(T)`
    Set(Box<Type>),
    /// `map(T)`
    Map(Box<Type>),
    /// `object({…})`
    Object(Vec<(String, Type)>),
}

impl Type {
    /// The JSON in which schemas carry a type: `"string"`, `["list","string"]`, `["object",{…}]`.
    pub fn to_json(&self) -> Json {
        match self {
            Type::Bool => json!("bool"),
            Type::Number => json!("number"),
            Type::String => json!("string"),
            Type::List(element) => json!(["list", element.to_json()]),
            Type::Set(element) => json!(["set", element.to_json()]),
            Type::Map(element) => json!(["map", element.to_json()]),
            Type::Object(attributes) => {
                let attributes: serde_json::Map<String, Json> =
                    attributes.iter().map(|(name, ty)| (name.clone(), ty.to_json())).collect();
                json!(["object", attributes])
            }
        }
    }

    /// The name of the type for people: `a list of string`.
    pub fn describe(&self) -> String {
        match self {
            Type::Bool => "a bool".to_owned(),
            Type::Number => "a number".to_owned(),
            Type::String => "a string".to_owned(),
            Type::List(element) => format!("a list, each element {}", element.describe()),
            Type::Set(element) => format!("a set, each element {}", element.describe()),
            Type::Map(element) => format!("a map, each element {}", element.describe()),
            Type::Object(_) => "an object".to_owned(),
        }
    }
}
