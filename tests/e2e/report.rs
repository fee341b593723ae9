//! What is printed when a test failed: enough to understand it without running it again.
use crate::case::Case;

/// How much of the end of a long list is printed.
const LINES: usize = 60;

pub fn print(case: &Case) {
    println!("\n==== {} with {}: what happened ====", case.namespace, case.cli.name());
    for output in case.outputs() {
        println!("{output}\n");
    }
    println!("---- requests of the case ----\n{}", last_lines(&case.proxy.describe()));
    for arguments in [["get", "pods", "-o", "wide"], ["get", "events", "--sort-by=.lastTimestamp", "-o=wide"]]
    {
        // Not the checked kubectl: this runs while a test is failing already.
        let output = std::process::Command::new(crate::cluster::kubectl_path())
            .arg(format!("--kubeconfig={}", crate::cluster::kubeconfig_path().display()))
            .args(["-n", &case.namespace, "--request-timeout=10s"])
            .args(arguments)
            .output();
        if let Ok(output) = output {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            println!("---- kubectl {} ----\n{text}", arguments.join(" "));
        }
    }
    println!("---- end of the provider's log ----\n{}\n====", last_lines(&case.provider_log()));
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
