//! What an earlier instance of the same name has left: volumes with data, a custom resource that a state knows, a Secret
//! with another password. A create takes none of it without a word of the user.
use std::time::Duration;

use serde_json::json;

use crate::case::Case;
use crate::ending::says;
use crate::instance::{ADDRESS, CLAIMS, Configuration, SECRETS};
use crate::interrupted::killed;
use crate::proxy::{What, When};
use crate::redis_client::RedisClient;
use crate::resting::{custom_resource, definition, end, patch, resting};
use crate::topology::cluster;

const CLAIM: &str = "apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: NAME }
spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 64Mi } } }
";

fn keeping(more: &str) -> String {
    format!("{{ size = \"64Mi\", retain_on_delete = true{more} }}")
}

/// The names of the claims, and their uids.
fn claims(case: &Case) -> Vec<String> {
    let claims = case.objects(CLAIMS);
    claims.iter().map(|one| format!("{}", one["metadata"]["uid"])).collect()
}

for_alternate_clis! {
    fn kept_volumes_are_used_again_only_if_asked(cli: Cli) {
        let case = Case::new(cli, "kept");
        case.write("main.tf", &Configuration::small().with("persistence", &keeping("")).text());
        case.apply();
        RedisClient::of(&case, ADDRESS).set("kept", "yes");
        // A replacement would destroy the instance before it finds the volumes.
        let replaced = Configuration::small().with("deployment_mode", "\"sentinel\"");
        case.write("main.tf", &replaced.with("persistence", &keeping("")).text());
        says(&case, &case.plan_fails(), &["would be destroyed and could not be created again", "existing_claims = \"reuse\""]);
        case.write("main.tf", &Configuration::small().with("persistence", &keeping("")).text());
        case.destroy();
        let before = claims(&case);
        assert_eq!(before.len(), 1);

        case.write("main.tf", &Configuration::small().text());
        let output = case.apply_fails();
        let words = ["Volumes of an earlier instance named", "cache-cache-0 (created", "existing_claims = \"reuse\"", "delete pvc cache-cache-0"];
        says(&case, &output, &words);
        assert!(case.resource(ADDRESS).is_null());
        assert!(case.objects(SECRETS).is_empty(), "nothing was written");

        let reusing = Configuration::small().with("persistence", &keeping(", existing_claims = \"reuse\""));
        case.write("main.tf", &reusing.text());
        case.apply();
        case.plan_is_empty();
        assert_eq!(RedisClient::of(&case, ADDRESS).get("kept"), "yes");
        assert_eq!(claims(&case), before);
        case.write("main.tf", &Configuration::small().text());
        case.apply();
        case.plan_is_empty();
        case.destroy();
        case.assert_nothing_left();
    }

    /// The operator deletes the claims of the pods that there are, and no others.
    fn a_claim_that_outlives_the_older_instance_is_found_when_that_is_gone(cli: Cli) {
        let case = Case::new(cli, "outlives");
        case.write("main.tf", &resting().text());
        case.apply();
        let held = |held: bool| json!({"metadata": {"finalizers": if held { json!(["redisFinalizer", "redis-e2e/held"]) } else { json!(null) }}});
        patch(&case, "merge", &held(true));
        case.kubectl_apply(&CLAIM.replace("NAME", "cache-cache-1"));
        case.write("terraform.tfstate", "");
        case.kubectl(&["delete", &definition("redis"), "cache", "--wait=false"]);
        let running = case.start_apply();
        case.wait_until("the apply waits for the older instance", Duration::from_secs(30), || {
            case.provider_log().contains("an older object of this name is still being deleted").then_some(())
        });
        case.wait_until("the operator has let go", Duration::from_secs(60), || {
            (custom_resource(&case)["metadata"]["finalizers"] == json!(["redis-e2e/held"])).then_some(())
        });
        patch(&case, "merge", &held(false));
        let output = running.wait();
        assert_eq!(output.code, Some(1), "{output}");
        says(&case, &output, &["Volumes of an earlier instance named", "cache-cache-1 (created", "existing_claims = \"reuse\""]);
        assert!(case.resource(ADDRESS).is_null());
        case.kubectl(&["delete", "pvc", "cache-cache-1"]);
        case.apply();
        case.plan_is_empty();
        end(&case);
    }

    fn kept_volumes_of_a_cluster_are_used_again(cli: Cli) {
        let case = Case::new(cli, "kept-nodes");
        let configuration = cluster().with("persistence", &keeping(", existing_claims = \"reuse\""));
        case.write("main.tf", &configuration.text());
        case.apply();
        let commands = |verb: &str, more: &str| (0..50).map(|key| format!("{verb} key-{key}{more}\n")).collect::<String>();
        let answers = |text: String| text.lines().filter(|line| !line.starts_with("->")).map(str::to_owned).collect::<Vec<_>>();
        let written = RedisClient::of(&case, ADDRESS).pipe(&["-c"], &commands("SET", " kept"));
        assert_eq!(answers(written), vec!["OK"; 50]);
        case.destroy();
        case.apply();
        case.plan_is_empty();
        let read = RedisClient::of(&case, ADDRESS).pipe(&["-c"], &commands("GET", ""));
        assert_eq!(answers(read), vec!["kept"; 50]);
        case.write("main.tf", &configuration.with("persistence", "{ size = \"64Mi\" }").text());
        case.apply();
        case.destroy();
        case.assert_nothing_left();
    }

    /// The mark of a create that was cut off stays in force only until a state knows the instance.
    fn a_create_that_failed_belongs_to_its_state(cli: Cli) {
        let case = Case::new(cli, "not-yours");
        let never_ready = resting().with("wait", "{ on_failure = \"warn\" }").with("timeouts", "{ create = \"8s\" }");
        case.write("main.tf", &never_ready.text());
        case.apply();
        let marks = &custom_resource(&case)["metadata"]["annotations"];
        assert_eq!(marks["terraform-provider-redis/unfinished"], "created");
        let claim = marks["terraform-provider-redis/claim"].clone();
        let state = case.read("terraform.tfstate");
        case.write("terraform.tfstate", "");
        for adopt in ["false", "true"] {
            case.write("main.tf", &resting().with("adopt_existing", adopt).text());
            says(&case, &case.apply_fails(), &["already exists", "the mark of this provider", "import it"]);
        }
        assert_eq!(custom_resource(&case)["metadata"]["annotations"]["terraform-provider-redis/claim"], claim);
        case.write("terraform.tfstate", &state);
        case.write("main.tf", &resting().text());
        case.apply();
        case.plan_is_empty();
        end(&case);
    }

    fn a_password_that_changes_after_a_create_was_cut_off_is_the_new_one(cli: Cli) {
        let case = Case::new(cli, "other-password");
        let with = |password: &str| {
            resting().with("authentication", &format!("{{ password_wo = {password:?}, password_wo_version = 1 }}"))
        };
        let held = |case: &Case| {
            let secret = case.objects(SECRETS).pop().expect("a Secret");
            secret["data"]["password"].as_str().unwrap_or_default().to_owned()
        };
        // Killed after the Secret, and after the custom resource.
        case.write("main.tf", &with("first1").text());
        killed(&case, &What::KillProvider, When::AfterForward, 1, || case.try_apply()).unwrap();
        let first = held(&case);
        case.write("main.tf", &with("second2").text());
        killed(&case, &What::KillProvider, When::AfterForward, 4, || case.try_apply()).unwrap();
        let second = held(&case);
        assert_ne!(first, second);
        case.write("main.tf", &with("third3").text());
        says(&case, &case.apply_fails(), &["was begun with another password", "Set that password again"]);
        case.write("main.tf", &with("second2").text());
        case.apply();
        case.plan_is_empty();
        assert_eq!(held(&case), second);
        end(&case);
    }
}
