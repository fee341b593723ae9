//! Where clients find an instance. Endpoints are functions of its name and shape, so they are known at plan.

use crate::redis::names::{REDIS_PORT, SENTINEL_PORT, service_host};
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
            Value::from(service_host(&service(topology, name), namespace))
        }
        _ => Value::Unknown,
    }
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
