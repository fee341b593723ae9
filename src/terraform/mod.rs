//! Terraform's concepts: values, types, schemas, validation, planning, and the life of a resource through the
//! RPCs. Knows no wire, no cluster and no Redis.
//!
//! The way of a request: [`Server`] has a [`Table`](table::Table) for each kind of thing that core asks for
//! by name. [`handler`] declares the questions of core to a resource, and [`resource`] what a resource
//! declares about itself, on a model that was declared once with [`object!`](crate::object). `modelled`
//! connects the two.

pub mod attribute;
pub mod diagnostic;
pub mod guard;
pub mod handler;
pub mod json;
mod modelled;
pub mod msgpack;
pub mod path;
pub mod phase;
pub mod plan;
pub mod private;
pub mod record;
pub mod resource;
pub mod schema;
pub mod server;
pub mod table;
pub mod types;
mod upgrade;
pub mod validate;
pub mod value;

pub use attribute::{Attribute, Kind, Nesting};
pub use diagnostic::{Diagnostic, Severity};
pub use path::{Path, Step};
pub use phase::{Known, Maybe, Phase, Planned};
pub use schema::{IdentityAttribute, IdentitySchema, Schema};
pub use server::Server;
pub use types::Type;
pub use value::{Number, Value};
