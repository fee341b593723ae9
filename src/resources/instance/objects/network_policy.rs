//! The network policy of an instance: its pods accept connections from each other, from the operator and from
//! the clients that the configuration names. They connect to each other and to DNS. All other connections are
//! refused.
//!
//! The node's own probes are commands in the container, so they cross no network.

use serde_json::{Value as Json, json};

use super::metadata;
use crate::redis::names::{self, REDIS_PORT, SENTINEL_PORT};
use crate::redis::objects::Role;
use crate::redis::topology::Topology;
use crate::resources::blocks::NetworkPolicy;
use crate::resources::instance::model::Instance;

/// Labels of the operator's pods, in any namespace: those of its Helm chart and of its manifests.
const OPERATOR: [(&str, &str); 3] = [
    ("app.kubernetes.io/name", "redis-operator"),
    ("control-plane", "redis-operator"),
    ("name", "redis-operator"),
];

/// The port of DNS, and the one that the DNS pods of OpenShift listen on behind their Service: policies apply to the port of
/// the pod.
const DNS_PORTS: [u16; 2] = [53, 5353];

pub(super) fn build(instance: &Instance) -> Vec<Json> {
    let NetworkPolicy { enabled, allowed_namespaces, allowed_cidrs } = &instance.network_policy;
    if !enabled {
        return Vec::new();
    }
    let own_pods = pods(instance);
    let operators = OPERATOR
        .iter()
        .map(|(label, value)| json!({ "namespaceSelector": {}, "podSelector": { "matchLabels": { *label: value } } }));
    let namespaces: Vec<&str> = allowed_namespaces.iter().map(|one| one.0.as_str()).collect();
    let namespaces = (!namespaces.is_empty()).then(|| {
        let is_one = json!({ "key": "kubernetes.io/metadata.name", "operator": "In", "values": namespaces });
        json!({ "namespaceSelector": { "matchExpressions": [is_one] } })
    });
    let cidrs = allowed_cidrs.iter().map(|cidr| json!({ "ipBlock": { "cidr": cidr } }));
    let clients: Vec<Json> = operators.chain(namespaces).chain(cidrs).collect();
    let dns: Vec<Json> = DNS_PORTS
        .iter()
        .flat_map(|port| ["UDP", "TCP"].map(|protocol| json!({ "protocol": protocol, "port": port })))
        .collect();
    vec![json!({
        "metadata": metadata(instance, Role::NetworkPolicy, &names::network_policy(&instance.name.0), &[]),
        "spec": {
            "podSelector": own_pods,
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                { "from": [{ "podSelector": own_pods }] },
                { "from": clients, "ports": ports(instance.topology()) },
            ],
            "egress": [
                { "to": [{ "podSelector": own_pods }] },
                { "ports": dns },
            ],
        },
    })]
}

/// All pods of the instance, by the labels that the operator gives them.
fn pods(instance: &Instance) -> Json {
    let topology = instance.topology();
    let apps: Vec<String> = topology.parts().iter().map(|part| instance.app(*part)).collect();
    let mut setups: Vec<&str> = topology.parts().iter().map(|part| part.setup()).collect();
    setups.dedup();
    json!({ "matchExpressions": [
        { "key": "app", "operator": "In", "values": apps },
        { "key": "redis_setup_type", "operator": "In", "values": setups },
    ] })
}

/// The ports that clients use.
fn ports(topology: Topology) -> Vec<Json> {
    let sentinels = (topology == Topology::Sentinel).then_some(SENTINEL_PORT);
    std::iter::once(REDIS_PORT)
        .chain(sentinels)
        .map(|port| json!({ "protocol": "TCP", "port": port }))
        .collect()
}
