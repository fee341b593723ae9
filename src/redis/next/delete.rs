//! Destroy: first the sentinels, which watch the data, then the data, then the objects that the operator
//! created, then our own objects.

use serde_json::Value as Json;

use crate::redis::names::annotation;
use crate::redis::object;
use crate::redis::objects::Found;
use crate::redis::opstree::Kind;
use crate::redis::picture::Picture;
use crate::redis::ready;
use crate::redis::step::{Next, Removal};
use crate::redis::topology::Topology;
use crate::redis::waiting::{Cause, Waiting};

/// The instance that is destroyed.
#[derive(Clone, Copy, Debug)]
pub struct Leaving<'a> {
    /// Its shape.
    pub topology: Topology,
    /// Its namespace.
    pub namespace: &'a str,
    /// The mark of the state that owns it.
    pub claim: &'a str,
    /// Whether the volumes stay.
    pub retained: bool,
}

/// The next step of a destroy. The custom resource with the data goes last: once it is gone, a refresh drops
/// the state, and nothing would show that another custom resource still exists.
pub fn next_delete(leaving: Leaving<'_>, picture: &Picture) -> Next<Removal> {
    let Leaving { topology, namespace, claim, retained } = leaving;
    let data = picture.custom_resource(topology.data());
    if data.is_some_and(|data| belongs_to_another(data, claim)) {
        return Next::Done;
    }
    // An object from which somebody has removed our labels is still ours.
    let is_ours = |found: &&Found| found.is_claimed_by(claim) || found.is_unclaimed_of_ours();
    let ours = || picture.objects.iter().filter(is_ours);
    for kind in topology.kinds().iter().rev() {
        let Some(found) = picture.custom_resource(*kind).filter(|found| !belongs_to_another(found, claim))
        else {
            continue;
        };
        if object::is_terminating(found) {
            return held(*kind, found);
        }
        // An owner in another namespace would make the cluster delete the object at once.
        let is_unowned = |one: &&Found| !one.is_owned() && one.key.namespace == namespace;
        if let (Some(one), Some(owner)) = (ours().find(is_unowned), data.and_then(object::uid)) {
            return Next::Do(Removal::HandOver { key: one.key.clone(), owner: owner.to_owned() });
        }
        let uid = object::uid(found).map(str::to_owned);
        return Next::Do(Removal::DeleteCustomResource { kind: *kind, uid });
    }
    let Some(running) = &picture.running else {
        return Next::wait(
            Cause::Terminating,
            "the objects that the operator created have not been read yet",
        );
    };
    if !retained && let Some((name, uid)) = ready::claim_made_anew(running) {
        return Next::Do(Removal::DeleteClaim { name, uid });
    }
    if let Some(left) = ready::left_over(running, retained) {
        return Next::wait(Cause::Terminating, left);
    }
    match ours().next() {
        Some(one) => Next::Do(Removal::DeleteObject(one.key.clone())),
        None => Next::Done,
    }
}

/// Somebody else recreated it, or it is the successor of a deposed object.
fn belongs_to_another(custom_resource: &Json, claim: &str) -> bool {
    object::annotation(custom_resource, annotation::CLAIM).is_some_and(|owner| owner != claim)
}

fn held(kind: Kind, custom_resource: &Json) -> Next<Removal> {
    let finalizers: Vec<&str> =
        object::list(custom_resource, &["metadata", "finalizers"]).iter().filter_map(Json::as_str).collect();
    let why = format!("the {} waits for its finalizers ({})", kind.kind(), finalizers.join(", "));
    Next::Wait(Waiting::new(Cause::Finalizer, why).about(kind))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::redis::fixture::{self, claimed, custom_resources};
    use crate::redis::names::MANAGER;
    use crate::redis::objects::{Key, Role};
    use crate::redis::running::Running;

    #[test]
    fn a_delete_takes_the_custom_resources_then_waits_then_takes_our_objects() {
        let topology = Topology::Sentinel;
        let leaving = |claim, retained| Leaving { topology, namespace: "redis", claim, retained };
        let decided = |retained, picture: &Picture| next_delete(leaving("mine", retained), picture);
        let mut custom_resources = custom_resources(topology);
        custom_resources[0]["metadata"]["uid"] = json!("u");
        let mut picture = Picture { custom_resources, ..Picture::default() };
        let secret = fixture::desired(topology).of_role(Role::Password).unwrap().key.clone();
        let elsewhere = Key { namespace: "monitoring".to_owned(), ..secret.clone() };
        let of_others = Key { name: "theirs".to_owned(), ..secret.clone() };
        picture.set_object(&secret, Some(claimed("mine")));
        picture.set_object(&elsewhere, Some(claimed("mine")));
        picture.set_object(&of_others, Some(claimed("theirs")));
        assert_eq!(next_delete(leaving("another's", false), &picture), Next::Done, "it has a successor");
        let hand_over = Removal::HandOver { key: secret.clone(), owner: "u".to_owned() };
        assert_eq!(decided(false, &picture), Next::Do(hand_over));
        let mut owned = claimed("mine");
        owned["metadata"]["ownerReferences"] = json!([{ "uid": "u" }]);
        picture.set_object(&secret, Some(owned));
        for kind in [Kind::RedisSentinel, Kind::RedisReplication] {
            let next = decided(false, &picture);
            assert!(
                matches!(next, Next::Do(Removal::DeleteCustomResource { kind: deleted, .. }) if deleted == kind)
            );
            picture.set_custom_resource(kind, None);
        }
        assert!(matches!(decided(false, &picture), Next::Wait(_)), "nothing was looked at yet");
        let mut claim = json!({ "metadata": { "name": "c", "uid": "v" } });
        picture.running = Some(Running { claims: vec![claim.clone()], ..Running::default() });
        let made_anew = Removal::DeleteClaim { name: "c".to_owned(), uid: "v".to_owned() };
        assert_eq!(decided(false, &picture), Next::Do(made_anew));
        claim["metadata"]["deletionTimestamp"] = json!("now");
        picture.running = Some(Running { claims: vec![claim], ..Running::default() });
        assert!(matches!(decided(false, &picture), Next::Wait(_)), "the claim is still there");
        for key in [elsewhere, secret] {
            assert_eq!(decided(true, &picture), Next::Do(Removal::DeleteObject(key.clone())));
            picture.set_object(&key, None);
        }
        assert_eq!(decided(true, &picture), Next::Done, "that of somebody else stays");
        let unlabelled = json!({ "metadata": { "managedFields": [{ "manager": MANAGER }] } });
        picture.set_object(&of_others, Some(unlabelled));
        assert!(matches!(decided(true, &picture), Next::Do(Removal::DeleteObject(_))), "we have written it");
    }
}
