//! Governance files that are missing, malformed or unsafe: nothing runs, 78, and the message says where.

use acceptance::session::{Output, Scratch};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

fn site(text: Option<&str>) -> (Scratch, PathBuf) {
    let mut scratch = Scratch::new();
    scratch.stand_in("kubectl", "#!/bin/sh\necho ran\n");
    let lowest = "apiVersion: reeve/v1\nkind: Governance\nlevel: L1\nrules: []\n";
    let mut files = vec![("governance-L1.yaml", lowest)];
    files.extend(text.map(|text| ("governance-L2.yaml", text)));
    let directory = scratch.govern(&["--level", "L2"], &files);
    (scratch, directory.join("governance-L2.yaml"))
}

fn refused(scratch: &Scratch) -> Output {
    let output = scratch.run("touch agent-ran; kubectl get pods");
    assert_eq!(output.code(), 78, "{output:?}");
    assert!(!scratch.at("agent-ran").exists(), "the agent was started");
    output
}

#[test]
fn a_missing_file_is_named() {
    let (scratch, file) = site(None);
    let output = refused(&scratch);
    assert!(
        output.err().contains(&format!("{}: is missing", file.display())),
        "{}",
        output.err()
    );
}

#[test]
fn every_fault_is_said_at_once_with_file_line_and_column_and_the_nearest_key() {
    let text = "apiVersion: reeve/v1\nkind: Governance\nlevel: L2\nrules:\n  - id: a\n    alow: {tool: kubectl}\n  - id: b\n    allow: {tool: kubctl, efect: read}\n  - id: b\n    allow: {tool: aws, name: \"a[\"}\n    accept: [reads-file]\n";
    let (scratch, file) = site(Some(text));
    let output = refused(&scratch);
    let at = |line: usize, column: usize| format!("{}:{line}:{column}: ", file.display());
    for (place, what) in [
        (at(6, 5), "unknown key `alow`; did you mean `allow`?"),
        (
            at(8, 19),
            "`kubctl` is not a governed tool; did you mean `kubectl`?",
        ),
        (at(8, 27), "unknown key `efect`; did you mean `effect`?"),
        (at(10, 30), "name `a[` is not a glob"),
        (
            at(11, 14),
            "`reads-file` is not a hazard; did you mean `reads-files`?",
        ),
    ] {
        let found = output
            .err()
            .lines()
            .any(|line| line.contains(&place) && line.contains(what));
        assert!(found, "{place}{what}\nin\n{}", output.err());
    }
    assert!(output.err().contains("the id `b` is taken"), "{}", output.err());
}

#[test]
fn what_is_not_yaml_is_refused_with_its_place() {
    for (text, place) in [
        ("rules: [", ":2:1"),
        ("a: 1\na: 2\n", ":2:1"),
        ("x: &a 1\ny: *a\n", ":1:"),
        ("", ""),
        ("- 1\n", ":1:"),
        ("\u{0}", ":1:"),
    ] {
        let (scratch, file) = site(Some(text));
        let output = refused(&scratch);
        assert!(
            output.err().contains(&format!("{}{place}", file.display())),
            "{text:?}: {}",
            output.err()
        );
    }
}

#[test]
fn deep_nesting_does_not_overflow() {
    for text in [
        format!("a: {}", "[".repeat(100_000)),
        "- ".repeat(100_000),
        "{a: ".repeat(50_000),
    ] {
        let (scratch, _) = site(Some(&text));
        let output = refused(&scratch);
        assert!(
            output.err().contains("nests deeper"),
            "{}",
            output.err().chars().take(300).collect::<String>()
        );
    }
}

#[test]
fn a_file_that_others_can_write_is_refused_saying_why() {
    let good = "apiVersion: reeve/v1\nkind: Governance\nlevel: L2\nrules:\n  - id: a\n    allow: {tool: kubectl, effect: read}\n";
    let (scratch, file) = site(Some(good));
    assert_eq!(scratch.run("kubectl get pods").out(), "ran\n");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).expect("a mode can be set");
    let output = refused(&scratch);
    assert!(
        output.err().contains("its mode is 0666, so others can write it"),
        "{}",
        output.err()
    );
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("a mode can be set");
    let directory = file.parent().expect("it lies in a directory");
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o777)).expect("a mode can be set");
    let output = refused(&scratch);
    assert!(
        output.err().contains("of its directory: its mode is 0777"),
        "{}",
        output.err()
    );
}

#[test]
fn a_file_of_another_user_is_refused() {
    if !nix::unistd::geteuid().is_root() {
        return; // only root can give a file away, and only so can the case arise in a test
    }
    let good = "apiVersion: reeve/v1\nkind: Governance\nlevel: L2\nrules: []\n";
    let (scratch, file) = site(Some(good));
    std::os::unix::fs::chown(&file, Some(4711), None).expect("root can give a file away");
    let output = refused(&scratch);
    assert!(output.err().contains("user 4711 owns it"), "{}", output.err());
}

#[test]
fn l4_without_a_track_is_an_error_and_not_a_default() {
    let mut scratch = Scratch::new();
    scratch
        .stand_in("kubectl", "#!/bin/sh\necho ran\n")
        .flags(&["--level", "L4"]);
    let output = scratch.run("kubectl get pods");
    assert_eq!(output.code(), 78);
    assert!(output.err().contains("L4 needs a track"), "{}", output.err());
}

#[test]
fn a_change_after_the_start_has_no_effect() {
    let good = "apiVersion: reeve/v1\nkind: Governance\nlevel: L2\nrules:\n  - id: a\n    allow: {tool: kubectl, effect: read}\n";
    let (scratch, _) = site(Some(good));
    let output = scratch.run("sed -i 's/read/delete/' governance/governance-L2.yaml; kubectl delete pod x 2>/dev/null; echo $?; kubectl get pods");
    assert_eq!(output.out(), "77\nran\n");
}

#[test]
fn levels_and_tracks_mean_what_they_say() {
    let line = |flags: &[&str], command: &str| {
        let scratch = Scratch::new();
        let mut words = vec!["check"];
        words.extend(flags);
        words.push("--");
        words.extend(command.split(' '));
        scratch.reeve(&words).code()
    };
    for (flags, command, expected) in [
        (&["--level", "L1"][..], "kubectl get pods", 77),
        (&["--level", "L1"], "kubectl --help", 0),
        (&["--level", "L1"], "kubectl version", 0),
        (&["--level", "L2"], "kubectl get pods", 0),
        (&["--level", "L2"], "aws ec2 describe-instances", 0),
        (&["--level", "L2"], "gh pr list -R o/r", 0),
        (&["--level", "L2"], "gh pr create -t x -b y", 77),
        (&["--level", "L2"], "kubectl apply -f x --dry-run=server", 77),
        (&["--level", "L3"], "gh pr create -R o/r -t x -b y -H branch", 0),
        // What the file holds is not read yet, and a Secret's diff shows it.
        (&["--level", "L3"], "kubectl diff -f x", 77),
        (&["--level", "L3"], "kubectl apply -f x --dry-run=server", 0),
        (&["--level", "L3"], "kubectl apply -f x", 77),
        (&["--level", "L4", "--track", "track-c"], "kubectl apply -f x", 0),
        (
            &["--level", "L4", "--track", "track-c"],
            "kubectl rollout undo deployment/web",
            0,
        ),
        (
            &["--level", "L4", "--track", "track-c"],
            "kubectl apply -f https://example.com/x",
            75,
        ),
        (
            &["--level", "L4", "--track", "track-c"],
            "kubectl scale deployment web --replicas=3",
            75,
        ),
        (
            &["--level", "L4", "--track", "track-c"],
            "kubectl delete pod x",
            77,
        ),
        (&["--level", "L4", "--track", "track-b"], "kubectl apply -f x", 75),
        (
            &["--level", "L4", "--track", "track-b"],
            "aws ec2 create-tags --resources i-1 --tags Key=a,Value=b",
            0,
        ),
        (
            &["--level", "L4", "--track", "track-b"],
            "aws ec2 terminate-instances --instance-ids i-1",
            75,
        ),
        (
            &["--level", "L4", "--track", "track-a"],
            "aws rds describe-db-instances",
            0,
        ),
        (&["--level", "L4", "--track", "track-z"], "kubectl get pods", 78),
    ] {
        assert_eq!(line(flags, command), expected, "{flags:?} {command}");
    }
}
