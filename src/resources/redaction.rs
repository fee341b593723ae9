//! Words of others without the secrets in them: logs, events, answers of webhooks, output of commands. Two things are
//! hidden: the passwords that are known, and whatever stands where Redis takes a password.

use base64::Engine;
use secrecy::{ExposeSecret, SecretString};

use crate::terraform::Diagnostic;

const HIDDEN: &str = "(redacted)";

/// Words of redis.conf and of Redis' commands that a password follows.
const BEFORE_SECRETS: [&str; 5] = ["masterauth", "requirepass", "auth-pass", "sentinel-pass", "setuser"];

/// Shorter secrets are ordinary words: hiding them hides everything, and they hide nothing.
const SHORTEST: usize = 4;

/// Hides secrets.
#[derive(Clone, Default)]
pub struct Redaction(Vec<SecretString>);

impl Redaction {
    /// Hides these passwords, plain or as the data of a Secret has them.
    pub fn of<'a>(passwords: impl IntoIterator<Item = &'a SecretString>) -> Redaction {
        Redaction(passwords.into_iter().cloned().collect())
    }

    /// The same text without secrets. A line goes as far as the word that a password follows.
    pub fn text(&self, text: &str) -> String {
        let known = self.without_known(text);
        known.split('\n').map(without_what_follows).collect::<Vec<_>>().join("\n")
    }

    /// The same message without the known passwords: its own words about passwords stay.
    pub fn diagnostic(&self, problem: Diagnostic) -> Diagnostic {
        let hide = |text: &str| self.without_known(text);
        Diagnostic { summary: hide(&problem.summary), detail: hide(&problem.detail), ..problem }
    }

    /// The same text without the known passwords: for words of our own, which may speak of passwords.
    pub fn without_known(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in self.0.iter().map(ExposeSecret::expose_secret).filter(|secret| secret.len() >= SHORTEST)
        {
            let encoded = base64::engine::general_purpose::STANDARD.encode(secret);
            text = text.replace(secret, HIDDEN).replace(&encoded, HIDDEN);
        }
        text
    }
}

fn without_what_follows(line: &str) -> String {
    let is_of_a_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    let lower = line.to_ascii_lowercase();
    let ends = BEFORE_SECRETS.iter().filter_map(|word| {
        lower.match_indices(word).find_map(|(at, _)| {
            let end = at + word.len();
            let begins = !lower[..at].ends_with(is_of_a_word);
            let follows = lower[end..].starts_with([' ', '\t', '=', ':', '"', '\'']);
            (begins && follows).then_some(end)
        })
    });
    match ends.min() {
        Some(end) if !lower[end..].trim().is_empty() => format!("{} {HIDDEN}", &line[..end]),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_passwords_are_hidden_everywhere() {
        let redaction = Redaction::of(&[SecretString::from("hush-hush"), SecretString::from("a")]);
        assert_eq!(redaction.text("got hush-hush or aHVzaC1odXNo"), "got (redacted) or (redacted)");
        let problem = Diagnostic::error("hush-hush refused", "the password of a Secret: aHVzaC1odXNo");
        let hidden = Diagnostic::error("(redacted) refused", "the password of a Secret: (redacted)");
        assert_eq!(redaction.diagnostic(problem), hidden);
    }

    #[test]
    fn what_follows_a_directive_of_a_password_is_hidden() {
        for (line, expected) in [
            (">>> 'masterauth pa\"ss word'", ">>> 'masterauth (redacted)"),
            ("*** FATAL CONFIG FILE ERROR ***", "*** FATAL CONFIG FILE ERROR ***"),
            ("sentinel auth-pass mymaster x", "sentinel auth-pass (redacted)"),
            ("ACL SETUSER default >x", "ACL SETUSER (redacted)"),
            ("REDIS_PASSWORD=x", "REDIS_PASSWORD=x"),
            (
                "couldn't find key password in Secret redis/mine",
                "couldn't find key password in Secret redis/mine",
            ),
            ("WRONGPASS invalid username-password pair", "WRONGPASS invalid username-password pair"),
            ("requirepass", "requirepass"),
        ] {
            assert_eq!(Redaction::default().text(line), expected);
        }
        assert_eq!(Redaction::default().text("a\nrequirepass b\nc"), "a\nrequirepass (redacted)\nc");
    }
}
