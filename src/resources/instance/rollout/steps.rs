//! The writes of the loop, each one request or two, and what is looked at before the first.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::Instant;

use super::super::cluster::NAMESPACE;
use super::super::reach::{Reached, reach};
use super::super::session::TalkError;
use super::super::state::not_ready;
use super::secret::{is_owned, labelling};
use super::{Failure, Operation, Rollout};
use crate::kubernetes::{self, Apply, Cause as Refusal, ObjectRef, Propagation};
use crate::redis::names::annotation;
use crate::redis::next::{Companion, CompanionKind, Form, Step};
use crate::redis::object::{self, removal, text, without_nulls};
use crate::redis::opstree::{self, Kind};
use crate::terraform::Diagnostic;

/// Command-line tools by which people edit by hand. A refresh has shown their changes and the plan was to undo
/// them, so they are no conflict; a controller's field is one.
const TOOLS: [&str; 10] = [
    "kubectl",
    "kubectl-edit",
    "kubectl-patch",
    "kubectl-replace",
    "kubectl-set",
    "kubectl-label",
    "kubectl-annotate",
    "kubectl-scale",
    "kubectl-create",
    "kubectl-client-side-apply",
];

/// How long taking back may last: the operation's own time may be over.
const TAKING_BACK: Duration = Duration::from_secs(5);

/// How often a create is sent whose answer was lost.
const TRIES: u32 = 4;
/// Pause between two of them.
const BETWEEN_TRIES: Duration = Duration::from_millis(250);

impl Rollout<'_> {
    /// On create there is nothing to look at yet: what a cut-off run left is found by its name.
    pub(super) async fn look_at_companions(&mut self) -> Result<(), kubernetes::Error> {
        if self.operation == Operation::Create && self.observed.custom_resources.is_empty() {
            return Ok(());
        }
        self.observed.companions = self.addresses.companions(self.cluster, self.deadline).await?;
        for wanted in &self.desired.companions {
            let address = self.addresses.companion(wanted.kind, wanted.name());
            let found = self.cluster.get(&address, self.deadline).await?.found();
            if let Some(object) = found.filter(|found| !is_owned(found)) {
                self.observed.set_written(wanted.kind, object);
            }
        }
        if let Some(name) = &self.desired.secret {
            let secret = self.addresses.secret(name);
            let found = self.cluster.get_metadata(&secret, self.deadline).await?.found();
            let found = found.filter(|found| !is_owned(found));
            self.observed.secret_exists = found.is_some();
            self.observed.secret_is_mislabelled =
                found.is_some_and(|found| labelling(&self.labels_of_secret(name), &found).is_some());
        }
        Ok(())
    }

    pub(super) async fn carry_out(&mut self, step: &Step) -> Result<(), Failure> {
        match step {
            Step::CreateNamespace => self.create_namespace().await?,
            Step::CreateSecret(name) => self.create_secret(name).await?,
            Step::LabelSecret(name) => self.label_secret(name).await?,
            Step::ApplyCompanion(kind) => self.apply_companion(*kind).await?,
            Step::ApplyCustomResource { kind, uid, form, .. } => {
                self.apply_custom_resource(*kind, uid.as_deref(), form).await?;
                self.wrote = true;
                self.instance.status = not_ready("Progressing", "waiting until Redis serves");
                self.instance.repairs =
                    BTreeMap::from([("rollout".to_owned(), "the last apply was cut off".to_owned())]);
                self.save();
            }
            Step::Watch => self.begin_to_watch().await?,
            Step::Talk => self.talk().await?,
            Step::Roll(todo) => {
                self.make(todo).await?;
                self.breathe().await?;
            }
            Step::LabelPods(kind) => self.label_pods(*kind).await?,
            Step::Unpause(kind) => self.unpause(*kind).await?,
            Step::Nudge(news) => self.nudge(news).await?,
            Step::KeepOff => self.keep_off_cluster().await?,
            Step::AskNodes => self.ask_nodes().await?,
            Step::MendNodes(mending) => self.mend_nodes(mending).await?,
            Step::Reach => self.reach().await?,
            Step::DeletePod { name, uid } => {
                let pod = self.addresses.pod(name);
                match self.cluster.delete(&pod, Some(uid), Propagation::Background, self.deadline).await {
                    // Another has its name already, and the watch has not shown it yet.
                    Ok(_) | Err(kubernetes::Error { cause: Refusal::Replaced, .. }) => self.forget_pod(uid),
                    Err(error) => return Err(error.into()),
                }
            }
            Step::Finish { uid } => self.finish(uid.as_deref()).await?,
            Step::DeleteCompanion(companion) => {
                let address = self.addresses.companion(companion.kind, &companion.name);
                self.cluster.delete(&address, None, Propagation::Background, self.deadline).await?;
                self.observed.companions.retain(|one| one != companion);
            }
            // Of delete.
            Step::HandOver { .. } | Step::DeleteClaim { .. } | Step::DeleteCustomResource { .. } => {}
        }
        Ok(())
    }

    async fn create_namespace(&mut self) -> Result<(), kubernetes::Error> {
        let namespace = ObjectRef::cluster_wide(&NAMESPACE, &self.desired.namespace);
        match self.create_surely(&namespace, &serde_json::json!({})).await {
            Ok(_) | Err(kubernetes::Error { cause: Refusal::AlreadyExists, .. }) => {
                self.observed.obstacle = None;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// A create whose answer was lost may have been carried out or not; to ask again tells, and is harmless.
    pub(super) async fn create_surely(
        &mut self,
        address: &ObjectRef,
        body: &Json,
    ) -> Result<Json, kubernetes::Error> {
        let mut tries = 1;
        loop {
            match self.cluster.create(address, body, self.deadline).await {
                Err(error) if error.cause.may_pass() && tries < TRIES && Instant::now() < self.deadline => {
                    tracing::debug!(%error, tries, "trying again");
                    tries += 1;
                    tokio::time::sleep(BETWEEN_TRIES).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn apply_companion(&mut self, kind: CompanionKind) -> Result<(), kubernetes::Error> {
        let Some(wanted) = self.desired.companion(kind).cloned() else { return Ok(()) };
        let address = self.addresses.companion(kind, object::name(&wanted));
        let written = self.apply(&address, &wanted, None, false).await?;
        if is_owned(&written) {
            self.disown(&address).await?;
        }
        // What was there before is not ours to take back.
        let there = |one: &Companion| one.kind == kind && one.name == object::name(&wanted);
        if !self.observed.companions.iter().any(there) {
            self.made.push(address);
        }
        self.observed.set_written(kind, written);
        Ok(())
    }

    async fn apply_custom_resource(
        &mut self,
        kind: Kind,
        uid: Option<&str>,
        form: &Form,
    ) -> Result<(), kubernetes::Error> {
        let desired = self.desired.written(kind, form);
        let found = self.observed.custom_resource(kind);
        let desired = found.map_or_else(|| desired.clone(), |found| opstree::over(&desired, found));
        let is_foreign = found.is_some_and(opstree::is_foreign);
        let mut body = without_nulls(&desired);
        let unfinished = match self.operation {
            Operation::Create => Some("creating"),
            Operation::Update | Operation::Mend => self.desired.wait.then_some("updating"),
        };
        if let Some(unfinished) = unfinished.filter(|_| kind == self.desired.topology.data()) {
            body["metadata"]["annotations"][annotation::UNFINISHED] = Json::from(unfinished);
        }
        let address = self.addresses.custom_resource(kind);
        self.outdate(kind);
        let mut written = match self.apply(&address, &body, uid, is_foreign).await {
            Err(error @ kubernetes::Error { cause: Refusal::Invalid { .. }, .. }) => {
                // Where all fields of an object are ours and go, server-side apply leaves a null in its place, which the
                // definition of the kind may not allow. By name it goes as a whole.
                let found = self.observed.custom_resource(kind).cloned();
                let removal = found.and_then(|found| removal(&opstree::differences(&desired, &found)));
                let Some(removal) = removal else { return Err(error) };
                self.cluster.merge_patch(&address, &removal, uid, self.deadline).await?;
                self.apply(&address, &body, uid, is_foreign).await?
            }
            written => written?,
        };
        if is_foreign {
            written = self.take_over(&address, &written).await?;
        }
        // Server-side apply leaves alone what others have added; it is taken away by name.
        if let Some(removal) = removal(&opstree::differences(&desired, &written)) {
            let uid = text(&written, &["metadata", "uid"]).map(str::to_owned);
            written = self.cluster.merge_patch(&address, &removal, uid.as_deref(), self.deadline).await?;
        }
        self.observed.set_custom_resource(kind, Some(written));
        Ok(())
    }

    /// Who imports or adopts an object wants it to be managed from here, and the tool that made it keeps nothing: what it
    /// owned beside us would be a conflict with every later change. What others own of the status stays theirs.
    async fn take_over(&mut self, address: &ObjectRef, written: &Json) -> Result<Json, kubernetes::Error> {
        let all = object::list(written, &["metadata", "managedFields"]).iter();
        let stays = |entry: &&Json| {
            text(entry, &["manager"]) == Some(kubernetes::FIELD_MANAGER)
                || text(entry, &["subresource"]).is_some()
        };
        let ours: Vec<&Json> = all.filter(stays).collect();
        let uid = text(written, &["metadata", "uid"]);
        let patch = serde_json::json!({ "metadata": { "managedFields": ours } });
        self.cluster.merge_patch(address, &patch, uid, self.deadline).await
    }

    /// What the watch shows now is older than what is about to be written.
    pub(super) fn outdate(&mut self, kind: Kind) {
        let address = self.addresses.custom_resource(kind);
        let shown = self.watched.as_ref().and_then(|watched| watched.get(&address));
        match shown.and_then(version) {
            Some(shown) => drop(self.outdated.insert(kind, shown.to_owned())),
            None => drop(self.outdated.remove(&kind)),
        }
    }

    /// Any write of a custom resource makes the operator look; this annotation, which it is told to ignore, changes
    /// nothing else.
    async fn nudge(&mut self, news: &str) -> Result<(), kubernetes::Error> {
        let kind = self.desired.topology.data();
        let told = serde_json::json!({ "metadata": { "annotations": { annotation::NEWS: news } } });
        let uid = self.observed.custom_resource(kind).and_then(|data| text(data, &["metadata", "uid"]));
        let uid = uid.map(str::to_owned);
        self.outdate(kind);
        let address = self.addresses.custom_resource(kind);
        let written = self.cluster.merge_patch(&address, &told, uid.as_deref(), self.deadline).await?;
        self.observed.set_custom_resource(kind, Some(written));
        Ok(())
    }

    /// Asks the endpoints. Where that cannot be done, the cluster's own word must do.
    async fn reach(&mut self) -> Result<(), kubernetes::Error> {
        let Some(running) = self.observed.running.clone() else { return Ok(()) };
        let group = self.instance.sentinel.as_ref().map(|sentinel| sentinel.master_name.clone());
        let group = group.unwrap_or_default();
        let (cluster, addresses, deadline) = (self.cluster, self.addresses.clone(), self.deadline);
        let external = self.desired.companion(CompanionKind::Service).map(object::name);
        let asked = reach(cluster, &addresses, &group, external, &running, deadline);
        let reached = tokio::select! {
            reached = asked => reached,
            () = self.call.cancelled.cancelled() => return Ok(()),
        };
        self.observed.reached = Some(match reached {
            Reached::Yes => Ok(()),
            Reached::NotYet(why) => Err(why),
            Reached::Unknown(error) if error.may_pass() => Err(error.to_string()),
            Reached::Unknown(error) => {
                self.record.warn(not_asked(&self.instance.id, &error));
                Ok(())
            }
        });
        Ok(())
    }

    /// A merge patch, since server-side apply would leave a mark that another manager owns: that of a backup tool
    /// which has restored it, or of somebody who has applied a saved manifest.
    async fn finish(&mut self, uid: Option<&str>) -> Result<(), kubernetes::Error> {
        let marks = serde_json::json!({ annotation::UNFINISHED: null, annotation::NEWS: null });
        let unmarked = serde_json::json!({ "metadata": { "annotations": marks } });
        let kind = self.desired.topology.data();
        let address = self.addresses.custom_resource(kind);
        let unmarked = self.cluster.merge_patch(&address, &unmarked, uid, self.deadline).await?;
        self.observed.set_custom_resource(kind, Some(unmarked));
        Ok(())
    }

    async fn apply(
        &mut self,
        address: &ObjectRef,
        body: &Json,
        uid: Option<&str>,
        force: bool,
    ) -> Result<Json, kubernetes::Error> {
        let apply = |force| Apply { force, uid, deadline: self.deadline };
        match self.cluster.apply(address, body, apply(self.force || force)).await {
            Err(kubernetes::Error { cause: Refusal::Conflict { fields }, .. })
                if fields.iter().all(|field| TOOLS.contains(&field.manager.as_str())) =>
            {
                self.cluster.apply(address, body, apply(true)).await
            }
            outcome => outcome,
        }
    }

    /// Takes back what was made for a custom resource that could not be written.
    pub(super) async fn take_back(&mut self) {
        let deadline = Instant::now() + TAKING_BACK;
        for address in std::mem::take(&mut self.made) {
            if let Err(error) = self.cluster.delete(&address, None, Propagation::Background, deadline).await {
                self.record.warn(Diagnostic::warning(
                    format!("{address} is left behind"),
                    format!("It could not be deleted: {error}. Delete it by hand, or apply again."),
                ));
            }
        }
    }
}

fn not_asked(id: &str, error: &TalkError) -> Diagnostic {
    Diagnostic::warning(
        format!("The endpoints of {id} were not tried"),
        format!(
            "All that the cluster reports is as it should be, but whether each Service already leads to the right pod was \
             not asked: {error}.\n\nThat is done by a command in one of the pods, for which these credentials need create \
             and get on pods/exec. Without it, apply may return some seconds before the first connection succeeds."
        ),
    )
}

/// What changes with every write of an object.
pub(super) fn version(object: &Json) -> Option<&str> {
    text(object, &["metadata", "resourceVersion"])
}
