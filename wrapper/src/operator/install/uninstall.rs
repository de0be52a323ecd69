//! `reeve uninstall`: puts everything back as it was before `reeve install`.

use super::host::{self, Back};
use super::layout;
use super::state::{Entry, State};
use super::told::Told;
use super::wish;
use crate::exit::Exit;
use crate::operator::Failure;
use crate::operator::cli::Uninstall;
use std::path::Path;

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
