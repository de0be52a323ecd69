//! What must hold for every psql command line, whatever is in it.

use argv::{Effect, Invocation, Surroundings, Tool, Unreadable};
use proptest::prelude::*;
use std::ffi::OsString;

const CASES: &str = include_str!("../../../tests/corpora/psql.cases");

fn parse(words: &[String]) -> Result<Invocation, Unreadable> {
    let words: Vec<OsString> = words.iter().map(Into::into).collect();
    argv::parse(Tool::Psql, &words, &Surroundings::default())
}

fn is_plain_read(words: &[String]) -> bool {
    parse(words).is_ok_and(|it| {
        it.hazards.is_empty()
            && it
                .operations
                .iter()
                .all(|operation| operation.effect <= Effect::Read)
    })
}

fn cases() -> Vec<(bool, String)> {
    CASES
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .map(|(expected, sql)| (expected == "READ", sql.replace("\\n", "\n")))
        .collect()
}

/// SQL out of the corpus.
fn sql() -> impl Strategy<Value = (bool, String)> {
    proptest::sample::select(cases())
}

/// The SQL in one of the spellings of `-c`.
fn spelled(sql: &str, how: usize) -> Vec<String> {
    match how % 6 {
        0 => vec!["-c".into(), sql.into()],
        1 => vec![format!("--command={sql}")],
        2 => vec!["--command".into(), sql.into()],
        3 => vec!["--com".into(), sql.into()],
        4 => vec!["-Atc".into(), sql.into()],
        _ if sql.is_empty() => vec!["-c".into(), sql.into()],
        _ => vec![format!("-c{sql}")],
    }
}

/// Options that change nothing but the look.
fn harmless() -> impl Strategy<Value = Vec<String>> {
    proptest::sample::subsequence(
        vec![
            "-A",
            "-t",
            "-q",
            "-X",
            "-x",
            "-1",
            "--csv",
            "-w",
            "--no-align",
            "-F,",
            "--pset=border=1",
            "-vON_ERROR_STOP=1",
        ],
        0..6,
    )
    .prop_map(|words| words.into_iter().map(str::to_owned).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn spelling_and_order_never_change_the_verdict((reads, sql) in sql(), how in 0_usize..6, before in harmless(), behind in harmless()) {
        let words: Vec<String> = before.into_iter().chain(spelled(&sql, how)).chain(behind).collect();
        prop_assert_eq!(is_plain_read(&words), reads, "{:?}", words);
    }

    #[test]
    fn an_unknown_option_never_turns_a_refusal_into_an_allow((_, sql) in sql(), at in 0_usize..3, unknown in "--zz[a-z]{1,8}|-[BCDGIJKMNOQYZ]") {
        let mut words = vec!["-c".to_owned(), sql];
        // Between the two it would be the value of `-c`.
        words.insert(if at == 1 { 2 } else { at }, unknown);
        prop_assert!(!is_plain_read(&words), "{:?}", words);
    }

    #[test]
    fn one_statement_that_does_more_is_enough((_, a) in sql(), (_, b) in sql()) {
        let both = ["-c".to_owned(), a.clone(), "-c".to_owned(), b.clone()];
        let alone = is_plain_read(&["-c".to_owned(), a]) && is_plain_read(&["-c".to_owned(), b]);
        prop_assert_eq!(is_plain_read(&both), alone, "{:?}", both);
    }

    #[test]
    fn statements_are_judged_alike_alone_and_in_a_row((reads_a, a) in sql(), (reads_b, b) in sql()) {
        prop_assume!(!a.starts_with('\\') && !b.starts_with('\\'));
        let row = ["-c".to_owned(), format!("{a}\n;\n{b}")];
        prop_assert_eq!(is_plain_read(&row), reads_a && reads_b, "{:?}", row);
    }

    #[test]
    fn comments_case_and_white_space_never_change_the_verdict((reads, sql) in sql(), comment in "/\\* [a-z']{0,9} \\*/|--[a-z';]{0,9}\n|[ \t\n]{1,3}") {
        prop_assume!(!sql.starts_with('\\') && !sql.starts_with(' '));
        let words = ["-c".to_owned(), format!("{comment}{sql}")];
        prop_assert_eq!(is_plain_read(&words), reads, "{:?}", words);
    }

    #[test]
    fn whatever_is_typed_is_answered(words in proptest::collection::vec(".{0,40}|-[a-zA-Z0-9?]{0,3}|--[a-z-]{0,12}(=.{0,9})?", 0..6)) {
        // The answer may be anything; that there is one, and the same one again, is the point.
        prop_assert_eq!(parse(&words), parse(&words));
    }

    #[test]
    fn every_beginning_of_a_script_is_answered((_, sql) in sql(), cut in 0_usize..200) {
        let cut = sql.char_indices().map(|(at, _)| at).chain([sql.len()]).nth(cut).unwrap_or(sql.len());
        let mut around = Surroundings::default();
        around.contents.insert("x".to_owned(), sql[..cut].to_owned());
        let words: [OsString; 2] = ["-f".into(), "x".into()];
        prop_assert_eq!(argv::parse(Tool::Psql, &words, &around), argv::parse(Tool::Psql, &words, &around));
    }
}
