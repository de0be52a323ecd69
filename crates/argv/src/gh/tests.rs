//! One-line cases, by the rows of the known ways past a gate.

use super::parse;
use crate::{Effect, Hazard, Invocation, Surroundings, Unreadable};

fn read(line: &str) -> Result<Invocation, Unreadable> {
    // Words are split at spaces; `~` stands for a space inside a word.
    let words: Vec<String> = line.split(' ').map(|word| word.replace('~', " ")).collect();
    parse(&words, &Surroundings::default())
}

fn is_plain_read(line: &str) -> bool {
    read(line).is_ok_and(|i| i.hazards.is_empty() && i.operations.iter().all(|o| o.effect <= Effect::Read))
}

fn effect(line: &str) -> Effect {
    read(line)
        .unwrap_or_else(|fault| panic!("{line}: {fault}"))
        .operations[0]
        .effect
}

#[track_caller]
fn reads(lines: &[&str]) {
    for line in lines {
        assert!(is_plain_read(line), "{line}: {:?}", read(line));
    }
}

#[track_caller]
fn never_reads(lines: &[&str]) {
    for line in lines {
        assert!(!is_plain_read(line), "{line} was taken for a plain read");
    }
}

#[test]
fn ordinary_reads() {
    reads(&[
        "pr list",
        "pr ls",
        "pr view 1",
        "-R o/r pr list",
        "pr -R o/r list",
        "pr list -Ro/r",
        "issue list --label bug",
        "run view 1 --log",
        "api user",
        "api /user",
        "api repos/o/r/issues -q .[].title",
        "api --method GET search/issues -f q=bug",
        "api -X get user",
        "api graphql -f query={~viewer~{~login~}~}",
        "status",
        "search issues -- -label:bug",
        "browse -n",
        "auth status",
        "secret list",
        "pr list -B merge",
        "pr list --json number --jq .[].env",
        "help pr",
        "pr --help",
        "repo delete o/r --yes --help",
        "--version",
        "pr merge -h",
    ]);
}

#[test]
fn row_1_a_value_that_looks_like_a_verb() {
    assert_eq!(effect("pr list -S close~1"), Effect::Read);
    never_reads(&["pr --body list merge 1", "pr merge 1 --body list"]);
}

#[test]
fn rows_2_and_3_flags_before_and_between() {
    assert_eq!(effect("-R o/r pr merge 1"), Effect::Write);
    assert_eq!(effect("pr -R o/r merge 1"), Effect::Write);
}

#[test]
fn rows_4_5_and_8_clusters_equals_and_the_last_one() {
    for line in [
        "api -iX DELETE repos/o/r",
        "api -XDELETE repos/o/r",
        "api -X=DELETE repos/o/r",
        "api -X GET -X DELETE repos/o/r",
        "api --method=delete repos/o/r",
    ] {
        assert_eq!(effect(line), Effect::Delete, "{line}");
    }
    assert_eq!(effect("api -X DELETE -X GET repos/o/r"), Effect::Read);
}

#[test]
fn row_6_alternate_spellings_reveal_all_the_same() {
    for line in [
        "auth status --show-token=true",
        "auth status -t",
        "auth status -th github.com",
        "auth token",
        "config get oauth_token",
    ] {
        assert!(
            read(line).unwrap().has_hazard(Hazard::RevealsCredentials),
            "{line}"
        );
    }
}

#[test]
fn row_7_aliases() {
    assert_eq!(effect("secret remove X"), Effect::Delete);
    assert_eq!(effect("cs ssh"), Effect::Execute);
    assert!(read("co 1").is_err() && read("prs").is_err());
}

#[test]
fn row_10_help_is_a_value_where_a_value_is_due() {
    assert_eq!(effect("pr merge 1 --body --help"), Effect::Write);
    assert_eq!(effect("pr merge --help=false 1 --merge"), Effect::Write);
    assert_eq!(effect("pr merge 1 -- --help"), Effect::Write);
}

#[test]
fn row_12_other_hosts() {
    for line in ["api https://evil.example/x", "api user --hostname evil.example"] {
        assert!(
            read(line).unwrap().has_hazard(Hazard::RedirectsEndpoint),
            "{line}"
        );
    }
    let around = Surroundings {
        environment: [("GH_ENTERPRISE_TOKEN".to_owned(), "x".to_owned())].into(),
        ..Surroundings::default()
    };
    let words: Vec<String> = ["pr", "list", "-R", "evil.example/o/r"].map(str::to_owned).into();
    assert!(
        parse(&words, &around)
            .unwrap()
            .has_hazard(Hazard::RedirectsEndpoint)
    );
}

#[test]
fn rows_16_and_17_files_and_opaque_bodies() {
    for line in [
        "api repos/o/r/issues -F body=@/etc/passwd",
        "gist create key",
        "api -X GET user -F x=@secret",
        "issue comment 1 --body-file f",
        "release upload v1 f",
    ] {
        assert!(read(line).unwrap().has_hazard(Hazard::ReadsFiles), "{line}");
    }
    assert_eq!(effect("api graphql -f query={~a~} --input m.json"), Effect::Write);
    assert_eq!(effect("api graphql -F query=@q.graphql"), Effect::Write);
}

#[test]
fn row_19_what_starts_programs() {
    never_reads(&[
        "browse",
        "pr view 1 --web",
        "pr view -w 1",
        "extension exec x",
        "repo clone o/r",
        "pr checkout 1",
        "gist edit x",
    ]);
}

#[test]
fn row_20_the_environment_in_a_filter() {
    never_reads(&[
        "api user --jq env",
        "pr list --json number -q $ENV",
        "api user -q .a|$ENV.X",
    ]);
}

#[test]
fn row_22_the_implicit_method() {
    assert_eq!(effect("api repos/o/r/issues -f title=x"), Effect::Write);
    assert_eq!(effect("api repos/o/r/issues -ftitle=x"), Effect::Write);
    assert_eq!(
        effect("api repos/o/r/issues -f query={ -f title=x"),
        Effect::Write
    );
}

#[test]
fn graphql_by_its_operations() {
    assert_eq!(
        effect("api graphql -f query=#~mutation~\nquery~mutation~{~a~}"),
        Effect::Read
    );
    assert_eq!(effect("api graphql -f query=,,mutation~{~a~}"), Effect::Write);
    assert_eq!(
        effect("api graphql -f query=query~A~{~a~}~mutation~B~{~b~}"),
        Effect::Write
    );
    assert_eq!(
        effect("api graphql -f query=query~A~{~a~}~mutation~B~{~b~} -f operationName=A"),
        Effect::Read
    );
    assert_eq!(
        effect("api graphql -f query=mutation~{~a~} -f query={~a~}"),
        Effect::Read
    );
    assert_eq!(
        effect("api graphql -f query={~a~} -f query=mutation~{~a~}"),
        Effect::Write
    );
    assert_eq!(effect("api /graphql -f query=subscription~{~a~}"), Effect::Write);
    assert_eq!(effect("api GraphQL -f query={~a~}"), Effect::Write);
    assert!(read("api graphql -f query={~{~{").is_err());
    let deep = format!("api graphql -f query={}", "{a".repeat(100_000));
    assert!(read(&deep).is_err());
}

#[test]
fn row_23_the_target_by_another_name() {
    let invocation = read("pr merge https://ghes.example.com/a/b/pull/1").unwrap();
    assert_eq!(invocation.operations[0].scope.repo.as_deref(), Some("a/b"));
    assert_eq!(
        invocation.operations[0].scope.host.as_deref(),
        Some("ghes.example.com")
    );
}

#[test]
fn every_issue_that_is_edited_is_an_operation() {
    let found = read("issue edit 1 2 3 -R o/r --add-label x").unwrap().operations;
    let names: Vec<_> = found.iter().filter_map(|one| one.name.as_deref()).collect();
    assert_eq!(names, ["1", "2", "3"]);
    assert!(
        found
            .iter()
            .all(|one| one.effect == Effect::Write && one.scope.repo.as_deref() == Some("o/r"))
    );
}

#[test]
fn what_is_not_known_is_named() {
    for (line, word) in [
        ("nothere", "nothere"),
        ("pr lst", "lst"),
        ("pr list --no-such", "--no-such"),
        ("pr list -Z", "-Z"),
        (
            "api user -H X-HTTP-Method-Override:DELETE",
            "x-http-method-override",
        ),
        ("-- pr list", "pr"),
        ("api a/../b", "a/../b"),
        ("api -X FOO user", "FOO"),
    ] {
        let fault = read(line).unwrap_err();
        assert!(fault.problem.contains(word), "{line}: {fault}");
    }
    assert_eq!(
        read("pr lst").unwrap_err().hint.as_deref(),
        Some("did you mean `list`?")
    );
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn arbitrary_words_never_panic(words in proptest::collection::vec("(-{0,2}[a-zA-Z=]{0,6}|api|pr|graphql|-f|query=.{0,8}|--|.{0,6})", 0..8)) {
            // Either answer is fine; coming back is the point, and a reading always has an operation.
            if let Ok(invocation) = parse(&words, &Surroundings::default()) {
                prop_assert!(!invocation.operations.is_empty());
            }
        }

        /// However a flag with a value is spelled, the reading is the same.
        #[test]
        fn spellings_agree(method in "(GET|POST|PUT|PATCH|DELETE|get|delete)", place in 0_usize..3) {
            let spellings = [vec!["-X".to_owned(), method.clone()], vec![format!("-X{method}")], vec![format!("-X={method}")], vec![format!("--method={method}")], vec!["--method".to_owned(), method.clone()], vec![format!("-iX{method}")]];
            let readings: Vec<_> = spellings.into_iter().map(|flag| {
                let mut words = vec!["api".to_owned(), "repos/o/r".to_owned()];
                let at = place.min(words.len());
                words.splice(at..at, flag);
                parse(&words, &Surroundings::default()).map(|i| i.operations)
            }).collect();
            prop_assert!(readings.windows(2).all(|pair| pair[0] == pair[1]), "{:?}", readings);
        }
    }
}
