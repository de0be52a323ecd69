//! How a step stands on this host, what it takes, and how it is put back.

use super::commands;
use super::layout;
use super::state::{Entry, State, cannot};
use super::step::{Belongs, Step};
use crate::exit::Exit;
use crate::operator::Failure;
use nix::unistd::{Gid, Group, Uid, User};
use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

/// How a step stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// As it should be.
    Done,
    /// Not yet; why.
    Needed(String),
    /// Something of somebody else's is in its place; what to do.
    InTheWay(String),
}

/// How `step` stands. Changes nothing.
///
/// # Errors
/// When it cannot be found out.
pub fn look(step: &Step, state: &State) -> Result<Standing, Failure> {
    let found = match step.path().map(|path| (path, path.symlink_metadata())) {
        None => return look_at_account(step),
        Some((_, Ok(found))) => found,
        Some((_, Err(error))) if error.kind() == ErrorKind::NotFound => {
            return Ok(match step {
                Step::Access { .. } => Standing::InTheWay("it is not there".to_owned()),
                _ => Standing::Needed("it is not there".to_owned()),
            });
        }
        Some((path, Err(error))) => return Err(cannot(path, &error)),
    };
    let fault = match step {
        Step::Group { .. } | Step::User { .. } => None,
        Step::Directory { belongs, .. } if found.is_dir() => differs(&found, belongs)?,
        Step::File {
            path,
            content,
            belongs,
        } if found.is_file() => match differs(&found, belongs)? {
            None => other_content(path, content)?,
            fault => fault,
        },
        Step::Copy {
            path, from, belongs, ..
        } if found.is_file() => match differs(&found, belongs)? {
            None => other_content(path, &std::fs::read(from).map_err(|error| cannot(from, &error))?)?,
            fault => fault,
        },
        Step::Link { path, target } if found.is_symlink() => {
            let leads = std::fs::read_link(path).map_err(|error| cannot(path, &error))?;
            (leads != *target).then(|| format!("it leads to {}", leads.display()))
        }
        Step::Access { path, belongs, .. } => return look_at_access(path, belongs, &found),
        _ => {
            let why = "something else is there; move it away".to_owned();
            return Ok(Standing::InTheWay(why));
        }
    };
    Ok(match fault {
        None => Standing::Done,
        Some(why) if step.path().is_some_and(|path| state.made(path)) => Standing::Needed(why),
        Some(why) => Standing::InTheWay(format!(
            "it was there before, and {why}; make it so, or move it away"
        )),
    })
}

fn look_at_account(step: &Step) -> Result<Standing, Failure> {
    let (name, there) = match step {
        Step::User { name, .. } => (*name, user(name)?.is_some()),
        Step::Group { name } => (*name, group(name)?.is_some()),
        _ => return Ok(Standing::Done),
    };
    Ok(match there {
        true => Standing::Done,
        false => Standing::Needed(format!("there is no {name}")),
    })
}

fn look_at_access(path: &Path, belongs: &Belongs, found: &Metadata) -> Result<Standing, Failure> {
    if !found.is_file() && !found.is_dir() {
        return Ok(Standing::InTheWay(
            "it is neither a file nor a directory".to_owned(),
        ));
    }
    if let Some(why) = differs(found, belongs)? {
        return Ok(Standing::Needed(why));
    }
    let telling = commands::telling(belongs);
    if commands::is_packaged(path)? && commands::told(path)?.as_deref() != Some(&telling) {
        return Ok(Standing::Needed(
            "its package's next version would open it again".to_owned(),
        ));
    }
    Ok(Standing::Done)
}

/// What is wrong with an owner, a group or a mode.
fn differs(found: &Metadata, belongs: &Belongs) -> Result<Option<String>, Failure> {
    let owner = user(belongs.user)?.map(|user| user.uid.as_raw());
    let members = group(belongs.group)?.map(|group| group.gid.as_raw());
    let mode = found.mode() & 0o7777;
    let same = owner == Some(found.uid()) && members == Some(found.gid()) && mode == belongs.mode;
    Ok((!same).then(|| {
        format!(
            "it is {}:{} {mode:04o} and should be {belongs}",
            name_of_user(found.uid()),
            name_of_group(found.gid())
        )
    }))
}

fn other_content(path: &Path, content: &[u8]) -> Result<Option<String>, Failure> {
    let found = std::fs::read(path).map_err(|error| cannot(path, &error))?;
    Ok((found != content).then(|| "it has another content".to_owned()))
}

/// Makes it so. What is about to be made is written down first.
///
/// # Errors
/// What did not work; what was written down may be half made then, and a second run makes it whole.
pub fn carry_out(step: &Step, state: &mut State) -> Result<(), Failure> {
    match step {
        Step::Group { name } => {
            state.remember(Entry::Group {
                name: (*name).to_owned(),
            })?;
            commands::add_group(name)
        }
        Step::User { name, home } => {
            state.remember(Entry::User {
                name: (*name).to_owned(),
            })?;
            commands::add_user(name, home)
        }
        Step::Directory { path, belongs } => {
            state.remember(Entry::Directory { path: path.clone() })?;
            match DirBuilder::new().mode(0o700).create(path) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(cannot(path, &error)),
                _ => give(path, belongs),
            }
        }
        Step::File {
            path,
            content,
            belongs,
        } => {
            state.remember(Entry::File { path: path.clone() })?;
            put(path, content, belongs)
        }
        Step::Copy { path, from, belongs } => {
            let content = std::fs::read(from).map_err(|error| cannot(from, &error))?;
            state.remember(Entry::File { path: path.clone() })?;
            put(path, &content, belongs)
        }
        Step::Link { path, target } => {
            state.remember(Entry::Link { path: path.clone() })?;
            let beside = beside(path);
            remove_if_there(&beside)?;
            symlink(target, &beside)
                .and_then(|()| std::fs::rename(&beside, path))
                .map_err(|error| cannot(path, &error))
        }
        Step::Access { path, belongs, .. } => close(path, belongs, state),
    }
}

fn close(path: &Path, belongs: &Belongs, state: &mut State) -> Result<(), Failure> {
    let found = path.symlink_metadata().map_err(|error| cannot(path, &error))?;
    let dpkg = commands::is_packaged(path)?;
    state.remember(Entry::Access {
        path: path.to_owned(),
        uid: found.uid(),
        gid: found.gid(),
        mode: found.mode() & 0o7777,
        dpkg,
        told_before: if dpkg { commands::told(path)? } else { None },
    })?;
    if dpkg {
        commands::tell(path, Some(&commands::telling(belongs)))?;
    }
    give(path, belongs)
}

/// A whole new file, with its owner and mode before its name.
fn put(path: &Path, content: &[u8], belongs: &Belongs) -> Result<(), Failure> {
    let beside = beside(path);
    remove_if_there(&beside)?;
    let failed = |error: io::Error| cannot(path, &error);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    give(&beside, belongs)?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(failed)
}

/// The owner first: the kernel takes the set-group-ID bit away when that changes.
fn give(path: &Path, belongs: &Belongs) -> Result<(), Failure> {
    let missing = |what: &str| {
        Failure::new(
            Exit::CannotCreate,
            format!("{}: there is no {what}", path.display()),
        )
    };
    let owner = user(belongs.user)?.ok_or_else(|| missing(belongs.user))?;
    let members = group(belongs.group)?.ok_or_else(|| missing(belongs.group))?;
    give_to(path, owner.uid.as_raw(), members.gid.as_raw(), belongs.mode)
}

fn give_to(path: &Path, uid: u32, gid: u32, mode: u32) -> Result<(), Failure> {
    let found = path.symlink_metadata().map_err(|error| cannot(path, &error))?;
    if found.is_symlink() {
        return Err(Failure::new(
            Exit::CannotCreate,
            format!("{} has become a symbolic link", path.display()),
        ));
    }
    // Nobody gets more in between than before and after.
    let narrow = found.mode() & mode & 0o777;
    std::fs::set_permissions(path, Permissions::from_mode(narrow))
        .and_then(|()| chown(path, Some(uid), Some(gid)))
        .and_then(|()| std::fs::set_permissions(path, Permissions::from_mode(mode)))
        .map_err(|error| cannot(path, &error))
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Back {
    /// It is as it was before the installation.
    Done(String),
    /// It was not touched; why.
    Left(String),
}

/// What an entry is about, for people.
pub fn name_of(entry: &Entry) -> String {
    match entry {
        Entry::Group { name } => format!("group {name}"),
        Entry::User { name } => format!("user {name}"),
        Entry::Directory { path } => format!("directory {}", path.display()),
        Entry::File { path } | Entry::Link { path } | Entry::Access { path, .. } => {
            path.display().to_string()
        }
    }
}

/// What putting an entry back means, for people.
pub fn putting_back(entry: &Entry) -> String {
    match entry {
        Entry::Group { .. }
        | Entry::User { .. }
        | Entry::Directory { .. }
        | Entry::File { .. }
        | Entry::Link { .. } => format!("remove {}", name_of(entry)),
        Entry::Access {
            path, uid, gid, mode, ..
        } => format!(
            "{} is {}:{} {mode:04o} again",
            path.display(),
            name_of_user(*uid),
            name_of_group(*gid)
        ),
    }
}

/// Puts one thing back as it was before the installation.
///
/// # Errors
/// What did not work; the entry is to be kept then.
pub fn put_back(entry: &Entry) -> Result<Back, Failure> {
    let done = || Ok(Back::Done(putting_back(entry)));
    match entry {
        Entry::Group { name } => {
            if group(name)?.is_some() {
                commands::remove_group(name)?;
            }
            done()
        }
        Entry::User { name } => {
            if user(name)?.is_some() {
                commands::remove_user(name)?;
            }
            // Its own group goes with it only where the host is set up so.
            if group(name)?.is_some() {
                commands::remove_group(name)?;
            }
            done()
        }
        Entry::File { path } | Entry::Link { path } => {
            remove_if_there(&beside(path))?;
            remove_if_there(path)?;
            done()
        }
        Entry::Directory { path } => {
            // Only what the tools or the sidecar have made is in these.
            let whole = path.starts_with(layout::HOME) || path.starts_with(layout::RECORD);
            let removed = if whole {
                std::fs::remove_dir_all(path)
            } else {
                std::fs::remove_dir(path)
            };
            match removed {
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {
                    Ok(Back::Left(format!("{}: something else is in it", path.display())))
                }
                Err(error) if error.kind() != ErrorKind::NotFound => Err(cannot(path, &error)),
                _ => done(),
            }
        }
        Entry::Access {
            path,
            uid,
            gid,
            mode,
            dpkg,
            told_before,
        } => {
            if *dpkg {
                commands::tell(path, told_before.as_deref())?;
            }
            match path.symlink_metadata() {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Ok(Back::Left(format!("{} is not there any more", path.display())));
                }
                Err(error) => return Err(cannot(path, &error)),
                Ok(_) => give_to(path, *uid, *gid, *mode)?,
            }
            done()
        }
    }
}

/// The name that a file has until it is whole.
fn beside(path: &Path) -> PathBuf {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    path.with_file_name(format!(".{name}.new"))
}

fn remove_if_there(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(cannot(path, &error))
        }
        _ => Ok(()),
    }
}

/// The user of a name.
///
/// # Errors
/// When the accounts cannot be read.
pub fn user(name: &str) -> Result<Option<User>, Failure> {
    User::from_name(name)
        .map_err(|errno| Failure::new(Exit::Configuration, format!("user {name}: {}", errno.desc())))
}

/// The group of a name.
///
/// # Errors
/// When the accounts cannot be read.
pub fn group(name: &str) -> Result<Option<Group>, Failure> {
    Group::from_name(name)
        .map_err(|errno| Failure::new(Exit::Configuration, format!("group {name}: {}", errno.desc())))
}

fn name_of_user(uid: u32) -> String {
    let known = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    known.map_or_else(|| uid.to_string(), |user| user.name)
}

fn name_of_group(gid: u32) -> String {
    let known = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
    known.map_or_else(|| gid.to_string(), |group| group.name)
}
