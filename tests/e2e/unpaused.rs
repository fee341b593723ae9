//! The operator is let go in the middle of a rollout, by a person or by another apply: what was proven before counts no
//! more.
use std::time::Duration;

use crate::case::Case;
use crate::ending::{leaves_nothing, says};
use crate::proxy::{Fault, Matcher, What, When, status_body};
use crate::topology::{every_endpoint_serves, replication, sentinel, through};
use crate::writer::Writer;

const OURS: &str = r"jsonpath={.metadata.annotations.terraform-provider-redis/paused}";

/// The mark of the present pause.
fn pause(case: &Case) -> Option<String> {
    let mark = case.kubectl(&["get", "redisreplication", "cache", "-o", OURS]);
    Some(mark).filter(|mark| !mark.is_empty())
}

/// A set with sentinels and an application that writes, and a change that restarts all pods.
fn about_to_roll(case: &Case) -> Writer<'_> {
    case.write("main.tf", &sentinel("").text());
    case.apply();
    let writer = Writer::start(case, "writer");
    case.write("main.tf", &sentinel("").with("maxmemory_percent", "71").text());
    writer
}

for_alternate_clis! {
    fn a_pause_that_somebody_ends_is_renewed(cli: Cli) {
        let case = Case::new(cli, "unpaused");
        let writer = about_to_roll(&case);
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
        assert!(output.to_string().contains("Somebody else has unpaused the operator"), "{output}");
        assert_eq!(pause(&case), None);
        case.plan_is_empty();
        every_endpoint_serves(&case);
        let (acknowledged, lost, _) = writer.ends();
        assert_eq!(lost, 0, "of {acknowledged} writes");
        leaves_nothing(&case);
    }

    /// The master has handed over when the provider is killed, and whoever applies next may not reach into pods.
    fn a_rollout_that_was_cut_off_waits_for_the_missing_right(cli: Cli) {
        let case = Case::new(cli, "left-paused");
        let changed = replication().with("authentication", "{ rotate = { time = \"1\" } }");
        case.write("main.tf", &replication().text());
        case.apply();
        through(&case, "host").set("kept", "yes");
        case.write("main.tf", &changed.text());
        // The replica goes first, then the master, which has handed over.
        let on = Matcher::on("DELETE", "/api/v1/namespaces/*/pods/*").nth(2);
        case.proxy.add_fault(Fault { on, when: When::Before, what: What::KillProvider });
        let output = case.try_apply();
        assert!(!output.succeeded(), "it was to be killed:\n{output}");
        case.proxy.clear_faults();
        assert!(pause(&case).is_some());

        let words = "pods \"cache-0\" is forbidden: User \"ci\" cannot get resource \"pods/portforward\" in API group \"\" in the namespace \"a\"";
        let denied = status_body(403, "Forbidden", words, None);
        let on = Matcher::on("GET", "/api/v1/namespaces/*/pods/*/portforward");
        case.proxy.add_fault(Fault { on, when: When::Before, what: What::Status(403, Some(denied)) });
        let output = case.apply_fails();
        case.proxy.clear_faults();
        says(&case, &output, &["is paused in the middle of a rollout", "says what is missing", "Do not unpause"]);
        assert!(output.to_string().contains("pods/portforward"), "{output}");
        assert!(pause(&case).is_some(), "the operator does not know the master");

        case.apply();
        assert_eq!(pause(&case), None);
        case.plan_is_empty();
        every_endpoint_serves(&case);
        assert_eq!(through(&case, "host").get("kept"), "yes");
        leaves_nothing(&case);
    }

    /// Nobody should: the lock of the state is there to prevent it.
    fn two_applies_at_once_lose_nothing(cli: Cli) {
        let case = Case::new(cli, "two-at-once");
        let writer = about_to_roll(&case);
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
