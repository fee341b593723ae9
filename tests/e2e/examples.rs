//! The examples are true: both CLIs plan each of them without a cluster, and one CLI writes it, finds nothing left to
//! do, and takes it away. Pods of production size do not fit on the node, so nothing is waited for, and none is
//! scheduled.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::case::Case;
use crate::cli::Cli;
use crate::cluster;

/// For fragments, which the documentation shows without it.
const REQUIREMENTS: &str =
    "terraform {\n  required_providers {\n    redis = { source = \"redis-k8s/redis\" }\n  }\n}\n";

/// Needs a newer Terraform than the oldest that the tests may meet; `import` tries it where there is one.
const BY_IDENTITY: &str = "import-by-identity.tf";

/// A node selector that no node fits: pods stay pending and take no room from other tests.
const NOWHERE: &str = "  node_selector = { \"redis-e2e/never\" = \"true\" }\n";

struct Example {
    /// Its folder below `examples`, with dashes for slashes.
    name: String,
    files: Vec<(String, String)>,
}

impl Example {
    fn text(&self) -> String {
        self.files.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// Whether it stands alone. Others are shown in the documentation beside what they belong to.
    fn is_whole(&self) -> bool {
        let text = self.text();
        text.contains("required_providers") && text.contains("resource \"redis_k8s_instance\"")
    }

    /// What the tests have otherwise: the namespace, and that nothing starts.
    fn overrides(&self) -> String {
        let text = self.text();
        let selector = if text.contains("node_selector") { "" } else { NOWHERE };
        let begins = "resource \"redis_k8s_instance\" \"";
        let label = |line: &str| line.strip_prefix(begins)?.split('"').next().map(str::to_owned);
        text.lines()
            .filter_map(label)
            .map(|label| {
                format!(
                    "{begins}{label}\" {{\n  namespace = \"{{namespace}}\"\n  wait = {{ enabled = false }}\n  \
                     deletion_protection = false\n{selector}}}\n"
                )
            })
            .collect()
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn examples() -> Vec<Example> {
    let mut found = Vec::new();
    collect(&folder(), "", &mut found);
    found
}

/// The one in `README.md`.
fn readme() -> Example {
    let text = std::fs::read_to_string(folder().with_file_name("README.md")).unwrap();
    let blocks = text.split("```").filter_map(|block| block.strip_prefix("hcl\n"));
    let whole = blocks.filter(|block| block.contains("required_providers")).map(str::to_owned);
    Example { name: "readme".to_owned(), files: whole.map(|text| ("main.tf".to_owned(), text)).collect() }
}

fn collect(folder: &Path, name: &str, found: &mut Vec<Example>) {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let file = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            let inner = if name.is_empty() { file } else { format!("{name}-{file}") };
            collect(&entry.path(), &inner, found);
        } else if file.ends_with(".tf") {
            files.push((file, std::fs::read_to_string(entry.path()).unwrap()));
        }
    }
    files.sort();
    if !files.is_empty() {
        found.push(Example { name: name.to_owned(), files });
    }
}

fn new_case(cli: Cli, name: &str) -> Case {
    let case = Case::new(cli, name);
    case.set("TF_VAR_redis_password", "correct-horse");
    case
}

for_each_cli! {
    fn every_example_is_valid(cli: Cli) {
        let case = new_case(cli, "valid");
        case.use_kubeconfig(&case.path("no-such-file"));
        for example in examples().into_iter().chain([readme()]) {
            std::fs::create_dir(case.path(&example.name)).unwrap();
            for (file, text) in example.files.iter().filter(|(file, _)| file != BY_IDENTITY) {
                case.write(&format!("{}/{file}", example.name), text);
            }
            let there = format!("-chdir={}", example.name);
            if example.is_whole() {
                let plan = case.run(&[&there, "plan", "-json", "-input=false", "-detailed-exitcode"]);
                assert_eq!(plan.code, Some(2), "{} must be planned, but:\n{plan}", example.name);
            } else {
                if !example.text().contains("required_providers") {
                    case.write(&format!("{}/versions.tf", example.name), REQUIREMENTS);
                }
                let validate = case.run(&[&there, "validate", "-no-color"]);
                assert!(validate.succeeded(), "{} must be valid, but:\n{validate}", example.name);
            }
        }
        assert!(case.proxy.requests().is_empty(), "{}", case.proxy.describe());
    }
}

/// Makes a test of each name, for the CLI before it.
macro_rules! applied {
    ($($cli:ident: $($name:ident)*;)*) => {
        const APPLIED: &[&str] = &[$($(stringify!($name)),*),*];

        mod applied {
            use crate::cli::{Cli, run};

            $($(
                #[test]
                fn $name() {
                    let name = concat!(module_path!(), "::", stringify!($name));
                    run(Some(Cli::$cli), name, || super::is_written_and_goes(Cli::$cli, stringify!($name)));
                }
            )*)*
        }
    };
}

applied! {
    Terraform: automated_backups custom_storage disruption_budget external_access minimal_development network_policy
        pod_security production_sentinel s3_backups cluster small_instances standalone tuning;
    Tofu: demo encrypted_storage irsa multi_az password production_cluster replication sentinel service_monitor
        spot_nodes tls zero_trust;
}

fn is_written_and_goes(cli: Cli, name: &str) {
    let name = name.replace('_', "-");
    let example = examples().into_iter().find(|example| example.name == name).unwrap();
    let case = new_case(cli, &name);
    for (file, text) in &example.files {
        case.write(file, text);
    }
    case.write("override.tf", &example.overrides());
    case.apply();
    let objects = objects(&case);
    assert!(!objects.is_empty(), "{} manages no objects", example.name);
    for object in objects {
        let path = path(&object);
        assert_eq!(cluster::get(&path).status, 200, "{path} must be there");
    }
    case.plan_is_empty();
    case.destroy();
    case.assert_nothing_left();
}

/// What all instances of the state say that they manage.
fn objects(case: &Case) -> Vec<Value> {
    let state = case.state();
    let resources = state["values"]["root_module"]["resources"].as_array().cloned().unwrap_or_default();
    resources
        .iter()
        .filter(|resource| resource["type"] == "redis_k8s_instance")
        .flat_map(|resource| resource["values"]["objects"].as_array().cloned().unwrap_or_default())
        .collect()
}

/// Where an object is in the API; plurals of the kinds that instances are made of.
fn path(object: &Value) -> String {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let kind = text("kind").to_lowercase();
    let (group, plural) = match kind.as_str() {
        "redis" => ("/apis/redis.redis.opstreelabs.in/v1beta2", kind),
        other if other.starts_with("redis") => {
            ("/apis/redis.redis.opstreelabs.in/v1beta2", format!("{kind}s"))
        }
        "networkpolicy" => ("/apis/networking.k8s.io/v1", "networkpolicies".to_owned()),
        _ => ("/api/v1", format!("{kind}s")),
    };
    format!("{group}/namespaces/{}/{plural}/{}", text("namespace"), text("name"))
}

/// Without a cluster: an example that was added is in the list above.
#[test]
fn every_whole_example_is_applied() {
    let whole: BTreeSet<String> =
        examples().iter().filter(|example| example.is_whole()).map(|example| example.name.clone()).collect();
    let applied: BTreeSet<String> = APPLIED.iter().map(|name| name.replace('_', "-")).collect();
    assert_eq!(whole, applied, "add it to `applied!`");
}
