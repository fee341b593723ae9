//! What a plan refuses on an instance that exists: what would jam the operator, or lose data without being asked
//! (spec §1.4).
use serde_json::json;

use crate::case::Case;
use crate::instance::{ADDRESS, Configuration};
use crate::resting::{applied, custom_resource, end, patch, resting, summaries};

/// Everything is as it was: the object of this uid, and a plan that has nothing to do.
fn untouched(case: &Case, configuration: &Configuration, uid: &serde_json::Value) {
    case.write("main.tf", &configuration.text());
    assert_eq!(&custom_resource(case)["metadata"]["uid"], uid);
    case.plan_is_empty();
}

for_alternate_clis! {
    fn what_cannot_be_undone_is_refused_all_at_once(cli: Cli) {
        let case = applied(cli, "refused", &resting());
        let changed = resting()
            .with("version", "\"6.2\"")
            .with("persistence", "{ size = \"64Mi\", storage_class = \"other\", access_modes = [\"ReadWriteMany\"] }");
        case.write("main.tf", &changed.text());
        case.proxy.forget();
        let output = case.plan_fails();
        assert_eq!(case.proxy.writes().len(), 0);
        case.assert_diagnostics("refused-changes", &output);

        case.write("main.tf", &resting().with("persistence", "{ enabled = false }").text());
        assert_eq!(summaries(&case, &case.plan_fails()), ["persistence.enabled cannot change on an existing instance"]);
        case.write("main.tf", &resting().with("image", "{ tag = \"v6.2.14\" }").text());
        assert_eq!(summaries(&case, &case.plan_fails()), ["Redis cannot be downgraded from 7.0 to 6.2"]);
        case.write("main.tf", &resting().with("persistence", "{ size = \"131072Ki\" }").text());
        case.plan_is_empty();
        case.write("main.tf", &resting().with("version", "\"7.1\"").text());
        assert_eq!(case.plan().changed_attributes(ADDRESS).configured, ["version"]);

        // Somebody else has grown it: no apply shrinks it again, but it can be destroyed.
        case.write("main.tf", &resting().text());
        let grown = json!({ "volumeClaimTemplate": { "spec": { "resources": { "requests": { "storage": "256Mi" } } } } });
        patch(&case, "merge", &json!({ "spec": { "storage": grown } }));
        let shrinks = ["Volumes cannot shrink from 256Mi to 128Mi"];
        assert_eq!(case.plan().changed_attributes(ADDRESS).configured, ["persistence.size"]);
        assert_eq!(summaries(&case, &case.apply_fails()), shrinks);
        case.write("main.tf", &resting().with("persistence", "{ size = \"64Mi\" }").text());
        assert_eq!(summaries(&case, &case.plan_fails()), ["Volumes cannot shrink from 256Mi to 64Mi"]);
        case.write("main.tf", &resting().text());
        end(&case);
    }

    /// A name of its own is another instance: said at plan, with what is lost.
    fn a_replacement_is_said_to_lose_data(cli: Cli) {
        let case = applied(cli, "replace", &resting());
        case.write("main.tf", &resting().with("name", "\"other\"").text());
        let plan = case.plan();
        assert_eq!(plan.actions(ADDRESS), ["delete", "create"]);
        assert_eq!(plan.replaced_by(ADDRESS), ["name"]);
        case.assert_diagnostics("replacement", &plan.output);
        case.write("main.tf", &resting().text());
        end(&case);
    }

    fn a_protected_instance_is_neither_destroyed_nor_replaced(cli: Cli) {
        let protected = resting().with("deletion_protection", "true");
        let case = applied(cli, "protected", &protected);
        let uid = custom_resource(&case)["metadata"]["uid"].clone();
        let replaced = ["The instance is protected against replacement"];
        let destroyed = [format!("{}/cache is protected against deletion", "<namespace>")];

        assert_eq!(summaries(&case, &case.start_destroy().wait()), destroyed);
        assert_eq!(summaries(&case, &case.run(&["plan", "-json", "-destroy"])), destroyed);
        assert_eq!(summaries(&case, &case.run(&["plan", "-json", "-replace", ADDRESS])), replaced);
        for argument in [("name", "\"other\""), ("namespace", "\"default\"")] {
            case.write("main.tf", &protected.clone().with(argument.0, argument.1).text());
            assert_eq!(summaries(&case, &case.plan_fails()), replaced);
        }
        // Protection that is taken away in the same plan protects all the same.
        case.write("main.tf", &resting().with("name", "\"other\"").text());
        assert_eq!(summaries(&case, &case.plan_fails()), replaced);
        // Taken out of the configuration.
        case.write("main.tf", "terraform {\n  required_providers {\n    redis = { source = \"redis-k8s/redis\" }\n  }\n}\n");
        assert_eq!(summaries(&case, &case.plan_fails()), destroyed);
        untouched(&case, &protected, &uid);

        // Core shows nothing of a tainted object to plan, so apply must refuse.
        case.run(&["taint", ADDRESS]);
        assert!(case.tainted(ADDRESS));
        let output = case.apply_fails();
        assert!(summaries(&case, &output).iter().any(|summary| summary.contains("protected")), "{output}");
        case.run(&["untaint", ADDRESS]);
        untouched(&case, &protected, &uid);

        case.write("main.tf", &resting().text());
        case.apply();
        end(&case);
    }
}
