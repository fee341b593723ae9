//! Whether applications reach the right pods: redis-cli in a pod asks a Service by its name, so the test
//! includes DNS, kube-proxy, network policies and the Service's endpoints. A forwarded port would bypass them
//! all.

use std::time::Duration;

use tokio::time::Instant;

use super::command::{self, NODE, Script, Vantage};
use super::{Refusal, TalkError};
use crate::kubernetes::Cluster;
use crate::redis::talk::{self, Address, ClusterInfo, Command, Replication, Reply, Unexpected};
use crate::resources::password;

/// What is written.
const VALUE: &str = "probe";
/// How long the probe's key lives if deleting it fails.
const KEY_LIFE_SECONDS: u32 = 60;
/// Longest time for one server; redis-cli itself waits two minutes for a connection.
const LONGEST: Duration = Duration::from_secs(10);
/// Longest time to get to the pod and back, and for servers that answer.
const WAY: Duration = Duration::from_secs(10);

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question<'a> {
    /// Whether a master answers that accepts writes: a key is written, read and deleted.
    Writable {
        /// The prefix of the key, without blanks or quotes.
        key: &'a str,
    },
    /// Which master a sentinel names for this group.
    MasterOf {
        /// The group's name.
        group: &'a str,
    },
    /// The state of the cluster, according to a node.
    ClusterState,
    /// The master of a replica, or the replicas of a master.
    Replication,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Question::Writable`].
    Writable(Written),
    /// To [`Question::MasterOf`]; `None`: the sentinel watches no such group.
    MasterOf(Option<Address>),
    /// To [`Question::ClusterState`].
    ClusterState(ClusterInfo),
    /// To [`Question::Replication`].
    Replication(Replication),
}

/// The result of writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// First word of `ROLE`: `master` or `slave`.
    pub role: String,
    /// Why the key could not be written, such as `READONLY`; `None`: it was.
    pub refused: Option<Refusal>,
    /// Whether the value that was read is the value that was written.
    pub read_back: bool,
}

impl Written {
    /// Whether this is a master that accepts writes.
    pub fn is_writable(&self) -> bool {
        self.role == "master" && self.refused.is_none() && self.read_back
    }

    /// Why a master refuses the write for reasons of its own: it is full, lacks replicas, or cannot write to its disk.
    /// It is the right server all the same.
    pub fn refused_by_master(&self) -> Option<&Refusal> {
        self.refused.as_ref().filter(|refusal| self.role == "master" && refusal.is_about_state())
    }
}

impl Question<'_> {
    /// `suffix`: of the key that is written, because several probes may be under way.
    fn commands(&self, suffix: &str) -> Vec<Command> {
        let ask = |words: &[&str]| Command::new(words.iter().copied());
        let mut commands = vec![ask(&["PING"])];
        match self {
            Question::Writable { key } => {
                let key = format!("{key}:{suffix}");
                commands.extend([
                    ask(&["ROLE"]),
                    ask(&["SET", &key, VALUE, "EX"]).with(KEY_LIFE_SECONDS),
                    ask(&["GET", &key]),
                    ask(&["DEL", &key]),
                ]);
            }
            Question::MasterOf { group } => {
                commands.push(ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", group]));
            }
            Question::ClusterState => commands.push(ask(&["CLUSTER", "INFO"])),
            Question::Replication => commands.push(ask(&["INFO", "replication"])),
        }
        commands
    }
}

/// A question to a server, as a pod of the instance sees it.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'a> {
    /// The DNS name of a Service, or the address of a pod.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// The question.
    pub question: Question<'a>,
}

/// Asks one server.
///
/// # Errors
/// As [`probe_each`].
pub async fn probe(
    cluster: &Cluster,
    from: &Vantage,
    one: Probe<'_>,
    deadline: Instant,
) -> Result<Answer, TalkError> {
    let mut answers = probe_each(cluster, from, &[one], deadline).await?;
    answers.pop().unwrap_or_else(|| Err(broken(one.host, "PING", why(""))))
}

/// Asks servers one after the other, in one command. If one does not answer in time, the others are not asked.
///
/// # Errors
/// No command could be run in the pod. Of each answer, `Broken`: nothing answers there, or it refuses the login;
/// redis-cli's words say why. `Refused`: the server answers with an error.
pub async fn probe_each(
    cluster: &Cluster,
    from: &Vantage,
    all: &[Probe<'_>],
    deadline: Instant,
) -> Result<Vec<Result<Answer, TalkError>>, TalkError> {
    let suffix = password::random(12);
    let commands: Vec<Vec<Command>> = all.iter().map(|one| one.question.commands(&suffix)).collect();
    let mut arguments = Vec::new();
    for (one, commands) in all.iter().zip(&commands) {
        let lines: Vec<String> = commands.iter().map(Command::to_string).collect();
        arguments.extend([one.host.to_owned(), one.port.to_string(), lines.join("\n")]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // The command bounds itself; a little more for the way there.
    let deadline = deadline.min(Instant::now() + LONGEST + WAY);
    let output = command::run(cluster, from, Script::AskEach, &arguments, LONGEST, deadline).await?;
    let (mut said, mut warned) = (sections(&output.stdout), sections(&output.stderr));
    let answers = all.iter().zip(&commands).map(|(one, commands)| {
        let place = format!("{}:{}, asked from {},", one.host, one.port, from.pod.name);
        read(&place, one.question, commands, said.next().unwrap_or(""), warned.next().unwrap_or(""))
    });
    Ok(answers.collect())
}

/// The lines about each server, without the line that names it.
fn sections(printed: &str) -> impl Iterator<Item = &str> {
    printed.split(NODE).skip(1).map(|section| section.split_once('\n').map_or("", |(_, rest)| rest))
}

fn broken(place: &str, command: &str, why: String) -> TalkError {
    TalkError::Broken { place: place.to_owned(), command: command.to_owned(), why }
}

/// Reads the output of redis-cli.
fn read(
    place: &str,
    question: Question<'_>,
    commands: &[Command],
    stdout: &str,
    stderr: &str,
) -> Result<Answer, TalkError> {
    let mut answers = Answers { place, commands: commands.iter(), rest: stdout, stderr };
    answers.accepted()?;
    let unexpected = |unexpected| TalkError::Unexpected { place: place.to_owned(), unexpected };
    match question {
        Question::Writable { .. } => {
            let role = match answers.accepted()? {
                Reply::List(items) => items.first().and_then(Reply::text),
                _ => None,
            };
            let problem =
                || Unexpected { command: "ROLE", problem: "is of a shape that is not known".to_owned() };
            let role = role.ok_or_else(|| unexpected(problem()))?;
            let refused = answers.next()?.err();
            let found = answers.next()?.ok().and_then(|found| found.text());
            // Whether deleting succeeds does not matter: the key expires.
            Ok(Answer::Writable(Written { role, refused, read_back: found.as_deref() == Some(VALUE) }))
        }
        Question::MasterOf { .. } => {
            talk::master_address(&answers.accepted()?).map(Answer::MasterOf).map_err(unexpected)
        }
        Question::ClusterState => {
            talk::cluster_info(&answers.as_it_is()?).map(Answer::ClusterState).map_err(unexpected)
        }
        Question::Replication => {
            talk::replication(&answers.as_it_is()?).map(Answer::Replication).map_err(unexpected)
        }
    }
}

/// The lines that redis-cli printed, each with the command that it answers.
struct Answers<'a> {
    place: &'a str,
    commands: std::slice::Iter<'a, Command>,
    rest: &'a str,
    stderr: &'a str,
}

impl Answers<'_> {
    /// The next answer, which may be an error of Redis.
    fn next(&mut self) -> Result<Result<Reply, Refusal>, TalkError> {
        let Some(command) = self.commands.next() else { return Ok(Ok(Reply::Null)) };
        let broken = |why| Err(broken(self.place, &command.to_string(), why));
        if self.rest.is_empty() {
            return broken(why(self.stderr));
        }
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        match talk::csv_line(line.trim_end()) {
            Some(Reply::Error(message)) => {
                self.rest = rest;
                Ok(Err(Refusal::new(command, &message)))
            }
            Some(reply) => {
                self.rest = rest;
                Ok(Ok(reply))
            }
            None => broken("redis-cli printed something other than an answer".to_owned()),
        }
    }

    /// The rest: redis-cli prints some answers unchanged, over many lines.
    fn as_it_is(&mut self) -> Result<Reply, TalkError> {
        match self.rest.starts_with("ERROR,") {
            true => self.accepted(),
            false => Ok(Reply::Bytes(self.rest.as_bytes().to_vec())),
        }
    }

    /// The next answer, unless it is an error of Redis.
    fn accepted(&mut self) -> Result<Reply, TalkError> {
        let command = self.commands.as_slice().first().map(Command::to_string).unwrap_or_default();
        let place = self.place.to_owned();
        self.next()?.map_err(|refusal| TalkError::Refused { place, command, refusal })
    }
}

/// redis-cli's own words. It repeats them for each command.
fn why(stderr: &str) -> String {
    match stderr.lines().map(str::trim).find(|line| !line.is_empty()) {
        Some(line) => line.chars().take(300).collect(),
        None => format!("nothing answered within {} s", LONGEST.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITABLE: Question<'_> = Question::Writable { key: "k" };

    fn answer(question: Question<'_>, stdout: &str, stderr: &str) -> Result<Answer, TalkError> {
        read("cache:6379", question, &question.commands("0"), stdout, stderr)
    }

    #[test]
    fn what_is_asked() {
        let lines = |question: Question<'_>| {
            question.commands("0").iter().map(Command::to_string).collect::<Vec<_>>()
        };
        assert_eq!(lines(WRITABLE), ["PING", "ROLE", "SET k:0 probe EX 60", "GET k:0", "DEL k:0"]);
        let sentinel = lines(Question::MasterOf { group: "cache" });
        assert_eq!(sentinel, ["PING", "SENTINEL GET-MASTER-ADDR-BY-NAME cache"]);
        assert_eq!(lines(Question::ClusterState), ["PING", "CLUSTER INFO"]);
    }

    #[test]
    fn a_master_and_a_replica() {
        let lonely = answer(WRITABLE, "\"PONG\"\n\"master\",0,\n\"OK\"\n\"probe\"\n1\n", "");
        assert!(matches!(lonely, Ok(Answer::Writable(written)) if written.is_writable()));
        let found = answer(
            WRITABLE,
            "\"PONG\"\n\"master\",494,\"10.0.0.1\",\"6379\",\"107\"\n\"OK\"\n\"probe\"\n1\n",
            "",
        );
        let Ok(Answer::Writable(written)) = found else { panic!("{found:?}") };
        assert!(written.is_writable(), "{written:?}");
        let readonly = "ERROR,\"READONLY You can't write against a read only replica.\"";
        let stdout = format!(
            "\"PONG\"\n\"slave\",\"10.0.0.1\",6379,\"connected\",494\n{readonly}\nNULL\n{readonly}\n"
        );
        let found = answer(WRITABLE, &stdout, "");
        let Ok(Answer::Writable(written)) = found else { panic!("{found:?}") };
        assert!(!written.is_writable() && !written.read_back, "{written:?}");
        assert!(written.refused_by_master().is_none());
        assert_eq!((written.role.as_str(), written.refused.unwrap().code()), ("slave", "READONLY"));
    }

    #[test]
    fn a_master_that_is_full_is_a_master() {
        let full = "ERROR,\"OOM command not allowed when used memory > 'maxmemory'.\"";
        let found = answer(WRITABLE, &format!("\"PONG\"\n\"master\",0,\n{full}\nNULL\n0\n"), "");
        let Ok(Answer::Writable(written)) = found else { panic!("{found:?}") };
        assert!(!written.is_writable());
        assert_eq!(written.refused_by_master().unwrap().code(), "OOM");
    }

    #[test]
    fn a_sentinel_and_a_node() {
        let group = Question::MasterOf { group: "cache" };
        let address = Address { host: "10.0.0.1".to_owned(), port: 6379 };
        let found = answer(group, "\"PONG\"\n\"10.0.0.1\",\"6379\"\n", "").unwrap();
        assert_eq!(found, Answer::MasterOf(Some(address)));
        assert_eq!(answer(group, "\"PONG\"\nNULL\n", "").unwrap(), Answer::MasterOf(None));
        let info = "cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\n\
                    cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:6\r\ncluster_size:3\r\n\
                    cluster_current_epoch:6\r\n\n";
        let found = answer(Question::ClusterState, &format!("\"PONG\"\n{info}"), "").unwrap();
        assert!(matches!(found, Answer::ClusterState(info) if info.is_ok && info.known_nodes == 6));
        let off = "\"PONG\"\nERROR,\"ERR This instance has cluster support disabled\"\n";
        let error = answer(Question::ClusterState, off, "").unwrap_err();
        assert!(error.refusal().is_some(), "{error}");
    }

    #[test]
    fn why_nothing_answers() {
        let words = "Could not connect to Redis at cache:6379: Name or service not known\n";
        let error = answer(WRITABLE, "", &words.repeat(5)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the connection to cache:6379 broke at PING: {}", words.trim())
        );
        let error = answer(WRITABLE, "", "").unwrap_err();
        assert!(error.to_string().ends_with("nothing answered within 10 s"), "{error}");
        let cut = answer(WRITABLE, "\"PONG\"\n", "Error: Connection reset by peer\n").unwrap_err();
        assert!(cut.to_string().contains("broke at ROLE: Error: Connection reset"), "{cut}");
        let shut = "ERROR,\"NOAUTH Authentication required.\"\n";
        let error = answer(WRITABLE, &shut.repeat(5), "").unwrap_err();
        assert!(error.refusal().unwrap().is_about_rights(), "{error}");
    }
}
