//! What fields that go together must be like for the API server to take them: mended after each value was generated,
//! from the inside out.
use serde_json::{Map, Value, json};

use super::chance::Chance;
use super::generate::Path;
use super::hints;

const HANDLERS: [&str; 4] = ["exec", "grpc", "httpGet", "tcpSocket"];

/// The sources of volumes that are in use. Now and then one of the others is taken, of which there are twenty.
const VOLUMES: [&str; 10] = [
    "emptyDir",
    "configMap",
    "secret",
    "hostPath",
    "projected",
    "downwardAPI",
    "persistentVolumeClaim",
    "csi",
    "nfs",
    "ephemeral",
];

pub fn mend(path: &Path, value: &mut Value, chance: &mut Chance) {
    if let Some(list) = value.as_array_mut() {
        return mend_list(path, list);
    }
    let Some(object) = value.as_object_mut() else { return };
    match path {
        ["spec"] => mend_spec(object, chance),
        [.., "env", "[]"] if object.contains_key("valueFrom") => drop(object.remove("value")),
        [.., "env", "[]", "valueFrom"] | [.., "redisReplicationPassword"] => {
            let sources = ["secretKeyRef", "configMapKeyRef", "fieldRef"];
            keep_one(object, &sources, reference, chance);
        }
        [.., "livenessProbe" | "readinessProbe"] => mend_probe(path, object, chance),
        [.., "matchExpressions", "[]"] => mend_expression(object),
        [.., "requiredDuringSchedulingIgnoredDuringExecution"]
            if object.get("nodeSelectorTerms") == Some(&json!([])) =>
        {
            object.insert("nodeSelectorTerms".to_owned(), json!([{}]));
        }
        [.., "podAffinityTerm"]
        | [.., "podAffinity" | "podAntiAffinity", _, "[]"]
        | [.., "topologySpreadConstraints", "[]"] => mend_selecting(object),
        [.., "tolerations", "[]"] => mend_toleration(object),
        [.., "securityContext"] => mend_privileges(object),
        [.., "resources"]
            if path.contains(&"volumeClaimTemplate") || path.contains(&"nodeConfVolumeClaimTemplate") =>
        {
            *object = storage(chance);
        }
        [.., "resources"] => *object = amounts(chance),
        [.., "updateStrategy"] if object.get("type") == Some(&json!("OnDelete")) => {
            object.remove("rollingUpdate");
        }
        [.., "secret" | "tls"] if path.contains(&"TLS") || path.contains(&"acl") => {
            object.insert("secretName".to_owned(), json!("certificates"));
        }
        [.., "acl"] => mend_acl(object),
        [.., "configMapKeyRef" | "secretKeyRef" | "nodePublishSecretRef"]
        | [.., "imagePullSecrets", "[]"] => {
            object.entry("name").or_insert_with(|| json!("not-there"));
        }
        [.., "volume", "[]", "secret"] => {
            object.entry("secretName").or_insert_with(|| json!("not-there"));
        }
        [.., "volume", "[]"] => mend_volume(object, chance),
        [.., "projected", "sources", "[]"] => {
            let sources = ["secret", "configMap", "downwardAPI", "serviceAccountToken"];
            keep_one(object, &sources, volume_source, chance);
        }
        [.., "downwardAPI", "items", "[]"] => {
            object.remove("resourceFieldRef");
            object.insert("fieldRef".to_owned(), json!({ "fieldPath": "metadata.name" }));
        }
        _ => {}
    }
}

/// Exactly one of them; if none was generated, one of the given names as `least` makes it.
fn keep_one(
    object: &mut Map<String, Value>,
    names: &[&str],
    least: impl Fn(&str) -> Value,
    chance: &mut Chance,
) {
    let name = chance.one_of(names);
    let value = object.remove(name).unwrap_or_else(|| least(name));
    object.clear();
    object.insert(name.to_owned(), value);
}

fn reference(source: &str) -> Value {
    match source {
        "fieldRef" => json!({ "fieldPath": "status.podIP" }),
        _ => json!({ "name": "not-there", "key": "some.key", "optional": true }),
    }
}

fn mend_list(path: &Path, list: &mut Vec<Value>) {
    match path {
        [.., "volume"] => each(list, |item, at| item["name"] = json!(format!("volume-{at}"))),
        [.., "sidecars"] => each(list, |item, at| item["name"] = json!(format!("sidecar-{at}"))),
        [.., "ports"] => each(list, |item, at| {
            if item.get("name").is_some() {
                item["name"] = json!(format!("port-{at}"));
            }
        }),
        // No two constraints of one key.
        [.., "topologySpreadConstraints"] => each(list, |item, at| {
            let key = item["topologyKey"].as_str().unwrap_or_default().to_owned();
            item["topologyKey"] = json!(format!("{key}{}", ["", "-b", "-c", "-d"][at]));
        }),
        [.., "accessModes" | "add" | "drop" | "command" | "imagePullSecrets"] if path.contains(&"spec") => {
            // Sets in meaning: nothing twice.
            let mut seen = Vec::new();
            list.retain(|item| {
                let is_new = !seen.contains(item);
                seen.push(item.clone());
                is_new
            });
            if list.contains(&json!("ReadWriteOncePod")) {
                list.truncate(1);
            }
        }
        _ => {}
    }
}

fn each(list: &mut [Value], change: impl Fn(&mut Value, usize)) {
    list.iter_mut().enumerate().for_each(|(at, item)| change(item, at));
}

fn mend_probe(path: &Path, probe: &mut Map<String, Value>, chance: &mut Chance) {
    let kept = chance.one_of(&HANDLERS);
    for handler in HANDLERS.into_iter().filter(|handler| *handler != kept) {
        probe.remove(handler);
    }
    if probe.get("exec").is_some_and(|exec| exec["command"].as_array().is_none_or(Vec::is_empty)) {
        probe.insert("exec".to_owned(), json!({ "command": ["redis-cli", "ping"] }));
    }
    if probe.get("terminationGracePeriodSeconds") == Some(&json!(0)) {
        probe.remove("terminationGracePeriodSeconds");
    }
    if path.last() == Some(&"livenessProbe") {
        probe.remove("successThreshold");
    } else {
        probe.remove("terminationGracePeriodSeconds");
    }
}

fn mend_expression(expression: &mut Map<String, Value>) {
    match expression["operator"].as_str().unwrap_or_default() {
        "Exists" | "DoesNotExist" => drop(expression.remove("values")),
        "Gt" | "Lt" => drop(expression.insert("values".to_owned(), json!(["3"]))),
        _ => {
            let has_values =
                expression.get("values").and_then(Value::as_array).is_some_and(|values| !values.is_empty());
            if !has_values {
                expression.insert("values".to_owned(), json!(["a", "b"]));
            }
        }
    }
}

/// Terms of pod affinity and of spreading: keys of labels need a selector beside them.
fn mend_selecting(term: &mut Map<String, Value>) {
    if !term.contains_key("labelSelector") {
        term.remove("matchLabelKeys");
        term.remove("mismatchLabelKeys");
    }
    if term.contains_key("matchLabelKeys") {
        term.remove("mismatchLabelKeys");
    }
    if term.get("whenUnsatisfiable") == Some(&json!("ScheduleAnyway")) {
        term.remove("minDomains");
    }
}

fn mend_toleration(toleration: &mut Map<String, Value>) {
    if !toleration.contains_key("key") {
        toleration.insert("operator".to_owned(), json!("Exists"));
    }
    if toleration.get("operator") == Some(&json!("Exists")) {
        toleration.remove("value");
    }
    if toleration.contains_key("tolerationSeconds") {
        toleration.insert("effect".to_owned(), json!("NoExecute"));
    }
}

fn mend_privileges(context: &mut Map<String, Value>) {
    if context.get("privileged") == Some(&json!(true)) {
        context.remove("allowPrivilegeEscalation");
    }
}

/// Amounts as people write them: also those that the operator writes in another way.
fn amounts(chance: &mut Chance) -> Map<String, Value> {
    const AMOUNTS: [(&str, [&str; 4], [&str; 4]); 3] = [
        ("cpu", ["10m", "0.1", "100m", "0"], ["1000m", "1", "1.5", "2"]),
        ("memory", ["32Mi", "64M", "0.125Gi", "67108864"], ["1024Mi", "1Gi", "1.5Gi", "1e9"]),
        ("ephemeral-storage", ["1Mi", "1M", "1k", "1000000"], ["1Gi", "2048Mi", "5G", "1Ti"]),
    ];
    let mut resources = Map::new();
    for (list, at) in [("requests", 0), ("limits", 1)] {
        if chance.percent(25) {
            continue;
        }
        let mut amounts = Map::new();
        for (name, least, most) in AMOUNTS {
            if chance.percent(60) {
                amounts.insert(name.to_owned(), json!(chance.one_of(if at == 0 { &least } else { &most })));
            }
        }
        resources.insert(list.to_owned(), Value::Object(amounts));
    }
    resources
}

fn storage(chance: &mut Chance) -> Map<String, Value> {
    let size = chance.one_of(&["64Mi", "1024Mi", "1Gi", "1G", "0.5Gi", "100000000"]);
    let mut resources = Map::new();
    resources.insert("requests".to_owned(), json!({ "storage": size }));
    if chance.percent(20) {
        resources.insert("limits".to_owned(), json!({ "storage": "1Ti" }));
    }
    resources
}

/// Both or neither make a pod that no API server takes.
fn mend_acl(acl: &mut Map<String, Value>) {
    if acl.is_empty() {
        acl.insert("secret".to_owned(), json!({ "secretName": "users" }));
    }
    if acl.contains_key("secret") {
        acl.remove("persistentVolumeClaim");
    }
}

/// Claims are of some size, or there is no claim.
fn mend_claims(spec: &mut Value, chance: &mut Chance) {
    let is_persistent = spec["persistenceEnabled"] == true;
    let Some(storage) = spec.get_mut("storage") else { return };
    let claims = [
        ("volumeClaimTemplate", is_persistent),
        ("nodeConfVolumeClaimTemplate", storage["nodeConfVolume"] == true),
    ];
    for (name, is_needed) in claims {
        let is_given = storage[name]["spec"].as_object().is_some_and(|spec| !spec.is_empty());
        if (is_needed || is_given) && storage.pointer(&format!("/{name}/spec/resources/requests")).is_none() {
            storage[name]["spec"]["resources"] = Value::Object(self::storage(chance));
        }
    }
}

fn mend_volume(volume: &mut Map<String, Value>, chance: &mut Chance) {
    let all: Vec<String> = volume.keys().filter(|name| *name != "name").cloned().collect();
    let source = if all.is_empty() || chance.percent(80) {
        chance.one_of(&VOLUMES).to_owned()
    } else {
        all[chance.below(all.len())].clone()
    };
    let value = volume.remove(&source).unwrap_or_else(|| volume_source(&source));
    volume.clear();
    volume.insert("name".to_owned(), json!("named-by-the-list"));
    volume.insert(source, value);
}

/// The least that a source of a volume may be.
fn volume_source(source: &str) -> Value {
    match source {
        "secret" => json!({ "secretName": "not-there" }),
        "configMap" => json!({ "name": "not-there" }),
        "hostPath" => json!({ "path": "/mnt/some" }),
        "persistentVolumeClaim" => json!({ "claimName": "not-there" }),
        "csi" => json!({ "driver": "csi.example.com" }),
        "nfs" => json!({ "server": "nfs.example.com", "path": "/mnt/some" }),
        "serviceAccountToken" => json!({ "path": "token" }),
        "projected" => json!({ "sources": [] }),
        "ephemeral" => json!({ "volumeClaimTemplate": { "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": { "requests": { "storage": "1Gi" } },
        } } }),
        _ => json!({}),
    }
}

/// What is mounted must be there; and a network of the node's has the ports of the node.
fn mend_spec(spec: &mut Map<String, Value>, chance: &mut Chance) {
    let mut volumes = vec!["config".to_owned()];
    for place in ["/storage/volumeMount/volume", "/volumeMount/volume"] {
        let list = Value::Object(spec.clone()).pointer(place).and_then(Value::as_array).cloned();
        volumes.extend(list.into_iter().flatten().filter_map(|one| one["name"].as_str().map(str::to_owned)));
    }
    let mut value = Value::Object(std::mem::take(spec));
    mount(value.pointer_mut("/storage/volumeMount/mountPath"), &volumes, chance);
    mount(value.pointer_mut("/volumeMount/mountPath"), &volumes, chance);
    for sidecar in value.get_mut("sidecars").and_then(Value::as_array_mut).into_iter().flatten() {
        mount(sidecar.get_mut("mountPath"), &volumes, chance);
    }
    mend_claims(&mut value, chance);
    if value["hostNetwork"] == true {
        if let Some(object) = value.as_object_mut() {
            object.remove("hostPort");
        }
        for sidecar in value.get_mut("sidecars").and_then(Value::as_array_mut).into_iter().flatten() {
            for port in sidecar.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                port["hostPort"] = port["containerPort"].clone();
            }
        }
    }
    if let Value::Object(object) = value {
        *spec = object;
    }
}

fn mount(mounts: Option<&mut Value>, volumes: &[String], chance: &mut Chance) {
    for (at, mount) in mounts.and_then(Value::as_array_mut).into_iter().flatten().enumerate() {
        mount["name"] = json!(volumes[chance.below(volumes.len())]);
        mount["mountPath"] = json!(format!("/mnt/{}-{at}", hints::word(chance)));
    }
}
