//! What a restart reads is on disk before the restart, whatever files the configuration switches on and off; and a
//! password is what the operator and Redis read in its Secret.
use std::time::Duration;

use serde_json::Value;

use crate::case::Case;
use crate::ending::says;
use crate::instance::{ADDRESS, Configuration, PODS};
use crate::kubernetes::is_ready;
use crate::proxy::{Fault, Matcher, What, When, status_body};
use crate::redis_client::RedisClient;
use crate::topology::{cluster, replication};

const CONFIG_MAPS: &str = "/api/v1/namespaces/{namespace}/configmaps";

const PASSWORDS: &str = "
apiVersion: v1
kind: Secret
metadata: { name: pass }
stringData:
  line: \"SummerRain42\\n\"
  other: \"AutumnWind43\\n\"
  blank: correct horse battery
  quote: 'dont\"tell-7f3a'
";

fn persistence(rdb: bool, aof: bool) -> String {
    format!("{{ size = \"64Mi\", rdb = {{ enabled = {rdb} }}, aof = {{ enabled = {aof} }} }}")
}

fn with_password(key: &str) -> Configuration {
    Configuration::small()
        .with("authentication", &format!("{{ existing_secret = {{ name = \"pass\", key = {key:?} }} }}"))
}

fn is_ours(object: &Value) -> bool {
    object["metadata"]["labels"]["terraform-provider-redis/instance"] == "cache"
}

fn apply(case: &Case, configuration: &Configuration) {
    case.write("main.tf", &configuration.text());
    case.apply();
    case.plan_is_empty();
}

for_alternate_clis! {
    /// Redis reads the append-only file and nothing else if there is one, and ends without a snapshot if it has no save
    /// points.
    fn each_change_of_files_keeps_all_keys(cli: Cli) {
        let case = Case::new(cli, "files");
        let of = |rdb, aof| Configuration::small().with("persistence", &persistence(rdb, aof));
        apply(&case, &of(true, false));
        let points = "3600 1 300 100 60 10000";
        for (step, (rdb, aof)) in
            [(true, true), (false, true), (true, false), (true, true), (true, false)].into_iter().enumerate()
        {
            RedisClient::of(&case, ADDRESS).set(&format!("before-{step}"), "kept");
            apply(&case, &of(rdb, aof));
            let client = RedisClient::of(&case, ADDRESS);
            assert_eq!(client.config("appendonly"), if aof { "yes" } else { "no" });
            for earlier in 0..=step {
                assert_eq!(client.get(&format!("before-{earlier}")), "kept", "step {step}");
            }
        }
        // The save points are those of the configuration, and not the image's besides.
        let rarely = format!("{{ size = \"64Mi\", rdb = {{ save_interval = {points:?} }} }}");
        apply(&case, &Configuration::small().with("persistence", &rarely));
        assert_eq!(RedisClient::of(&case, ADDRESS).config("save"), points);

        // Without the right to have it written, another form would be an empty one; the same form is none.
        let words = "pods \"cache-0\" is forbidden: User \"ci\" cannot get resource \"pods/portforward\" in API group \"\" in the namespace \"a\"";
        let denied = status_body(403, "Forbidden", words, None);
        let on = Matcher::on("GET", "/api/v1/namespaces/*/pods/*/portforward");
        case.proxy.add_fault(Fault { on, when: When::Before, what: What::Status(403, Some(denied)) });
        case.write("main.tf", &of(true, true).text());
        let output = case.apply_fails();
        says(&case, &output, &["cannot be prepared for the restart", "pods/portforward", "No pod was restarted"]);
        case.proxy.clear_faults();
        case.write("main.tf", &Configuration::small().with("persistence", &rarely).text());
        case.plan_is_empty();
        assert_eq!(RedisClient::of(&case, ADDRESS).get("before-0"), "kept");
        case.destroy();
        case.assert_nothing_left();
    }

    /// Each shard has one node, so nobody else has its keys.
    fn shards_without_followers_keep_all_keys(cli: Cli) {
        let case = Case::new(cli, "shard-files");
        case.set_deadline(Duration::from_secs(500));
        let of = |aof| {
            let files = persistence(true, aof).replace("{ size", "{ node_conf_size = \"64Mi\", size");
            cluster().with("cluster", "{ num_shards = 3, replicas_per_shard = 0 }").with("persistence", &files)
        };
        apply(&case, &of(false));
        let keys: Vec<String> = (0..50).map(|number| format!("key-{number}")).collect();
        let client = || RedisClient::of(&case, ADDRESS);
        let lines: String = keys.iter().map(|key| format!("SET {key} kept\n")).collect();
        let answers = client().pipe(&["-c"], &lines);
        assert_eq!(answers.matches("OK").count(), keys.len(), "{answers}");
        apply(&case, &of(true));
        let lines: String = keys.iter().map(|key| format!("GET {key}\n")).collect();
        let found = client().pipe(&["-c"], &lines);
        assert_eq!(found.matches("kept").count(), keys.len(), "{found}");
        case.destroy();
        case.assert_nothing_left();
    }

    /// A partition leaves the first pod as it was, on purpose: it may start again with what it was started with.
    fn a_pod_of_the_old_revision_can_start_again(cli: Cli) {
        let case = Case::new(cli, "old-pods");
        case.set_deadline(Duration::from_secs(400));
        let of = |partition: u8, length: u8| {
            replication()
                .with("update_strategy", &format!("{{ guarded = false, rolling_update = {{ partition = {partition} }} }}"))
                .with("additional_config", &format!("{{ slowlog-max-len = \"{length}\" }}"))
        };
        apply(&case, &of(1, 100));
        apply(&case, &of(1, 101));
        let configurations = || case.objects(CONFIG_MAPS).iter().filter(|one| is_ours(one)).count();
        assert_eq!(configurations(), 2);
        let before = case.object(&format!("{PODS}/cache-0")).expect("the pod")["metadata"]["uid"].clone();
        case.kubectl(&["delete", "pod", "cache-0", "--wait=false"]);
        case.wait_for_object("the old pod is Ready again", PODS, Duration::from_secs(90), |pod| {
            pod["metadata"]["name"] == "cache-0" && pod["metadata"]["uid"] != before && is_ready(pod)
        });
        apply(&case, &of(0, 101));
        assert_eq!(configurations(), 1);
        case.destroy();
        case.assert_nothing_left();
    }

    /// Nobody waits for pods that somebody else replaces: what they have started with goes with the first apply after that.
    fn what_old_pods_needed_goes_once_they_are_gone(cli: Cli) {
        let case = Case::new(cli, "no-old-pods");
        let of = |length: u8| {
            Configuration::small()
                .with("update_strategy", "{ guarded = false, type = \"OnDelete\" }")
                .with("additional_config", &format!("{{ slowlog-max-len = \"{length}\" }}"))
        };
        apply(&case, &of(100));
        let configurations = || case.objects(CONFIG_MAPS).iter().filter(|one| is_ours(one)).count();
        assert_eq!(configurations(), 1);
        apply(&case, &of(101));
        assert_eq!(configurations(), 2);
        let before = case.object(&format!("{PODS}/cache-0")).expect("the pod")["metadata"]["uid"].clone();
        case.kubectl(&["delete", "pod", "cache-0", "--wait=false"]);
        case.wait_for_object("the new pod is Ready", PODS, Duration::from_secs(90), |pod| {
            pod["metadata"]["uid"] != before && is_ready(pod)
        });
        case.wait_until("the plan shows what is left", Duration::from_secs(60), || {
            let plan = case.plan();
            let repairs = plan.json["resource_changes"][0]["change"]["before"]["repairs"].to_string();
            repairs.contains("is no longer wanted").then_some(())
        });
        apply(&case, &of(101));
        assert_eq!(configurations(), 1);
        case.destroy();
        case.assert_nothing_left();
    }

    /// A cache that is full serves reads, and is to be changed like any other.
    fn a_master_that_is_full_is_a_master(cli: Cli) {
        let case = Case::new(cli, "full");
        let of = |further: &[(&str, &str)]| {
            let full = Configuration::small().with("additional_config", "{ maxmemory = \"2mb\", maxmemory-policy = \"noeviction\" }");
            further.iter().fold(full, |all, (argument, value)| all.with(argument, value))
        };
        apply(&case, &of(&[]));
        let fill = "for i=1,1000 do redis.call('SET', i, string.rep('x', 4096)) end";
        // Redis looks at its memory before the script, and not in its middle.
        RedisClient::of(&case, ADDRESS).command(&["EVAL", fill, "0"]);
        let output = RedisClient::of(&case, ADDRESS).try_command(&["SET", "more", "x"]);
        assert!(output.stdout.contains("OOM"), "{output}");
        case.write("main.tf", &of(&[("service", "{ type = \"NodePort\" }")]).text());
        let output = case.apply();
        let told = case.diagnostics(&output).into_iter().find(|one| one.summary.ends_with("refuses writes"));
        let told = told.unwrap_or_else(|| panic!("{output}")).detail;
        assert!(told.contains("OOM command not allowed") && told.contains("maxmemory-policy"), "{told}");
        case.plan_is_empty();
        case.destroy();
        case.assert_nothing_left();
    }

    /// `echo word | kubectl create secret … --from-file` leaves a line break at the end.
    fn a_line_break_is_no_part_of_a_password(cli: Cli) {
        let case = Case::new(cli, "line-break");
        case.kubectl_apply(PASSWORDS);
        apply(&case, &with_password("line"));
        let client = |password: &str| RedisClient::new(&case, "cache-0", None).with_password(password);
        assert!(client("SummerRain42").ping());
        apply(&case, &with_password("other"));
        assert!(client("AutumnWind43").ping());
        assert!(case.object(&format!("{PODS}/cache-0")).is_some());
        case.destroy();
        case.kubectl(&["delete", "secret", "pass"]);
        case.assert_nothing_left();
    }

    /// The operator's images write the password into redis.conf as it is.
    fn a_password_of_two_words_is_refused_and_not_shown(cli: Cli) {
        let case = Case::new(cli, "two-words");
        case.kubectl_apply(PASSWORDS);
        for key in ["blank", "quote"] {
            case.write("main.tf", &with_password(key).text());
            let output = case.apply_fails();
            says(&case, &output, &["Secret", "pass", &format!("key {key}"), "Nothing was changed"]);
            for secret in ["horse", "7f3a"] {
                assert!(!output.stdout.contains(secret) && !output.stderr.contains(secret));
            }
            assert!(case.resource(ADDRESS).is_null());
        }
        case.kubectl(&["delete", "secret", "pass"]);
        case.assert_nothing_left();
    }
}
