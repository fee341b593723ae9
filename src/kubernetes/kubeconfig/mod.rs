//! Reads kubeconfigs: several files merged as kubectl does, one context chosen, its files read.
//!
//! kube's own loader reads files by itself, runs plugins while it does, and its errors quote the file; so only
//! its parser and its merge are used.

mod credential;
mod files;

use std::path::PathBuf;

use http::Uri;
use kube::config::{AuthInfo, Cluster};
use secrecy::{ExposeSecret as _, SecretString};

use super::config::{ConfigError, Credential, Identity, Impersonate, ReadFile};
use super::resolve::parse_host;
use credential::credential;
use files::{pem, read_all};

/// What replaces the kubeconfig's own choices.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    pub context: Option<String>,
    pub user: Option<String>,
    pub cluster: Option<String>,
}

/// What a kubeconfig (or, in the same shape, a pod's service account) says.
#[derive(Debug)]
pub(super) struct FromKubeconfig {
    pub origin: String,
    pub cluster_name: String,
    pub server: Option<String>,
    pub certificate_authority: Option<String>,
    pub insecure: bool,
    pub tls_server_name: Option<String>,
    pub proxy_url: Option<String>,
    pub identity: Option<Identity>,
    pub credential: Credential,
    pub credential_origin: String,
    pub impersonate: Impersonate,
}

impl Default for FromKubeconfig {
    fn default() -> Self {
        FromKubeconfig {
            origin: String::new(),
            cluster_name: String::new(),
            server: None,
            certificate_authority: None,
            insecure: false,
            tls_server_name: None,
            proxy_url: None,
            identity: None,
            credential: Credential::None,
            credential_origin: "nothing: no credential is configured".to_owned(),
            impersonate: Impersonate::default(),
        }
    }
}

impl FromKubeconfig {
    pub(super) fn server(&self) -> Result<Uri, ConfigError> {
        let Some(server) = &self.server else {
            return Err(ConfigError::NoServer {
                origin: self.origin.clone(),
                cluster: self.cluster_name.clone(),
            });
        };
        parse_host(server).ok_or_else(|| ConfigError::BadUrl {
            what: "`server`",
            origin: self.origin.clone(),
            example: "https://10.0.0.1:6443",
        })
    }
}

/// Reads, merges and chooses. Of several files those that do not exist are passed over, as kubectl does, as long
/// as one is there.
pub(super) fn load(
    paths: &[PathBuf],
    named_by: &str,
    overrides: &Overrides,
    read_file: ReadFile<'_>,
) -> Result<FromKubeconfig, ConfigError> {
    let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let origin = format!("the kubeconfig {} ({named_by})", shown.join(", "));
    let merged = read_all(paths, named_by, read_file)?;

    let context_name =
        match overrides.context.clone().or(merged.current_context.filter(|name| !name.is_empty())) {
            Some(name) => Some(name),
            // A user and a cluster that are both named need no context.
            None if overrides.user.is_some() && overrides.cluster.is_some() => None,
            None => {
                let available = names(merged.contexts.iter().map(|context| &context.name));
                return Err(ConfigError::NoContext { origin, available });
            }
        };
    let context = match &context_name {
        None => None,
        Some(name) => Some(
            merged
                .contexts
                .iter()
                .find(|context| context.name == *name)
                .and_then(|context| context.context.clone())
                .ok_or_else(|| {
                    missing(&origin, "context", name, merged.contexts.iter().map(|context| &context.name))
                })?,
        ),
    };
    let cluster_name =
        overrides.cluster.clone().or_else(|| context.as_ref().map(|context| context.cluster.clone()));
    let cluster_name = cluster_name.unwrap_or_default();
    let cluster = merged
        .clusters
        .iter()
        .find(|cluster| cluster.name == cluster_name)
        .and_then(|cluster| cluster.cluster.clone())
        .ok_or_else(|| {
            missing(&origin, "cluster", &cluster_name, merged.clusters.iter().map(|cluster| &cluster.name))
        })?;
    let user_name = overrides.user.clone().or_else(|| context.and_then(|context| context.user));
    let user = match &user_name {
        None => AuthInfo::default(),
        Some(name) => merged
            .auth_infos
            .iter()
            .find(|user| user.name == *name)
            .ok_or_else(|| missing(&origin, "user", name, merged.auth_infos.iter().map(|user| &user.name)))?
            .auth_info
            .clone()
            .unwrap_or_default(),
    };
    let origin = match &context_name {
        Some(name) => format!("{origin}, context {name:?}"),
        None => origin,
    };
    choose(cluster, cluster_name, user, user_name, origin, read_file)
}

fn choose(
    cluster: Cluster,
    cluster_name: String,
    user: AuthInfo,
    user_name: Option<String>,
    origin: String,
    read_file: ReadFile<'_>,
) -> Result<FromKubeconfig, ConfigError> {
    let user_name = user_name.unwrap_or_default();
    let pem = |what, data: Option<&str>, path: Option<&str>| pem(what, data, path, &origin, read_file);
    let certificate_authority = pem(
        "the certificate authority",
        cluster.certificate_authority_data.as_deref(),
        cluster.certificate_authority.as_deref(),
    )?;
    let certificate = pem(
        "the client certificate",
        user.client_certificate_data.as_deref(),
        user.client_certificate.as_deref(),
    )?;
    let key_data = user.client_key_data.as_ref().map(|data| data.expose_secret());
    let key = pem("the client key", key_data, user.client_key.as_deref())?;
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(Identity { certificate, key: SecretString::from(key) }),
        (None, None) => None,
        (Some(_), None) => {
            return Err(ConfigError::Incomplete {
                present: "client-certificate",
                missing: "client-key",
                origin,
            });
        }
        (None, Some(_)) => {
            return Err(ConfigError::Incomplete {
                present: "client-key",
                missing: "client-certificate",
                origin,
            });
        }
    };
    let credential = credential(&cluster, certificate_authority.as_deref(), &user, &user_name, &origin)?;
    let nobody = identity.is_none() && matches!(credential, Credential::None);
    let credential_origin = if nobody {
        format!("{origin}, which gives user {user_name:?} no credential")
    } else {
        format!("user {user_name:?} of {origin}")
    };
    Ok(FromKubeconfig {
        cluster_name,
        server: cluster.server.filter(|server| !server.is_empty()),
        certificate_authority,
        insecure: cluster.insecure_skip_tls_verify.unwrap_or(false),
        tls_server_name: cluster.tls_server_name.filter(|name| !name.is_empty()),
        proxy_url: cluster.proxy_url.filter(|url| !url.is_empty()),
        identity,
        credential,
        credential_origin,
        impersonate: Impersonate {
            user: user.impersonate,
            uid: user.impersonate_uid,
            groups: user.impersonate_groups,
            extra: user.impersonate_user_extra,
        },
        origin,
    })
}

fn missing<'a>(
    origin: &str,
    what: &'static str,
    name: &str,
    available: impl Iterator<Item = &'a String>,
) -> ConfigError {
    ConfigError::Missing {
        origin: origin.to_owned(),
        what,
        name: name.to_owned(),
        available: names(available),
    }
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let quoted: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    if quoted.is_empty() { "none".to_owned() } else { quoted.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let read = |_: &Path| Ok(text.clone());
            let _ = load(&["/k".into()], "x", &Overrides::default(), &read);
        }
    }
}
