//! A conversation with one Redis or Sentinel inside its pod, over a port forwarded by the API server.
//!
//! `forward → AUTH, PING → command → reply → command → …`, one command at a time or several in one pipeline.
//! `redis::talk` defines the commands and the replies; here they are sent and received, and no wait for an
//! answer exceeds ten seconds.
//!
//! A session that failed, timed out or was cancelled in the middle of a command is over: the next reply might
//! be the answer to something else. Each further command fails with that reason.

mod questions;

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;
use secrecy::zeroize::Zeroize as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

use super::{Access, Refusal, TalkError};
use crate::kubernetes::{self, Cluster, ObjectRef};
use crate::redis::talk::{self, Command, Malformed, Reply, Unexpected};

/// Longest wait for the answer to one command or pipeline: none of our commands takes Redis more than
/// milliseconds, and the API server notices a dead node only after half a minute.
const LONGEST: Duration = Duration::from_secs(10);

/// The connection of a session.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An open connection to one Redis or Sentinel. Dropped, it is closed.
pub struct Session {
    stream: Box<dyn Stream>,
    /// `redis/cache-0:6379`
    place: String,
    /// Received bytes that have not been read as a reply yet.
    received: Vec<u8>,
    /// Whether a command is under way, or was never answered.
    unanswered: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Session({})", self.place)
    }
}

impl Session {
    /// Connects to a port of a pod. A server that is still loading its data can be connected to.
    ///
    /// # Errors
    /// `Cluster` if nothing listens or the pod is gone; `Refused` if the password is wrong or missing.
    pub async fn open(
        cluster: &Cluster,
        pod: &ObjectRef,
        access: &Access,
        deadline: Instant,
    ) -> Result<Session, TalkError> {
        let Access { port, password } = access;
        let stream = cluster.forward(pod, *port, deadline).await?;
        let place = format!("{}/{}:{port}", pod.namespace.as_deref().unwrap_or_default(), pod.name);
        Session::over(stream, place, password.as_ref(), deadline).await
    }

    /// Begins a conversation over an existing connection.
    async fn over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        place: String,
        password: Option<&SecretString>,
        deadline: Instant,
    ) -> Result<Session, TalkError> {
        let mut session =
            Session { stream: Box::new(stream), place, received: Vec::new(), unanswered: false };
        let mut greeting: Vec<Command> = password.map(Command::auth).into_iter().collect();
        greeting.push(Command::new(["PING"]));
        let answers = session.pipeline(&greeting, deadline).await?;
        for (index, (command, answer)) in greeting.iter().zip(answers).enumerate() {
            let is_auth = password.is_some() && index == 0;
            match answer {
                // Only the answer of PING about rights counts: PING is refused while data is loaded.
                Err(refusal) if is_auth || refusal.is_about_rights() => {
                    return Err(session.refused(command, refusal));
                }
                Ok(_) | Err(_) => {}
            }
        }
        Ok(session)
    }

    /// Sends one command and returns the answer.
    ///
    /// # Errors
    /// An error of Redis is `Refused`, and the session continues. After any other error it is over.
    pub async fn send(&mut self, command: &Command, deadline: Instant) -> Result<Reply, TalkError> {
        let answer = self.ask(command, deadline).await?;
        match answer {
            Reply::Error(message) => Err(self.refused(command, Refusal::new(command, &message))),
            reply => Ok(reply),
        }
    }

    /// Sends several commands at once and returns each answer. Redis carries them out in this order, and
    /// continues after a command that it refuses.
    ///
    /// # Errors
    /// As [`Session::send`], except for refusals of Redis.
    pub async fn pipeline(
        &mut self,
        commands: &[Command],
        deadline: Instant,
    ) -> Result<Vec<Result<Reply, Refusal>>, TalkError> {
        let answers = self.exchange(commands, deadline).await?;
        let judged = commands.iter().zip(answers).map(|(command, answer)| match answer {
            Reply::Error(message) => Err(Refusal::new(command, &message)),
            reply => Ok(reply),
        });
        Ok(judged.collect())
    }

    async fn query<T>(
        &mut self,
        words: &[&str],
        read: impl FnOnce(&Reply) -> Result<T, Unexpected>,
        deadline: Instant,
    ) -> Result<T, TalkError> {
        let reply = self.send(&Command::new(words.iter().copied()), deadline).await?;
        read(&reply).map_err(|unexpected| TalkError::Unexpected { place: self.place.clone(), unexpected })
    }

    async fn ask(&mut self, command: &Command, deadline: Instant) -> Result<Reply, TalkError> {
        let answers = self.exchange(std::slice::from_ref(command), deadline).await?;
        Ok(answers.into_iter().next().unwrap_or(Reply::Null))
    }

    /// Sends commands, and reads as many replies.
    async fn exchange(&mut self, commands: &[Command], deadline: Instant) -> Result<Vec<Reply>, TalkError> {
        let shown = commands.iter().map(Command::to_string).collect::<Vec<_>>().join("; ");
        let broken = |place: &str, why: String| {
            Err(TalkError::Broken { place: place.to_owned(), command: shown.clone(), why })
        };
        if self.unanswered {
            let why = "an earlier command was never answered, so the session is over".to_owned();
            return broken(&self.place, why);
        }
        self.unanswered = true;
        let began = Instant::now();
        match timeout_at(deadline.min(began + LONGEST), self.carry(commands)).await {
            Ok(Ok(replies)) => {
                self.unanswered = false;
                Ok(replies)
            }
            Ok(Err(Cut::Stream(error))) => match kubernetes::Error::from_stream(error) {
                Ok(error) => Err(TalkError::Cluster(error)),
                Err(error) => broken(&self.place, error.to_string()),
            },
            Ok(Err(Cut::Malformed(malformed))) => {
                Err(TalkError::Malformed { place: self.place.clone(), malformed })
            }
            Err(_) => {
                Err(TalkError::Slow { place: self.place.clone(), command: shown, after: began.elapsed() })
            }
        }
    }

    async fn carry(&mut self, commands: &[Command]) -> Result<Vec<Reply>, Cut> {
        let mut bytes = Vec::new();
        commands.iter().for_each(|command| command.encode(&mut bytes));
        let written = self.stream.write_all(&bytes).await;
        bytes.zeroize();
        let mut replies = Vec::with_capacity(commands.len());
        if written.is_ok() {
            self.stream.flush().await.map_err(Cut::Stream)?;
        }
        // If writing failed, reading reports why.
        while replies.len() < commands.len() {
            match talk::decode(&self.received).map_err(Cut::Malformed)? {
                Some((reply, taken)) => {
                    self.received.drain(..taken);
                    replies.push(reply);
                }
                None => {
                    let length = self.stream.read_buf(&mut self.received).await.map_err(Cut::Stream)?;
                    if length == 0 {
                        return Err(Cut::Stream(std::io::Error::other("the other side has closed it")));
                    }
                }
            }
        }
        Ok(replies)
    }

    fn refused(&self, command: &Command, refusal: Refusal) -> TalkError {
        TalkError::Refused { place: self.place.clone(), command: command.to_string(), refusal }
    }
}

/// What ends a session.
enum Cut {
    Stream(std::io::Error),
    Malformed(Malformed),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::talk::{Quorum, Role};
    use tokio::io::{DuplexStream, duplex};

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    fn secret() -> SecretString {
        SecretString::from("hunter2")
    }

    /// A Redis that waits for each of these texts in turn and then says the other; then it is silent until dropped.
    fn redis(
        script: &[(&'static str, &'static str)],
    ) -> (DuplexStream, tokio::task::JoinHandle<DuplexStream>) {
        let (ours, mut theirs) = duplex(1 << 16);
        let script = script.to_vec();
        let serving = tokio::spawn(async move {
            let mut heard = Vec::new();
            for (wanted, said) in script {
                while !String::from_utf8_lossy(&heard).contains(wanted) {
                    assert!(theirs.read_buf(&mut heard).await.unwrap() > 0, "{wanted} never came");
                }
                heard.clear();
                theirs.write_all(said.as_bytes()).await.unwrap();
            }
            theirs
        });
        (ours, serving)
    }

    async fn open(
        script: &[(&'static str, &'static str)],
        password: Option<&SecretString>,
    ) -> Result<Session, TalkError> {
        let (stream, serving) = redis(script);
        let session = Session::over(stream, "redis/cache-0:6379".to_owned(), password, soon()).await;
        // Kept open for as long as the test runs, unless it asks for an end.
        tokio::spawn(async move {
            let _open = serving.await;
            std::future::pending::<()>().await;
        });
        session
    }

    fn ping() -> Command {
        Command::new(["PING"])
    }

    const PINGED: (&str, &str) = ("PING", "+PONG\r\n");

    #[tokio::test]
    async fn a_password_is_said_first_and_commands_are_answered() {
        let script = [
            ("AUTH\r\n$7\r\nhunter2\r\n*1\r\n$4\r\nPING\r\n", "+OK\r\n+PONG\r\n"),
            ("ROLE", "*3\r\n$6\r\nmaster\r\n:7\r\n*0\r\n"),
            ("SET", "-READONLY You can't write against a read only replica.\r\n"),
            ("REPLICAOF", "+OK\r\n-ERR no\r\n"),
            PINGED,
        ];
        let mut session = open(&script, Some(&secret())).await.unwrap();
        assert_eq!(session.role(soon()).await.unwrap(), Role::Master { offset: 7, replicas: vec![] });
        let error = session.send(&Command::new(["SET", "a", "b"]), soon()).await.unwrap_err();
        assert_eq!(error.refusal().unwrap().code(), "READONLY");
        let text =
            "redis/cache-0:6379 refused SET a b: READONLY You can't write against a read only replica.";
        assert_eq!(error.to_string(), text);
        let both = [Command::replica_of_no_one(), Command::unpause()];
        let answers = session.pipeline(&both, soon()).await.unwrap();
        assert!(answers[0].as_ref().unwrap().is_ok());
        assert_eq!(answers[1].as_ref().unwrap_err().code(), "ERR");
        session.send(&ping(), soon()).await.unwrap();
    }

    #[tokio::test]
    async fn who_is_let_in() {
        let wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n-NOAUTH Authentication required.\r\n";
        let error = open(&[("PING", wrong)], Some(&secret())).await.unwrap_err();
        assert!(error.refusal().unwrap().is_about_rights() && !error.may_pass(), "{error}");
        assert!(error.to_string().contains("refused AUTH (redacted): WRONGPASS"), "{error}");
        let missing = open(&[("PING", "-NOAUTH Authentication required.\r\n")], None).await.unwrap_err();
        assert!(missing.refusal().unwrap().is_about_rights(), "{missing}");
        let loading = "-LOADING Redis is loading the dataset in memory\r\n";
        let mut session = open(&[("PING", loading), ("PING", loading)], None).await.unwrap();
        let error = session.send(&ping(), soon()).await.unwrap_err();
        assert!(error.may_pass() && error.refusal().unwrap().is_loading(), "{error}");
    }

    #[tokio::test]
    async fn what_redis_quotes_of_a_command_is_taken_out() {
        let quoted = "-ERR unknown command 'AUTH', with args beginning with: 'hunter2' \r\n+PONG\r\n";
        let error = open(&[("PING", quoted)], Some(&secret())).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        let quoted = "-ERR Error in ACL SETUSER modifier '>hunter2': Syntax error\r\n";
        let mut session = open(&[PINGED, ("ACL", quoted)], None).await.unwrap();
        let command = Command::add_password("default", &secret());
        let error = session.send(&command, soon()).await.unwrap_err();
        assert!(!format!("{error} {error:?} {session:?} {command:?}").contains("hunter2"), "{error:?}");
        assert!(error.to_string().contains("modifier '>(redacted)'"), "{error}");
    }

    #[tokio::test]
    async fn no_quorum_is_an_answer_and_no_group_is_not() {
        let script = [
            PINGED,
            ("CKQUORUM", "-NOQUORUM 1 usable Sentinels. Not enough\r\n"),
            ("CKQUORUM", "+OK 3 usable Sentinels. Quorum and failover authorization can be reached\r\n"),
            ("CKQUORUM", "-ERR No such master with that name\r\n"),
            ("GET-MASTER-ADDR-BY-NAME", "*-1\r\n"),
        ];
        let mut session = open(&script, None).await.unwrap();
        let missed = session.sentinel_quorum("cache", soon()).await.unwrap();
        assert_eq!(missed, Quorum::Missed("1 usable Sentinels. Not enough".to_owned()));
        assert_eq!(session.sentinel_quorum("cache", soon()).await.unwrap(), Quorum::Reached { usable: 3 });
        assert!(session.sentinel_quorum("cache", soon()).await.unwrap_err().refusal().is_some());
        assert_eq!(session.sentinel_address("cache", soon()).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_broken_session_says_so_and_stays_broken() {
        let (stream, serving) = redis(&[PINGED, ("ROLE", "*3\r\n$6\r\nmas")]);
        let mut session = Session::over(stream, "here".to_owned(), None, soon()).await.unwrap();
        tokio::spawn(async move { drop(serving.await) });
        let error = session.role(soon()).await.unwrap_err();
        assert_eq!(error.to_string(), "the connection to here broke at ROLE: the other side has closed it");
        assert!(error.may_pass());
        let error = session.send(&ping(), soon()).await.unwrap_err();
        assert!(error.to_string().contains("never answered"), "{error}");
        let error = open(&[("PING", "HTTP/1.1 400 Bad Request\r\n")], None).await.unwrap_err();
        assert!(matches!(error, TalkError::Malformed { .. }) && !error.may_pass(), "{error}");
    }

    #[tokio::test]
    async fn silence_ends_with_the_deadline_and_is_the_end() {
        let shortly = || Instant::now() + Duration::from_millis(100);
        let mut session = open(&[PINGED], None).await.unwrap();
        let error = session.role(shortly()).await.unwrap_err();
        assert!(matches!(error, TalkError::Slow { .. }) && error.may_pass(), "{error}");
        assert!(error.to_string().starts_with("redis/cache-0:6379 did not answer ROLE within 0."), "{error}");
        assert!(matches!(session.role(soon()).await.unwrap_err(), TalkError::Broken { .. }));
        let (silent, _kept) = duplex(1 << 16);
        let error = Session::over(silent, "here".to_owned(), Some(&secret()), shortly()).await.unwrap_err();
        assert!(error.to_string().starts_with("here did not answer AUTH (redacted); PING within"), "{error}");
    }

    #[tokio::test]
    async fn a_cancelled_command_ends_the_session() {
        let mut session = open(&[PINGED], None).await.unwrap();
        {
            let asking = session.role(soon());
            futures::future::select(std::pin::pin!(asking), std::pin::pin!(tokio::task::yield_now())).await;
        }
        let error = session.send(&ping(), soon()).await.unwrap_err();
        assert!(error.to_string().contains("never answered"), "its answer would be taken for ours: {error}");
    }
}
