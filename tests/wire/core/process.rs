//! A provider's process: started as Terraform starts it, up to the line by which it says where it listens.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::CertificateDer;

/// Nothing in these tests takes longer, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const COOKIE: (&str, &str) =
    ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2");

/// A provider's process, before and after the handshake.
pub struct Process {
    child: Child,
    stdout: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
    stderr: Arc<Mutex<Vec<String>>>,
    /// A provider that is killed leaves its socket behind; here it does so in a directory that goes with the
    /// test.
    _temporary: TempDir,
}

impl Process {
    /// The provider's executable, with these arguments and nothing of Terraform in its environment.
    pub fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_terraform-provider-redis"));
        command.args(arguments);
        clean(command)
    }

    /// This test binary, as a provider of test resources: see `provider.rs`.
    pub fn test_provider() -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "provider::serves_as_a_process_of_its_own", "--nocapture", "--quiet"]);
        command.env("WIRE_TEST_PROVIDER", "1");
        clean(command)
    }

    /// Starts it.
    pub fn spawn(mut command: Command) -> Process {
        let temporary = TempDir::new().unwrap();
        command.env("TMPDIR", temporary.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let collected = stderr.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                collected.lock().unwrap().push(line);
            }
        });
        Process { child, stdout, stderr, _temporary: temporary }
    }

    pub fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// The next line of stdout.
    pub async fn line(&mut self) -> Option<String> {
        timeout(PATIENCE, self.stdout.next_line()).await.expect("no line on stdout").unwrap()
    }

    /// What it wrote to stderr so far.
    pub fn stderr(&self) -> Vec<String> {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits for a line of stderr.
    pub async fn stderr_with(&self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.stderr().into_iter().find(|line| line.contains(part)) {
                return line;
            }
            assert!(Instant::now() < deadline, "no {part:?} in {:#?}", self.stderr());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn signal(&self, name: &str) {
        let status =
            std::process::Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// How it ended, and how long that took.
    pub async fn exit(&mut self) -> (ExitStatus, Duration) {
        let start = Instant::now();
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it does not exit").unwrap();
        (status, start.elapsed())
    }
}

fn clean(mut command: Command) -> Command {
    for name in ["TF_LOG", "TF_LOG_PROVIDER", "TF_LOG_PROVIDER_REDIS", COOKIE.0, "PLUGIN_CLIENT_CERT"] {
        command.env_remove(name);
    }
    command
}

/// The line a provider answers with.
#[derive(Clone, Debug)]
pub struct Handshake {
    pub fields: Vec<String>,
    pub socket: PathBuf,
    /// The provider's certificate.
    pub certificate: CertificateDer<'static>,
}

impl Handshake {
    pub fn parse(line: &str) -> Handshake {
        let fields: Vec<String> = line.split('|').map(str::to_owned).collect();
        let certificate = STANDARD_NO_PAD.decode(fields.get(5).expect(line)).unwrap().into();
        Handshake { socket: fields[3].clone().into(), certificate, fields }
    }
}
