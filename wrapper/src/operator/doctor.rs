//! `reeve doctor`: what an agent with this user's rights could still do past the gate, and how to close it.
//!
//! It looks and changes nothing. Run it as the user that the agent has: access is asked of the kernel, for that user.

use super::cli::Doctor;
use super::install::{GATES_GROUP, POWERFUL_GROUPS, is_postgres_starter, postgres_programs, versions_in};
use super::{Failure, doctor_host, print};
use crate::configuration::{HOST_FILE, session_file};
use crate::exit::Exit;
use crate::tool_files;
use crate::tool_path::{FileId, RealTool};
use argv::{Tool, environment};
use nix::unistd::{AccessFlags, access};
use serde::Serialize;
use std::collections::BTreeSet;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// Directories that have programs besides those of PATH.
const MORE_DIRECTORIES: [&str; 9] = [
    "/bin",
    "/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/snap/bin",
    "/opt/bin",
    "/usr/lib/google-cloud-sdk/bin",
];
/// The same below the home directory.
const MORE_BELOW_HOME: [&str; 6] = [
    "bin",
    ".local/bin",
    ".krew/bin",
    ".asdf/shims",
    ".nix-profile/bin",
    "go/bin",
];
/// Credentials that programs other than the gate can use, below the home directory or absolute.
const CREDENTIALS: [&str; 10] = [
    "/var/run/secrets/kubernetes.io/serviceaccount/token",
    "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
    "/etc/kubernetes/admin.conf",
    "/etc/rancher/k3s/k3s.yaml",
    ".aws/sso/cache",
    ".aws/cli/cache",
    ".netrc",
    ".git-credentials",
    ".docker/config.json",
    ".config/gcloud",
];
/// Sockets behind which somebody with more rights does what they are told.
const SOCKETS: [&str; 6] = [
    "/var/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/podman/podman.sock",
    "/run/libpod/libpod.sock",
];

/// What no look at files and rights can tell.
const NOT_LOOKED_AT: &str = "not looked at: the network (a cloud's metadata at 169.254.169.254, a kubelet, a proxy), what any program \
that the agent brings could do with credentials that it finds elsewhere, and other hosts\n";

/// What a finding is about: a closed set, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    User,
    Gate,
    RealTool,
    Credential,
    Governance,
    Socket,
    Helper,
}

/// A way past the gate that is open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    about: About,
    what: String,
    remedy: String,
}

/// `reeve doctor`: exit 0 when nothing is open, 1 otherwise.
///
/// # Errors
/// When the output cannot be written.
pub fn doctor(options: &Doctor) -> Result<i32, Failure> {
    let mut findings: Vec<Finding> = [
        user(),
        gates(),
        real_tools(),
        credentials(),
        governance(),
        sockets(),
        doctor_host::look(),
    ]
    .into_iter()
    .flatten()
    .collect();
    findings.sort();
    findings.dedup();
    let mut text = String::new();
    for finding in &findings {
        if options.json {
            let line = serde_json::to_string(finding)
                .map_err(|error| Failure::new(Exit::CannotCreate, error.to_string()))?;
            text.push_str(&format!("{line}\n"));
        } else {
            text.push_str(&format!("open: {}\n      {}\n", finding.what, finding.remedy));
        }
    }
    if !options.json {
        text.push_str(NOT_LOOKED_AT);
        text.push_str(&match findings.len() {
            0 => "nothing is open that this program knows of\n".to_owned(),
            count => format!("{count} open\n"),
        });
    }
    print(&text)?;
    Ok(if findings.is_empty() {
        Exit::Ok
    } else {
        Exit::Found
    }
    .code())
}

/// A finding.
pub fn finding(about: About, what: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding {
        about,
        what: what.into(),
        remedy: remedy.into(),
    }
}

/// Whether the kernel would let this user.
pub fn may(path: &Path, how: AccessFlags) -> bool {
    access(path, how).is_ok()
}

fn user() -> Vec<Finding> {
    let mut found = Vec::new();
    if nix::unistd::getuid().is_root() {
        found.push(finding(
            About::User,
            "this user is root, from whom nothing can be kept",
            "give the agent a user of its own, and run this as that user",
        ));
    }
    let mut groups = nix::unistd::getgroups().unwrap_or_default();
    groups.push(nix::unistd::getgid());
    for group in groups {
        let name = nix::unistd::Group::from_gid(group)
            .ok()
            .flatten()
            .map(|group| group.name)
            .unwrap_or_default();
        let why = if name == GATES_GROUP {
            "whose members may start the real tools and read the credentials"
        } else if POWERFUL_GROUPS.contains(&name.as_str()) {
            "which is as good as root, or reads what root does"
        } else {
            continue;
        };
        found.push(finding(
            About::User,
            format!("this user is in the group `{name}`, {why}"),
            format!("take the agent's user out of it: `gpasswd -d USER {name}`"),
        ));
    }
    found
}

/// The tools' names in PATH that lead past the gate.
fn gates() -> Vec<Finding> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut found = Vec::new();
    for tool in Tool::ALL {
        let first = std::env::split_paths(&path)
            .map(|directory| directory.join(tool.name()))
            .find(|file| file.is_file() && may(file, AccessFlags::X_OK));
        match first {
            Some(file) if is_a_way_past(&file) => found.push(finding(
                About::Gate,
                format!("`{tool}` in PATH is {}, which is not the gate", file.display()),
                format!("have `reeve install` close it, or start the agent with `reeve run`; a link `{tool}` to `reeve` first in PATH governs a \
                     willing agent only"),
            )),
            _ => {}
        }
    }
    if !session_file().is_ok_and(|session| session.is_some()) && !Path::new(HOST_FILE).exists() {
        found.push(finding(
            About::Gate,
            format!("there is neither a session nor {HOST_FILE}, so no gate has orders here"),
            "start the agent with `reeve run`, or run `reeve install` as root",
        ));
    }
    found
}

fn is_gate(file: &Path) -> bool {
    let path = file
        .parent()
        .map(|directory| directory.display().to_string())
        .unwrap_or_default();
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    match FileId::of_this_program() {
        Ok(ourselves) => RealTool::find(name, &path, ourselves).is_err(),
        Err(_) => false,
    }
}

/// Every copy of a governed tool that this user can start without the gate.
fn real_tools() -> Vec<Finding> {
    let home = home();
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    let directories: BTreeSet<PathBuf> = std::env::split_paths(&in_path)
        .chain(MORE_DIRECTORIES.iter().map(PathBuf::from))
        .chain(MORE_BELOW_HOME.iter().map(|below| home.join(below)))
        .chain(postgres_programs())
        .filter(|directory| directory.is_absolute())
        .filter_map(|directory| directory.canonicalize().ok())
        .collect();
    let mut found = Vec::new();
    for directory in directories {
        let names = Tool::ALL.into_iter().flat_map(|tool| {
            let mut names = versions_in(&directory, tool);
            names.push(tool.name().to_owned());
            names
        });
        for name in names {
            let file = directory.join(name);
            if is_a_way_past(&file) {
                found.push(finding(
                    About::RealTool,
                    format!("{} can be started by its path, past the gate", file.display()),
                    format!(
                        "let only the gate's group start it: `reeve install` does that, or `chgrp {GATES_GROUP} {0} && chmod 0750 {0}`",
                        file.display()
                    ),
                ));
            }
        }
    }
    found
}

/// A copy of a tool that this user can start. Debian's starter of psql only starts those that are looked at themselves.
fn is_a_way_past(file: &Path) -> bool {
    let starts_others = || file.canonicalize().is_ok_and(|file| is_postgres_starter(&file));
    file.is_file() && may(file, AccessFlags::X_OK) && !is_gate(file) && !starts_others()
}

fn credentials() -> Vec<Finding> {
    let home = home();
    let mut paths: BTreeSet<PathBuf> = CREDENTIALS
        .iter()
        .map(|path| match path.starts_with('/') {
            true => PathBuf::from(path),
            false => home.join(path),
        })
        .collect();
    for tool in Tool::ALL {
        paths.extend(tool_files::paths(tool, |name| std::env::var(name).ok()));
    }
    let mut found: Vec<Finding> = paths
        .into_iter()
        .filter(|path| path.exists() && may(path, AccessFlags::R_OK))
        .map(|path| {
            finding(
                About::Credential,
                format!(
                    "{} can be read, so any program can use what is in it",
                    path.display()
                ),
                format!(
                    "let only the gate's group read it: `reeve install --credentials {0}`, or `chgrp {GATES_GROUP} {0} && chmod 0640 {0}`",
                    path.display()
                ),
            )
        })
        .collect();
    for (name, _) in std::env::vars_os() {
        if let Some(name) = name.to_str().filter(|name| environment::is_secret(name)) {
            found.push(finding(
                About::Credential,
                format!("the variable {name} holds a credential that any program can use"),
                "take it out of the agent's environment; on a host the gate's orders may have it instead",
            ));
        }
    }
    found
}

/// What decides, and must not be this user's to write.
fn governance() -> Vec<Finding> {
    let mut paths = vec![PathBuf::from(HOST_FILE)];
    paths.extend(std::env::current_exe());
    if let Ok(Some(session)) = session_file() {
        paths.push(session);
    }
    let mut found = Vec::new();
    for path in paths {
        let writable = path
            .ancestors()
            .filter(|part| part.exists())
            .find(|part| may(part, AccessFlags::W_OK) && !is_sticky(part));
        if let Some(part) = writable.filter(|_| path.exists()) {
            found.push(finding(
                About::Governance,
                format!(
                    "{} can be written, so {} can be replaced",
                    part.display(),
                    path.display()
                ),
                format!(
                    "make it root's: `chown root {0} && chmod go-w {0}`; in a session this cannot be helped",
                    part.display()
                ),
            ));
        }
    }
    found
}

/// Others may add to such a directory, but not replace what is in it.
pub fn is_sticky(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_dir() && metadata.mode() & 0o1000 != 0)
}

fn sockets() -> Vec<Finding> {
    let agent = std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from);
    SOCKETS
        .iter()
        .map(PathBuf::from)
        .chain(agent)
        .filter(|path| std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket()))
        .filter(|path| may(path, AccessFlags::W_OK))
        .map(|path| {
            finding(
                About::Socket,
                format!(
                    "{} takes orders from this user, and acts with more rights",
                    path.display()
                ),
                "keep it out of the agent's container, or out of its groups",
            )
        })
        .collect()
}

fn home() -> PathBuf {
    std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default()
}
