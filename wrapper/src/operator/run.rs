//! `reeve run`: a session around one command.

use super::cli::{Judged, Run};
use super::ledger::{self, LedgerError};
use super::session::Session;
use super::sidecar_process::SidecarProcess;
use super::{Failure, audit};
use crate::configuration;
use crate::exit::Exit;
use crate::supervise::{self, Beside, Ended, Start, SuperviseError};
use crate::sys::{self, Inherited, Program};
use audit_event::verify::{Fault, Report, State};
use policies::{Level, Track};
use std::ffi::{CString, OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Runs the command inside a new session; returns the command's own exit status.
///
/// # Errors
/// When the session cannot be set up: then nothing ran.
pub fn run(options: &Run) -> Result<i32, Failure> {
    let inherited = sys::prepare().map_err(|error| Failure::new(Exit::CannotCreate, error.to_string()))?;
    refuse_nesting()?;
    let (level, track) = wanted(&options.judged)?;
    let session = Session::create(options, level, track)?;
    let ran = inside(&session, options, &inherited);
    let account = ran.is_ok().then(|| ledger::verify(&session.record, &[]));
    if let Some(account) = &account {
        summarise(&session, options, account);
    }
    let removed = session.remove();
    let Ran { ended, stopped } = ran?;
    for failure in [stopped.err(), removed.err()].into_iter().flatten() {
        crate::gate::warn(&failure.message);
    }
    if account.is_some_and(|account| account.is_ok_and(|findings| findings.verify == State::Tampered)) {
        return Ok(Exit::Tampered.code());
    }
    match ended {
        Ok((ended, _)) => Ok(ended.mirror()),
        Err(SuperviseError::NotStarted(errno)) => Err(Failure::new(
            if errno == nix::errno::Errno::ENOENT {
                Exit::NotFound
            } else {
                Exit::NotExecutable
            },
            format!(
                "{}: {}",
                options
                    .command
                    .first()
                    .map(|word| word.to_string_lossy())
                    .unwrap_or_default(),
                errno.desc()
            ),
        )),
        Err(error) => Err(Failure::new(Exit::CannotRecord, error.to_string())),
    }
}

/// What became of the command, and of the sidecar after it.
struct Ran {
    ended: Result<(Ended, Duration), SuperviseError>,
    stopped: Result<(), Failure>,
}

/// Sidecar up, command to its end, sidecar down.
fn inside(session: &Session, options: &Run, inherited: &Inherited) -> Result<Ran, Failure> {
    let mut company = Company {
        sidecar: SidecarProcess::start(session, &options.http)?,
    };
    let program = match program(options, session, &company.sidecar) {
        Ok(program) => program,
        Err(failure) => {
            company.sidecar.stop()?;
            return Err(failure);
        }
    };
    let ended = supervise::run(Start::Program(&program, inherited), &mut company);
    Ok(Ran {
        ended,
        stopped: company.sidecar.stop(),
    })
}

/// What the operator asked for, by flags or by the environment that the agents' images use.
pub fn wanted(judged: &Judged) -> Result<(Level, Option<Track>), Failure> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let bad = |name: &str, value: &str| {
        Failure::new(
            Exit::Configuration,
            format!("{name} is `{value}`, which is not understood"),
        )
    };
    let level = match (judged.level, variable("HERMES_LAB_GOVERNANCE")) {
        (Some(level), _) => level,
        (None, Some(text)) => text.parse().map_err(|_| bad("HERMES_LAB_GOVERNANCE", &text))?,
        (None, None) => Level::L2,
    };
    let track = match (&judged.track, variable("HERMES_LAB_TRACK")) {
        (Some(track), _) => Some(track.clone()),
        (None, Some(text)) => Some(text.parse().map_err(|_| bad("HERMES_LAB_TRACK", &text))?),
        (None, None) => None,
    };
    Ok((level, track))
}

/// An agent inside a session must not open a session of its own choosing.
fn refuse_nesting() -> Result<(), Failure> {
    let refused = |why: &str| {
        Err(Failure::new(
            Exit::Refused,
            format!("{why}; a session inside a session is refused, for it could widen it"),
        ))
    };
    if configuration::session_file().ok().flatten().is_some() {
        return refused("this program belongs to a session");
    }
    let mut pid = nix::unistd::getppid().as_raw();
    for _ in 0..64 {
        if pid <= 1 {
            break;
        }
        let name = std::fs::read_link(format!("/proc/{pid}/exe")).ok();
        let name = name
            .as_deref()
            .and_then(Path::file_name)
            .and_then(OsStr::to_str)
            .unwrap_or_default();
        if matches!(name.trim_end_matches(" (deleted)"), "reeve" | ".reeve") {
            return refused(&format!("process {pid}, an ancestor, is `{name}`"));
        }
        pid = parent_of(pid).unwrap_or(0);
    }
    Ok(())
}

fn parent_of(pid: i32) -> Option<i32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))?
        .trim()
        .parse()
        .ok()
}

/// The agent's command with the shims in front of PATH.
fn program(options: &Run, session: &Session, sidecar: &SidecarProcess) -> Result<Program, Failure> {
    let (Some(name), nul) = (options.command.first(), |_| {
        Failure::new(Exit::Usage, "a word contains a NUL byte")
    }) else {
        return Err(Failure::new(Exit::Usage, "no command"));
    };
    let path = path_with_shims(session);
    let file = locate(name, &path).ok_or_else(|| {
        Failure::new(
            Exit::NotFound,
            format!("{}: not found in PATH", name.to_string_lossy()),
        )
    })?;
    let c_string = |bytes: Vec<u8>| CString::new(bytes).map_err(nul);
    Ok(Program {
        path: c_string(file.into_os_string().into_vec())?,
        file: None,
        args: options
            .command
            .iter()
            .map(|word| c_string(word.as_bytes().to_vec()))
            .collect::<Result<_, _>>()?,
        environment: environment(session, sidecar, path)
            .into_iter()
            .map(|entry| c_string(entry).map(Into::into))
            .collect::<Result<_, _>>()?,
    })
}

fn path_with_shims(session: &Session) -> OsString {
    let mut path = session.shims().into_os_string();
    if let Some(old) = std::env::var_os("PATH").filter(|old| !old.is_empty()) {
        path.push(":");
        path.push(old);
    }
    path
}

/// As `execvp` would find it.
fn locate(name: &OsStr, path: &OsStr) -> Option<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(name));
    }
    std::env::split_paths(path)
        .map(|directory| directory.join(name))
        .find(|file| {
            std::fs::metadata(file)
                .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        })
}

fn environment(session: &Session, sidecar: &SidecarProcess, path: OsString) -> Vec<Vec<u8>> {
    let mut variables: std::collections::BTreeMap<OsString, OsString> = std::env::vars_os().collect();
    let mut set = |name: &str, value: OsString| variables.insert(name.into(), value);
    set("PATH", path);
    set("REEVE_SESSION", session.id.clone().into());
    set("REEVE_SOCKET", session.socket().into());
    set("REEVE_METRICS", format!("http://{}", sidecar.http).into());
    set("REEVE_SIDECAR_PID", sidecar.id().to_string().into());
    set("HERMES_LAB_GOVERNANCE", session.level.to_string().into());
    set(
        "HERMES_LAB_TRACK",
        session
            .track
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default()
            .into(),
    );
    variables
        .into_iter()
        .map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat())
        .collect()
}

/// While the agent runs, its sidecar is kept alive.
struct Company {
    sidecar: SidecarProcess,
}

impl Beside for Company {
    fn child_ended(&mut self) {
        self.sidecar.revive();
    }
}

/// The short account at the end, on stderr.
fn summarise(session: &Session, options: &Run, account: &Result<Report, LedgerError>) {
    let text = match account {
        Ok(findings) if options.json => json(session, findings),
        Ok(findings) => words(session, options, findings),
        Err(error) => format!("reeve: the record cannot be read: {error}\n"),
    };
    let _nobody_left = std::io::stderr().write_all(text.as_bytes());
}

fn words(session: &Session, options: &Run, findings: &Report) -> String {
    let track = session
        .track
        .as_ref()
        .map(|track| format!(", {track}"))
        .unwrap_or_default();
    let what = |fault: Option<&Fault>| fault.map(|fault| fault.what.clone()).unwrap_or_default();
    let state = match (findings.verify, findings.fault.as_ref()) {
        (State::Sealed, _) => "sealed, and its hash chain and signatures verify".to_owned(),
        (State::Unsealed, fault) => format!("NOT SEALED: {}", what(fault)),
        (State::Tampered, Some(fault)) => {
            format!("TAMPERED WITH: {}:{}: {}", fault.file, fault.line, fault.what)
        }
        (State::Tampered | State::Unreadable, fault) => format!("CANNOT BE READ: {}", what(fault)),
    };
    format!(
        "reeve: session at {}{track} (profile {}): {} allowed, {} refused, {} held\n\
         reeve: record {}: {} records, {state}\n",
        session.level,
        options.profile,
        findings.allowed,
        findings.blocked,
        findings.escalated,
        session.record.display(),
        findings.records,
    )
}

fn json(session: &Session, findings: &Report) -> String {
    let summary = serde_json::json!({
        "session": session.id,
        "level": session.level.to_string(),
        "track": session.track.as_ref().map(ToString::to_string),
        "allowed": findings.allowed,
        "blocked": findings.blocked,
        "escalated": findings.escalated,
        "events": findings.events,
        "record": session.record,
        "verify": findings.verify,
        "verify_exit": audit::exit_of(findings).code(),
        "fault": findings.fault,
    });
    format!("{summary}\n")
}
