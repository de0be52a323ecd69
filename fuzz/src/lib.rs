//! What the targets share: command lines from bytes, the shipped L2 governance, and what must hold for every input.

use argv::{Effect, Surroundings, Tool};
use policies::{Documents, Governance, Level, Verdict};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::LazyLock;

/// Governance files by name.
pub struct Texts<'t>(pub &'t [(&'t str, &'t str)]);

impl Documents for Texts<'_> {
    fn document(&self, name: &str) -> Result<Option<String>, String> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        Ok(found.map(|(_, text)| (*text).to_owned()))
    }
}

static L2: LazyLock<Governance> = LazyLock::new(|| {
    let texts = Texts(&[
        (
            "governance-L1.yaml",
            include_str!("../../governance/governance-L1.yaml"),
        ),
        (
            "governance-L2.yaml",
            include_str!("../../governance/governance-L2.yaml"),
        ),
    ]);
    Governance::load(Level::L2, None, &texts).expect("the shipped files load")
});

/// psql is only for the track of databases.
static TRACK_A: LazyLock<Governance> = LazyLock::new(|| {
    let texts = Texts(&[
        (
            "governance-L1.yaml",
            include_str!("../../governance/governance-L1.yaml"),
        ),
        (
            "governance-L2.yaml",
            include_str!("../../governance/governance-L2.yaml"),
        ),
        (
            "governance-L3.yaml",
            include_str!("../../governance/governance-L3.yaml"),
        ),
        (
            "governance-L4-track-a.yaml",
            include_str!("../../governance/governance-L4-track-a.yaml"),
        ),
    ]);
    let track = "track-a".parse().expect("a track's name");
    Governance::load(Level::L4, Some(&track), &texts).expect("the shipped files load")
});

/// SQL given with `-c` and as a file: no input may panic, and nothing that a comment, a semicolon or an unknown statement is added
/// to becomes allowed by that.
pub fn sql(text: &str) {
    let judge = |text: &str, is_script: bool| {
        let mut around = Surroundings::default();
        around.contents.insert("x".to_owned(), text.to_owned());
        let words: [OsString; 2] = if is_script {
            ["-f".into(), "x".into()]
        } else {
            ["-c".into(), text.into()]
        };
        match argv::parse(Tool::Psql, &words, &around) {
            Err(_) => Found::Unreadable,
            Ok(invocation) => match TRACK_A.evaluate(&invocation) {
                Verdict::Allow(_) => Found::Allowed,
                Verdict::Escalate(_) | Verdict::Deny(_) => Found::Refused,
            },
        }
    };
    for is_script in [false, true] {
        let found = judge(text, is_script);
        let ended = format!("{text}\n;\ndelete from fuzzed;");
        assert_ne!(judge(&ended, is_script), Found::Allowed, "a delete behind {text:?} is allowed");
        if found == Found::Refused && !text.starts_with('\\') {
            let commented = format!("/* */ {text}");
            assert_ne!(judge(&commented, is_script), Found::Allowed, "a comment before {text:?} made it allowed");
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Unreadable,
    Refused,
    Allowed,
    /// Allowed, and only says something about the tool: aws shows `help` whatever flags stand before it.
    Help,
}

fn verdict(tool: Tool, words: &[OsString]) -> Found {
    match argv::parse(tool, words, &Surroundings::default()) {
        Err(_) => Found::Unreadable,
        Ok(invocation) => match (if tool == Tool::Psql { &*TRACK_A } else { &*L2 }).evaluate(&invocation) {
            Verdict::Allow(_) if invocation.operations.iter().all(|it| it.effect == Effect::Local) => {
                Found::Help
            }
            Verdict::Allow(_) => Found::Allowed,
            Verdict::Escalate(_) | Verdict::Deny(_) => Found::Refused,
        },
    }
}

/// Words are separated by newlines in an input. No input may panic; the verdict is a function of the words; and what is refused is
/// still refused when a flag that no tool knows is added before it or, if it was understood, behind it.
pub fn command_line(tool: Tool, data: &[u8]) {
    let words: Vec<OsString> = data
        .split(|byte| *byte == b'\n')
        .map(|word| OsString::from_vec(word.to_vec()))
        .collect();
    let found = verdict(tool, &words);
    assert_eq!(
        found,
        verdict(tool, &words),
        "the verdict depends on more than the words"
    );
    let unknown = OsString::from("--zz-unknown");
    let before: Vec<OsString> = [unknown.clone()]
        .into_iter()
        .chain(words.iter().cloned())
        .collect();
    assert_ne!(
        verdict(tool, &before),
        Found::Allowed,
        "an unknown flag before {words:?} is allowed"
    );
    // What was not understood may end with a flag that takes the next word for its value. Completion only completes its last word.
    let completes = words
        .iter()
        .any(|word| word.to_string_lossy().starts_with("__complete"));
    if found == Found::Refused && !completes {
        let behind: Vec<OsString> = words.iter().cloned().chain([unknown]).collect();
        assert_ne!(
            verdict(tool, &behind),
            Found::Allowed,
            "an unknown flag behind {words:?} made it allowed"
        );
    }
}
