//! What to do now: one pure function for apply and one for delete. They look at what is wanted and what
//! exists, so they continue from wherever an earlier run was cut off.

mod apply;
mod delete;
mod objects;
#[cfg(test)]
mod world;

pub use apply::next;
pub use delete::{Leaving, next_delete};
pub use objects::taken;
