//! The arguments that the schema has, and the class of change of each.
use terraform_provider_redis::provider;
use terraform_provider_redis::terraform::attribute::Change;
use terraform_provider_redis::terraform::{Attribute, Kind, Nesting, Schema, Server};

/// An argument: what a user can set and is no single object.
pub struct Leaf {
    /// `a.b`; `a[].b` for a member of a list's objects.
    pub path: String,
    pub change: Change,
    pub is_required: bool,
}

pub fn server() -> Server {
    provider::server()
}

pub fn schema(server: &Server) -> &Schema {
    server.resources().get("redis_k8s_instance").expect("the resource").schema()
}

pub fn leaves(attributes: &[Attribute]) -> Vec<Leaf> {
    let mut found = Vec::new();
    collect(attributes, "", None, &mut found);
    found
}

/// Lists of objects change as a whole: their members have the list's class.
fn collect(attributes: &[Attribute], above: &str, class: Option<Change>, found: &mut Vec<Leaf>) {
    for attribute in attributes.iter().filter(|attribute| !attribute.is_read_only()) {
        let path = format!("{above}{}", attribute.name);
        let change = class.unwrap_or(attribute.change);
        match &attribute.kind {
            Kind::Nested(Nesting::Single, members) => collect(members, &format!("{path}."), class, found),
            kind => {
                found.push(Leaf { path: path.clone(), change, is_required: attribute.is_required() });
                if let Kind::Nested(_, members) = kind {
                    collect(members, &format!("{path}[]."), Some(change), found);
                }
            }
        }
    }
}
