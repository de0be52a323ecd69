//! Every row of the table of environment variables, tried on the real tool: directly, to see what it does, and with the gate, where
//! it does nothing, or the command is refused. The rows' values are in `corpora/environment.tsv`; a row of the table without one is
//! a failure, and so is one here that is not in the table.

use acceptance::environment::{Place, Seeing, Seen, Try, World, is_newer_than_debian, tries};
use acceptance::session::Scratch;
use argv::environment::{FAMILIES, Treatment, VARIABLES, is_secret};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn every_row_has_a_try_and_every_try_a_row() {
    let tried: BTreeSet<String> = tries().into_iter().map(|one| one.variable).collect();
    let rows: BTreeSet<String> = VARIABLES.iter().map(|row| row.name.to_owned()).collect();
    assert_eq!(tried, rows);
}

#[test]
fn no_variable_of_the_table_has_an_effect_behind_the_gate() {
    let world = World::start();
    let mut by_setting: BTreeMap<String, Vec<Try>> = BTreeMap::new();
    for one in tries() {
        by_setting.entry(one.setting.clone()).or_default().push(one);
    }
    // Long lists are cut up, so that no session is longer than a test may be.
    let jobs: Vec<(String, Vec<Try>)> = by_setting
        .into_iter()
        .flat_map(|(setting, tries)| {
            let pieces: Vec<_> = tries.chunks(20).map(<[Try]>::to_vec).collect();
            pieces.into_iter().map(move |tries| (setting.clone(), tries))
        })
        .collect();
    // All of them take minutes; by hand, some.
    let most: usize =
        std::env::var("REEVE_ENVIRONMENT_PIECES").map_or(3, |text| text.parse().expect("a number"));
    let jobs: Vec<_> = jobs.into_iter().rev().take(most).collect();
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((setting, tries)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let checked = check(&Place::new(&world, setting), setting, tries);
                    found.lock().expect("no check panicked").push(checked);
                }
            });
        }
    });
    let found = found.into_inner().expect("no check panicked");
    let faults: String = found.iter().map(|(faults, _)| faults.as_str()).collect();
    let report: String = found.iter().map(|(_, report)| report.as_str()).collect();
    if let Some(path) = std::env::var_os("REEVE_REPORT") {
        std::fs::write(path, &report).expect("the report can be written");
    }
    assert!(faults.is_empty(), "{faults}");
}

/// Tries each three times: without the variable, with it, and with it and the gate. Returns what is wrong, and all that was seen.
fn check(place: &Place<'_>, setting: &str, tries: &[Try]) -> (String, String) {
    let (mut faults, mut report) = (String::new(), String::new());
    let mut usual: BTreeMap<(String, String), Seeing> = BTreeMap::new();
    let mut with: Vec<(Seeing, bool)> = Vec::new();
    for one in tries {
        let key = (one.tool.clone(), one.line.clone());
        usual.entry(key).or_insert_with(|| {
            place.direct(&place.script(0, one, false));
            // What the first run makes, caches, is there for the second.
            place.direct(&place.script(0, one, false));
            place.seen(0)
        });
        let asked_before = place.decoy.requests().len();
        place.direct(&place.script(0, one, true));
        let asked = place.decoy.requests().len() > asked_before;
        with.push((place.seen(0), asked));
    }
    let asked_before = place.decoy.requests().len();
    let script: String = tries
        .iter()
        .enumerate()
        .map(|(index, one)| place.script(index, one, true))
        .collect();
    let output = place.scratch.run(&script);
    assert!(output.status.success(), "{output:?}");
    let asked = place.decoy.requests().len() - asked_before;
    if asked > 0 && setting != "cgi" {
        writeln!(
            &mut faults,
            "{setting}: the wrong server was asked {asked} times behind the gate"
        )
        .expect("text");
    }
    for (index, (one, (with, asked))) in tries.iter().zip(&with).enumerate() {
        let usual = &usual[&(one.tool.clone(), one.line.clone())];
        let mut gated = place.seen(index);
        let row = VARIABLES
            .iter()
            .find(|row| row.name == one.variable)
            .expect("checked elsewhere");
        let has_effect = with != usual || *asked && setting != "cgi";
        writeln!(
            &mut report,
            "{}\t{}\t{has_effect}\t{with:?}\t{usual:?}\t{gated:?}",
            one.variable, one.tool
        )
        .expect("text");
        let expected = match one.seen {
            Seen::Always => Some(true),
            Seen::Nothing => Some(false),
            Seen::Newer if is_newer_than_debian(one) => Some(true),
            Seen::Older if is_newer_than_debian(one) => Some(false),
            Seen::Newer | Seen::Older => None,
        };
        if expected.is_some_and(|expected| expected != has_effect) {
            writeln!(
                &mut faults,
                "{} on {}: effect without the gate: {has_effect}\n  {with:?}\n  {usual:?}",
                one.variable, one.tool
            )
            .expect("text");
        }
        let is_refused = gated.code == "77" && (gated.left == usual.left || gated.left.is_empty());
        let wanted = match row.treatment {
            Treatment::Passes => with.clone(),
            // Of a credential the gate has only the digest, so the operator's cannot be put back: the tool gets none.
            _ if is_secret(&one.variable) && setting == "usual" => {
                place.direct(&place.script_without(0, one));
                place.seen(0)
            }
            _ => usual.clone(),
        };
        // The gate's own loader says what it does, too.
        if one.variable.starts_with("LD_DEBUG") {
            gated.err.clone_from(&wanted.err);
        }
        if gated != wanted && !is_refused {
            writeln!(
                &mut faults,
                "{} on {}: behind the gate\n  {gated:?}\n  {wanted:?}",
                one.variable, one.tool
            )
            .expect("text");
        }
    }
    (faults, report)
}

/// A configuration file below HOME: the tool that reads it, a line that does, and what the agent writes there. A name that ends in a
/// slash is a directory's, and the file is in it.
const FILES: &[(&str, &str, &str, &str, &str)] = &[
    (".kube/config", "", "kubectl", "usual", "KUBECONFIG"),
    (
        ".aws/config",
        "",
        "aws",
        "usual",
        "[default]\nregion = us-east-1\n",
    ),
    (
        ".aws/credentials",
        "",
        "aws",
        "usual",
        "[default]\naws_access_key_id = AKIDEVIL\naws_secret_access_key = s\n",
    ),
    (".aws/cli/alias", "", "aws", "usual", "[toplevel]\nsts = !MARK\n"),
    (
        ".aws/models",
        "/sts/2011-06-15/service-2.json",
        "aws",
        "usual",
        "{\"metadata\": {}}",
    ),
    (
        ".boto",
        "",
        "aws",
        "usual",
        "[Credentials]\naws_access_key_id = AKIDEVIL\naws_secret_access_key = s\n",
    ),
    (
        ".config/gh/config.yml",
        "",
        "gh",
        "usual",
        "version: \"1\"\nhttp_unix_socket: /nonexistent\n",
    ),
    (
        ".config/gh/hosts.yml",
        "",
        "gh",
        "usual",
        "evil.test:\n    user: a\n    oauth_token: t\n",
    ),
    (".pgpass", "", "psql", "usual", "*:*:*:*:secret\n"),
    (
        ".pg_service.conf",
        "",
        "psql",
        "service",
        "[evil]\nhost=/nonexistent-evil\n",
    ),
    (".postgresql", "/root.crt", "psql", "usual", "nothing"),
    (".postgresqlrc", "", "psql", "usual", "9.1 none *\n"),
    (".psqlrc", "", "psql", "rc", "\\! MARK\n"),
    (
        ".local/lib/PYTHON/site-packages",
        "/usercustomize.py",
        "aws",
        "usual",
        "import os\nos.system('MARK')\n",
    ),
];

/// Those without an effect on the line that is tried: legacy credentials that other ones go before; what only a password, TLS or
/// Debian's starter asks for.
const WITHOUT_EFFECT: [&str; 4] = [".boto", ".pgpass", ".postgresql", ".postgresqlrc"];
/// Not pinned: psql and Python are told not to read them.
const NOT_PINNED: [&str; 2] = [".psqlrc", ".local/lib/PYTHON/site-packages"];

/// `python3.11`, of the interpreter that runs aws.
fn pythons_directory() -> String {
    let told = "import sys; print('python%d.%d' % sys.version_info[:2], end='')";
    let output = std::process::Command::new("/usr/bin/python3")
        .args(["-c", told])
        .output()
        .expect("aws has its Python");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn no_configuration_file_has_an_effect_behind_the_gate() {
    let world = World::start();
    let place = Place::new(&world, "usual");
    let (mut faults, mut script) = (
        String::new(),
        String::from("cat $XDG_RUNTIME_DIR/reeve-*/session.json >orders\n"),
    );
    let mut seen = Vec::new();
    let python = pythons_directory();
    for (index, (file, below, tool, line, content)) in FILES.iter().enumerate() {
        let one = Try {
            variable: "REEVE_TEST".to_owned(),
            tool: (*tool).to_owned(),
            line: (*line).to_owned(),
            setting: "usual".to_owned(),
            value: "1".to_owned(),
            seen: Seen::Always,
        };
        place.direct(&place.script(0, &one, false));
        let usual = place.seen(0);
        let hostile = std::fs::read_to_string(place.at("h/.kube/config")).expect("it was written");
        let content = content
            .replace("KUBECONFIG", &hostile)
            .replace("MARK", &place.at("mark").display().to_string());
        place.write(&format!("hostile.{index}"), &content);
        let file = file.replace("PYTHON", &python);
        let (file, root) = (place.at("home").join(file), place.at("").display().to_string());
        let path = format!("{}{below}", file.display());
        let file = file.display();
        let write = format!(
            "cp -r {file} {root}/kept 2>/dev/null; mkdir -p $(dirname {path}); cp {root}/hostile.{index} {path}; chmod 600 {path}\n"
        );
        let restore = format!("rm -rf {file}; mv {root}/kept {file} 2>/dev/null; true\n");
        place.direct(&format!("{write}{}{restore}", place.script(0, &one, true)));
        let with = place.seen(0);
        script.push_str(&format!(
            "{write}{}{restore}{}",
            place.script(2 * index, &one, true),
            place.script(2 * index + 1, &one, true)
        ));
        seen.push((usual, with));
    }
    let output = place.scratch.run(&script);
    assert!(output.status.success(), "{output:?}");
    for (index, ((file, ..), (usual, with))) in FILES.iter().zip(&seen).enumerate() {
        if (usual != with) == WITHOUT_EFFECT.contains(file) {
            writeln!(
                &mut faults,
                "{file}: effect without the gate: {}\n  {with:?}\n  {usual:?}",
                usual != with
            )
            .expect("text");
        }
        let (gated, restored) = (place.seen(2 * index), place.seen(2 * index + 1));
        let is_refused = gated.code == "77" && gated.left.is_empty();
        if is_refused == NOT_PINNED.contains(file) || !is_refused && gated != *usual {
            writeln!(&mut faults, "{file}: behind the gate\n  {gated:?}\n  {usual:?}").expect("text");
        }
        // A service is refused whatever it means.
        if restored != *usual && *file != ".pg_service.conf" {
            writeln!(&mut faults, "{file}: put back\n  {restored:?}\n  {usual:?}").expect("text");
        }
    }
    assert!(faults.is_empty(), "{faults}");
    let orders = std::fs::read_to_string(place.at("orders")).expect("the script wrote it");
    let orders: serde_json::Value = serde_json::from_str(&orders).expect("JSON");
    let home = place.at("home");
    for tool in ["kubectl", "aws", "gh", "psql"] {
        for path in orders["files"][tool].as_object().expect("files by path").keys() {
            let name = PathBuf::from(path)
                .strip_prefix(&home)
                .expect("below HOME")
                .display()
                .to_string();
            assert!(
                FILES.iter().any(|(file, _, of, ..)| *file == name && *of == tool),
                "{tool}: {name} is not tried"
            );
        }
    }
}

/// The names alone, for every tool: what is pinned or removed does not reach it, what passes does, and the record says what was
/// taken away.
#[test]
fn what_a_tool_gets_is_what_the_table_says() {
    let mut scratch = Scratch::new();
    let script = "#!/bin/bash\n/usr/bin/tr '\\0' '\\n' </proc/$$/environ >got.${0##*/}\n";
    let lines = [
        ("kubectl", "get pods"),
        ("aws", "ec2 describe-instances"),
        ("gh", "pr list -R o/r"),
        ("psql", "-c 'select 1'"),
    ];
    for (tool, _) in lines {
        scratch.stand_in(tool, script);
    }
    scratch.flags(&["--level", "L4", "--track", "track-a"]);
    let families = FAMILIES
        .iter()
        .map(|family| format!("{}NOBODY_KNOWS", family.prefix));
    let mixed = ["Https_Proxy", "hTTP_PROXY", "socks_proxy"].map(str::to_owned);
    let names: Vec<String> = VARIABLES
        .iter()
        .map(|row| row.name.to_owned())
        .chain(families)
        .chain(mixed)
        .collect();
    // Some would stop the shell itself.
    let assignments: String = names
        .iter()
        .filter(|name| {
            !matches!(
                name.as_str(),
                "PATH"
                    | "HOME"
                    | "LD_PRELOAD"
                    | "LD_AUDIT"
                    | "LD_LIBRARY_PATH"
                    | "SHELLOPTS"
                    | "BASHOPTS"
                    | "GLIBC_TUNABLES"
            )
        })
        .map(|name| format!("{name}=of-the-agent "))
        .collect();
    let script: String = lines
        .iter()
        .map(|(tool, words)| {
            format!("env {assignments} $(command -v {tool}) {words} </dev/null 2>>err; echo $?\n")
        })
        .collect();
    let output = scratch.run(&script);
    let err = std::fs::read_to_string(scratch.at("err")).unwrap_or_default();
    assert_eq!(output.out(), "0\n0\n0\n0\n", "{err}");
    for (tool, _) in lines {
        let got = std::fs::read_to_string(scratch.at(&format!("got.{tool}"))).expect("the stand-in wrote it");
        let reached: BTreeSet<&str> = got
            .lines()
            .filter_map(|line| line.strip_suffix("=of-the-agent"))
            .collect();
        let expected: BTreeSet<&str> = VARIABLES
            .iter()
            .filter(|row| row.treatment == Treatment::Passes)
            .map(|row| row.name)
            .collect();
        assert_eq!(reached, expected, "{tool}");
    }
    let event = &scratch.events()[0];
    let changed: BTreeSet<&str> = event["environment_changed"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|name| name.as_str())
        .collect();
    for name in [
        "AWS_CONFIG_FILE",
        "DBUS_SESSION_BUS_ADDRESS",
        "Https_Proxy",
        "PYTHONSTARTUP",
        "GIT_NOBODY_KNOWS",
    ] {
        assert!(changed.contains(name), "{name}: {changed:?}");
    }
    assert!(!changed.contains("LANG"));
}

/// The operator's own values reach the tools, but for what only runs code.
#[test]
fn the_operators_values_reach_the_tools() {
    let mut scratch = Scratch::new();
    scratch.stand_in(
        "gh",
        "#!/bin/bash\n/usr/bin/tr '\\0' '\\n' </proc/$$/environ >got\n",
    );
    let names = [
        "AWS_PROFILE",
        "KUBECONFIG",
        "GODEBUG",
        "XDG_CONFIG_HOME",
        "PYTHONSTARTUP",
        "BASH_ENV",
        "GCONV_PATH",
    ];
    for name in names {
        scratch.env(name, "/of-the-operator");
    }
    let output = scratch.run("env -u AWS_PROFILE KUBECONFIG=/of-the-agent gh pr list -R o/r");
    assert_eq!(output.code(), 0, "{}", output.err());
    let got = std::fs::read_to_string(scratch.at("got")).expect("the stand-in wrote it");
    let reached: Vec<&str> = names
        .into_iter()
        .filter(|name| got.contains(&format!("{name}=/of-the-operator\n")))
        .collect();
    assert_eq!(
        reached,
        ["AWS_PROFILE", "KUBECONFIG", "GODEBUG", "XDG_CONFIG_HOME"],
        "{got}"
    );
    let changed = &scratch.events()[0]["environment_changed"];
    assert_eq!(
        *changed,
        json!([
            "AWS_PROFILE",
            "BASH_ENV",
            "GCONV_PATH",
            "KUBECONFIG",
            "PYTHONSTARTUP"
        ])
    );
}
