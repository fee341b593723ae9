//! CPU and memory of an import: if only one of request and limit is given, our usual value of the other may not go with it.

use serde_json::Value as Json;

use super::super::model::Instance;
use crate::redis::object::{at, text};
use crate::redis::opstree::{Kind, of_kind};
use crate::redis::quantity::Quantity;
use crate::resources::blocks::Amounts;

/// Fits the usual amounts to those that are given.
pub(super) fn fit(instance: &mut Instance, custom_resources: &[Json]) {
    let of_kind = |kind| of_kind(custom_resources, kind).unwrap_or(&Json::Null);
    let data = of_kind(instance.topology().data());
    let of_all = at(data, &["spec", "kubernetesConfig", "resources"]);
    let of_section = |section| {
        let own = at(data, &["spec", section, "resources"]);
        if own.is_null() { of_all } else { own }
    };
    instance.master.resources =
        fitting(instance.master.resources.amounts(), of_section("redisLeader")).into();
    instance.replica.resources =
        fitting(instance.replica.resources.amounts(), of_section("redisFollower")).into();
    if let Some(sentinel) = &mut instance.sentinel {
        let given = at(of_kind(Kind::RedisSentinel), &["spec", "kubernetesConfig", "resources"]);
        sentinel.resources = fitting(sentinel.resources.amounts(), given).into();
    }
}

fn fitting(amounts: Amounts, given: &Json) -> Amounts {
    let fit = |part: &str, request: Quantity, limit: Quantity| {
        if request <= limit {
            (request, limit)
        } else if text(given, &["requests", part]).is_some() {
            (request.clone(), request)
        } else {
            (limit.clone(), limit)
        }
    };
    let Amounts { requested_cpu, requested_memory, cpu, memory } = amounts;
    let (requested_cpu, cpu) = fit("cpu", requested_cpu, cpu);
    let (requested_memory, memory) = fit("memory", requested_memory, memory);
    Amounts { requested_cpu, requested_memory, cpu, memory }
}
