//! Both CLIs go through one disturbance at the same time: what is disturbed is the cluster, and these tests mostly wait for
//! it.
use std::panic::resume_unwind;

use crate::case::Case;
use crate::cli::{self, Cli};

/// One case for each CLI.
pub struct Both(Vec<Case>);

impl Both {
    /// Cases of this name for these CLIs.
    pub fn new(clis: &[Cli], name: &str) -> Both {
        Both(clis.iter().map(|cli| Case::new(*cli, name)).collect())
    }

    pub fn namespaces(&self) -> Vec<&str> {
        self.0.iter().map(|case| case.namespace.as_str()).collect()
    }

    /// A step, taken with all CLIs at once; it is over when all have taken it.
    pub fn each<'a, T: Send>(&'a self, step: impl Fn(&'a Case) -> T + Sync) -> Vec<T> {
        let ended: Vec<_> = std::thread::scope(|scope| {
            let step = &step;
            let threads: Vec<_> = self.0.iter().map(|case| scope.spawn(move || step(case))).collect();
            threads.into_iter().map(|thread| thread.join()).collect()
        });
        ended.into_iter().map(|result| result.unwrap_or_else(|panic| resume_unwind(panic))).collect()
    }
}

/// Runs a test with the CLIs that are there; of each that is missing it is said that the test does not run.
pub fn run(name: &str, test: impl FnOnce(&[Cli])) {
    let (there, missing): (Vec<Cli>, Vec<Cli>) =
        [Cli::Terraform, Cli::Tofu].into_iter().partition(|cli| cli.program().is_ok());
    for cli in missing {
        cli::run(Some(cli), name, || {});
    }
    if !there.is_empty() {
        cli::run(None, name, || test(&there));
    }
}

/// Each `fn name(clis: &[Cli])` becomes a test.
macro_rules! for_both_clis {
    ($($(#[$attribute:meta])* fn $name:ident($clis:ident: &[Cli]) $body:block)*) => {
        $($(#[$attribute])*
        #[test]
        fn $name() {
            let name = concat!(module_path!(), "::", stringify!($name));
            $crate::both::run(name, |$clis| $body);
        })*
    };
}
