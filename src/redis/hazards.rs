//! Specs with which the operator crashes, gets stuck or loses data, if the spec alone shows it. The
//! provider's own arguments never produce such a spec, but fields that users merge in may.

use serde_json::Value as Json;

use super::names::is_object_name;
use super::object::{at, list, text};
use super::opstree::Kind;

/// Something that must not be in a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hazard {
    /// The problem.
    pub summary: &'static str,
    /// How the operator reacts to it, and what to write instead.
    pub detail: &'static str,
    /// Whether it must not be written at all.
    pub is_fatal: bool,
}

/// All problems of these fields of a spec of that kind.
pub fn hazards(kind: Kind, spec: &Json) -> Vec<Hazard> {
    let rules: [(bool, Hazard); 12] = [
        (exporter_without_image(spec), EXPORTER_WITHOUT_IMAGE),
        (kind != Kind::RedisCluster && exporter_elsewhere(spec), EXPORTER_ELSEWHERE),
        (acl_not_one(spec), ACL_NOT_ONE),
        (tls_incomplete(spec), TLS_INCOMPLETE),
        (init_container_without_image(spec), INIT_CONTAINER_WITHOUT_IMAGE),
        (sidecar_incomplete(spec), SIDECAR_INCOMPLETE),
        (claims_deleted(spec), CLAIMS_DELETED),
        (host_names(spec), HOST_NAMES),
        (spec.get("hostPort").is_some() && kind != Kind::Redis, HOST_PORT),
        (spec.get("podManagementPolicy").is_some(), MANAGEMENT_POLICY),
        (recreates(spec), UNUSED_RESOURCES),
        (no_config_map(spec), NO_CONFIG_MAP),
    ];
    rules.into_iter().filter(|(found, _)| *found).map(|(_, hazard)| hazard).collect()
}

const EXPORTER_WITHOUT_IMAGE: Hazard = Hazard {
    summary: "redisExporter has no image",
    detail: "The kind's definition requires redisExporter.image if the block exists, and the API server \
             refuses the object. Set redisExporter.image.",
    is_fatal: true,
};

const EXPORTER_ELSEWHERE: Hazard = Hazard {
    summary: "redisExporter.port is not 9121",
    detail: "The operator gives the Service this port, but the exporter always listens on 9121, so nothing \
             would answer. Remove the port.",
    is_fatal: true,
};

const ACL_NOT_ONE: Hazard = Hazard {
    summary: "acl needs exactly one of secret and persistentVolumeClaim",
    detail: "With none or both, the operator creates pods that the API server refuses, again and again, and \
             every later change is blocked. Set exactly one of the two.",
    is_fatal: true,
};

const TLS_INCOMPLETE: Hazard = Hazard {
    summary: "TLS needs secret.secretName, ca, cert and key",
    detail: "Without secretName the API server refuses the pods. Without ca Redis refuses to start, because \
             the operator does not pass one. Set all four fields.",
    is_fatal: true,
};

const NO_CONFIG_MAP: Hazard = Hazard {
    summary: "additionalRedisConfig is not the name of a ConfigMap",
    detail: "The field names a ConfigMap with the key redis-additional.conf; directives themselves have no effect \
             there, and no pod can start. Remove the field, and write the directives \
             into additional_config.",
    is_fatal: false,
};

const INIT_CONTAINER_WITHOUT_IMAGE: Hazard = Hazard {
    summary: "initContainer has no image",
    detail: "The kind's definition requires initContainer.image if the block exists, and the API server \
             refuses the object. Set the image.",
    is_fatal: true,
};

const SIDECAR_INCOMPLETE: Hazard = Hazard {
    summary: "a sidecar has no name or no image",
    detail: "The kind's definition requires both, and the API server refuses the object. Set name and image.",
    is_fatal: true,
};

const CLAIMS_DELETED: Hazard = Hazard {
    summary: "volumes are deleted with the StatefulSet",
    detail: "If persistentVolumeClaimRetentionPolicy contains Delete, Kubernetes deletes the volumes when \
             the StatefulSet is deleted or shrinks, whatever persistence.retain_on_delete says. This also \
             happens when the operator recreates the StatefulSet. Remove the field, or set Retain.",
    is_fatal: false,
};

const HOST_NAMES: Hazard = Hazard {
    summary: "sentinels that resolve and announce host names do not find each other",
    detail: "If both are \"yes\", the sentinels announce 0.0.0.0 to each other (operator issues 1726 and \
             1748), and no failover happens. Set at least one of them to \"no\".",
    is_fatal: true,
};

const HOST_PORT: Hazard = Hazard {
    summary: "two pods with hostPort cannot share a node",
    detail: "A second pod on the same node would stay pending. Set anti_affinity = \"required\".",
    is_fatal: false,
};

const MANAGEMENT_POLICY: Hazard = Hazard {
    summary: "podManagementPolicy has an effect only on a new instance",
    detail: "This field of a StatefulSet cannot change, and the operator silently keeps the old value. On an \
             existing instance, do not change the field.",
    is_fatal: false,
};

const UNUSED_RESOURCES: Hazard = Hazard {
    summary: "resources has no effect here",
    detail: "The operator never reads this field. Use master.resources, replica.resources or \
             sentinel.resources.",
    is_fatal: true,
};

fn no_config_map(spec: &Json) -> bool {
    let named = |holder: &Json| {
        text(holder, &["redisConfig", "additionalRedisConfig"]).is_some_and(|name| !is_object_name(name))
    };
    named(spec) || ["redisLeader", "redisFollower"].iter().any(|section| named(at(spec, &[section])))
}

fn exporter_without_image(spec: &Json) -> bool {
    spec.get("redisExporter")
        .is_some_and(|exporter| exporter.is_object() && text(exporter, &["image"]).is_none())
}

fn exporter_elsewhere(spec: &Json) -> bool {
    at(spec, &["redisExporter", "port"]).as_i64().is_some_and(|port| port != 9121)
}

fn acl_not_one(spec: &Json) -> bool {
    spec.get("acl").is_some_and(|acl| {
        let given = ["secret", "persistentVolumeClaim"].into_iter().filter(|field| acl.get(field).is_some());
        acl.is_object() && given.count() != 1
    })
}

fn tls_incomplete(spec: &Json) -> bool {
    spec.get("TLS").is_some_and(|tls| {
        let whole = ["ca", "cert", "key"].iter().all(|field| text(tls, &[field]).is_some());
        tls.is_object() && !(whole && text(tls, &["secret", "secretName"]).is_some())
    })
}

fn init_container_without_image(spec: &Json) -> bool {
    spec.get("initContainer").is_some_and(|init| init.is_object() && text(init, &["image"]).is_none())
}

fn sidecar_incomplete(spec: &Json) -> bool {
    let whole = |sidecar: &Json| text(sidecar, &["name"]).is_some() && text(sidecar, &["image"]).is_some();
    !list(spec, &["sidecars"]).iter().all(whole)
}

fn claims_deleted(spec: &Json) -> bool {
    let policy = at(spec, &["kubernetesConfig", "persistentVolumeClaimRetentionPolicy"]);
    ["whenDeleted", "whenScaled"].iter().any(|when| text(policy, &[when]) == Some("Delete"))
}

fn host_names(spec: &Json) -> bool {
    let config = at(spec, &["redisSentinelConfig"]);
    ["resolveHostnames", "announceHostnames"].iter().all(|field| text(config, &[field]) == Some("yes"))
}

fn recreates(spec: &Json) -> bool {
    spec.get("resources").is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_hazard_is_found_and_its_remedy_is_none() {
        let tls = json!({ "ca": "a", "cert": "b", "key": "c", "secret": { "secretName": "s" } });
        let cases = [
            (json!({ "redisExporter": { "enabled": true } }), json!({ "redisExporter": { "image": "a" } })),
            (
                json!({ "redisExporter": { "image": "a", "port": 1 } }),
                json!({ "redisExporter": { "image": "a", "port": 9121 } }),
            ),
            (json!({ "acl": {} }), json!({ "acl": { "secret": { "secretName": "a" } } })),
            (
                json!({ "acl": { "secret": {}, "persistentVolumeClaim": "a" } }),
                json!({ "acl": { "persistentVolumeClaim": "a" } }),
            ),
            (json!({ "TLS": { "secret": { "secretName": "s" } } }), json!({ "TLS": tls })),
            (json!({ "initContainer": {} }), json!({ "initContainer": { "image": "a" } })),
            (
                json!({ "sidecars": [{ "name": "a" }] }),
                json!({ "sidecars": [{ "name": "a", "image": "b" }] }),
            ),
            (
                json!({ "redisSentinelConfig": { "resolveHostnames": "yes", "announceHostnames": "yes" } }),
                json!({ "redisSentinelConfig": { "resolveHostnames": "yes" } }),
            ),
            (json!({ "resources": {} }), json!({})),
            (json!({ "podManagementPolicy": "Parallel" }), json!({})),
            (json!({ "hostPort": 1 }), json!({})),
            (
                json!({ "kubernetesConfig": { "persistentVolumeClaimRetentionPolicy": { "whenScaled": "Delete" } } }),
                json!({ "kubernetesConfig": { "persistentVolumeClaimRetentionPolicy": { "whenScaled": "Retain" } } }),
            ),
        ];
        for (bad, good) in cases {
            assert_eq!(hazards(Kind::RedisReplication, &bad).len(), 1, "{bad}");
            assert_eq!(hazards(Kind::RedisReplication, &good), [], "{good}");
        }
    }
}
