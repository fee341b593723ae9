//! An application that writes one key after the other, each by a connection of its own, and notes which were acknowledged.
use std::time::Duration;

use serde_json::json;

use crate::case::Case;
use crate::instance::ADDRESS;
use crate::topology::through;

/// `$1`: host, `$2`: `-c` for a cluster, `$3`: prefix of the keys. The password in the environment is the former one after
/// a rotation: both are valid until the last pod has been replaced, and then no write is acknowledged.
const WRITES: &str = r#"n=0
while :; do
  answer=$(timeout 2 redis-cli --no-auth-warning $2 -h "$1" SET "$3:$n" "$n" 2>&1)
  [ "$answer" != OK ] || echo "$n $(date +%s%N)"
  n=$((n + 1))
done"#;

pub struct Writer<'a> {
    case: &'a Case,
    /// How `redis-cli` is called.
    options: &'static [&'static str],
    name: String,
}

impl<'a> Writer<'a> {
    /// Starts one by that name for an instance that is no cluster, and waits until it writes.
    pub fn start(case: &'a Case, name: &str) -> Writer<'a> {
        Writer::with(case, name, &[])
    }

    /// The same for a cluster.
    pub fn of_cluster(case: &'a Case, name: &str) -> Writer<'a> {
        Writer::with(case, name, &["-c"])
    }

    fn with(case: &'a Case, name: &str, options: &'static [&'static str]) -> Writer<'a> {
        let values = case.resource(ADDRESS);
        let secret = &values["auth_secret"];
        let password = json!({ "secretKeyRef": { "name": secret["name"], "key": secret["key"] } });
        let name = name.to_owned();
        let container = json!({
            "name": "writer",
            "image": values["status"]["image"],
            "command": ["sh", "-c", WRITES, "writer", values["host"], options.concat(), name],
            "env": [{ "name": "REDISCLI_AUTH", "valueFrom": password }],
            "resources": { "requests": { "cpu": "10m", "memory": "32Mi" } },
        });
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
            "spec": { "containers": [container], "terminationGracePeriodSeconds": 0 },
        });
        case.kubectl_apply(&pod.to_string());
        let writer = Writer { case, options, name };
        case.wait_until("the application writes", Duration::from_secs(60), || {
            (writer.acknowledged().len() > 5).then_some(())
        });
        writer
    }

    /// Numbers of keys, and when each was acknowledged, in nanoseconds.
    fn acknowledged(&self) -> Vec<(u64, u64)> {
        let log = self.case.try_kubectl(&["logs", &self.name]).stdout;
        let line = |line: &str| {
            let (number, at) = line.split_once(' ')?;
            Some((number.parse().ok()?, at.parse().ok()?))
        };
        log.lines().filter_map(line).collect()
    }

    /// Ends it: how many writes were acknowledged, how many of these are lost, and the longest time without one.
    pub fn ends(self) -> (usize, usize, Duration) {
        let acknowledged = self.acknowledged();
        self.case.kubectl(&["delete", "pod", &self.name, "--wait=true"]);
        let longest = acknowledged.windows(2).map(|pair| pair[1].1.saturating_sub(pair[0].1)).max();
        let found = through(self.case, "host").pipe(self.options, &self.questions(&acknowledged));
        let found: Vec<&str> =
            found.lines().map(str::trim).filter(|line| *line == "0" || *line == "1").collect();
        assert_eq!(found.len(), acknowledged.len(), "an answer for each key");
        let lost = found.iter().filter(|one| **one == "0").count();
        (acknowledged.len(), lost, Duration::from_nanos(longest.unwrap_or(0)))
    }

    fn questions(&self, acknowledged: &[(u64, u64)]) -> String {
        acknowledged.iter().map(|(number, _)| format!("EXISTS {}:{number}\n", self.name)).collect()
    }
}
