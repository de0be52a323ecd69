//! Runs situations one after the other, each in a directory of its own below the working directory.

use super::{Observed, Situation, What, situations, terminal};
use crate::session::wait;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// The most bytes of an output that are kept as they are.
const MOST: usize = 64 << 10;
/// How long one situation may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What becomes of each, by name.
pub fn all(situations: &[Situation]) -> BTreeMap<String, Observed> {
    let here = std::env::current_dir().expect("there is a working directory");
    situations
        .iter()
        .map(|situation| {
            let place = here.join("work").join(&situation.name);
            std::fs::create_dir_all(&place).expect("a directory can be made");
            let observed = match &situation.what {
                What::Script(script) => by_bash(&place, script),
                What::Terminal(steps) => {
                    let mut command = Command::new("bash");
                    command.args(["--norc", "--noprofile", "-i"]).current_dir(&place);
                    command.env("PS1", "> ").env("HISTFILE", "/dev/null");
                    on_terminal(&place, command, steps)
                }
            };
            (situation.name.clone(), observed)
        })
        .collect()
}

/// With the allowed command line for `K`.
pub fn spelled(text: &str) -> String {
    let mut words = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('K') {
        let (before, behind) = rest.split_at(at);
        let is_word =
            |edge: Option<char>| edge.is_none_or(|edge| !edge.is_ascii_alphanumeric() && edge != '_');
        let whole = is_word(before.chars().next_back()) && is_word(behind.chars().nth(1));
        words.push_str(before);
        words.push_str(if whole { "kubectl get pods" } else { "K" });
        rest = &behind[1..];
    }
    words + rest
}

fn by_bash(place: &Path, script: &str) -> Observed {
    let mut command = Command::new("bash");
    let script = [situations::FUNCTIONS, &spelled(script)].concat();
    command.args(["--norc", "-c", &script]).current_dir(place);
    // Whatever it sends to its own group must not reach the runner.
    command.process_group(0).stdin(Stdio::null());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("bash starts");
    let stdout = collect(child.stdout.take().expect("stdout is piped"));
    let stderr = collect(child.stderr.take().expect("stderr is piped"));
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().expect("a child can be waited for") {
            Some(status) => break Some(status),
            None if begun.elapsed() > PATIENCE => break None,
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    if status.is_none() {
        let group = Pid::from_raw(i32::try_from(child.id()).expect("a process id fits"));
        killpg(group, Signal::SIGKILL).expect("our own group can be killed");
        child.wait().expect("our own child ends");
    }
    let output = |stream: Receiver<Vec<u8>>| match stream.recv_timeout(PATIENCE) {
        Ok(bytes) => kept(&bytes),
        Err(_) => "(it was never closed)".to_owned(),
    };
    Observed {
        ended: status.map_or_else(|| "(it did not end)".to_owned(), ended),
        stdout: output(stdout),
        stderr: output(stderr),
    }
}

fn collect(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (done, result) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        // Nobody waits any more.
        drop(read.map(|_| done.send(bytes)));
    });
    result
}

fn on_terminal(place: &Path, command: Command, steps: &[super::Step]) -> Observed {
    let (ended, screen) = match terminal::drive(command, place, steps) {
        Ok((status, screen)) => (ended(status), screen),
        Err(what) => (what, String::new()),
    };
    let facts = std::fs::read(place.join("facts")).unwrap_or_default();
    Observed {
        ended,
        stdout: kept(&facts),
        stderr: screen,
    }
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, signal) => format!("signal {}", signal.unwrap_or_default()),
    }
}

fn kept(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.len() <= MOST => text.to_owned(),
        _ => format!("{} bytes, {}", bytes.len(), crate::sha256(bytes)),
    }
}

/// Runs the runner itself, as `command`, and returns what it observed.
///
/// # Panics
/// When it does not end in time, or says something else.
pub fn observed(mut command: Command, deadline: Duration) -> BTreeMap<String, Observed> {
    let (mut file, mut said) = (temporary(), temporary());
    let copy = |file: &File| file.try_clone().expect("a descriptor can be copied");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(copy(&file))
        .stderr(copy(&said))
        .spawn()
        .expect("the runner starts");
    let status = wait(&mut child, deadline);
    let mut text = String::new();
    said.seek(SeekFrom::Start(0)).expect("a file can be read again");
    said.read_to_string(&mut text).expect("messages are text");
    assert!(status.success(), "the runner ended with {status}: {text}");
    file.seek(SeekFrom::Start(0)).expect("a file can be read again");
    serde_json::from_reader(file).expect("the runner prints JSON")
}

fn temporary() -> File {
    tempfile::tempfile().expect("a file can be made")
}
