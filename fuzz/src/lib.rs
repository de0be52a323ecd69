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
        Ok(invocation) => match L2.evaluate(&invocation) {
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
