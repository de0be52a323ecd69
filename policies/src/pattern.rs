//! How a rule names things: an exact word, a glob, or `/an anchored regular expression/`.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One pattern, kept as written; compiled only when a command reaches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

/// A pattern that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadPattern {
    /// Nothing.
    #[error("is empty, so it matches nothing")]
    Empty,
    /// Too long.
    #[error("is longer than {MAX} bytes")]
    TooLong,
    /// Not a glob.
    #[error("is not a glob: {0}")]
    Glob(String),
    /// Not a regular expression.
    #[error("is not a regular expression: {0}")]
    Regex(String),
}

const MAX: usize = 512;

impl Pattern {
    /// Checks that the pattern can be used.
    ///
    /// # Errors
    /// Says why not.
    pub fn new(text: &str) -> Result<Pattern, BadPattern> {
        if text.is_empty() {
            return Err(BadPattern::Empty);
        }
        if text.len() > MAX {
            return Err(BadPattern::TooLong);
        }
        match kind(text) {
            Kind::Regex(body) => drop(regex(body).map_err(|error| BadPattern::Regex(error.to_string()))?),
            Kind::Glob => drop(glob(text).map_err(|error| BadPattern::Glob(error.to_string()))?),
            Kind::Stars | Kind::Exact => {}
        }
        Ok(Pattern(text.to_owned()))
    }

    /// Whether it accepts everything, unknown values included.
    pub fn is_everything(&self) -> bool {
        self.0 == "*"
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it matches the whole of `text`. A pattern that no longer compiles matches nothing for an allow rule
    /// and is caught when the file loads, so that case does not arise for documents that loaded.
    pub fn matches(&self, text: &str) -> bool {
        match kind(&self.0) {
            Kind::Exact => self.0 == text,
            Kind::Stars => self.0 == "*" || stars(self.0.as_bytes(), text.as_bytes()),
            Kind::Glob => glob(&self.0).is_ok_and(|glob| glob.compile_matcher().is_match(text)),
            Kind::Regex(body) => regex(body).is_ok_and(|regex| regex.is_match(text)),
        }
    }

    /// As [`Pattern::matches`], word by word: a `*` never reaches over a space, so `get*` is not `get secrets`.
    pub fn matches_words(&self, text: &str) -> bool {
        if self.is_everything() || matches!(kind(&self.0), Kind::Regex(_)) {
            return self.matches(text);
        }
        let mut wanted = self.0.split(' ');
        let mut words = text.split(' ');
        loop {
            match (wanted.next(), words.next()) {
                (None, None) => return true,
                (Some(wanted), Some(word)) if Pattern(wanted.to_owned()).matches(word) => {}
                _ => return false,
            }
        }
    }
}

enum Kind<'a> {
    Exact,
    /// Only `*`, which needs no compiling.
    Stars,
    Glob,
    Regex(&'a str),
}

fn kind(text: &str) -> Kind<'_> {
    if let Some(body) = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        return Kind::Regex(body);
    }
    if !text.contains(['*', '?', '[', '{', '\\']) {
        return Kind::Exact;
    }
    if text.contains(['?', '[', '{', '\\']) || text.contains("**") {
        Kind::Glob
    } else {
        Kind::Stars
    }
}

fn glob(text: &str) -> Result<globset::Glob, globset::Error> {
    globset::GlobBuilder::new(text).literal_separator(true).build()
}

fn regex(body: &str) -> Result<regex::Regex, regex::Error> {
    regex::RegexBuilder::new(&format!("^(?:{body})$"))
        .size_limit(1 << 20)
        .build()
}

/// `*` matches any run of bytes without `/`; at most one step back per star, so the time is bounded by the product of lengths.
fn stars(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0_usize, 0_usize);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            p = p.saturating_add(1);
            retry = Some((p, t));
        } else if p < pattern.len() && pattern.get(p) == text.get(t) {
            p = p.saturating_add(1);
            t = t.saturating_add(1);
        } else if let Some((after, from)) = retry.filter(|(_, from)| text.get(*from) != Some(&b'/')) {
            let next = from.saturating_add(1);
            retry = Some((after, next));
            p = after;
            t = next;
        } else {
            return false;
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(text)
    }

    #[test]
    fn words_globs_and_regexes() {
        assert!(matches("pods", "pods"));
        assert!(!matches("pods", "podsecuritypolicies"));
        assert!(matches("*.apps", "deployments.apps"));
        assert!(matches("team-?", "team-a") && !matches("team-?", "team-ab"));
        assert!(matches("/(dev|test)-[0-9]+/", "dev-12") && !matches("/dev/", "dev-12"));
        assert!(matches("octo/*", "octo/app") && !matches("octo/*", "octo/app/x"));
    }

    #[test]
    fn a_star_does_not_reach_over_a_space() {
        let pattern = Pattern::new("ec2 describe-*").unwrap();
        assert!(pattern.matches_words("ec2 describe-instances"));
        assert!(!pattern.matches_words("ec2 describe-instances x"));
        assert!(!Pattern::new("get*").unwrap().matches_words("get secrets"));
    }

    #[test]
    fn faults_are_said() {
        assert!(
            Pattern::new("a[")
                .unwrap_err()
                .to_string()
                .starts_with("is not a glob")
        );
        assert!(
            Pattern::new("/a(/")
                .unwrap_err()
                .to_string()
                .starts_with("is not a regular expression")
        );
        assert_eq!(Pattern::new("").unwrap_err(), BadPattern::Empty);
    }

    proptest! {
        /// Ours without compiling is the library's with it.
        #[test]
        fn stars_agree_with_globset(pattern in "[ab/*]{1,8}", text in "[ab/]{0,10}") {
            prop_assume!(!pattern.contains("**"));
            let theirs = glob(&pattern).unwrap().compile_matcher().is_match(&text);
            prop_assert_eq!(stars(pattern.as_bytes(), text.as_bytes()), theirs);
        }
    }
}
