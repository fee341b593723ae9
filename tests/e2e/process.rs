//! Child processes with a deadline, in a process group of their own, so that Ctrl-C and kills are real and a
//! test never leaves anything running.
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;

/// How long a provider may outlive its core (spec §1.6.3).
pub const ORPHAN_PATIENCE: Duration = Duration::from_secs(1);

/// What a finished command left behind.
#[derive(Clone, Debug)]
pub struct Output {
    pub command: String,
    /// `None`: ended by a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Output {
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// How long the longest operation on a resource took, as the CLI tells; without one, the whole command. On a busy
    /// machine the CLI itself takes seconds to start, which are not the provider's.
    pub fn operation_took(&self) -> Duration {
        let lines = self.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let ended = lines.filter(|line| line["type"] == "apply_errored" || line["type"] == "apply_complete");
        let seconds = ended.filter_map(|line| line["hook"]["elapsed_seconds"].as_u64());
        seconds.max().map_or(self.took, Duration::from_secs)
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Output { command, code, stdout, stderr, took } = self;
        let stdout: String = stdout.lines().map(|line| format!("{}\n", readable(line))).collect();
        write!(formatter, "$ {command}\n{stdout}{stderr}(exit {code:?} after {:.1} s)", took.as_secs_f64())
    }
}

/// What a user would have read without `-json`.
fn readable(line: &str) -> String {
    let Ok(json) = serde_json::from_str::<Value>(line) else { return line.to_owned() };
    let Some(message) = json["@message"].as_str() else { return line.to_owned() };
    match json["diagnostic"]["detail"].as_str() {
        Some(detail) if !message.contains("development overrides") => format!("{message}\n    {detail}"),
        _ => message.to_owned(),
    }
}

/// The process group of the command that runs now, as the proxy needs it to kill at a chosen request.
#[derive(Clone, Default)]
pub struct Group(Arc<Mutex<Option<i32>>>);

impl Group {
    pub fn set(&self, leader: i32) {
        *self.0.lock().unwrap() = Some(leader);
    }

    fn leader(&self) -> i32 {
        self.0.lock().unwrap().expect("no command was started yet")
    }

    /// Kills the program itself and leaves its plugins as they are.
    pub fn kill_cli(&self) {
        kill(self.leader());
    }

    /// Kills each provider process of the group; returns how many there were.
    pub fn kill_providers(&self) -> usize {
        let providers = providers_of(self.leader());
        providers.iter().copied().for_each(kill);
        providers.len()
    }

    pub fn providers(&self) -> Vec<i32> {
        providers_of(self.leader())
    }
}

/// A command that runs.
pub struct Running {
    command: String,
    leader: i32,
    stdout: PathBuf,
    stderr: PathBuf,
    started: Instant,
    deadline: Duration,
    ended: Receiver<ExitStatus>,
    reaped: bool,
}

impl Running {
    /// Starts a command; its output goes to files beside `log`, since a pipe that an orphan holds open never ends.
    pub fn start(mut command: Command, title: &str, log: &Path, deadline: Duration) -> Running {
        use std::os::unix::process::CommandExt;
        let (stdout, stderr) = (log.with_extension("stdout"), log.with_extension("stderr"));
        let started = Instant::now();
        let mut child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("starting {title}: {error}"));
        let leader = i32::try_from(child.id()).unwrap();
        let (sender, ended) = channel();
        std::thread::spawn(move || sender.send(child.wait().unwrap()));
        Running { command: title.to_owned(), leader, stdout, stderr, started, deadline, ended, reaped: false }
    }

    pub fn leader(&self) -> i32 {
        self.leader
    }

    /// Ctrl-C: the terminal sends SIGINT to the whole group.
    pub fn interrupt(&self) {
        let _ = kill_process_group(Pid::from_raw(self.leader).unwrap(), Signal::INT);
    }

    pub fn kill_cli(&self) {
        kill(self.leader);
    }

    pub fn kill_provider(&self) {
        let providers = providers_of(self.leader);
        assert!(!providers.is_empty(), "{}: no provider runs, so none can be killed", self.command);
        providers.into_iter().for_each(kill);
    }

    /// Waits for the end; at the deadline kills the command with all it started and fails with its output.
    pub fn wait(mut self) -> Output {
        let left = self.deadline.saturating_sub(self.started.elapsed());
        match self.ended.recv_timeout(left) {
            Ok(status) => {
                self.reaped = true;
                self.output(status.code())
            }
            Err(RecvTimeoutError::Timeout) => {
                kill_family(self.leader);
                let output = self.output(None);
                panic!("the command did not end within {:?} and was killed:\n{output}", self.deadline);
            }
            Err(RecvTimeoutError::Disconnected) => panic!("{}: its exit code was lost", self.command),
        }
    }

    fn output(&self, code: Option<i32>) -> Output {
        Output {
            command: self.command.clone(),
            code,
            stdout: lossy(&self.stdout),
            stderr: lossy(&self.stderr),
            took: self.started.elapsed(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.reaped {
            kill_family(self.leader);
        }
    }
}

fn lossy(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

fn kill(process: i32) {
    if let Some(process) = Pid::from_raw(process) {
        let _ = kill_process(process, Signal::KILL);
    }
}

/// Kills a process with its group and all its descendants, and waits until they are gone.
pub fn kill_family(leader: i32) {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let family = family(leader);
        if family.is_empty() || Instant::now() > end {
            return;
        }
        family.into_iter().for_each(kill);
        pause();
    }
}

/// Waits until nothing of the group runs any more; returns who still does at the deadline.
pub fn survivors(leader: i32, patience: Duration) -> Vec<String> {
    let end = Instant::now() + patience;
    loop {
        let family = family(leader);
        if family.is_empty() || Instant::now() > end {
            return family
                .into_iter()
                .map(|process| format!("{process} {}", command_line(process)))
                .collect();
        }
        pause();
    }
}

/// Who is not our child cannot be waited for without `unsafe`, so /proc is read again after a short while.
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

fn providers_of(leader: i32) -> Vec<i32> {
    // A binary that was built anew while it ran shows as "… (deleted)".
    let provider = std::fs::canonicalize(env!("CARGO_BIN_EXE_terraform-provider-redis")).unwrap();
    let is_provider = |process: &i32| {
        std::fs::read_link(format!("/proc/{process}/exe")).is_ok_and(|path| {
            path.to_string_lossy().trim_end_matches(" (deleted)") == provider.to_string_lossy()
        })
    };
    family(leader).into_iter().filter(is_provider).collect()
}

fn command_line(process: i32) -> String {
    lossy(Path::new(&format!("/proc/{process}/cmdline"))).replace('\0', " ")
}

/// Members of the group and descendants of its leader, zombies left out. The group finds orphans, which have
/// another parent by now; descent finds those that chose a group of their own.
fn family(leader: i32) -> BTreeSet<i32> {
    let all: Vec<Status> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| Status::read(entry.ok()?.file_name().to_str()?.parse().ok()?))
        .collect();
    let mut family: BTreeSet<i32> = all
        .iter()
        .filter(|one| one.group == leader || one.process == leader)
        .map(|one| one.process)
        .collect();
    loop {
        let children = all.iter().filter(|one| family.contains(&one.parent)).map(|one| one.process);
        let larger: BTreeSet<i32> = family.iter().copied().chain(children).collect();
        if larger.len() == family.len() {
            break;
        }
        family = larger;
    }
    all.iter()
        .filter(|one| !one.zombie)
        .map(|one| one.process)
        .filter(|process| family.contains(process))
        .collect()
}

struct Status {
    process: i32,
    parent: i32,
    group: i32,
    zombie: bool,
}

impl Status {
    /// proc(5): `pid (name) state ppid pgrp …`; the name may contain anything, so count from its last bracket.
    fn read(process: i32) -> Option<Status> {
        let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let mut fields = text.rsplit_once(')')?.1.split_whitespace();
        let zombie = matches!(fields.next()?, "Z" | "X");
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        Some(Status { process, parent, group, zombie })
    }
}
