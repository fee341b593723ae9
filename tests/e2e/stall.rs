//! Redis that stalls: a process that is held up from outside, as a slow disk or a long fork would.
use std::fs;
use std::process::Command;

use crate::case::Case;
use crate::instance::PODS;

/// The uid of a pod, if it exists.
pub fn uid(case: &Case, name: &str) -> Option<String> {
    Some(case.object(&format!("{PODS}/{name}"))?["metadata"]["uid"].as_str()?.to_owned())
}

/// The process of Redis in a pod: the only node is this machine.
pub fn process_of(case: &Case, name: &str) -> i32 {
    find_process(case, name).unwrap_or_else(|| panic!("no redis-server in {name}"))
}

/// The same, if the pod exists and Redis runs in it.
pub fn find_process(case: &Case, name: &str) -> Option<i32> {
    let uid = uid(case, name)?.replace('-', "_");
    let is_it = |id: &i32| {
        let read = |file: &str| fs::read_to_string(format!("/proc/{id}/{file}")).unwrap_or_default();
        read("comm").trim() == "redis-server" && read("cgroup").replace('-', "_").contains(&uid)
    };
    let ids = fs::read_dir("/proc").ok()?.flatten();
    let mut ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.find(is_it)
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
