//! A command in a pod. All of them have one beginning: the password comes out of the container's own environment, where the
//! operator puts it, and no single answer is waited for longer than was said. The image's contract has `sh` and `redis-cli`,
//! and no more is needed.

use std::time::Duration;

use tokio::time::Instant;

use super::Access;
use crate::kubernetes::{Cluster, Error, ExecOptions, ExecOutput, ObjectRef};

/// `$1`: port, `$2`: seconds. `limited` bounds a command where there is `timeout`: a Service without endpoints may let
/// packets vanish, and nobody ends a command in a container for us.
const PRELUDE: &str = r#"port=$1 seconds=$2; shift 2
[ -z "$REDIS_PASSWORD" ] || export REDISCLI_AUTH="$REDIS_PASSWORD"
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
    /// `$1`: a host; then commands. Feeds all to one redis-cli, so that they go to the same server. One line for each reply.
    TellOne,
    /// `$1`: commands, one on each line; then hosts. A line that begins with [`NODE`] goes before the replies of each.
    TellEach,
    /// What redis-cli is to do about a cluster. It takes as long as keys need to move.
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

/// Runs a script in a pod. `each`: how long a single answer may take.
///
/// # Errors
/// If no command can be run in the pod. What the command itself says is in the output, whatever its exit code.
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
