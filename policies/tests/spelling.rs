//! The verdict does not depend on how a command line is spelled: over every recorded line of the corpora, at L2 and L3.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, outside the test functions that clippy exempts"
)]

mod common;

use argv::{Surroundings, Tool};
use common::{decision, shipped};
use policies::{Governance, Level};
use proptest::prelude::*;
use std::sync::LazyLock;

/// Every command line of the corpora, as its tool and the words after its name.
static LINES: LazyLock<Vec<(Tool, Vec<String>)>> = LazyLock::new(|| {
    let mut lines = Vec::new();
    for tool in [Tool::Kubectl, Tool::Aws, Tool::Gh] {
        let path = format!("{}/../tests/corpora/wire_{tool}.json", env!("CARGO_MANIFEST_DIR"));
        let cases: Vec<serde_json::Value> =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for case in cases {
            let words: Vec<String> = serde_json::from_value(case["argv"].clone()).unwrap();
            lines.push((tool, words[1..].to_vec()));
        }
    }
    assert!(lines.len() > 1000, "{}", lines.len());
    lines
});
static LEVELS: LazyLock<[Governance; 2]> =
    LazyLock::new(|| [shipped(Level::L2, None), shipped(Level::L3, None)]);

fn verdicts(tool: Tool, words: &[String]) -> [&'static str; 2] {
    let args: Vec<std::ffi::OsString> = words.iter().map(Into::into).collect();
    let read = argv::parse(tool, &args, &Surroundings::default());
    [0, 1].map(|level| match &read {
        Ok(invocation) => decision(&LEVELS[level].evaluate(invocation)).0,
        Err(_) => "BLOCKED",
    })
}

fn lines(tool: Option<Tool>) -> impl Strategy<Value = (Tool, Vec<String>)> {
    let of: Vec<(Tool, Vec<String>)> = LINES
        .iter()
        .filter(|(other, _)| tool.is_none_or(|tool| tool == *other))
        .cloned()
        .collect();
    prop::sample::select(of)
}

/// Where a word of its own can stand without becoming another option's value, or a word of what is run elsewhere: before
/// the first `--`, and not behind an option that is written without `=`.
fn places(words: &[String]) -> Vec<usize> {
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    (0..=end)
        .filter(|at| *at == 0 || !words[at - 1].starts_with('-') || words[at - 1].contains('='))
        .collect()
}

/// Global options that change nothing about what is done.
fn neutral(tool: Tool) -> &'static [&'static str] {
    match tool {
        Tool::Kubectl => &[
            "--request-timeout=9s",
            "--match-server-version=false",
            "--request_timeout=9s",
        ],
        Tool::Aws => &[
            "--no-cli-pager",
            "--color=off",
            "--no-paginate",
            "--no-cli-auto-prompt",
        ],
        // gh has no option that every command has.
        Tool::Gh | Tool::Psql | Tool::Described(_) => &[],
    }
}

/// kubectl lines with a global option that is one word and is there once, and where it stands.
static MOVABLE: LazyLock<Vec<(Vec<String>, usize)>> = LazyLock::new(|| {
    let globals = [
        "--namespace=",
        "--context=",
        "--cluster=",
        "--server=",
        "--token=",
        "--as=",
        "--user=",
        "--kubeconfig=",
        "-n=",
    ];
    let mut found = Vec::new();
    for (tool, words) in LINES.iter().filter(|(_, words)| !has_own_rules(words)) {
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        for at in (0..end).filter(|_| *tool == Tool::Kubectl) {
            // What stands behind an option without `=` may be its value; of the same option twice, the last counts.
            let is_word = at == 0 || !words[at - 1].starts_with('-') || words[at - 1].contains('=');
            let is_global = globals.iter().any(|name| words[at].starts_with(name));
            let key = |word: &str| word.trim_start_matches('-').get(..1).map(str::to_owned);
            let alike = |word: &&String| word.starts_with('-') && key(word) == key(&words[at]);
            if is_word && is_global && words.iter().filter(alike).count() == 1 {
                found.push((words.clone(), at));
            }
        }
    }
    assert!(found.len() > 20, "{}", found.len());
    found
});

/// Lines whose first words are not the tool's command: kubectl's completion takes options for words to complete, and a
/// plugin or alias has options of its own.
fn has_own_rules(words: &[String]) -> bool {
    words.iter().any(|word| word.starts_with("__complete"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// A neutral global option, anywhere, never changes the verdict.
    #[test]
    fn a_global_option_anywhere_changes_nothing(
        (tool, words) in prop_oneof![lines(Some(Tool::Kubectl)), lines(Some(Tool::Aws))],
        option in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
    ) {
        prop_assume!(!has_own_rules(&words));
        let places = places(&words);
        let mut more = words.clone();
        more.insert(places[place.index(places.len())], option.get(neutral(tool)).to_string());
        prop_assert_eq!(verdicts(tool, &words), verdicts(tool, &more), "{:?}\n{:?}", words, more);
    }

    /// An option that no tool has, anywhere but as another option's value, never turns a refusal into an allow.
    #[test]
    fn an_unknown_option_never_allows(
        (tool, words) in lines(None),
        option in prop::sample::select(&["--no-such-option", "--no-such=x", "-~", "-\u{2013}n", "--\u{202e}x"][..]),
        place in any::<prop::sample::Index>(),
    ) {
        let places = places(&words);
        let mut more = words.clone();
        more.insert(places[place.index(places.len())], option.to_owned());
        let (before, after) = (verdicts(tool, &words), verdicts(tool, &more));
        for level in 0..2 {
            prop_assert!(before[level] == after[level] || after[level] == "BLOCKED", "{:?}\n{:?}", words, more);
        }
    }

    /// Every prefix of every line is an answer.
    #[test]
    fn every_prefix_is_an_answer((tool, words) in lines(None), cut in any::<prop::sample::Index>(), inside in any::<prop::sample::Index>()) {
        let mut prefix = words[..cut.index(words.len() + 1)].to_vec();
        verdicts(tool, &prefix);
        if let Some(last) = prefix.last_mut() {
            let end = last.floor_char_boundary(inside.index(last.len() + 1));
            last.truncate(end);
            verdicts(tool, &prefix);
        }
    }

    /// An option that is one word can stand anywhere among its command's words.
    #[test]
    fn an_option_may_move(
        (words, from) in prop::sample::select(MOVABLE.as_slice()),
        place in any::<prop::sample::Index>(),
    ) {
        let tool = Tool::Kubectl;
        let mut moved = words.clone();
        let option = moved.remove(from);
        let places = places(&moved);
        moved.insert(places[place.index(places.len())], option);
        prop_assert_eq!(verdicts(tool, &words), verdicts(tool, &moved), "{:?}\n{:?}", words, moved);
    }

    /// `--flag value`, `--flag=value`, `-fvalue`, `-f=value`, an abbreviation where the tool has them: the same verdict.
    #[test]
    fn a_value_may_be_joined_or_apart(
        (tool, words) in lines(None),
        place in any::<prop::sample::Index>(),
    ) {
        prop_assume!(!has_own_rules(&words));
        let spellings: &[&[&str]] = match tool {
            Tool::Kubectl => &[&["--namespace", "prod"], &["--namespace=prod"], &["-n", "prod"], &["-nprod"], &["-n=prod"]],
            Tool::Aws => &[&["--region", "eu-west-1"], &["--region=eu-west-1"], &["--regio", "eu-west-1"], &["--regio=eu-west-1"]],
            Tool::Gh | Tool::Psql | Tool::Described(_) => &[&["--repo", "o/r"], &["--repo=o/r"], &["-R", "o/r"], &["-Ro/r"], &["-R=o/r"]],
        };
        let places = places(&words);
        // gh knows `-R` behind its command's words only.
        let at = if tool == Tool::Gh { *places.last().unwrap() } else { places[place.index(places.len())] };
        let with = |spelling: &[&str]| {
            let mut more = words.clone();
            more.splice(at..at, spelling.iter().map(|word| (*word).to_owned()));
            more
        };
        let first = with(spellings[0]);
        for spelling in &spellings[1..] {
            let other = with(spelling);
            prop_assert_eq!(verdicts(tool, &first), verdicts(tool, &other), "{:?}\n{:?}", first, other);
        }
    }
}
