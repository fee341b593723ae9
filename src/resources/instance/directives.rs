//! Directives of redis.conf that a user may set: which ones, and in which form.

use std::collections::BTreeMap;

/// Directives that we or the operator must set, or that would break the operator's probes and Services.
const NOT_DIRECTIVES: [(&str, &str); 28] = [
    ("appendonly", "use persistence.aof.enabled"),
    ("appendfsync", "use persistence.aof.fsync_policy"),
    ("save", "use persistence.rdb"),
    ("requirepass", "use authentication"),
    ("masterauth", "use authentication"),
    ("masteruser", "the operator logs in as the default user"),
    ("user", "it would lock out the default user, which the operator needs, or open it to everybody"),
    ("aclfile", "it would lock out the default user, which the operator needs, or open it to everybody"),
    ("protected-mode", "use authentication"),
    ("port", "the operator's Services and probes need 6379"),
    ("bind", "the operator's Services and probes need all addresses"),
    ("unixsocket", "only Redis itself could reach the socket"),
    ("tls-port", "the operator's probes would fail"),
    ("tls-cert-file", "the operator's probes would fail"),
    ("tls-key-file", "the operator's probes would fail"),
    ("dbfilename", "Redis would not find its data after the restart"),
    ("appendfilename", "Redis would not find its data after the restart"),
    ("appenddirname", "Redis would not find its data after the restart"),
    ("dir", "the volume is mounted at /data"),
    ("daemonize", "the container would end at once"),
    ("supervised", "nothing supervises Redis in a container"),
    ("pidfile", "the operator sets it"),
    ("include", "the operator includes this very configuration"),
    ("rename-command", "the operator and its probes need the commands"),
    ("cluster-enabled", "use deployment_mode"),
    ("replicaof", "the operator and the sentinels choose the master"),
    ("slaveof", "the operator and the sentinels choose the master"),
    ("sentinel", "use deployment_mode"),
];

/// Directives that occur several times: each line of the value is one of them.
const REPEATABLE: [&str; 2] = ["client-output-buffer-limit", "loadmodule"];

/// Directives by name and value.
pub fn are_directives(config: &BTreeMap<String, String>) -> Result<(), String> {
    for (directive, value) in config {
        if let Some((_, instead)) = NOT_DIRECTIVES.iter().find(|(name, _)| *name == directive.to_lowercase())
        {
            return Err(format!("the directive {directive} cannot be set here: {instead}"));
        }
        let word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if directive.is_empty() || !directive.bytes().all(word) {
            return Err(format!("expected the name of a redis.conf directive, got {directive:?}"));
        }
        let has_lines = value.trim_end_matches('\n').contains('\n');
        if value.contains('\r') || (has_lines && !REPEATABLE.contains(&directive.to_lowercase().as_str())) {
            return Err(format!("the value of {directive} has a line break; it would end the directive"));
        }
        if value.trim().is_empty() || value.lines().any(|line| line.trim().is_empty()) {
            return Err(format!(
                "the directive {directive} has a line without a value; for an empty one write \"\\\"\\\"\""
            ));
        }
        if directive == "maxmemory" && !is_memory(value) {
            return Err(format!("expected maxmemory in bytes or with a unit, such as 100mb, got {value:?}"));
        }
    }
    Ok(())
}

fn is_memory(value: &str) -> bool {
    let digits = value.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(value.len());
    let unit = value[digits..].to_ascii_lowercase();
    digits > 0 && ["", "b", "k", "kb", "m", "mb", "g", "gb"].contains(&unit.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(key: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(key.to_owned(), value.to_owned())])
    }

    #[test]
    fn directives_that_break_something_are_refused() {
        for (directive, value) in
            [("maxmemory", "100mb"), ("maxmemory-policy", "allkeys-lru"), ("loadmodule", "/a.so\n/b.so x\n")]
        {
            assert_eq!(are_directives(&strings(directive, value)), Ok(()), "{directive} {value}");
        }
        for (directive, value) in [
            ("PORT", "1"),
            ("user", "default on nopass"),
            ("maxmemory", "lots"),
            ("maxmemory", ""),
            ("timeout", "1\nsave"),
            ("loadmodule", "/a.so\r\n/b.so"),
            ("loadmodule", "/a.so\n\n/b.so"),
            ("two words", "1"),
        ] {
            assert!(are_directives(&strings(directive, value)).is_err(), "{directive} {value}");
        }
    }
}
