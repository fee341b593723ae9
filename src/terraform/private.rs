//! Private state: data that the provider keeps beside a resource and that no user sees. It contains nothing
//! secret, and nothing that Delete needs, because core passes no private state for a tainted object.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Named JSON values, kept by core as bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Private(BTreeMap<String, serde_json::Value>);

impl Private {
    /// Reads what core kept. Bytes in another form count as nothing.
    pub fn decode(bytes: &[u8]) -> Private {
        Private(serde_json::from_slice(bytes).unwrap_or_default())
    }

    /// The bytes for core to keep; none if there is nothing.
    pub fn encode(&self) -> Vec<u8> {
        if self.0.is_empty() { Vec::new() } else { serde_json::to_vec(&self.0).unwrap_or_default() }
    }

    /// A value by name.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.0.get(name).and_then(|value| serde_json::from_value(value.clone()).ok())
    }

    /// Sets a value.
    pub fn set(&mut self, name: &str, value: impl Serialize) {
        if let Ok(value) = serde_json::to_value(value) {
            self.0.insert(name.to_owned(), value);
        }
    }

    /// Removes a value.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }
}
