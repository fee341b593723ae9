//! The topologies of Redis on Kubernetes, and the objects that the operator makes for each. Its names are
//! functions of the instance's name, so endpoints, StatefulSets and selectors are known before anything
//! exists.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::object::{at, count, text};
use super::opstree::{Kind, of_kind};

/// The shape of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// A single Redis.
    Standalone,
    /// A master and its replicas, without failover.
    Replication,
    /// A master and its replicas, with sentinels that promote one when the master is lost.
    Sentinel,
    /// Shards, each a leader with its followers.
    Cluster,
}

/// An object that the operator makes, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// A StatefulSet.
    StatefulSet(String),
    /// A Service.
    Service(String),
    /// A disruption budget.
    DisruptionBudget(String),
}

/// One StatefulSet of the operator, with its pods, Services and claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The kind of its custom resource.
    pub kind: Kind,
    suffix: &'static str,
    /// The field of the custom resource with the placement of the pods, if it is not the spec itself.
    pub section: Option<&'static str>,
}

const STANDALONE: Part = Part { kind: Kind::Redis, suffix: "", section: None };
const REPLICATION: Part = Part { kind: Kind::RedisReplication, suffix: "", section: None };
const SENTINELS: Part = Part { kind: Kind::RedisSentinel, suffix: "-sentinel", section: None };
const LEADERS: Part = Part { kind: Kind::RedisCluster, suffix: "-leader", section: Some("redisLeader") };
const FOLLOWERS: Part =
    Part { kind: Kind::RedisCluster, suffix: "-follower", section: Some("redisFollower") };

impl Topology {
    /// Kind of the custom resource that carries the data.
    pub fn data(self) -> Kind {
        match self {
            Topology::Standalone => Kind::Redis,
            Topology::Replication | Topology::Sentinel => Kind::RedisReplication,
            Topology::Cluster => Kind::RedisCluster,
        }
    }

    /// Kinds of all custom resources, that of the data first.
    pub fn kinds(self) -> &'static [Kind] {
        match self {
            Topology::Standalone => &[Kind::Redis],
            Topology::Replication => &[Kind::RedisReplication],
            Topology::Sentinel => &[Kind::RedisReplication, Kind::RedisSentinel],
            Topology::Cluster => &[Kind::RedisCluster],
        }
    }

    /// The StatefulSets, those with data first.
    pub fn parts(self) -> &'static [Part] {
        match self {
            Topology::Standalone => &[STANDALONE],
            Topology::Replication => &[REPLICATION],
            Topology::Sentinel => &[REPLICATION, SENTINELS],
            Topology::Cluster => &[LEADERS, FOLLOWERS],
        }
    }

    /// The StatefulSets that the operator makes of the custom resource of that kind.
    pub fn parts_of(self, kind: Kind) -> impl Iterator<Item = Part> {
        self.parts().iter().copied().filter(move |part| part.kind == kind)
    }

    /// Whether it is a master with replicas, whose pods are replaced one by one.
    pub fn is_replicated(self) -> bool {
        matches!(self, Topology::Replication | Topology::Sentinel)
    }

    /// The objects that the operator makes for an instance of that name with these custom resources. Claims and pods have
    /// the names of their StatefulSet.
    pub fn made(self, name: &str, custom_resources: &[Json]) -> Vec<Made> {
        let of_part = |part: &Part| {
            let own = part.name(name);
            let services = ["", "-headless", "-additional"].map(|suffix| format!("{own}{suffix}"));
            let on_request = part.made_on_request(&own, of_kind(custom_resources, part.kind));
            let always = services.into_iter().map(Made::Service).chain([Made::StatefulSet(own)]);
            always.chain(on_request).collect::<Vec<_>>()
        };
        let of_roles: &[&str] = match self {
            Topology::Standalone => &[],
            Topology::Replication | Topology::Sentinel => &["-master", "-replica"],
            Topology::Cluster => &["-master"],
        };
        let of_roles = of_roles.iter().map(|suffix| Made::Service(format!("{name}{suffix}")));
        self.parts().iter().flat_map(of_part).chain(of_roles).collect()
    }

    /// Whether a pod of an instance of that name mounts the claim, whatever number of pods the instance has. A
    /// StatefulSet finds its claims by their names alone.
    pub fn has_claim(self, instance: &str, claim: &str) -> bool {
        let is_of = |app: &str| {
            is_numbered(&format!("{app}-{app}"), claim) || is_numbered(&format!("node-conf-{app}"), claim)
        };
        self.parts().iter().filter(|part| part.has_data()).any(|part| is_of(&part.name(instance)))
    }

    /// Whether an instance of the other shape mounts the claims of an instance of this shape, if both have one name.
    pub fn shares_claims(self, other: Topology) -> bool {
        let data = |topology: Topology| topology.parts().first().map(|part| part.name(""));
        data(self) == data(other)
    }

    /// Kinds whose objects would have the same names, so that both cannot share one name.
    pub fn clashes(self) -> &'static [Kind] {
        match self {
            Topology::Standalone => &[Kind::RedisReplication],
            // The Service of the master has the same name in both.
            Topology::Replication | Topology::Sentinel => &[Kind::Redis, Kind::RedisCluster],
            Topology::Cluster => &[Kind::RedisReplication],
        }
    }

    /// A kind that can share the name, unless the provider manages it: only our own objects beside the custom
    /// resources would have the same names.
    pub fn clashes_if_managed(self) -> Option<Kind> {
        match self {
            Topology::Standalone => Some(Kind::RedisCluster),
            Topology::Cluster => Some(Kind::Redis),
            Topology::Replication | Topology::Sentinel => None,
        }
    }

    /// Longest name of an instance: the longest StatefulSet's name and a ten-letter hash must fit into a label.
    pub fn longest_name(self) -> usize {
        match self {
            Topology::Standalone | Topology::Replication => 52,
            Topology::Sentinel | Topology::Cluster => 43,
        }
    }

    /// The Service for writes to the master; in a cluster, a Service that reaches any leader.
    pub fn writable_service(self, name: &str) -> String {
        match self {
            Topology::Standalone => name.to_owned(),
            Topology::Replication | Topology::Sentinel => format!("{name}-master"),
            Topology::Cluster => format!("{name}-leader"),
        }
    }

    /// The Service for reads.
    pub fn readable_service(self, name: &str) -> String {
        match self {
            Topology::Standalone => name.to_owned(),
            Topology::Replication | Topology::Sentinel => format!("{name}-replica"),
            Topology::Cluster => format!("{name}-follower"),
        }
    }

    /// A selector of everything that the operator creates for the instance. `app_labels`: labels `app` that custom
    /// resources bear, by their kinds; they replace the operator's own on pods that are made since.
    pub fn selector(self, name: &str, app_labels: &BTreeMap<String, String>) -> String {
        let mut apps: Vec<String> = self.parts().iter().map(|part| part.name(name)).collect();
        apps.extend(app_labels.values().filter(|app| !apps.contains(app)).cloned().collect::<BTreeSet<_>>());
        let mut setups: Vec<&str> = self.parts().iter().map(|part| part.setup()).collect();
        setups.dedup();
        format!("app in ({}),redis_setup_type in ({})", apps.join(","), setups.join(","))
    }
}

impl Part {
    /// Name of its StatefulSet and of its Service, and value of its pods' label `app`.
    pub fn name(self, instance: &str) -> String {
        format!("{instance}{}", self.suffix)
    }

    /// What the operator makes only if the custom resource asks for it: a Service for the metrics, a disruption budget, and
    /// a Service for each pod of a cluster that is reached through the nodes.
    fn made_on_request(self, own: &str, custom_resource: Option<&Json>) -> Vec<Made> {
        let Some(custom_resource) = custom_resource else { return Vec::new() };
        let spec = at(custom_resource, &["spec"]);
        let mut made = Vec::new();
        if at(spec, &["redisExporter", "enabled"]) == true {
            made.push(Made::Service(format!("{own}-metrics")));
        }
        if at(self.section.map_or(spec, |section| at(spec, &[section])), &["pdb", "enabled"]) == true {
            let is_of_set = self.kind == Kind::RedisReplication;
            made.push(Made::DisruptionBudget(format!(
                "{own}{}",
                if is_of_set { "-replication" } else { "" }
            )));
        }
        let service = text(spec, &["kubernetesConfig", "service", "serviceType"]);
        if self.kind == Kind::RedisCluster && service == Some("NodePort") {
            let pods = 0..self.replicas(custom_resource);
            made.extend(pods.map(|pod| Made::Service(format!("{own}-{pod}"))));
        }
        made
    }

    /// The label `app` of its pods: the operator's, unless the custom resource bears one.
    pub fn app(self, instance: &str, app_labels: &BTreeMap<String, String>) -> String {
        app_labels.get(self.kind.kind()).cloned().unwrap_or_else(|| self.name(instance))
    }

    /// Whether a pod or a claim is of its StatefulSet: they have the name of the StatefulSet and a number.
    pub fn has_pod(self, instance: &str, pod: &str) -> bool {
        is_numbered(&self.name(instance), pod)
    }

    /// The operator's `redis_setup_type`.
    pub fn setup(self) -> &'static str {
        match self.kind {
            Kind::Redis => "standalone",
            Kind::RedisReplication => "replication",
            Kind::RedisSentinel => "sentinel",
            Kind::RedisCluster => "cluster",
        }
    }

    /// Whether its pods hold data.
    pub fn has_data(self) -> bool {
        self.kind != Kind::RedisSentinel
    }

    /// How many pods the custom resource asks for.
    pub fn replicas(self, custom_resource: &Json) -> i64 {
        let size = count(custom_resource, &["spec", "clusterSize"]);
        match self.section {
            None if self.kind == Kind::Redis => 1,
            None => size,
            Some(section) => at(custom_resource, &["spec", section, "replicas"]).as_i64().unwrap_or(size),
        }
    }
}

/// Whether a name is another one with a number: `cache-2` of `cache`.
pub fn is_numbered(name: &str, numbered: &str) -> bool {
    let number = numbered.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// How many of so many sentinels are more than half.
pub fn majority(sentinels: i64) -> i64 {
    sentinels / 2 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_names_every_part() {
        let none = BTreeMap::new();
        let web = BTreeMap::from([("Redis".to_owned(), "web".to_owned())]);
        assert_eq!(
            Topology::Standalone.selector("a", &web),
            "app in (a,web),redis_setup_type in (standalone)"
        );
        assert_eq!(Topology::Standalone.selector("a", &none), "app in (a),redis_setup_type in (standalone)");
        assert_eq!(
            Topology::Sentinel.selector("a", &none),
            "app in (a,a-sentinel),redis_setup_type in (replication,sentinel)"
        );
        assert_eq!(
            Topology::Cluster.selector("a", &none),
            "app in (a-leader,a-follower),redis_setup_type in (cluster)"
        );
    }

    #[test]
    fn the_name_of_one_instance_can_be_the_name_of_anothers_object() {
        let shared = |(one, name): (Topology, &str), (other, another): (Topology, &str)| {
            let made = other.made(another, &[]);
            one.made(name, &[]).into_iter().filter(|one| made.contains(one)).count()
        };
        use Topology::{Cluster, Replication, Sentinel, Standalone};
        for (one, other) in [
            ((Replication, "cache"), (Standalone, "cache-replica")),
            ((Replication, "cache"), (Standalone, "cache-master")),
            ((Standalone, "cache"), (Standalone, "cache-headless")),
            ((Sentinel, "a"), (Standalone, "a-sentinel")),
            ((Cluster, "a"), (Replication, "a-leader")),
            ((Cluster, "a"), (Replication, "a")),
        ] {
            assert!(shared(one, other) > 0, "{one:?}, {other:?}");
        }
        assert_eq!(shared((Standalone, "a"), (Cluster, "a")), 0);
        assert_eq!(shared((Replication, "cache"), (Replication, "cache-2")), 0);
    }

    #[test]
    fn more_is_made_on_request() {
        let json = |kind: &str, spec: &str| {
            let spec: Json = serde_json::from_str(spec).unwrap();
            serde_json::json!({ "kind": kind, "spec": spec })
        };
        let more = |topology: Topology, custom_resource: Json| {
            let always = topology.made("a", &[]);
            let mut made = topology.made("a", &[custom_resource]);
            made.retain(|one| !always.contains(one));
            made
        };
        let service = |name: &str| Made::Service(name.to_owned());
        let exporter = r#"{ "redisExporter": { "enabled": true } }"#;
        assert_eq!(more(Topology::Standalone, json("Redis", exporter)), [service("a-metrics")]);
        let sentinels = more(Topology::Sentinel, json("RedisSentinel", exporter));
        assert_eq!(sentinels, [service("a-sentinel-metrics")]);
        let cluster = more(Topology::Cluster, json("RedisCluster", exporter));
        assert_eq!(cluster, [service("a-leader-metrics"), service("a-follower-metrics")]);
        let budget =
            more(Topology::Replication, json("RedisReplication", r#"{ "pdb": { "enabled": true } }"#));
        assert_eq!(budget, [Made::DisruptionBudget("a-replication".to_owned())]);
        let nodes = r#"{ "clusterSize": 2, "redisFollower": { "replicas": 1, "pdb": { "enabled": true } },
                         "kubernetesConfig": { "service": { "serviceType": "NodePort" } } }"#;
        let pods = ["a-leader-0", "a-leader-1"].map(service).into_iter();
        let followers = [Made::DisruptionBudget("a-follower".to_owned()), service("a-follower-0")];
        let expected: Vec<Made> = pods.chain(followers).collect();
        assert_eq!(more(Topology::Cluster, json("RedisCluster", nodes)), expected);
    }

    #[test]
    fn a_claim_is_of_an_instance_by_its_name() {
        for (topology, claim, expected) in [
            (Topology::Standalone, "cache-cache-0", true),
            (Topology::Sentinel, "cache-cache-12", true),
            (Topology::Sentinel, "cache-sentinel-cache-sentinel-0", false),
            (Topology::Standalone, "cache-cache-", false),
            (Topology::Standalone, "cache-cache-0-backup", false),
            (Topology::Standalone, "cache-cache-cache-0", false),
            (Topology::Cluster, "cache-cache-0", false),
            (Topology::Cluster, "cache-leader-cache-leader-0", true),
            (Topology::Cluster, "node-conf-cache-follower-2", true),
        ] {
            assert_eq!(topology.has_claim("cache", claim), expected, "{topology:?}: {claim}");
        }
        let all = [Topology::Standalone, Topology::Replication, Topology::Sentinel, Topology::Cluster];
        for one in all {
            for other in all {
                let same_kind = (one == Topology::Cluster) == (other == Topology::Cluster);
                assert_eq!(one.shares_claims(other), same_kind, "{one:?}, {other:?}");
            }
        }
    }

    #[test]
    fn a_part_knows_its_size() {
        let cluster = serde_json::json!({ "spec": { "clusterSize": 3, "redisFollower": { "replicas": 0 } } });
        let sizes: Vec<i64> = Topology::Cluster.parts().iter().map(|part| part.replicas(&cluster)).collect();
        assert_eq!(sizes, [3, 0]);
    }
}
