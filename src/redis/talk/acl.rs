//! `ACL GETUSER`: which passwords a user may log in with.

use super::role::list;
use super::{Reply, Unexpected};

const GETUSER: &str = "ACL GETUSER";

/// Reads the SHA-256 of each password, in hexadecimal.
///
/// # Errors
/// Anything but the answer to `ACL GETUSER` about an existing user.
pub fn accepted_passwords(reply: &Reply) -> Result<Vec<String>, Unexpected> {
    let wrong = || Unexpected::new(GETUSER, "has no list of passwords");
    let is_named = |name: &Reply| name.text().as_deref() == Some("passwords");
    let passwords = match reply {
        Reply::Map(pairs) => pairs.iter().find(|(name, _)| is_named(name)).map(|(_, value)| value),
        Reply::List(items) => items.chunks_exact(2).find(|pair| is_named(&pair[0])).map(|pair| &pair[1]),
        _ => None,
    };
    let passwords = passwords.and_then(list).ok_or_else(wrong)?;
    passwords.iter().map(|one| one.text().ok_or_else(wrong)).collect()
}
