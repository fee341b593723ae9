//! What runs: image and password.

use std::collections::BTreeMap;

use crate::resources::types::{ObjectName, Secret};
use crate::terraform::Value;
use crate::{choice, object};

choice! {
    /// When the node pulls an image.
    pub enum PullPolicy {
        /// When it does not have it.
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
        /// Repository of the image. It must follow the operator's image contract, as its own images do.
        repository: String = default("quay.io/opstree/redis").rolls().check(is_repository),
        /// Repository of the sentinels' image, in sentinel mode; its tag is `tag`, too.
        sentinel_repository: String = default("quay.io/opstree/redis-sentinel").rolls().check(is_repository),
        /// Tag of the image. Follows from `version` where it is not set, and then stays as it is when the
        /// provider is upgraded.
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
        /// Whether a password is needed. Without `existing_secret` and `password_wo` a random one is
        /// generated, which is kept in a Secret only: `auth_secret` names it.
        enabled: bool = default(true).rolls(),
        /// A Secret of yours that holds the password. At most one of `existing_secret` and `password_wo`.
        existing_secret: Option<SecretKey> = optional().rolls(),
        /// The password, write-only: it is in no plan and no state. A change takes effect with a new
        /// `password_wo_version`.
        password_wo: Option<Secret> = optional().write_only().check(is_password),
        /// Change it whenever `password_wo` changes.
        password_wo_version: Option<i64> = optional().rolls(),
        /// Any change of these values makes a new password.
        rotate: BTreeMap<String, String> = default(Value::Map(BTreeMap::new())).rolls(),
    }
}

object! {
    /// A key in a Secret of the instance's namespace.
    pub struct SecretKey {
        /// Name of the Secret.
        name: ObjectName = required(),
        /// Key of the password in that Secret.
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
            // Refused by `is_tag`: a version without a known tag needs one in the configuration.
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
    // Only the first part, a registry, may have a port.
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

/// The operator's probes put the password into a shell and its images into redis.conf, both unquoted.
fn is_password(password: &Option<Secret>) -> Result<(), String> {
    let Some(password) = password else { return Ok(()) };
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~@%^+=:,/!".contains(&byte);
    if (1..=512).contains(&password.expose().len()) && password.expose().bytes().all(inner) {
        Ok(())
    } else {
        Err("expected 1 to 512 letters, digits and characters of \"-_.~@%^+=:,/!\": the operator uses the password \
             unquoted in a shell and in redis.conf, where others would break it"
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
