//! The operator does not run, or does not see the namespace: apply and destroy wait, and then say so by name with
//! the way out; once it works, they are finished.
use std::time::Duration;

use crate::both::Both;
use crate::case::Case;
use crate::commands::RunningCommand;
use crate::disturbance::Operator;
use crate::ending::{ends_well, leaves_nothing_in_time, says, serves};
use crate::instance::{ADDRESS, Configuration};
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

/// An apply that waits for the operator, which has not acted on the custom resource.
fn start_to_wait(case: &Case) -> RunningCommand<'_> {
    case.write("main.tf", &impatient_destroy().text());
    case.proxy.forget();
    let running = case.start_apply();
    case.wait_for_request("the custom resource is made", Duration::from_secs(60), |request| {
        request.method == "PATCH"
            && request.path.contains("/redis.redis.opstreelabs.in/")
            && request.status == Some(201)
    });
    running
}

fn ends_well_in_time(both: &Both, applies: Vec<RunningCommand<'_>>) {
    for running in applies {
        let output = running.wait();
        assert!(output.succeeded(), "{output}");
    }
    both.each(serves);
}

for_both_clis! {
    /// A create fails, and the next apply uses the operator that starts in time. An update that fails taints nothing: the
    /// next apply goes on where that one ended, and the data stays. A destroy that fails is finished by the next.
    fn it_is_stopped(clis: &[Cli]) {
        let both = Both::new(clis, "stopped");
        let operator = Operator::stopped();
        let applies = both.each(|case| {
            create_fails(case, "operator-stopped");
            start_to_wait(case)
        });
        operator.mended();
        ends_well_in_time(&both, applies);
        both.each(|case| RedisClient::of(case, ADDRESS).set("kept", "yes"));

        let operator = Operator::stopped();
        both.each(|case| {
            let redis = RedisClient::of(case, ADDRESS);
            case.write("main.tf", &impatient().with("maxmemory_percent", "50").text());
            let output = case.apply_fails();
            took_its_time(&output, 5);
            says(case, &output, &[
                "the operator has not processed this specification of the Redis yet",
                "The operator's Deployment redis-operator/redis-operator has no ready pod",
                "Once the operator works, apply again",
            ]);
            assert_eq!(case.plan().actions(ADDRESS), ["update"]);
            // A failed apply leaves no pods in the state; they serve all the same.
            assert_eq!(redis.get("kept"), "yes");
        });
        operator.mended();
        both.each(|case| {
            ends_well(case, &impatient_destroy().with("maxmemory_percent", "50"));
            let redis = RedisClient::of(case, ADDRESS);
            assert_eq!(redis.get("kept"), "yes");
            assert_eq!(redis.config("maxmemory"), (128 * 1024 * 1024 / 2).to_string());
        });

        let operator = Operator::stopped();
        both.each(|case| destroy_fails(case, "finalizer-of-a-stopped-operator"));
        operator.mended();
        both.each(leaves_nothing_in_time);
    }

    /// The same, of an operator that works for another namespace.
    fn it_does_not_watch_the_namespace(clis: &[Cli]) {
        let both = Both::new(clis, "blind");
        let operator = Operator::blind();
        let applies = both.each(|case| {
            create_fails(case, "operator-blind");
            start_to_wait(case)
        });
        operator.mended();
        ends_well_in_time(&both, applies);

        let operator = Operator::blind();
        both.each(|case| destroy_fails(case, "finalizer-of-a-blind-operator"));
        operator.mended();
        both.each(leaves_nothing_in_time);
    }
}
