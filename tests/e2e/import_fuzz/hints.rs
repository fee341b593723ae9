//! Which values a field takes that its schema tells too little about: what the API server, or the validation of the
//! StatefulSet, would refuse is no case of an import.
use serde_json::{Value, json};

use super::chance::Chance;
use super::generate::Path;

pub enum Hint {
    Is(Value),
    Absent,
    BySchema,
}

/// A Secret and a ConfigMap that exist, with these keys.
pub const SECRET: &str = "there";
pub const SECRET_KEY: &str = "password";
pub const CONFIG_MAP: &str = "there";
pub const CONFIG_KEY: &str = "redis-additional.conf";

const WORDS: [&str; 5] = ["a", "some-word", "x1", "longer-word-with-dashes", "zz"];

/// What text may be made of where anything goes: quotes, line ends, templates of HCL and of Kubernetes, look-alikes of
/// other types.
const TEXTS: [&str; 16] = [
    "",
    "plain",
    "two words",
    " blank before and after ",
    "line\nline\n",
    "\"quoted\" 'text'",
    "back\\slash",
    "${not.terraform} %{ if } $${twice}",
    "$(POD_IP):6379",
    "true",
    "007",
    "1e3",
    "null",
    "ünïcödé ☃",
    "{\"json\": [1]}",
    "tab\tand # hash",
];

const LABEL_VALUES: [&str; 6] = ["", "a", "Some_Value.1", "true", "1", "frontend"];

const LABEL_KEYS: [&str; 6] =
    ["app.kubernetes.io/name", "team", "disktype", "example.com/some.key_1", "kubernetes.io/arch", "a"];

const ANNOTATION_KEYS: [&str; 5] = [
    "note",
    "example.com/runbook",
    "prometheus.io/scrape",
    "service.beta.kubernetes.io/aws-load-balancer-type",
    "checksum",
];

pub fn word(chance: &mut Chance) -> &'static str {
    chance.one_of(&WORDS)
}

pub fn text(chance: &mut Chance) -> &'static str {
    chance.one_of(&TEXTS)
}

/// A key of a map.
pub fn key(path: &Path, chance: &mut Chance) -> &'static str {
    match path {
        [.., "annotations" | "additionalAnnotations"] => chance.one_of(&ANNOTATION_KEYS),
        _ => chance.one_of(&LABEL_KEYS),
    }
}

/// What one field is set to.
pub fn hint(path: &Path, chance: &mut Chance) -> Hint {
    let by_place = of_operator(path, chance);
    if !matches!(by_place, Hint::BySchema) {
        return by_place;
    }
    let by_place = of_pod(path, chance);
    if matches!(by_place, Hint::BySchema) { of_volume(path, chance) } else { by_place }
}

fn is(value: impl Into<Value>) -> Hint {
    Hint::Is(value.into())
}

/// One in so many that is unusual, known to be hard, and would else hide what is beside it.
fn rarely(chance: &mut Chance, one_in: usize, value: impl Into<Value>) -> Hint {
    if chance.below(one_in) == 0 { is(value) } else { Hint::Absent }
}

/// Fields of the operator's own.
fn of_operator(path: &Path, chance: &mut Chance) -> Hint {
    match path {
        [.., "image"] => is(chance.one_of(&[
            "quay.io/opstree/redis:v7.0.15",
            "quay.io/opstree/redis:v6.2.14",
            "quay.io/opstree/redis:v7.2.6",
            "redis",
            "redis:latest",
            "localhost:5000/some/redis:7.0-alpine",
            "redis@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "quay.io/opstree/redis:v7.0.15@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ])),
        [.., "imagePullPolicy"] => is(chance.one_of(&["Always", "IfNotPresent", "Never"])),
        // Only one of the two crashes the operator, and with it everybody else's tests.
        [.., "redisSecret"] => is(json!({
            "name": chance.one_of(&[SECRET, SECRET, "not-there"]),
            "key": chance.one_of(&[SECRET_KEY, SECRET_KEY, "not-there"]),
        })),
        ["spec", "sentinel", "size"] => is(chance.between(0, 5)),
        // No pods at all count as ready, and the operator divides by their number.
        ["spec", "clusterSize"] => is(chance.one_of(&[2, 3, 3, 3, 4, 5, 6, 8])),
        ["spec", "redisLeader" | "redisFollower", "replicas"] => is(chance.between(3, 6)),
        ["spec", "clusterVersion"] => is(chance.one_of(&["v6", "v6", "v7", "v7", "v7", "v8", "7"])),
        // An import of another port is refused.
        ["spec", "port"] => is(6379),
        ["spec", "hostPort"] => is(chance.between(20000, 30000)),
        [.., "quorum" | "parallelSyncs"] => is(chance.one_of(&["1", "2", "2", "2", "3", "5", "0", "two"])),
        [.., "masterGroupName"] => is(chance.one_of(&["mymaster", "myMaster", "my_Master.1", "a b", ""])),
        [.., "failoverTimeout" | "downAfterMilliseconds"] => is(chance.one_of(&["3000", "60000", "180000", "100", "0", "5s"])),
        [.., "resolveHostnames" | "announceHostnames"] => is(chance.one_of(&["yes", "no"])),
        [.., "redisPort"] => is("6379"),
        [.., "redisReplicationName"] => is(super::subject::NAME),
        [.., "additionalRedisConfig" | "additionalSentinelConfig"] => {
            is(chance.one_of(&[CONFIG_MAP, CONFIG_MAP, "not-there"]))
        }
        [.., "dynamicConfig", "[]"] => {
            is(chance.one_of(&["maxmemory-policy allkeys-lru", "slowlog-log-slower-than 5000", "timeout 100", "oddity"]))
        }
        [.., "ignoreAnnotations", "[]"] => is(chance.one_of(&ANNOTATION_KEYS)),
        [.., "pdb", "minAvailable" | "maxUnavailable"] => is(chance.between(0, 3)),
        [.., "redisExporter", "port"] => is(chance.one_of(&[9121, 9121, 9122])),
        [.., "updateStrategy", "type"] => is(chance.one_of(&["RollingUpdate", "RollingUpdate", "OnDelete"])),
        [.., "partition"] => is(chance.between(0, 2)),
        [.., "rollingUpdate", "maxUnavailable"] => is(chance.one_of(&["25%", "50%"])),
        [.., "whenDeleted" | "whenScaled"] => is(chance.one_of(&["Retain", "Delete"])),
        [.., "minReadySeconds"] => is(chance.between(0, 30)),
        [.., "TLS", "ca"] => is("ca.crt"),
        [.., "TLS", "cert"] => is("tls.crt"),
        [.., "TLS", "key"] => is("tls.key"),
        [.., "acl", "persistentVolumeClaim"] => is(word(chance)),
        [.., "keepAfterDelete" | "nodeConfVolume"] => is(chance.percent(70)),
        _ => Hint::BySchema,
    }
}

/// Fields of the types that pods are made of.
fn of_pod(path: &Path, chance: &mut Chance) -> Hint {
    match path {
        // Claims of devices need a field of the pod that the operator does not have.
        [.., "resources", "claims"] => Hint::Absent,
        [.., "env", "[]", "name"] => is(chance.one_of(&[
            "ZED",
            "A",
            "SOME_NAME",
            "lower.case-name",
            "REDIS_MAX_MEMORY",
            "POD_IP",
            "TZ",
            "DEBUG",
            "_X",
        ])),
        [.., "env", "[]", "value"] => is(text(chance)),
        [.., "fieldRef", "fieldPath"] => {
            is(chance.one_of(&["metadata.name", "metadata.namespace", "metadata.labels['app']"]))
        }
        [.., "fieldRef", "apiVersion"] => is("v1"),
        [.., "resourceFieldRef", "resource"] => is(chance.one_of(&["limits.cpu", "requests.cpu"])),
        [.., "resourceFieldRef", "divisor"] => is(chance.one_of(&["1", "1m"])),
        [.., "secretKeyRef" | "configMapKeyRef", "key"] => is(chance.one_of(&[SECRET_KEY, "other.key"])),
        [.., "matchExpressions", "[]", "key"] => is(chance.one_of(&LABEL_KEYS)),
        [.., "matchExpressions", "[]", "values", "[]"] => is(chance.one_of(&LABEL_VALUES)),
        [.., "operator"] if path.contains(&"nodeAffinity") => {
            is(chance.one_of(&["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]))
        }
        [.., "matchExpressions", "[]", "operator"] => {
            is(chance.one_of(&["In", "NotIn", "Exists", "DoesNotExist"]))
        }
        [.., "matchFields"] => {
            rarely(chance, 3, json!([{ "key": "metadata.name", "operator": "In", "values": ["n"] }]))
        }
        [.., "topologyKey"] => {
            is(chance.one_of(&["kubernetes.io/hostname", "topology.kubernetes.io/zone", "rack"]))
        }
        [.., "matchLabelKeys" | "mismatchLabelKeys"] => rarely(chance, 3, json!(["pod-template-hash"])),
        [.., "namespaces", "[]"] => is(word(chance)),
        [.., "weight"] => is(chance.between(1, 100)),
        [.., "tolerations", "[]", "key"] => is(chance.one_of(&LABEL_KEYS)),
        [.., "tolerations", "[]", "value"] => is(chance.one_of(&LABEL_VALUES)),
        [.., "tolerations", "[]", "operator"] => is(chance.one_of(&["Exists", "Equal"])),
        [.., "effect"] => is(chance.one_of(&["NoSchedule", "PreferNoSchedule", "NoExecute"])),
        [.., "tolerationSeconds"] => is(chance.one_of(&[0, 1, 300, -1])),
        [.., "maxSkew" | "minDomains"] => is(chance.between(1, 3)),
        [.., "whenUnsatisfiable"] => is(chance.one_of(&["DoNotSchedule", "ScheduleAnyway"])),
        [.., "nodeAffinityPolicy" | "nodeTaintsPolicy"] => is(chance.one_of(&["Honor", "Ignore"])),
        [.., "annotations" | "additionalAnnotations", "{}"] => is(text(chance)),
        [.., "nodeSelector" | "matchLabels", "{}"] => is(chance.one_of(&LABEL_VALUES)),
        [.., "successThreshold" | "timeoutSeconds" | "periodSeconds" | "failureThreshold"] => {
            is(chance.between(1, 10))
        }
        [.., "initialDelaySeconds"] => is(chance.between(0, 60)),
        [.., "terminationGracePeriodSeconds"] => is(chance.one_of(&[0, 1, 30, 600])),
        [.., "httpGet" | "tcpSocket", "port"] => {
            if chance.percent(50) {
                is("redis-client")
            } else {
                is(chance.between(1, 65535))
            }
        }
        [.., "grpc", "port"] => is(chance.between(1, 65535)),
        [.., "httpGet", "scheme"] => is(chance.one_of(&["HTTP", "HTTPS"])),
        [.., "httpGet", "path"] => is(chance.one_of(&["/", "/healthz?a=b"])),
        [.., "httpHeaders", "[]", "name"] => is("X-Probe"),
        [.., "httpHeaders", "[]", "value"] => is(text(chance)),
        [.., "runAsUser" | "runAsGroup" | "fsGroup"] | [.., "supplementalGroups", "[]"] => {
            is(chance.one_of(&[0, 1000, 999, 65534]))
        }
        [.., "fsGroupChangePolicy"] => is(chance.one_of(&["OnRootMismatch", "Always"])),
        [.., "sysctls"] => is(json!([{ "name": "kernel.shm_rmid_forced", "value": "0" }])),
        [.., "procMount"] => is("Default"),
        [.., "seccompProfile"] => is(chance.below(3)).seccomp(),
        [.., "windowsOptions", "hostProcess"] => is(false),
        [.., "capabilities", "add" | "drop", "[]"] => is(chance.one_of(&["NET_ADMIN", "CHOWN", "ALL"])),
        [.., "resources", "limits" | "requests"] => Hint::Absent,
        [.., "command" | "args", "[]"] => {
            is(chance.one_of(&["sh", "-c", "echo \"$HOME\" ${x}", "sleep\n1", "-"]))
        }
        [.., "ports", "[]", "protocol"] => is(chance.one_of(&["TCP", "UDP", "SCTP"])),
        [.., "ports", "[]", "containerPort" | "hostPort"] => is(chance.between(10000, 60000)),
        [.., "ports", "[]", "hostIP"] => is(chance.one_of(&["127.0.0.1", "::1"])),
        _ => Hint::BySchema,
    }
}

impl Hint {
    /// A profile of the kind that the number stands for: only `Localhost` has a file.
    fn seccomp(self) -> Hint {
        let Hint::Is(number) = self else { return self };
        is(match number.as_u64() {
            Some(0) => json!({ "type": "RuntimeDefault" }),
            Some(1) => json!({ "type": "Unconfined" }),
            _ => json!({ "type": "Localhost", "localhostProfile": "profiles/some.json" }),
        })
    }
}

/// Fields of volumes and claims.
fn of_volume(path: &Path, chance: &mut Chance) -> Hint {
    match path {
        [.., "volumeClaimTemplate" | "nodeConfVolumeClaimTemplate", "apiVersion" | "kind"] => Hint::Absent,
        [.., "volumeClaimTemplate" | "nodeConfVolumeClaimTemplate", "metadata" | "status"] => {
            rarely(chance, 2, json!({}))
        }
        [.., "accessModes", "[]"] => is(chance.one_of(&[
            "ReadWriteOnce",
            "ReadWriteOnce",
            "ReadWriteMany",
            "ReadOnlyMany",
            "ReadWriteOncePod",
        ])),
        [.., "storageClassName"] => is(chance.one_of(&["", "local-path", "not-there"])),
        [.., "volumeMode"] => is(chance.one_of(&["Filesystem", "Filesystem", "Block"])),
        [.., "volumeAttributesClassName"] => is(word(chance)),
        [.., "dataSource"] => rarely(chance, 2, json!({ "kind": "PersistentVolumeClaim", "name": "other" })),
        [.., "dataSourceRef"] => Hint::Absent,
        [.., "defaultMode" | "mode"] => is(chance.one_of(&[0, 256, 420, 511])),
        [.., "items", "[]", "path"] | [.., "serviceAccountToken", "path"] => {
            is(format!("folder/file-{}", chance.below(100_000)))
        }
        [.., "hostPath", "path"] | [.., "nfs", "path"] => is("/mnt/some"),
        [.., "hostPath", "type"] => is(chance.one_of(&["", "Directory", "File", "DirectoryOrCreate"])),
        [.., "emptyDir", "medium"] => is(chance.one_of(&["", "Memory"])),
        [.., "sizeLimit"] => is(chance.one_of(&["1Gi", "1024Mi", "100M", "0.5Gi"])),
        [.., "expirationSeconds"] => is(chance.between(600, 7200)),
        [.., "clusterTrustBundle"] => Hint::Absent,
        [.., "csi", "driver"] => is("csi.example.com"),
        [.., "ephemeral"] => is(json!({ "volumeClaimTemplate": { "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": { "requests": { "storage": "1024Mi" } },
        } } })),
        [.., "subPath"] => is(chance.one_of(&["sub", "sub/folder"])),
        [.., "subPathExpr"] => Hint::Absent,
        [.., "mountPropagation"] => is(chance.one_of(&["None", "HostToContainer"])),
        [.., "recursiveReadOnly"] => is("Disabled"),
        _ => Hint::BySchema,
    }
}
