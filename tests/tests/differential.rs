//! Our reading of random command lines is what the real tools do with them. A bounded part of what
//! `cargo run -p acceptance --bin differential` does for as long as one likes; the seed is fixed, so that a change of ours and not
//! chance decides, and `REEVE_DIFFERENTIAL_SEED` gives another.

use acceptance::differential::{self, Limits, Report};
use argv::Tool;
use std::time::Duration;

fn run(tool: Tool, rounds: usize) -> Report {
    let seed = std::env::var("REEVE_DIFFERENTIAL_SEED")
        .map_or(2026, |seed| seed.parse().expect("a seed is a number"));
    let limits = Limits {
        rounds,
        time: Duration::from_secs(120),
    };
    let mut subject = differential::subject(tool).expect("the tool is compared");
    let report = differential::run(subject.as_mut(), seed, limits);
    let findings = serde_json::to_string_pretty(&report.findings).expect("findings are JSON");
    assert!(report.findings.is_empty(), "{tool}, seed {seed}: {findings}");
    // All of it says something only if the tool worked: it did much of what it was told, changes too.
    assert!(report.lines >= rounds / 2, "{tool} is too slow here: {report:?}");
    assert!(
        report.equal >= report.lines / 5,
        "{tool} refuses nearly everything: {report:?}"
    );
    assert!(report.equal_changes > 0, "{tool} changes nothing: {report:?}");
    report
}

#[test]
fn kubectl_does_what_was_understood() {
    run(Tool::Kubectl, 300);
}

#[test]
fn aws_does_what_was_understood() {
    run(Tool::Aws, 60);
}

#[test]
fn gh_does_what_was_understood() {
    run(Tool::Gh, 100);
}

/// The comparison is able to find something: a reading that is wrong by one word is a danger.
#[test]
fn a_wrong_reading_is_found() {
    use acceptance::differential::Verdict;
    let mut subject = differential::subject(Tool::Kubectl).expect("kubectl is compared");
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let judged = |subject: &mut dyn differential::Subject, told: &str, done: &str| {
        differential::compare_readings(subject, &words(told), &words(done))
    };
    let right = judged(
        subject.as_mut(),
        "delete pod web-1 -n team",
        "delete -nteam pods/web-1",
    );
    assert_eq!(right, Verdict::Equal);
    for (told, done) in [
        ("get pods", "delete pod web-1"),
        ("delete pod web-1 -n team", "delete pod web-1 -n prod"),
        ("delete pod web-1", "delete pod web-2"),
        ("get pods -n team", "get secrets -n team"),
        ("get pods", "get pods --server=http://127.0.0.1:1"),
        ("version --client", "config view --raw"),
        ("get pods", "get pods -o go-template-file=note.txt"),
        ("get pods", "get pods --cache-dir=made"),
        ("get pods", "edit pod web-1"),
    ] {
        let done = done.replace("http://127.0.0.1:1", &subject.other_address());
        let verdict = judged(subject.as_mut(), told, &done);
        assert!(
            matches!(verdict, Verdict::Danger(_)),
            "{told} / {done}: {verdict:?}"
        );
    }
}
