//! The CRD is missing: apply names it, and uses it when it comes; a refresh drops the state only if the CRD itself is
//! gone (spec §1.6.5).
use std::time::Duration;

use serde_json::json;

use crate::both::Both;
use crate::cli::Cli;
use crate::disturbance::{DEFINITION, NoDefinition, Operator, Unserved};
use crate::ending::{leaves_nothing, says, serves};
use crate::instance::{ADDRESS, Configuration};
use crate::proxy::{Fault, Matcher, Recorded, What, When, status_body};
use crate::resting::resting;

const ALL: &str = "/apis/redis.redis.opstreelabs.in/v1beta2/**";

/// The custom resource was to be written, and the server knows no such kind.
fn was_written_in_vain(request: &Recorded) -> bool {
    request.method == "PATCH"
        && request.path.contains("/redis.redis.opstreelabs.in/")
        && request.status == Some(404)
}

/// Instances that exist, and wait for nothing.
fn at_rest(clis: &[Cli], name: &str) -> Both {
    let both = Both::new(clis, name);
    both.each(|case| {
        case.write("main.tf", &resting().text());
        case.apply();
    });
    both
}

for_both_clis! {
    /// It fails by name and leaves nothing; the next apply uses it as soon as it comes.
    fn apply_without_it(clis: &[Cli]) {
        let both = Both::new(clis, "no-crd");
        let definition = NoDefinition::new(&both.namespaces());
        let applies = both.each(|case| {
            let impatient = Configuration::small().with("timeouts", "{ create = \"5s\" }");
            case.write("main.tf", &impatient.text());
            let output = case.apply_fails();
            let took = output.operation_took().as_secs();
            assert!((5..10).contains(&took), "{output}");
            case.assert_diagnostics("definition-missing", &output);
            assert!(case.resource(ADDRESS).is_null(), "{output}");
            // Neither a Secret nor a ConfigMap may stay of what could not be made.
            case.assert_nothing_left();

            case.write("main.tf", &Configuration::small().text());
            case.proxy.forget();
            let running = case.start_apply();
            case.wait_for_request("a write that finds no kind", Duration::from_secs(60), was_written_in_vain);
            running
        });
        definition.mended();
        Operator::anew();
        for running in applies {
            let output = running.wait();
            assert!(output.succeeded(), "{output}");
        }
        both.each(|case| {
            case.proxy.assert_no_discovery();
            serves(case);
            leaves_nothing(case);
        });
    }

    /// With it the custom resource went: that is known, so the next plan makes it anew, with what is left of it.
    fn a_refresh_that_finds_it_gone_drops_the_state(clis: &[Cli]) {
        let both = at_rest(clis, "crd-gone");
        let definition = NoDefinition::new(&both.namespaces());
        both.each(|case| assert_eq!(case.plan().actions(ADDRESS), ["create"]));
        definition.mended();
        both.each(|case| {
            case.apply();
            case.plan_is_empty();
            leaves_nothing(case);
        });
    }

    /// Without a refresh destroy is told of an instance that is gone, and still takes away what is left of it.
    fn destroy_without_it(clis: &[Cli]) {
        let both = at_rest(clis, "crd-destroy");
        let definition = NoDefinition::new(&both.namespaces());
        both.each(|case| {
            let output = case.run(&["destroy", "-refresh=false", "-json", "-auto-approve", "-input=false"]);
            assert!(output.succeeded(), "{output}");
            assert!(case.resource(ADDRESS).is_null(), "{output}");
        });
        definition.mended();
        both.each(|case| case.assert_nothing_left());
    }

    /// A kind that is not served while its CRD is there proves nothing: so answers a server that is starting.
    fn a_refresh_that_is_not_answered_keeps_the_state(clis: &[Cli]) {
        let both = at_rest(clis, "not-served");
        let unserved = Unserved::new();
        both.each(|case| {
            let output = case.plan_fails();
            let instead = "if it is there, see that it serves";
            says(case, &output, &["Could not read Redis", "The cluster has no kind Redis", DEFINITION, instead]);
        });
        drop(unserved);
        Operator::anew();
        both.each(|case| {
            case.plan_is_empty();
            // Nor does a 404 that is not about it, as a proxy on the way gives it, or about something else.
            let other = json!({"name": "other", "group": "redis.redis.opstreelabs.in", "kind": "redis"});
            let about_another = status_body(404, "NotFound", "redis \"other\" not found", Some(other));
            for what in [What::Status(404, None), What::Status(404, Some(about_another))] {
                case.proxy.add_fault(Fault { on: Matcher::on("GET", ALL), when: When::Before, what });
                let output = case.plan_fails();
                says(case, &output, &["Could not list redis in namespace"]);
                case.proxy.clear_faults();
                assert!(!case.resource(ADDRESS).is_null(), "{output}");
            }
            case.plan_is_empty();
            leaves_nothing(case);
        });
    }
}
