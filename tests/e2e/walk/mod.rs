//! Every argument of the schema, in every shape: set, changed and unset again. After each step the next plan is empty,
//! and at the end the cluster is as it was.
//!
//! The provider is driven over gRPC as core drives it, against the real API server, where nothing runs: a step takes a
//! tenth of a second. `arguments` is the table, and the only place to add to. `REDIS_WALK=service,probe` walks only
//! arguments that have one of these words in their path.
mod arguments;
mod leaves;
mod replacing;
mod rules;
mod shape;
mod steps;
mod together;
mod world;

use std::collections::BTreeSet;

use serde_json::json;
use terraform_provider_redis::terraform::attribute::Change;

use self::arguments::{Effect, Row, nested, rows};
use self::leaves::{Leaf, leaves, schema, server};
use self::shape::{Shape, merged};
use self::steps::{Instance, Outcome, no};
use self::world::differences;
use crate::case::Case;
use crate::cli::Cli;

#[test]
fn every_argument_has_a_row() {
    let server = server();
    let arguments: BTreeSet<String> =
        leaves(&schema(&server).attributes).into_iter().map(|leaf| leaf.path).collect();
    let table: BTreeSet<String> = rows().iter().map(|row| row.path.to_owned()).collect();
    assert_eq!(arguments, table, "write it into tests/e2e/walk/arguments.rs");
    assert_eq!(table.len(), rows().len(), "an argument has two rows");
}

with_cluster! {
    fn standalone() {
        walk(Shape::Standalone, "walk-standalone");
    }

    fn replication() {
        walk(Shape::Replication, "walk-replication");
    }

    fn sentinel() {
        walk(Shape::Sentinel, "walk-sentinel");
    }

    fn cluster() {
        walk(Shape::Cluster, "walk-cluster");
    }
}

/// All arguments, and all that is wrong with them at once.
fn walk(shape: Shape, name: &str) {
    let server = server();
    let schema = schema(&server);
    let leaves = leaves(&schema.attributes);
    let case = Case::new(Cli::Terraform, name);
    let mut instance = Instance::new(&case, shape, schema);
    assert!(instance.has_type_of(schema), "core is told of another schema");
    instance.renew().expect("the least configuration");
    let mut wrong = Vec::new();
    let only = std::env::var("REDIS_WALK").unwrap_or_default();
    for row in rows().iter().filter(|row| only.split(',').any(|word| row.path.contains(word))) {
        let leaf = leaves.iter().find(|leaf| leaf.path == row.path).expect("an argument");
        if let Err(why) = try_argument(&mut instance, row, leaf) {
            wrong.push(format!("{}: {why}", row.path));
            instance.renew().unwrap_or_else(|error| panic!("after {wrong:#?}: {error}"));
        }
    }
    if let Err(why) = replacing::replacing(&mut instance) {
        wrong.push(format!("replacing: {why}"));
    }
    instance.destroy().expect("destroyed");
    instance.end();
    assert!(wrong.is_empty(), "{shape:?}:\n{}", wrong.join("\n\n"));
}

/// What a change comes to by its class, where no row says otherwise.
fn effect_of(change: Change) -> Effect {
    match change {
        Change::Live | Change::Rolls => Effect::Written,
        Change::ProviderOnly => Effect::Kept,
        Change::Refused => Effect::Fixed,
        Change::Replaces => Effect::Replaces,
    }
}

fn try_argument(instance: &mut Instance, row: &Row, leaf: &Leaf) -> Outcome {
    let effect = row.effect(instance.shape).unwrap_or_else(|| effect_of(leaf.change));
    match effect {
        Effect::Written | Effect::Kept | Effect::Grows => set_change_unset(instance, row, leaf, effect),
        Effect::Fixed => fixed(instance, row),
        Effect::Replaces => replaces(instance, row),
        Effect::Invalid => {
            let second = merged(&instance.base(), row.values(instance.shape).1);
            refused(instance, row, &second)
        }
    }
}

fn set_change_unset(instance: &mut Instance, row: &Row, leaf: &Leaf, effect: Effect) -> Outcome {
    let base = instance.base();
    let unset = merged(&base, &row.with);
    let (first, second) = row.values(instance.shape);
    instance.step(&unset).map_err(said("before it is set"))?;
    let before = if unset == base { instance.base_world.clone() } else { instance.world() };
    let mut seen = Vec::new();
    for (value, what) in [(first, "set"), (second, "changed")] {
        let changed = instance.step(&merged(&unset, value)).map_err(said(what))?;
        if !changed {
            return Err(format!("{what}: the plan is empty"));
        }
        seen.push(instance.world());
    }
    if effect == Effect::Kept {
        for world in &seen {
            no("it is written into the cluster", differences(&before, world))?;
        }
    } else if seen[0] == seen[1] {
        return Err("the cluster does not have it".to_owned());
    }
    if effect == Effect::Grows {
        refused(instance, row, &unset).map_err(said("unset"))?;
        return instance.renew();
    }
    if let Some((above, _)) = leaf.path.rsplit_once('.')
        && !leaf.is_required
        && !above.ends_with("[]")
    {
        // `x = {}` means what no `x` does, or something of its own; either way it is no trouble.
        instance.step(&merged(&unset, &nested(above, json!({})))).map_err(said("in an empty object"))?;
    }
    instance.step(&unset).map_err(said("unset"))?;
    no("unset, it is not as before", differences(&before, &instance.world()))?;
    if unset == base {
        return Ok(());
    }
    instance.step(&base).map_err(said("without what is around it"))?;
    no("it is not as in the beginning", differences(&instance.base_world, &instance.world()))
}

/// Set from the creation on, it is there; and stays.
fn fixed(instance: &mut Instance, row: &Row) -> Outcome {
    let base = instance.base();
    let (first, second) = row.values(instance.shape);
    let without = instance.base_world.clone();
    refused(instance, row, &merged(&base, first))?;
    instance.destroy()?;
    instance.step(&merged(&base, first)).map_err(said("created with it"))?;
    if differences(&without, &instance.world()).iter().all(|one| !one.contains("/spec/")) {
        return Err("the cluster does not have it".to_owned());
    }
    refused(instance, row, &merged(&base, second)).map_err(said("changed"))?;
    refused(instance, row, &base).map_err(said("unset"))?;
    instance.renew()
}

fn replaces(instance: &Instance, row: &Row) -> Outcome {
    let (first, second) = row.values(instance.shape);
    for value in [first, second] {
        let paths = instance.replaced_by(&merged(&instance.base(), value))?;
        if !paths.iter().any(|path| path == row.path) {
            return Err(format!("expected a replacement, got one by {paths:?}"));
        }
    }
    Ok(())
}

/// The plan is refused at that argument, or at the object around it.
fn refused(instance: &Instance, row: &Row, config: &serde_json::Value) -> Outcome {
    let path = row.path.replace("[]", "");
    let at_it = |at: &String| path == *at || path.starts_with(&format!("{at}."));
    match instance.plan(config) {
        Err(refused) if refused.iter().any(|(at, _)| at_it(at)) => Ok(()),
        Err(refused) => Err(format!("expected an error at {path}, got {refused:#?}")),
        Ok(_) => Err(format!("expected an error at {path}, got a plan")),
    }
}

fn said(what: &str) -> impl Fn(String) -> String {
    let what = what.to_owned();
    move |why| format!("{what}: {why}")
}
