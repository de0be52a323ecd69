//! Stands before the programs that a governed tool may start for the caller (git, ssh, pagers, editors), and starts the real one
//! without the gate's group.
//!
//! gh runs git in the caller's checkout, and git runs what the checkout's configuration says: a file-system monitor, filters,
//! hooks. A pager shows any file that is asked for. With the gate's group these would be a way to the credentials, so on an
//! installed host the tools' PATH begins with a directory that has links to a copy of this program by those names. The copy is
//! not set-group-ID and has no rights of its own: called by anybody else it does nothing that the caller could not.

use crate::exit::Exit;
use crate::tool_path::{FileId, NoTool, RealTool};
use crate::{gate, privilege, sys};
use argv::environment;
use nix::unistd::{User, getuid};
use std::ffi::{CString, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// What the copy is called.
pub const NAME: &str = "ungroup";
/// The names of its links: what kubectl, aws and gh were seen to start, or say that they may. Shells are not among them, for
/// dash and bash give up such a group by themselves.
pub const NAMES: &[&str] = &[
    "diff",
    "docker",
    "ed",
    "editor",
    "emacs",
    "ex",
    "git",
    "glow",
    "gpg",
    "groff",
    "less",
    "man",
    "mandoc",
    "more",
    "most",
    "nano",
    "open",
    "pager",
    "scp",
    "sensible-browser",
    "sensible-editor",
    "sensible-pager",
    "session-manager-plugin",
    "ssh",
    "ssh-keygen",
    "tar",
    "vi",
    "view",
    "vim",
    "vimdiff",
    "wslview",
    "www-browser",
    "x-www-browser",
    "xdg-open",
];

/// Whether this process is such a copy, started by a tool.
pub fn is_asked_for() -> bool {
    privilege::is_lent()
        && std::env::current_exe().is_ok_and(|program| program.file_name().is_some_and(|name| name == NAME))
}

/// Becomes the real program, without the group; returns only when that fails.
pub fn run(args: Vec<OsString>) -> i32 {
    match become_real(args) {
        Ok(never) => match never {},
        Err((message, exit)) => {
            gate::warn(&message);
            exit.code()
        }
    }
}

fn become_real(args: Vec<OsString>) -> Result<std::convert::Infallible, (String, Exit)> {
    let system = |error: std::io::Error| (error.to_string(), Exit::NotExecutable);
    privilege::give_up().map_err(system)?;
    // What the gate left open for the tool is not for what the tool starts: the kubeconfig may be among it.
    sys::close_from(3).map_err(system)?;
    let name = args
        .first()
        .map(Path::new)
        .and_then(Path::file_name)
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let path = std::env::var("PATH").unwrap_or_default();
    let ourselves = FileId::of_this_program().map_err(system)?;
    let RealTool { path: real, .. } =
        RealTool::find(name, &path, ourselves).map_err(|error| match error {
            NoTool::NotFound { .. } => (format!("{name}: not found in `{path}`"), Exit::NotFound),
            other => (other.to_string(), Exit::NotExecutable),
        })?;
    let text = |bytes: Vec<u8>| CString::new(bytes).map_err(|error| system(error.into()));
    let file = text(real.as_os_str().as_bytes().to_vec())?;
    let words = args
        .into_iter()
        .map(|word| text(word.into_vec()))
        .collect::<Result<Vec<_>, _>>()?;
    // The tools' HOME is closed to the caller, and git ends where it cannot look into it.
    let home = User::from_uid(getuid())
        .ok()
        .flatten()
        .map(|user| ("HOME".into(), user.dir.into_os_string()));
    let variables = std::env::vars_os()
        .filter(|(name, _)| name != "HOME" && !environment::is_secret(&name.to_string_lossy()))
        .chain(home)
        .map(|(name, value)| text([name.as_bytes(), b"=", value.as_bytes()].concat()))
        .collect::<Result<Vec<_>, _>>()?;
    nix::unistd::execve(&file, &words, &variables).map_err(|errno| {
        (
            format!("{}: {}", real.display(), errno.desc()),
            Exit::NotExecutable,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_governed_tool_is_among_the_names() {
        assert!(NAMES.is_sorted());
        assert!(NAMES.iter().all(|name| argv::Tool::named(name).is_none()));
    }
}
