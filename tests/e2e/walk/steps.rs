//! One instance, taken from configuration to configuration as core does it, and judged at every step.
use std::time::Duration;

use serde_json::{Value as Json, json};
use terraform_provider_redis::terraform::{Schema, Value};

use super::rules;
use super::shape::Shape;
use super::world::{World, delete_secrets, make_secrets, nothing_runs, world, written_by_the_operator};
use crate::case::Case;
use crate::cluster::{self, RUNTIME};
use crate::core::proto::tfplugin6 as wire;
use crate::core::{Core, Resource, State};

/// What went wrong, in words.
pub type Outcome = Result<(), String>;

/// An error of the provider: which attribute, and what it says.
pub type Refusal = (String, String);

pub struct Instance<'a> {
    pub case: &'a Case,
    pub shape: Shape,
    schema: &'a Schema,
    core: Core,
    resource: Resource,
    state: State,
    /// The world of the shape's least configuration, while that is what is applied.
    pub base_world: World,
}

impl<'a> Instance<'a> {
    pub fn new(case: &'a Case, shape: Shape, schema: &'a Schema) -> Instance<'a> {
        nothing_runs(case);
        make_secrets(case);
        let (core, resource) = RUNTIME.block_on(async {
            let core = Core::start().await;
            let resource = core.resource("redis_k8s_instance").await;
            let kubeconfig = json!({ "config_path": cluster::kubeconfig_path() });
            assert_eq!(core.configure(&kubeconfig).await, []);
            (core, resource)
        });
        Instance { case, shape, schema, core, resource, state: State::none(), base_world: World::new() }
    }

    /// The shape's least configuration.
    pub fn base(&self) -> Json {
        self.shape.base(&self.case.namespace)
    }

    pub fn world(&self) -> World {
        world(self.case, self.shape)
    }

    /// Whether the provider's schema, as core is told of it, is the one that is walked.
    pub fn has_type_of(&self, schema: &Schema) -> bool {
        &self.resource.ty == schema.ty()
    }

    /// Plans, or says at which attributes that was refused.
    pub fn plan(&self, config: &Json) -> Result<State, Vec<Refusal>> {
        let config = self.resource.value(config.clone());
        RUNTIME.block_on(async {
            let refused = errors(&self.core.validate(&self.resource, &config).await);
            if !refused.is_empty() {
                return Err(refused);
            }
            let planned = self.core.plan(&self.resource, &self.state, &config).await;
            let refused = errors(&planned.diagnostics);
            if refused.is_empty() { Ok(planned) } else { Err(refused) }
        })
    }

    /// The attributes for which a plan would replace the instance.
    pub fn replaced_by(&self, config: &Json) -> Result<Vec<String>, String> {
        let planned = self.plan(config).map_err(|refused| format!("the plan is refused: {refused:?}"))?;
        Ok(planned.requires_replace.iter().map(dotted).collect())
    }

    /// Plan, apply, refresh, plan: each as core wants it, and the last one empty. Whether there was anything to do.
    pub fn step(&mut self, config: &Json) -> Result<bool, String> {
        let planned = self.plan(config).map_err(|refused| format!("the plan is refused: {refused:?}"))?;
        let value = self.resource.value(config.clone());
        no(
            "the plan breaks core's rules",
            rules::plan_is_valid(&self.schema.attributes, &self.state.value, &value, &planned.value),
        )?;
        let replaces: Vec<String> = planned.requires_replace.iter().map(dotted).collect();
        no("it would be replaced", replaces)?;
        if planned.value == self.state.value {
            return Ok(false);
        }
        let applied = RUNTIME.block_on(self.core.apply(&self.resource, &self.state, &planned, &value));
        no("apply fails", errors(&applied.diagnostics))?;
        no("apply breaks core's rules", rules::apply_keeps_its_word(&planned.value, &applied.value))?;
        let read = RUNTIME.block_on(self.core.read(&self.resource, &applied));
        no("the refresh fails", errors(&read.diagnostics))?;
        let mut drift = rules::differences(&applied.value, &read.value);
        // What runs is not waited for here, and so only seen by the refresh.
        drift.retain(|difference| !difference.starts_with(".status"));
        no("the refresh finds changes", drift)?;
        self.state = read;
        let again = self.plan(config).map_err(|refused| format!("the next plan is refused: {refused:?}"))?;
        no("the next plan is not empty", rules::differences(&self.state.value, &again.value))?;
        Ok(true)
    }

    /// Another instance of the shape's least configuration. It is written once more after the operator has: its first
    /// write leaves out what means nothing, such as `false`, and ours brings it back.
    pub fn renew(&mut self) -> Outcome {
        self.destroy()?;
        let base = self.base();
        self.step(&base)?;
        self.wait_for_the_operator();
        self.step(&super::shape::merged(&base, &json!({ "annotations": { "written": "again" } })))?;
        self.step(&base)?;
        self.base_world = self.world();
        Ok(())
    }

    /// Its first write is not over before that.
    pub fn wait_for_the_operator(&self) {
        self.case.wait_until("the operator has written", Duration::from_secs(60), || {
            written_by_the_operator(self.case, self.shape).then_some(())
        });
    }

    pub fn destroy(&mut self) -> Outcome {
        if self.state.value.is_null() {
            return Ok(());
        }
        let gone = RUNTIME.block_on(async {
            let planned = self.core.plan(&self.resource, &self.state, &Value::Null).await;
            let refused = errors(&planned.diagnostics);
            if !refused.is_empty() {
                return Err(format!("destroy is not planned: {refused:?}"));
            }
            Ok(self.core.apply(&self.resource, &self.state, &planned, &Value::Null).await)
        })?;
        no("destroy fails", errors(&gone.diagnostics))?;
        self.state = gone;
        Ok(())
    }

    /// The object that core keeps apart while its successor is made.
    pub fn set_aside(&mut self) -> State {
        std::mem::replace(&mut self.state, State::none())
    }

    pub fn take_back(&mut self, state: State) {
        self.state = state;
    }

    /// Why a replacement that the user asks for is not planned.
    pub fn plan_of_replace(&self, config: &Json) -> String {
        let Ok(first) = self.plan(config) else { return "the first plan is refused".to_owned() };
        let nothing = State { private: first.private, ..State::none() };
        let config = self.resource.value(config.clone());
        let second = RUNTIME.block_on(self.core.plan(&self.resource, &nothing, &config));
        format!("{:?}", errors(&second.diagnostics))
    }

    /// Why an object that is tainted is not deleted: core asks for no plan of that.
    pub fn delete_unplanned(&mut self) -> String {
        let planned = State::none();
        let kept = RUNTIME.block_on(self.core.apply(&self.resource, &self.state, &planned, &Value::Null));
        let refused = format!("{:?}", errors(&kept.diagnostics));
        assert_eq!(kept.value, self.state.value, "the state is lost");
        refused
    }

    pub fn end(self) {
        delete_secrets(self.case);
        let (status, _) = RUNTIME.block_on(self.core.shutdown());
        assert!(status.success(), "the provider ended with {status}");
    }
}

/// An error where there is anything to say.
pub fn no<T: std::fmt::Debug>(what: &str, found: Vec<T>) -> Outcome {
    if found.is_empty() { Ok(()) } else { Err(format!("{what}: {found:#?}")) }
}

fn errors(diagnostics: &[wire::Diagnostic]) -> Vec<Refusal> {
    diagnostics
        .iter()
        .filter(|one| one.severity() == wire::diagnostic::Severity::Error)
        .map(|one| {
            let path = one.attribute.as_ref().map(dotted).unwrap_or_default();
            (path, format!("{}: {}", one.summary, one.detail))
        })
        .collect()
}

fn dotted(path: &wire::AttributePath) -> String {
    use wire::attribute_path::step::Selector;
    let names = path.steps.iter().filter_map(|step| match step.selector.as_ref()? {
        Selector::AttributeName(name) | Selector::ElementKeyString(name) => Some(name.clone()),
        Selector::ElementKeyInt(_) => None,
    });
    names.collect::<Vec<_>>().join(".")
}
