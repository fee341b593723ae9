//! The credential of a kubeconfig's user. A user may have several, so the order in which kubectl looks is held here.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kube::config::{AuthInfo, Cluster, ExecConfig, ExecInteractiveMode};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::kubernetes::config::{ConfigError, Credential, Exec};

/// The extension of a cluster entry that is handed to exec plugins.
const EXEC_EXTENSION: &str = "client.authentication.k8s.io/exec";

/// In kubectl's order: token, token file, basic, exec.
pub(super) fn credential(
    cluster: &Cluster,
    certificate_authority: Option<&str>,
    user: &AuthInfo,
    user_name: &str,
    origin: &str,
) -> Result<Credential, ConfigError> {
    if let Some(token) = user.token.as_ref().filter(|token| !token.expose_secret().is_empty()) {
        return Ok(Credential::Token(token.clone()));
    }
    if let Some(path) = user.token_file.as_ref().filter(|path| !path.is_empty()) {
        return Ok(Credential::TokenFile(path.into()));
    }
    if let (Some(username), Some(password)) = (&user.username, &user.password) {
        return Ok(Credential::Basic { username: username.clone(), password: password.clone() });
    }
    if let Some(exec) = &user.exec {
        return exec_plugin(exec, cluster, certificate_authority, origin).map(Credential::Exec);
    }
    match &user.auth_provider {
        Some(provider) => Err(ConfigError::AuthProvider {
            origin: origin.to_owned(),
            user: user_name.to_owned(),
            name: provider.name.clone(),
        }),
        None => Ok(Credential::None),
    }
}

fn exec_plugin(
    exec: &ExecConfig,
    cluster: &Cluster,
    certificate_authority: Option<&str>,
    origin: &str,
) -> Result<Exec, ConfigError> {
    let fail = |why: &str| ConfigError::Exec { origin: origin.to_owned(), why: why.to_owned() };
    if exec.interactive_mode == Some(ExecInteractiveMode::Always) {
        return Err(fail(
            "it wants to ask questions (`interactiveMode: Always`), and there is no terminal here",
        ));
    }
    let pairs = exec.env.iter().flatten();
    let env: BTreeMap<String, String> =
        pairs.filter_map(|pair| Some((pair.get("name")?.clone(), pair.get("value")?.clone()))).collect();
    let information = || {
        let extensions = cluster.extensions.iter().flatten();
        let mut extension = extensions
            .filter(|extension| extension.name == EXEC_EXTENSION)
            .map(|extension| &extension.extension);
        json!({
            "server": cluster.server,
            "tls-server-name": cluster.tls_server_name,
            "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify.unwrap_or(false),
            "certificate-authority-data": certificate_authority.map(|pem| BASE64.encode(pem)),
            "proxy-url": cluster.proxy_url,
            "config": extension.next_back(),
        })
    };
    Ok(Exec {
        api_version: exec.api_version.clone().unwrap_or_default(),
        command: exec.command.clone().ok_or_else(|| fail("it has no `command`"))?,
        args: exec.args.clone().unwrap_or_default(),
        env,
        install_hint: exec.install_hint.clone().filter(|hint| !hint.is_empty()),
        cluster: exec.provide_cluster_info.then(information),
    })
}
