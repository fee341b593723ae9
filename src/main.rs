//! The executable: flags, and the process around [`plugin::serve`].

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use terraform_provider_redis::plugin::{self, Mode};
use terraform_provider_redis::provider;

const HELP: &str = "\
Provider for Terraform and OpenTofu: Redis on Kubernetes, through the OpsTree Redis operator.
Terraform starts it by itself; there is no need to start it by hand.

  --debug     serve without being started by Terraform, until Ctrl-C; prints the variable
              TF_REATTACH_PROVIDERS, which makes Terraform use this process
  --version   print the version
  --help      print this
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => serve(Mode::Core),
        // One dash, because that is how other providers spell it.
        ["--debug" | "-debug"] => serve(Mode::Debug),
        ["--version" | "-version"] => {
            print(concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"), "\n"))
        }
        ["--help" | "-help" | "-h"] => print(HELP),
        _ => {
            eprint!("unknown arguments: {}\n\n{HELP}", arguments.join(" "));
            ExitCode::from(2)
        }
    }
}

fn serve(mode: Mode) -> ExitCode {
    // Core runs ten calls at once, and all of them wait rather than compute.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let served = match runtime {
        Ok(runtime) => {
            let served = runtime.block_on(plugin::serve(Arc::new(provider::server()), mode));
            // Core waits for the process to be gone, and nothing that still runs is of use to it.
            runtime.shutdown_background();
            served.map_err(Box::from)
        }
        Err(error) => Err(Box::<dyn Error>::from(error)),
    };
    match served {
        Ok(_ended) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", with_sources(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

fn print(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_closed) => ExitCode::FAILURE,
    }
}
