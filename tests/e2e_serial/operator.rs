//! The operator does not run, or does not see the namespace: apply and destroy wait, and then say so by name with
//! the way out; once it works, they are finished (issue 3, §6.6).
use std::time::Duration;

use crate::case::Case;
use crate::disturbance::Operator;
use crate::ending::{ends_well, leaves_nothing, leaves_nothing_in_time, says, serves};
use crate::instance::{ADDRESS, CUSTOM_RESOURCES, Configuration};
use crate::process::Output;
use crate::redis_client::RedisClient;

/// Waits for five seconds, then says what it waits for.
fn impatient() -> Configuration {
    Configuration::small().with("timeouts", "{ create = \"5s\", update = \"5s\", delete = \"2m\" }")
}

/// The same for a destroy, which takes its timeout from the state: the one that ends well has no more.
fn impatient_destroy() -> Configuration {
    Configuration::small().with("timeouts", "{ create = \"3m\", delete = \"12s\" }")
}

/// The timeout was waited for, and not much longer.
fn took_its_time(output: &Output, seconds: u64) {
    let timeout = Duration::from_secs(seconds);
    let took = output.operation_took();
    assert!(took >= timeout && took < timeout + Duration::from_secs(5), "{output}");
}

fn create_fails(case: &Case, diagnostics: &str) {
    case.write("main.tf", &impatient().text());
    let output = case.apply_fails();
    took_its_time(&output, 5);
    case.assert_diagnostics(diagnostics, &output);
    assert_eq!(case.resource(ADDRESS)["id"], format!("{}/cache", case.namespace), "{output}");
    // No Redis has ever served, so core may make it anew: there is nothing to lose.
    assert_eq!(case.plan().actions(ADDRESS), ["delete", "create"]);
}

fn destroy_fails(case: &Case, diagnostics: &str) {
    let output = case.start_destroy().wait();
    assert_eq!(output.code, Some(1), "{output}");
    took_its_time(&output, 12);
    case.assert_diagnostics(diagnostics, &output);
    assert_eq!(case.resource(ADDRESS)["id"], format!("{}/cache", case.namespace), "{output}");
}

fn wait_for_custom_resource(case: &Case) {
    let any = |_: &serde_json::Value| true;
    case.wait_for_object("the custom resource", CUSTOM_RESOURCES, Duration::from_secs(60), any);
}

for_each_cli! {
    fn apply_while_it_is_stopped(cli: Cli) {
        let case = Case::new(cli, "stopped");
        let operator = Operator::stopped();
        create_fails(&case, "operator-stopped");
        operator.mended();
        ends_well(&case, &Configuration::small());
        leaves_nothing(&case);
    }

    fn one_that_starts_in_time_is_used(cli: Cli) {
        let case = Case::new(cli, "starts");
        let operator = Operator::stopped();
        case.write("main.tf", &Configuration::small().text());
        let running = case.start_apply();
        wait_for_custom_resource(&case);
        operator.mended();
        let output = running.wait();
        assert!(output.succeeded(), "{output}");
        serves(&case);
        leaves_nothing(&case);
    }

    /// An update that fails taints nothing: the next apply goes on where this one ended, and the data stays.
    fn update_while_it_is_stopped(cli: Cli) {
        let case = Case::new(cli, "update");
        ends_well(&case, &Configuration::small());
        let redis = RedisClient::of(&case, ADDRESS);
        redis.set("kept", "yes");
        let operator = Operator::stopped();
        case.write("main.tf", &impatient().with("maxmemory_percent", "50").text());
        let output = case.apply_fails();
        took_its_time(&output, 5);
        says(&case, &output, &[
            "the operator has not acted on this specification of the Redis yet",
            "The operator's Deployment redis-operator/redis-operator has no ready pod",
            "Once the operator works, apply again",
        ]);
        assert_eq!(case.plan().actions(ADDRESS), ["update"]);
        // A failed apply leaves no pods in the state; they serve all the same.
        assert_eq!(redis.get("kept"), "yes");
        operator.mended();
        ends_well(&case, &Configuration::small().with("maxmemory_percent", "50"));
        let redis = RedisClient::of(&case, ADDRESS);
        assert_eq!(redis.get("kept"), "yes");
        assert_eq!(redis.config("maxmemory"), (128 * 1024 * 1024 / 2).to_string());
        leaves_nothing(&case);
    }

    fn destroy_while_it_is_stopped(cli: Cli) {
        let case = Case::new(cli, "finalizer");
        ends_well(&case, &impatient_destroy());
        let operator = Operator::stopped();
        destroy_fails(&case, "finalizer-of-a-stopped-operator");
        operator.mended();
        leaves_nothing_in_time(&case);
    }

    fn it_does_not_watch_the_namespace(cli: Cli) {
        let case = Case::new(cli, "blind");
        let operator = Operator::blind();
        create_fails(&case, "operator-blind");
        operator.mended();
        ends_well(&case, &impatient_destroy());
        let operator = Operator::blind();
        destroy_fails(&case, "finalizer-of-a-blind-operator");
        operator.mended();
        leaves_nothing_in_time(&case);
    }

    fn one_that_sees_the_namespace_in_time_is_used(cli: Cli) {
        let case = Case::new(cli, "sees");
        let operator = Operator::blind();
        case.write("main.tf", &Configuration::small().text());
        let running = case.start_apply();
        wait_for_custom_resource(&case);
        operator.mended();
        let output = running.wait();
        assert!(output.succeeded(), "{output}");
        serves(&case);
        leaves_nothing(&case);
    }
}
