//! `reeve policy`: what an operator does with governance files, with the built program.

use acceptance::session::{Output, Scratch};
use std::path::{Path, PathBuf};

fn policy(scratch: &Scratch, args: &[&str]) -> Output {
    let words: Vec<&str> = ["policy"].iter().chain(args).copied().collect();
    scratch.reeve(&words)
}

/// The shipped files in a directory of the site's own.
fn copy(scratch: &Scratch, name: &str) -> PathBuf {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../governance");
    let directory = scratch.at(name);
    std::fs::create_dir_all(directory.join("cases")).expect("a directory can be made");
    for place in ["", "cases"] {
        for entry in std::fs::read_dir(shipped.join(place)).expect("the shipped files are there") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name");
            if path.is_file() {
                std::fs::copy(&path, directory.join(place).join(name)).expect("a file can be copied");
            }
        }
    }
    directory
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).expect("the file can be read");
    assert!(text.contains(from), "{}: no {from:?}", file.display());
    std::fs::write(file, text.replace(from, to)).expect("the file can be written");
}

#[test]
fn the_shipped_files_pass_their_cases_and_have_no_warnings() {
    let scratch = Scratch::new();
    let output = policy(&scratch, &["test"]);
    assert_eq!(output.code(), 0, "{}", output.out());
    assert!(output.out().ends_with(" cases, 0 failed\n"), "{}", output.out());
    let output = policy(&scratch, &["lint"]);
    assert_eq!(output.code(), 0, "{}", output.out());
    assert!(output.out().contains("\n0 warnings, "), "{}", output.out());
    assert!(!output.out().contains("decides no case"), "{}", output.out());
}

#[test]
fn a_case_that_fails_is_named_with_its_line() {
    let scratch = Scratch::new();
    let site = copy(&scratch, "site");
    replace(
        &site.join("governance-L2.yaml"),
        "        - rollout history\n",
        "",
    );
    let named = site.to_str().expect("text");
    let output = policy(&scratch, &["test", "--governance", named]);
    assert_eq!(output.code(), 1, "{}", output.out());
    let wanted =
        "kubectl rollout history deploy/web --revision=3 is BLOCKED, not ALLOWED: no rule at L2 allows";
    assert!(output.out().contains(wanted), "{}", output.out());
    assert!(
        output
            .out()
            .starts_with(&format!("{named}/cases/governance-L2.cases:")),
        "{}",
        output.out()
    );
    let output = policy(
        &scratch,
        &["test", "--json", "--level", "L2", "--governance", named],
    );
    assert_eq!(output.code(), 1);
    let failed: Vec<serde_json::Value> = output
        .out()
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .filter(|outcome: &serde_json::Value| outcome["passed"] == false)
        .collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0]["expected"], "ALLOWED");
}

#[test]
fn wrong_lines_in_a_file_of_cases_are_said_with_their_places() {
    let scratch = Scratch::new();
    let site = copy(&scratch, "site");
    let cases = site.join("cases/governance-L1.cases");
    std::fs::write(&cases, "ALOWED kubectl version\nBLOCKED rm -rf x\n").expect("written");
    let output = policy(&scratch, &["test", "--governance", site.to_str().expect("text")]);
    assert_eq!(output.code(), 78);
    for place in [
        ":1:1: `ALOWED` is not a decision; did you mean `ALLOWED`?",
        ":2:1: it does not begin with a governed",
    ] {
        assert!(
            output.err().contains(&format!("{}{place}", cases.display())),
            "{}",
            output.err()
        );
    }
}

#[test]
fn the_linter_finds_dead_rules() {
    let scratch = Scratch::new();
    let site = copy(&scratch, "site");
    let rule =
        "  - id: taints\n    allow: {tool: kubectl, verb: taint, effect: write}\n\n  - id: aws-reads\n";
    replace(&site.join("governance-L2.yaml"), "  - id: aws-reads\n", rule);
    let output = policy(&scratch, &["lint", "--governance", site.to_str().expect("text")]);
    assert_eq!(output.code(), 1, "{}", output.out());
    assert!(
        output
            .out()
            .contains("warning: rule `taints`: never decides: the deny rule `for-people-only`"),
        "{}",
        output.out()
    );
}

#[test]
fn a_difference_between_directories_is_found_and_none_is_none() {
    let scratch = Scratch::new();
    let site = copy(&scratch, "site");
    let named = site.to_str().expect("text");
    let output = policy(&scratch, &["diff", "built-in", named]);
    assert_eq!(
        (output.code(), output.out().contains(", 0 differences")),
        (0, true),
        "{}",
        output.out()
    );
    replace(&site.join("governance-L2.yaml"), "        - top\n", "");
    replace(&site.join("governance-L2.yaml"), "        - top pod\n", "");
    std::fs::write(
        scratch.at("lines"),
        "kubectl top pods\n# a comment\nkubectl top nodes\n",
    )
    .expect("written");
    let lines = scratch.at("lines");
    let output = policy(
        &scratch,
        &[
            "diff",
            "built-in",
            named,
            "--level",
            "L2",
            "--lines",
            lines.to_str().expect("text"),
        ],
    );
    assert_eq!(output.code(), 1);
    assert!(
        output
            .out()
            .starts_with("L2: ALLOWED -> BLOCKED: kubectl top pods"),
        "{}",
        output.out()
    );
    assert!(
        output.out().ends_with("2 decisions compared, 1 differences\n"),
        "{}",
        output.out()
    );
}

/// A recorded session, the least policy for what it was refused, and the same session under that policy.
#[test]
fn what_is_suggested_from_a_record_lets_that_session_run_and_nothing_more() {
    let mut scratch = Scratch::new();
    scratch.stand_in("kubectl", "#!/bin/sh\necho ran \"$@\"\n");
    let script = "kubectl get pods -n dev; kubectl scale deploy/web -n dev --replicas=2; kubectl scale deploy/api -n dev --replicas=1; kubectl delete pod x -n dev; true";
    let first = scratch.run(script);
    assert_eq!(first.code(), 0, "{first:?}");
    let record = scratch.record();
    let named = record.to_str().expect("text").to_owned();

    let replayed = policy(&scratch, &["replay", &named]);
    assert_eq!(replayed.code(), 0, "{}", replayed.out());
    assert!(
        replayed.out().starts_with("4 decisions judged again, 0 differ"),
        "{}",
        replayed.out()
    );

    let suggested = policy(&scratch, &["suggest", "--from", &named, "--level", "L2"]);
    assert_eq!(suggested.code(), 0, "{}", suggested.err());
    let text = suggested.out();
    assert!(text.contains("name: [\"api\", \"web\"]"), "{text}");
    assert!(
        text.contains("# Not suggested: kubectl delete: denied by the rule `for-people-only`"),
        "{text}"
    );

    // The operator takes it: the level's file becomes a layer below it.
    let site = copy(&scratch, "site");
    let old = site.join("governance-L2.yaml");
    std::fs::rename(&old, site.join("reads.yaml")).expect("renamed");
    std::fs::write(
        &old,
        text.replace("extends: governance-L2.yaml", "extends: reads.yaml"),
    )
    .expect("written");
    let site = site.to_str().expect("text").to_owned();
    let replayed = policy(&scratch, &["replay", "--governance", &site, &named]);
    assert_eq!(replayed.code(), 1);
    let lines: Vec<String> = replayed.out().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        lines[0].contains("BLOCKED -> ALLOWED: kubectl scale deploy/web"),
        "{lines:?}"
    );

    std::fs::rename(&record, scratch.at("first")).expect("renamed");
    scratch.flags(&["--level", "L2", "--governance", &site]);
    let second = scratch.run(&format!("{script}; kubectl scale deploy/other -n dev --replicas=2; kubectl scale deploy/web -n prod --replicas=2"));
    assert!(second.out().contains("ran scale deploy/web -n dev"), "{second:?}");
    assert!(second.out().contains("ran scale deploy/api -n dev"), "{second:?}");
    assert!(!second.out().contains("ran delete"), "{second:?}");
    assert!(!second.out().contains("deploy/other"), "{second:?}");
    assert!(!second.out().contains("prod"), "{second:?}");
    assert_ne!(second.code(), 0);
}

#[test]
fn what_cannot_be_read_is_said() {
    let scratch = Scratch::new();
    for (args, code, wanted) in [
        (&["replay", "no-such-record"][..], 3, "no-such-record"),
        (&["suggest", "--from", "no-such-record"], 3, "no-such-record"),
        (
            &["diff", "built-in", "no-such-directory"],
            78,
            "no-such-directory",
        ),
        (&["test", "--governance", "/"], 78, "no governance-L1.yaml"),
        (
            &["diff", "built-in", "built-in", "--lines", "no-such-file"],
            78,
            "no-such-file",
        ),
        (&["show", "--level", "L4"], 78, "needs a track"),
    ] {
        let output = policy(&scratch, args);
        assert_eq!(output.code(), code, "{args:?}: {output:?}");
        assert!(output.err().contains(wanted), "{args:?}: {}", output.err());
    }
}
