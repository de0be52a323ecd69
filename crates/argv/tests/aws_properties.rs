//! What holds of every aws command line: reading never panics, and the spelling of a command does not change it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use argv::{Invocation, Surroundings, Tool};
use proptest::prelude::*;
use std::ffi::OsString;

fn read(words: &[String]) -> Result<Invocation, argv::Unreadable> {
    let args: Vec<OsString> = words.iter().map(OsString::from).collect();
    argv::parse(Tool::Aws, &args, &Surroundings::default())
}

/// Words that mean something to the tool somewhere.
const PIECES: &[&str] = &[
    "ec2",
    "s3",
    "cp",
    "mv",
    "sync",
    "configure",
    "get",
    "wait",
    "describe-instances",
    "terminate-instances",
    "help",
    "--",
    "-",
    "-1",
    "--dry-run",
    "--no-dry-run",
    "--dryrun",
    "--filters",
    "--instance-ids",
    "--query",
    "--region",
    "--profile",
    "--debug",
    "--version",
    "--cli-input-json",
    "--generate-cli-skeleton",
    "file://x",
    "s3://b/k",
    "a=b",
    "--no",
    "--=",
    "--region=",
    "x@=file://y",
    "instance-running",
    "",
    " ",
    "--endpoint-url=http://x",
    "get-object",
    "s3api",
    "#",
    "\t",
];

fn any_word() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(PIECES).prop_map(str::to_owned),
        1 => ".{0,12}",
        1 => "--[a-z-]{0,10}(=.{0,4})?",
    ]
}

/// Options of `ec2 describe-instances`, each with its words.
fn an_option() -> impl Strategy<Value = Vec<String>> {
    let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    prop::sample::select(vec![
        own(&["--filters", "Name=a,Values=b", "Name=c,Values=d"]),
        own(&["--instance-ids", "i-1", "i-2"]),
        own(&["--dry-run"]),
        own(&["--max-items", "5"]),
        own(&["--query", "Reservations[].Instances"]),
        own(&["--output", "text"]),
        own(&["--no-cli-pager"]),
        own(&["--no-paginate"]),
        own(&["--profile", "prod"]),
        own(&["--region", "eu-west-1"]),
    ])
}

proptest! {
    #[test]
    fn any_words_are_read_or_refused(words in prop::collection::vec(any_word(), 0..10)) {
        if let Ok(invocation) = read(&words) {
            prop_assert!(!invocation.operations.is_empty());
            prop_assert!(!invocation.command.is_empty());
        }
    }

    #[test]
    fn options_mean_the_same_wherever_they_stand(
        options in prop::collection::btree_set(an_option(), 0..5),
        shuffled in any::<u64>(),
    ) {
        let plain: Vec<String> = ["ec2", "describe-instances"].iter().map(|word| (*word).to_owned()).collect();
        let mut after = plain.clone();
        after.extend(options.iter().flatten().cloned());
        // The same with the order turned, and global options before the command.
        let mut before: Vec<String> = Vec::new();
        let mut behind: Vec<String> = Vec::new();
        for (index, option) in options.iter().rev().enumerate() {
            let global = ["--query", "--output", "--no-cli-pager", "--no-paginate", "--profile", "--region"].contains(&option[0].as_str());
            let side = if global && shuffled >> index & 1 == 1 { &mut before } else { &mut behind };
            side.extend(option.iter().cloned());
        }
        before.extend(plain);
        before.extend(behind);
        let (one, other) = (read(&after).unwrap(), read(&before).unwrap());
        prop_assert_eq!(&one.command, &other.command);
        prop_assert_eq!(&one.hazards, &other.hazards);
        prop_assert_eq!(&one.operations[0].verb, &other.operations[0].verb);
        prop_assert_eq!(&one.operations[0].scope, &other.operations[0].scope);
    }

    #[test]
    // Not down to `--d`: that is `--debug`, whatever options the operation has.
    fn cutting_an_option_short_never_changes_what_is_done(
        option in prop::sample::select(vec!["--dry-run", "--filters", "--instance-ids", "--max-items", "--query", "--profile",
            "--region", "--debug", "--endpoint-url", "--no-verify-ssl", "--cli-input-json", "--generate-cli-skeleton"]),
        length in 5_usize..24,
    ) {
        let line = |option: &str| -> Vec<String> {
            let value = !["--dry-run", "--debug", "--no-verify-ssl"].contains(&option);
            ["ec2", "terminate-instances", "--instance-ids=i-1", option]
                .into_iter().map(str::to_owned).chain(value.then(|| "x".to_owned())).collect()
        };
        let mut short = line(option);
        short[3].truncate(length);
        if let (Ok(full), Ok(cut)) = (read(&line(option)), read(&short)) {
            prop_assert_eq!(full, cut);
        }
    }

    #[test]
    fn a_value_behind_an_equals_sign_is_the_same_value(value in "[a-z0-9:/.]{1,12}") {
        let apart: Vec<String> = ["s3api", "head-object", "--bucket", &value, "--key", "k"].iter().map(|w| (*w).to_owned()).collect();
        let joined: Vec<String> = vec!["s3api".into(), "head-object".into(), format!("--bucket={value}"), "--key=k".into()];
        prop_assert_eq!(read(&apart), read(&joined));
    }
}

#[test]
fn long_lines_are_read_in_time() {
    let start = std::time::Instant::now();
    let many: Vec<String> = ["ec2", "describe-instances", "--filters"]
        .into_iter()
        .map(str::to_owned)
        .chain((0..8_000).map(|n| format!("Name=tag:{n}")))
        .collect();
    assert!(read(&many).is_ok());
    let options: Vec<String> = ["ec2", "run-instances"]
        .into_iter()
        .map(str::to_owned)
        .chain((0..8_000).map(|_| "--dry-run".to_owned()))
        .collect();
    assert!(read(&options).is_ok());
    assert!(read(&["x".repeat(200_000)]).is_err());
    assert!(start.elapsed().as_secs() < 5);
}
