//! Which passwords count while pods are rolled, judged by the passwords that the pods were started with and
//! by the Secrets that still exist.

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

/// The password that each Redis pod was started with.
pub fn given<'a>(
    desired: &'a Desired,
    running: &'a Running,
) -> impl Iterator<Item = Option<PasswordAt>> + 'a {
    let parts = desired.topology.parts().iter().filter(|part| part.has_data());
    parts.flat_map(|part| {
        running.pods_of(&part.name(&desired.name)).map(PasswordAt::of_pod).collect::<Vec<_>>()
    })
}

/// Whether any pod was started with another password than the wanted one.
pub fn has_other_password(desired: &Desired, running: &Running) -> bool {
    let wanted = PasswordAt::of_custom_resource(desired.data());
    given(desired, running).any(|given| given != wanted)
}

/// Whether pods may still accept another password than the wanted one.
pub fn has_former_password(desired: &Desired, picture: &Picture) -> bool {
    picture.running.as_ref().is_some_and(|running| !former_passwords(desired, picture, running).is_empty())
}

/// Every password that pods may still accept: the passwords that the pods were started with, the password of
/// the state, and the passwords in Secrets of ours that still exist.
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

/// The passwords that must work while pods are rolled, the wanted one first. Sentinels log in with the password that they
/// were started with, also when no pod of Redis was.
pub fn valid_passwords(desired: &Desired, running: &Running) -> Vec<PasswordAt> {
    let wanted = PasswordAt::of_custom_resource(desired.data());
    let given = given(desired, running).flatten();
    let watchers = desired.topology.parts().iter().filter(|part| !part.has_data());
    let of_watchers = watchers.flat_map(|part| {
        running.pods_of(&part.name(&desired.name)).filter_map(PasswordAt::of_master).collect::<Vec<_>>()
    });
    let mut others: Vec<PasswordAt> =
        given.chain(of_watchers).chain(desired.former_password.clone()).collect();
    others.retain(|one| Some(one) != wanted.as_ref());
    others.sort();
    others.dedup();
    wanted.into_iter().chain(others).collect()
}
