//! Which pod must still learn a password, and which pod must forget one.
//!
//! A pod starts with one password. While pods with two passwords run, replicas, sentinels, the operator and
//! applications log in with either. So each pod is given the other passwords as soon as it answers.

use crate::redis::answers::set::{Pod, Set};
use crate::redis::password::PasswordAt;
use crate::redis::step::Move;
use crate::redis::talk::Replication;

/// A pod that does not accept every valid password.
pub(super) fn wanting(set: &Set) -> Option<Move> {
    let lacks = |accepts: &[PasswordAt]| set.valid.iter().any(|one| !accepts.contains(one));
    let pod = find(set, lacks)?;
    Some(Move::Admit { pod })
}

/// A pod that accepts a former password.
pub(super) fn superfluous(set: &Set) -> Option<Move> {
    let has = |accepts: &[PasswordAt]| set.former.iter().any(|one| accepts.contains(one));
    let pod = find(set, has)?;
    Some(Move::Expel { pod })
}

fn find(set: &Set, is_it: impl Fn(&[PasswordAt]) -> bool) -> Option<String> {
    fn accepts<Said>(pod: &Pod<Said>) -> (&str, Option<&[PasswordAt]>) {
        (&pod.name, pod.accepts.as_deref())
    }
    // A replica that logs in with another password learns it after its master.
    let is_master = |pod: &&Pod<Replication>| pod.said.as_ref().is_some_and(|said| said.master.is_none());
    let masters = set.members.iter().filter(is_master).map(accepts);
    let mut pods = masters.chain(set.members.iter().map(accepts)).chain(set.watchers.iter().map(accepts));
    let (name, _) = pods.find(|(_, accepts)| accepts.is_some_and(&is_it))?;
    Some(name.to_owned())
}

/// A pod that serves but could not be asked.
pub(super) fn silent(set: &Set) -> Option<&str> {
    fn is_silent<Said>(pod: &Pod<Said>) -> Option<&str> {
        (pod.is_ready && pod.said.is_none()).then_some(pod.name.as_str())
    }
    let watchers = set.watchers.iter().find_map(is_silent);
    set.members.iter().find_map(is_silent).or(watchers)
}
