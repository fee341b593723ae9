//! A restart reads the disk: all that Redis holds must be there before the restart, in the form that the next
//! configuration reads. Here is when data is saved, and for which configuration; `on_disk` is how.
//!
//! A guarded rollout needs none of this: a replaced pod copies everything from the master, and the master hands
//! over before it is replaced.

use serde_json::Value as Json;

use super::config::{self, Disk};
use super::desired::Desired;
use super::memory::{Denial, Memory};
use super::names::annotation::SETTINGS;
use super::object::{annotation, at, is_terminating, text};
use super::objects::Role;
use super::opstree;
use super::picture::Picture;
use super::set::guarded;
use super::step::{Next, Step};

/// How many seconds Redis takes to load or to save so many bytes, on a volume of the usual class: 64 MiB a second, a
/// cautious figure.
pub fn seconds_for(bytes: i128) -> i64 {
    i64::try_from(bytes / (64 << 20)).unwrap_or(i64::MAX)
}

/// Saves the data before the operator is shown a specification with which it restarts pods.
pub fn saved(desired: &Desired, picture: &Picture, memory: &Memory) -> Option<Next> {
    let data = picture.custom_resource(desired.topology.data())?;
    let is_rolled_by_us = desired.is_guarded && guarded::is_possible(desired, memory);
    if memory.is_saved || memory.denied.has(&Denial::Saving) || is_rolled_by_us || is_terminating(data) {
        return None;
    }
    let differences = opstree::differences(desired.data(), data);
    if differences.is_empty() {
        return None;
    }
    // Another strategy lets the operator replace pods that were kept back until now.
    let lets_go = differences.iter().any(|difference| difference.path.contains(".updateStrategy"));
    let restarts = differences.iter().any(|difference| opstree::restarts_pods(&difference.path));
    if !restarts && !lets_go {
        return None;
    }
    let Some(running) = &picture.running else { return Some(Next::Do(Step::Watch)) };
    let apps = || {
        let parts = desired.topology.parts().iter().filter(|part| part.has_data());
        parts.map(|part| part.name(&desired.name))
    };
    let has_pods = apps().any(|app| running.pods_of(&app).next().is_some());
    let restarts = restarts || apps().any(|app| running.has_old_pods(&app));
    (has_pods && restarts).then_some(Next::Do(Step::Save))
}

/// What the wanted configuration reads at a start; `None` if the configuration is not ours.
pub fn reads_next(desired: &Desired) -> Option<Disk> {
    let wanted = desired.of_role(Role::Configuration)?;
    if !desired.names_config_map(&wanted.key.name) {
        return None;
    }
    text(&wanted.object, &["data", config::KEY]).map(config::disk)
}

/// Whether every configuration of ours that pods may run with switches the same files on as the wanted one. Each
/// records what it was made from.
pub fn reads_the_same(desired: &Desired, picture: &Picture) -> bool {
    let files = |object: &Json| {
        let recorded: Json = serde_json::from_str(annotation(object, SETTINGS)?).ok()?;
        Some(["rdb", "aof"].map(|file| at(&recorded, &[file, "enabled"]).clone()))
    };
    let ours = desired.of_role(Role::Configuration).filter(|ours| desired.names_config_map(&ours.key.name));
    let next = ours.and_then(|wanted| files(&wanted.object));
    next.is_some() && picture.of_role(Role::Configuration).all(|found| files(&found.object) == next)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::redis::fixture::{self, serving};
    use crate::redis::objects::Key;
    use crate::redis::opstree::Kind;
    use crate::redis::running::Running;
    use crate::redis::topology::Topology;

    #[test]
    fn what_pods_may_run_with_is_recorded() {
        let mut desired = fixture::desired(Topology::Standalone);
        let configuration = |name: &str, aof: bool| {
            let recorded = json!({ "rdb": { "enabled": true }, "aof": { "enabled": aof } }).to_string();
            json!({ "metadata": { "name": name, "annotations": { SETTINGS: recorded } } })
        };
        let index = desired.objects.iter().position(|one| one.key.role == Role::Configuration).unwrap();
        desired.objects[index].object = configuration("new", true);
        let key = desired.objects[index].key.clone();
        desired.custom_resources[0]["spec"]["redisConfig"] = json!({ "additionalRedisConfig": key.name });
        let mut picture = Picture::default();
        picture.set_object(&key, Some(configuration("new", true)));
        assert!(reads_the_same(&desired, &picture));
        let former = Key { name: "former".to_owned(), ..key };
        picture.set_object(&former, Some(configuration("former", false)));
        assert!(!reads_the_same(&desired, &picture));
        picture.set_object(&former, Some(json!({ "metadata": { "name": "former" } })));
        assert!(!reads_the_same(&desired, &picture), "nobody knows");
        picture.set_object(&former, None);
        desired.custom_resources[0]["spec"]["redisConfig"] = json!({ "additionalRedisConfig": "mine" });
        assert!(!reads_the_same(&desired, &picture), "the pods read a file of the user's own");
        assert_eq!(reads_next(&desired), None);
    }

    #[test]
    fn data_is_saved_before_the_operator_may_restart_a_pod() {
        let mut desired = Desired { creating: false, ..fixture::desired(Topology::Standalone) };
        let strategy = json!({ "type": "RollingUpdate" });
        desired.custom_resources[0]["spec"]["kubernetesConfig"] =
            json!({ "image": "redis:7", "updateStrategy": strategy });
        let mut picture = Picture { running: Some(serving(Topology::Standalone)), ..Picture::default() };
        let mut found = desired.data().clone();
        picture.set_custom_resource(Kind::Redis, Some(found.clone()));
        let next = |picture: &Picture, memory: &Memory| saved(&desired, picture, memory);
        assert_eq!(next(&picture, &Memory::default()), None, "nothing differs");
        found["spec"]["storage"]["volumeClaimTemplate"] = json!({});
        picture.set_custom_resource(Kind::Redis, Some(found.clone()));
        assert_eq!(next(&picture, &Memory::default()), None, "that restarts no pod");
        let unwatched = Picture { running: None, ..picture.clone() };
        assert_eq!(next(&unwatched, &Memory::default()), None, "so nobody must watch");
        found["spec"]["kubernetesConfig"]["updateStrategy"] = json!({ "type": "OnDelete" });
        picture.set_custom_resource(Kind::Redis, Some(found.clone()));
        assert_eq!(next(&picture, &Memory::default()), None, "no pod was kept back");
        picture.running.as_mut().unwrap().pods[0]["metadata"]["labels"]["controller-revision-hash"] =
            json!("a");
        assert_eq!(
            next(&picture, &Memory::default()),
            Some(Next::Do(Step::Save)),
            "the strategy held it back"
        );
        picture.running = Some(serving(Topology::Standalone));
        found["spec"]["kubernetesConfig"] = json!({ "image": "another" });
        picture.set_custom_resource(Kind::Redis, Some(found));
        assert_eq!(next(&picture, &Memory::default()), Some(Next::Do(Step::Save)));
        assert_eq!(next(&picture, &Memory { is_saved: true, ..Memory::default() }), None);
        picture.running = Some(Running::default());
        assert_eq!(next(&picture, &Memory::default()), None, "nothing runs");
        picture.running = None;
        assert_eq!(next(&picture, &Memory::default()), Some(Next::Do(Step::Watch)));
    }
}
