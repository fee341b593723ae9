//! kubectl and waiting, in a case's namespace. As administrator and past the proxy, so that none of it is counted.
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::case::Case;
use crate::cluster;
use crate::process::{Output, Running};

/// How long kubectl may take; `exec` into a container that just starts is the slowest.
const KUBECTL_DEADLINE: Duration = Duration::from_secs(60);

/// How often a condition is looked at that no single watch covers.
const POLL: Duration = Duration::from_millis(100);

/// Whether a pod says that it is Ready.
pub fn is_ready(pod: &Value) -> bool {
    let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|one| one["type"] == "Ready" && one["status"] == "True")
}

impl Case {
    /// `kubectl -n <namespace> …` that must succeed; returns what it prints.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.try_kubectl(arguments);
        assert!(output.succeeded(), "kubectl must succeed, but:\n{output}");
        output.stdout
    }

    pub fn try_kubectl(&self, arguments: &[&str]) -> Output {
        self.kubectl_with(&cluster::kubeconfig_path().to_string_lossy(), arguments)
    }

    /// kubectl through the case's proxy, where it is counted and meets the faults.
    pub fn kubectl_through_proxy(&self, arguments: &[&str]) -> Output {
        self.kubectl_with(&self.path("kubeconfig").to_string_lossy(), arguments)
    }

    fn kubectl_with(&self, kubeconfig: &str, arguments: &[&str]) -> Output {
        let mut command = self.command(&cluster::kubectl_path());
        // Discovery is shared between cases: each kubectl would download it anew.
        let cache = std::env::temp_dir().join("redis-e2e-kubectl");
        command.arg(format!("--kubeconfig={kubeconfig}")).arg(format!("--cache-dir={}", cache.display()));
        command.args(["-n", &self.namespace]).args(arguments);
        let log = self.path(&format!("logs/kubectl-{}", crate::case::unique()));
        Running::start(command, &format!("kubectl {}", arguments.join(" ")), &log, KUBECTL_DEADLINE).wait()
    }

    pub fn kubectl_json(&self, arguments: &[&str]) -> Value {
        let text = self.kubectl(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}"))
    }

    /// `kubectl apply` of a text; `{namespace}` stands for the case's own.
    pub fn kubectl_apply(&self, yaml: &str) {
        let name = format!("applied-{}.yaml", crate::case::unique());
        self.write(&name, yaml);
        self.kubectl(&["apply", "-f", &name]);
    }

    /// Runs a script in a container with a text as its standard input, so that a secret is in no command line.
    pub fn exec_with_input(&self, pod: &str, container: &str, command: &[&str], input: &str) -> Output {
        let mut kubectl = self.command(&cluster::kubectl_path());
        kubectl.arg(format!("--kubeconfig={}", cluster::kubeconfig_path().display()));
        kubectl.args(["-n", &self.namespace, "exec", "-i", pod, "-c", container, "--"]).args(command);
        let started = Instant::now();
        let mut child = kubectl
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl");
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        // kubectl exec ends with the command, which itself has a deadline of its own (`timeout`).
        let output = child.wait_with_output().unwrap();
        Output {
            command: format!("kubectl exec {pod} -c {container} -- {}", command.join(" ")),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: started.elapsed(),
        }
    }

    /// Waits until `condition` gives something. Polled: such conditions join several objects, or objects and
    /// Redis, which no single watch covers, and 100 ms against a local API server cost about a millisecond each.
    /// Where one object decides, use `wait_for_object`.
    pub fn wait_until<T>(
        &self,
        what: &str,
        patience: Duration,
        mut condition: impl FnMut() -> Option<T>,
    ) -> T {
        let end = Instant::now() + patience;
        loop {
            if let Some(found) = condition() {
                return found;
            }
            assert!(Instant::now() < end, "not within {patience:?}: {what}");
            std::thread::sleep(POLL);
        }
    }

    /// Waits, by a watch, until an object of a collection (`/api/v1/namespaces/{namespace}/pods`) is as wanted.
    pub fn wait_for_object(
        &self,
        what: &str,
        collection: &str,
        patience: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let collection = collection.replace("{namespace}", &self.namespace);
        cluster::watch_until(&collection, patience, wanted)
            .unwrap_or_else(|| panic!("not within {patience:?}: {what} in {collection}"))
    }

    /// The object at a path of the API, if it is there.
    pub fn object(&self, path: &str) -> Option<Value> {
        let answer = cluster::get(&path.replace("{namespace}", &self.namespace));
        (answer.status == 200).then(|| answer.json())
    }

    /// The objects of a collection.
    pub fn objects(&self, collection: &str) -> Vec<Value> {
        cluster::get(&collection.replace("{namespace}", &self.namespace)).items()
    }
}
