//! Which passwords count while pods are rolled: told by what they were started with, and what is not deleted yet.

use super::desired::Desired;
use super::names::PASSWORD_KEY;
use super::objects::Role;
use super::password::PasswordAt;
use super::picture::Picture;
use super::running::Running;

/// Whether some pods were started with another password than others.
pub fn has_two_passwords(running: &Running) -> bool {
    let mut given = running.pods.iter().map(PasswordAt::of_pod);
    let Some(first) = given.next() else { return false };
    given.any(|other| other != first)
}

/// What each pod of Redis was started with.
pub fn given<'a>(
    desired: &'a Desired,
    running: &'a Running,
) -> impl Iterator<Item = Option<PasswordAt>> + 'a {
    let parts = desired.topology.parts().iter().filter(|part| part.has_data());
    parts.flat_map(|part| {
        running.pods_of(&part.name(&desired.name)).map(PasswordAt::of_pod).collect::<Vec<_>>()
    })
}

/// Whether pods were started with another password than the one that is wanted.
pub fn has_other_password(desired: &Desired, running: &Running) -> bool {
    let wanted = PasswordAt::of_custom_resource(desired.data());
    given(desired, running).any(|given| given != wanted)
}

/// Whether there is a password that pods may still accept, and that is not the one that is wanted.
pub fn has_former_password(desired: &Desired, picture: &Picture) -> bool {
    picture.running.as_ref().is_some_and(|running| !former_passwords(desired, picture, running).is_empty())
}

/// Every password that pods may still accept: those they were started with, the one of the state, and those in Secrets of
/// ours that are not deleted yet.
pub fn former_passwords(desired: &Desired, picture: &Picture, running: &Running) -> Vec<PasswordAt> {
    let wanted = PasswordAt::of_custom_resource(desired.data());
    let kept = picture.of_role(Role::Password);
    let kept = kept.map(|one| PasswordAt { secret: one.key.name.clone(), key: PASSWORD_KEY.to_owned() });
    let mut all: Vec<PasswordAt> = valid_passwords(desired, running).into_iter().chain(kept).collect();
    all.retain(|one| Some(one) != wanted.as_ref());
    all.sort();
    all.dedup();
    all
}

/// The passwords by which somebody may log in while pods are rolled: the one that is wanted first.
pub fn valid_passwords(desired: &Desired, running: &Running) -> Vec<PasswordAt> {
    let wanted = PasswordAt::of_custom_resource(desired.data());
    let given = given(desired, running).flatten();
    let mut others: Vec<PasswordAt> = given.chain(desired.former_password.clone()).collect();
    others.retain(|one| Some(one) != wanted.as_ref());
    others.sort();
    others.dedup();
    wanted.into_iter().chain(others).collect()
}
