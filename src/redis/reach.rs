//! What must be reachable from within the cluster when an instance serves: each of its Services and, if
//! several pods share a Service, each pod. kube-proxy and DNS cannot be watched, so reachability is tested
//! with requests, as the last step.

use serde_json::Value as Json;

use super::names::{REDIS_PORT, SENTINEL_PORT, service_host};
use super::object::label;
use super::running::{ROLE, Running, address};
use super::topology::Topology;

/// An endpoint to ask, and what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// DNS name of a Service, or address of a pod.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What it should be.
    pub role: Expected,
}

/// What an endpoint should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A master that takes writes.
    Writable,
    /// A replica that has caught up with the master at this address.
    ReplicaOf(String),
    /// A sentinel that names the master at this address.
    SentinelOf {
        /// The group that it watches.
        group: String,
        /// Address of the master.
        master: String,
    },
    /// A node of a cluster that serves all slots, with that many nodes in all.
    ClusterOf(i64),
}

/// All endpoints of an instance. `group`: the name under which its sentinels know it; `domain`: the DNS domain of the
/// cluster; `external`: our Service for access to the master from outside the cluster, if there is one. The Service has
/// a name inside the cluster, too.
pub fn endpoints(
    topology: Topology,
    name: &str,
    namespace: &str,
    group: &str,
    domain: &str,
    external: Option<&str>,
    running: &Running,
) -> Vec<Endpoint> {
    let service = |service: &str, port: u16, role: Expected| Endpoint {
        host: service_host(service, namespace, domain),
        port,
        role,
    };
    let writable = service(&topology.writable_service(name), REDIS_PORT, Expected::Writable);
    let external = external.map(|external| service(external, REDIS_PORT, Expected::Writable));
    let mut endpoints = match topology {
        Topology::Standalone => vec![writable],
        Topology::Cluster => {
            let nodes = i64::try_from(running.pods.len()).unwrap_or(0);
            let apps: Vec<String> = topology.parts().iter().map(|part| part.name(name)).collect();
            let apps = || apps.iter().filter(|app| running.pods_of(app).next().is_some());
            let services = apps().map(|app| service(app, REDIS_PORT, Expected::ClusterOf(nodes)));
            // Each node decides by itself, and up to two seconds after the others, whether the cluster serves.
            let pods = apps().flat_map(|app| running.pods_of(app)).filter_map(|pod| {
                let (host, role) = (address(pod)?.to_owned(), Expected::ClusterOf(nodes));
                Some(Endpoint { host, port: REDIS_PORT, role })
            });
            services.chain(pods).collect()
        }
        Topology::Replication | Topology::Sentinel => {
            let (masters, replicas): (Vec<&Json>, Vec<&Json>) =
                running.pods_of(name).partition(|pod| label(pod, ROLE) == Some("master"));
            let master = masters.first().and_then(|pod| address(pod)).unwrap_or_default().to_owned();
            let mut all = vec![writable];
            if !replicas.is_empty() {
                let readable = topology.readable_service(name);
                all.push(service(&readable, REDIS_PORT, Expected::ReplicaOf(master.clone())));
            }
            all.extend(replicas.iter().filter_map(|pod| {
                let (host, role) = (address(pod)?.to_owned(), Expected::ReplicaOf(master.clone()));
                Some(Endpoint { host, port: REDIS_PORT, role })
            }));
            if topology == Topology::Sentinel {
                let app = format!("{name}-sentinel");
                let role = Expected::SentinelOf { group: group.to_owned(), master };
                all.push(service(&app, SENTINEL_PORT, role.clone()));
                all.extend(running.pods_of(&app).filter_map(|pod| {
                    let (host, role) = (address(pod)?.to_owned(), role.clone());
                    Some(Endpoint { host, port: SENTINEL_PORT, role })
                }));
            }
            all
        }
    };
    endpoints.extend(external);
    endpoints
}

#[cfg(test)]
mod tests {
    use super::super::fixture::serving;
    use super::*;

    fn asked(topology: Topology, external: Option<&str>) -> Vec<String> {
        let mut running = serving(topology);
        for pod in &mut running.pods {
            let name = super::super::object::name(pod).to_owned();
            pod["status"]["podIP"] = serde_json::json!(format!("ip-of-{name}"));
        }
        let endpoints = endpoints(topology, "cache", "redis", "mymaster", "a.b", external, &running);
        let short = |host: &str| host.replace(".redis.svc.a.b", "");
        endpoints.iter().map(|one| format!("{}:{} {:?}", short(&one.host), one.port, one.role)).collect()
    }

    #[test]
    fn every_service_and_every_replica_and_sentinel_is_asked() {
        assert_eq!(asked(Topology::Standalone, None), ["cache:6379 Writable"]);
        let external = asked(Topology::Standalone, Some("cache-external"));
        assert_eq!(external, ["cache:6379 Writable", "cache-external:6379 Writable"]);
        assert_eq!(
            asked(Topology::Replication, None),
            [
                "cache-master:6379 Writable",
                "cache-replica:6379 ReplicaOf(\"ip-of-cache-0\")",
                "ip-of-cache-1:6379 ReplicaOf(\"ip-of-cache-0\")",
                "ip-of-cache-2:6379 ReplicaOf(\"ip-of-cache-0\")",
            ]
        );
        assert_eq!(asked(Topology::Sentinel, None).len(), 8);
        let cluster = asked(Topology::Cluster, None);
        assert_eq!(cluster[..2], ["cache-leader:6379 ClusterOf(6)", "cache-follower:6379 ClusterOf(6)"]);
        assert_eq!(cluster.len(), 8);
        assert_eq!(cluster[2], "ip-of-cache-leader-0:6379 ClusterOf(6)");
    }
}
