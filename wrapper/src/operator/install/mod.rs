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
mod told;
mod tools;
mod uninstall;
mod wish;

use super::cli::Install;
use super::{Failure, sidecar_process};
use crate::exit::Exit;
use crate::ungroup;
use audit_event::Pins;
use host::Standing;
use nix::sys::stat::{Mode, umask};
use serde::Serialize;
use state::{Entry, State, cannot};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use step::{Belongs, Step, gates, roots};
use told::Told;
use wish::Wish;

pub use layout::GROUP as GATES_GROUP;
pub use tools::{Named, is_postgres_starter, postgres_programs, versions_in};
pub use uninstall::uninstall;
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
            Ok(base16ct::lower::encode_string(&seed))
        }
        Err(error) => Err(cannot(&path, &error)),
    }
}

fn to_json<T: Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string_pretty(value)
        .map(|text| format!("{text}\n"))
        .map_err(|error| Failure::new(Exit::CannotCreate, error.to_string()))
}
