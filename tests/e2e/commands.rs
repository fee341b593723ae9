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
        let log = self.path(&format!("logs/{:02}-{}", self.outputs().len() + 1, arguments[0]));
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
        let plan = self.plan();
        assert_eq!(plan.output.code, Some(0), "the plan must be empty, but:\n{plan}");
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
        let state = self.state();
        let resources = state["values"]["root_module"]["resources"].as_array().cloned().unwrap_or_default();
        let found = resources.into_iter().find(|resource| resource["address"] == address);
        found.map_or(Value::Null, |resource| resource["values"].clone())
    }

    /// The state file itself: what would leak if it were published.
    pub fn state_file(&self) -> String {
        self.read("terraform.tfstate")
    }

    /// Whether the state marks a resource as tainted: the next apply would destroy it.
    pub fn tainted(&self, address: &str) -> bool {
        let state = self.state();
        let resources = state["values"]["root_module"]["resources"].as_array().cloned().unwrap_or_default();
        resources.iter().any(|resource| resource["address"] == address && resource["tainted"] == true)
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
