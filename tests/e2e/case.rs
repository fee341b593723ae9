//! One test's world: a namespace, a folder, a proxy in front of the API server, and a CLI that uses them.
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use hyper::Method;
use serde_json::json;
use tempfile::TempDir;

use crate::cli::Cli;
use crate::process::{Group, Output};
use crate::proxy::Proxy;
use crate::{cluster, leftovers, report};

/// How long a command may take before it is killed, unless a test says otherwise. Longer than the timeouts of the
/// scenarios, so that the provider can say itself what it waited for.
const DEADLINE: Duration = Duration::from_secs(240);

/// Variables of the caller that would change what the CLI or the provider does.
const FOREIGN_VARIABLES: [&str; 6] = ["TF_", "TOFU_", "KUBE", "AWS_", "HTTP", "http"];

pub struct Case {
    pub cli: Cli,
    pub namespace: String,
    pub proxy: Proxy,
    pub(crate) group: Group,
    folder: TempDir,
    changing: Mutex<Changing>,
}

/// What a test changes as it goes on. Locked, so that a test may write keys while a command runs.
struct Changing {
    deadline: Duration,
    environment: BTreeMap<String, String>,
    outputs: Vec<Output>,
    leaves_things: bool,
}

impl Case {
    /// A world of its own: nothing in it is shared with another case or another run.
    pub fn new(cli: Cli, name: &str) -> Case {
        let namespace = format!("e2e-{name}-{}-{}", cli.name(), unique());
        assert!(namespace.len() <= 63, "{namespace} is too long for a namespace");
        let body = json!({"metadata": {"name": namespace, "labels": {"redis-e2e": "case"}}});
        let answer = cluster::request(Method::POST, "/api/v1/namespaces", Some(&body));
        assert_eq!(answer.status, 201, "creating namespace {namespace}: {}", answer.text);

        let group = Group::default();
        let case = Case {
            cli,
            proxy: Proxy::start(group.clone()),
            group,
            namespace,
            folder: TempDir::with_prefix("redis-e2e-").unwrap(),
            changing: Mutex::new(Changing {
                deadline: DEADLINE,
                environment: BTreeMap::new(),
                outputs: Vec::new(),
                leaves_things: false,
            }),
        };
        std::fs::create_dir(case.path("logs")).unwrap();
        case.write("cli.tfrc", &cli_configuration());
        case.write("kubeconfig", &case.proxy.kubeconfig(None));
        case.use_kubeconfig(&case.path("kubeconfig"));
        for (name, value) in [
            ("CHECKPOINT_DISABLE", "1"),
            ("TF_IN_AUTOMATION", "1"),
            ("TF_INPUT", "0"),
            ("TF_LOG_PROVIDER", "debug"),
        ] {
            case.set(name, value);
        }
        case.set("TF_CLI_CONFIG_FILE", &case.path("cli.tfrc").to_string_lossy());
        case.set("TF_LOG_PATH", &case.path("logs/provider.log").to_string_lossy());
        case
    }

    fn changing(&self) -> MutexGuard<'_, Changing> {
        // Also after a panic elsewhere: the report of the failure reads from here.
        self.changing.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Where the case's file of that name lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the configuration; `{namespace}` stands for the case's own.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text.replace("{namespace}", &self.namespace)).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.path(name)).unwrap_or_default()).into_owned()
    }

    /// Sets an environment variable for the commands that follow.
    pub fn set(&self, name: &str, value: &str) {
        self.changing().environment.insert(name.to_owned(), value.to_owned());
    }

    pub fn unset(&self, name: &str) {
        self.changing().environment.remove(name);
    }

    pub fn use_kubeconfig(&self, path: &Path) {
        for name in ["KUBECONFIG", "KUBE_CONFIG_PATH"] {
            self.set(name, &path.to_string_lossy());
        }
    }

    /// The deadline of each command that follows.
    pub fn set_deadline(&self, deadline: Duration) {
        self.changing().deadline = deadline;
    }

    pub fn deadline(&self) -> Duration {
        self.changing().deadline
    }

    /// For tests that leave something behind on purpose: the end of the case only cleans up.
    pub fn leaves_things(&self) {
        self.changing().leaves_things = true;
    }

    /// What the provider logged, at the level of `TF_LOG_PROVIDER`.
    pub fn provider_log(&self) -> String {
        self.read("logs/provider.log")
    }

    /// A command in the case's folder and environment.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder());
        for (name, _) in std::env::vars() {
            if FOREIGN_VARIABLES.iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command.envs(self.changing().environment.iter());
        command
    }

    /// Keeps what a command printed for the report of a failure.
    pub(crate) fn remember(&self, output: &Output) {
        self.changing().outputs.push(output.clone());
    }

    pub fn outputs(&self) -> Vec<Output> {
        self.changing().outputs.clone()
    }
}

/// Nothing is downloaded: the provider is the one that cargo has just built.
fn cli_configuration() -> String {
    let provider = Path::new(env!("CARGO_BIN_EXE_terraform-provider-redis")).parent().unwrap();
    format!(
        "provider_installation {{\n  dev_overrides {{\n    \"redis-k8s/redis\" = \"{}\"\n  }}\n  direct {{}}\n}}\n",
        provider.display()
    )
}

/// Differs between cases, runs and machines: the standard library seeds its hasher at random.
pub fn unique() -> String {
    format!("{:08x}", RandomState::new().hash_one(std::process::id()) & 0xffff_ffff)
}

impl Drop for Case {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        if failed {
            report::print(self);
        }
        // The proxy may be holding requests back; the cleanup goes past it.
        let left = if failed || self.changing().leaves_things {
            Vec::new()
        } else {
            leftovers::settled(&self.namespace)
        };
        leftovers::clean(&self.namespace);
        if !left.is_empty() {
            report::print(self);
            panic!("left in namespace {}: {left:#?}", self.namespace);
        }
    }
}
