//! The part of `reeve doctor` that looks at the host around the tools: other ways to more rights, and what would make an installed
//! gate's group useless or worthless.

use super::doctor::{About, Finding, finding, is_sticky, may};
use super::install::GATES_GROUP;
use crate::configuration::{HOST_FILE, INSTALLED_SHIMS};
use nix::unistd::{AccessFlags, Gid, Group};
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Where programs with rights of their own lie.
const PROGRAM_DIRECTORIES: [&str; 10] = [
    "/bin",
    "/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/games",
    "/usr/libexec",
    "/usr/lib/reeve/bin",
    "/opt/bin",
];
/// Set-user-ID and set-group-ID programs of Debian's that let nobody do more than they are for.
const KNOWN_HELPERS: [&str; 44] = [
    "at",
    "bsd-write",
    "chage",
    "chfn",
    "chsh",
    "crontab",
    "dma",
    "dma-mbox-create",
    "dotlock.mailutils",
    "dotlockfile",
    "exim4",
    "expiry",
    "fusermount",
    "fusermount3",
    "gpasswd",
    "lockfile",
    "locate",
    "mail-lock",
    "mail-touchlock",
    "mail-unlock",
    "mlocate",
    "mount",
    "mount.cifs",
    "mount.nfs",
    "mtr-packet",
    "newgidmap",
    "newgrp",
    "newuidmap",
    "ntfs-3g",
    "passwd",
    "pam_extrausers_chkpwd",
    "ping",
    "pkexec",
    "plocate",
    "postdrop",
    "postqueue",
    "procmail",
    "ssh-agent",
    "su",
    "sudo", // asked itself
    "umount",
    "unix_chkpwd",
    "wall",
    "write",
];
/// What root, or a tool that is a script, reads and does; none of it may be the agent's to write.
const SYSTEM_PLACES: [&str; 22] = [
    "/etc",
    "/etc/cron.d",
    "/etc/cron.daily",
    "/etc/cron.hourly",
    "/etc/crontab",
    "/etc/environment",
    "/etc/group",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/passwd",
    "/etc/profile.d",
    "/etc/ssl/certs",
    "/etc/sudoers.d",
    "/etc/systemd/system",
    "/lib/systemd/system",
    "/usr/lib/python3/dist-packages",
    "/usr/lib/reeve",
    "/usr/lib/systemd/system",
    "/usr/local/bin",
    "/usr/local/lib",
    "/usr/share/ca-certificates",
    "/var/spool/cron/crontabs",
];
/// How long sudo may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Everything here.
pub fn look() -> Vec<Finding> {
    [helpers(), sudo().into_iter().collect(), places(), group()]
        .into_iter()
        .flatten()
        .collect()
}

/// Programs that run with another user's or group's rights and are not known to be harmless.
fn helpers() -> Vec<Finding> {
    let mut found = BTreeSet::new();
    let directories = PROGRAM_DIRECTORIES
        .iter()
        .filter_map(|directory| Path::new(directory).canonicalize().ok())
        .collect::<BTreeSet<_>>();
    for directory in directories {
        for entry in directory.read_dir().into_iter().flatten().filter_map(Result::ok) {
            let path = entry.path();
            let Ok(metadata) = path.symlink_metadata() else {
                continue;
            };
            let name = entry.file_name().to_string_lossy().into_owned();
            if metadata.is_file() && metadata.mode() & 0o6000 != 0 && may(&path, AccessFlags::X_OK) {
                found.extend(helper(&path, &name, &metadata));
            }
        }
    }
    found.into_iter().collect()
}

fn helper(path: &Path, name: &str, metadata: &std::fs::Metadata) -> Option<Finding> {
    let has_gates_group = metadata.mode() & 0o2000 != 0 && name_of_group(metadata.gid()) == GATES_GROUP;
    if has_gates_group && !path.starts_with("/usr/lib/reeve/bin") {
        return Some(finding(
            About::Gate,
            format!("{} gives the gate's group to whoever starts it", path.display()),
            format!("remove it, or `chmod g-s {}`", path.display()),
        ));
    }
    if has_gates_group || KNOWN_HELPERS.contains(&name) {
        return None;
    }
    Some(finding(
        About::Helper,
        format!(
            "{} runs with the rights of {} for this user, and is none of the helpers that are known to be harmless",
            path.display(),
            match metadata.mode() & 0o4000 {
                0 => format!("the group `{}`", name_of_group(metadata.gid())),
                _ => format!("user {}", metadata.uid()),
            }
        ),
        format!("if the agent has no use for it: `chmod ug-s {}`", path.display()),
    ))
}

/// What sudo lets this user do without a password. It is asked, for its rules cannot be read.
fn sudo() -> Option<Finding> {
    let program = ["/usr/bin/sudo", "/usr/local/bin/sudo", "/usr/bin/doas"]
        .into_iter()
        .map(Path::new)
        .find(|path| path.is_file() && may(path, AccessFlags::X_OK))?;
    let finding_of = |what: String| {
        finding(
            About::Helper,
            what,
            "take the rules for this user, and for its groups, out of /etc/sudoers and /etc/sudoers.d",
        )
    };
    if program.ends_with("doas") {
        return Path::new("/etc/doas.conf").exists().then(|| {
            finding_of("doas is set up, and what it lets this user do is not known here".to_owned())
        });
    }
    if nix::unistd::getuid().is_root() {
        return None; // there is a finding for that already
    }
    match says_yes(program) {
        Ok(false) => None,
        Ok(true) => Some(finding_of(format!(
            "{} lets this user run something as another user; see `sudo -n -l`",
            program.display()
        ))),
        Err(why) => Some(finding_of(format!("{} was asked, and {why}", program.display()))),
    }
}

/// Whether `sudo -n -l` ends well: then there are rules for this user that need no password.
fn says_yes(program: &Path) -> Result<bool, String> {
    let mut child = Command::new(program)
        .args(["-n", "-l"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let until = Instant::now().checked_add(PATIENCE);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) if until.is_none_or(|until| Instant::now() >= until) => {
                // It runs as root, so it cannot be ended from here; it ends by itself.
                return Err(format!("did not answer within {} s", PATIENCE.as_secs()));
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// What this user could write and root, or a tool, would obey.
fn places() -> Vec<Finding> {
    let python = ["/usr/local/lib", "/usr/lib"].into_iter().flat_map(|library| {
        let entries = Path::new(library)
            .read_dir()
            .into_iter()
            .flatten()
            .filter_map(Result::ok);
        entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"))
            .map(|entry| entry.path().join("dist-packages"))
    });
    SYSTEM_PLACES
        .iter()
        .map(PathBuf::from)
        .chain(python)
        .filter(|path| path.exists() && may(path, AccessFlags::W_OK) && !is_sticky(path))
        .map(|path| {
            finding(
                About::Governance,
                format!(
                    "{} can be written by this user, and root or a tool does what it says",
                    path.display()
                ),
                format!(
                    "make it root's alone: `chown root:root {0} && chmod go-w {0}`",
                    path.display()
                ),
            )
        })
        .collect()
}

/// Whether the gate's group would reach the gate, and be kept from others.
fn group() -> Vec<Finding> {
    let mut found = Vec::new();
    if !Path::new(INSTALLED_SHIMS).is_dir() || !Path::new(HOST_FILE).exists() {
        return found;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if status
        .lines()
        .any(|line| line.split_whitespace().eq(["NoNewPrivs:", "1"]))
    {
        found.push(finding(
            About::Gate,
            "no_new_privs is set here, so the gate does not get its group, and every call is refused",
            "start the agent without it (systemd: NoNewPrivileges=no; containers: allowPrivilegeEscalation: true)",
        ));
    }
    let dumpable = std::fs::read_to_string("/proc/sys/fs/suid_dumpable").unwrap_or_default();
    if dumpable.trim() == "1" {
        found.push(finding(
            About::Gate,
            "fs.suid_dumpable is 1, so this user can read the memory of the gate and of the tools",
            "`sysctl fs.suid_dumpable=0`, and see that it stays",
        ));
    }
    found
}

fn name_of_group(gid: u32) -> String {
    let known = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
    known.map_or_else(|| gid.to_string(), |group| group.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted() {
        assert!(SYSTEM_PLACES.is_sorted());
    }
}
