//! The race: somebody swaps manifests, the kubeconfig and the tool itself as fast as can be while governed commands run.
//! Nothing ever arrives that was not judged and allowed.
//!
//! `REEVE_RACE_COMMANDS` says how many commands (10 000 is what is asked for; the default is what fits in a run of all tests).

use acceptance::http::{Body, Request, Response, Server};
use acceptance::race::{self, Target};
use acceptance::session::{Scratch, appears, wait};
use acceptance::{binaries, sha256, tools};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What may be applied, and where; all else is refused.
const SITE: &str = "apiVersion: reeve/v1\nkind: Governance\nlevel: L4\ntrack: track-c\nrules:\n\
    \x20 - id: gets\n    allow: {tool: kubectl, effect: read, verb: get, namespace: dev}\n\
    \x20 - id: applies\n    allow: {tool: kubectl, effect: [read, write], verb: apply, resource: configmaps, namespace: dev}\n    accept: [reads-files]\n\
    \x20 - id: aws\n    allow: {tool: aws, effect: [local, read]}\n    accept: [redirects-endpoint]\n\
    \x20 - id: gh\n    allow: {tool: gh, effect: read}\n";

fn commands() -> usize {
    std::env::var("REEVE_RACE_COMMANDS").map_or(400, |text| text.parse().expect("a number"))
}

#[test]
fn nothing_arrives_that_was_not_judged() {
    swapped_all_the_time(Path::new(env!("CARGO_BIN_EXE_race_tool")), commands(), true);
}

#[test]
fn nothing_arrives_from_the_real_kubectl_that_was_not_judged() {
    let real = std::fs::canonicalize(tools::real("kubectl")).expect("it is there");
    swapped_all_the_time(&real, commands(), false);
}

fn swapped_all_the_time(tool: &Path, commands: usize, is_exact: bool) {
    let (server, decoy) = (race::cluster(), race::cluster());
    let mut scratch = with_site();
    // PATH leads over a link to a directory in which the tool is a link.
    for directory in ["kept", "one", "two"] {
        std::fs::create_dir(scratch.at(directory)).expect("a directory can be made");
    }
    let (real, other) = (scratch.at("kept/kubectl"), scratch.at("kept/other"));
    std::fs::copy(tool, &real).expect("it can be copied");
    std::fs::copy(env!("CARGO_BIN_EXE_race_tool"), &other).expect("it can be copied");
    symlink(&real, scratch.at("one/kubectl")).expect("a link can be made");
    symlink(&other, scratch.at("two/kubectl")).expect("a link can be made");
    symlink(scratch.at("one"), scratch.at("bin")).expect("a link can be made");
    let path = [scratch.at("bin").as_os_str(), &scratch.path()].join(std::ffi::OsStr::new(":"));
    let kubeconfig = scratch.at("kubeconfig");
    scratch.env("PATH", path).env("KUBECONFIG", kubeconfig);
    let ours = race::kubeconfig(server.port, &json!({}));
    let plugin = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": other}});
    let bad = vec![
        race::kubeconfig(decoy.port, &json!({})),
        race::kubeconfig(server.port, &plugin),
    ];
    std::fs::write(scratch.at("kubeconfig"), &ours).expect("it can be written");
    std::fs::write(scratch.at("m.json"), race::manifest(0, true)).expect("it can be written");
    let targets = [
        Target::Manifest(scratch.at("m.json")),
        Target::File {
            place: scratch.at("kubeconfig"),
            good: ours,
            bad,
        },
        Target::Link {
            place: scratch.at("one/kubectl"),
            good: real.clone(),
            bad: other,
        },
        Target::Link {
            place: scratch.at("bin"),
            good: scratch.at("one"),
            bad: scratch.at("two"),
        },
    ];
    let script = format!(
        "many() {{ for i in $(seq $1 2 {commands}); do\n\
         if ((i / 2 % 2)); then kubectl apply -f m.json; else kubectl get configmap g-$i; fi >/dev/null 2>>err.$1\n\
         done; }}; many 1 & many 2 & wait"
    );
    let begun = Instant::now();
    let swaps = while_swapping(&scratch, &targets, &script, commands);
    let spent = begun.elapsed();
    assert!(!scratch.at("kept/marked").exists(), "the other program never ran");
    assert_eq!(decoy.requests().len(), 0, "nothing reached the other server");
    let counts = compare(&scratch, &server.requests(), commands, is_exact);
    eprintln!("race: {commands} commands, {swaps} swaps, {spent:.1?}: {counts:?}");
    assert_eq!(scratch.verify().0, 0, "the record is whole");
    drop(server);
}

/// aws's credentials may come from a program that its configuration names.
#[test]
fn aws_finds_the_configuration_that_was_judged() {
    let scratch = with_aws();
    let (place, mark) = (scratch.at("aws-config"), scratch.at("marked"));
    let good = std::fs::read(&place).expect("it was written");
    let bad = format!(
        "[default]\nregion = us-east-1\ncredential_process = touch {}\n",
        mark.display()
    );
    let bad = vec![bad.into_bytes()];
    aws_while_swapping(&scratch, Target::File { place, good, bad });
    assert!(!mark.exists(), "no program of theirs ran");
}

/// Its commands may be others by an alias, and that file has its place in the home directory.
#[test]
fn aws_finds_no_alias_that_was_not_judged() {
    let scratch = with_aws();
    let (place, mark) = (scratch.at("home/.aws/cli/alias"), scratch.at("marked"));
    std::fs::create_dir_all(scratch.at("home/.aws/cli")).expect("a directory can be made");
    let bad = format!("[toplevel]\nsts = !touch {}\n", mark.display()).into_bytes();
    aws_while_swapping(&scratch, Target::Extra { place, bad });
    assert!(!mark.exists(), "no program of theirs ran");
}

fn with_aws() -> Scratch {
    let mut scratch = with_site();
    let config = scratch.at("aws-config");
    let keys = "aws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = secretsecretsecret\n";
    std::fs::write(&config, format!("[default]\nregion = us-east-1\n{keys}")).expect("it can be written");
    scratch.real("aws").env("AWS_CONFIG_FILE", config);
    scratch
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_MAX_ATTEMPTS", "1");
    scratch
}

fn aws_while_swapping(scratch: &Scratch, target: Target) {
    let server = Server::tcp(|_| Response {
        status: 200,
        content_type: "text/xml",
        body: Body::Bytes(
            b"<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>".to_vec(),
        ),
    });
    let commands = (commands() / 20).clamp(10, 200);
    let script = format!(
        "for i in $(seq {commands}); do aws --endpoint-url http://127.0.0.1:{} sts get-caller-identity >>out 2>>err; done; true",
        server.port
    );
    while_swapping(scratch, &[target], &script, 10 * commands);
    let ran = ran(scratch, commands);
    assert!(server.requests().len() <= ran, "what arrived was allowed");
}

/// gh sends everything to the socket that its configuration names.
#[test]
fn gh_finds_the_configuration_that_was_judged() {
    let mut scratch = with_site();
    let (socket, elsewhere) = (scratch.at("gh.sock"), scratch.at("elsewhere.sock"));
    let answer = |_: &Request| Response::json(&json!({"full_name": "octo/app"}));
    let (server, decoy) = (Server::unix(&socket, answer), Server::unix(&elsewhere, answer));
    std::fs::create_dir(scratch.at("gh-config")).expect("a directory can be made");
    let config = scratch.at("gh-config/config.yml");
    let said =
        |socket: &Path| format!("version: \"1\"\nhttp_unix_socket: {}\n", socket.display()).into_bytes();
    std::fs::write(&config, said(&socket)).expect("it can be written");
    let directory = scratch.at("gh-config");
    scratch
        .real("gh")
        .env("GH_CONFIG_DIR", directory)
        .env("GH_NO_UPDATE_NOTIFIER", "1");
    scratch.env("GH_TOKEN", "gho_0123456789abcdef0123456789abcdef0123");
    let targets = [Target::File {
        place: config,
        good: said(&socket),
        bad: vec![said(&elsewhere)],
    }];
    let commands = (commands() / 4).clamp(20, 1_000);
    let script = format!("for i in $(seq {commands}); do gh api repos/octo/app >>out 2>>err; done; true");
    while_swapping(&scratch, &targets, &script, 2 * commands);
    assert_eq!(decoy.requests().len(), 0, "nothing reached the other socket");
    let ran = ran(&scratch, commands);
    assert_eq!(server.requests().len(), ran, "each that was allowed arrived");
}

/// How many commands ran, of so many; some did, and some were refused.
fn ran(scratch: &Scratch, commands: usize) -> usize {
    let ran = scratch
        .outcomes()
        .iter()
        .filter(|outcome| outcome["exit_code"].is_number())
        .count();
    assert_eq!(scratch.events().len(), commands, "every call is on record");
    assert!(
        ran > 0 && ran < commands,
        "both were met: {ran} of {commands} ran"
    );
    assert_eq!(scratch.verify().0, 0, "the record is whole");
    ran
}

/// A session at L4 under [`SITE`].
fn with_site() -> Scratch {
    let mut scratch = Scratch::new();
    let level = ["--level", "L4", "--track", "track-c"];
    scratch.govern(&level, &[("governance-L4-track-c.yaml", SITE)]);
    scratch
}

/// Runs a script in a session while the targets are swapped; returns how often they were.
fn while_swapping(scratch: &Scratch, targets: &[Target], script: &str, commands: usize) -> u64 {
    let stop = AtomicBool::new(false);
    let begun = scratch.at("begun");
    binaries::reeve(); // building may take longer than anybody waits for the session
    std::thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            assert!(appears(&begun), "the session begins");
            race::swap(targets, &scratch.at(""), &stop)
        });
        let null = || {
            File::options()
                .write(true)
                .open("/dev/null")
                .expect("there is one")
        };
        let mut child = scratch
            .session(&format!("touch begun\n{script}"))
            .stdin(Stdio::null())
            .stdout(null())
            .stderr(null())
            .spawn()
            .expect("the session starts");
        let deadline =
            Duration::from_secs(120) + Duration::from_millis(500) * u32::try_from(commands).expect("few");
        let status = wait(&mut child, deadline);
        stop.store(true, Ordering::Relaxed);
        assert!(status.success(), "{status}");
        swapping.join().expect("whoever swaps does not fail")
    })
}

/// How many of each there were.
#[derive(Debug, Default)]
struct Counts {
    got: usize,
    applied: usize,
    by_manifest: usize,
    by_configuration: usize,
    unreadable: usize,
    not_started: usize,
}

/// Compares what arrived with what the record says was allowed and ran: neither has what the other has not.
fn compare(scratch: &Scratch, requests: &[Request], commands: usize, is_exact: bool) -> Counts {
    let events = scratch.events();
    assert_eq!(events.len(), commands, "every call is on record");
    let outcomes: BTreeMap<String, Value> = scratch
        .outcomes()
        .into_iter()
        .map(|outcome| (text(&outcome["event_id"]), outcome))
        .collect();
    let mut counts = Counts::default();
    let (mut gets, mut digests) = (BTreeSet::new(), Vec::new());
    for event in &events {
        if event["decision"] != "ALLOWED" {
            match text(&event["reason"]).as_str() {
                "configuration" => counts.by_configuration += 1,
                "unreadable" => counts.unreadable += 1,
                _ => counts.by_manifest += 1,
            }
            continue;
        }
        let outcome = &outcomes[&text(&event["event_id"])];
        if outcome["not_started"].is_string() {
            counts.not_started += 1;
            continue;
        }
        assert_eq!(
            outcome["exit_code"], 0,
            "what is judged right works: {event} {outcome}"
        );
        if event["operation"] == "get" {
            counts.got += 1;
            gets.insert(text(&event["operations"][0]["name"]));
        } else {
            counts.applied += 1;
            digests.push(text(&event["files"][0]["sha256"]));
        }
    }
    let arrived: BTreeSet<String> = race::got(requests).into_iter().collect();
    assert_eq!(arrived, gets, "each that was allowed arrived, and no other");
    let changes = race::changes(requests);
    let mut found: Vec<String> = changes
        .iter()
        .map(|request| digest(request, is_exact, &digests))
        .collect();
    found.sort();
    digests.sort();
    assert_eq!(found, digests, "what arrived is what was judged, byte for byte");
    for request in changes {
        assert!(
            request.path().starts_with("/api/v1/namespaces/dev/configmaps"),
            "{}",
            request.target
        );
    }
    let least = commands / 100;
    let met = [
        counts.got,
        counts.applied,
        counts.by_manifest,
        counts.by_configuration,
        counts.not_started,
    ];
    assert!(met.iter().all(|count| *count > least), "all were met: {counts:?}");
    counts
}

/// The digest of the manifest that a request was made of.
fn digest(request: &Request, is_exact: bool, judged: &[String]) -> String {
    if is_exact {
        return request.body_sha256.clone();
    }
    let object: Value = serde_json::from_slice(&request.body).expect("kubectl sends JSON");
    let stamp = |value: &Value| text(value).trim_start_matches('e').parse().expect("a stamp");
    let (begin, end) = (
        stamp(&object["data"]["begin"]),
        stamp(&object["metadata"]["labels"]["end"]),
    );
    let all = race::candidates(begin, end);
    let digests = all.iter().map(|manifest| sha256(manifest.as_bytes()));
    let mut judged = digests.filter(|digest| judged.contains(digest));
    judged.next().unwrap_or_else(|| panic!("never judged: {object}"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The tool is written over in place, once in each session, at some moment of a call: between its check and its start, too.
#[test]
fn a_tool_that_is_written_over_is_not_executed() {
    let rounds = (commands() / 20).clamp(10, 60);
    binaries::reeve(); // building may take longer than anybody waits for the session
    let (mut ran, mut refused) = (0, 0);
    for round in 0..rounds {
        let mut scratch = Scratch::new();
        scratch.stand_in("kubectl", "");
        let tool = scratch.at("tools/kubectl");
        std::fs::copy("/bin/true", &tool).expect("it can be copied");
        let other = std::fs::read("/bin/false").expect("it can be read");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert!(appears(&scratch.at("begun")), "the session begins");
                std::thread::sleep(Duration::from_micros(fastrand::u64(..60_000)));
                // While it runs, the kernel lets nobody write to it.
                let end = Instant::now() + Duration::from_secs(20);
                while std::fs::write(&tool, &other).is_err() {
                    assert!(Instant::now() < end, "it can be written at last");
                }
            });
            let output = scratch
                .run("touch begun; for i in 1 2 3 4 5 6; do kubectl get pods 2>/dev/null; echo $?; done");
            let count = |code: &str| output.out().lines().filter(|line| *line == code).count();
            assert_eq!(
                count("1"),
                0,
                "round {round}: the other program ran: {}",
                output.out()
            );
            assert_eq!(count("0") + count("126"), 6, "round {round}: {}", output.out());
            ran += count("0");
            refused += count("126");
        });
    }
    assert!(ran > 0 && refused > 0, "both were met: {ran}, {refused}");
}
