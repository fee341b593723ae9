//! What core is told of a run, while it goes on and when it has ended.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::InstanceResource;
use super::model::Instance;
use super::objects::{external_host, external_service_name};
use super::run::{Observer, Outcome};
use super::state::{not_ready, objects, status};
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
    /// Make the instance.
    Create,
    /// Change it.
    Update,
    /// Only mend what the refresh found: no argument differs, and what is planned is known.
    Mend,
}

/// What core hears of a run that goes on.
pub struct Telling<'a> {
    record: &'a Record<InstanceResource>,
    /// The instance from when something of it has been written.
    written: Instance,
}

impl<'a> Telling<'a> {
    /// Tells that record.
    pub fn new(record: &'a Record<InstanceResource>, instance: &Instance, desired: &Desired) -> Telling<'a> {
        let written = Instance {
            status: not_ready("Progressing", "waiting until Redis serves"),
            repairs: rollout("the last apply was cut off".to_owned()),
            objects: objects(desired),
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

fn rollout(line: String) -> BTreeMap<String, String> {
    BTreeMap::from([(Subject::Rollout.to_string(), line)])
}

/// What core and the user are told of a run that has ended.
pub async fn conclude(
    cluster: &Cluster,
    operation: Operation,
    mut instance: Instance,
    outcome: Outcome,
    record: &Record<InstanceResource>,
    deadline: Instant,
) -> Result<(), Problems> {
    let Outcome { picture, desired, wrote, served, problem } = outcome;
    instance.objects = objects(&desired);
    let Some(problem) = problem else {
        instance.status = match &picture.running {
            Some(_) => status(desired.topology, &desired.name, &picture),
            None => not_ready("Progressing", "it was not waited for (wait.enabled = false)"),
        };
        instance.external_host = host_from_outside(cluster, &instance, &desired, deadline).await;
        instance.repairs = BTreeMap::new();
        record.save(&instance, &instance.identity());
        return Ok(());
    };
    if wrote {
        instance.status = not_ready("Failed", &problem.why);
        instance.repairs = rollout(format!("unfinished: {}", problem.why));
        record.save(&instance, &instance.identity());
    }
    // An error of a create taints, and a tainted object is destroyed by the next apply: so once Redis has served, it is a
    // warning. Also if the user asked for warnings, but not when this run only mends: then all that is planned is that
    // nothing is left to mend.
    let wanted = instance.wait.on_failure == OnFailure::Warn && problem.is_a_wait;
    let is_only_a_warning = match operation {
        Operation::Create => wrote && (served || wanted),
        Operation::Update => wrote && wanted,
        Operation::Mend => false,
    };
    if is_only_a_warning {
        record.warn(Diagnostic { severity: Severity::Warning, ..problem.diagnostic });
        return Ok(());
    }
    Err(vec![problem.diagnostic])
}

/// A load balancer gets its address long after Redis serves; it is not waited for.
async fn host_from_outside(
    cluster: &Cluster,
    instance: &Instance,
    desired: &Desired,
    deadline: Instant,
) -> Option<String> {
    let service = instance.addresses().service(&external_service_name(desired)?);
    external_host(&cluster.get(&service, deadline).await.ok()?.found()?)
}
