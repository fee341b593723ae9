//! "An import is what is there": random custom resources, over all fields of their definitions, are imported as they
//! are. `make import-fuzz COUNT=… SEED=…` tries as many as one likes; `COUNT=1` with the seed of a failure shows it again.
//! With `QUICK=1` the operator is kept off and nothing is applied: ten times as many in the same time.
mod chance;
mod generate;
mod hints;
mod imported;
mod made;
mod mends;
mod shrink;
mod subject;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use self::imported::{Failure, Until, import};
use self::made::{Made, clear, make, prepare, write_down};
use self::subject::{Schemas, Subject};
use crate::case::Case;
use crate::cli::Cli;

/// How many objects the suite tries: imports of most are only planned, with the operator kept off, since the operator
/// makes two a second. `IMPORT_FUZZ_COUNT`, `IMPORT_FUZZ_SEED` and `IMPORT_FUZZ_QUICK` ask for others.
const PLANNED: u64 = 140;
const APPLIED: u64 = 60;
const SEED: u64 = 1;

/// How many objects share a namespace and a run of the CLI.
const BATCH: usize = 100;

/// How many kinds of failures are made small.
const SHRUNK: usize = 30;

/// What became of a subject.
pub enum Outcome {
    Imported,
    Refused(String),
    SetAside(String),
    Failed(Vec<Failure>),
}

/// Makes them in a namespace of their own and imports all that can be made.
fn trial(cli: Cli, name: &str, subjects: &[(String, Subject)], until: Until) -> Vec<Outcome> {
    let case = Case::new(cli, &format!("fuzz-{name}"));
    case.set_deadline(Duration::from_secs(600));
    case.unset("TF_LOG_PROVIDER");
    case.leaves_things();
    prepare(&case);
    let begun = Instant::now();
    let made = if until == Until::Planned { write_down(&case, subjects) } else { make(&case, subjects) };
    let took = begun.elapsed();
    let is_ready = |(_, made): &(&(String, Subject), &Made)| matches!(made, Made::Ready);
    let names: Vec<String> =
        subjects.iter().zip(&made).filter(is_ready).map(|((name, _), _)| name.clone()).collect();
    let begun = Instant::now();
    let mut failures = import(&case, &names, until);
    clear(&case);
    println!("{} made in {took:?}, {} imported in {:?}", subjects.len(), names.len(), begun.elapsed());
    let outcome = |((name, _), made): (&(String, Subject), Made)| match made {
        Made::Refused(reason) => Outcome::Refused(reason),
        Made::SetAside(reason) => Outcome::SetAside(reason),
        Made::Ready => failures.remove(name).map_or(Outcome::Imported, Outcome::Failed),
    };
    subjects.iter().zip(made).map(outcome).collect()
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Counts, and the failures of each kind with the first subject that has it.
#[derive(Default)]
struct Tally {
    imported: usize,
    refused: BTreeMap<String, Vec<u64>>,
    set_aside: BTreeMap<String, Vec<u64>>,
    failed: Vec<u64>,
    kinds: BTreeMap<String, (Vec<u64>, Subject, String)>,
}

impl Tally {
    fn add(&mut self, subject: &Subject, outcome: Outcome) {
        match outcome {
            Outcome::Imported => self.imported += 1,
            Outcome::Refused(reason) => self.refused.entry(reason).or_default().push(subject.seed),
            Outcome::SetAside(reason) => self.set_aside.entry(reason).or_default().push(subject.seed),
            Outcome::Failed(failures) => {
                self.failed.push(subject.seed);
                for Failure { key, text } in failures {
                    let kind = self.kinds.entry(key).or_insert_with(|| (Vec::new(), subject.clone(), text));
                    kind.0.push(subject.seed);
                    // The smaller one is the sooner made small.
                    if subject.yaml().len() < kind.1.yaml().len() {
                        kind.1 = subject.clone();
                    }
                }
            }
        }
    }

    fn print(&self) {
        let count = |refused: &BTreeMap<String, Vec<u64>>| refused.values().map(Vec::len).sum::<usize>();
        for (what, reasons) in [("API server", &self.refused), ("operator's objects", &self.set_aside)] {
            for (reason, seeds) in reasons {
                println!(
                    "refused ({what}), seeds {seeds:?}: {}",
                    reason.chars().take(400).collect::<String>()
                );
            }
        }
        println!(
            "imported {}, failed {} ({:?}), refused by the API server {}, by Kubernetes of the operator {}",
            self.imported,
            self.failed.len(),
            self.failed,
            count(&self.refused),
            count(&self.set_aside)
        );
        for (key, (seeds, subject, text)) in &self.kinds {
            println!("\n==== {} times, seeds {seeds:?} ({}): {key}\n{text}", seeds.len(), subject.kinds());
        }
    }
}

fn tried(cli: Cli, first: u64, count: u64, until: Until, tally: &mut Tally) {
    let schemas = Schemas::read();
    let subjects: Vec<(String, Subject)> = (first..first + count)
        .map(|seed| Subject::of(seed, &schemas))
        .map(|subject| (subject.name(), subject))
        .collect();
    for (at, batch) in subjects.chunks(BATCH).enumerate() {
        let outcomes = trial(cli, &format!("{first}-{at}"), batch, until);
        for ((_, subject), outcome) in batch.iter().zip(outcomes) {
            tally.add(subject, outcome);
        }
    }
}

fn report(cli: Cli, tally: &Tally) {
    let mut kinds: Vec<_> = tally.kinds.iter().collect();
    kinds.sort_by_key(|(_, (seeds, ..))| std::cmp::Reverse(seeds.len()));
    let small = |(key, (_, subject, text)): &(&String, &(Vec<u64>, Subject, String))| {
        shrink::Case::new((*key).clone(), text.clone(), subject.clone())
    };
    let mut cases: Vec<shrink::Case> = kinds.iter().take(SHRUNK).map(small).collect();
    shrink::shrink(cli, &mut cases);
    // One cause often shows in several places.
    let mut small: BTreeMap<String, Vec<&shrink::Case>> = BTreeMap::new();
    for case in &cases {
        small.entry(case.subject.yaml()).or_default().push(case);
    }
    for (yaml, cases) in small {
        println!("\n########\n{yaml}\nagain: make import-fuzz SEED={} COUNT=1", cases[0].subject.seed);
        for case in cases {
            println!("-- {}\n{}", case.key, case.text);
        }
    }
}

for_terraform! {
    fn what_is_there_is_imported_as_it_is(cli: Cli) {
        let first = number("IMPORT_FUZZ_SEED", SEED);
        let mut tally = Tally::default();
        match number("IMPORT_FUZZ_COUNT", 0) {
            0 => {
                tried(cli, first, PLANNED, Until::Planned, &mut tally);
                tried(cli, first + PLANNED, APPLIED, Until::Applied, &mut tally);
            }
            count => {
                let is_quick = number("IMPORT_FUZZ_QUICK", 0) == 1;
                tried(cli, first, count, if is_quick { Until::Planned } else { Until::Applied }, &mut tally);
            }
        }
        tally.print();
        if !tally.failed.is_empty() {
            report(cli, &tally);
        }
        assert!(tally.failed.is_empty(), "imports that fail: {:?}", tally.failed);
    }
}
