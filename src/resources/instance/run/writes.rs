//! The deeds of the loop, each one request or two.

use serde_json::Value as Json;
use tokio::time::Instant;

use super::super::addresses::Addresses;
use super::super::gather::vantage;
use super::super::remains::kept_claims;
use super::{Failure, Run};
use crate::kubernetes::{self, Cause as RequestCause, ObjectRef, Propagation};
use crate::redis::desired::Form;
use crate::redis::memory::Denial;
use crate::redis::names::annotation;
use crate::redis::object::{removal, text, without_nulls};
use crate::redis::objects::Role;
use crate::redis::opstree::{self, Kind};
use crate::redis::reach::endpoints;
use crate::redis::step::Step;
use crate::resources::ask::TalkError;
use crate::resources::ask::endpoints::{Reached, reach};
use crate::resources::kinds::NAMESPACE;
use crate::resources::write;
use crate::terraform::Diagnostic;

impl Run<'_> {
    pub(super) async fn carry_out(&mut self, step: &Step) -> Result<(), Failure> {
        match step {
            Step::CreateNamespace => self.create_namespace().await?,
            Step::CreateObject(key) => self.create_object(key).await?,
            Step::ApplyObject(key) => self.apply_object(key).await?,
            Step::LabelObject(key) => self.label_object(key).await?,
            Step::DisownObject(key) => self.disown_object(key).await?,
            Step::DeleteObject(key) => self.delete_object(key).await?,
            Step::ApplyCustomResource { kind, uid, form, .. } => {
                self.apply_custom_resource(*kind, uid.as_deref(), form).await?;
                self.wrote = true;
                self.observer.wrote();
            }
            Step::Watch => self.begin_to_watch().await?,
            Step::ReadStatefulSets => self.read_stateful_sets().await?,
            Step::FindClaims => {
                let kept = kept_claims(self.cluster, &self.addresses, self.deadline).await?;
                self.picture.answers.kept_claims = Some(kept);
            }
            Step::Save => self.save().await?,
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
                    // A new object has this name already, and the watch has not shown it yet.
                    Ok(_) | Err(kubernetes::Error { cause: RequestCause::Replaced, .. }) => {
                        self.forget_pod(uid)
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            Step::Finish { uid } => self.finish(uid.as_deref()).await?,
        }
        Ok(())
    }

    async fn read_stateful_sets(&mut self) -> Result<(), kubernetes::Error> {
        let mut found = Vec::new();
        for stateful_set in self.addresses.stateful_sets() {
            found.extend(self.cluster.get(&stateful_set, self.deadline).await?.found());
        }
        self.picture.stateful_sets = Some(found);
        Ok(())
    }

    async fn create_namespace(&mut self) -> Result<(), kubernetes::Error> {
        let namespace = ObjectRef::cluster_wide(&NAMESPACE, &self.desired.namespace);
        match write::create_surely(self.cluster, &namespace, &serde_json::json!({}), self.deadline).await {
            Ok(_) | Err(kubernetes::Error { cause: RequestCause::AlreadyExists, .. }) => {
                self.memory.obstacle = None;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn apply_custom_resource(
        &mut self,
        kind: Kind,
        uid: Option<&str>,
        form: &Form,
    ) -> Result<(), kubernetes::Error> {
        let desired = self.desired.written(kind, form);
        let found = self.picture.custom_resource(kind);
        let desired = found.map_or_else(|| desired.clone(), |found| opstree::over(&desired, found));
        let is_foreign = found.is_some_and(opstree::is_foreign);
        let mut body = without_nulls(&desired);
        let unfinished = self.settings.unfinished.filter(|_| kind == self.desired.topology.data());
        if let Some(unfinished) = unfinished {
            body["metadata"]["annotations"][annotation::UNFINISHED] = Json::from(unfinished);
        }
        let address = self.addresses.custom_resource(kind);
        self.outdate(kind);
        let force = self.settings.force || is_foreign;
        let (cluster, deadline) = (self.cluster, self.deadline);
        let apply = || write::apply(cluster, &address, &body, uid, force, deadline);
        let mut written = match apply().await {
            Err(error @ kubernetes::Error { cause: RequestCause::Invalid { .. }, .. }) => {
                // If all fields of an object are ours and are removed, server-side apply leaves a null in its
                // place, which the definition of the kind may not allow. So the object is removed as a whole,
                // by its name.
                let found = self.picture.custom_resource(kind).cloned();
                let removal = found.and_then(|found| removal(&opstree::differences(&desired, &found)));
                let Some(removal) = removal else { return Err(error) };
                self.cluster.merge_patch(&address, &removal, uid, self.deadline).await?;
                apply().await?
            }
            written => written?,
        };
        if is_foreign {
            written = write::take_over(self.cluster, &address, &written, self.deadline).await?;
        }
        // Server-side apply does not touch what others have added, so it is removed by name.
        if let Some(removal) = removal(&opstree::differences(&desired, &written)) {
            let uid = text(&written, &["metadata", "uid"]).map(str::to_owned);
            written = self.cluster.merge_patch(&address, &removal, uid.as_deref(), self.deadline).await?;
        }
        self.picture.set_custom_resource(kind, Some(written));
        Ok(())
    }

    /// The watch still shows what was there before the write that follows.
    pub(super) fn outdate(&mut self, kind: Kind) {
        let address = self.addresses.custom_resource(kind);
        let shown = self.watched.as_ref().and_then(|watched| watched.get(&address));
        let known = [shown, self.picture.custom_resource(kind)];
        let versions = known.into_iter().flatten().filter_map(version).map(str::to_owned);
        self.outdated.entry(kind).or_default().extend(versions);
    }

    /// Any write of a custom resource makes the operator look. This annotation, which the operator is told to
    /// ignore, changes nothing else.
    async fn nudge(&mut self, news: &str) -> Result<(), kubernetes::Error> {
        let kind = self.desired.topology.data();
        let told = serde_json::json!({ "metadata": { "annotations": { annotation::NEWS: news } } });
        let uid = self.picture.custom_resource(kind).and_then(|data| text(data, &["metadata", "uid"]));
        let uid = uid.map(str::to_owned);
        self.outdate(kind);
        let address = self.addresses.custom_resource(kind);
        let written = self.cluster.merge_patch(&address, &told, uid.as_deref(), self.deadline).await?;
        self.picture.set_custom_resource(kind, Some(written));
        Ok(())
    }

    /// Asks the endpoints. If they cannot be asked, the report of the cluster must do.
    async fn reach(&mut self) -> Result<(), Failure> {
        let Some(running) = &self.picture.running else { return Ok(()) };
        let Some(from) = vantage(&self.addresses, running) else {
            self.picture.answers.reached = Some(Err("no pod is Ready to ask the endpoints from".to_owned()));
            return Ok(());
        };
        let Addresses { topology, name, namespace, .. } = &self.addresses;
        let group = self.group();
        let external = self.desired.of_role(Role::ExternalAccess).map(|wanted| wanted.key.name.as_str());
        let domain = &self.settings.domain;
        let all = endpoints(*topology, name, namespace, &group, domain, external, running);
        let reached = tokio::select! {
            reached = reach(self.cluster, &from, &all, self.deadline) => reached,
            () = self.call.cancelled.cancelled() => return Ok(()),
        };
        let is_cut_off = Instant::now() >= self.deadline && !matches!(reached, Reached::Yes { .. });
        if let Some(late) = is_cut_off.then(|| self.late()).flatten() {
            return Err(late);
        }
        match reached {
            Reached::Yes { refuses_writes } => {
                let why = refuses_writes.filter(|_| !self.has_told_of_refused_writes);
                if let Some(why) = why {
                    self.has_told_of_refused_writes = true;
                    self.observer.warn(refuses_writes_now(&self.addresses.to_string(), &why));
                }
                self.picture.answers.reached = Some(Ok(()));
            }
            Reached::NotYet(why) => self.picture.answers.reached = Some(Err(why)),
            Reached::Unknown(error) if error.may_pass() => {
                self.picture.answers.reached = Some(Err(error.to_string()));
            }
            Reached::Unknown(error) => {
                self.observer.warn(not_asked(&self.addresses.to_string(), &error));
                self.memory.denied.add(Denial::Endpoints);
            }
        }
        Ok(())
    }

    /// A merge patch: server-side apply would keep a mark that another manager owns, such as a backup tool
    /// that has restored it, or somebody who has applied a saved manifest.
    async fn finish(&mut self, uid: Option<&str>) -> Result<(), kubernetes::Error> {
        let marks = serde_json::json!({ annotation::UNFINISHED: null, annotation::NEWS: null });
        let unmarked = serde_json::json!({ "metadata": { "annotations": marks } });
        let kind = self.desired.topology.data();
        let address = self.addresses.custom_resource(kind);
        let unmarked = self.cluster.merge_patch(&address, &unmarked, uid, self.deadline).await?;
        self.picture.set_custom_resource(kind, Some(unmarked));
        Ok(())
    }
}

fn refuses_writes_now(id: &str, why: &str) -> Diagnostic {
    Diagnostic::warning(
        format!("Redis {id} refuses writes"),
        format!(
            "{}.\n\nThe apply is complete, and the Service reaches the master, but the master takes no writes. OOM: Redis is \
             full; raise master.resources.limits.memory, or set maxmemory-policy in additional_config. NOREPLICAS: \
             fewer replicas are in step than min-replicas-to-write. MISCONF: Redis could not write to its disk; \
             see its log.",
            why.trim_end_matches('.')
        ),
    )
}

fn not_asked(id: &str, error: &TalkError) -> Diagnostic {
    Diagnostic::warning(
        format!("The endpoints of {id} were not tested"),
        format!(
            "Cause: {error}.\n\nThe cluster reports {id} as ready, but the provider could not check whether \
             each Service already reaches the right pod. The first connections may fail for some seconds. \
             The check runs a command in one of the pods and needs the rights create and get on pods/exec."
        ),
    )
}

/// The version of an object, which changes with every write.
pub(super) fn version(object: &Json) -> Option<&str> {
    text(object, &["metadata", "resourceVersion"])
}
