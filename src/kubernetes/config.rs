//! The provider block's settings, what becomes of them, and what can be wrong with them. `resolve.rs` has the rules.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use http::Uri;
use secrecy::SecretString;

/// Why no cluster could be chosen. No variant holds a secret or a file's text.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Nothing names a cluster.
    #[error(
        "no cluster is configured: the provider block sets none of `host`, `config_path` and `config_paths`, \
         none of KUBE_HOST, KUBE_CONFIG_PATH, KUBE_CONFIG_PATHS and KUBECONFIG is in the environment, and this \
         is not a pod with a service account. Set `config_path = \"~/.kube/config\"`, or `host` with a credential"
    )]
    NothingConfigured,
    /// Two settings say the same thing in two ways.
    #[error("`{first}` and `{second}` exclude each other: set one of them")]
    Conflict {
        /// One setting.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A certificate without its key, a user without a password.
    #[error("`{present}` is set ({origin}) but `{missing}` is not: they are needed together")]
    Incomplete {
        /// The setting that is there.
        present: &'static str,
        /// The setting that is not.
        missing: &'static str,
        /// Where the present one comes from.
        origin: String,
    },
    /// A kubeconfig, or a file it names, cannot be read.
    #[error("could not read {what} {} ({origin}): {source}", path.display())]
    ReadFile {
        /// What the file is.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// Who named it.
        origin: String,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// A kubeconfig is not one. The parser's own words are left out: they quote the file.
    #[error("{} ({origin}) is not a kubeconfig: its YAML cannot be read{position}", path.display())]
    ParseKubeconfig {
        /// Where it is.
        path: PathBuf,
        /// Who named it.
        origin: String,
        /// ` (line 3)`, where known.
        position: String,
    },
    /// Several kubeconfigs say different `kind` or `apiVersion`.
    #[error("the kubeconfigs of {origin} cannot be merged: they differ in `kind` or `apiVersion`")]
    MergeKubeconfigs {
        /// Who named them.
        origin: String,
    },
    /// Neither the kubeconfig nor the settings choose a context.
    #[error("{origin} has no `current-context`: set `config_context` to one of: {available}")]
    NoContext {
        /// Which kubeconfig.
        origin: String,
        /// The contexts it has.
        available: String,
    },
    /// A context, cluster or user that is named but not there.
    #[error("{origin} has no {what} {name:?}; it has: {available}")]
    Missing {
        /// Which kubeconfig.
        origin: String,
        /// `context`, `cluster` or `user`.
        what: &'static str,
        /// The name looked for.
        name: String,
        /// The names there are.
        available: String,
    },
    /// A cluster entry without a server.
    #[error("{origin} has no `server` for cluster {cluster:?}")]
    NoServer {
        /// Which kubeconfig.
        origin: String,
        /// Which cluster.
        cluster: String,
    },
    /// Something that should be a URL is not. Its text is left out: it may hold a password.
    #[error("{what} ({origin}) is not a URL such as {example}")]
    BadUrl {
        /// What should be one.
        what: &'static str,
        /// Where it comes from.
        origin: String,
        /// One that would do.
        example: &'static str,
    },
    /// Data that should be base64 or PEM is not.
    #[error("{what} ({origin}) is not {expected}")]
    BadData {
        /// What it should hold.
        what: &'static str,
        /// Where it comes from.
        origin: String,
        /// The form expected.
        expected: &'static str,
    },
    /// A kubeconfig user with a mechanism that kubectl dropped too.
    #[error(
        "user {user:?} of {origin} uses the auth provider {name:?}, which Kubernetes 1.26 removed: use `exec` \
         with the cloud's plugin instead"
    )]
    AuthProvider {
        /// Which kubeconfig.
        origin: String,
        /// Which user.
        user: String,
        /// The auth provider's name.
        name: String,
    },
    /// An exec plugin that this process cannot run.
    #[error("the exec plugin ({origin}) cannot be used: {why}")]
    Exec {
        /// Where it comes from.
        origin: String,
        /// Why not.
        why: String,
    },
}

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
