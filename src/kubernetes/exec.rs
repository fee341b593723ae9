//! Runs a command in a container and waits for its end: output, errors and exit code.
//!
//! The command line is part of the URL, so it is in the audit log of the API server and in traces: a secret goes in
//! by standard input, or is already in the container's environment. Before Kubernetes 1.30 the end of the
//! input cannot be told without closing the whole stream, so it is never told: a command takes a line with `read
//! -r`, and must not read on to the end.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{AttachParams, AttachedProcess};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

use super::Cluster;
use super::error::{Attempt, Cause, Error, Verb};
use super::object::ObjectRef;
use super::transport::TransportError;
use super::upgrade::quoted;

/// Most bytes that are kept of what a command prints on either stream; the rest is read and dropped.
const KEPT: usize = 1 << 20;

/// How container runtimes say that the container has no such program.
const NO_PROGRAM: [&str; 3] = ["executable file not found", "no such file or directory", "permission denied"];

/// What to run, and where.
#[derive(Debug, Clone, Default)]
pub struct ExecOptions<'a> {
    /// In which container; `None` only for a pod that has one.
    pub container: Option<&'a str>,
    /// The program and its arguments. No secrets: they would be in the audit log.
    pub command: &'a [&'a str],
    /// What it is given on standard input. Its end is never told.
    pub stdin: Option<&'a SecretString>,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    /// What it printed, up to 1 MiB. What is not UTF-8 is replaced.
    pub stdout: String,
    /// What it complained of, likewise.
    pub stderr: String,
    /// 0 is success.
    pub exit_code: i32,
}

impl Cluster {
    /// Runs a command in a container and waits for it to end. Any exit code is an answer.
    ///
    /// Cancelled or timed out: the command may go on running in the container, so it should bound itself.
    ///
    /// # Errors
    /// `NotFound` where the pod is gone; `Forbidden` without the right to `pods/exec`; `Invalid` where the pod has
    /// no such container; `Unavailable` where the container does not run; `Rejected` where it has no such program.
    pub async fn exec(
        &self,
        pod: &ObjectRef,
        options: ExecOptions<'_>,
        deadline: Instant,
    ) -> Result<ExecOutput, Error> {
        let attempt = Attempt::on(Verb::Exec, pod);
        let mut parameters = AttachParams::default().stdin(options.stdin.is_some());
        parameters.container = options.container.map(str::to_owned);
        let open =
            async |pods: kube::Api<_>| pods.exec(&pod.name, options.command.to_vec(), &parameters).await;
        let (process, server) = self.upgraded(&attempt, pod, deadline, open).await?;
        let ended = timeout_at(deadline, watch(process, options.stdin)).await;
        ended
            .unwrap_or_else(|_| Err(TransportError::Deadline.into()))
            .map_err(|cause| Error::new(&attempt, Some(&server), cause))
    }
}

/// Feeds a command, and collects what it prints until it ends.
async fn watch(mut process: AttachedProcess, input: Option<&SecretString>) -> Result<ExecOutput, Cause> {
    let mut stdin = process.stdin();
    let (stdout, stderr) = (process.stdout(), process.stderr());
    let status = process.take_status();
    let feed = async {
        if let (Some(stdin), Some(input)) = (&mut stdin, input) {
            // A command that ends without reading all of it is no failure of ours.
            let _ = stdin.write_all(input.expose_secret().as_bytes()).await;
        }
    };
    let ended = async {
        match status {
            Some(status) => status.await,
            None => None,
        }
    };
    let ((), stdout, stderr, status) = tokio::join!(feed, collect(stdout), collect(stderr), ended);
    match status {
        Some(status) => Ok(ExecOutput { stdout, stderr, exit_code: exit_code(&status)? }),
        None => {
            let why = match process.join().await {
                // kube's words quote nothing of the streams.
                Err(error) => quoted(&error.to_string()),
                Ok(()) => "it ended without telling how the command ended".to_owned(),
            };
            Err(TransportError::Broken(why).into())
        }
    }
}

/// Reads to the end, so that the command is never held up, and keeps the beginning.
async fn collect(stream: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let mut kept = Vec::new();
    let mut piece = [0; 4096];
    // An error means that the stream broke, and then there is no status either.
    while let Ok(length @ 1..) = stream.read(&mut piece).await {
        let room = KEPT.saturating_sub(kept.len());
        kept.extend_from_slice(&piece[..length.min(room)]);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// The exit code out of the `Status` that ends the stream.
fn exit_code(status: &Status) -> Result<i32, Cause> {
    if status.status.as_deref() == Some("Success") {
        return Ok(0);
    }
    let causes = status.details.iter().flat_map(|details| details.causes.iter().flatten());
    let code = causes
        .filter(|cause| cause.reason.as_deref() == Some("ExitCode"))
        .find_map(|cause| cause.message.as_deref()?.parse().ok());
    code.ok_or_else(|| {
        let message = quoted(status.message.as_deref().unwrap_or("it gives no reason"));
        let code = status.code.and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
        // Everything that goes wrong on the node has this code: a container that has just ended, too.
        match code >= 500 && !NO_PROGRAM.iter().any(|words| message.contains(words)) {
            true => Cause::Unavailable { status: code, message },
            false => {
                Cause::Rejected { status: code, reason: status.reason.clone().unwrap_or_default(), message }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::test_server::{POD, Reply, TestServer};
    use serde_json::{Value, json};
    use std::time::Duration;

    fn pod() -> ObjectRef {
        ObjectRef::namespaced(&POD, "redis", "cache-0")
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    fn options<'a>(stdin: Option<&'a SecretString>) -> ExecOptions<'a> {
        ExecOptions { container: Some("cache"), command: &["cat", "a b"], stdin }
    }

    fn frame(channel: u8, payload: &str) -> Vec<u8> {
        [&[channel], payload.as_bytes()].concat()
    }

    fn ended(status: &Value) -> Vec<u8> {
        frame(3, &status.to_string())
    }

    fn exited(code: &str) -> Vec<u8> {
        ended(&json!({"status": "Failure", "reason": "NonZeroExitCode", "message": "command terminated",
            "details": {"causes": [{"reason": "ExitCode", "message": code}]}}))
    }

    async fn answering(first: Vec<Vec<u8>>, each: Vec<Vec<u8>>) -> TestServer {
        TestServer::start(move |_| {
            let (first, each) = (first.clone(), each.clone());
            async move { Reply::WebSocket { first, each, then_close: true } }
        })
        .await
    }

    #[tokio::test]
    async fn output_and_exit_code_are_collected() {
        let success = ended(&json!({"status": "Success"}));
        for (last, exit_code) in [(success, 0), (exited("3"), 3)] {
            let long = "x".repeat(30_000);
            let first = vec![frame(1, "out "), frame(2, "err"), frame(1, &long), frame(1, "put"), last];
            let server = answering(first, vec![]).await;
            let output = server.cluster().exec(&pod(), options(None), soon()).await.unwrap();
            let expected =
                ExecOutput { stdout: format!("out {long}put"), stderr: "err".to_owned(), exit_code };
            assert_eq!(output, expected);
            let target = server.seen()[0].target.clone();
            let asked = "/api/v1/namespaces/redis/pods/cache-0/exec?&stdout=true&stderr=true&container=cache&command=cat&command=a+b";
            assert_eq!(target, asked);
        }
    }

    #[tokio::test]
    async fn a_secret_goes_in_by_standard_input_only() {
        let secret = SecretString::from("hunter2\n");
        let server = answering(vec![], vec![ended(&json!({"status": "Success"}))]).await;
        let output = server.cluster().exec(&pod(), options(Some(&secret)), soon()).await.unwrap();
        assert_eq!(output.exit_code, 0);
        let seen = server.seen();
        assert!(!seen[0].target.contains("hunter2") && seen[0].target.contains("stdin=true"));
        assert_eq!(seen[1].target, "\0hunter2\n", "and its end is not told");
        assert_eq!(seen.len(), 2);
        assert!(!format!("{:?}", options(Some(&secret))).contains("hunter2"));
    }

    #[tokio::test]
    async fn what_cannot_be_run_is_an_error() {
        let failed = json!({"status": "Failure", "reason": "InternalError", "code": 500,
            "message": "error executing command in container: exec: \"cat\":\n executable file not found in $PATH"});
        let server = answering(vec![ended(&failed)], vec![]).await;
        let error = server.cluster().exec(&pod(), options(None), soon()).await.unwrap_err();
        assert!(matches!(error.cause, Cause::Rejected { status: 500, .. }), "{error}");
        let text = error.to_string();
        assert!(text.starts_with("could not run a command in Pod redis/cache-0 on http://"), "{text}");
        assert!(text.contains("\"cat\": executable file not found"), "{text}");
        let stopped = json!({"status": "Failure", "reason": "InternalError", "code": 500,
            "message": "error executing command in container: cannot exec in a stopped container"});
        let server = answering(vec![ended(&stopped)], vec![]).await;
        let error = server.cluster().exec(&pod(), options(None), soon()).await.unwrap_err();
        assert!(error.cause.may_pass(), "{error}");

        let cut = answering(vec![frame(1, "half")], vec![]).await;
        let error = cut.cluster().exec(&pod(), options(None), soon()).await.unwrap_err();
        assert!(matches!(error.cause, Cause::Unreachable(_)), "{error}");

        let endless = TestServer::start(|_| async {
            Reply::WebSocket { first: vec![], each: vec![], then_close: false }
        })
        .await;
        let shortly = Instant::now() + Duration::from_millis(300);
        let error = endless.cluster().exec(&pod(), options(None), shortly).await.unwrap_err();
        assert!(matches!(error.cause, Cause::Timeout(_)), "{error}");
    }

    #[tokio::test]
    async fn a_command_is_not_begun_twice() {
        let server = TestServer::start(|_| async { Reply::Close }).await;
        let error = server.cluster().exec(&pod(), options(None), soon()).await.unwrap_err();
        assert!(matches!(error.cause, Cause::Unreachable(_)), "{error}");
        assert_eq!(server.seen().len(), 1, "it may have run");
        let forbidden = "pods \"cache-0\" is forbidden: User \"u\" cannot create resource \"pods/exec\" in API group \
                         \"\" in the namespace \"redis\"";
        let server =
            TestServer::start(move |_| async move { Reply::status(403, "Forbidden", forbidden, &json!({})) })
                .await;
        let error = server.cluster().exec(&pod(), options(None), soon()).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("Grant it `create` on `pods/exec` by a Role"), "{text}");
    }
}
