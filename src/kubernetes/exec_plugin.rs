//! Runs a credential plugin (`exec` in a kubeconfig or in the provider block): `aws eks get-token` and its like.
//!
//! The plugin runs as a child with a deadline, without a terminal, and is killed when nobody waits any more. What
//! it prints on standard output is a secret: it is in no error and no log. What it prints on standard error is
//! the only explanation there is, so its last words are in the error.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;

use super::config::{Exec, Identity};

/// How long a plugin may take; logging in to a cloud can mean several round trips.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much of the end of standard error is quoted, in characters.
const LAST_WORDS: usize = 500;

/// The versions of the protocol that Kubernetes still has.
const VERSIONS: [&str; 2] = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

/// Why a plugin gave no credential.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// A version of the protocol that is gone or was never there.
    #[error("the exec plugin {command:?} has api_version {version:?}; use \"{}\" or \"{}\"", VERSIONS[0], VERSIONS[1])]
    Version {
        /// The program.
        command: String,
        /// What is configured.
        version: String,
    },
    /// It could not be started.
    #[error("could not run the exec plugin {command:?}: {source}{}", in_brackets(hint))]
    Start {
        /// The program.
        command: String,
        /// How to install it, where the kubeconfig says.
        hint: Option<String>,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// It took too long.
    #[error("the exec plugin {command:?} gave no credential within {} s", PATIENCE.as_secs())]
    Slow {
        /// The program.
        command: String,
    },
    /// It failed.
    #[error("the exec plugin {command:?} failed ({status}): {last_words}")]
    Failed {
        /// The program.
        command: String,
        /// How it ended.
        status: String,
        /// The end of its standard error.
        last_words: String,
    },
    /// It printed something else.
    #[error("the exec plugin {command:?} printed no valid ExecCredential: {why}")]
    Output {
        /// The program.
        command: String,
        /// What is wrong, without a word of what it printed.
        why: &'static str,
    },
}

/// What a plugin gives.
#[derive(Debug)]
pub(super) struct Given {
    pub token: Option<SecretString>,
    pub identity: Option<Identity>,
    pub expires: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<SecretText>,
    expiration_timestamp: Option<Timestamp>,
    client_certificate_data: Option<String>,
    client_key_data: Option<SecretText>,
}

/// Text that no `Debug` shows.
#[derive(Deserialize)]
#[serde(from = "String")]
struct SecretText(SecretString);

impl From<String> for SecretText {
    fn from(text: String) -> SecretText {
        SecretText(SecretString::from(text))
    }
}

/// Runs the plugin once. Cancelled: the child is killed.
pub(super) async fn run(exec: &Exec) -> Result<Given, PluginError> {
    let command = || exec.command.clone();
    if !VERSIONS.contains(&exec.api_version.as_str()) {
        return Err(PluginError::Version { command: command(), version: exec.api_version.clone() });
    }
    let child = Command::new(&exec.command)
        .args(&exec.args)
        .envs(&exec.env)
        .env("KUBERNETES_EXEC_INFO", information(exec).to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| PluginError::Start {
            command: command(),
            hint: exec.install_hint.clone(),
            source,
        })?;
    let ended = tokio::time::timeout(PATIENCE, child.wait_with_output())
        .await
        .map_err(|_| PluginError::Slow { command: command() })?
        .map_err(|source| PluginError::Start { command: command(), hint: None, source })?;
    if !ended.status.success() {
        let last_words = last_words(&ended.stderr);
        return Err(PluginError::Failed { command: command(), status: ended.status.to_string(), last_words });
    }
    read(&ended.stdout, &exec.api_version).map_err(|why| PluginError::Output { command: command(), why })
}

/// What the plugin is told in `KUBERNETES_EXEC_INFO`.
fn information(exec: &Exec) -> serde_json::Value {
    let mut spec = json!({"interactive": false});
    if let Some(cluster) = &exec.cluster {
        spec["cluster"] = cluster.clone();
    }
    json!({"apiVersion": exec.api_version, "kind": "ExecCredential", "spec": spec})
}

/// Reads what the plugin printed; the error is a sentence without a word of it.
fn read(output: &[u8], api_version: &str) -> Result<Given, &'static str> {
    let credential: ExecCredential = serde_json::from_slice(output)
        .map_err(|error| if error.is_data() { "a field has the wrong type" } else { "it is not JSON" })?;
    if credential.kind != "ExecCredential" {
        return Err("its `kind` is not ExecCredential");
    }
    if credential.api_version != api_version {
        return Err("its `apiVersion` is not the configured one");
    }
    let status = credential.status.ok_or("it has no `status`")?;
    let identity = match (status.client_certificate_data, status.client_key_data) {
        (Some(certificate), Some(SecretText(key))) => Some(Identity { certificate, key }),
        (None, None) => None,
        _ => return Err("of certificate and key one is missing"),
    };
    let token = status.token.map(|SecretText(token)| token);
    if token.is_none() && identity.is_none() {
        return Err("it has neither a token nor a certificate");
    }
    Ok(Given { token, identity, expires: status.expiration_timestamp })
}

fn in_brackets(hint: &Option<String>) -> String {
    hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default()
}

fn last_words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let text = text.trim();
    if text.is_empty() {
        return "it said nothing on standard error".to_owned();
    }
    let skip = text.chars().count().saturating_sub(LAST_WORDS);
    text.chars().skip(skip).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(status: &str) -> String {
        format!(
            r#"{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{status}}}"#
        )
    }

    #[test]
    fn output_is_read_or_refused_without_a_word_of_it() {
        let table = [
            (credential(r#"{"token":"t","expirationTimestamp":"2026-01-01T00:00:00Z"}"#), Ok(())),
            (credential(r#"{"clientCertificateData":"c","clientKeyData":"k"}"#), Ok(())),
            (credential(r#"{"clientCertificateData":"c"}"#), Err("of certificate and key one is missing")),
            (credential("{}"), Err("it has neither a token nor a certificate")),
            (credential("null"), Err("it has no `status`")),
            (credential(r#"{"token":3}"#), Err("a field has the wrong type")),
            (
                credential(r#"{"token":"t"}"#).replace("/v1", "/v1beta1"),
                Err("its `apiVersion` is not the configured one"),
            ),
            (credential("{}").replace("ExecCredential", "Secret"), Err("its `kind` is not ExecCredential")),
            ("token".to_owned(), Err("it is not JSON")),
        ];
        for (output, expected) in table {
            let given = read(output.as_bytes(), "client.authentication.k8s.io/v1");
            assert_eq!(given.map(|_| ()), expected, "{output}");
        }
    }

    #[tokio::test]
    async fn failures_name_the_plugin() {
        let exec = |version: &str, command: &str| Exec {
            api_version: format!("client.authentication.k8s.io/{version}"),
            command: command.to_owned(),
            install_hint: Some("apt install x".to_owned()),
            ..Exec::default()
        };
        let shown = async |exec: &Exec| run(exec).await.unwrap_err().to_string();
        assert!(shown(&exec("v1alpha1", "true")).await.contains("v1beta1"));
        assert!(shown(&exec("v1", "/no/such/plugin")).await.contains("(apt install x)"));
        assert!(shown(&exec("v1", "false")).await.contains("nothing on standard error"));
        assert!(shown(&exec("v1beta1", "true")).await.contains("it is not JSON"));
    }

    #[test]
    fn the_plugin_is_told_its_version_and_that_nobody_types() {
        let exec = Exec {
            api_version: VERSIONS[0].to_owned(),
            cluster: Some(json!({"server": "s"})),
            ..Exec::default()
        };
        let information = information(&exec);
        assert_eq!(
            (&information["spec"]["interactive"], &information["spec"]["cluster"]["server"]),
            (&json!(false), &json!("s"))
        );
    }

    #[test]
    fn only_the_end_of_a_long_complaint_is_quoted() {
        assert_eq!(last_words("ä".repeat(900).as_bytes()).chars().count(), LAST_WORDS);
    }
}
