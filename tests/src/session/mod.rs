//! A session of `reeve run` around a script, in a scratch directory, with an environment of its own.

mod program;

pub use program::{DEADLINE, Output, end, finish, first_line, wait};

use crate::binaries;
use serde_json::Value;
use std::ffi::OsString;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A scratch directory with tools, a home, and a place for the record.
pub struct Scratch {
    directory: TempDir,
    environment: Vec<(OsString, OsString)>,
    /// Flags of `reeve run`.
    pub flags: Vec<String>,
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch::new()
    }
}

impl Scratch {
    /// An empty one, at L2.
    pub fn new() -> Scratch {
        let directory = tempfile::tempdir().expect("a scratch directory can be made");
        for name in ["home", "tools", "run"] {
            std::fs::create_dir(directory.path().join(name)).expect("a directory can be made");
        }
        Scratch {
            directory,
            environment: Vec::new(),
            flags: vec!["--level".into(), "L2".into()],
        }
    }

    /// A path inside.
    pub fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The record's directory.
    pub fn record(&self) -> PathBuf {
        self.at("record")
    }

    /// Sets a variable of the operator's.
    pub fn env(&mut self, name: &str, value: impl Into<OsString>) -> &mut Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Sets the flags of `reeve run`.
    pub fn flags(&mut self, flags: &[&str]) -> &mut Self {
        self.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        self
    }

    /// Writes a file inside, with the directories above it.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.at(name);
        let above = path.parent().expect("it is in the scratch directory");
        std::fs::create_dir_all(above).expect("a directory can be made");
        std::fs::write(path, text).expect("a file can be written");
    }

    /// Makes a governance directory of these files, and has sessions run by it with these flags for the level; returns it.
    pub fn govern(&mut self, level: &[&str], files: &[(&str, &str)]) -> PathBuf {
        for (name, text) in files {
            self.write(&format!("governance/{name}"), text);
        }
        let governance = self.at("governance");
        let named = governance.to_str().expect("a scratch path is text");
        self.flags(&[level, &["--governance", named]].concat());
        governance
    }

    /// Puts a real tool on the operator's PATH.
    pub fn real(&mut self, name: &str) -> &mut Self {
        symlink(crate::tools::real(name), self.at("tools").join(name)).expect("a link can be made");
        self
    }

    /// Puts a script in a tool's place: for tests of the plumbing, where any program will do.
    pub fn stand_in(&mut self, name: &str, script: &str) -> &mut Self {
        let file = self.at("tools").join(name);
        std::fs::write(&file, script).expect("a script can be written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("a mode can be set");
        self
    }

    /// PATH as the operator has it.
    pub fn path(&self) -> OsString {
        let mut path = self.at("tools").into_os_string();
        path.push(":/usr/local/bin:/usr/bin:/bin");
        path
    }

    /// A program with the operator's environment.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", self.path())
            .env("HOME", self.at("home"))
            .env("LANG", "C.UTF-8");
        command
            .env("TERM", "dumb")
            .env("XDG_RUNTIME_DIR", self.at("run"))
            .env("TMPDIR", self.at("run"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.directory.path());
        command
    }

    /// `reeve run … -- bash -c SCRIPT`, not started yet.
    pub fn session(&self, script: &str) -> Command {
        let mut command = self.command(binaries::reeve());
        command
            .arg("run")
            .args(&self.flags)
            .arg("--record")
            .arg(self.record())
            .arg("--json");
        command.args(["--", "bash", "-c", script]);
        command
    }

    /// Runs a script in a session to its end.
    pub fn run(&self, script: &str) -> Output {
        finish(self.session(script).stdin(Stdio::null()), &[])
    }

    /// Runs a script with this input.
    pub fn run_with_input(&self, script: &str, input: &[u8]) -> Output {
        finish(self.session(script).stdin(Stdio::piped()), input)
    }

    /// Runs one of the tools without the gate.
    pub fn directly(&self, tool: &str, words: &str) -> Output {
        let mut command = self.command(self.at("tools").join(tool));
        finish(command.args(words.split(' ')).stdin(Stdio::null()), &[])
    }

    /// Asserts that the gate lets this line through, and that the tool prints and ends as it did directly. The record is
    /// removed.
    pub fn assert_runs_as(&self, direct: &Output, line: &str) {
        let script = format!("{line} >out 2>err; echo $? >code");
        assert!(self.run(&script).status.success());
        let read = |name: &str| {
            let bytes = std::fs::read(self.at(name)).expect("the script wrote it");
            String::from_utf8_lossy(&bytes).into_owned()
        };
        assert_eq!((read("out"), read("err")), (direct.out(), direct.err()), "{line}");
        assert_eq!(read("code").trim(), direct.code().to_string(), "{line}");
        std::fs::remove_dir_all(self.record()).expect("the record can be removed");
    }

    /// Asserts that each of these command lines is refused in one session, and counted; `command` begins them all. What
    /// they print is in the files `out` and `err`.
    pub fn assert_refused(&self, command: &str, lines: &[&str]) {
        let script: String = lines
            .iter()
            .map(|line| format!("{command} {line} >>out 2>>err </dev/null; echo $? >>codes\n"))
            .collect();
        let output = self.run(&script);
        let codes = std::fs::read_to_string(self.at("codes")).expect("the script wrote it");
        let codes: Vec<&str> = codes.lines().collect();
        assert_eq!(codes.len(), lines.len(), "{output:?}");
        for (line, code) in lines.iter().zip(codes) {
            assert_eq!(code, "77", "{line}");
        }
        assert_eq!(summary(&output)["blocked"], lines.len() as u64);
    }

    /// Runs the operator's binary.
    pub fn reeve(&self, words: &[&str]) -> Output {
        finish(
            self.command(binaries::reeve()).args(words).stdin(Stdio::null()),
            &[],
        )
    }

    /// The decisions in `events.ndjson`, in order.
    pub fn events(&self) -> Vec<Value> {
        self.lines()
            .into_iter()
            .filter(|line| line["kind"] == "event")
            .collect()
    }

    /// The outcomes in `events.ndjson`, in order.
    pub fn outcomes(&self) -> Vec<Value> {
        self.lines()
            .into_iter()
            .filter(|line| line["kind"] == "exit")
            .collect()
    }

    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.record().join("events.ndjson"))
            .expect("the record has events.ndjson");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("each line is JSON"))
            .collect()
    }

    /// `reeve audit verify` of the record: exit status and findings.
    pub fn verify(&self) -> (i32, Value) {
        let record = self.record();
        let output = self.reeve(&[
            "audit",
            "verify",
            "--json",
            record.to_str().expect("a scratch path is text"),
        ]);
        let findings = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.code(), findings)
    }
}

/// The summary that `reeve run --json` prints last.
pub fn summary(output: &Output) -> Value {
    let text = output.err();
    let last = text
        .lines()
        .rev()
        .find(|line| line.starts_with("{\"allowed\"") || line.contains("\"verify\""));
    serde_json::from_str(last.unwrap_or_else(|| panic!("no summary in {text}"))).expect("the summary is JSON")
}

/// Whether `path` exists within the deadline.
pub fn appears(path: &Path) -> bool {
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        if path.exists() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}
