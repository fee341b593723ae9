//! Our answers, in the wire's terms. Together with [`super::decode`], the only place that converts wire
//! types.

use super::proto::tfplugin6 as wire;
use super::proto::tfplugin6::attribute_path::{Step as WireStep, step::Selector};
use super::proto::tfplugin6::diagnostic::Severity as WireSeverity;
use super::proto::tfplugin6::schema::object::NestingMode;
use crate::terraform::{
    Attribute, Diagnostic, IdentityAttribute, IdentitySchema, Kind, Nesting, Path, Schema, Severity, Step,
    Type, Value, msgpack,
};

/// A value of this type. It is always msgpack and never absent, because core reads an absent value as null.
pub fn value(value: &Value, ty: &Type) -> Option<wire::DynamicValue> {
    Some(wire::DynamicValue { msgpack: msgpack::encode(value, ty), json: Vec::new() })
}

/// An identity, if there is one.
pub fn identity(identity: Option<&Value>, ty: &Type) -> Option<wire::ResourceIdentityData> {
    let identity = identity?;
    if identity.is_null() {
        None
    } else {
        Some(wire::ResourceIdentityData { identity_data: value(identity, ty) })
    }
}

/// Messages for the user.
pub fn diagnostics(diagnostics: Vec<Diagnostic>) -> Vec<wire::Diagnostic> {
    diagnostics.into_iter().map(diagnostic).collect()
}

fn diagnostic(Diagnostic { severity, summary, detail, attribute }: Diagnostic) -> wire::Diagnostic {
    let severity = match severity {
        Severity::Error => WireSeverity::Error,
        Severity::Warning => WireSeverity::Warning,
    };
    wire::Diagnostic { severity: severity.into(), summary, detail, attribute: attribute.map(blamed) }
}

/// Paths to attributes.
pub fn paths(paths: Vec<Path>) -> Vec<wire::AttributePath> {
    paths.into_iter().map(path).collect()
}

fn path(Path(steps): Path) -> wire::AttributePath {
    let step = |step| WireStep {
        selector: Some(match step {
            Step::Attribute(name) => Selector::AttributeName(name),
            Step::Key(key) => Selector::ElementKeyString(key),
            Step::Index(index) => Selector::ElementKeyInt(index),
        }),
    };
    wire::AttributePath { steps: steps.into_iter().map(step).collect() }
}

/// The part of a path that core can find in a configuration. Core looks up the last name of a path in the
/// resource's own body, so the path of a nested attribute would point at an attribute of the same name there,
/// or at nothing. The summary contains the whole path.
fn blamed(Path(steps): Path) -> wire::AttributePath {
    let nested = |step: &Step| matches!(step, Step::Attribute(_));
    let end = steps.iter().skip(1).position(nested).map_or(steps.len(), |position| position + 1);
    path(Path(steps.into_iter().take(end).collect()))
}

/// The schema of the provider block or of a resource.
pub fn schema(schema: &Schema) -> wire::Schema {
    wire::Schema {
        version: schema.version,
        block: Some(wire::schema::Block {
            version: schema.version,
            attributes: schema.attributes.iter().map(attribute).collect(),
            block_types: Vec::new(),
            description: schema.description.clone(),
            description_kind: wire::StringKind::Markdown.into(),
            deprecated: false,
            deprecation_message: String::new(),
            computed: false,
        }),
    }
}

fn attribute(attribute: &Attribute) -> wire::schema::Attribute {
    // Exactly one of the two is set: core refuses a schema with both.
    let (ty, nested_type) = match &attribute.kind {
        Kind::Plain(ty) => (type_json(ty), None),
        Kind::Nested(nesting, attributes) => (Vec::new(), Some(nested(*nesting, attributes))),
    };
    wire::schema::Attribute {
        name: attribute.name.to_owned(),
        r#type: ty,
        nested_type,
        description: attribute.description.clone(),
        description_kind: wire::StringKind::Markdown.into(),
        required: attribute.is_required(),
        optional: attribute.is_optional(),
        computed: attribute.is_computed(),
        sensitive: attribute.sensitive,
        write_only: attribute.write_only,
        deprecated: false,
        deprecation_message: String::new(),
    }
}

#[allow(deprecated, reason = "an exhaustive struct names the protocol's deprecated fields too")]
fn nested(nesting: Nesting, attributes: &[Attribute]) -> wire::schema::Object {
    let nesting = match nesting {
        Nesting::Single => NestingMode::Single,
        Nesting::List => NestingMode::List,
        Nesting::Set => NestingMode::Set,
        Nesting::Map => NestingMode::Map,
    };
    wire::schema::Object {
        attributes: attributes.iter().map(attribute).collect(),
        nesting: nesting.into(),
        min_items: 0,
        max_items: 0,
    }
}

/// The schema of an identity.
pub fn identity_schema(schema: &IdentitySchema) -> wire::ResourceIdentitySchema {
    let attribute = |attribute: &IdentityAttribute| wire::resource_identity_schema::IdentityAttribute {
        name: attribute.name.to_owned(),
        r#type: type_json(&attribute.ty),
        required_for_import: attribute.required_for_import,
        optional_for_import: !attribute.required_for_import,
        description: attribute.description.clone(),
    };
    wire::ResourceIdentitySchema {
        version: schema.version,
        identity_attributes: schema.attributes.iter().map(attribute).collect(),
    }
}

fn type_json(ty: &Type) -> Vec<u8> {
    ty.to_json().to_string().into_bytes()
}

/// The capabilities that we promise to core. A capability is promised only once something uses it.
pub fn server_capabilities() -> wire::ServerCapabilities {
    wire::ServerCapabilities {
        plan_destroy: true,
        get_provider_schema_optional: true,
        move_resource_state: false,
        generate_resource_config: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::object! {
        /// A thing.
        pub struct Thing {
            /// Its name.
            name: String = required().replaces(),
            /// Its secret.
            secret: Option<String> = optional().write_only(),
            /// Its insides.
            inside: Inside = nested(),
            /// Its state.
            status: String = computed(),
        }
    }

    crate::object! {
        /// What is inside.
        pub struct Inside {
            /// How many.
            count: i64 = default(3),
        }
    }

    #[test]
    fn schemas() {
        let wire = schema(&Schema::new(2, "A *thing*.", Thing::attributes()));
        assert_eq!(wire.version, 2);
        let attributes = wire.block.unwrap().attributes;
        let [name, secret, inside, status] = attributes.as_slice() else { panic!("{attributes:?}") };
        assert!(name.required && !name.optional && !name.computed);
        assert_eq!((name.r#type.as_slice(), &name.nested_type), (b"\"string\"".as_slice(), &None));
        assert!(secret.optional && secret.write_only && !secret.computed);
        assert!(inside.optional && inside.r#type.is_empty());
        let nested = inside.nested_type.as_ref().unwrap();
        assert_eq!(nested.nesting(), NestingMode::Single);
        assert!(nested.attributes[0].optional && nested.attributes[0].computed);
        assert!(status.computed && !status.optional);
    }

    #[test]
    fn paths_and_severities() {
        let path = Path::of("a").with(Step::Key("k".into())).with(Step::Index(2));
        let wire = diagnostics(vec![Diagnostic::warning("s", "d").at(path), Diagnostic::error("", "")]);
        assert_eq!(wire[0].severity(), WireSeverity::Warning);
        assert_eq!(wire[1].severity(), WireSeverity::Error);
        assert_eq!(wire[1].attribute, None);
        let selectors: Vec<_> =
            wire[0].attribute.clone().unwrap().steps.into_iter().filter_map(|step| step.selector).collect();
        assert_eq!(
            selectors,
            [
                Selector::AttributeName("a".into()),
                Selector::ElementKeyString("k".into()),
                Selector::ElementKeyInt(2)
            ]
        );
    }

    #[test]
    fn null_is_sent_and_no_identity_is_not() {
        assert_eq!(value(&Value::Null, &Type::String).unwrap().msgpack, [0xc0]);
        assert_eq!(identity(Some(&Value::Null), &Type::String), None);
        assert_eq!(identity(None, &Type::String), None);
    }
}
