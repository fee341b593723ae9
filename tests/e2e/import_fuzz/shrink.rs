//! Makes failing objects small: takes away part after part while the failure stays. The candidates of all failures are
//! tried together, since a run of the CLI costs the same for one instance as for fifty.
use serde_json::Value;

use super::imported::Until;
use super::subject::Subject;
use super::{Outcome, trial};
use crate::cli::Cli;

/// How many times candidates are tried.
const ROUNDS: usize = 40;

/// How many parts of one object are taken away, each by itself, in one round.
const WIDTH: usize = 40;

/// A failure of one kind, and the smallest object so far that has it.
pub struct Case {
    pub key: String,
    pub text: String,
    pub subject: Subject,
    /// How deep the parts are that are taken away now; from the top, since those are the largest.
    depth: usize,
    /// Parts that can be taken away one by one: next they are all tried together.
    together: Vec<Vec<Part>>,
    is_done: bool,
}

/// Where something is: the number of the manifest, and the way within it.
type Part = (usize, Vec<String>);

impl Case {
    pub fn new(key: String, text: String, subject: Subject) -> Case {
        Case { key, text, subject, depth: 0, together: Vec::new(), is_done: false }
    }

    /// What is tried next: what each attempt takes away.
    fn attempts(&mut self) -> Vec<Vec<Part>> {
        if !self.together.is_empty() {
            return self.together.clone();
        }
        loop {
            let mut parts = Vec::new();
            for (at, manifest) in self.subject.manifests.iter().enumerate() {
                if self.depth == 0 && at > 0 {
                    parts.push((at, Vec::new()));
                }
                for root in ["spec", "metadata"] {
                    let mut way = vec![root.to_owned()];
                    collect(at, &manifest[root], self.depth, &mut way, &mut parts);
                }
            }
            parts.truncate(WIDTH);
            if !parts.is_empty() {
                return parts.into_iter().map(|part| vec![part]).collect();
            }
            self.depth += 1;
            if self.depth > 12 {
                self.is_done = true;
                return Vec::new();
            }
        }
    }

    /// Takes over what still fails.
    fn learn(&mut self, attempts: Vec<Vec<Part>>, still_fails: &[Option<String>]) {
        let failing: Vec<(&Vec<Part>, &String)> = attempts
            .iter()
            .zip(still_fails)
            .filter_map(|(parts, text)| Some((parts, text.as_ref()?)))
            .collect();
        let were_together = !self.together.is_empty();
        self.together.clear();
        let most = failing.iter().max_by_key(|(parts, _)| parts.len());
        match most {
            None => self.depth += 1,
            // The same depth again, until nothing more goes: what could not go with the others may go alone.
            Some((parts, text)) if were_together || failing.len() == 1 => {
                self.text = (*text).clone();
                self.subject = without(&self.subject, parts);
            }
            Some(_) => {
                let all: Vec<Part> = failing.iter().flat_map(|(parts, _)| (*parts).clone()).collect();
                let (left, right) = all.split_at(all.len() / 2);
                self.together = vec![all.clone(), left.to_vec(), right.to_vec(), vec![all[0].clone()]];
            }
        }
    }
}

/// The ways to all parts of that depth.
fn collect(at: usize, value: &Value, depth: usize, way: &mut Vec<String>, parts: &mut Vec<Part>) {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(object) => object.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (name, value) in below {
        if way.last().is_some_and(|last| last == "redisSecret") {
            // Half of it crashes the operator.
            return;
        }
        way.push(name);
        if depth == 0 {
            parts.push((at, way.clone()));
        } else {
            collect(at, value, depth - 1, way, parts);
        }
        way.pop();
    }
}

fn without(subject: &Subject, parts: &[Part]) -> Subject {
    let mut subject = subject.clone();
    // From the end, so that what is left keeps its number in its list.
    for (at, way) in parts.iter().rev() {
        let Some((last, above)) = way.split_last() else {
            subject.manifests.truncate(*at);
            continue;
        };
        let Some(mut value) = subject.manifests.get_mut(*at) else { continue };
        for name in above {
            value = match value {
                Value::Array(list) => &mut list[name.parse::<usize>().unwrap()],
                other => &mut other[name.as_str()],
            };
        }
        match value {
            Value::Object(object) => drop(object.remove(last)),
            Value::Array(list) => drop(list.remove(last.parse().unwrap())),
            _ => {}
        }
    }
    subject
}

pub fn shrink(cli: Cli, cases: &mut [Case]) {
    for round in 0..ROUNDS {
        let attempts: Vec<Vec<Vec<Part>>> =
            cases.iter_mut().map(|case| if case.is_done { Vec::new() } else { case.attempts() }).collect();
        let mut subjects = Vec::new();
        for (which, (case, attempts)) in cases.iter().zip(&attempts).enumerate() {
            for (at, parts) in attempts.iter().enumerate() {
                subjects.push((format!("c{which}-{at}"), without(&case.subject, parts)));
            }
        }
        if subjects.is_empty() {
            return;
        }
        let until = |case: &&mut Case| case.key.starts_with("the next plan") || case.key == "written";
        let until = if cases.iter_mut().any(|case| until(&case)) { Until::Applied } else { Until::Planned };
        println!("shrinking, round {round}: {} candidates", subjects.len());
        let outcomes = trial(cli, &format!("shrink-{round}"), &subjects, until);
        let mut outcomes = outcomes.into_iter();
        for (case, attempts) in cases.iter_mut().zip(attempts) {
            let texts: Vec<Option<String>> =
                outcomes.by_ref().take(attempts.len()).map(|outcome| text_of(&case.key, outcome)).collect();
            if !attempts.is_empty() {
                case.learn(attempts, &texts);
            }
        }
    }
}

fn text_of(key: &str, outcome: Outcome) -> Option<String> {
    let Outcome::Failed(failures) = outcome else { return None };
    failures.into_iter().find(|failure| failure.key == key).map(|failure| failure.text)
}
