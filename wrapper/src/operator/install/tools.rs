//! The real tools of this host: every copy of each, and the version it says it has.

use super::layout;
use super::places::only_roots;
use crate::exit::Exit;
use crate::operator::Failure;
use crate::tool_path::{FileId, RealTool};
use crate::version::Version;
use argv::Tool;
use std::collections::BTreeSet;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Interpreters that give up a group which their caller has not.
const SHELLS: [&str; 7] = ["ash", "bash", "dash", "ksh", "mksh", "sh", "zsh"];
/// How long a tool may take to say its version.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most bytes of what it says that are read.
const MOST_SAID: u64 = 64 << 10;

/// A tool that is to be governed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Governed {
    /// Which.
    pub tool: Tool,
    /// The file that the gate executes; no symbolic link.
    pub real: PathBuf,
    /// Every copy of it that was found, that one included.
    pub copies: BTreeSet<PathBuf>,
}

/// A tool as it is named with `--tools`: `NAME`, or `NAME=FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    tool: Tool,
    file: Option<PathBuf>,
}

impl std::str::FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Named, String> {
        let (name, file) = match text.split_once('=') {
            Some((name, file)) => (name, Some(PathBuf::from(file))),
            None => (text, None),
        };
        let tool = Tool::of_name(name).ok_or_else(|| format!("`{name}` is not the name of a tool"))?;
        if file.as_ref().is_some_and(|file| !file.is_absolute()) {
            return Err(format!("`{text}`: an absolute path is expected after `=`"));
        }
        Ok(Named { tool, file })
    }
}

/// The tools that are named and found; without names, those of `usual` that are found.
///
/// # Errors
/// A named tool that is not there; one that cannot be governed by its file; none at all.
pub fn govern(named: &[Named], usual: &[Tool]) -> Result<Vec<Governed>, Failure> {
    let usual: Vec<Named> = usual
        .iter()
        .map(|tool| Named {
            tool: *tool,
            file: None,
        })
        .collect();
    let all = if named.is_empty() { &usual } else { named };
    let mut found = Vec::new();
    for one in all {
        match find(one)? {
            Some(governed) => found.push(governed),
            None if named.is_empty() => {}
            None => {
                return Err(Failure::new(
                    Exit::NotFound,
                    format!(
                        "there is no {0} in {1}; install it first, or say where it is with `--tools {0}=FILE`",
                        one.tool,
                        directories(one.tool)
                            .iter()
                            .map(|directory| directory.display().to_string())
                            .collect::<Vec<_>>()
                            .join(":")
                    ),
                ));
            }
        }
    }
    if found.is_empty() {
        return Err(Failure::new(
            Exit::NotFound,
            "none of the tools is on this host, so there is nothing to govern; install one first",
        ));
    }
    Ok(found)
}

/// Where a tool is looked for.
pub fn directories(tool: Tool) -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = layout::TOOL_DIRECTORIES.iter().map(PathBuf::from).collect();
    if tool == Tool::Psql {
        directories.extend(postgres_programs());
    }
    directories
}

/// Where Debian has PostgreSQL's programs, the newest version first.
pub fn postgres_programs() -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, directory)| directory).collect()
}

/// The names in a directory that are versions of a tool: `kubectl.1.30`, `kubectl-1.30`.
pub fn versions_in(directory: &Path, tool: Tool) -> Vec<String> {
    let is_version = |name: &str| {
        name.strip_prefix(tool.name()).is_some_and(|rest| {
            rest.starts_with(['.', '-', '_', 'v'])
                && rest.contains(|c: char| c.is_ascii_digit())
                && rest.chars().all(|c| c.is_ascii_digit() || ".-_v".contains(c))
        })
    };
    let entries = directory.read_dir().into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| is_version(name))
        .collect();
    names.sort();
    names
}

/// Debian's starter of PostgreSQL's programs: it is all of them, and none itself.
pub fn is_postgres_starter(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == "pg_wrapper")
}

fn find(named: &Named) -> Result<Option<Governed>, Failure> {
    let ourselves = FileId::of_this_program()
        .map_err(|error| Failure::new(Exit::Configuration, format!("/proc/self/exe: {error}")))?;
    let mut copies = BTreeSet::new();
    let mut real = None;
    let mut look = |directory: &Path, name: &str| -> Result<(), Failure> {
        let Ok(RealTool { path: candidate, .. }) =
            RealTool::find(name, &directory.display().to_string(), ourselves)
        else {
            return Ok(());
        };
        let file = candidate.canonicalize().map_err(|error| {
            Failure::new(Exit::NotExecutable, format!("{}: {error}", candidate.display()))
        })?;
        if named.tool == Tool::Psql && is_postgres_starter(&file) {
            return Ok(());
        }
        check(named.tool, &candidate, &file)?;
        real.get_or_insert_with(|| file.clone());
        copies.insert(file);
        Ok(())
    };
    if let Some(file) = &named.file {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
        look(
            file.parent().unwrap_or(Path::new("/")),
            name.as_deref().unwrap_or_default(),
        )?;
    }
    for directory in directories(named.tool) {
        look(&directory, named.tool.name())?;
    }
    // Other versions beside it, which some of them start themselves.
    let beside: Vec<PathBuf> = directories(named.tool)
        .into_iter()
        .chain(
            named
                .file
                .iter()
                .filter_map(|file| file.parent().map(Path::to_owned)),
        )
        .collect();
    for directory in beside {
        for name in versions_in(&directory, named.tool) {
            look(&directory, &name)?;
        }
    }
    Ok(real.map(|real| Governed {
        tool: named.tool,
        real,
        copies,
    }))
}

/// That closing this file closes this tool, and nothing else; and that nobody else can replace it.
fn check(tool: Tool, candidate: &Path, file: &Path) -> Result<(), Failure> {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
    if !name.as_deref().unwrap_or_default().starts_with(tool.name()) {
        return Err(Failure::new(
            Exit::Configuration,
            format!(
                "{} leads to {}, which starts other programs too, so it cannot be closed to the agent; install {tool} as a \
                 program of its own, and remove this one",
                candidate.display(),
                file.display()
            ),
        ));
    }
    if let Some(shell) = shell_of(file) {
        return Err(Failure::new(
            Exit::Configuration,
            format!(
                "{} is a script for {shell}, which gives up the gate's group and then cannot read the script; install {tool} as \
                 a program, or name another one with `--tools {tool}=FILE`",
                candidate.display()
            ),
        ));
    }
    only_roots(candidate)
        .and_then(|()| only_roots(file))
        .map_err(|why| Failure::new(Exit::Configuration, why))
}

/// The shell that runs a file, if it is a script for one.
fn shell_of(file: &Path) -> Option<String> {
    let mut begin = Vec::new();
    let opened = std::fs::File::open(file).ok()?;
    opened.take(256).read_to_end(&mut begin).ok()?;
    let line = begin.split(|byte| *byte == b'\n').next()?.strip_prefix(b"#!")?;
    let line = String::from_utf8_lossy(line).into_owned();
    let mut words = line
        .split_whitespace()
        .map(|word| word.rsplit('/').next().unwrap_or(word));
    let interpreter = words.find(|word| *word != "env" && !word.starts_with('-'))?;
    SHELLS.contains(&interpreter).then(|| interpreter.to_owned())
}

/// The version that a tool says it has. It is started for that, with nothing of the caller's environment.
///
/// # Errors
/// When it does not say one in time.
pub fn version(tool: Tool, file: &Path) -> Result<String, Failure> {
    let failed = |why: String| Failure::new(Exit::NotExecutable, format!("{}: {why}", file.display()));
    let words: &[&str] = match tool {
        Tool::Kubectl => &["version", "--client", "-o", "json"],
        _ => &["--version"],
    };
    let mut child = Command::new(file)
        .args(words)
        .env_clear()
        .env("PATH", layout::tools_path())
        .env("HOME", "/nonexistent")
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let until = Instant::now().checked_add(PATIENCE);
    let said = child.stdout.take();
    let ended = loop {
        match child.try_wait().map_err(|error| failed(error.to_string()))? {
            Some(ended) => break ended,
            None if until.is_none_or(|until| Instant::now() >= until) => {
                let ended = child.kill().and_then(|()| child.wait());
                return Err(failed(format!(
                    "it did not say its version within {} s ({ended:?})",
                    PATIENCE.as_secs()
                )));
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let mut text = String::new();
    if let Some(said) = said {
        said.take(MOST_SAID)
            .read_to_string(&mut text)
            .map_err(|error| failed(error.to_string()))?;
    }
    Version::first_in(&text)
        .map(str::to_owned)
        .ok_or_else(|| failed(format!("its version is not known: `{}` {ended}", words.join(" "))))
}
