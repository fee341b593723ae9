//! The image and the password.

use std::collections::BTreeMap;

use crate::resources::types::{ObjectName, Secret};
use crate::terraform::Value;
use crate::{choice, object};

choice! {
    /// When the node pulls an image.
    pub enum PullPolicy {
        /// When the node does not have the image.
        IfNotPresent = "IfNotPresent",
        /// At every start of a pod.
        Always = "Always",
        /// Never.
        Never = "Never",
    }
}

object! {
    /// The container image.
    pub struct Image {
        /// Repository of the image. The image must follow the operator's image contract, as the operator's own images
        /// do.
        repository: String = default("quay.io/opstree/redis").rolls().check(is_repository),
        /// Repository of the sentinels' image, in sentinel mode. `tag` applies to this image, too.
        sentinel_repository: String = default("quay.io/opstree/redis-sentinel").rolls().check(is_repository),
        /// Tag of the image. Default: follows from `version`, and stays the same when the provider is upgraded.
        tag: String = derived(tag_of_version).kept_while(&["version"]).rolls().check(is_tag),
        /// `IfNotPresent`, `Always` or `Never`.
        pull_policy: PullPolicy = default("IfNotPresent").rolls(),
        /// Names of Secrets with credentials for the registry.
        pull_secrets: Vec<ObjectName> = default(Value::List(Vec::new())).rolls(),
    }
}

object! {
    /// The password of Redis.
    pub struct Authentication {
        /// Whether clients need a password. Without `existing_secret` and `password_wo`, the provider generates a
        /// random password and keeps it only in a Secret, which `auth_secret` names.
        enabled: bool = default(true).rolls(),
        /// Your own Secret that holds the password. Conflicts with `password_wo`.
        existing_secret: Option<SecretKey> = optional().rolls(),
        /// The password. It is write-only: no plan and no state contains it. A change takes effect with a new
        /// `password_wo_version`.
        password_wo: Option<Secret> = optional().write_only().check(is_password),
        /// Version of `password_wo`. Change it whenever `password_wo` changes.
        password_wo_version: Option<i64> = optional().rolls(),
        /// Arbitrary values. Any change of these values makes a new password.
        rotate: BTreeMap<String, String> = default(Value::Map(BTreeMap::new())).rolls(),
    }
}

object! {
    /// A key in a Secret of the instance's namespace.
    pub struct SecretKey {
        /// Name of the Secret.
        name: ObjectName = required(),
        /// Key of the password in the Secret.
        key: String = required().check(is_key),
    }
}

fn tag_of_version(root: &Value) -> Value {
    use crate::redis::version::Version;
    match root.get("version") {
        Value::Unknown => Value::Unknown,
        version => version
            .as_str()
            .and_then(|text| Version::parse(text).ok())
            .and_then(Version::tag)
            // `is_tag` refuses the empty tag: a version without a known tag needs a tag in the configuration.
            .map_or(Value::from(""), Value::from),
    }
}

fn is_repository(repository: &String) -> Result<(), String> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let end = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_part = |part: &str| {
        let bytes = part.as_bytes();
        end(bytes.first()) && end(bytes.last()) && part.bytes().all(inner)
    };
    // Only the first part, the registry, may have a port.
    let is_registry = |registry: &str| match registry.split_once(':') {
        Some((host, port)) => is_part(host) && port.parse::<u16>().is_ok(),
        None => is_part(registry),
    };
    let fits = match repository.split_once('/') {
        Some((registry, path)) => is_registry(registry) && path.split('/').all(is_part),
        None => is_part(repository),
    };
    if fits {
        Ok(())
    } else {
        Err(format!(
            "expected an image repository without a tag, such as quay.io/opstree/redis, got {repository:?}"
        ))
    }
}

fn is_tag(tag: &String) -> Result<(), String> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let first = tag.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
    if first && tag.len() <= 128 && tag.bytes().all(inner) {
        Ok(())
    } else if tag.is_empty() {
        Err("no image tag is known for this version; set image.tag to the tag you want".to_owned())
    } else {
        Err(format!("expected an image tag such as v7.0.15, got {tag:?}"))
    }
}

/// The operator's probes put the password into a shell, and its images put it into redis.conf, both unquoted.
fn is_password(password: &Option<Secret>) -> Result<(), String> {
    let Some(password) = password else { return Ok(()) };
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~@%^+=:,/!".contains(&byte);
    if (1..=512).contains(&password.expose().len()) && password.expose().bytes().all(inner) {
        Ok(())
    } else {
        Err("expected 1 to 512 letters, digits and characters of \"-_.~@%^+=:,/!\": the operator uses the \
             password unquoted in a shell and in redis.conf, where other characters would break it"
            .to_owned())
    }
}

fn is_key(key: &String) -> Result<(), String> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !key.is_empty() && key.bytes().all(inner) {
        Ok(())
    } else {
        Err(format!("expected a key of a Secret, such as password, got {key:?}"))
    }
}
