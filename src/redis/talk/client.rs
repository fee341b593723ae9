//! `CLIENT LIST`: the connected clients, one line each.

use super::{Reply, Unexpected};

const CLIENT_LIST: &str = "CLIENT LIST";

/// Sentinels give their connections names with this prefix.
const SENTINEL: &str = "sentinel-";

/// The ids of all connections but those of sentinels.
///
/// # Errors
/// Anything but such a list.
pub fn applications(reply: &Reply) -> Result<Vec<String>, Unexpected> {
    let Some(text) = reply.text() else {
        return Err(Unexpected::new(CLIENT_LIST, format!("is {}, not text", reply.kind())));
    };
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let is_application = |line: &&str| !field(line, "name").is_some_and(|name| name.starts_with(SENTINEL));
    let id = |line: &str| {
        let id = field(line, "id").map(str::to_owned);
        id.ok_or_else(|| Unexpected::new(CLIENT_LIST, "has a line without an id".to_owned()))
    };
    lines.filter(is_application).map(id).collect()
}

/// Whether a sentinel is among the clients.
///
/// # Errors
/// Anything but such a list.
pub fn has_sentinel(reply: &Reply) -> Result<bool, Unexpected> {
    let Some(text) = reply.text() else {
        return Err(Unexpected::new(CLIENT_LIST, format!("is {}, not text", reply.kind())));
    };
    Ok(text.lines().any(|line| field(line, "name").is_some_and(|name| name.starts_with(SENTINEL))))
}

fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Redis 7.0.15 and 6.2 say it, cut short.
    #[test]
    fn sentinels_are_no_applications() {
        let text = "id=3 addr=10.244.0.7:57512 laddr=10.244.0.9:6379 fd=8 name= age=0 flags=N cmd=set user=default\n\
                    id=14 addr=10.244.0.8:41000 fd=9 name=sentinel-0a1b2c3d-cmd age=4 flags=N cmd=ping user=default\n\
                    id=15 addr=10.244.0.8:41002 fd=10 name=shop age=4 flags=N cmd=get user=default\n\n";
        assert_eq!(applications(&Reply::Bytes(text.into())).unwrap(), ["3", "15"]);
        assert!(has_sentinel(&Reply::Bytes(text.into())).unwrap());
        let alone = text.lines().next().unwrap();
        assert!(!has_sentinel(&Reply::Bytes(alone.into())).unwrap());
        assert_eq!(applications(&Reply::Bytes(Vec::new())).unwrap(), [""; 0]);
        assert!(applications(&Reply::Bytes("addr=1 name=\n".into())).is_err());
        assert!(applications(&Reply::Null).is_err());
    }
}
