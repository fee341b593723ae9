//! All arguments at once, by the real CLIs: set at the creation, changed, and unset again.
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::arguments::{Effect, rows};
use super::effect_of;
use super::leaves::{leaves, schema, server};
use super::shape::{Shape, merged};
use super::world::{nothing_runs, written_by_the_operator};
use crate::case::Case;
use crate::cli::Cli;

for_each_cli! {
    fn standalone(cli: Cli) {
        all_at_once(cli, Shape::Standalone, "all-standalone");
    }

    fn replication(cli: Cli) {
        all_at_once(cli, Shape::Replication, "all-replication");
    }

    fn sentinel(cli: Cli) {
        all_at_once(cli, Shape::Sentinel, "all-sentinel");
    }

    fn cluster(cli: Cli) {
        all_at_once(cli, Shape::Cluster, "all-cluster");
    }
}

fn all_at_once(cli: Cli, shape: Shape, name: &str) {
    let case = Case::new(cli, name);
    nothing_runs(&case);
    for (step, config) in configurations(shape, &case.namespace).iter().enumerate() {
        let file = json!({
            "terraform": { "required_providers": { "redis": { "source": "redis-k8s/redis" } } },
            "resource": { "redis_k8s_instance": { "this": config } },
        });
        case.write("main.tf.json", &file.to_string());
        case.apply();
        if step == 0 {
            // Its first write leaves out what means nothing to it.
            case.wait_until("the operator has written", Duration::from_secs(60), || {
                written_by_the_operator(&case, shape).then_some(())
            });
        }
        case.plan_is_empty();
    }
    case.destroy();
    case.assert_nothing_left();
}

/// Everything with its first value, with its second, and unset; what cannot be changed or unset stays at its first.
fn configurations(shape: Shape, namespace: &str) -> [Json; 3] {
    let server = server();
    let leaves = leaves(&schema(&server).attributes);
    let mut unset = shape.base(namespace);
    let (mut first, mut second) = (json!({}), json!({}));
    for row in rows().iter().filter(|row| !row.alone) {
        let leaf = leaves.iter().find(|leaf| leaf.path == row.path).expect("an argument");
        let (one, two) = row.values(shape);
        match row.effect(shape).unwrap_or_else(|| effect_of(leaf.change)) {
            Effect::Written | Effect::Kept => {
                first = merged(&merged(&first, &row.with), one);
                second = merged(&merged(&second, &row.with), two);
            }
            Effect::Fixed | Effect::Grows => unset = merged(&unset, one),
            Effect::Replaces | Effect::Invalid => {}
        }
    }
    [merged(&unset, &first), merged(&unset, &second), unset]
}
