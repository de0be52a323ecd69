//! `reeve install`: makes a host on which the agent's user gets to the tools and the credentials through the gate only.
//!
//! What is wanted is checked whole (`wish`) and becomes a list of steps (`step`), each of which is compared with
//! the host (`host`) before it is carried out. So a second run changes nothing, and one after a crash does what was left.
//! The tools are closed before the gate's orders are written: half an installation keeps the agent out.

mod commands;
mod host;
mod layout;
mod orders;
mod places;
mod state;
mod step;
mod tools;
mod wish;

use super::cli::{Install, Uninstall};
use super::{Failure, print, sidecar_process};
use crate::exit::Exit;
use crate::ungroup;
use audit_event::Pins;
use host::{Back, Standing};
use nix::sys::stat::{Mode, umask};
use serde::Serialize;
use state::{Entry, State, cannot};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use step::{Belongs, Step, gates, roots};
use wish::Wish;

pub use layout::GROUP as GATES_GROUP;
pub use tools::{Named, is_postgres_starter, postgres_programs, versions_in};
pub use wish::POWERFUL_GROUPS;

/// `reeve install`: exit 0 when the host is as it should be, or would be.
///
/// # Errors
/// What forbids it (nothing was changed then), or what did not work (it says what state is left).
pub fn install(options: &Install) -> Result<i32, Failure> {
    let wish = Wish::read(options, sidecar_process::program()?)?;
    umask(Mode::from_bits_truncate(0o022));
    let told = Told {
        json: options.json,
        dry_run: options.dry_run,
    };
    let state = State::look()?;
    let known = read_by_all(&wish)?;
    let accounts_and_files = steps(&wish);
    refuse_obstacles(&accounts_and_files, &state)?;
    if options.dry_run {
        let mut all = accounts_and_files;
        all.extend(last_steps(&wish)?);
        refuse_obstacles(&all, &state)?;
        let mut changes = 0_usize;
        for step in &all {
            changes = changes.saturating_add(usize::from(told.step(step, &host::look(step, &state)?)?));
        }
        for entry in left_over(&all, &state) {
            changes = changes.saturating_add(1);
            told.line("change", &host::putting_back(entry), "it is not wanted any more")?;
        }
        return told.end(changes, &wish, &known);
    }
    drop(state);
    let mut state = State::open()?;
    let changes = fulfil(&wish, &accounts_and_files, &mut state, &told).map_err(half_done)?;
    told.end(changes, &wish, &known)
}

/// Credentials that are open to the agent until now: closing them does not take back what was read.
fn read_by_all(wish: &Wish) -> Result<Vec<PathBuf>, Failure> {
    let agents = (wish.agent.uid.as_raw(), wish.agent.gid.as_raw());
    let mut known = Vec::new();
    for path in &wish.credentials {
        let found = path.symlink_metadata().map_err(|error| cannot(path, &error))?;
        let mode = found.mode();
        let open = mode & 0o004 != 0
            || mode & 0o400 != 0 && found.uid() == agents.0
            || mode & 0o040 != 0 && found.gid() == agents.1;
        if open {
            known.push(path.clone());
        }
    }
    Ok(known)
}

fn fulfil(wish: &Wish, steps: &[Step], state: &mut State, told: &Told) -> Result<usize, Failure> {
    let mut changes = 0_usize;
    let mut carry_out = |step: &Step, state: &mut State| -> Result<(), Failure> {
        let standing = host::look(step, state)?;
        match &standing {
            Standing::Done => {}
            Standing::Needed(_) => host::carry_out(step, state)?,
            Standing::InTheWay(why) => {
                return Err(Failure::new(Exit::CannotCreate, format!("{step}: {why}")));
            }
        }
        changes = changes.saturating_add(usize::from(told.step(step, &standing)?));
        Ok(())
    };
    for step in steps {
        carry_out(step, state)?;
    }
    let last = last_steps(wish)?;
    for step in &last {
        carry_out(step, state)?;
    }
    let all: Vec<Step> = steps.iter().cloned().chain(last).collect();
    let entries: Vec<Entry> = left_over(&all, state).cloned().collect();
    for entry in entries.iter().rev() {
        let back = host::put_back(entry)?;
        state.forget(entry)?;
        changes = changes.saturating_add(1);
        told.back(&back, "it is not wanted any more")?;
    }
    Ok(changes)
}

/// What an earlier installation made, and this one does not want.
fn left_over<'a>(wanted: &'a [Step], state: &'a State) -> impl DoubleEndedIterator<Item = &'a Entry> {
    state.entries().iter().filter(|entry| {
        entry.path().is_some_and(|path| {
            path != Path::new(layout::ETC) && !wanted.iter().any(|step| step.path() == Some(path))
        })
    })
}

fn half_done(failure: Failure) -> Failure {
    Failure {
        message: format!(
            "{}\nwhat was done until here stays done, and is in {}/install.json: run `reeve install` again to go on, or \
             `reeve uninstall` to put everything back",
            failure.message,
            layout::ETC
        ),
        ..failure
    }
}

fn refuse_obstacles(steps: &[Step], state: &State) -> Result<(), Failure> {
    let mut said = Vec::new();
    for step in steps {
        if let Standing::InTheWay(why) = host::look(step, state)? {
            said.push(format!("{step}: {why}"));
        }
    }
    if said.is_empty() {
        return Ok(());
    }
    said.push("nothing was changed".to_owned());
    Err(Failure::new(Exit::CannotCreate, said.join("\n")))
}

/// Everything but what depends on the tools' last state.
fn steps(wish: &Wish) -> Vec<Step> {
    let directory = |path: PathBuf, belongs: Belongs| Step::Directory { path, belongs };
    let sidecars = Belongs {
        user: layout::SIDECAR,
        group: layout::SIDECAR,
        mode: 0o750,
    };
    let mut steps = vec![
        Step::Group { name: layout::GROUP },
        Step::User {
            name: layout::SIDECAR,
            home: layout::RECORD,
        },
        directory(layout::RECORD.into(), sidecars),
    ];
    steps.extend(
        ["", "bin", "shims", "tools", "ungrouped"].map(|below| directory(library(below), roots(0o755))),
    );
    steps.extend(programs(wish));
    steps.extend(links(wish));
    steps.extend(home());
    let access = |path: &PathBuf, mode: u32, what: String| Step::Access {
        path: path.clone(),
        belongs: gates(mode),
        what,
    };
    for governed in &wish.tools {
        let copies = governed.copies.iter();
        steps.extend(copies.map(|copy| access(copy, 0o750, format!("tool {}:", governed.tool))));
    }
    for path in &wish.credentials {
        let mode = if path.is_dir() { 0o750 } else { 0o640 };
        steps.push(access(path, mode, "credentials".to_owned()));
    }
    steps
}

fn library(below: &str) -> PathBuf {
    match below {
        "" => layout::LIBRARY.into(),
        below => layout::library(below),
    }
}

fn programs(wish: &Wish) -> [Step; 3] {
    let copy = |name: &str, from: PathBuf, belongs: Belongs| Step::Copy {
        path: layout::library("bin").join(name),
        from,
        belongs,
    };
    let us = || PathBuf::from("/proc/self/exe");
    [
        copy("reeved", wish.sidecar.clone(), roots(0o755)),
        copy(ungroup::NAME, us(), roots(0o755)),
        copy("reeve", us(), gates(0o2755)),
    ]
}

fn links(wish: &Wish) -> Vec<Step> {
    let link = |below: &str, name: &str, target: PathBuf| Step::Link {
        path: layout::library(below).join(name),
        target,
    };
    let tools = || wish.tools.iter().map(|governed| (governed.tool.name(), governed));
    let mut links: Vec<Step> = ungroup::NAMES
        .iter()
        .filter(|name| tools().all(|(tool, _)| tool != **name))
        .map(|name| link("ungrouped", name, "../bin/ungroup".into()))
        .collect();
    links.extend(tools().map(|(name, governed)| link("tools", name, governed.real.clone())));
    links.extend(tools().map(|(name, _)| link("shims", name, "../bin/reeve".into())));
    links.push(link("shims", "reeve", "../bin/reeve".into()));
    links
}

/// The tools' HOME. Nothing in it that a tool is configured with may be the agent's to write, and the tool has the agent's
/// user: so what they write into has the gate's group, below a directory that the agent cannot enter.
fn home() -> Vec<Step> {
    let home = Path::new(layout::HOME);
    let mut directories = std::collections::BTreeMap::from([(home.to_owned(), gates(0o750))]);
    for cache in layout::CACHES {
        let path = home.join(cache);
        let above = path.ancestors().skip(1).take_while(|above| *above != home);
        directories.extend(above.map(|above| (above.to_owned(), gates(0o750))));
        directories.insert(path, gates(0o2770));
    }
    directories
        .into_iter()
        .map(|(path, belongs)| Step::Directory { path, belongs })
        .collect()
}

/// What is written when the tools are closed.
fn last_steps(wish: &Wish) -> Result<Vec<Step>, Failure> {
    let file = |path: PathBuf, content: String, belongs: Belongs| Step::File {
        path,
        content: content.into_bytes(),
        belongs,
    };
    let key = redaction_key()?;
    let mut steps = vec![file(layout::etc("redaction.key"), key.clone(), roots(0o600))];
    for (level, policy) in &wish.policies {
        let path = layout::etc(&orders::policy_name(*level));
        steps.push(file(path, policy.text.clone(), roots(0o644)));
    }
    let pins: Pins = orders::pins(wish);
    steps.push(file(layout::etc("identity.json"), to_json(&pins)?, roots(0o644)));
    if Path::new(layout::LOGIN_SCRIPT).parent().is_some_and(Path::is_dir) {
        let script = orders::login_script(wish);
        steps.push(file(layout::LOGIN_SCRIPT.into(), script, roots(0o644)));
    }
    if wish.has_systemd {
        steps.push(file(layout::UNIT.into(), orders::unit(), roots(0o644)));
    }
    let orders = to_json(&orders::orders(wish, &key)?)?;
    steps.push(file(layout::orders(), orders, gates(0o640)));
    Ok(steps)
}

/// The key that is there, or a new one.
fn redaction_key() -> Result<String, Failure> {
    let path = layout::etc("redaction.key");
    match std::fs::read_to_string(&path) {
        Ok(key) => Ok(key),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut seed = [0_u8; 32];
            let mut random = std::fs::File::open("/dev/urandom").map_err(|error| cannot(&path, &error))?;
            random
                .read_exact(&mut seed)
                .map_err(|error| cannot(&path, &error))?;
            Ok(seed.iter().map(|byte| format!("{byte:02x}")).collect())
        }
        Err(error) => Err(cannot(&path, &error)),
    }
}

fn to_json<T: Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string_pretty(value)
        .map(|text| format!("{text}\n"))
        .map_err(|error| Failure::new(Exit::CannotCreate, error.to_string()))
}

/// `reeve uninstall`: everything as it was before; exit 1 when something could not be.
///
/// # Errors
/// What did not work; everything else that is left is still written down.
pub fn uninstall(options: &Uninstall) -> Result<i32, Failure> {
    wish::only_root("reeve uninstall")?;
    let told = Told {
        json: options.json,
        dry_run: options.dry_run,
    };
    let looked_at = State::look()?;
    if looked_at.entries().is_empty() {
        told.words("nothing is installed here, and nothing was changed\n")?;
        return Ok(Exit::Ok.code());
    }
    if std::os::unix::net::UnixStream::connect(layout::SOCKET).is_ok() {
        return Err(Failure::new(
            Exit::CannotCreate,
            "the sidecar is running; stop it first: `systemctl disable --now reeved`, or end the process that was started for \
             it\nnothing was changed",
        ));
    }
    let kept = |entry: &Entry| !options.purge && stays(entry);
    if options.dry_run {
        for entry in looked_at.entries().iter().rev() {
            match kept(entry) {
                true => told.line("keep", &host::name_of(entry), "--purge would remove it")?,
                false => told.line("change", &host::putting_back(entry), "")?,
            }
        }
        return Ok(Exit::Ok.code());
    }
    drop(looked_at);
    let mut state = State::open()?;
    let mut left = 0_usize;
    let entries: Vec<Entry> = state.entries().iter().rev().cloned().collect();
    for entry in entries
        .iter()
        .filter(|entry| entry.path() != Some(Path::new(layout::ETC)))
    {
        if kept(entry) {
            told.line("keep", &host::name_of(entry), "--purge would remove it")?;
            continue;
        }
        let back = host::put_back(entry)?;
        left = left.saturating_add(usize::from(matches!(back, Back::Left(_))));
        told.back(&back, "")?;
        state.forget(entry)?;
    }
    end_of_state(&state, &told)?;
    Ok(if left == 0 { Exit::Ok } else { Exit::Found }.code())
}

/// The last of it: the directory that the state itself is in.
fn end_of_state(state: &State, told: &Told) -> Result<(), Failure> {
    match state.entries() {
        [] => state.remove_file(),
        [only] if only.path() == Some(Path::new(layout::ETC)) => {
            state.remove_file()?;
            told.back(&host::put_back(only)?, "")
        }
        _ => told.words(&format!(
            "the record in {} and what belongs to it stay; `reeve uninstall --purge` removes them\n",
            layout::RECORD
        )),
    }
}

/// What a record needs: itself, its owner, its key.
fn stays(entry: &Entry) -> bool {
    match entry {
        Entry::User { name } => name == layout::SIDECAR,
        Entry::Directory { path } => path == Path::new(layout::RECORD) || path == Path::new(layout::ETC),
        Entry::File { path } => *path == layout::etc("redaction.key"),
        _ => false,
    }
}

/// Says what is done, while it is done.
struct Told {
    json: bool,
    dry_run: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    /// `keep` or `change`.
    action: &'a str,
    what: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    why: &'a str,
    /// Whether it was done, or only would be.
    done: bool,
}

impl Told {
    /// Whether it is a change.
    fn step(&self, step: &Step, standing: &Standing) -> Result<bool, Failure> {
        match standing {
            Standing::Done => self.line("keep", &step.to_string(), "").map(|()| false),
            Standing::Needed(why) | Standing::InTheWay(why) => {
                self.line("change", &step.to_string(), why).map(|()| true)
            }
        }
    }

    fn back(&self, back: &Back, why: &str) -> Result<(), Failure> {
        match back {
            Back::Done(what) => self.line("change", what, why),
            Back::Left(what) => self.line("left", what, why),
        }
    }

    fn line(&self, action: &str, what: &str, why: &str) -> Result<(), Failure> {
        if self.json {
            let line = Line {
                action,
                what,
                why,
                done: !self.dry_run && action == "change",
            };
            let text = serde_json::to_string(&line)
                .map_err(|error| Failure::new(Exit::CannotCreate, error.to_string()))?;
            return print(&format!("{text}\n"));
        }
        let done = match (action, self.dry_run) {
            ("change", true) => "would do",
            ("change", false) => "done",
            (other, _) => other,
        };
        let why = if why.is_empty() {
            String::new()
        } else {
            format!(": {why}")
        };
        print(&format!("{done:<9} {what}{why}\n"))
    }

    fn words(&self, text: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { print(text) }
    }

    fn end(&self, changes: usize, wish: &Wish, known: &[PathBuf]) -> Result<i32, Failure> {
        let changed = match (changes, self.dry_run) {
            (0, _) => "nothing to change: everything is as it should be".to_owned(),
            (count, true) => format!("{count} would be changed; nothing was"),
            (count, false) => format!("{count} changed"),
        };
        let start = if wish.has_systemd {
            "systemctl daemon-reload && systemctl enable --now reeved".to_owned()
        } else {
            format!(
                "{} && setpriv --reuid {user} --regid {user} --clear-groups --no-new-privs {} &",
                orders::socket_directory(),
                orders::sidecar_words(),
                user = layout::SIDECAR
            )
        };
        for path in known {
            self.words(&format!(
                "{} could be read by the agent until now: have what is in it issued anew, and end the agent's processes\n",
                path.display()
            ))?;
        }
        let runs = std::os::unix::net::UnixStream::connect(layout::SOCKET).is_ok();
        if runs && changes > 0 && !self.dry_run {
            self.words("the sidecar still runs with what was before: restart it\n")?;
        }
        self.words(&format!(
            "{changed}\n\n\
             The sidecar must run, or nothing runs for the agent:\n  {start}\n\
             In the agent's environment, where no login shell sets it:\n  PATH={shims}:$PATH\n\
             Then look, as the agent's user:\n  setpriv --reuid {agent} --regid {gid} --init-groups {shims}/reeve doctor\n",
            shims = crate::configuration::INSTALLED_SHIMS,
            agent = wish.agent.name,
            gid = wish.agent.gid
        ))?;
        Ok(Exit::Ok.code())
    }
}
