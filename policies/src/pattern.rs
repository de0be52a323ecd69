//! How a rule names things: an exact word, a glob, or `/an anchored regular expression/`.

use regex_automata::Input;
use regex_automata::meta::{BuildError, Cache, Regex};
use regex_automata::util::syntax;
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};
use thiserror::Error;

/// One pattern, kept as written; compiled when a command first reaches it, and once: that takes 0.2 ms, and a decision comes
/// by the same rules several times.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "String")]
pub struct Pattern {
    text: String,
    /// Looked up for every operation that is judged, so found once.
    kind: Kind,
    compiled: OnceLock<Option<Box<Compiled>>>,
}

/// As it stands in a snapshot; only [`Pattern::new`] checks.
impl From<String> for Pattern {
    fn from(text: String) -> Pattern {
        Pattern {
            kind: kind(&text),
            text,
            compiled: OnceLock::new(),
        }
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// What a pattern is compiled to, where it needs that, and memory for matching. `regex` keeps such memory in thread-local storage, and
/// with that a process has more than the C library sets aside for its first thread: mapping more at the start takes longer than all that
/// is matched.
#[derive(Debug)]
struct Compiled {
    regex: Regex,
    memory: Mutex<Cache>,
}

impl Compiled {
    fn new(regex: Regex) -> Compiled {
        let memory = Mutex::new(regex.create_cache());
        Compiled { regex, memory }
    }

    fn is_match(&self, text: &str) -> bool {
        // Each search begins anew, so what another one left behind does not matter.
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let input = Input::new(text).earliest(true);
        self.regex.search_half_with(&mut memory, &input).is_some()
    }
}

impl Clone for Compiled {
    fn clone(&self) -> Compiled {
        Compiled::new(self.regex.clone())
    }
}

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
    /// Spaces where no command has them.
    #[error("has two spaces in a row, or one at an end, so it matches no command")]
    Spaces,
}

const MAX: usize = 512;
/// Bytes of a compiled pattern.
const MAX_COMPILED: usize = 1 << 20;

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
            Kind::Regex => drop(regex(text).map_err(BadPattern::Regex)?),
            Kind::Glob => drop(glob(text).map_err(BadPattern::Glob)?),
            Kind::Everything | Kind::Stars | Kind::Slashed | Kind::Exact => {}
        }
        Ok(Pattern::from(text.to_owned()))
    }

    /// As [`Pattern::new`], for what is matched word by word: each word must be usable by itself.
    ///
    /// # Errors
    /// Says why not.
    pub fn of_words(text: &str) -> Result<Pattern, BadPattern> {
        if !text.is_empty() && kind(text) != Kind::Regex {
            for word in text.split(' ') {
                Pattern::new(word).map_err(|error| match error {
                    BadPattern::Empty => BadPattern::Spaces,
                    other => other,
                })?;
            }
        }
        Pattern::new(text)
    }

    /// Whether it is a word, and neither a glob nor a regular expression.
    pub fn is_exact(&self) -> bool {
        matches!(self.kind, Kind::Exact | Kind::Slashed)
    }

    /// Whether it accepts everything, unknown values included.
    pub fn is_everything(&self) -> bool {
        self.kind == Kind::Everything
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches the whole of `text`; `unusable` when it cannot be compiled. Documents with such a pattern do
    /// not load, so that is a damaged snapshot: nothing is allowed by it, and what it denied stays denied.
    pub fn matches(&self, text: &str, unusable: bool) -> bool {
        match self.kind {
            Kind::Exact | Kind::Slashed => self.text == text,
            Kind::Everything => true,
            Kind::Stars => stars(self.text.as_bytes(), text.as_bytes()),
            Kind::Glob | Kind::Regex => {
                let compiled = self
                    .compiled
                    .get_or_init(|| compile(self.kind, &self.text).map(Box::new));
                compiled
                    .as_ref()
                    .map_or(unusable, |compiled| compiled.is_match(text))
            }
        }
    }

    /// As [`Pattern::matches`], word by word: a `*` never reaches over a space, so `get*` is not `get secrets`.
    pub fn matches_words(&self, text: &str, unusable: bool) -> bool {
        // Several words are equal when they are equal in one.
        if matches!(self.kind, Kind::Everything | Kind::Exact | Kind::Regex) {
            return self.matches(text, unusable);
        }
        let mut wanted = self.text.split(' ');
        let mut words = text.split(' ');
        loop {
            match (wanted.next(), words.next()) {
                (None, None) => return true,
                (Some(wanted), Some(word)) if matches(wanted, word, unusable) => {}
                _ => return false,
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Exact,
    /// Exact as a whole, with a slash somewhere: of several words, one may be a regular expression.
    Slashed,
    /// `*` alone.
    Everything,
    /// Only `*`, which needs no compiling.
    Stars,
    Glob,
    Regex,
}

fn kind(text: &str) -> Kind {
    if text == "*" {
        return Kind::Everything;
    }
    if text.len() > 1 && text.starts_with('/') && text.ends_with('/') {
        return Kind::Regex;
    }
    let mut kind = Kind::Exact;
    let mut before = b' ';
    for byte in text.bytes() {
        match byte {
            b'?' | b'[' | b'{' | b'\\' => return Kind::Glob,
            b'*' if before == b'*' => return Kind::Glob,
            b'*' => kind = Kind::Stars,
            b'/' if kind == Kind::Exact => kind = Kind::Slashed,
            _ => {}
        }
        before = byte;
    }
    kind
}

/// The parser of regular expressions draws a picture first; a fault is one line.
fn last_line(error: &dyn fmt::Display) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

/// What is wrong with a regular expression.
fn fault(error: &BuildError) -> String {
    match (error.syntax_error(), error.size_limit()) {
        (Some(error), _) => last_line(error),
        (None, Some(limit)) => format!("compiled it exceeds {limit} bytes"),
        (None, None) => last_line(error),
    }
}

/// One word of a pattern.
fn matches(pattern: &str, text: &str, unusable: bool) -> bool {
    match kind(pattern) {
        Kind::Exact | Kind::Slashed => pattern == text,
        Kind::Everything => true,
        Kind::Stars => stars(pattern.as_bytes(), text.as_bytes()),
        kind => compile(kind, pattern).map_or(unusable, |compiled| compiled.is_match(text)),
    }
}

/// Nothing when it cannot be.
fn compile(kind: Kind, pattern: &str) -> Option<Compiled> {
    let regex = match kind {
        Kind::Regex => regex(pattern),
        _ => glob(pattern),
    };
    regex.ok().map(Compiled::new)
}

/// As [`globset::Glob::compile_matcher`] compiles it.
fn glob(text: &str) -> Result<Regex, String> {
    let parsed = parse_glob(text).map_err(|error| last_line(&error))?;
    let bytes = syntax::Config::new().utf8(false).dot_matches_new_line(true);
    build(parsed.regex(), bytes)
}

fn parse_glob(text: &str) -> Result<globset::Glob, globset::Error> {
    globset::GlobBuilder::new(text).literal_separator(true).build()
}

/// `/body/`.
fn regex(pattern: &str) -> Result<Regex, String> {
    let body = pattern.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    let body = body.unwrap_or(pattern);
    // By itself first: `a)|(b` would close the group that anchors it.
    build(body, syntax::Config::new())?;
    build(&format!("^(?:{body})$"), syntax::Config::new())
}

fn build(text: &str, how: syntax::Config) -> Result<Regex, String> {
    let limited = Regex::config().nfa_size_limit(Some(MAX_COMPILED));
    let built = Regex::builder().configure(limited).syntax(how).build(text);
    built.map_err(|error| fault(&error))
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
        Pattern::new(pattern).unwrap().matches(text, false)
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
        assert!(pattern.matches_words("ec2 describe-instances", false));
        assert!(!pattern.matches_words("ec2 describe-instances x", false));
        assert!(!Pattern::new("get*").unwrap().matches_words("get secrets", false));
    }

    #[test]
    fn each_word_may_be_a_regular_expression() {
        let pattern = Pattern::of_words("/ec[23]/ describe-instances").unwrap();
        assert!(pattern.matches_words("ec2 describe-instances", false));
        assert!(!pattern.matches_words("ec4 describe-instances", false));
        assert!(
            Pattern::of_words("get /pods?/")
                .unwrap()
                .matches_words("get pod", false)
        );
    }

    #[test]
    fn braces_and_classes_stay_within_a_word() {
        assert!(Pattern::of_words("{get,describe} x").is_ok());
        for dead in ["{get,rollout undo}", "a[b c]d", "ec2  describe-*", " get", "get "] {
            assert!(Pattern::of_words(dead).is_err(), "{dead}");
        }
    }

    #[test]
    fn a_regular_expression_cannot_leave_its_anchors() {
        assert!(Pattern::new("/a)|(b/").is_err());
        assert!(!matches("/a|b/", "ab") && !matches("/(?m)a/", "a\nb"));
    }

    #[test]
    fn what_cannot_be_compiled_is_as_the_rule_that_has_it_needs() {
        let damaged: Pattern = serde_json::from_str("\"/(/\"").unwrap();
        assert!(damaged.matches("x", true) && !damaged.matches("x", false));
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
            let theirs = parse_glob(&pattern).unwrap();
            let is_theirs = theirs.compile_matcher().is_match(&text);
            prop_assert_eq!(stars(pattern.as_bytes(), text.as_bytes()), is_theirs);
        }

        /// And so is what we compile ourselves.
        #[test]
        fn globs_agree_with_globset(pattern in "[ab/*?{},\\[\\]!\\\\.é-]{1,10}", text in "[ab/.é\n-]{0,10}") {
            match (glob(&pattern), parse_glob(&pattern)) {
                (Ok(ours), Ok(theirs)) => {
                    prop_assert_eq!(Compiled::new(ours).is_match(&text), theirs.compile_matcher().is_match(&text));
                }
                (ours, theirs) => prop_assert_eq!(ours.is_err(), theirs.is_err()),
            }
        }
    }
}
