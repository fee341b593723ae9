//! Reads kubeconfigs: several files merged as kubectl does, one context chosen, its files read.
//!
//! kube's own loader reads files by itself, runs plugins while it does, and its errors quote the file; so only
//! its parser and its merge are used.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::Uri;
use kube::config::{AuthInfo, Cluster, ExecConfig, ExecInteractiveMode, Kubeconfig};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::config::{ConfigError, Credential, Exec, Identity, Impersonate, ReadFile};
use super::resolve::parse_host;

/// The extension of a cluster entry that is handed to exec plugins.
const EXEC_EXTENSION: &str = "client.authentication.k8s.io/exec";

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

fn read_all(paths: &[PathBuf], named_by: &str, read_file: ReadFile<'_>) -> Result<Kubeconfig, ConfigError> {
    let mut merged: Option<Kubeconfig> = None;
    let mut absent = None;
    for path in paths {
        let text = match read_file(path) {
            Ok(text) => text,
            Err(source) => {
                let only_absent = source.kind() == io::ErrorKind::NotFound && paths.len() > 1;
                let (what, path, origin) = ("the kubeconfig", path.clone(), named_by.to_owned());
                let error = ConfigError::ReadFile { what, path, origin, source };
                if !only_absent {
                    return Err(error);
                }
                absent.get_or_insert(error);
                continue;
            }
        };
        let parsed = Kubeconfig::from_yaml(text.trim_start_matches('\u{feff}')).map_err(|error| {
            let position = position(&error.to_string());
            ConfigError::ParseKubeconfig { path: path.clone(), origin: named_by.to_owned(), position }
        })?;
        let parsed = absolute(parsed, path.parent().unwrap_or(Path::new("")));
        merged = Some(match merged {
            None => parsed,
            Some(first) => first
                .merge(parsed)
                .map_err(|_| ConfigError::MergeKubeconfigs { origin: named_by.to_owned() })?,
        });
    }
    match (merged, absent) {
        (Some(merged), _) => Ok(merged),
        (None, Some(error)) => Err(error),
        (None, None) => Err(ConfigError::NothingConfigured),
    }
}

/// Turns paths, which are relative to the kubeconfig, into absolute ones. A command is one only if it has a `/`.
fn absolute(mut config: Kubeconfig, folder: &Path) -> Kubeconfig {
    let fix = |path: &mut Option<String>| {
        if let Some(relative) = path.as_ref().filter(|path| !path.is_empty()) {
            *path = Some(folder.join(relative).to_string_lossy().into_owned());
        }
    };
    for cluster in config.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        fix(&mut cluster.certificate_authority);
    }
    for user in config.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        fix(&mut user.client_certificate);
        fix(&mut user.client_key);
        fix(&mut user.token_file);
        if let Some(exec) = &mut user.exec
            && exec.command.as_ref().is_some_and(|command| command.contains(std::path::MAIN_SEPARATOR))
        {
            fix(&mut exec.command);
        }
    }
    config
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

/// In kubectl's order: token, token file, basic, exec.
fn credential(
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

/// Text that stands in the kubeconfig as base64, or in a file it names; data wins, as in kubectl.
fn pem(
    what: &'static str,
    data: Option<&str>,
    path: Option<&str>,
    origin: &str,
    read_file: ReadFile<'_>,
) -> Result<Option<String>, ConfigError> {
    if let Some(data) = data.filter(|data| !data.is_empty()) {
        let bytes = BASE64.decode(data.trim()).ok();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let bad = || ConfigError::BadData { what, origin: origin.to_owned(), expected: "PEM text in base64" };
        return text.ok_or_else(bad).map(Some);
    }
    let Some(path) = path.filter(|path| !path.is_empty()) else { return Ok(None) };
    let fail = |source| ConfigError::ReadFile { what, path: path.into(), origin: origin.to_owned(), source };
    read_file(Path::new(path)).map_err(fail).map(Some)
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

/// ` (line 3)`, from a parser's message of which nothing else may be shown.
fn position(message: &str) -> String {
    let digits =
        message.split("line ").nth(1).map(|rest| rest.chars().take_while(char::is_ascii_digit).collect());
    match digits.filter(|digits: &String| !digits.is_empty()) {
        Some(line) => format!(" (line {line})"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_parsers_message_only_the_line_is_told() {
        assert_eq!(position("error: line 12 column 3: found secret-token"), " (line 12)");
        assert_eq!(position("secret-token line x"), "");
        assert_eq!(position(""), "");
    }

    #[test]
    fn only_commands_with_a_folder_are_files() {
        let text =
            "users: [{name: a, user: {exec: {command: aws}}}, {name: b, user: {exec: {command: bin/aws}}}]";
        let config = absolute(Kubeconfig::from_yaml(text).unwrap(), Path::new("/k"));
        let commands: Vec<_> = config
            .auth_infos
            .iter()
            .map(|user| user.auth_info.as_ref().unwrap().exec.as_ref().unwrap().command.as_deref().unwrap())
            .collect();
        assert_eq!(commands, ["aws", "/k/bin/aws"]);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let read = |_: &Path| Ok(text.clone());
            let _ = load(&["/k".into()], "x", &Overrides::default(), &read);
        }
    }
}
