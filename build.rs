//! Generates Rust from `proto/`: messages and server traits for `src/plugin`, clients for `tests/wire`.
//!
//! protox reads the .proto files, so nobody needs to install `protoc`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(["proto/tfplugin6.proto", "proto/plugin.proto"], ["proto"])?;
    tonic_prost_build::configure()
        // An RPC we do not implement must answer UNIMPLEMENTED: old and new cores rely on it.
        .generate_default_stubs(true)
        .compile_fds(files)?;
    Ok(())
}
