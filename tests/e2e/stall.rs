//! Redis that stalls: a process that is held up from outside, as a slow disk or a long fork would.
use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::case::Case;
use crate::instance::PODS;
use crate::topology::{cluster, every_endpoint_serves, every_node_agrees, through};

/// The uid of a pod, if it exists.
pub fn uid(case: &Case, name: &str) -> Option<String> {
    Some(case.object(&format!("{PODS}/{name}"))?["metadata"]["uid"].as_str()?.to_owned())
}

fn is_ready(case: &Case, name: &str) -> bool {
    let pod = case.object(&format!("{PODS}/{name}")).unwrap_or_default();
    pod["status"]["containerStatuses"][0]["ready"] == true
}

/// The process of Redis in a pod: the only node is this machine.
pub fn process_of(case: &Case, name: &str) -> i32 {
    let uid = uid(case, name).expect("the pod").replace('-', "_");
    let is_it = |id: &i32| {
        let read = |file: &str| fs::read_to_string(format!("/proc/{id}/{file}")).unwrap_or_default();
        read("comm").trim() == "redis-server" && read("cgroup").replace('-', "_").contains(&uid)
    };
    let ids = fs::read_dir("/proc").expect("/proc").flatten();
    let mut ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.find(is_it).unwrap_or_else(|| panic!("no redis-server in {name}"))
}

/// A process that is held up until this is dropped.
pub struct Stall(i32);

impl Stall {
    pub fn of(id: i32) -> Stall {
        signal(id, "STOP");
        Stall(id)
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        signal(self.0, "CONT");
    }
}

fn signal(id: i32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &id.to_string()]).status().expect("kill");
    assert!(sent.success() || name == "CONT", "{name} to {id}");
}

for_terraform! {
    /// A leader whose probe fails while another leader restarts is no leader that cannot start: without both, the cluster
    /// would have no majority.
    fn a_leader_that_stalls_in_a_rollout_keeps_its_pod(cli: Cli) {
        let case = Case::new(cli, "stalls");
        case.set_deadline(Duration::from_secs(500));
        let of = |percent: &str| {
            cluster()
                .with("readiness_probe", "{ period_seconds = 1, failure_threshold = 1, timeout_seconds = 1 }")
                .with("maxmemory_percent", percent)
        };
        case.write("main.tf", &of("70").text());
        case.apply();
        through(&case, "host").pipe(&["-c"], "SET kept yes\n");
        let (stalls, restarts) = ("cache-leader-0", "cache-leader-2");
        let (kept, old) = (uid(&case, stalls), uid(&case, restarts));
        let process = process_of(&case, stalls);
        case.write("main.tf", &of("71").text());
        let running = case.start_apply();
        case.wait_until("the first leader is replaced", Duration::from_secs(120), || {
            uid(&case, restarts).filter(|now| Some(now) != old.as_ref())
        });
        let stall = Stall::of(process);
        case.wait_until("the other leader is not Ready", Duration::from_secs(20), || {
            (!is_ready(&case, stalls)).then_some(())
        });
        case.wait_until("the first leader is back", Duration::from_secs(60), || {
            is_ready(&case, restarts).then_some(())
        });
        assert_eq!(uid(&case, stalls), kept, "it is not deleted");
        drop(stall);
        let output = running.wait();
        assert!(output.succeeded(), "{output}");
        every_node_agrees(&case, "a leader that stalled", 3, 1);
        every_endpoint_serves(&case);
        case.plan_is_empty();
        case.destroy();
        case.assert_nothing_left();
    }
}
