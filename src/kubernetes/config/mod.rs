//! The provider block's settings, and what becomes of them. `resolve.rs` has the rules, `error.rs` what can be wrong.

mod error;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use http::Uri;
use secrecy::SecretString;

pub use error::ConfigError;

/// The provider block, before anything is read. An attribute that is unknown must not reach here as `None`: it
/// would fall through to the environment, and the wrong cluster would answer.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// URL or host name of the API server. `KUBE_HOST`.
    pub host: Option<String>,
    /// User of basic authentication. `KUBE_USER`.
    pub username: Option<String>,
    /// Password of basic authentication. `KUBE_PASSWORD`.
    pub password: Option<SecretString>,
    /// Whether to accept any server certificate. `KUBE_INSECURE`.
    pub insecure: Option<bool>,
    /// Name to expect in the server's certificate. `KUBE_TLS_SERVER_NAME`.
    pub tls_server_name: Option<String>,
    /// Client certificate, PEM. `KUBE_CLIENT_CERT_DATA`.
    pub client_certificate: Option<String>,
    /// Key of the client certificate, PEM. `KUBE_CLIENT_KEY_DATA`.
    pub client_key: Option<SecretString>,
    /// Certificates that the server's is checked against, PEM. `KUBE_CLUSTER_CA_CERT_DATA`.
    pub cluster_ca_certificate: Option<String>,
    /// Bearer token. `KUBE_TOKEN`.
    pub token: Option<SecretString>,
    /// One kubeconfig. `KUBE_CONFIG_PATH`.
    pub config_path: Option<String>,
    /// Several kubeconfigs, merged as kubectl does. `KUBE_CONFIG_PATHS`.
    pub config_paths: Vec<String>,
    /// Context to use. `KUBE_CTX`.
    pub config_context: Option<String>,
    /// User to use instead of the context's. `KUBE_CTX_AUTH_INFO`.
    pub config_context_auth_info: Option<String>,
    /// Cluster to use instead of the context's. `KUBE_CTX_CLUSTER`.
    pub config_context_cluster: Option<String>,
    /// Proxy on the way to the API server: `http`, `https` or `socks5`. `KUBE_PROXY_URL`.
    pub proxy_url: Option<String>,
    /// Command that prints a credential.
    pub exec: Option<Exec>,
}

/// A credential plugin, as the provider block or a kubeconfig describes it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Exec {
    /// `client.authentication.k8s.io/v1` or `…/v1beta1`.
    pub api_version: String,
    /// The program.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Environment variables it gets besides ours.
    pub env: BTreeMap<String, String>,
    /// Told to the user where the program is missing.
    pub install_hint: Option<String>,
    /// Description of the cluster, where the plugin asks for one (`provideClusterInfo`).
    pub cluster: Option<serde_json::Value>,
}

impl fmt::Debug for Exec {
    /// Without arguments and the variables' values: people put secrets there.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.env.keys().collect();
        formatter
            .debug_struct("Exec")
            .field("command", &self.command)
            .field("env", &names)
            .finish_non_exhaustive()
    }
}

/// Everything a connection needs, with nothing left to look up except what changes while we run.
#[derive(Debug)]
pub struct Resolved {
    /// Where the server comes from, for messages: `the kubeconfig /a (config_path), context "dev"`.
    pub origin: String,
    /// URL of the API server.
    pub server: Uri,
    /// Certificates to check the server's against, PEM; `None`: the operating system's.
    pub certificate_authority: Option<String>,
    /// Whether to accept any server certificate.
    pub insecure: bool,
    /// Name to expect in the server's certificate.
    pub tls_server_name: Option<String>,
    /// Proxy on the way.
    pub proxy: Proxy,
    /// Client certificate.
    pub identity: Option<Identity>,
    /// What the `Authorization` header is made from.
    pub credential: Credential,
    /// Where credential and identity come from, for messages.
    pub credential_origin: String,
    /// Whom to act as.
    pub impersonate: Impersonate,
}

/// Proxy on the way to the API server. Kept as text: it may hold a password.
#[derive(Debug, Default)]
pub struct Proxy {
    /// Said by the settings or the kubeconfig: used for this server whatever `NO_PROXY` says.
    pub chosen: Option<SecretString>,
    /// Else `HTTPS_PROXY`.
    pub https: Option<SecretString>,
    /// Else `HTTP_PROXY`, for servers without TLS.
    pub http: Option<SecretString>,
    /// Names for which the environment's are not used, `NO_PROXY`.
    pub except: String,
}

/// A client certificate and its key, PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate and those that signed it.
    pub certificate: String,
    /// Its key.
    pub key: SecretString,
}

/// What the `Authorization` header is made from.
#[derive(Debug, Clone)]
pub enum Credential {
    /// No header: the client certificate speaks, or nobody.
    None,
    /// `Bearer`, always the same.
    Token(SecretString),
    /// `Bearer`, from a file that somebody keeps fresh.
    TokenFile(PathBuf),
    /// `Basic`.
    Basic {
        /// User.
        username: String,
        /// Password.
        password: SecretString,
    },
    /// Whatever the plugin prints.
    Exec(Exec),
}

/// Whom to act as: the `as` fields of a kubeconfig's user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Impersonate {
    /// `as`.
    pub user: Option<String>,
    /// `as-uid`.
    pub uid: Option<String>,
    /// `as-groups`.
    pub groups: Option<Vec<String>>,
    /// `as-user-extra`.
    pub extra: Option<HashMap<String, Vec<String>>>,
}

/// Looks up an environment variable.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;
/// Reads a whole file of text.
pub type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

impl Settings {
    /// What can be told wrong without reading anything; `resolve` checks it too.
    pub fn check(&self) -> Result<(), ConfigError> {
        let pairs = [
            (self.config_path.is_some(), "config_path", !self.config_paths.is_empty(), "config_paths"),
            (self.token.is_some(), "token", self.exec.is_some(), "exec"),
            (self.token.is_some(), "token", self.username.is_some(), "username"),
            (self.username.is_some(), "username", self.exec.is_some(), "exec"),
            (
                self.insecure == Some(true),
                "insecure",
                self.cluster_ca_certificate.is_some(),
                "cluster_ca_certificate",
            ),
        ];
        match pairs.into_iter().find(|(first, _, second, _)| *first && *second) {
            Some((_, first, _, second)) => Err(ConfigError::Conflict { first, second }),
            None => Ok(()),
        }
    }
}
