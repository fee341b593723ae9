//! Schemas: what core learns about a provider, a resource, or a resource's identity.

use super::attribute::{Attribute, object_type};
use super::types::Type;

/// The schema of a provider block or a resource.
#[derive(Clone, Debug)]
pub struct Schema {
    /// Grows when a state of an older provider needs an upgrade.
    pub version: i64,
    /// Markdown.
    pub description: String,
    /// The attributes.
    pub attributes: Vec<Attribute>,
    ty: Type,
}

impl Schema {
    /// A schema of these attributes.
    pub fn new(version: i64, description: &str, attributes: Vec<Attribute>) -> Schema {
        let ty = object_type(&attributes);
        Schema { version, description: description.to_owned(), attributes, ty }
    }

    /// Its object type.
    pub fn ty(&self) -> &Type {
        &self.ty
    }
}

/// The schema of the identity of a resource, for import.
#[derive(Clone, Debug)]
pub struct IdentitySchema {
    /// Grows when an identity of an older provider needs an upgrade.
    pub version: i64,
    /// The attributes: plain types only.
    pub attributes: Vec<IdentityAttribute>,
    ty: Type,
}

/// One attribute of an identity.
#[derive(Clone, Debug)]
pub struct IdentityAttribute {
    /// Its name in an `import` block's `identity`.
    pub name: &'static str,
    /// Its type.
    pub ty: Type,
    /// Markdown.
    pub description: String,
    /// Whether an import must give it; otherwise it may.
    pub required_for_import: bool,
}

impl IdentitySchema {
    /// From attributes declared with `object!`: the required ones are required for import.
    pub fn new(version: i64, attributes: Vec<Attribute>) -> IdentitySchema {
        let ty = object_type(&attributes);
        let attributes = attributes
            .into_iter()
            .map(|attribute| IdentityAttribute {
                name: attribute.name,
                ty: attribute.ty(),
                required_for_import: attribute.is_required(),
                description: attribute.description,
            })
            .collect();
        IdentitySchema { version, attributes, ty }
    }

    /// Its object type.
    pub fn ty(&self) -> &Type {
        &self.ty
    }
}
