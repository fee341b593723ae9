//! Redis versions, and the image tags that stand for them.

use std::fmt;

/// A major and a minor number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 7 of 7.0
    pub major: u16,
    /// 0 of 7.0
    pub minor: u16,
}

/// The oldest that the operator works with.
pub const OLDEST: Version = Version { major: 6, minor: 2 };

/// Major versions that there are or may be.
const MAJORS: std::ops::RangeInclusive<u16> = 2..=20;

/// Tags that the publisher of the operator's images has released for each version. To support a new version,
/// add it here.
const TAGS: [(Version, &str); 5] = [
    (Version { major: 6, minor: 2 }, "v6.2.14"),
    (Version { major: 7, minor: 0 }, "v7.0.15"),
    (Version { major: 7, minor: 1 }, "v7.1.0"),
    (Version { major: 7, minor: 2 }, "v7.2.3"),
    (Version { major: 7, minor: 4 }, "v7.4.11"),
];

impl Version {
    /// Reads `7.0`; `Err` says what was expected.
    pub fn parse(text: &str) -> Result<Version, String> {
        let parts: Option<Vec<u16>> = text.split('.').map(|part| part.parse().ok()).collect();
        match parts.as_deref() {
            Some([major, minor]) if (Version { major: *major, minor: *minor }) >= OLDEST => {
                Ok(Version { major: *major, minor: *minor })
            }
            Some([major, minor, ..]) if (Version { major: *major, minor: *minor }) < OLDEST => Err(format!(
                "the operator needs Redis {OLDEST} or newer and is not tested with {text}; set one of {}",
                known()
            )),
            Some([_, _, _]) => Err(format!(
                "expected major.minor, such as 7.0, got {text:?}; set a patch version in image.tag"
            )),
            _ => Err(format!("expected major.minor, one of {}, got {text:?}", known())),
        }
    }

    /// The image tag of this version, if one is known.
    pub fn tag(self) -> Option<&'static str> {
        TAGS.iter().find(|(version, _)| *version == self).map(|(_, tag)| *tag)
    }

    /// The version of a tag such as `v7.0.15` or `7.2-alpine`. Companies number their images by dates and builds, too:
    /// such a tag is no version.
    pub fn of_tag(tag: &str) -> Option<Version> {
        let numbers = tag.strip_prefix('v').unwrap_or(tag);
        let (major, rest) = numbers.split_once('.')?;
        let minor = rest.split(['.', '-', '+', '_']).next()?;
        let version = Version { major: major.parse().ok()?, minor: minor.parse().ok()? };
        (MAJORS.contains(&version.major) && version.minor < 100).then_some(version)
    }
}

/// The versions with a known tag: `6.2, 7.0, …`.
pub fn known() -> String {
    let versions: Vec<String> = TAGS.iter().map(|(version, _)| version.to_string()).collect();
    versions.join(", ")
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_or_refused_with_a_reason() {
        assert_eq!(Version::parse("7.0").unwrap().tag(), Some("v7.0.15"));
        assert_eq!(Version::parse("9.9").unwrap().tag(), None);
        for (text, part) in [
            ("6.0", "needs Redis 6.2"),
            ("5.0.6", "needs Redis 6.2"),
            ("7.0.15", "image.tag"),
            ("seven", "expected major.minor"),
            ("", "expected major.minor"),
        ] {
            let refused = Version::parse(text).unwrap_err();
            assert!(refused.contains(part), "{text}: {refused}");
        }
    }

    #[test]
    fn tags_tell_their_version() {
        assert_eq!(Version::of_tag("v7.0.15"), Some(Version { major: 7, minor: 0 }));
        assert_eq!(Version::of_tag("7.2-alpine"), Some(Version { major: 7, minor: 2 }));
        assert_eq!(Version::of_tag("7.0.15-corp1"), Some(Version { major: 7, minor: 0 }));
        for other in ["latest", "", "2026.03.1", "20260301", "1.42", "8-alpine", "build-7.0", "7.2024"] {
            assert_eq!(Version::of_tag(other), None, "{other}");
        }
    }
}
