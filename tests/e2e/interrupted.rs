//! Ctrl-C during the wait, and `kill -9` of the provider and of the CLI on either side of every write of a
//! create, an update and a delete: the next apply ends well, and a destroy after it leaves nothing (issue 3,
//! §6.7). That no provider outlives its core by a second is checked at the end of every command.
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::case::Case;
use crate::cli::Cli;
use crate::commands::RunningCommand;
use crate::ending::{ends_well, leaves_nothing};
use crate::instance::{ADDRESS, Configuration, PODS};
use crate::process::Output;
use crate::proxy::{Fault, Matcher, What, When};
use crate::redis_client::RedisClient;

/// More writes than any operation makes: a sweep that gets there does not come to an end.
const MANY: usize = 20;

/// No node has this label yet, so the wait for the pod lasts until `make_schedulable`.
pub fn unschedulable() -> Configuration {
    Configuration::small().with("node_selector", "{ \"redis-e2e/{namespace}\" = \"here\" }")
}

/// Somebody fixes the cause; taken back at the end.
struct Schedulable<'a>(&'a Case);

fn make_schedulable(case: &Case) -> Schedulable<'_> {
    case.kubectl(&["label", "nodes", "--all", &format!("redis-e2e/{}=here", case.namespace)]);
    Schedulable(case)
}

impl Drop for Schedulable<'_> {
    fn drop(&mut self) {
        self.0.try_kubectl(&["label", "nodes", "--all", &format!("redis-e2e/{}-", self.0.namespace)]);
    }
}

fn is_pending(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.iter().any(|condition| condition["reason"] == "Unschedulable")
}

/// The wait ends within a second of Ctrl-C; the CLI itself needs a moment more to save its state.
fn ctrl_c(running: RunningCommand<'_>) -> Output {
    let interrupted = Instant::now();
    running.interrupt();
    let output = running.wait();
    assert!(
        interrupted.elapsed() < Duration::from_secs(3),
        "{:?} after Ctrl-C:\n{output}",
        interrupted.elapsed()
    );
    output
}

pub fn wait_for_pending_pod(case: &Case) {
    case.wait_for_object("a pod that no node takes", PODS, Duration::from_secs(90), is_pending);
}

/// One operation after the other with a kill at its first, second, … write, until it has no such write.
pub fn sweep(
    case: &Case,
    what: &What,
    when: When,
    mut operation: impl FnMut() -> Output,
    mut mend: impl FnMut(),
) {
    for (number, when) in cuts(what, when) {
        match killed(case, what, when, number, &mut operation) {
            Ok(()) => mend(),
            Err(output) => {
                assert!(number > 1, "the operation wrote nothing:\n{output}");
                assert!(output.succeeded(), "nothing disturbed it, but:\n{output}");
                return;
            }
        }
    }
    panic!("more than {MANY} writes:\n{}", case.proxy.describe());
}

/// The writes at which an operation is cut, and on which side. What a provider does between the answer to one write and the
/// next write is seen by nobody, so to be killed before the next is to be killed after this one; only before the first there
/// is none. A killed CLI leaves a provider that still lives for a moment, so there the sides differ.
fn cuts(what: &What, when: When) -> Vec<(usize, When)> {
    let first = matches!(what, What::KillProvider).then_some((1, When::Before));
    first.into_iter().chain((1..MANY).map(|number| (number, when))).collect()
}

/// An operation with a kill at its nth write; its output where it has no such write.
pub fn killed(
    case: &Case,
    what: &What,
    when: When,
    number: usize,
    operation: impl FnOnce() -> Output,
) -> Result<(), Output> {
    let before = case.proxy.faults_played().len();
    case.proxy.add_fault(Fault { on: Matcher::write().nth(number), when, what: what.clone() });
    let output = operation();
    case.proxy.clear_faults();
    if case.proxy.faults_played().len() == before {
        return Err(output);
    }
    assert!(!output.succeeded(), "killed at write {number}, yet:\n{output}");
    Ok(())
}

/// All writes but the last, which takes the mark of an unfinished create away.
fn create_killed(cli: Cli, name: &str, what: What, when: When) {
    let case = Case::new(cli, name);
    let configuration = Configuration::small();
    case.write("main.tf", &configuration.text());
    let cut = |number, when| {
        killed(&case, &what, when, number, || case.try_apply()).unwrap();
        case.proxy.forget();
        ends_well(&case, &configuration);
        let writes = case.proxy.writes().len();
        leaves_nothing(&case);
        writes
    };
    // Nothing was made, so what follows is a whole create.
    let writes = cut(1, When::Before);
    assert!(writes > 2, "{}", case.proxy.describe());
    let next = if matches!(when, When::Before) { 2 } else { 1 };
    for number in next..writes {
        cut(number, when);
    }
}

fn update_killed(cli: Cli, name: &str, what: What, when: When) {
    let case = Case::new(cli, name);
    let percent = std::cell::Cell::new(50);
    let configuration = || Configuration::small().with("maxmemory_percent", &percent.get().to_string());
    ends_well(&case, &configuration());
    RedisClient::of(&case, ADDRESS).set("kept", "yes");
    let update = || {
        percent.set(percent.get() + 1);
        case.write("main.tf", &configuration().text());
        case.try_apply()
    };
    let mend = || {
        ends_well(&case, &configuration());
        let redis = RedisClient::of(&case, ADDRESS);
        assert_eq!(redis.get("kept"), "yes");
        let bytes = 128 * 1024 * 1024 * i64::from(percent.get()) / 100;
        assert_eq!(redis.config("maxmemory"), bytes.to_string());
    };
    sweep(&case, &what, when, update, mend);
    leaves_nothing(&case);
}

pub fn delete_killed(cli: Cli, name: &str, what: What, when: When) {
    let case = Case::new(cli, name);
    let configuration = Configuration::small();
    case.write("main.tf", &configuration.text());
    case.apply();
    sweep(&case, &what, when, || case.start_destroy().wait(), || ends_well(&case, &configuration));
    case.assert_nothing_left();
}

for_each_cli! {
    fn create_with_the_provider_killed_after_each_write(cli: Cli) {
        create_killed(cli, "create-kpa", What::KillProvider, When::AfterForward);
    }

    fn create_with_the_cli_killed_before_each_write(cli: Cli) {
        create_killed(cli, "create-kcb", What::KillCli, When::Before);
    }

    fn create_with_the_cli_killed_after_each_write(cli: Cli) {
        create_killed(cli, "create-kca", What::KillCli, When::AfterForward);
    }

    fn update_with_the_provider_killed_after_each_write(cli: Cli) {
        update_killed(cli, "update-kpa", What::KillProvider, When::AfterForward);
    }

    fn update_with_the_cli_killed_before_each_write(cli: Cli) {
        update_killed(cli, "update-kcb", What::KillCli, When::Before);
    }

    fn update_with_the_cli_killed_after_each_write(cli: Cli) {
        update_killed(cli, "update-kca", What::KillCli, When::AfterForward);
    }

    /// The custom resource is going away: the next apply waits for that, and makes it anew.
    fn delete_with_the_provider_killed_after_each_write(cli: Cli) {
        delete_killed(cli, "delete-kpa", What::KillProvider, When::AfterForward);
    }

    fn ctrl_c_ends_the_wait_of_a_create(cli: Cli) {
        let case = Case::new(cli, "create-stop");
        case.write("main.tf", &unschedulable().text());
        let running = case.start_apply();
        wait_for_pending_pod(&case);
        let output = ctrl_c(running);
        assert_eq!(output.code, Some(1), "{output}");
        assert_eq!(case.resource(ADDRESS)["name"], "cache", "what exists must be in the state");
        ends_well(&case, &Configuration::small());
        leaves_nothing(&case);
    }

    fn ctrl_c_ends_the_wait_of_an_update(cli: Cli) {
        let case = Case::new(cli, "update-stop");
        ends_well(&case, &Configuration::small());
        RedisClient::of(&case, ADDRESS).set("kept", "yes");
        case.write("main.tf", &unschedulable().text());
        let running = case.start_apply();
        wait_for_pending_pod(&case);
        let output = ctrl_c(running);
        assert!(!case.tainted(ADDRESS), "a tainted Redis would be destroyed with its data:\n{output}");
        // No argument differs any more, but the rollout is unfinished: that is work for apply.
        assert_eq!(case.plan().actions(ADDRESS), ["update"]);
        let _label = make_schedulable(&case);
        ends_well(&case, &unschedulable());
        assert_eq!(RedisClient::of(&case, ADDRESS).get("kept"), "yes");
        leaves_nothing(&case);
    }

    /// A StatefulSet's controller does not replace a pod that never became Ready, so the provider must.
    fn a_stuck_pod_is_replaced_when_the_configuration_is_fixed(cli: Cli) {
        let case = Case::new(cli, "stuck-pod");
        ends_well(&case, &Configuration::small());
        RedisClient::of(&case, ADDRESS).set("kept", "yes");
        case.write("main.tf", &unschedulable().text());
        let running = case.start_apply();
        wait_for_pending_pod(&case);
        ctrl_c(running);
        ends_well(&case, &Configuration::small());
        assert_eq!(RedisClient::of(&case, ADDRESS).get("kept"), "yes");
        leaves_nothing(&case);
    }

    /// Core saves no state then: the next create finds objects that bear the mark of an unfinished create.
    fn the_provider_killed_in_the_wait_of_a_create(cli: Cli) {
        let case = Case::new(cli, "create-wait-kp");
        case.write("main.tf", &unschedulable().text());
        let running = case.start_apply();
        wait_for_pending_pod(&case);
        running.kill_provider();
        assert_eq!(running.wait().code, Some(1));
        let _label = make_schedulable(&case);
        ends_well(&case, &unschedulable());
        leaves_nothing(&case);
    }

    fn the_cli_killed_in_the_wait_of_a_create(cli: Cli) {
        let case = Case::new(cli, "create-wait-kc");
        case.write("main.tf", &unschedulable().text());
        let running = case.start_apply();
        wait_for_pending_pod(&case);
        running.kill_cli();
        assert_eq!(running.wait().code, None);
        let _label = make_schedulable(&case);
        ends_well(&case, &unschedulable());
        leaves_nothing(&case);
    }
}
