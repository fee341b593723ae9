//! How core starts a plugin: its variables in the environment, and our one line on stdout.
//!
//! Core starts the executable with a cookie in the environment, reads the first line of its stdout, and
//! connects to the address that line names. Nothing else may ever be written to stdout before it, and nothing
//! should be after.
//!
//! Source: go-plugin `server.go` and `client.go`; `TF_PLUGIN_MAGIC_COOKIE` is Terraform's, and OpenTofu's
//! too.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::json;
use tokio_rustls::rustls::pki_types::CertificateDer;

const COOKIE_NAME: &str = "TF_PLUGIN_MAGIC_COOKIE";
const COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";

/// Of go-plugin's own handshake.
const CORE_PROTOCOL: u8 = 1;
/// Of the provider protocol: the only major version we serve.
const PROVIDER_PROTOCOL: u8 = 6;

/// The addresses under which our provider is published, for Terraform and for OpenTofu: a configuration's
/// `source` resolves to them.
const SOURCE_ADDRESSES: [&str; 2] =
    ["registry.terraform.io/redis-k8s/redis", "registry.opentofu.org/redis-k8s/redis"];

/// What the host of this plugin has put into our environment.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Whether it knows the cookie: then it is core, and not a person at a shell.
    pub cookie_matches: bool,
    /// Its client certificate, PEM. Set: both sides must use TLS. Unset: none does (`TF_DISABLE_PLUGIN_TLS`).
    pub client_certificate: Option<String>,
    /// The provider protocols that it speaks, if it named them.
    pub protocol_versions: Vec<u8>,
    /// The directory for the socket. Terraform and OpenTofu name none.
    pub socket_directory: Option<PathBuf>,
    /// The group that must be able to connect, a name or a number. Terraform and OpenTofu name none.
    pub socket_group: Option<String>,
}

impl Environment {
    /// Reads this process's environment.
    pub fn read() -> Environment {
        Environment::from(|name| std::env::var_os(name))
    }

    fn from(variable: impl Fn(&str) -> Option<OsString>) -> Environment {
        let path = |name| variable(name).filter(|value| !value.is_empty());
        let text = |name| path(name).and_then(|value| value.into_string().ok());
        let protocol_versions = text("PLUGIN_PROTOCOL_VERSIONS").unwrap_or_default();
        Environment {
            cookie_matches: text(COOKIE_NAME).as_deref() == Some(COOKIE),
            client_certificate: text("PLUGIN_CLIENT_CERT"),
            protocol_versions: protocol_versions
                .split(',')
                .filter_map(|version| version.parse().ok())
                .collect(),
            socket_directory: path("PLUGIN_UNIX_SOCKET_DIR").map(PathBuf::from),
            socket_group: text("PLUGIN_UNIX_SOCKET_GROUP"),
        }
    }

    /// Whether core can speak to us. If not, we answer nevertheless: core explains the problem to its user
    /// better than we can.
    pub fn speaks_our_protocol(&self) -> bool {
        self.protocol_versions.is_empty() || self.protocol_versions.contains(&PROVIDER_PROTOCOL)
    }
}

/// The line that core waits for: our address, and the certificate that core must trust.
pub fn handshake_line(socket: &Path, certificate: Option<&CertificateDer<'_>>) -> String {
    // Without padding, like Go's RawStdEncoding.
    let certificate = certificate.map(|der| STANDARD_NO_PAD.encode(der)).unwrap_or_default();
    format!("{CORE_PROTOCOL}|{PROVIDER_PROTOCOL}|unix|{}|grpc|{certificate}", socket.display())
}

/// The line with which a person connects core to a provider that already runs (`--debug`).
pub fn reattach_line(socket: &Path, process_id: u32) -> String {
    let provider = json!({
        "Protocol": "grpc",
        // Core takes a missing version as 5.
        "ProtocolVersion": PROVIDER_PROTOCOL,
        "Pid": process_id,
        // Core neither shuts down nor kills a provider under test: it serves many commands.
        "Test": true,
        "Addr": { "Network": "unix", "String": socket.to_string_lossy() },
    });
    let providers: serde_json::Map<_, _> =
        SOURCE_ADDRESSES.iter().map(|address| ((*address).to_owned(), provider.clone())).collect();
    format!("TF_REATTACH_PROVIDERS='{}'", serde_json::Value::Object(providers))
}

/// Writes a line to stdout and flushes it.
pub fn announce(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::from(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn environment_of_terraform() {
        let environment = environment(&[
            (COOKIE_NAME, COOKIE),
            ("PLUGIN_CLIENT_CERT", "-----BEGIN CERTIFICATE-----"),
            ("PLUGIN_PROTOCOL_VERSIONS", "6,5"),
            ("PLUGIN_MIN_PORT", "10000"),
        ]);
        assert!(environment.cookie_matches);
        assert_eq!(environment.client_certificate.as_deref(), Some("-----BEGIN CERTIFICATE-----"));
        assert!(environment.speaks_our_protocol());
        assert_eq!(environment.socket_directory, None);
    }

    #[test]
    fn environment_of_a_shell() {
        assert_eq!(environment(&[]), Environment::default());
        assert!(!environment(&[(COOKIE_NAME, "wrong")]).cookie_matches);
    }

    #[test]
    fn environment_of_another_host() {
        let environment = environment(&[
            ("PLUGIN_PROTOCOL_VERSIONS", "4,x,5"),
            ("PLUGIN_UNIX_SOCKET_DIR", "/run/plugins"),
            ("PLUGIN_UNIX_SOCKET_GROUP", "plugins"),
            ("PLUGIN_CLIENT_CERT", ""),
        ]);
        assert_eq!(environment.protocol_versions, [4, 5]);
        assert!(!environment.speaks_our_protocol());
        assert_eq!(environment.socket_directory, Some(PathBuf::from("/run/plugins")));
        assert_eq!(environment.socket_group.as_deref(), Some("plugins"));
        assert_eq!(environment.client_certificate, None, "empty means TLS is off");
    }

    #[test]
    fn handshake_line_as_go_plugin_reads_it() {
        let certificate = CertificateDer::from(vec![0xff, 0xee]);
        let line = handshake_line(Path::new("/tmp/plugin1"), Some(&certificate));
        assert_eq!(line, "1|6|unix|/tmp/plugin1|grpc|/+4");
        assert_eq!(handshake_line(Path::new("/tmp/plugin1"), None), "1|6|unix|/tmp/plugin1|grpc|");
    }

    #[test]
    fn reattach_line_as_core_reads_it() {
        let line = reattach_line(Path::new("/tmp/plugin1"), 42);
        let json = line.strip_prefix("TF_REATTACH_PROVIDERS='").unwrap().strip_suffix('\'').unwrap();
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        for address in SOURCE_ADDRESSES {
            assert_eq!(json[address]["ProtocolVersion"], 6);
            assert_eq!(json[address]["Pid"], 42);
            assert_eq!(json[address]["Addr"]["String"], "/tmp/plugin1");
        }
    }
}
