//! Commands: words into bytes. A secret word is never shown, and is removed from the answers of Redis.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

use super::Address;

/// The placeholder for a secret.
const HIDDEN: &str = "(redacted)";

/// One command. Displayed as a person would type it, without its secrets.
#[derive(Clone)]
pub struct Command {
    words: Vec<Word>,
}

#[derive(Clone)]
enum Word {
    Plain(String),
    /// A secret, and the prefix that the syntax requires.
    Secret(&'static str, SecretString),
}

impl Command {
    /// A command of these words.
    pub fn new<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Command {
        Command { words: words.into_iter().map(|word| Word::Plain(word.into())).collect() }
    }

    /// With one more word.
    #[must_use]
    pub fn with(mut self, word: impl fmt::Display) -> Command {
        self.words.push(Word::Plain(word.to_string()));
        self
    }

    /// With one more word that is secret.
    #[must_use]
    pub fn with_secret(self, secret: &SecretString) -> Command {
        self.with_prefixed_secret("", secret)
    }

    fn with_prefixed_secret(mut self, prefix: &'static str, secret: &SecretString) -> Command {
        self.words.push(Word::Secret(prefix, secret.clone()));
        self
    }

    /// `AUTH`, as the default user.
    pub fn auth(password: &SecretString) -> Command {
        Command::new(["AUTH"]).with_secret(password)
    }

    /// `REPLICAOF`: follows that master.
    pub fn replica_of(master: &Address) -> Command {
        Command::new(["REPLICAOF", &master.host]).with(master.port)
    }

    /// `REPLICAOF NO ONE`: is a master.
    pub fn replica_of_no_one() -> Command {
        Command::new(["REPLICAOF", "NO", "ONE"])
    }

    /// `FAILOVER` to that replica: holds writes back, waits that long for the replica to catch up, and swaps
    /// the roles (Redis ≥ 6.2).
    pub fn failover_to(replica: &Address, timeout_milliseconds: u64) -> Command {
        Command::new(["FAILOVER", "TO", &replica.host])
            .with(replica.port)
            .with("TIMEOUT")
            .with(timeout_milliseconds)
    }

    /// `FAILOVER ABORT`: the master stays.
    pub fn failover_abort() -> Command {
        Command::new(["FAILOVER", "ABORT"])
    }

    /// `CLIENT PAUSE … WRITE`: holds writes back, at most for that long.
    pub fn pause_writes(milliseconds: u64) -> Command {
        Command::new(["CLIENT", "PAUSE"]).with(milliseconds).with("WRITE")
    }

    /// `CLIENT UNPAUSE`.
    pub fn unpause() -> Command {
        Command::new(["CLIENT", "UNPAUSE"])
    }

    /// `CLIENT KILL`: disconnects one client, but not ourselves.
    pub fn cut_off_client(id: &str) -> Command {
        Command::new(["CLIENT", "KILL", "ID", id, "SKIPME", "yes"])
    }

    /// `CONFIG SET`.
    pub fn config_set(directive: &str, value: &str) -> Command {
        Command::new(["CONFIG", "SET", directive, value])
    }

    /// `ACL SETUSER … >password`: adds a password of that user.
    pub fn add_password(user: &str, password: &SecretString) -> Command {
        Command::new(["ACL", "SETUSER", user]).with_prefixed_secret(">", password)
    }

    /// `ACL SETUSER … <password`: removes a password of that user.
    pub fn remove_password(user: &str, password: &SecretString) -> Command {
        Command::new(["ACL", "SETUSER", user]).with_prefixed_secret("<", password)
    }

    /// `PUBLISH`.
    pub fn publish(channel: &str, message: &str) -> Command {
        Command::new(["PUBLISH", channel, message])
    }

    /// `SENTINEL REMOVE`: forgets a group.
    pub fn sentinel_remove(group: &str) -> Command {
        Command::new(["SENTINEL", "REMOVE", group])
    }

    /// `SENTINEL MONITOR`: watches a group with that master.
    pub fn sentinel_monitor(group: &str, master: &Address, quorum: u32) -> Command {
        Command::new(["SENTINEL", "MONITOR", group, &master.host]).with(master.port).with(quorum)
    }

    /// `SENTINEL SET`.
    pub fn sentinel_set(group: &str, option: &str, value: &str) -> Command {
        Command::new(["SENTINEL", "SET", group, option, value])
    }

    /// `SENTINEL SET … auth-pass`: the password of the group's Redis.
    pub fn sentinel_set_password(group: &str, password: &SecretString) -> Command {
        Command::new(["SENTINEL", "SET", group, "auth-pass"]).with_secret(password)
    }

    /// Appends the command's bytes.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(format!("*{}\r\n", self.words.len()).as_bytes());
        for word in &self.words {
            let (prefix, word) = match word {
                Word::Plain(word) => ("", word.as_str()),
                Word::Secret(prefix, secret) => (*prefix, secret.expose_secret()),
            };
            bytes.extend_from_slice(format!("${}\r\n{prefix}", prefix.len() + word.len()).as_bytes());
            bytes.extend_from_slice(word.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
    }

    /// An error message of Redis about this command, without its secrets: some messages quote the words that
    /// they refuse.
    pub fn redact(&self, message: &str) -> String {
        let message = message.split(", with args beginning with").next().unwrap_or_default();
        self.words.iter().fold(message.to_owned(), |message, word| match word {
            Word::Secret(_, secret) if !secret.expose_secret().is_empty() => {
                message.replace(secret.expose_secret(), HIDDEN)
            }
            _ => message,
        })
    }
}

impl fmt::Display for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.words.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            match word {
                Word::Plain(word) => write!(formatter, "{space}{word}")?,
                Word::Secret(prefix, _) => write!(formatter, "{space}{prefix}{HIDDEN}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Command({self})")
    }
}
