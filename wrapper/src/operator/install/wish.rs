//! What the operator wants, checked: everything that forbids an installation is found here, before anything is changed.

use super::host;
use super::layout;
use super::places::{only_roots, reached_by};
use super::tools::{self, Governed};
use crate::exit::Exit;
use crate::governance::Source;
use crate::operator::Failure;
use crate::operator::cli::Install;
use crate::operator::run::wanted;
use crate::operator::session::{self, Snapshot};
use crate::tool_files;
use crate::version::Version;
use argv::kubectl::Kubeconfig;
use argv::{Tool, environment};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::User;
use policies::{Level, Track};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Groups whose members need no gate. Also what `reeve doctor` looks for.
pub const POWERFUL_GROUPS: [&str; 12] = [
    "adm",
    "admin",
    "disk",
    "docker",
    "incus",
    "incus-admin",
    "kmem",
    "lxd",
    "shadow",
    "staff",
    "sudo",
    "wheel",
];

/// A wish that can be fulfilled.
#[derive(Debug)]
pub struct Wish {
    /// The agent's user.
    pub agent: User,
    /// The level it is pinned to.
    pub level: Level,
    /// The track it is pinned to.
    pub track: Option<Track>,
    /// The profile's name.
    pub profile: String,
    /// The policy of each level up to that one.
    pub policies: BTreeMap<Level, Snapshot>,
    /// The tools, each with its copies.
    pub tools: Vec<Governed>,
    /// The variables that the tools get.
    pub environment: BTreeMap<String, String>,
    /// Files and directories that the tools need and the agent must not have.
    pub credentials: BTreeSet<PathBuf>,
    /// The least version of each tool.
    pub minimum_versions: BTreeMap<Tool, String>,
    /// Whether the gate compares each tool's SHA-256 at each call.
    pub checksums: bool,
    /// The sidecar's program, to be copied.
    pub sidecar: PathBuf,
    /// Whether a service is to be made.
    pub has_systemd: bool,
}

impl Wish {
    /// Reads and checks it.
    ///
    /// # Errors
    /// The first thing that forbids it.
    pub fn read(options: &Install, sidecar: PathBuf) -> Result<Wish, Failure> {
        only_root("reeve install")?;
        check_host()?;
        let agent = agent(&options.agent_user)?;
        let (level, track) = wanted(&options.judged)?;
        let source = Source::from_option(options.judged.governance.as_deref());
        let policies = session::snapshots(&source, level, track.as_ref())?;
        let tools = tools::govern(&options.tools, &session::governed(&policies))?;
        let environment = variables(options)?;
        let credentials = credentials(options, &tools, &environment, &agent)?;
        Ok(Wish {
            agent,
            level,
            track,
            profile: options.profile.clone(),
            minimum_versions: minimum_versions(options, &tools)?,
            policies,
            tools,
            environment,
            credentials,
            checksums: options.checksums,
            sidecar,
            has_systemd: Path::new("/run/systemd/system").is_dir(),
        })
    }
}

/// That the caller is root.
///
/// # Errors
/// Otherwise.
pub fn only_root(what: &str) -> Result<(), Failure> {
    if nix::unistd::getuid().is_root() && nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Refused,
        format!(
            "`{what}` must be run by root: it changes the owners of the real tools and of the credentials"
        ),
    ))
}

/// Without these the gate's group would have no effect, or could be taken from it.
fn check_host() -> Result<(), Failure> {
    let refuse = |why: String| Err(Failure::new(Exit::Configuration, why));
    let library = Path::new(layout::LIBRARY);
    let there = library
        .ancestors()
        .find(|path| path.is_dir())
        .unwrap_or(Path::new("/"));
    let mounted = statvfs(there).map_err(|errno| {
        Failure::new(
            Exit::Configuration,
            format!("{}: {}", there.display(), errno.desc()),
        )
    })?;
    if mounted.flags().contains(FsFlags::ST_NOSUID) {
        return refuse(format!(
            "{} is mounted nosuid, so a gate in {} would not get its group; mount it without",
            there.display(),
            library.display()
        ));
    }
    match std::fs::read_to_string("/proc/sys/fs/suid_dumpable") {
        Ok(text) if text.trim() == "1" => refuse(
            "fs.suid_dumpable is 1, so the agent could read the gate's memory, and the tools'; run `sysctl \
             fs.suid_dumpable=0`, and see that it stays"
                .to_owned(),
        ),
        Ok(_) => Ok(()),
        Err(error) => refuse(format!("/proc/sys/fs/suid_dumpable: {error}")),
    }
}

fn agent(name: &str) -> Result<User, Failure> {
    let refuse = |why: String| Failure::new(Exit::Refused, why);
    let user = host::user(name)?.ok_or_else(|| {
        refuse(format!(
            "there is no user `{name}`; make one for the agent first, such as with `adduser --disabled-password {name}`"
        ))
    })?;
    if user.uid.is_root() {
        return Err(refuse(format!(
            "`{name}` is root, from whom nothing can be kept; give the agent a user of its own"
        )));
    }
    if user.name == layout::SIDECAR {
        return Err(refuse(format!(
            "`{name}` is the sidecar's user; give the agent a user of its own"
        )));
    }
    let c_name = CString::new(user.name.as_bytes()).map_err(|error| refuse(error.to_string()))?;
    let groups = nix::unistd::getgrouplist(&c_name, user.gid)
        .map_err(|errno| refuse(format!("the groups of `{name}`: {}", errno.desc())))?;
    for gid in groups {
        let group = nix::unistd::Group::from_gid(gid)
            .map_err(|errno| refuse(format!("group {gid}: {}", errno.desc())))?
            .map(|group| group.name)
            .unwrap_or_default();
        let why = match group.as_str() {
            layout::GROUP => "whose members may start the real tools and read the credentials",
            layout::SIDECAR => "whose members may change the record",
            "root" => "which has what root's group has",
            other if POWERFUL_GROUPS.contains(&other) => "which is as good as root, or reads what root does",
            _ => continue,
        };
        return Err(refuse(format!(
            "`{name}` is in the group `{group}`, {why}; take it out of it: `gpasswd -d {name} {group}`"
        )));
    }
    Ok(user)
}

/// The tools' variables: HOME, and what the operator gives.
fn variables(options: &Install) -> Result<BTreeMap<String, String>, Failure> {
    let refuse = |why: String| Failure::new(Exit::Usage, why);
    let mut found = BTreeMap::from([("HOME".to_owned(), layout::HOME.to_owned())]);
    let from_file = match &options.env_file {
        None => String::new(),
        Some(path) => {
            let metadata = path
                .metadata()
                .map_err(|error| refuse(format!("{}: {error}", path.display())))?;
            if metadata.uid() != 0 || metadata.mode() & 0o077 != 0 {
                return Err(refuse(format!(
                    "{} must be root's, mode 0600: it may hold credentials",
                    path.display()
                )));
            }
            std::fs::read_to_string(path).map_err(|error| refuse(format!("{}: {error}", path.display())))?
        }
    };
    let lines = from_file
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let given = options.env.iter().map(|text| (text.as_str(), false));
    for (text, in_file) in lines.map(|line| (line, true)).chain(given) {
        let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            // Not the text itself: it may be a credential.
            return Err(refuse("a variable is given as NAME=VALUE".to_owned()));
        };
        if name == "PATH" || !environment::is_pinned(name) {
            return Err(refuse(format!(
                "`{name}` is not one of the variables that the operator decides; the tools get it as {}",
                if name == "PATH" {
                    "the installation needs it"
                } else {
                    "the agent has it"
                }
            )));
        }
        if environment::is_secret(name) && !in_file {
            return Err(refuse(format!(
                "`{name}` holds a credential, which every user of this host can see on a command line; put it into a file \
                 of root's, mode 0600, and name that with --env-file"
            )));
        }
        found.insert(name.to_owned(), value.to_owned());
    }
    Ok(found)
}

/// What is named, and what the tools' variables lead to.
fn credentials(
    options: &Install,
    tools: &[Governed],
    variables: &BTreeMap<String, String>,
    agent: &User,
) -> Result<BTreeSet<PathBuf>, Failure> {
    let refuse = |why: String| Failure::new(Exit::Configuration, why);
    let members = host::group(layout::GROUP)?.map(|group| group.gid.as_raw());
    let led_to = tools
        .iter()
        .flat_map(|governed| tool_files::paths(governed.tool, |name| variables.get(name).cloned()))
        .filter(|path| path.exists());
    let mut paths: Vec<PathBuf> = options.credentials.iter().cloned().chain(led_to).collect();
    if tools.iter().any(|governed| governed.tool == Tool::Kubectl) {
        let kubeconfigs = tool_files::paths(Tool::Kubectl, |name| variables.get(name).cloned());
        for kubeconfig in kubeconfigs.iter().filter(|path| path.is_file()) {
            paths.extend(named_by_kubeconfig(kubeconfig).map_err(refuse)?);
        }
    }
    let mut found = BTreeSet::new();
    for path in paths {
        let path =
            std::path::absolute(&path).map_err(|error| refuse(format!("{}: {error}", path.display())))?;
        let file = path
            .canonicalize()
            .map_err(|error| refuse(format!("{}: {error}", path.display())))?;
        if file.starts_with(&agent.dir) && agent.dir != Path::new("/") {
            return Err(refuse(format!(
                "{} is in the agent's own home, where the agent can replace it; keep it elsewhere, such as in \
                 /etc/reeve/credentials",
                path.display()
            )));
        }
        for place in [&path, &file] {
            only_roots(place)
                .and_then(|()| reached_by(place, members))
                .map_err(refuse)?;
        }
        found.insert(file);
    }
    Ok(found)
}

/// The keys and tokens that a kubeconfig names: they are as good as what is in it.
fn named_by_kubeconfig(path: &Path) -> Result<Vec<PathBuf>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let read = Kubeconfig::read(&[&text]).ok_or_else(|| {
        format!(
            "{} is not understood, so no call would be allowed by it; write it out plainly (`kubectl config view --flatten`)",
            path.display()
        )
    })?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    Ok(read.secret_files().map(|named| directory.join(named)).collect())
}

fn minimum_versions(options: &Install, tools: &[Governed]) -> Result<BTreeMap<Tool, String>, Failure> {
    let refuse = |why: String| Failure::new(Exit::Usage, why);
    options
        .minimum_version
        .iter()
        .map(|text| {
            let (name, version) = text.split_once('=').ok_or_else(|| {
                refuse(format!(
                    "`{text}`: TOOL=VERSION is expected, such as kubectl=1.24"
                ))
            })?;
            let tool = tools
                .iter()
                .map(|governed| governed.tool)
                .find(|tool| tool.name() == name)
                .ok_or_else(|| refuse(format!("`{name}` is not among the tools that are governed here")))?;
            Version::read(version)
                .map(|_| (tool, version.to_owned()))
                .ok_or_else(|| refuse(format!("`{version}` is not a version")))
        })
        .collect()
}
