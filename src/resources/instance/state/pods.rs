//! Where pods run, how many must stay, and how they are replaced: read back from the custom resources.

use serde_json::Value as Json;

use crate::redis::object::{at, count, differences, list, text};
use crate::redis::opstree::Kind;
use crate::redis::topology::Part;
use crate::resources::blocks::{
    AntiAffinity, Disruption, Probe, RollingUpdate, Spread, Toleration, UpdateType,
};
use crate::resources::instance::build::{affinity, budget, probe, update_strategy};
use crate::resources::instance::model::Instance;
use crate::terraform::Value;
use crate::terraform::attribute::Scalar;

/// Where pods may run, and how many must stay. A value that we would not write is left to `repairs`.
pub(super) fn observe_placement(instance: &mut Instance, part: Part, section: &Json) {
    let found = at(section, &["affinity"]);
    let is_it = |one: &AntiAffinity| differences(&affinity(*one, instance, part), found).is_empty();
    let all = [instance.anti_affinity, AntiAffinity::Soft, AntiAffinity::Required, AntiAffinity::None];
    if let Some(anti_affinity) = all.into_iter().find(is_it) {
        instance.anti_affinity = anti_affinity;
    }
    if part.kind == Kind::Redis {
        return;
    }
    let rules: Vec<Spread> = list(section, &["topologySpreadConstraints"])
        .iter()
        .map(|rule| Spread {
            max_skew: count(rule, &["maxSkew"]),
            topology_key: text(rule, &["topologyKey"]).unwrap_or_default().to_owned(),
            when_unsatisfiable: text(rule, &["whenUnsatisfiable"]).unwrap_or_default().to_owned(),
        })
        .collect();
    instance.topology_spread_constraints = rules;
    let pdb = at(section, &["pdb"]);
    if !differences(&budget(&instance.pod_disruption_budget), pdb).is_empty() {
        let known = &instance.pod_disruption_budget;
        let known = (known.min_available, known.max_unavailable);
        let (enabled, min_available, max_unavailable) = observe_budget(known, pdb);
        instance.pod_disruption_budget = Disruption { enabled, min_available, max_unavailable };
    }
}

/// The limits of a budget. If there is none, the known limits stay, because they mean nothing then.
pub(super) fn observe_budget(
    known: (Option<i64>, Option<i64>),
    pdb: &Json,
) -> (bool, Option<i64>, Option<i64>) {
    if at(pdb, &["enabled"]) != &Json::Bool(true) {
        return (false, known.0, known.1);
    }
    // The upper limit wins.
    let max = at(pdb, &["maxUnavailable"]).as_i64();
    (true, at(pdb, &["minAvailable"]).as_i64().filter(|_| max.is_none()), max)
}

pub(super) fn observe_toleration(toleration: &Json) -> Toleration {
    // An empty text is none, to Kubernetes as well as to a configuration that core generates.
    let part = |field| text(toleration, &[field]).filter(|text| !text.is_empty()).map(str::to_owned);
    Toleration {
        key: part("key"),
        operator: part("operator"),
        value: part("value"),
        effect: part("effect"),
        toleration_seconds: at(toleration, &["tolerationSeconds"]).as_i64(),
    }
}

/// Probes of the pods, and how pods are replaced.
pub(super) fn observe_lives(instance: &mut Instance, spec: &Json, section: &Json) {
    instance.termination_grace_period_seconds = at(section, &["terminationGracePeriodSeconds"]).as_i64();
    instance.readiness_probe =
        observe_probe(instance.readiness_probe.take(), at(section, &["readinessProbe"]));
    instance.liveness_probe = observe_probe(instance.liveness_probe.take(), at(section, &["livenessProbe"]));
    let found = at(spec, &["kubernetesConfig", "updateStrategy"]);
    let strategy = &mut instance.update_strategy;
    // While we roll the pods, nobody else may replace them. If a rollout was cut off, `repairs` says so.
    let ours = strategy.guarded && text(found, &["type"]) == Some("OnDelete");
    if !ours && !differences(&update_strategy(strategy), found).is_empty() {
        let word = text(found, &["type"]).map(Value::from);
        strategy.r#type = word.and_then(|word| UpdateType::parse(&word).ok());
        let rolling = at(found, &["rollingUpdate"]);
        strategy.rolling_update = (!rolling.is_null()).then(|| RollingUpdate {
            max_unavailable: at(rolling, &["maxUnavailable"]).as_i64(),
            partition: at(rolling, &["partition"]).as_i64(),
        });
    }
}

/// Only the timings of a probe: the operator defines the probe itself.
fn observe_probe(known: Option<Probe>, found: &Json) -> Option<Probe> {
    if differences(&probe(known.as_ref()), found).is_empty() {
        return known;
    }
    let number = |field: &str| at(found, &[field]).as_i64();
    let probe = Probe {
        initial_delay_seconds: number("initialDelaySeconds"),
        period_seconds: number("periodSeconds"),
        timeout_seconds: number("timeoutSeconds"),
        failure_threshold: number("failureThreshold"),
    };
    (!found.is_null()).then_some(probe)
}
