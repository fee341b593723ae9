//! What users write: one folder for each resource, one file for each step.

pub mod blocks;
pub mod connection;
pub mod instance;
pub mod types;
