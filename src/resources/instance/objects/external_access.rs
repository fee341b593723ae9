//! The Service that reaches the master from outside. The operator's own Service for this purpose also reaches
//! replicas, and keeps removed annotations. In a cluster any leader will do, so there the operator's Service
//! is used.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::metadata;
use crate::redis::desired::Desired;
use crate::redis::names;
use crate::redis::object::{self, at, text};
use crate::redis::objects::Role;
use crate::redis::topology::Topology;
use crate::resources::blocks::{Service, ServiceType};
use crate::resources::instance::model::Instance;

pub(super) fn build(instance: &Instance) -> Vec<Json> {
    let topology = instance.topology();
    if instance.service.r#type == ServiceType::ClusterIp || topology == Topology::Cluster {
        return Vec::new();
    }
    let name = &instance.name.0;
    let mut selector = BTreeMap::new();
    if let Some(part) = topology.parts().first() {
        selector.insert("app", instance.app(*part));
        selector.insert("redis_setup_type", part.setup().to_owned());
    }
    if topology != Topology::Standalone {
        selector.insert("redis-role", "master".to_owned());
    }
    let annotations = service_annotations(&instance.service);
    let annotations: Vec<(&str, String)> =
        annotations.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    let metadata = metadata(instance, Role::ExternalAccess, &names::external_service(name), &annotations);
    vec![json!({
        "metadata": metadata,
        "spec": {
            "type": instance.service.r#type.word(),
            "selector": selector,
            "ports": [{ "name": "redis-client", "port": names::REDIS_PORT, "targetPort": names::REDIS_PORT }],
        },
    })]
}

/// The annotations of the Service for access from outside; those of the configuration win.
pub fn service_annotations(service: &Service) -> BTreeMap<String, String> {
    const INTERNAL: [(&str, &str); 2] = [
        ("service.beta.kubernetes.io/aws-load-balancer-internal", "true"),
        ("service.beta.kubernetes.io/aws-load-balancer-scheme", "internal"),
    ];
    let Service { r#type, annotations, internal } = service;
    let mut all = BTreeMap::new();
    if *internal && *r#type == ServiceType::LoadBalancer {
        all.extend(INTERNAL.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
    all.extend(annotations.clone());
    all
}

/// The Service for access from outside of the Kubernetes cluster, if there is one.
pub fn external_service_name(desired: &Desired) -> Option<String> {
    let of_cluster = || {
        let service = at(desired.data(), &["spec", "kubernetesConfig", "service"]);
        (!service.is_null()).then(|| format!("{}-leader-additional", desired.name))
    };
    match desired.topology {
        Topology::Cluster => of_cluster(),
        _ => desired.of_role(Role::ExternalAccess).map(|wanted| wanted.key.name.clone()),
    }
}

/// The address of a load balancer.
pub fn external_host(service: &Json) -> Option<String> {
    let first = object::list(service, &["status", "loadBalancer", "ingress"]).first()?;
    text(first, &["hostname"]).or(text(first, &["ip"])).map(str::to_owned)
}
