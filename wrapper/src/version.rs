//! Versions of tools, as far as they can be compared: numbers with dots, and whether it is a version before that one.

use std::cmp::Ordering;

/// A version such as `1.24.0`, or `1.24.0-rc.1`, which is before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    numbers: Vec<u64>,
    is_release: bool,
}

/// What is written after a version that is not out yet.
const BEFORE: [&str; 8] = ["-alpha", "-beta", "-dev", "-pre", "-rc", "-snapshot", "rc", "~"];

impl Version {
    /// Reads one, with or without a `v` before it. What follows the numbers matters only where it says that this is a version before
    /// that one. A vendor's build, such as `+k3s1` or `-eks-1a2b`, is that one.
    pub fn read(text: &str) -> Option<Version> {
        let text = text.trim();
        let text = text.strip_prefix('v').unwrap_or(text);
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (numbers, rest) = text.split_at_checked(end)?;
        let mut numbers: Vec<u64> = numbers
            .split('.')
            .map(|number| number.parse().ok())
            .collect::<Option<_>>()?;
        while numbers.last() == Some(&0) {
            numbers.pop(); // 1.24 is 1.24.0
        }
        Some(Version {
            numbers,
            is_release: !BEFORE.iter().any(|name| rest.starts_with(name)),
        })
    }

    /// The first version in a text such as `aws-cli/2.9.19 Python/3.11.2 …`: a word that begins with a digit (or with `v` and a
    /// digit) and has a dot.
    pub fn first_in(text: &str) -> Option<&str> {
        text.split(|c: char| c.is_whitespace() || "/\"',(){}".contains(c))
            .map(|word| word.strip_prefix('v').unwrap_or(word))
            .find(|word| {
                word.starts_with(|c: char| c.is_ascii_digit())
                    && word.contains('.')
                    && Version::read(word).is_some()
            })
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        self.numbers
            .cmp(&other.numbers)
            .then(self.is_release.cmp(&other.is_release))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let at_least =
            |found: &str, least: &str| Version::read(found).unwrap() >= Version::read(least).unwrap();
        for (found, least) in [
            ("1.24.0", "1.24"),
            ("v1.24", "1.24.0"),
            ("1.10.0", "1.9.9"),
            ("2.0", "1.99.99"),
            ("1.24.0", "1.24.0-rc.1"),
            ("v1.28.3+k3s1", "1.28.3"),
            ("v1.24.7-eks-1a2b3c", "1.24.7"),
        ] {
            assert!(at_least(found, least), "{found} {least}");
        }
        for (found, least) in [("1.9.9", "1.10"), ("1.24.0-rc.1", "1.24"), ("1.24", "1.24.1")] {
            assert!(!at_least(found, least), "{found} {least}");
        }
        for broken in ["", "v", "x1", "1..2", ".", "99999999999999999999.1"] {
            assert!(Version::read(broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn what_the_tools_print_has_their_version() {
        for (printed, version) in [
            (
                "aws-cli/2.9.19 Python/3.11.2 Linux/6.1 source/x86_64.debian.12 prompt/off",
                "2.9.19",
            ),
            ("gh version 2.23.0 (2023-02-27 Debian 2.23.0+dfsg1-1)\n", "2.23.0"),
            (
                "{\"clientVersion\": {\"major\": \"1\", \"gitVersion\": \"v1.20.2\"}}",
                "1.20.2",
            ),
            ("psql (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)", "15.14"),
        ] {
            assert_eq!(Version::first_in(printed), Some(version));
        }
        assert_eq!(Version::first_in("nothing here"), None);
    }
}
