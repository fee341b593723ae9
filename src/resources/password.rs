//! Passwords: generated ones, and those in Secrets.

use aws_lc_rs::digest;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value as Json;

/// Letters and digits only: the operator's probes put the password into a shell unquoted.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A random password of that many letters and digits.
pub fn random(length: usize) -> String {
    let random = SystemRandom::new();
    let mut letters = String::with_capacity(length);
    let mut bytes = [0u8; 64];
    while letters.len() < length {
        if random.fill(&mut bytes).is_err() {
            // The operating system provides no randomness, and there is no weaker fallback.
            continue;
        }
        // Bytes above the largest multiple of 62 would favour some letters.
        let fair = bytes.iter().filter(|byte| **byte < 248).map(|byte| LETTERS[usize::from(*byte % 62)]);
        letters.extend(fair.take(length - letters.len()).map(char::from));
    }
    letters
}

/// Characters that end a word of redis.conf: the operator's images write the password there without quotes.
pub const UNUSABLE: &str = "a blank, a line break or a quotation mark";

/// Whether the operator's images can carry the password to Redis.
pub fn is_usable(password: &SecretString) -> bool {
    let ends_a_word = |letter: char| letter.is_whitespace() || letter.is_control() || "\"'".contains(letter);
    let password = password.expose_secret();
    !password.is_empty() && !password.contains(ends_a_word)
}

/// The password in a Secret under that key, as the operator and Redis take it: without blanks and line breaks at its
/// ends. `None` if the key does not exist or holds no text.
pub fn held(secret: &Json, key: &str) -> Option<SecretString> {
    let held = secret.get("data")?.get(key)?.as_str()?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(held).ok()?;
    String::from_utf8(bytes).ok().map(|text| SecretString::from(text.trim()))
}

/// As Redis shows it: SHA-256 in hexadecimal.
pub fn sha256(password: &SecretString) -> String {
    let digest = digest::digest(&digest::SHA256, password.expose_secret().as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a Secret holds that password under that key.
pub fn is(secret: &Json, key: &str, password: &str) -> bool {
    held(secret, key).is_some_and(|held| held.expose_secret() == password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_of_letters_and_digits_and_never_the_same() {
        let (one, other) = (random(32), random(32));
        assert_eq!(one.len(), 32);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(one, other);
    }

    #[test]
    fn a_password_is_compared_with_the_secrets_data() {
        let secret = serde_json::json!({ "data": { "password": "aHVzaA==" } });
        assert!(is(&secret, "password", "hush"));
        assert!(!is(&secret, "password", "other") && !is(&secret, "key", "hush"));
        // As `echo hush | kubectl create secret --from-file` writes it.
        let with_a_line_break = serde_json::json!({ "data": { "password": "aHVzaAo=" } });
        assert!(is(&with_a_line_break, "password", "hush"));
    }

    #[test]
    fn a_password_is_one_word_of_redis_conf() {
        for usable in ["hush", "a#b$c%d&e*f", "$(hostname)-`id`"] {
            assert!(is_usable(&SecretString::from(usable)), "{usable}");
        }
        for unusable in ["", "correct horse", "dont\"tell", "don't", "a\nb"] {
            assert!(!is_usable(&SecretString::from(unusable)), "{unusable}");
        }
    }
}
