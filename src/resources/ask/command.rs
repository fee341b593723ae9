//! A command in a pod. All commands begin alike: the password comes from the container's own environment,
//! where the operator puts it, and no single answer may take longer than the limit. The image's contract
//! includes `sh` and `redis-cli`, and nothing else is needed.

use std::time::Duration;

use tokio::time::Instant;

use crate::kubernetes::{Cluster, Error, ExecOptions, ExecOutput, ObjectRef};

/// `$1`: seconds. Redis knows the password without the blanks and line breaks at its ends, and so does
/// [`password::held`]. `limited` limits a command if the image has `timeout`: packets to a Service without
/// endpoints may vanish, and a command in a container ends only by itself.
///
/// [`password::held`]: crate::resources::password::held
const PRELUDE: &str = r#"seconds=$1; shift
password=${REDIS_PASSWORD#"${REDIS_PASSWORD%%[![:space:]]*}"}
password=${password%"${password##*[![:space:]]}"}
[ -z "$password" ] || export REDISCLI_AUTH="$password"
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
    /// A host, a port and commands, one on each line; then the next host, and so on. All commands for a host go to one
    /// redis-cli, so that they reach the same server. A line that begins with [`NODE`] precedes the replies of each host,
    /// and what redis-cli says of it; one line for each reply. If nothing answers in time, the others are not asked.
    AskEach,
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
            // A command that was ended for its time exits with 124, or with 143 in older images.
            Script::AskEach => {
                r##"while [ $# -ge 3 ]; do
  echo "# Node $1"
  echo "# Node $1" >&2
  printf '%s\n' "$3" | limited redis-cli --csv -h "$1" -p "$2"
  [ $? -lt 124 ] || break
  shift 3
done"##
            }
            Script::TellEach => {
                r##"commands=$1; shift
for host in "$@"; do
  echo "# Node $host"
  printf '%s\n' "$commands" | limited redis-cli -h "$host" -p 6379
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
    script: Script,
    arguments: &[&str],
    each: Duration,
    deadline: Instant,
) -> Result<ExecOutput, Error> {
    let text = format!("{PRELUDE}{}", script.body());
    let seconds = each.as_secs().max(1).to_string();
    let mut command = vec!["sh", "-c", &text, "redis", &seconds];
    command.extend(arguments);
    let options = ExecOptions { container: Some(&from.container), command: &command, stdin: None };
    cluster.exec(&from.pod, options, deadline).await
}
