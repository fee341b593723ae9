//! The resources: one folder for each resource, one file for each step; and modules that the resources share.

pub mod ask;
pub mod blocks;
pub mod connection;
pub mod instance;
mod kinds;
mod password;
mod redaction;
pub mod types;
mod write;
