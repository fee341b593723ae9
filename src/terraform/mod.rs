//! What Terraform means: values, types, schemas, validation, planning, and the life of a resource through
//! the RPCs. Knows no wire, no cluster and no Redis.
//!
//! The way of a request: `validate → plan → apply`, each a call of [`Server`], each ending in a resource
//! (see [`Resource`]) whose model was declared once with [`object!`](crate::object).

pub mod attribute;
pub mod diagnostic;
pub mod guard;
mod handler;
pub mod json;
pub mod msgpack;
pub mod path;
pub mod phase;
pub mod plan;
pub mod private;
pub mod record;
pub mod resource;
pub mod schema;
pub mod server;
pub mod types;
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
