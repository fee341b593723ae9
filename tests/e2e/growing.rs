//! More replicas for a set that is written to. A new pod starts as a master of its own, and whoever calls it one before it
//! follows leads writes to it that are lost.
use std::time::Duration;

use crate::case::Case;
use crate::ending::leaves_nothing;
use crate::proxy::{Fault, Matcher, What, When, status_body};
use crate::topology::{every_endpoint_serves, replication, sentinel};
use crate::writer::Writer;

fn scale() -> Matcher {
    Matcher::on("PATCH", "/apis/apps/v1/namespaces/*/statefulsets/cache/scale").nth(1)
}

fn replicas(count: usize) -> String {
    format!("{{ count = {count} }}")
}

fn pods(case: &Case) -> usize {
    case.kubectl(&["get", "pods", "-l", "app=cache", "-o", "name"]).lines().count()
}

/// Ends the application: nothing that was acknowledged is lost.
fn nothing_is_lost(writer: Writer<'_>) {
    let (acknowledged, lost, longest) = writer.ends();
    assert_eq!(lost, 0, "of {acknowledged} writes");
    assert!(longest < Duration::from_secs(5), "{longest:?} without a write");
}

for_alternate_clis! {
    fn a_set_with_sentinels_grows(cli: Cli) {
        let case = Case::new(cli, "growing");
        case.write("main.tf", &sentinel("").text());
        case.apply();
        let writer = Writer::start(&case, "writer");
        case.write("main.tf", &sentinel("").with("replica", &replicas(3)).text());
        case.apply();
        assert_eq!(pods(&case), 4);
        case.plan_is_empty();
        every_endpoint_serves(&case);
        nothing_is_lost(writer);
        leaves_nothing(&case);
    }

    /// Killed after the first new pod was asked for, and then no longer wanted; and asked for, with a rollout, by somebody who may
    /// not.
    fn growth_that_is_taken_back_or_not_allowed(cli: Cli) {
        let case = Case::new(cli, "growing-back");
        let before = replication();
        let more = before.clone().with("replica", &replicas(3));
        case.write("main.tf", &before.text());
        case.apply();
        let writer = Writer::start(&case, "first");
        case.write("main.tf", &more.text());
        case.proxy.add_fault(Fault { on: scale(), when: When::AfterForward, what: What::KillProvider });
        let output = case.try_apply();
        assert!(!output.succeeded(), "it was to be killed:\n{output}");
        case.proxy.clear_faults();
        let live = case.kubectl(&["get", "redisreplication", "cache", "-o", "jsonpath={.spec.clusterSize}"]);
        assert_eq!(live, "2", "whoever lets the operator go now gets the former size");
        case.write("main.tf", &before.text());
        case.apply();
        case.wait_until("the new pod is gone", Duration::from_secs(60), || (pods(&case) == 2).then_some(()));
        case.plan_is_empty();
        every_endpoint_serves(&case);
        nothing_is_lost(writer);

        case.write("main.tf", &more.clone().with("update_strategy", "{ guarded = false }").text());
        let plan = case.plan().to_string();
        assert!(plan.contains("Writes may be lost while the operator adds replicas"), "{plan}");
        // The master hands over before the right is missed.
        case.write("main.tf", &more.with("maxmemory_percent", "71").text());
        let words = "statefulsets.apps \"cache\" is forbidden: User \"ci\" cannot patch resource \"statefulsets/scale\" in API group \"apps\" in the namespace \"a\"";
        let denied = status_body(403, "Forbidden", words, None);
        case.proxy.add_fault(Fault { on: scale(), when: When::Before, what: What::Status(403, Some(denied)) });
        let output = case.try_apply();
        case.proxy.clear_faults();
        assert!(output.succeeded(), "{output}");
        assert!(case.provider_log().contains("handed over"), "the master was to hand over first");
        let told = output.to_string();
        assert!(told.contains("statefulsets/scale") && told.contains("The operator adds the pods"), "{told}");
        assert_eq!(pods(&case), 4);
        case.plan_is_empty();
        every_endpoint_serves(&case);
        leaves_nothing(&case);
    }
}
