//! Which passwords count while a set is rolled: told by what its pods were started with, and what is not deleted yet.

use super::{CompanionKind, Desired, Observed};
use crate::redis::names::PASSWORD_KEY;
use crate::redis::password::PasswordAt;
use crate::redis::ready::Running;

/// Whether pods were started with another password than the one that is wanted.
pub(super) fn has_other_password(desired: &Desired, running: &Running) -> bool {
    let wanted = PasswordAt::of_custom_resource(desired.data());
    running.pods_of(&desired.name).any(|pod| PasswordAt::of_pod(pod) != wanted)
}

/// Whether there is a password that pods may still accept, and that is not the one that is wanted.
pub(super) fn has_former_password(desired: &Desired, observed: &Observed) -> bool {
    observed.running.as_ref().is_some_and(|running| !former_passwords(desired, observed, running).is_empty())
}

/// Every password that pods may still accept: those they were started with, the one of the state, and those in Secrets of
/// ours that are not deleted yet.
pub fn former_passwords(desired: &Desired, observed: &Observed, running: &Running) -> Vec<PasswordAt> {
    let wanted = PasswordAt::of_custom_resource(desired.data());
    let kept = observed.companions.iter().filter(|one| one.kind == CompanionKind::Secret);
    let kept = kept.map(|one| PasswordAt { secret: one.name.clone(), key: PASSWORD_KEY.to_owned() });
    let mut all: Vec<PasswordAt> = valid_passwords(desired, running).into_iter().chain(kept).collect();
    all.retain(|one| Some(one) != wanted.as_ref());
    all.sort();
    all.dedup();
    all
}

/// The passwords by which somebody may log in while pods are rolled: the one that is wanted first.
pub fn valid_passwords(desired: &Desired, running: &Running) -> Vec<PasswordAt> {
    let wanted = PasswordAt::of_custom_resource(desired.data());
    let given = running.pods_of(&desired.name).filter_map(PasswordAt::of_pod);
    let mut others: Vec<PasswordAt> = given.chain(desired.former_password.clone()).collect();
    others.retain(|one| Some(one) != wanted.as_ref());
    others.sort();
    others.dedup();
    wanted.into_iter().chain(others).collect()
}
