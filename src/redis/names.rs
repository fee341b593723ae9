//! Names that the operator and we use. The operator's names are functions of the instance's name, so
//! endpoints are known before anything exists.

use super::config::short_hash;

/// The port of Redis.
pub const REDIS_PORT: u16 = 6379;

/// The port of sentinels.
pub const SENTINEL_PORT: u16 = 26379;

/// The usual DNS domain of a cluster.
pub const DOMAIN: &str = "cluster.local";

/// DNS name of a Service in a cluster of that domain.
pub fn service_host(service: &str, namespace: &str, domain: &str) -> String {
    format!("{service}.{namespace}.svc.{domain}")
}

/// The Secret for a password that we keep. A rotation (a new version, new triggers) creates another Secret.
pub fn secret(name: &str, rotation: &str) -> String {
    if rotation.is_empty() { format!("{name}-auth") } else { format!("{name}-auth-{}", short_hash(rotation)) }
}

/// The key of a password in the Secret that we keep.
pub const PASSWORD_KEY: &str = "password";

/// The ConfigMap with our part of redis.conf. Its name contains a hash of its text, because the operator
/// rolls no pod when only the text of a ConfigMap changes.
pub fn config_map(name: &str, text: &str) -> String {
    format!("{name}-config-{}", short_hash(text))
}

/// Our Service that reaches the master from outside of the cluster.
pub fn external_service(name: &str) -> String {
    format!("{name}-external")
}

/// Our disruption budget for the pods of a kind that has no budget of its own.
pub fn disruption_budget(name: &str) -> String {
    name.to_owned()
}

/// Our network policy for all pods of the instance.
pub fn network_policy(name: &str) -> String {
    name.to_owned()
}

/// Whether a text can be the name of a Kubernetes object that may have dots: a Secret, a class, a ConfigMap.
pub fn is_object_name(text: &str) -> bool {
    let ends =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(byte);
    let bytes = text.as_bytes();
    bytes.len() <= 253 && bytes.iter().all(inner) && ends(bytes.first()) && ends(bytes.last())
}

/// The data volume claim of a pod.
pub fn data_claim(name: &str, ordinal: usize) -> String {
    format!("{name}-{name}-{ordinal}")
}

/// Labels that the operator puts on all objects and selects by; users must not set them.
pub const RESERVED_LABELS: [&str; 6] =
    ["app", "role", "redis_setup_type", "cluster", "redis-role", "statefulset.kubernetes.io/pod-name"];

/// The common prefix of our labels and annotations.
pub const PREFIX: &str = "terraform-provider-redis/";

/// Our annotations on the custom resource, all listed in `ignoreAnnotations` so that the operator does not
/// copy them to StatefulSets and pods. (Any other annotation restarts the pods.)
pub mod annotation {
    /// Hash of the custom resource as we wrote it. The operator copies the hash to the Services at the end of
    /// a reconcile that has read it: the only proof that the operator has seen this spec.
    pub const SPEC_HASH: &str = "terraform-provider-redis/spec-hash";
    /// Hash of the labels and annotations of a ConfigMap, Secret or Service of ours.
    pub const METADATA_HASH: &str = "terraform-provider-redis/metadata-hash";
    /// The run that is under way: `creating` until a create has ended, `updating` until a rollout has ended. A create
    /// that has failed leaves `created`: a state knows the instance now, and no other create may go on with it.
    pub const UNFINISHED: &str = "terraform-provider-redis/unfinished";
    /// Which state owns the object; a deposed object must not delete what its successor created.
    pub const CLAIM: &str = "terraform-provider-redis/claim";
    /// The arguments that our ConfigMap was rendered from, as JSON, for import.
    pub const SETTINGS: &str = "terraform-provider-redis/settings";

    /// What was new when the operator was last made to look again.
    pub const NEWS: &str = "terraform-provider-redis/news";

    /// Set and removed together with the operator's own pause annotation: this pause is ours, and not the
    /// wish of an administrator. Its value is of that one pause.
    pub const PAUSED: &str = "terraform-provider-redis/paused";

    /// Somebody else has created the volumes, without a field that we would set and that cannot be added. The
    /// field is left out permanently.
    pub const VOLUMES_AS_FOUND: &str = "terraform-provider-redis/volumes-as-found";

    /// Our annotations on the custom resource.
    pub const IGNORED: [&str; 6] = [CLAIM, NEWS, PAUSED, SPEC_HASH, UNFINISHED, VOLUMES_AS_FOUND];
}

/// Our labels on every object that we manage beside the custom resources.
pub mod label {
    /// Name of the instance.
    pub const INSTANCE: &str = "terraform-provider-redis/instance";
    /// Namespace of the instance, because an object may be in another namespace.
    pub const NAMESPACE: &str = "terraform-provider-redis/namespace";
    /// The role of the object.
    pub const ROLE: &str = "terraform-provider-redis/role";
    /// Which state owns the object. An object with another claim is never changed or deleted.
    pub const CLAIM: &str = "terraform-provider-redis/claim";
}

/// Our field manager, and the value of the label managed-by on our objects.
pub const MANAGER: &str = "terraform-provider-redis";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_has_a_secret_of_its_own() {
        assert_eq!(secret("cache", ""), "cache-auth");
        assert_ne!(secret("cache", "1"), secret("cache", "2"));
        assert_eq!(secret("cache", "1"), secret("cache", "1"));
    }
}
