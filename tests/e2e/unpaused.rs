//! The operator is let go in the middle of a rollout, by a person or by another apply: what was proven before counts no
//! more.
use std::time::Duration;

use crate::case::Case;
use crate::ending::leaves_nothing;
use crate::topology::{every_endpoint_serves, sentinel};
use crate::writer::Writer;

const OURS: &str = r"jsonpath={.metadata.annotations.terraform-provider-redis/paused}";

/// The mark of the present pause.
fn pause(case: &Case) -> Option<String> {
    let mark = case.kubectl(&["get", "redisreplication", "cache", "-o", OURS]);
    Some(mark).filter(|mark| !mark.is_empty())
}

for_alternate_clis! {
    fn a_pause_that_somebody_ends_is_renewed(cli: Cli) {
        let case = Case::new(cli, "unpaused");
        case.write("main.tf", &sentinel("").text());
        case.apply();
        let writer = Writer::start(&case, "writer");
        case.write("main.tf", &sentinel("").with("maxmemory_percent", "71").text());
        let running = case.start_apply();
        let first = case.wait_until("the operator is paused", Duration::from_secs(90), || pause(&case));
        case.wait_until("it was seen to be", Duration::from_secs(90), || {
            case.provider_log().contains("the operator is paused").then_some(())
        });
        case.kubectl(&["annotate", "redisreplication", "cache", "redisreplication.opstreelabs.in/skip-reconcile-"]);
        case.wait_until("it is paused anew", Duration::from_secs(90), || {
            pause(&case).filter(|mark| *mark != first)
        });
        let output = running.wait();
        assert!(output.succeeded(), "{output}");
        assert_eq!(pause(&case), None);
        case.plan_is_empty();
        every_endpoint_serves(&case);
        let (acknowledged, lost, _) = writer.ends();
        assert_eq!(lost, 0, "of {acknowledged} writes");
        leaves_nothing(&case);
    }

    /// Nobody should: the lock of the state is there to prevent it.
    fn two_applies_at_once_lose_nothing(cli: Cli) {
        let case = Case::new(cli, "two-at-once");
        case.write("main.tf", &sentinel("").text());
        case.apply();
        let writer = Writer::start(&case, "writer");
        case.write("main.tf", &sentinel("").with("maxmemory_percent", "71").text());
        let apply = ["apply", "-auto-approve", "-input=false", "-lock=false", "-no-color"];
        let one = case.start(&apply);
        let other = case.start(&apply);
        let outputs = [one.wait(), other.wait()];
        assert!(outputs.iter().any(|output| output.succeeded()), "{}\n{}", outputs[0], outputs[1]);
        case.apply();
        assert_eq!(pause(&case), None);
        case.plan_is_empty();
        every_endpoint_serves(&case);
        let (acknowledged, lost, _) = writer.ends();
        assert_eq!(lost, 0, "of {acknowledged} writes");
        leaves_nothing(&case);
    }
}
