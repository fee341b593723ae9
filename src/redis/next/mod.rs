//! What to do now. One pure function for apply and one for delete: they look at what is wanted and what is there, and so go
//! on from wherever an earlier run was cut off.

mod apply;
mod delete;
mod objects;
#[cfg(test)]
mod world;

pub use apply::next;
pub use delete::{Leaving, next_delete};
pub use objects::taken;
