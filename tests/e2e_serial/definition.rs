//! The CRD is missing: apply names it, and uses it when it comes; a refresh drops the state only if the CRD itself is
//! gone (issue 3, §6.6; spec §1.6.5).
use std::time::Duration;

use serde_json::json;

use crate::case::Case;
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

for_each_cli! {
    fn apply_without_it(cli: Cli) {
        let case = Case::new(cli, "no-crd");
        let definition = NoDefinition::new(&case.namespace);
        let impatient = Configuration::small().with("timeouts", "{ create = \"5s\" }");
        case.write("main.tf", &impatient.text());
        let output = case.apply_fails();
        let took = output.operation_took().as_secs();
        assert!((5..10).contains(&took), "{output}");
        case.assert_diagnostics("definition-missing", &output);
        assert!(case.resource(ADDRESS).is_null(), "{output}");
        // Neither a Secret nor a ConfigMap may stay of what could not be made.
        case.assert_nothing_left();
        definition.mended();
        case.write("main.tf", &resting().text());
        case.apply();
        case.plan_is_empty();
        leaves_nothing(&case);
    }

    fn one_that_comes_in_time_is_used(cli: Cli) {
        let case = Case::new(cli, "crd-later");
        let definition = NoDefinition::new(&case.namespace);
        case.write("main.tf", &Configuration::small().text());
        let running = case.start_apply();
        case.wait_for_request("a write that finds no kind", Duration::from_secs(60), was_written_in_vain);
        definition.mended();
        Operator::anew();
        let output = running.wait();
        assert!(output.succeeded(), "{output}");
        case.proxy.assert_no_discovery();
        serves(&case);
        leaves_nothing(&case);
    }

    /// With it the custom resource went: that is known, so the next plan makes it anew, with what is left of it.
    fn a_refresh_that_finds_it_gone_drops_the_state(cli: Cli) {
        let case = Case::new(cli, "crd-gone");
        case.write("main.tf", &resting().text());
        case.apply();
        let definition = NoDefinition::new(&case.namespace);
        assert_eq!(case.plan().actions(ADDRESS), ["create"]);
        definition.mended();
        case.apply();
        case.plan_is_empty();
        leaves_nothing(&case);
    }

    /// Without a refresh destroy is told of an instance that is gone, and still takes away what is left of it.
    fn destroy_without_it(cli: Cli) {
        let case = Case::new(cli, "crd-destroy");
        case.write("main.tf", &resting().text());
        case.apply();
        let definition = NoDefinition::new(&case.namespace);
        let output = case.run(&["destroy", "-refresh=false", "-json", "-auto-approve", "-input=false"]);
        assert!(output.succeeded(), "{output}");
        assert!(case.resource(ADDRESS).is_null(), "{output}");
        definition.mended();
        case.assert_nothing_left();
    }

    /// A kind that is not served while its CRD is there proves nothing: so answers a server that is starting.
    fn a_refresh_that_is_not_answered_keeps_the_state(cli: Cli) {
        let case = Case::new(cli, "not-served");
        case.write("main.tf", &resting().text());
        case.apply();
        let unserved = Unserved::new();
        let output = case.plan_fails();
        says(&case, &output, &["Could not read Redis", "The cluster has no kind Redis", DEFINITION, "if it is there, see that it serves"]);
        drop(unserved);
        Operator::anew();
        case.plan_is_empty();
        // Nor does a 404 that is not about it, as a proxy on the way gives it, or about something else.
        let other = json!({"name": "other", "group": "redis.redis.opstreelabs.in", "kind": "redis"});
        let about_another = status_body(404, "NotFound", "redis \"other\" not found", Some(other));
        for what in [What::Status(404, None), What::Status(404, Some(about_another))] {
            case.proxy.add_fault(Fault { on: Matcher::on("GET", ALL), when: When::Before, what });
            let output = case.plan_fails();
            says(&case, &output, &["Could not list redis in namespace"]);
            case.proxy.clear_faults();
            assert!(!case.resource(ADDRESS).is_null(), "{output}");
        }
        case.plan_is_empty();
        leaves_nothing(&case);
    }
}
