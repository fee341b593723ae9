//! What goes wrong in the midst of an apply.
use std::fmt;
use std::thread::sleep;
use std::time::Duration;

use super::chance::Chance;
use crate::case::Case;
use crate::disturbance::Operator;
use crate::instance::PODS;
use crate::proxy::{Fault, Matcher, What, When};
use crate::stall::{Stall, find_process};

/// How long the API server is cut off.
const CUT: Duration = Duration::from_secs(4);

/// `after`: seconds since the apply was started.
#[derive(Clone, Debug)]
pub enum Disturbance {
    Nothing,
    Evict {
        pod: String,
        after: u64,
    },
    Stall {
        pod: String,
        after: u64,
        seconds: u64,
    },
    OperatorEvicted {
        after: u64,
    },
    OperatorStopped {
        after: u64,
        seconds: u64,
    },
    /// At that write to the API server.
    Kill {
        cli: bool,
        before: bool,
        write: usize,
    },
    CutOff {
        after: u64,
    },
    /// Somebody with kubectl ends whatever pause there is.
    Unpaused {
        after: u64,
    },
}

impl fmt::Display for Disturbance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Disturbance::Nothing => formatter.write_str("nothing"),
            Disturbance::Evict { pod, after } => write!(formatter, "{pod} is evicted after {after} s"),
            Disturbance::Stall { pod, after, seconds } => {
                write!(formatter, "{pod} stalls for {seconds} s after {after} s")
            }
            Disturbance::OperatorEvicted { after } => {
                write!(formatter, "the operator is evicted after {after} s")
            }
            Disturbance::OperatorStopped { after, seconds } => {
                write!(formatter, "no operator for {seconds} s after {after} s")
            }
            Disturbance::Kill { cli, before, write } => {
                let who = if *cli { "CLI" } else { "provider" };
                let when = if *before { "before" } else { "after" };
                write!(formatter, "the {who} is killed {when} write {write}")
            }
            Disturbance::Unpaused { after } => {
                write!(formatter, "somebody unpauses the operator after {after} s")
            }
            Disturbance::CutOff { after } => write!(formatter, "no API server for 4 s after {after} s"),
        }
    }
}

/// Ends what was armed.
pub struct Armed<'a>(&'a Case);

impl Drop for Armed<'_> {
    fn drop(&mut self) {
        self.0.proxy.clear_faults();
    }
}

impl Disturbance {
    pub fn chosen(chance: &mut Chance, case: &Case) -> Disturbance {
        let name = |pod: &serde_json::Value| pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let mut pods: Vec<String> = case.objects(PODS).iter().map(name).collect();
        pods.retain(|name| name.starts_with("cache-") && !name.contains("sentinel"));
        pods.sort();
        let after = chance.below(25);
        let pod = chance.one_of(&pods).clone();
        match chance.below(9) {
            _ if std::env::var_os("CALM").is_some() => Disturbance::Nothing,
            0 => Disturbance::Nothing,
            1 => Disturbance::Evict { pod, after },
            2 => Disturbance::Stall { pod, after, seconds: 1 + chance.below(12) },
            3 => Disturbance::OperatorEvicted { after },
            4 => Disturbance::OperatorStopped { after, seconds: 1 + chance.below(20) },
            5 => Disturbance::CutOff { after },
            6 => Disturbance::Unpaused { after },
            _ => {
                let (cli, before) = (chance.below(2) == 0, chance.below(2) == 0);
                Disturbance::Kill { cli, before, write: 1 + usize::try_from(chance.below(8)).unwrap_or(0) }
            }
        }
    }

    /// Before the apply: what strikes at a request.
    pub fn armed<'a>(&self, case: &'a Case) -> Armed<'a> {
        if let Disturbance::Kill { cli, before, write } = self {
            let what = if *cli { What::KillCli } else { What::KillProvider };
            let when = if *before { When::Before } else { When::AfterForward };
            case.proxy.add_fault(Fault { on: Matcher::write().nth(*write), when, what });
        }
        Armed(case)
    }

    /// In the midst of the apply: at that moment, whatever is under way.
    pub fn strikes(&self, case: &Case) {
        let pass = |seconds: u64| sleep(Duration::from_secs(seconds));
        match self {
            Disturbance::Nothing | Disturbance::Kill { .. } => {}
            Disturbance::Evict { pod, after } => {
                pass(*after);
                case.try_kubectl(&["delete", "pod", pod, "--wait=false", "--ignore-not-found"]);
            }
            Disturbance::Stall { pod, after, seconds } => {
                pass(*after);
                let stall = find_process(case, pod).map(Stall::of);
                pass(*seconds);
                drop(stall);
            }
            Disturbance::OperatorEvicted { after } => {
                pass(*after);
                Operator::evicted();
            }
            Disturbance::OperatorStopped { after, seconds } => {
                pass(*after);
                let operator = Operator::stopped();
                pass(*seconds);
                operator.mended();
            }
            Disturbance::Unpaused { after } => {
                pass(*after);
                for kind in ["redisreplication", "redissentinel", "rediscluster"] {
                    let skip = format!("{kind}.opstreelabs.in/skip-reconcile-");
                    case.try_kubectl(&["annotate", kind, "cache", &skip]);
                }
            }
            Disturbance::CutOff { after } => {
                pass(*after);
                for on in [Matcher::write(), Matcher::on("GET", "/**")] {
                    case.proxy.add_fault(Fault { on, when: When::Before, what: What::Reset });
                }
                sleep(CUT);
                case.proxy.clear_faults();
            }
        }
    }
}
