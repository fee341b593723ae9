//! Any call to the API server may fail, stall or be cut once: apply goes on, and nothing is done twice or left
//! behind (spec §3, "Safety"). With one CLI: it sees nothing of this.
use serde_json::{Value, json};

use crate::case::Case;
use crate::cli::Cli;
use crate::instance::{ADDRESS, Configuration};
use crate::interrupted::killed;
use crate::leftovers::leftovers;
use crate::proxy::{Fault, Matcher, What, When, status_body};
use crate::redis_client::RedisClient;
use crate::resting::{custom_resource, end, resting};

const SECRETS: &str = "/api/v1/namespaces/*/secrets";
const CONFIG_MAP: &str = "/api/v1/namespaces/*/configmaps/*";
const CUSTOM_RESOURCE: &str = "/apis/redis.redis.opstreelabs.in/v1beta2/namespaces/*/redis/*";

/// Writes that may be repeated without a thought: the second does what the first did.
const REPEATABLE: [(&str, &str); 4] =
    [("PATCH", CONFIG_MAP), ("PATCH", CUSTOM_RESOURCE), ("DELETE", CUSTOM_RESOURCE), ("DELETE", CONFIG_MAP)];

/// Create, look, and destroy, all disturbed.
fn survives(case: &Case, at_least: usize) {
    case.write("main.tf", &Configuration::small().text());
    case.apply();
    assert!(RedisClient::of(case, ADDRESS).ping());
    case.plan_is_empty();
    case.destroy();
    let played = case.proxy.faults_played();
    assert!(played.len() >= at_least, "{played:#?}");
    case.assert_nothing_left();
}

/// The first try of each kind of write meets the fault.
fn writes_survive(cli: Cli, name: &str, when: When, what: &What, writes: &[(&str, &str)]) {
    let case = Case::new(cli, name);
    for (method, path) in writes {
        case.proxy.add_fault(Fault { on: Matcher::on(method, path).first(1), when, what: what.clone() });
    }
    survives(&case, writes.len());
}

/// The server says that it did nothing, so every write may be repeated.
fn refused_writes_survive(cli: Cli, name: &str, what: &What) {
    writes_survive(cli, name, When::Before, what, &[&[("POST", SECRETS)], REPEATABLE.as_slice()].concat());
}

fn reads_survive(cli: Cli, name: &str, watch: bool, what: What) {
    let case = Case::new(cli, name);
    let on = Matcher::on("GET", "/**").watch(watch).first(8);
    case.proxy.add_fault(Fault { on, when: When::Before, what });
    survives(&case, 4);
}

fn unavailable() -> What {
    What::Status(503, Some(status_body(503, "ServiceUnavailable", "made up", None)))
}

for_terraform! {
    fn writes_that_are_refused_for_a_moment(cli: Cli) {
        refused_writes_survive(cli, "write-503", &unavailable());
    }

    fn writes_that_are_too_many(cli: Cli) {
        refused_writes_survive(cli, "write-429", &What::Status(429, None));
    }

    fn writes_that_are_cut_before_the_server_acts(cli: Cli) {
        writes_survive(cli, "write-reset", When::Before, &What::Reset, &REPEATABLE);
    }

    /// What was done must be recognised: the second try meets what the first has made.
    fn writes_that_are_cut_after_the_server_has_acted(cli: Cli) {
        writes_survive(cli, "write-done", When::AfterForward, &What::Reset, &REPEATABLE);
    }

    fn writes_whose_answer_breaks_off(cli: Cli) {
        writes_survive(cli, "write-half", When::AfterForward, &What::HalfBody, &REPEATABLE);
    }

    /// Whether the Secret was made cannot be known then, but the next apply finds out.
    fn the_secret_cut_on_either_side(cli: Cli) {
        for (name, when) in [("secret-before", When::Before), ("secret-after", When::AfterForward)] {
            let case = Case::new(cli, name);
            let on = Matcher::on("POST", SECRETS).first(1);
            case.proxy.add_fault(Fault { on, when, what: What::Reset });
            case.write("main.tf", &Configuration::small().text());
            case.try_apply();
            survives(&case, 1);
        }
    }

    fn reads_that_are_refused_for_a_moment(cli: Cli) {
        reads_survive(cli, "read-503", false, unavailable());
    }

    fn reads_that_are_cut(cli: Cli) {
        reads_survive(cli, "read-reset", false, What::Reset);
    }

    fn watches_that_are_refused_for_a_moment(cli: Cli) {
        reads_survive(cli, "watch-503", true, unavailable());
    }

    fn watches_that_are_cut(cli: Cli) {
        reads_survive(cli, "watch-reset", true, What::Reset);
    }

    /// A server that says nothing is given up on by itself, long before the operation's own timeout.
    fn a_write_that_stalls(cli: Cli) {
        let case = Case::new(cli, "write-stall");
        let on = Matcher::on("PATCH", CUSTOM_RESOURCE).first(1);
        case.proxy.add_fault(Fault { on, when: When::Before, what: What::Stall });
        survives(&case, 1);
    }

    /// A destroy that was cut off has given the Secret an owner that is being deleted: the Secret may go at any moment.
    fn a_secret_that_goes_with_its_owner_while_apply_takes_it_back(cli: Cli) {
        let case = Case::new(cli, "secret-goes");
        let configuration = resting();
        case.write("main.tf", &configuration.text());
        case.apply();
        let owner = &custom_resource(&case)["metadata"]["uid"];
        let owner = json!({ "apiVersion": "redis.redis.opstreelabs.in/v1beta2", "kind": "Redis", "name": "cache", "uid": owner });
        let owned = json!({ "metadata": { "ownerReferences": [owner] } });
        case.kubectl(&["patch", "secret", "cache-auth", "--type=merge", "-p", &owned.to_string()]);
        let details = json!({ "name": "cache-auth", "kind": "secrets" });
        let gone = What::Status(404, Some(status_body(404, "NotFound", "secrets \"cache-auth\" not found", Some(details))));
        let on = Matcher::on("PATCH", "/api/v1/namespaces/*/secrets/*").first(1);
        case.proxy.add_fault(Fault { on, when: When::Before, what: gone });
        case.write("main.tf", &configuration.with("maxmemory_percent", "51").text());
        case.apply();
        assert_eq!(case.proxy.faults_played().len(), 1);
        case.plan_is_empty();
        let secret = case.object("/api/v1/namespaces/{namespace}/secrets/cache-auth").unwrap();
        assert_eq!(secret["metadata"]["ownerReferences"], Value::Null, "{secret:#}");
        end(&case);
    }

    /// A create goes on with what one that was cut off has left. Refused, it takes away what it has made itself, and leaves
    /// what it found.
    fn a_resumed_create_that_is_refused_leaves_what_it_found(cli: Cli) {
        let case = Case::new(cli, "resumed");
        case.write("main.tf", &resting().text());
        killed(&case, &What::KillProvider, When::AfterForward, 3, || case.try_apply()).unwrap();
        let found = custom_resource(&case);
        assert_eq!(annotation(&found, "unfinished"), "creating", "{found:#}");
        let companions = || {
            let mut all = leftovers(&case.namespace);
            all.retain(|name| name.starts_with("secrets/") || name.starts_with("configmaps/"));
            all
        };
        let there = companions();
        assert!(there.iter().any(|name| name == "secrets/cache-auth") && there.len() > 1, "{there:?}");

        // With another text there is another ConfigMap to be made before the custom resource.
        case.write("main.tf", &resting().with("maxmemory_percent", "50").text());
        let what = What::Status(422, Some(status_body(422, "Invalid", "made up", None)));
        let on = Matcher::on("PATCH", CUSTOM_RESOURCE);
        case.proxy.add_fault(Fault { on, when: When::Before, what });
        case.proxy.forget();
        let output = case.apply_fails();
        assert!(case.proxy.writes().iter().any(|write| write.path.contains("/configmaps/")), "{output}");
        assert_eq!(custom_resource(&case)["metadata"]["uid"], found["metadata"]["uid"]);
        assert_eq!(companions(), there);

        case.proxy.clear_faults();
        case.apply();
        case.plan_is_empty();
        assert_eq!(custom_resource(&case)["metadata"]["uid"], found["metadata"]["uid"], "taken up, not made anew");
        end(&case);
    }
}

fn annotation(object: &serde_json::Value, name: &str) -> String {
    let value = &object["metadata"]["annotations"][format!("terraform-provider-redis/{name}")];
    value.as_str().unwrap_or_default().to_owned()
}
