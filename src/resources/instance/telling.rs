//! What core learns of a run, while it continues and when it has ended.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::InstanceResource;
use super::model::{Instance, ManagedObject};
use super::objects::{external_host, external_service_name};
use super::run::{Observer, Outcome};
use super::state::{kept, not_ready, objects, status};
use crate::kubernetes::Cluster;
use crate::redis::desired::Desired;
use crate::redis::repair::Subject;
use crate::resources::blocks::OnFailure;
use crate::terraform::record::Record;
use crate::terraform::resource::Problems;
use crate::terraform::{Diagnostic, Severity};

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Create the instance.
    Create,
    /// Change it.
    Update,
    /// Only repair what the refresh found: no argument differs, and the whole plan is known.
    Mend,
}

/// What core learns of a run that continues.
pub struct Telling<'a> {
    record: &'a Record<InstanceResource>,
    /// The instance, once some of it has been written.
    written: Instance,
}

impl<'a> Telling<'a> {
    /// Tells that record. `known`: the objects of the state before.
    pub fn new(
        record: &'a Record<InstanceResource>,
        instance: &Instance,
        desired: &Desired,
        known: &[ManagedObject],
    ) -> Telling<'a> {
        let written = Instance {
            status: not_ready("Progressing", "waiting until Redis serves"),
            repairs: rollout("the last apply was cut off".to_owned()),
            objects: with_known(objects(desired), known),
            ..instance.clone()
        };
        Telling { record, written }
    }
}

impl Observer for Telling<'_> {
    fn warn(&self, warning: Diagnostic) {
        self.record.warn(warning);
    }

    fn wrote(&self) {
        self.record.save(&self.written, &self.written.identity());
    }
}

/// Until an apply has ended well, the state also knows the objects that the apply has yet to delete.
fn with_known(mut objects: Vec<ManagedObject>, known: &[ManagedObject]) -> Vec<ManagedObject> {
    for one in known {
        if !objects.contains(one) {
            objects.push(one.clone());
        }
    }
    objects
}

fn rollout(line: String) -> BTreeMap<String, String> {
    BTreeMap::from([(Subject::Rollout.to_string(), line)])
}

/// What core and the user learn of a run that has ended.
pub async fn conclude(
    cluster: &Cluster,
    operation: Operation,
    mut instance: Instance,
    outcome: Outcome,
    record: &Record<InstanceResource>,
    deadline: Instant,
    known: &[ManagedObject],
) -> Result<(), Problems> {
    let Outcome { picture, desired, wrote, served, problem } = outcome;
    // Core insists on what was planned. An object stays only where the plan left that open.
    let is_planned = !instance.objects.is_empty();
    instance.objects = objects(&desired);
    let Some(problem) = problem else {
        if !is_planned {
            instance.objects.extend(kept(&desired, &picture));
        }
        instance.status = match &picture.running {
            Some(_) => status(desired.topology, &desired.name, &picture),
            None => not_ready("Progressing", "the apply did not wait (wait.enabled = false)"),
        };
        instance.external_host = host_from_outside(cluster, &instance, &desired, deadline).await;
        instance.repairs = BTreeMap::new();
        record.save(&instance, &instance.identity());
        return Ok(());
    };
    // An error of a create taints the instance, and the next apply destroys a tainted instance. So once Redis
    // has served, the error becomes a warning. The same applies if the user asked for warnings, unless this
    // run only repairs: then the plan promises exactly that nothing is left to repair.
    let wanted = instance.wait.on_failure == OnFailure::Warn && problem.is_a_wait;
    let is_only_a_warning = match operation {
        Operation::Create => wrote && (served || wanted),
        Operation::Update => wrote && wanted,
        Operation::Mend => false,
    };
    if wrote {
        // After a success, core insists on the objects that were planned.
        if !is_only_a_warning {
            instance.objects = with_known(instance.objects, known);
        }
        instance.status = not_ready("Failed", &problem.why);
        instance.repairs = rollout(format!("unfinished: {}", problem.why));
        record.save(&instance, &instance.identity());
    }
    if is_only_a_warning {
        record.warn(Diagnostic { severity: Severity::Warning, ..problem.diagnostic });
        return Ok(());
    }
    Err(vec![problem.diagnostic])
}

/// A load balancer gets its address long after Redis serves, so no run waits for it.
async fn host_from_outside(
    cluster: &Cluster,
    instance: &Instance,
    desired: &Desired,
    deadline: Instant,
) -> Option<String> {
    let service = instance.addresses().service(&external_service_name(desired)?);
    external_host(&cluster.get(&service, deadline).await.ok()?.found()?)
}
