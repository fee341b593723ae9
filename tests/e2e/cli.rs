//! Which command-line programs the tests drive, and how a test is skipped where there is none or no cluster.
//!
//! Each test binary that includes this has a function `enter` at its root: what it asks for beyond that, and what is
//! held until the test has ended.
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// A program that reads `.tf` files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cli {
    Terraform,
    Tofu,
    /// The newest Terraform, as a shared library: in one scenario only, of what newer versions do otherwise.
    Terraform115,
}

impl Cli {
    pub fn name(self) -> &'static str {
        match self {
            Cli::Terraform => "terraform",
            Cli::Tofu => "tofu",
            Cli::Terraform115 => "terraform-1-15",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Cli::Terraform => "REDIS_DEV_TERRAFORM",
            Cli::Tofu => "REDIS_DEV_TOFU",
            Cli::Terraform115 => "REDIS_DEV_TERRAFORM_1_15",
        }
    }

    /// The program, or why there is none.
    pub fn program(self) -> Result<PathBuf, String> {
        existing_file(self.variable()).ok_or_else(|| format!("no {} (set {})", self.name(), self.variable()))
    }
}

/// The file that an environment variable names, if there is one.
pub fn existing_file(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_file())
}

fn missing(cli: Option<Cli>) -> Option<String> {
    if existing_file("REDIS_DEV_KUBECONFIG").is_none() || existing_file("REDIS_DEV_KUBECTL").is_none() {
        return Some("no cluster (run dev/cluster up)".to_owned());
    }
    cli.and_then(|cli| cli.program().err())
}

/// Runs a test, or says by name why it does not run. `REDIS_E2E_REQUIRED=1` turns that into a failure.
pub fn run(cli: Option<Cli>, name: &str, test: impl FnOnce()) {
    static SKIPPED: AtomicUsize = AtomicUsize::new(0);
    let entered = missing(cli).map_or_else(crate::enter, Err);
    let reason = match entered {
        Ok(_held) => {
            let _timed = Timed { name, started: Instant::now() };
            return test();
        }
        Err(reason) => reason,
    };
    assert!(std::env::var("REDIS_E2E_REQUIRED").is_err(), "{name} must run, but: {reason}");
    let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    // Not println!: the test framework swallows that of tests that pass, and a skip must not look like a pass.
    let _ = writeln!(std::io::stderr(), "skipped: {name}: {reason} [{count} skipped so far]");
}

/// How long a test took, however it ends, as a line of the file that `REDIS_E2E_TIMES` names.
struct Timed<'a> {
    name: &'a str,
    started: Instant,
}

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        let Some(path) = std::env::var_os("REDIS_E2E_TIMES") else { return };
        let name = self.name.split_once("::").map_or(self.name, |(_, name)| name);
        let line = format!("{:7.1} {name}\n", self.started.elapsed().as_secs_f64());
        // One write for each line, so that those of other tests do not mix with it.
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

/// Each `fn name(cli: Cli)` becomes the tests `terraform::name` and `tofu::name`.
macro_rules! for_each_cli {
    ($($(#[$attribute:meta])* fn $name:ident($cli:ident: Cli) $body:block)*) => {
        $(fn $name($cli: $crate::cli::Cli) $body)*

        mod terraform {
            $($(#[$attribute])*
            #[test]
            fn $name() {
                let name = concat!(module_path!(), "::", stringify!($name));
                let cli = $crate::cli::Cli::Terraform;
                $crate::cli::run(Some(cli), name, || super::$name(cli));
            })*
        }

        mod tofu {
            $($(#[$attribute])*
            #[test]
            fn $name() {
                let name = concat!(module_path!(), "::", stringify!($name));
                let cli = $crate::cli::Cli::Tofu;
                $crate::cli::run(Some(cli), name, || super::$name(cli));
            })*
        }
    };
}

/// As `for_each_cli`, but each test runs with one of the two: the first with Terraform, the second with OpenTofu, and so on.
/// For scenarios about the provider, which both CLIs drive alike.
macro_rules! for_alternate_clis {
    ($($(#[$attribute:meta])* fn $name:ident($cli:ident: Cli) $body:block)*) => {
        $($(#[$attribute])* fn $name($cli: $crate::cli::Cli) $body)*
        for_alternate_clis!(@deal [] [] $($name)*);
    };
    (@deal [$($terraform:ident)*] [$($tofu:ident)*] $first:ident $second:ident $($rest:ident)*) => {
        for_alternate_clis!(@deal [$($terraform)* $first] [$($tofu)* $second] $($rest)*);
    };
    (@deal [$($terraform:ident)*] [$($tofu:ident)*] $last:ident) => {
        for_alternate_clis!(@deal [$($terraform)* $last] [$($tofu)*]);
    };
    (@deal [$($terraform:ident)*] [$($tofu:ident)*]) => {
        mod terraform {
            $(#[test]
            fn $terraform() {
                let name = concat!(module_path!(), "::", stringify!($terraform));
                let cli = $crate::cli::Cli::Terraform;
                $crate::cli::run(Some(cli), name, || super::$terraform(cli));
            })*
        }

        mod tofu {
            $(#[test]
            fn $tofu() {
                let name = concat!(module_path!(), "::", stringify!($tofu));
                let cli = $crate::cli::Cli::Tofu;
                $crate::cli::run(Some(cli), name, || super::$tofu(cli));
            })*
        }
    };
}

/// As `for_each_cli`, but only `terraform::name`: for scenarios of many commands about what the provider reads and
/// writes, which is the same whoever drives it.
macro_rules! for_terraform {
    ($($(#[$attribute:meta])* fn $name:ident($cli:ident: Cli) $body:block)*) => {
        $(fn $name($cli: $crate::cli::Cli) $body)*

        mod terraform {
            $($(#[$attribute])*
            #[test]
            fn $name() {
                let name = concat!(module_path!(), "::", stringify!($name));
                let cli = $crate::cli::Cli::Terraform;
                $crate::cli::run(Some(cli), name, || super::$name(cli));
            })*
        }
    };
}

/// Tests that need the cluster but no command-line program.
macro_rules! with_cluster {
    ($($(#[$attribute:meta])* fn $name:ident() $body:block)*) => {
        $(
            $(#[$attribute])*
            #[test]
            fn $name() {
                $crate::cli::run(None, concat!(module_path!(), "::", stringify!($name)), || $body);
            }
        )*
    };
}
