//! A command in a pod. All commands begin alike: the password comes from the container's own environment,
//! where the operator puts it, and no single answer may take longer than the limit. The image's contract
//! includes `sh` and `redis-cli`, and nothing else is needed.

use std::time::Duration;

use tokio::time::Instant;

use super::Access;
use crate::kubernetes::{Cluster, Error, ExecOptions, ExecOutput, ObjectRef};

/// `$1`: port, `$2`: seconds. A line break at the end of the password is none of Redis', and `$(…)` drops it. `limited` limits a command if the image has `timeout`: packets to a Service
/// without endpoints may vanish, and a command in a container ends only by itself.
const PRELUDE: &str = r#"port=$1 seconds=$2; shift 2
[ -z "$REDIS_PASSWORD" ] || export REDISCLI_AUTH="$(printf %s "$REDIS_PASSWORD")"
limited() { if command -v timeout >/dev/null 2>&1; then timeout "$seconds" "$@"; else "$@"; fi; }
"#;

/// A pod to ask from, and its container with redis-cli.
#[derive(Clone, Debug)]
pub struct Vantage {
    /// A pod of the instance, or of its sentinels.
    pub pod: ObjectRef,
    /// The container.
    pub container: String,
}

/// What the command does.
#[derive(Clone, Copy, Debug)]
pub enum Script {
    /// `$1`: a host; then commands. Sends all commands to one redis-cli, so that they reach the same server.
    /// One line for each reply.
    TellOne,
    /// `$1`: commands, one on each line; then hosts. A line that begins with [`NODE`] precedes the replies of
    /// each host.
    TellEach,
    /// Arguments of `redis-cli --cluster`. The command takes as long as keys need to move.
    Manage,
}

/// The beginning of the replies of a host.
pub const NODE: &str = "# Node ";

impl Script {
    fn body(self) -> &'static str {
        match self {
            Script::TellOne => {
                r#"host=$1; shift; printf '%s\n' "$@" | limited redis-cli --csv -h "$host" -p "$port""#
            }
            Script::TellEach => {
                r##"commands=$1; shift
for host in "$@"; do
  echo "# Node $host"
  printf '%s\n' "$commands" | limited redis-cli -h "$host" -p "$port"
done"##
            }
            Script::Manage => r#"redis-cli --cluster "$@""#,
        }
    }
}

/// Runs a script in a pod. `each`: the limit of a single answer.
///
/// # Errors
/// If no command can be run in the pod. Errors of the command itself are in the output, whatever its exit
/// code.
pub async fn run(
    cluster: &Cluster,
    from: &Vantage,
    access: &Access,
    script: Script,
    arguments: &[&str],
    each: Duration,
    deadline: Instant,
) -> Result<ExecOutput, Error> {
    let text = format!("{PRELUDE}{}", script.body());
    let (port, seconds) = (access.port.to_string(), each.as_secs().max(1).to_string());
    let mut command = vec!["sh", "-c", &text, "redis", &port, &seconds];
    command.extend(arguments);
    let options = ExecOptions { container: Some(&from.container), command: &command, stdin: None };
    cluster.exec(&from.pod, options, deadline).await
}
