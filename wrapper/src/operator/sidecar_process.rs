//! The session's own sidecar: started before the agent, restarted if it dies, stopped after it.

use super::Failure;
use super::session::Session;
use crate::exit::Exit;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Deserialize;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long it may take to start or to stop.
const DEADLINE: Duration = Duration::from_secs(10);
/// How often it is restarted before it stays down; commands are then refused with 69.
const MAX_RESTARTS: u32 = 5;

/// A running sidecar.
#[derive(Debug)]
pub struct SidecarProcess {
    child: Child,
    program: PathBuf,
    arguments: Vec<std::ffi::OsString>,
    log: PathBuf,
    /// Where metrics and probes are.
    pub http: String,
    /// How often it was restarted.
    pub restarts: u32,
}

#[derive(Deserialize)]
struct Ready {
    http: String,
}

impl SidecarProcess {
    /// Starts it and waits until it can record.
    ///
    /// # Errors
    /// When it is not there or does not get ready in time, with what it said.
    pub fn start(session: &Session, http: &str) -> Result<SidecarProcess, Failure> {
        let program = program()?;
        let log = session.record.join("reeved.log");
        let arguments = arguments(session, http);
        let child = launch(&program, &arguments, &log)?;
        let mut process = SidecarProcess {
            child,
            program,
            arguments,
            log,
            http: http.to_owned(),
            restarts: 0,
        };
        match process.wait_until_ready() {
            Ok(ready) => {
                process.http = ready.http;
                // The address is known to the agent now, so a restart must keep it.
                process.arguments = self::arguments(session, &process.http);
                Ok(process)
            }
            Err(why) => {
                let _already_gone = process.child.kill();
                let _reaped = process.child.wait();
                let said = std::fs::read_to_string(&process.log).unwrap_or_default();
                let said: Vec<&str> = said.lines().rev().take(5).collect();
                let said: String = said.into_iter().rev().map(|line| format!("\n  {line}")).collect();
                Err(Failure::new(
                    Exit::CannotRecord,
                    format!("the sidecar did not start: {why}{said}\nnothing ran"),
                ))
            }
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn wait_until_ready(&mut self) -> Result<Ready, String> {
        let stdout = self.child.stdout.take().ok_or("its output is not connected")?;
        let milliseconds = u16::try_from(DEADLINE.as_millis()).unwrap_or(u16::MAX);
        match poll(
            &mut [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)],
            PollTimeout::from(milliseconds),
        ) {
            Ok(0) => Err(format!("it was not ready within {} s", DEADLINE.as_secs())),
            Ok(_) => {
                let mut line = String::new();
                BufReader::new(stdout)
                    .read_line(&mut line)
                    .map_err(|error| error.to_string())?;
                if line.is_empty() {
                    return Err("it ended at once".to_owned());
                }
                serde_json::from_str(&line).map_err(|error| format!("it said `{}`: {error}", line.trim()))
            }
            Err(errno) => Err(errno.desc().to_owned()),
        }
    }

    /// Restarts it if it has died. Gates wait a moment for it, so their commands go on.
    pub fn revive(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) || self.restarts >= MAX_RESTARTS {
            return;
        }
        self.restarts = self.restarts.saturating_add(1);
        match launch(&self.program, &self.arguments, &self.log) {
            Ok(child) => self.child = child,
            Err(failure) => crate::gate::warn(&format!(
                "the sidecar died and cannot be restarted: {}",
                failure.message
            )),
        }
    }

    /// Lets it seal the record and end. One that was killed in the meantime is started once more, to seal it.
    ///
    /// # Errors
    /// When it does not end in time (it is then killed), or ends badly twice.
    pub fn stop(mut self) -> Result<(), Failure> {
        self.revive();
        self.end().or_else(|failure| {
            if self.restarts >= MAX_RESTARTS {
                return Err(failure);
            }
            self.revive();
            self.end()
        })
    }

    fn end(&mut self) -> Result<(), Failure> {
        drop(self.child.stdin.take());
        let until = Instant::now().checked_add(DEADLINE);
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(self.failed(&format!("ended with {status}"))),
                Ok(None) if until.is_none_or(|until| Instant::now() >= until) => {
                    let killed = self.child.kill().and_then(|()| self.child.wait());
                    return Err(self.failed(&format!(
                        "did not end within {} s ({killed:?})",
                        DEADLINE.as_secs()
                    )));
                }
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                Err(error) => return Err(self.failed(&error.to_string())),
            }
        }
    }

    fn failed(&self, what: &str) -> Failure {
        Failure::new(
            Exit::CannotRecord,
            format!("the sidecar {what}; see {}", self.log.display()),
        )
    }
}

/// `reeved` beside this program, else in PATH.
///
/// # Errors
/// When it is in neither place.
pub fn program() -> Result<PathBuf, Failure> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|us| us.parent().map(|parent| parent.join("reeved")));
    let path = std::env::var("PATH").unwrap_or_default();
    let in_path = path
        .split(':')
        .map(Path::new)
        .filter(|d| d.is_absolute())
        .map(|d| d.join("reeved"));
    beside
        .into_iter()
        .chain(in_path)
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| {
            Failure::new(
                Exit::CannotRecord,
                "reeved is neither beside this program nor in PATH; `cargo build --release` makes both",
            )
        })
}

fn arguments(session: &Session, http: &str) -> Vec<std::ffi::OsString> {
    let mut words: Vec<std::ffi::OsString> = vec!["--dir".into(), session.record.clone().into()];
    words.extend(["--socket".into(), session.socket().into()]);
    words.extend(["--spool".into(), session.record.join("spool").into()]);
    words.extend(["--identity".into(), session.identity().into()]);
    words.extend(["--http".into(), http.into(), "--until-stdin-closes".into()]);
    words
}

fn launch(program: &Path, arguments: &[std::ffi::OsString], log: &Path) -> Result<Child, Failure> {
    let failed =
        |error: std::io::Error| Failure::new(Exit::CannotRecord, format!("{}: {error}", program.display()));
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .map_err(failed)?;
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped()) // its end tells the sidecar that we are gone, however we went
        .stdout(Stdio::piped())
        .stderr(log)
        .process_group(0) // Ctrl-C is for the agent
        .spawn()
        .map_err(failed)
}
