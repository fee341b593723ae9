//! Our part of redis.conf. The image includes our part last, so it wins over what the operator generates.
//! (The operator turns AOF on whenever there is a volume, and sets no `maxmemory`.)

use std::collections::BTreeMap;
use std::fmt::Write;

use aws_lc_rs::digest;

use super::quantity::Quantity;

/// The key in the ConfigMap that the operator's images read.
pub const KEY: &str = "redis-additional.conf";

/// Removes the save points that were set before.
const NO_POINTS: &str = "\"\"";

/// The values that our part of redis.conf is made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings<'a> {
    /// Pairs of seconds and changes; `None` turns snapshots off.
    pub save: Option<Vec<(u64, u64)>>,
    /// `always`, `everysec` or `no`; `None` turns the append-only file off.
    pub append_fsync: Option<&'a str>,
    /// Share of the memory limit, in percent; 0 sets no `maxmemory`.
    pub maxmemory_percent: u8,
    /// The container's memory limit.
    pub memory_limit: &'a Quantity,
    /// Directives of the user; they come last and win. A value with several lines repeats its directive.
    pub additional: &'a BTreeMap<String, String>,
}

impl Settings<'_> {
    /// The text of the ConfigMap.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let mut line = |line: std::fmt::Arguments<'_>| {
            let _ = writeln!(text, "{line}");
        };
        if let Some(bytes) = self.maxmemory() {
            line(format_args!("maxmemory {bytes}"));
        }
        match &self.save {
            Some(points) => {
                // The image's own points would be added to these.
                line(format_args!("save {NO_POINTS}"));
                points.iter().for_each(|(seconds, changes)| line(format_args!("save {seconds} {changes}")));
            }
            None => line(format_args!("save {NO_POINTS}")),
        }
        match self.append_fsync {
            Some(policy) => {
                line(format_args!("appendonly yes"));
                line(format_args!("appendfsync {policy}"));
            }
            None => line(format_args!("appendonly no")),
        }
        for (directive, values) in self.additional {
            values.lines().for_each(|value| line(format_args!("{directive} {value}")));
        }
        text
    }

    fn maxmemory(&self) -> Option<i128> {
        let bytes = self.memory_limit.units() * i128::from(self.maxmemory_percent) / 100;
        (bytes > 0 && !self.additional.contains_key("maxmemory")).then_some(bytes)
    }
}

/// What a start with a configuration reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Whether there is an append-only file: then Redis reads that, and no snapshot.
    pub append_only: bool,
    /// The save points, as pairs of seconds and changes; `None` if Redis takes no snapshots.
    pub save: Option<String>,
}

/// What a start with a text of [`Settings::render`] reads.
pub fn disk(text: &str) -> Disk {
    let values = |name: &str| {
        let prefix = format!("{name} ");
        text.lines().filter_map(|line| line.strip_prefix(&prefix).map(str::to_owned)).collect::<Vec<_>>()
    };
    let points: Vec<String> = values("save").into_iter().filter(|points| points != NO_POINTS).collect();
    Disk {
        append_only: values("appendonly").last().is_some_and(|value| value == "yes"),
        save: (!points.is_empty()).then(|| points.join(" ")),
    }
}

/// Reads `900 1 300 10`: pairs of seconds and changes. `Err` says what was expected.
pub fn save_points(text: &str) -> Result<Vec<(u64, u64)>, String> {
    let expected = || {
        format!(
            "expected pairs of seconds and changes, such as \"900 1 300 10 60 10000\", got {text:?}; to \
             disable snapshots, set persistence.rdb.enabled = false"
        )
    };
    let numbers: Option<Vec<u64>> = text.split_whitespace().map(|number| number.parse().ok()).collect();
    let numbers = numbers.ok_or_else(expected)?;
    if numbers.is_empty() || numbers.len() % 2 != 0 || numbers.contains(&0) {
        return Err(expected());
    }
    Ok(numbers.chunks(2).map(|pair| (pair[0], pair[1])).collect())
}

/// Ten letters that change whenever the text does; enough to tell the configurations of one instance apart.
pub fn short_hash(text: &str) -> String {
    digest::digest(&digest::SHA256, text.as_bytes()).as_ref().iter().take(5).fold(
        String::new(),
        |mut hash, byte| {
            let _ = write!(hash, "{byte:02x}");
            hash
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_what_the_operator_would_not() {
        let limit = Quantity::parse("2Gi").unwrap();
        let additional = BTreeMap::from([("maxmemory-policy".to_owned(), "allkeys-lru".to_owned())]);
        let settings = Settings {
            save: Some(vec![(900, 1), (300, 10)]),
            append_fsync: None,
            maxmemory_percent: 75,
            memory_limit: &limit,
            additional: &additional,
        };
        insta::assert_snapshot!(settings.render(), @r#"
        maxmemory 1610612736
        save ""
        save 900 1
        save 300 10
        appendonly no
        maxmemory-policy allkeys-lru
        "#);
    }

    #[test]
    fn an_explicit_maxmemory_wins_and_zero_percent_sets_none() {
        let limit = Quantity::parse("2Gi").unwrap();
        let explicit = BTreeMap::from([("maxmemory".to_owned(), "100mb".to_owned())]);
        let none = BTreeMap::new();
        let settings = |percent, additional| Settings {
            save: None,
            append_fsync: Some("always"),
            maxmemory_percent: percent,
            memory_limit: &limit,
            additional,
        };
        insta::assert_snapshot!(settings(75, &explicit).render(), @r#"
        save ""
        appendonly yes
        appendfsync always
        maxmemory 100mb
        "#);
        assert!(!settings(0, &none).render().contains("maxmemory"));
    }

    #[test]
    fn what_a_start_reads() {
        let limit = Quantity::parse("2Gi").unwrap();
        let none = BTreeMap::new();
        let text = |save: Option<Vec<(u64, u64)>>, append_fsync| {
            let (memory_limit, additional) = (&limit, &none);
            Settings { save, append_fsync, maxmemory_percent: 75, memory_limit, additional }.render()
        };
        let points = Some("900 1 300 10".to_owned());
        assert_eq!(
            disk(&text(Some(vec![(900, 1), (300, 10)]), None)),
            Disk { append_only: false, save: points }
        );
        assert_eq!(disk(&text(None, Some("always"))), Disk { append_only: true, save: None });
    }

    #[test]
    fn save_points_come_in_pairs() {
        assert_eq!(save_points("900 1 300 10").unwrap(), [(900, 1), (300, 10)]);
        for text in ["", "900", "900 1 300", "a b", "0 1"] {
            assert!(save_points(text).is_err(), "{text}");
        }
    }
}
