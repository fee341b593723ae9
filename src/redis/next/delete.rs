//! Destroy: what watches the data first, then the data, then what the operator made of both, then what we made.

use serde_json::Value as Json;

use super::{Cause, Next, Observed, Step, wait};
use crate::redis::names::annotation;
use crate::redis::object;
use crate::redis::opstree::Kind;
use crate::redis::ready;
use crate::redis::topology::Topology;

/// What delete is to do now. `retained`: the volumes stay. The custom resource with the data goes last: once it is gone,
/// a refresh drops the state, and nothing would tell of another that is still there.
pub fn next_delete(topology: Topology, claim: &str, retained: bool, observed: &Observed) -> Next {
    let data = observed.custom_resource(topology.data());
    if data.is_some_and(|data| belongs_to_another(data, claim)) {
        return Next::Done;
    }
    let uid = |object: &Json| object::text(object, &["metadata", "uid"]).map(str::to_owned);
    for kind in topology.kinds().iter().rev() {
        let Some(found) = observed.custom_resource(*kind).filter(|found| !belongs_to_another(found, claim))
        else {
            continue;
        };
        if object::is_terminating(found) {
            return held(*kind, found);
        }
        let unowned = observed.companions.iter().find(|companion| !companion.owned);
        if let (Some(companion), Some(uid)) = (unowned, data.and_then(uid)) {
            return Next::Do(Step::HandOver { companion: companion.clone(), uid });
        }
        return Next::Do(Step::DeleteCustomResource { kind: *kind, uid: uid(found) });
    }
    let Some(running) = &observed.running else {
        return wait(Cause::Terminating, "what the operator made has not been looked at yet");
    };
    if !retained && let Some((name, uid)) = ready::claim_made_anew(running) {
        return Next::Do(Step::DeleteClaim { name, uid });
    }
    if let Some(left) = ready::left_over(running, retained) {
        return wait(Cause::Terminating, left);
    }
    match observed.companions.first() {
        Some(companion) => Next::Do(Step::DeleteCompanion(companion.clone())),
        None => Next::Done,
    }
}

/// It was made anew by somebody else, or is the successor of a deposed object.
fn belongs_to_another(custom_resource: &Json, claim: &str) -> bool {
    object::annotation(custom_resource, annotation::CLAIM).is_some_and(|owner| owner != claim)
}

fn held(kind: Kind, custom_resource: &Json) -> Next {
    let finalizers: Vec<&str> =
        object::list(custom_resource, &["metadata", "finalizers"]).iter().filter_map(Json::as_str).collect();
    let why = format!("the {} waits for its finalizers ({})", kind.kind(), finalizers.join(", "));
    wait(Cause::Finalizer, why)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Companion, CompanionKind};
    use super::*;
    use crate::redis::fixture::custom_resources;
    use crate::redis::ready::Running;

    #[test]
    fn a_delete_takes_the_custom_resource_then_waits_then_takes_the_companions() {
        let topology = Topology::Sentinel;
        let mut companion =
            Companion { kind: CompanionKind::Secret, name: "cache-auth".to_owned(), owned: false };
        let mut custom_resources = custom_resources(topology);
        custom_resources[0]["metadata"]["uid"] = json!("u");
        let mut observed =
            Observed { custom_resources, companions: vec![companion.clone()], ..Observed::default() };
        assert_eq!(next_delete(topology, "another's", false, &observed), Next::Done, "it has a successor");
        let hand_over = Step::HandOver { companion: companion.clone(), uid: "u".to_owned() };
        assert_eq!(next_delete(topology, "mine", false, &observed), Next::Do(hand_over));
        companion.owned = true;
        observed.companions = vec![companion.clone()];
        for kind in [Kind::RedisSentinel, Kind::RedisReplication] {
            let next = next_delete(topology, "mine", false, &observed);
            assert!(
                matches!(next, Next::Do(Step::DeleteCustomResource { kind: deleted, .. }) if deleted == kind)
            );
            observed.set_custom_resource(kind, None);
        }
        assert!(
            matches!(next_delete(topology, "mine", false, &observed), Next::Wait(_)),
            "nothing was looked at yet"
        );
        let mut claim = json!({ "metadata": { "name": "c", "uid": "v" } });
        observed.running = Some(Running { claims: vec![claim.clone()], ..Running::default() });
        let made_anew = Step::DeleteClaim { name: "c".to_owned(), uid: "v".to_owned() };
        assert_eq!(next_delete(topology, "mine", false, &observed), Next::Do(made_anew));
        claim["metadata"]["deletionTimestamp"] = json!("now");
        observed.running = Some(Running { claims: vec![claim], ..Running::default() });
        assert!(
            matches!(next_delete(topology, "mine", false, &observed), Next::Wait(_)),
            "the claim is still there"
        );
        assert_eq!(
            next_delete(topology, "mine", true, &observed),
            Next::Do(Step::DeleteCompanion(companion))
        );
        observed.companions.clear();
        assert_eq!(next_delete(topology, "mine", true, &observed), Next::Done);
    }
}
