//! Where clients find an instance. Endpoints are functions of its name and shape, so they are known at plan.

use super::model::Instance;
use crate::redis::names::{DOMAIN, REDIS_PORT, SENTINEL_PORT, service_host};
use crate::redis::topology::Topology;
use crate::terraform::Value;

/// The host of the writable Redis.
pub fn host(root: &Value) -> Value {
    of_service(root, Topology::writable_service)
}

/// The host for reads.
pub fn reader_host(root: &Value) -> Value {
    match (topology(root), followers(root)) {
        (Ok(Topology::Cluster), Ok(0)) => host(root),
        (Ok(Topology::Cluster), Err(unknown)) => unknown,
        _ => of_service(root, Topology::readable_service),
    }
}

/// The URL of the writable Redis.
pub fn url(root: &Value) -> Value {
    match host(root) {
        Value::String(host) => Value::from(format!("redis://{host}:{REDIS_PORT}")),
        other => other,
    }
}

/// The host of the sentinels.
pub fn sentinel_host(root: &Value) -> Value {
    match topology(root) {
        Ok(Topology::Sentinel) => of_service(root, |_, name| format!("{name}-sentinel")),
        Ok(_) => Value::Null,
        Err(unknown) => unknown,
    }
}

/// The port of the sentinels.
pub fn sentinel_port(root: &Value) -> Value {
    match topology(root) {
        Ok(Topology::Sentinel) => Value::from(i64::from(SENTINEL_PORT)),
        Ok(_) => Value::Null,
        Err(unknown) => unknown,
    }
}

/// Where a cluster client finds the nodes.
pub fn cluster_hosts(root: &Value) -> Value {
    let seeds = |followers: i64| {
        let services = ["leader", "follower"];
        let services = &services[..if followers > 0 { 2 } else { 1 }];
        services.iter().map(|role| of_service(root, |_, name| format!("{name}-{role}"))).collect::<Vec<_>>()
    };
    match (topology(root), followers(root)) {
        (Err(unknown), _) | (Ok(Topology::Cluster), Err(unknown)) => unknown,
        (Ok(Topology::Cluster), Ok(followers)) => {
            let hosts: Option<Vec<Value>> = seeds(followers)
                .into_iter()
                .map(|host| host.as_str().map(|host| Value::from(format!("{host}:{REDIS_PORT}"))))
                .collect();
            hosts.map_or(Value::Unknown, Value::List)
        }
        _ => Value::Null,
    }
}

fn of_service(root: &Value, service: impl Fn(Topology, &str) -> String) -> Value {
    match (root.get("name"), root.get("namespace"), topology(root)) {
        (Value::String(name), Value::String(namespace), Ok(topology)) => {
            Value::from(service_host(&service(topology, name), namespace, DOMAIN))
        }
        _ => Value::Unknown,
    }
}

/// The endpoints that have a host name.
const NAMED: [&str; 5] = ["host", "reader_host", "url", "sentinel_host", "cluster_hosts"];

/// The instance with the host names of a cluster of that domain; `None`: the domain is not known yet.
pub fn under(instance: &Value, domain: Option<&str>) -> Value {
    let Value::Map(attributes) = instance else { return instance.clone() };
    let mut moved = attributes.clone();
    for (_, value) in moved.iter_mut().filter(|(name, _)| NAMED.contains(&name.as_str())) {
        *value = of_domain(value, domain);
    }
    Value::Map(moved)
}

fn of_domain(value: &Value, domain: Option<&str>) -> Value {
    match (value, domain) {
        (Value::String(_), None) => Value::Unknown,
        (Value::String(text), Some(domain)) => {
            Value::from(text.replacen(&format!(".svc.{DOMAIN}"), &format!(".svc.{domain}"), 1))
        }
        (Value::List(all), _) => Value::List(all.iter().map(|one| of_domain(one, domain)).collect()),
        (other, _) => other.clone(),
    }
}

/// The domain in the host names of an instance.
pub fn domain(instance: &Instance) -> &str {
    instance.host.split_once(".svc.").map_or(DOMAIN, |(_, domain)| domain)
}

/// The shape of a planned instance; `Err` is the unknown value.
fn topology(root: &Value) -> Result<Topology, Value> {
    match root.get("deployment_mode").as_str() {
        Some("sentinel") => Ok(Topology::Sentinel),
        Some("cluster") => Ok(Topology::Cluster),
        Some(_) => match root.get("replica").get("count") {
            Value::Number(count) if count.as_i64() == Some(0) => Ok(Topology::Standalone),
            Value::Number(_) => Ok(Topology::Replication),
            _ => Err(Value::Unknown),
        },
        None => Err(Value::Unknown),
    }
}

fn followers(root: &Value) -> Result<i64, Value> {
    match root.get("cluster").get("replicas_per_shard") {
        Value::Number(count) => Ok(count.as_i64().unwrap_or(0)),
        Value::Unknown => Err(Value::Unknown),
        _ => Ok(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_those_of_the_domain() {
        let at = |domain: &str| {
            let host = format!("cache-leader.redis.svc.{domain}");
            let seeds = Value::from([format!("{host}:6379")]);
            Value::object([
                ("host", Value::from(host.as_str())),
                ("url", Value::from(format!("redis://{host}:6379"))),
                ("sentinel_host", Value::Null),
                ("cluster_hosts", seeds),
                ("name", Value::from("a.svc.cluster.local")),
            ])
        };
        assert_eq!(under(&at(DOMAIN), Some("k8s.example.com")), at("k8s.example.com"));
        assert_eq!(under(&at(DOMAIN), Some(DOMAIN)), at(DOMAIN));
        let unknown = under(&at(DOMAIN), None);
        assert!(unknown.get("host").is_unknown() && unknown.get("sentinel_host").is_null());
        assert!(!unknown.get("name").is_unknown());
    }
}
