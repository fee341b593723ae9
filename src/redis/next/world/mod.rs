//! Worlds in which an apply is run against everybody who acts beside it: `set` is a replicated set, `cluster` a cluster. Here
//! is what both have in common: the loop that does what `next` says, as a whole and cut off after every deed, the clock, the
//! faults, and the chance that chooses among them.

mod chance;
mod clock;
mod cluster;
mod set;
mod story;

use serde_json::Value as Json;

use super::next;
use crate::redis::desired::Desired;
use crate::redis::fixture;
use crate::redis::memory::Memory;
use crate::redis::objects::{Key, Role};
use crate::redis::picture::Picture;
use crate::redis::step::{Move, Next, Step};
use crate::redis::waiting::Cause;

use self::clock::Fault;
use self::story::Story;

/// For how many ticks a run may wait in all, and how many deeds it may do.
const PATIENCE: usize = 600;

/// Everybody who acts on an instance, and what they act on.
trait World: Clone {
    fn desired(&self) -> &Desired;

    /// What an apply sees. Whoever answers, answers as of when he was asked.
    fn picture(&self) -> Picture;

    /// What a run remembers.
    fn memory(&self) -> Memory {
        Memory::default()
    }

    /// Does it, as `resources` would; what was asked before counts no more.
    fn carry_out(&mut self, step: &Step);

    /// A tick of the clock: everybody acts who is not held up. What was asked before counts no more.
    fn time_passes(&mut self);

    /// The provider is killed: what only the run knew is lost.
    fn cut_off(&mut self);

    /// Another apply acts from now on, beside the one that has acted so far.
    fn take_turns(&mut self);

    /// Something goes wrong, if it can at the moment; in words, if it does.
    fn suffer(&mut self, fault: Fault) -> Option<String>;

    /// What has happened since this was last asked.
    fn news(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Whether the run has ended with an error.
    fn has_failed(&self) -> bool {
        false
    }

    /// Whether the run goes without something that it needs to come to its end.
    fn may_wait_in_vain(&self) -> bool {
        false
    }

    /// Whether a run may ask a person which data to keep: what was acknowledged is still there, but chance has taken
    /// away whatever would tell where.
    fn may_be_in_doubt(&self) -> bool {
        false
    }

    /// Fails unless all is as it was asked for.
    fn is_as_wanted(&mut self);

    /// Runs until it is done, or has done that many things; a look is none.
    fn run(&mut self, deeds: usize) -> (bool, Vec<String>) {
        let mut story = Story::default();
        let (end, taken) = drive(self, deeds, &mut story, |_| None);
        story.ends_well();
        assert_ne!(end, End::InDoubt, "{taken:#?}");
        (end == End::Done, taken)
    }
}

/// How a run has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Done,
    CutOff,
    InDoubt,
}

/// Runs until it is done, or has done that many things; before each, chance may strike.
fn drive<W: World>(
    world: &mut W,
    deeds: usize,
    story: &mut Story,
    mut chance: impl FnMut(&mut W) -> Option<String>,
) -> (End, Vec<String>) {
    let mut taken = Vec::new();
    let mut waits = 0;
    while taken.len() < deeds {
        if let Some(fault) = chance(world) {
            story.tell(format!("FAULT: {fault}"));
        }
        match next(world.desired(), &world.picture(), &world.memory()) {
            Next::Done => {
                story.tell("done".to_owned());
                return (End::Done, taken);
            }
            Next::Do(step) => {
                story.tell(format!("WE: {}", shown(&step)));
                if !step.is_a_look() {
                    taken.push(shown(&step));
                }
                world.carry_out(&step);
                if world.has_failed() {
                    story.tell("we end with an error".to_owned());
                    return (End::CutOff, taken);
                }
            }
            Next::Wait(waiting) => {
                waits += 1;
                if waits == PATIENCE && waiting.cause == Cause::Ambiguous && world.may_be_in_doubt() {
                    story.tell("a person is asked".to_owned());
                    return (End::InDoubt, taken);
                }
                if waits == PATIENCE && world.may_wait_in_vain() {
                    story.tell("our time is over".to_owned());
                    return (End::CutOff, taken);
                }
                assert!(waits < PATIENCE, "waits for ever: {waiting:?} after {taken:#?}");
                story.tell(format!("we wait: {}", waiting.why));
                world.time_passes();
            }
            Next::Stuck(waiting) if world.may_wait_in_vain() => {
                story.tell(format!("we end with an error: {}", waiting.why));
                return (End::CutOff, taken);
            }
            Next::Stuck(waiting) => panic!("stuck: {waiting:?} after {taken:#?}"),
        }
        world.news().into_iter().for_each(|one| story.tell(one));
        assert!(taken.len() < PATIENCE / 2, "goes on for ever: {taken:#?}");
    }
    (End::CutOff, taken)
}

/// As a whole, and cut off after each deed and once more soon after: it ends well.
fn ends_well_wherever_it_is_cut_off(start: &impl World) -> Vec<String> {
    let mut whole = start.clone();
    let (is_done, steps) = whole.run(usize::MAX);
    assert!(is_done);
    whole.is_as_wanted();
    for first in 1..=steps.len() {
        let mut world = start.clone();
        for deeds in [first, first % 3] {
            world.run(deeds);
            world.cut_off();
            world.time_passes();
        }
        assert!(world.run(usize::MAX).0, "cut off after {first}");
        world.is_as_wanted();
    }
    steps.into_iter().filter(|step| step != "make the operator look again").collect()
}

/// A deed in few words.
fn shown(step: &Step) -> String {
    use crate::redis::step::Mending;
    match step {
        Step::Roll(Move::Delete { pod, .. }) => format!("delete {pod}"),
        Step::Roll(Move::Enlarge { to }) => format!("enlarge to {to}"),
        Step::Roll(Move::Follow { pod, .. }) => format!("{pod} follows"),
        Step::Roll(Move::Promote { pod }) => format!("promote {pod}"),
        Step::Roll(Move::Label { pod, role }) => format!("{pod} is {role}"),
        Step::Roll(Move::Admit { pod }) => format!("{pod} accepts both"),
        Step::Roll(Move::Expel { pod }) => format!("{pod} accepts one"),
        Step::Roll(Move::Watch { pod, .. }) => format!("{pod} watches"),
        Step::Roll(Move::HandOver { from, to }) => format!("{from} hands over to {to}"),
        Step::ApplyCustomResource { kind, form, .. } => {
            let size = form.size.map(|size| format!(" of {size}")).unwrap_or_default();
            let form = match (form.is_rolled_by_us, form.without.is_empty()) {
                (_, false) => " unlabelled",
                (true, _) => " guarded",
                _ => "",
            };
            format!("write {}{size}{form}", kind.kind())
        }
        Step::CreateObject(key) => format!("create {key}"),
        Step::DeleteObject(key) => format!("delete {key}"),
        Step::Unpause(kind) => format!("unpause {}", kind.kind()),
        Step::LabelPods(kind) => format!("label the pods of {}", kind.kind()),
        Step::MendNodes(Mending::Forget { ids }) => format!("forget {}", ids.join(", ")),
        Step::MendNodes(Mending::Follow { address, master }) => format!("{address} follows {master}"),
        Step::MendNodes(Mending::Meet { address, at }) => format!("{address} meets {at}"),
        Step::MendNodes(Mending::Drain { id, .. }) => format!("{id} gives its slots away"),
        Step::MendNodes(Mending::CloseSlots { .. }) => "close slots".to_owned(),
        Step::MendNodes(Mending::Reset { address }) => format!("{address} begins anew"),
        Step::MendNodes(Mending::TakeOver { address }) => format!("{address} takes over"),
        step => step.name().to_owned(),
    }
}

/// A Secret of ours.
fn key_of(secret: &str) -> Key {
    let (namespace, name) = ("redis".to_owned(), secret.to_owned());
    Key { role: Role::Password, kind: "Secret", namespace, name }
}

fn made(secret: &str) -> Json {
    let mut object = fixture::claimed("mine");
    object["metadata"]["name"] = Json::from(secret);
    object
}
