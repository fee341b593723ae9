//! What the operator and we call things. The operator's names are functions of the instance's name, so
//! endpoints are known before anything exists.

use super::config::short_hash;

/// The port of Redis.
pub const REDIS_PORT: u16 = 6379;

/// The port of sentinels.
pub const SENTINEL_PORT: u16 = 26379;

/// The cluster's DNS domain, where the operator was not told otherwise.
pub const DOMAIN: &str = "cluster.local";

/// DNS name of a Service.
pub fn service_host(service: &str, namespace: &str) -> String {
    format!("{service}.{namespace}.svc.{DOMAIN}")
}

/// The Secret of a password that we keep. A rotation (a new version, new triggers) makes another one.
pub fn secret(name: &str, rotation: &str) -> String {
    if rotation.is_empty() { format!("{name}-auth") } else { format!("{name}-auth-{}", short_hash(rotation)) }
}

/// The key of a password that we keep, in its Secret.
pub const PASSWORD_KEY: &str = "password";

/// The ConfigMap with our part of redis.conf. Its name carries a hash of its text, since the operator rolls
/// no pod when only the text of a ConfigMap changes.
pub fn config_map(name: &str, text: &str) -> String {
    format!("{name}-config-{}", short_hash(text))
}

/// Our Service that reaches the master from outside of the cluster.
pub fn external_service(name: &str) -> String {
    format!("{name}-external")
}

/// Our disruption budget for the pods of a kind that has none of its own.
pub fn disruption_budget(name: &str) -> String {
    name.to_owned()
}

/// Our network policy for all pods of the instance.
pub fn network_policy(name: &str) -> String {
    name.to_owned()
}

/// The data volume claim of a pod.
pub fn data_claim(name: &str, ordinal: usize) -> String {
    format!("{name}-{name}-{ordinal}")
}

/// Labels that the operator puts on everything and selects by; users must not set them.
pub const RESERVED_LABELS: [&str; 6] =
    ["app", "role", "redis_setup_type", "cluster", "redis-role", "statefulset.kubernetes.io/pod-name"];

/// What all our labels and annotations begin with.
pub const PREFIX: &str = "terraform-provider-redis/";

/// Annotations of ours on the custom resource, all listed in `ignoreAnnotations` so that the operator keeps
/// them off StatefulSets and pods (any other annotation restarts them).
pub mod annotation {
    /// Hash of the custom resource as we wrote it. The operator copies it to the Services at the end of a
    /// reconcile that has read it: the only proof that it has seen this spec.
    pub const SPEC_HASH: &str = "terraform-provider-redis/spec-hash";
    /// Hash of the labels and annotations of a ConfigMap, Secret or Service of ours.
    pub const METADATA_HASH: &str = "terraform-provider-redis/metadata-hash";
    /// What is being done: `creating` until a create has ended, `updating` until a rollout has.
    pub const UNFINISHED: &str = "terraform-provider-redis/unfinished";
    /// Which state owns it; a deposed object must not delete what its successor made.
    pub const CLAIM: &str = "terraform-provider-redis/claim";
    /// The arguments that our ConfigMap was rendered from, as JSON; import reads them back.
    pub const SETTINGS: &str = "terraform-provider-redis/settings";

    /// What was new when the operator was last made to look again.
    pub const NEWS: &str = "terraform-provider-redis/news";

    /// Set and taken away together with the operator's own annotation that keeps it off: this pause is ours, and not the wish
    /// of somebody who looks after the operator.
    pub const PAUSED: &str = "terraform-provider-redis/paused";

    /// Somebody else has made the volumes, without something that we would give them and that cannot be added: it is left out
    /// for good.
    pub const VOLUMES_AS_FOUND: &str = "terraform-provider-redis/volumes-as-found";

    /// Those on the custom resource.
    pub const IGNORED: [&str; 6] = [CLAIM, NEWS, PAUSED, SPEC_HASH, UNFINISHED, VOLUMES_AS_FOUND];
}

/// Labels of ours on every object that we manage beside the custom resources.
pub mod label {
    /// Name of the instance.
    pub const INSTANCE: &str = "terraform-provider-redis/instance";
    /// Namespace of the instance: an object may be in another one.
    pub const NAMESPACE: &str = "terraform-provider-redis/namespace";
    /// What the object is for.
    pub const ROLE: &str = "terraform-provider-redis/role";
    /// Which state owns it. An object that bears another claim is never changed or deleted.
    pub const CLAIM: &str = "terraform-provider-redis/claim";
}

/// Whose field manager we are, and who is said to manage what we make.
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
