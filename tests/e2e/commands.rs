//! The CLI's commands on a case: each has a deadline, leaves no process behind and keeps what it printed.
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::case::Case;
use crate::diagnostics::{self, Diagnostic};
use crate::plan::Plan;
use crate::process::{self, ORPHAN_PATIENCE, Output, Running};

/// A CLI command that runs; dropped, it is killed with all it started.
pub struct RunningCommand<'a> {
    case: &'a Case,
    running: Running,
}

impl RunningCommand<'_> {
    /// Ctrl-C.
    pub fn interrupt(&self) {
        self.running.interrupt();
    }

    pub fn kill_cli(&self) {
        self.running.kill_cli();
    }

    pub fn kill_provider(&self) {
        self.running.kill_provider();
    }

    pub fn providers(&self) -> Vec<i32> {
        self.case.group.providers()
    }

    /// Waits for the end. Whatever ended the CLI, its providers must be gone a second later.
    pub fn wait(self) -> Output {
        let leader = self.running.leader();
        let output = self.running.wait();
        self.case.remember(&output);
        let ended = Instant::now();
        let left = process::survivors(leader, ORPHAN_PATIENCE);
        process::kill_family(leader);
        assert!(
            left.is_empty(),
            "still running {:?} after the end of the CLI: {left:#?}\n{output}",
            ended.elapsed()
        );
        output
    }
}

impl Case {
    /// Starts any command of the CLI.
    pub fn start(&self, arguments: &[&str]) -> RunningCommand<'_> {
        let program = self.cli.program().expect("a case has a program");
        let mut command = self.command(&program);
        command.args(arguments);
        let title = format!("{} {}", self.cli.name(), arguments.join(" "));
        let number = self.outputs().len() + 1;
        // Two may run at once.
        let logs = (number..).map(|number| self.path(&format!("logs/{number:02}-{}", arguments[0])));
        let log = logs.into_iter().find(|log| !log.with_extension("stdout").exists()).expect("one is free");
        let running = Running::start(command, &title, &log, self.deadline());
        self.group.set(running.leader());
        RunningCommand { case: self, running }
    }

    /// Runs any command of the CLI and returns how it ended.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.start(arguments).wait()
    }

    fn expect(&self, arguments: &[&str]) -> Output {
        let output = self.run(arguments);
        assert!(output.succeeded(), "must succeed, but:\n{output}");
        output
    }

    pub fn start_apply(&self) -> RunningCommand<'_> {
        self.start(&["apply", "-json", "-auto-approve", "-input=false"])
    }

    pub fn start_destroy(&self) -> RunningCommand<'_> {
        self.start(&["destroy", "-json", "-auto-approve", "-input=false"])
    }

    /// `apply` that may end either way.
    pub fn try_apply(&self) -> Output {
        self.start_apply().wait()
    }

    pub fn apply(&self) -> Output {
        let output = self.try_apply();
        assert!(output.succeeded(), "apply must succeed, but:\n{output}");
        output
    }

    pub fn apply_fails(&self) -> Output {
        let output = self.try_apply();
        assert_eq!(output.code, Some(1), "apply must fail, but:\n{output}");
        output
    }

    pub fn destroy(&self) -> Output {
        let output = self.start_destroy().wait();
        assert!(output.succeeded(), "destroy must succeed, but:\n{output}");
        output
    }

    /// `plan` that must succeed, with or without changes.
    pub fn plan(&self) -> Plan {
        let output = self.try_plan();
        assert!(matches!(output.code, Some(0 | 2)), "plan must succeed, but:\n{output}");
        self.shown(output)
    }

    /// The plan that was just saved.
    fn shown(&self, output: Output) -> Plan {
        let shown = self.expect(&["show", "-json", "saved.plan"]);
        Plan::new(serde_json::from_str(&shown.stdout).unwrap(), output)
    }

    /// The plan as `show -json` prints it.
    pub fn show_plan(&self) -> Value {
        self.plan().json
    }

    /// `plan -detailed-exitcode`: 0 empty, 1 failed, 2 changes; keeps it in `saved.plan`.
    pub fn try_plan(&self) -> Output {
        self.run(&["plan", "-json", "-input=false", "-detailed-exitcode", "-out=saved.plan"])
    }

    pub fn plan_fails(&self) -> Output {
        let output = self.try_plan();
        assert_eq!(output.code, Some(1), "plan must fail, but:\n{output}");
        output
    }

    /// Nothing to do, as a user would see it; otherwise fails with the plan.
    pub fn plan_is_empty(&self) {
        let output = self.try_plan();
        match output.code {
            Some(0) => {}
            Some(2) => panic!("the plan must be empty, but:\n{}", self.shown(output)),
            _ => panic!("plan must succeed, but:\n{output}"),
        }
    }

    /// Applies exactly what the last `plan` saved.
    pub fn apply_saved_plan(&self) -> Output {
        self.expect(&["apply", "-json", "-input=false", "saved.plan"])
    }

    pub fn import(&self, address: &str, id: &str) -> Output {
        self.expect(&["import", "-no-color", "-input=false", address, id])
    }

    pub fn validate(&self) -> Value {
        serde_json::from_str(&self.run(&["validate", "-json"]).stdout).unwrap()
    }

    /// State as `show -json` prints it.
    pub fn state(&self) -> Value {
        serde_json::from_str(&self.expect(&["show", "-json"]).stdout).unwrap()
    }

    /// A resource's attributes in the state; null if it is not there.
    pub fn resource(&self, address: &str) -> Value {
        self.instance(address)["attributes"].take()
    }

    /// A resource's identity in the state; null where the CLI keeps none.
    pub fn identity(&self, address: &str) -> Value {
        self.instance(address)["identity"].take()
    }

    /// A resource as the state file has it: scenarios ask for it after nearly every command, and another start of the CLI
    /// each time would cost minutes of the whole run.
    fn instance(&self, address: &str) -> Value {
        let text = self.state_file();
        if text.trim().is_empty() {
            return Value::Null;
        }
        let state: Value = serde_json::from_str(&text).unwrap();
        let resources = state["resources"].as_array().cloned().unwrap_or_default();
        let text = |resource: &Value, field: &str| resource[field].as_str().unwrap_or_default().to_owned();
        let is_it = |resource: &&Value| {
            resource["mode"] == "managed"
                && format!("{}.{}", text(resource, "type"), text(resource, "name")) == address
        };
        let instances = resources.iter().find(is_it).and_then(|found| found["instances"].as_array().cloned());
        let current = |instance: &Value| instance["deposed"].is_null();
        instances.into_iter().flatten().find(current).unwrap_or_default()
    }

    /// The state file itself: what would leak if it were published.
    pub fn state_file(&self) -> String {
        self.read("terraform.tfstate")
    }

    /// Whether the state marks a resource as tainted: the next apply would destroy it.
    pub fn tainted(&self, address: &str) -> bool {
        self.instance(address)["status"] == "tainted"
    }

    /// What a command said, in a form that is the same for each CLI, namespace and folder.
    pub fn diagnostics(&self, output: &Output) -> Vec<Diagnostic> {
        diagnostics::read(self, output)
    }

    /// Compares what a command said with `snapshots/<name>.snap`: one snapshot for all CLIs.
    pub fn assert_diagnostics(&self, name: &str, output: &Output) {
        diagnostics::assert_snapshot(name, &self.diagnostics(output));
    }

    /// Waits until the provider has sent a request as wanted; for acting in the midst of a command.
    pub fn wait_for_request(
        &self,
        what: &str,
        patience: Duration,
        wanted: impl Fn(&crate::proxy::Recorded) -> bool,
    ) {
        assert!(
            self.proxy.wait_for(patience, wanted),
            "no request within {patience:?}: {what}; there were:\n{}",
            self.proxy.describe()
        );
    }
}
