//! One picture of what exists, gathered in the same way by refresh, import, adoption, apply and destroy.
//!
//! A refresh reads from lists that all instances of a namespace share; an operation that is about to write
//! reads for itself.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::try_join_all;
use tokio::time::{Instant, timeout_at};

use super::addresses::Addresses;
use super::model::ManagedObject;
use super::objects::{address, external_service_name, key_of, resource_of, resources};
use crate::kubernetes::{Cause, Cluster, Content, Error, Lookup, ObjectRef, Resource};
use crate::redis::answers::shards::Shards;
use crate::redis::desired::Desired;
use crate::redis::names::{annotation, label};
use crate::redis::object::{self, annotation as mark, at, is_terminating, name, text};
use crate::redis::objects::{Key, Wanted, Write};
use crate::redis::opstree::Kind;
use crate::redis::picture::Picture;
use crate::redis::running::{Running, address as ip, has_two_revisions, is_ready};
use crate::redis::shards;
use crate::redis::topology::Topology;
use crate::resources::ask::command::Vantage;
use crate::resources::ask::{nodes, sentinels};
use crate::resources::kinds::{POD, SERVICE};

/// Longest time in which a refresh asks sentinels: it must not wait for a pod that does not answer.
const ASKING_SENTINELS: Duration = Duration::from_secs(1);
/// The same for the nodes of a cluster.
const ASKING_NODES: Duration = Duration::from_secs(2);

/// Where to look, and how.
#[derive(Clone, Copy)]
pub struct Gather<'a> {
    cluster: &'a Cluster,
    addresses: &'a Addresses,
    is_shared: bool,
    deadline: Instant,
}

impl<'a> Gather<'a> {
    /// For a refresh.
    pub fn shared(cluster: &'a Cluster, addresses: &'a Addresses, deadline: Instant) -> Gather<'a> {
        Gather { cluster, addresses, is_shared: true, deadline }
    }

    /// For all others.
    pub fn fresh(cluster: &'a Cluster, addresses: &'a Addresses, deadline: Instant) -> Gather<'a> {
        Gather { cluster, addresses, is_shared: false, deadline }
    }

    /// One object.
    pub async fn get(&self, object: &ObjectRef, content: Content) -> Result<Lookup, Error> {
        match (self.is_shared, content) {
            (true, content) => self.cluster.get_shared(object, content, self.deadline).await,
            (false, Content::Whole) => self.cluster.get(object, self.deadline).await,
            (false, Content::Metadata) => self.cluster.get_metadata(object, self.deadline).await,
        }
    }

    /// The custom resources that exist.
    pub async fn custom_resources(&self, picture: &mut Picture) -> Result<(), Error> {
        for kind in self.addresses.topology.kinds() {
            if picture.custom_resource(*kind).is_none() {
                let found = self.get(&self.addresses.custom_resource(*kind), Content::Whole).await?.found();
                picture.set_custom_resource(*kind, found);
            }
        }
        Ok(())
    }

    /// The StatefulSets, and the operator's Service for access to a cluster from outside.
    pub async fn made(&self, desired: &Desired, picture: &mut Picture) -> Result<(), Error> {
        let mut running = Running::default();
        for stateful_set in self.addresses.stateful_sets() {
            running.stateful_sets.extend(self.get(&stateful_set, Content::Whole).await?.found());
        }
        let external =
            external_service_name(desired).filter(|_| self.addresses.topology == Topology::Cluster);
        if let Some(external) = external {
            let service = ObjectRef::namespaced(&SERVICE, self.addresses.namespace.as_str(), external);
            running.services.extend(self.get(&service, Content::Whole).await?.found());
        }
        // Until a rollout has ended, or for good with OnDelete and a partition, the template is not what runs.
        let is_rolling = running.stateful_sets.iter().any(has_two_revisions);
        picture.running = Some(running);
        if is_rolling {
            self.pods(picture, self.deadline).await;
        }
        Ok(())
    }

    /// The objects that have the names of ours, whoever created them. For objects that are written once, only
    /// the metadata: the contents of a Secret must stay unread.
    pub async fn wanted(&self, wanted: &[Wanted], picture: &mut Picture) -> Result<(), Error> {
        for Wanted { key, write, .. } in wanted {
            let content = match write {
                Write::Applied => Content::Whole,
                Write::Once => Content::Metadata,
            };
            picture.set_object(key, self.get(&address(key), content).await?.found());
        }
        Ok(())
    }

    /// Objects of ours that the state knows although nobody wants them any more: an apply that failed has not
    /// deleted them.
    pub async fn unwanted(
        &self,
        wanted: &[Wanted],
        known: &[ManagedObject],
        picture: &mut Picture,
    ) -> Result<(), Error> {
        let is_wanted = |one: &ManagedObject| {
            let is_it =
                |key: &Key| key.kind == one.kind && key.namespace == one.namespace && key.name == one.name;
            wanted.iter().any(|wanted| is_it(&wanted.key))
        };
        for one in known.iter().filter(|one| !is_wanted(one)) {
            // Custom resources are no objects of ours in this sense.
            let Some(resource) = resource_of(&one.kind) else { continue };
            let address = ObjectRef::namespaced(resource, one.namespace.as_str(), one.name.as_str());
            let found = self.get(&address, Content::Metadata).await?.found();
            if let Some(key) = found.as_ref().and_then(|found| key_of(resource, found)) {
                picture.set_object(&key, found);
            }
        }
        Ok(())
    }

    /// All objects with the labels of the instance, of every kind that the provider creates: an apply that was cut
    /// off may have left an object that no state knows.
    pub async fn labelled(&self, known: &[ManagedObject], picture: &mut Picture) -> Result<(), Error> {
        let at_home = resources().map(|resource| (resource, self.addresses.namespace.as_str()));
        let of_known = known.iter().filter_map(|one| Some((resource_of(&one.kind)?, one.namespace.as_str())));
        let places: BTreeSet<(&Resource, &str)> = at_home.chain(of_known).collect();
        let lists = places.into_iter().map(async |(resource, namespace)| {
            let objects = self.labelled_of(resource, namespace, known).await?;
            Ok::<_, Error>((resource, objects))
        });
        for (resource, objects) in try_join_all(lists).await? {
            for object in objects {
                // An object that was read by its name is there as a whole.
                if let Some(key) = key_of(resource, &object).filter(|key| picture.object(key).is_none()) {
                    picture.set_object(&key, Some(object));
                }
            }
        }
        Ok(())
    }

    /// Without the right to list, only the objects that the state knows by name are found.
    async fn labelled_of(
        &self,
        resource: &'static Resource,
        namespace: &str,
        known: &[ManagedObject],
    ) -> Result<Vec<serde_json::Value>, Error> {
        let Addresses { name, namespace: home, .. } = self.addresses;
        let selector = format!("{}={name},{}={home}", label::INSTANCE, label::NAMESPACE);
        let listed =
            self.cluster.list_metadata(resource, Some(namespace), Some(&selector), self.deadline).await;
        match listed {
            Err(Error { cause: Cause::KindNotServed { .. }, .. }) => Ok(Vec::new()),
            Err(Error { cause: Cause::Forbidden { .. }, .. }) => {
                let mut found = Vec::new();
                let is_there = |one: &&ManagedObject| one.kind == resource.kind && one.namespace == namespace;
                for one in known.iter().filter(is_there) {
                    let address = ObjectRef::namespaced(resource, namespace, one.name.as_str());
                    match self.cluster.get_metadata(&address, self.deadline).await {
                        Err(Error { cause: Cause::Forbidden { .. }, .. }) => {}
                        lookup => found.extend(lookup?.found()),
                    }
                }
                Ok(found)
            }
            listed => listed,
        }
    }

    /// What only Redis itself can report, as far as a refresh asks: which master the sentinels name, and
    /// whether the nodes of a cluster agree. A pod that cannot be asked is left out.
    pub async fn answers(&self, picture: &mut Picture) {
        match self.addresses.topology {
            Topology::Sentinel => self.ask_sentinels(picture).await,
            Topology::Cluster => self.ask_nodes(picture).await,
            Topology::Standalone | Topology::Replication => {}
        }
    }

    /// Whether nothing is under way that the answers would only repeat.
    fn is_at_rest(&self, picture: &Picture) -> bool {
        let Addresses { topology, name, .. } = self.addresses;
        let data = picture.custom_resource(topology.data());
        let is_under_way =
            data.is_none_or(|data| mark(data, annotation::UNFINISHED).is_some() || is_terminating(data));
        !is_under_way && picture.at_rest(*topology, name, false).is_ok()
    }

    async fn pods(&self, picture: &mut Picture, deadline: Instant) -> Option<()> {
        let Addresses { topology, name, namespace, .. } = self.addresses;
        let selector = self.addresses.selector();
        let pods = self.cluster.list(&POD, Some(namespace), Some(&selector), deadline).await.ok()?;
        let has_pod = |pod: &&serde_json::Value| {
            topology.parts().iter().any(|part| part.has_pod(name, object::name(pod)))
        };
        let running = picture.running.get_or_insert_default();
        running.pods = pods.iter().filter(has_pod).filter(|pod| !is_terminating(pod)).cloned().collect();
        Some(())
    }

    async fn ask_sentinels(&self, picture: &mut Picture) {
        let deadline = Instant::now() + ASKING_SENTINELS;
        let Some(live) = picture.custom_resource(Kind::RedisSentinel).cloned() else { return };
        let is_encrypted = !at(&live, &["spec", "TLS"]).is_null();
        let Some(group) = text(&live, &["spec", "redisSentinelConfig", "masterGroupName"]) else { return };
        if is_encrypted || !self.is_at_rest(picture) || self.pods(picture, deadline).await.is_none() {
            return;
        }
        let part = self.addresses.topology.parts_of(Kind::RedisSentinel).next();
        let app = part.map(|part| part.name(&self.addresses.name)).unwrap_or_default();
        let is_protected = !at(&live, &["spec", "kubernetesConfig", "redisSecret"]).is_null();
        let Some(running) = &picture.running else { return };
        let ready = running.pods_of(&app).filter(|pod| is_ready(pod));
        let pods: Vec<ObjectRef> = ready.map(|pod| self.addresses.pod(name(pod))).collect();
        // The operator gives the container the name of the StatefulSet.
        let container = is_protected.then_some(app.as_str());
        picture.answers.named_masters =
            sentinels::named_masters(self.cluster, pods, group, container, deadline).await;
    }

    /// The operator does not report a node that knows no other node. For a minute after the restart of a pod,
    /// the operator is only late.
    async fn ask_nodes(&self, picture: &mut Picture) {
        let deadline = Instant::now() + ASKING_NODES;
        let Some(data) = picture.custom_resource(Kind::RedisCluster).cloned() else { return };
        let is_well = text(&data, &["status", "state"]) == Some("Ready");
        if is_well || !self.is_at_rest(picture) || self.pods(picture, deadline).await.is_none() {
            return;
        }
        let Some(running) = &picture.running else { return };
        let asked = ask_nodes(self.cluster, self.addresses, &data, running, deadline);
        let answered = |shards: &Shards| shards.pods.iter().any(|pod| pod.said.is_some());
        let asked = timeout_at(deadline, asked).await.ok().and_then(Result::ok);
        picture.answers.shards = asked.filter(answered).map(Ok);
    }
}

/// A pod with data to ask from, and its container, to which the operator gives the name of the StatefulSet.
pub fn vantage(addresses: &Addresses, running: &Running) -> Option<Vantage> {
    addresses.topology.parts().iter().find_map(|part| {
        let app = part.name(&addresses.name);
        let pod = running.pods_of(&app).find(|pod| is_ready(pod)).map(|pod| addresses.pod(name(pod)));
        Some(Vantage { pod: pod?, container: app })
    })
}

/// The answers of every pod of a cluster that is Ready. `data`: the custom resource as it is, not as it
/// should be, because shards are asked before some of them are removed.
///
/// # Errors
/// If no command can be run in a pod.
pub async fn ask_nodes(
    cluster: &Cluster,
    addresses: &Addresses,
    data: &serde_json::Value,
    running: &Running,
    deadline: Instant,
) -> Result<Shards, Error> {
    let hosts: Vec<&str> = running.pods.iter().filter(|pod| is_ready(pod)).filter_map(ip).collect();
    let said = match vantage(addresses, running) {
        Some(from) => nodes::ask(cluster, &from, &hosts, deadline).await?,
        None => Default::default(),
    };
    Ok(shards::gathered(addresses.topology, &addresses.name, data, running, &said))
}
