//! How an attribute is declared, once: its type is its validator, its default and class of change are
//! declared beside it, and its documentation is its doc comment. [`object!`](crate::object) turns a
//! declaration into a struct, a schema and the reading and writing of values.

pub mod declare;
mod reading;
mod values;

use std::fmt;
use std::sync::Arc;

pub use reading::Reading;
pub use values::{At, Attr, Scalar, as_planned, read_attribute, same};

use super::types::Type;
use super::value::Value;

/// An attribute of a schema, with everything that validation and planning need.
#[derive(Clone)]
pub struct Attribute {
    /// Its name in a configuration.
    pub name: &'static str,
    /// Markdown, from the doc comment.
    pub description: String,
    /// Its type.
    pub kind: Kind,
    /// Who sets it.
    pub presence: Presence,
    /// The effect of a change.
    pub change: Change,
    /// Core hides it in its output.
    pub sensitive: bool,
    /// It is in no plan and no state.
    pub write_only: bool,
    /// Computed, and unknown in every plan that writes something.
    pub volatile: bool,
    /// Reads a value, and reports what is wrong with it.
    pub read: fn(&Value, &mut Reading),
    /// Whether two values mean the same.
    pub same: fn(&Value, &Value) -> bool,
    /// Conditions that the type alone does not express: a range, a pattern.
    pub check: Option<Check>,
    /// Conditions on a value that is new: a value that an instance has already, perhaps since before its import, may
    /// stay.
    pub check_new: Option<Check>,
}

/// A further condition on a known value: `Err` says what was expected instead.
pub type Check = Arc<dyn Fn(&Value) -> Result<(), String> + Send + Sync>;

/// The type of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A plain type.
    Plain(Type),
    /// Nested attributes.
    Nested(Nesting, Vec<Attribute>),
}

/// How nested attributes are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nesting {
    /// One object.
    Single,
    /// A list of objects.
    List,
    /// A set of objects.
    Set,
    /// A map of objects.
    Map,
}

/// Who sets an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Presence {
    /// The configuration must.
    Required,
    /// The configuration may; it stays null otherwise.
    Optional,
    /// Only the provider does.
    Computed,
    /// The configuration may; otherwise this value. A nested object defaults to its members' defaults.
    Defaulted(Value),
    /// The configuration may; otherwise an object of its members' defaults if it applies, and null otherwise.
    Applicable(Applicability),
    /// The configuration may; otherwise it is computed from the rest of it at every plan.
    Derived(Derivation),
    /// Only the provider does, and it is computed from the configuration at every plan.
    Endpoint(Derivation),
}

/// Whether an object applies to this configuration (its root); `None` if that is not known.
#[derive(Clone, Copy, Debug)]
pub struct Applicability(pub fn(&Value) -> Option<bool>);

impl PartialEq for Applicability {
    fn eq(&self, other: &Applicability) -> bool {
        std::ptr::fn_addr_eq(self.0, other.0)
    }
}

/// How a value follows from the rest of the configuration.
#[derive(Clone, Debug)]
pub struct Derivation {
    /// From the root of the planned resource; unknown inputs give an unknown.
    pub compute: fn(&Value) -> Value,
    /// While these inputs (dotted paths from the root) stay, a value derived earlier stays too, whatever a
    /// newer provider would compute: an upgrade of the provider must not make a diff.
    pub kept_while: &'static [&'static str],
}

impl PartialEq for Derivation {
    fn eq(&self, other: &Derivation) -> bool {
        self.kept_while == other.kept_while && std::ptr::fn_addr_eq(self.compute, other.compute)
    }
}

/// The effect that a change of an attribute has on a running instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Change {
    /// Applied without restarting anything.
    #[default]
    Live,
    /// Restarts the pods.
    Rolls,
    /// Destroys the instance and creates another.
    Replaces,
    /// Refused at plan.
    Refused,
    /// Only the provider reads it: nothing is written to the cluster.
    ProviderOnly,
}

impl Attribute {
    /// The configuration must set it.
    pub fn is_required(&self) -> bool {
        self.presence == Presence::Required
    }

    /// The configuration may set it.
    pub fn is_optional(&self) -> bool {
        !matches!(self.presence, Presence::Required | Presence::Computed | Presence::Endpoint(_))
    }

    /// The provider may set it.
    pub fn is_computed(&self) -> bool {
        !matches!(self.presence, Presence::Required | Presence::Optional)
    }

    /// The configuration cannot set it.
    pub fn is_read_only(&self) -> bool {
        matches!(self.presence, Presence::Computed | Presence::Endpoint(_))
    }

    /// Its type, nested ones included.
    pub fn ty(&self) -> Type {
        match &self.kind {
            Kind::Plain(ty) => ty.clone(),
            Kind::Nested(nesting, attributes) => {
                let object = object_type(attributes);
                match nesting {
                    Nesting::Single => object,
                    Nesting::List => Type::List(Box::new(object)),
                    Nesting::Set => Type::Set(Box::new(object)),
                    Nesting::Map => Type::Map(Box::new(object)),
                }
            }
        }
    }
}

impl PartialEq for Attribute {
    fn eq(&self, other: &Attribute) -> bool {
        self.name == other.name && self.kind == other.kind && self.presence == other.presence
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {:?} {:?}", self.name, self.kind, self.presence)
    }
}

/// The object type of these attributes.
pub fn object_type(attributes: &[Attribute]) -> Type {
    Type::Object(attributes.iter().map(|attribute| (attribute.name.to_owned(), attribute.ty())).collect())
}
