//! The real cluster under torture: seeds choose a shape, changes, and what goes wrong in the midst of each apply, while an
//! application writes. After each round the plan is empty within two applies, and every write that was acknowledged is
//! looked for. `make torture MINUTES=10 SEED=1`; with `CALM=1` nothing goes wrong beside the changes. A seed chooses the same again, but moments are never quite the same.
mod chance;
mod disturb;
mod subject;

use std::fmt;
use std::time::{Duration, Instant};

use self::chance::Chance;
use self::disturb::Disturbance;
use self::subject::{Shape, Subject};
use crate::case::Case;
use crate::ending::leaves_nothing;
use crate::topology::every_endpoint_serves;
use crate::writer::Writer;

/// How many applies a round may need, the disturbed one among them.
const APPLIES: usize = 3;
/// How many rounds a shape is taken through before the next one.
const ROUNDS: u64 = 4;

/// What became of a round.
struct Round {
    seed: u64,
    shape: Shape,
    change: String,
    disturbance: Disturbance,
    applies: usize,
    acknowledged: usize,
    lost: usize,
    longest: Duration,
    took: Duration,
}

impl fmt::Display for Round {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Round { seed, shape, change, disturbance, applies, acknowledged, lost, longest, took } = self;
        write!(
            formatter,
            "| {seed} | {shape:?} | {change} | {disturbance} | {applies} | {lost} of {acknowledged} | {:.1} s | {} s |",
            longest.as_secs_f64(),
            took.as_secs()
        )
    }
}

impl Round {
    /// Whether Redis itself may lose what was written last: sentinels and nodes replace a leader that does not answer.
    fn may_lose(&self) -> bool {
        self.shape.fails_over() && matches!(self.disturbance, Disturbance::Stall { .. })
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// One change with one disturbance.
fn round(case: &Case, subject: &mut Subject, seed: u64) -> Round {
    let mut chance = Chance::new(seed);
    let begun = Instant::now();
    let change = subject.change(&mut chance);
    let name = format!("writer-{seed}");
    let writer = match subject.shape {
        Shape::Cluster => Writer::of_cluster(case, &name),
        _ => Writer::start(case, &name),
    };
    case.write("main.tf", &subject.configuration().text());
    let disturbance = Disturbance::chosen(&mut chance, case);
    println!("-- {seed}: {:?}, {change}, {disturbance}", subject.shape);
    let guard = disturbance.armed(case);
    let running = case.start_apply();
    disturbance.strikes(case);
    let mut is_applied = running.wait().succeeded();
    drop(guard);
    let mut applies = 1;
    while !is_applied && applies < APPLIES {
        let output = case.try_apply();
        applies += 1;
        is_applied = output.succeeded();
        assert!(is_applied || applies < APPLIES, "seed {seed}: still not applied:\n{output}");
    }
    case.plan_is_empty();
    every_endpoint_serves(case);
    let (acknowledged, lost, longest) = writer.ends();
    let took = begun.elapsed();
    let shape = subject.shape;
    Round { seed, shape, change, disturbance, applies, acknowledged, lost, longest, took }
}

for_terraform! {
    #[ignore = "lasts as long as one likes: make torture MINUTES=10"]
    fn until_the_time_is_over(cli: Cli) {
        let end = Instant::now() + Duration::from_secs(60 * number("MINUTES", 10));
        let mut seed = number("SEED", 1);
        let mut rounds: Vec<Round> = Vec::new();
        while Instant::now() < end {
            let mut subject = Subject::chosen(&mut Chance::new(seed));
            let case = Case::new(cli, &format!("torture-{seed}"));
            case.set_deadline(Duration::from_secs(600));
            case.write("main.tf", &subject.configuration().text());
            case.apply();
            for _ in 0..ROUNDS {
                let round = round(&case, &mut subject, seed);
                println!("{round}");
                rounds.push(round);
                seed += 1;
                if Instant::now() >= end {
                    break;
                }
            }
            leaves_nothing(&case);
        }
        println!("\n| seed | shape | change | disturbance | applies | lost | longest without a write | took |");
        println!("|---|---|---|---|---|---|---|---|");
        rounds.iter().for_each(|round| println!("{round}"));
        let losing: Vec<u64> =
            rounds.iter().filter(|one| one.lost > 0 && !one.may_lose()).map(|one| one.seed).collect();
        assert!(losing.is_empty(), "acknowledged writes are lost with the seeds {losing:?}");
    }
}
