//! The files of a kubeconfig: those that are merged, and those that it names. Messages about them quote nothing.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kube::config::Kubeconfig;

use crate::kubernetes::config::{ConfigError, ReadFile};

pub(super) fn read_all(
    paths: &[PathBuf],
    named_by: &str,
    read_file: ReadFile<'_>,
) -> Result<Kubeconfig, ConfigError> {
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

/// Text that stands in the kubeconfig as base64, or in a file it names; data wins, as in kubectl.
pub(super) fn pem(
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
}
