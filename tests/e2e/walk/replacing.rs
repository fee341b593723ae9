//! What core makes of `create_before_destroy`, `-replace` and `taint`: the same calls in another order, with less told.
use serde_json::json;

use super::shape::merged;
use super::steps::{Instance, Outcome, no};
use super::world::{World, differences};

pub fn replacing(instance: &mut Instance) -> Outcome {
    let base = instance.base();
    instance.step(&base)?;
    same_name(instance)?;
    other_name(instance)?;
    instance.renew()?;
    protected(instance)
}

/// `create_before_destroy` without another name: refused before anything is written, and the old one is unharmed.
fn same_name(instance: &mut Instance) -> Outcome {
    let before = instance.world();
    let old = instance.set_aside();
    let made = instance.step(&instance.base());
    instance.take_back(old);
    match made {
        Err(why) if why.contains("already exists") => {}
        other => return Err(format!("expected that the name is taken, got {other:?}")),
    }
    no("the old one was touched", differences(&before, &instance.world()))
}

/// The new one is made, then the old one goes, and takes nothing of the new one with it.
fn other_name(instance: &mut Instance) -> Outcome {
    let old = instance.set_aside();
    let other = merged(&instance.base(), &json!({ "name": "other" }));
    instance.step(&other)?;
    instance.wait_for_the_operator();
    let of_other =
        |world: World| -> World { world.into_iter().filter(|(name, _)| name.contains(" other")).collect() };
    let before = of_other(instance.world());
    let new = instance.set_aside();
    instance.take_back(old);
    instance.destroy()?;
    instance.take_back(new);
    no("the old one took something with it", differences(&before, &of_other(instance.world())))?;
    if instance.world().keys().any(|name| name.contains(" cache")) {
        return Err("the old one is still there".to_owned());
    }
    // The plan is empty: nothing of the new one was taken.
    match instance.step(&other)? {
        true => Err("the new one was changed".to_owned()),
        false => Ok(()),
    }
}

/// Neither `-replace`, of which the provider is told by the second plan alone, nor a taint, of which it is told nothing,
/// gets past `deletion_protection`.
fn protected(instance: &mut Instance) -> Outcome {
    let protected = merged(&instance.base(), &json!({ "deletion_protection": true }));
    instance.step(&protected)?;
    let before = instance.world();
    let refusals = [
        ("-replace", instance.plan_of_replace(&protected)),
        ("destroy", instance.destroy().err().unwrap_or_default()),
        ("taint", instance.delete_unplanned()),
    ];
    for (what, refusal) in refusals {
        if !refusal.contains("protected") {
            return Err(format!("{what} is not refused: {refusal}"));
        }
    }
    no("it was touched", differences(&before, &instance.world()))?;
    instance.step(&instance.base()).map(drop)
}
