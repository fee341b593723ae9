//! The code that `build.rs` generates from `proto/`: messages, the server traits that we implement, and
//! clients.
//!
//! Private to `plugin`: code that names one of these types belongs to the wire.

#![allow(
    clippy::allow_attributes_without_reason,
    clippy::all,
    dead_code,
    missing_docs,
    reason = "generated: no one writes these lines, and clients are used by tests/wire only"
)]

/// go-plugin's own services.
pub mod go_plugin {
    tonic::include_proto!("plugin");
}

/// The provider protocol, version 6.
pub mod tfplugin6 {
    tonic::include_proto!("tfplugin6");
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::tfplugin6::{plan_resource_change, schema};

    /// The key byte of a field: its number and how it is encoded.
    fn key(number: u8, wire_type: u8) -> u8 {
        number << 3 | wire_type
    }

    const VARINT: u8 = 0;
    const BYTES: u8 = 2;

    #[test]
    fn numbers_that_circulating_files_disagree_on() {
        let attribute = schema::Attribute { deprecation_message: "x".into(), ..Default::default() };
        assert_eq!(attribute.encode_to_vec(), [key(12, BYTES), 1, b'x']);
        let attribute = schema::Attribute { write_only: true, ..Default::default() };
        assert_eq!(attribute.encode_to_vec(), [key(11, VARINT), 1]);
        let attribute =
            schema::Attribute { nested_type: Some(schema::Object::default()), ..Default::default() };
        assert_eq!(attribute.encode_to_vec(), [key(10, BYTES), 0]);

        let block = schema::Block { deprecation_message: "x".into(), ..Default::default() };
        assert_eq!(block.encode_to_vec(), [key(7, BYTES), 1, b'x']);
        let block = schema::Block { computed: true, ..Default::default() };
        assert_eq!(block.encode_to_vec(), [key(8, VARINT), 1]);

        let request = plan_resource_change::Request { planned_private: b"x".into(), ..Default::default() };
        assert_eq!(request.encode_to_vec(), [key(9, BYTES), 1, b'x']);
    }

    #[test]
    fn numbers_out_of_order() {
        // `nesting` of an object is 3: there is no 2.
        let object = schema::Object { nesting: 1, ..Default::default() };
        assert_eq!(object.encode_to_vec(), [key(3, VARINT), 1]);
        // Diagnostics of ValidateProviderConfig are 2: version 5 of the protocol had a field 1.
        let response = super::tfplugin6::validate_provider_config::Response {
            diagnostics: vec![super::tfplugin6::Diagnostic::default()],
        };
        assert_eq!(response.encode_to_vec(), [key(2, BYTES), 0]);
    }
}
