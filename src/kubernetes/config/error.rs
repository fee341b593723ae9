//! What can be wrong with the settings and the kubeconfigs. `resolve.rs` and its helpers share one error for it.

use std::io;
use std::path::PathBuf;

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
