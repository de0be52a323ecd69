//! Kustomizations are built before they are judged: with the real kubectl, from a private copy of exactly the files that they are made
//! of, without a network to speak of, within bounds. What comes out is judged object by object, and is what the tool gets.
//!
//! Four things stand between a kustomization and the rest of the machine. Its files are read here first, and what fetches or
//! runs something is not built. Only what was read is in the copy, without following links, and a generator's files are below its
//! directory. The builder has no program in its PATH, so neither git nor helm, and proxies that lead nowhere. And it is killed
//! when it takes too long, writes a file, or prints too much.

use crate::copy::Copy;
use crate::inputs::InputFile;
use crate::tool_path::RealTool;
use argv::kubectl::{KUSTOMIZATION_NAMES, Kustomization};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use thiserror::Error;

/// The most bytes that are read, and that may come out.
const MOST_BYTES: usize = 8 << 20;
/// The most files.
const MOST_FILES: usize = 256;
/// The most directories.
const MOST_DIRECTORIES: usize = 64;
/// How long building may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// The most of what the builder says that is repeated, in bytes.
const MOST_SAID: usize = 4_000;
/// What the builder may use: seconds of the processor, bytes of its data, and no file may grow at all.
const LIMITS: [(Resource, rlim_t); 4] = [
    (Resource::RLIMIT_CPU, 10),
    (Resource::RLIMIT_DATA, 1 << 30),
    (Resource::RLIMIT_FSIZE, 0),
    (Resource::RLIMIT_CORE, 0),
];

/// What a kustomization comes to.
#[derive(Debug)]
pub struct Built {
    /// The objects, as kubectl prints them.
    pub objects: Vec<u8>,
    /// What kubectl said beside them: fields that are out of date, and such.
    pub said: Vec<u8>,
    /// The files it was made from.
    pub files: Vec<InputFile>,
    /// A file that a generator puts into an object, and that is not for anybody to see.
    pub hidden: Option<String>,
    /// The copy it was made from.
    pub copy: Copy,
}

/// Why there is nothing to judge.
#[derive(Debug, Error)]
pub enum NotBuilt {
    /// It would fetch or run something, or it is not certain that it would not. A rule may accept that.
    #[error("{0}")]
    NotTried(String),
    /// It cannot be built: then it cannot be applied either.
    #[error("the kustomization cannot be built: {0}")]
    Failed(String),
    /// The system refuses something basic.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Builds the kustomization in `directory` with this kubectl; the copy is made in `place`.
///
/// # Errors
/// [`NotBuilt`].
pub fn build(tool: &RealTool, directory: &Path, place: &Path) -> Result<Built, NotBuilt> {
    let failed = |error: io::Error| NotBuilt::Failed(format!("`{}`: {error}", directory.display()));
    let real = directory.canonicalize().map_err(failed)?;
    if !real.is_dir() {
        return Err(failed(ErrorKind::NotADirectory.into()));
    }
    let mut collected = Collected {
        copy: Copy::make(place, &real)?,
        files: Vec::new(),
        contents: BTreeMap::new(),
        hidden: None,
    };
    collected.take_all(real)?;
    let (objects, said) = run(tool, &collected.copy)?;
    Ok(Built {
        objects,
        said,
        files: collected.files,
        hidden: collected.hidden,
        copy: collected.copy,
    })
}

/// What was read so far.
struct Collected {
    copy: Copy,
    files: Vec<InputFile>,
    /// By path; each file is read once, however often it is named.
    contents: BTreeMap<PathBuf, Vec<u8>>,
    hidden: Option<String>,
}

impl Collected {
    /// Copies the kustomization in this directory, and all that it is made of.
    fn take_all(&mut self, directory: PathBuf) -> Result<(), NotBuilt> {
        let mut seen = BTreeSet::from([directory.clone()]);
        let mut left = vec![directory];
        while let Some(directory) = left.pop() {
            for part in self.take_directory(&directory)? {
                let path = resolved(&directory, &part);
                if is_directory(&path)? {
                    if seen.insert(path.clone()) {
                        left.push(path);
                    }
                } else {
                    self.take_file_below(&directory, &part)?;
                }
            }
            if seen.len() > MOST_DIRECTORIES {
                return Err(NotBuilt::Failed(format!(
                    "it has more than {MOST_DIRECTORIES} directories"
                )));
            }
        }
        Ok(())
    }

    /// Copies one directory's kustomization and its files; returns its other parts.
    fn take_directory(&mut self, directory: &Path) -> Result<Vec<String>, NotBuilt> {
        let mut parts = None;
        for name in KUSTOMIZATION_NAMES {
            let path = directory.join(name);
            let Some(content) = self.take_file(&path)? else {
                continue;
            };
            if parts.is_some() {
                return Err(NotBuilt::Failed(format!(
                    "`{}` has several kustomization files",
                    directory.display()
                )));
            }
            let found = Kustomization::read(&content)
                .map_err(|fault| NotBuilt::NotTried(format!("`{}`: {}", path.display(), fault.problem)))?;
            for setting in &found.settings {
                self.take_file_below(directory, setting)?;
            }
            for data in &found.data {
                let content = self.take_file_below(directory, data)?;
                if !is_for_anybody(data, &content) {
                    self.hidden.get_or_insert_with(|| data.clone());
                }
            }
            parts = Some(found.parts);
        }
        parts.ok_or_else(|| NotBuilt::Failed(format!("`{}` has no kustomization.yaml", directory.display())))
    }

    fn take_file_below(&mut self, directory: &Path, name: &str) -> Result<Vec<u8>, NotBuilt> {
        let path = resolved(directory, name);
        if !path.starts_with(directory) {
            return Err(NotBuilt::Failed(format!(
                "`{name}` is not in or below `{}`; only directories with a kustomization may be elsewhere",
                directory.display()
            )));
        }
        let missing = || NotBuilt::Failed(format!("`{}`: No such file or directory", path.display()));
        self.take_file(&path)?.ok_or_else(missing)
    }

    /// Copies a file and returns its content; `None` where there is none.
    fn take_file(&mut self, path: &Path) -> Result<Option<Vec<u8>>, NotBuilt> {
        if let Some(content) = self.contents.get(path) {
            return Ok(Some(content.clone()));
        }
        let failed = |problem: &str| NotBuilt::Failed(format!("`{}` {problem}", path.display()));
        let file = match open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&said(&error))),
        };
        if !file.metadata()?.is_file() {
            return Err(failed("is not a regular file"));
        }
        let taken: usize = self.contents.values().map(Vec::len).sum();
        let left = MOST_BYTES.saturating_sub(taken);
        let mut content = Vec::new();
        file.take((left as u64).saturating_add(1))
            .read_to_end(&mut content)
            .map_err(|error| failed(&said(&error)))?;
        if content.len() > left || self.files.len() >= MOST_FILES {
            return Err(failed(&format!(
                "is more than is judged: {} MiB, {MOST_FILES} files",
                MOST_BYTES >> 20
            )));
        }
        self.copy.write(path, &content)?;
        self.contents.insert(path.to_owned(), content.clone());
        self.files
            .push(InputFile::new(path.display().to_string(), &content));
        Ok(Some(content))
    }
}

/// `directory` joined with a relative path, without `.` and `..`. There are no links below the first directory, so the path means
/// what it says.
fn resolved(directory: &Path, name: &str) -> PathBuf {
    let mut path = directory.to_owned();
    for component in Path::new(name).components() {
        match component {
            Component::ParentDir => {
                path.pop();
            }
            Component::Normal(name) => path.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    path
}

/// Opens what is at an absolute path, through no link at all, and without waiting for a pipe's other end.
fn open(path: &Path) -> io::Result<File> {
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    Ok(openat2(AT_FDCWD, path, how)?.into())
}

fn is_directory(path: &Path) -> Result<bool, NotBuilt> {
    match open(path) {
        Ok(file) => Ok(file.metadata()?.is_dir()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(NotBuilt::Failed(format!("`{}` {}", path.display(), said(&error)))),
    }
}

fn said(error: &io::Error) -> String {
    if error.raw_os_error() == Some(nix::libc::ELOOP) {
        "is a link, or behind one; name the file itself".to_owned()
    } else {
        format!("cannot be read: {error}")
    }
}

/// Whether a file is a visible text without anything in it that looks like a secret.
fn is_for_anybody(name: &str, content: &[u8]) -> bool {
    let visible = |part: &str| matches!(part, "." | "") || !part.starts_with('.');
    name.split('/').all(visible)
        && std::str::from_utf8(content).is_ok_and(|text| audit_event::redact::text(text) == text)
}

/// What the builder prints, and says beside it.
fn run(tool: &RealTool, copy: &Copy) -> Result<(Vec<u8>, Vec<u8>), NotBuilt> {
    let program = if tool.is_script {
        tool.path.clone()
    } else {
        format!("/proc/self/fd/{}", tool.file.as_raw_fd()).into()
    };
    let mut command = Command::new(program);
    command
        .arg0("kubectl")
        .arg("kustomize")
        .arg(&copy.directory)
        .current_dir(&copy.root)
        .env_clear()
        .envs([
            ("PATH", "/nonexistent"),
            ("KUBECONFIG", "/dev/null"),
            ("KUBECTL_KUBERC", "false"),
            ("KUBERC", "off"),
            ("HTTP_PROXY", "http://127.0.0.1:1"),
            ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ])
        .env("HOME", &copy.root)
        .env("TMPDIR", &copy.root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let begun = Instant::now();
    let mut child = limited(|| command.spawn())??;
    let ended = watch(&mut child, begun);
    if !matches!(ended, Ok(Watched { killed: None, .. })) {
        child.kill()?;
    }
    // It has closed its outputs or was killed, so this does not take long; and what it spent is bounded.
    let status = child.wait()?;
    let Watched { out, err, killed } = ended?;
    if let Some(why) = killed {
        return Err(NotBuilt::Failed(why));
    }
    if !status.success() {
        let said = String::from_utf8_lossy(&err);
        let said = said
            .replace(&copy.root.display().to_string(), "")
            .replace(char::is_control, " ");
        return Err(NotBuilt::Failed(format!("{}: {}", status, said.trim())));
    }
    Ok((out, err))
}

/// What a child printed until it closed its outputs, or why it is to be killed.
#[derive(Default)]
struct Watched {
    out: Vec<u8>,
    err: Vec<u8>,
    killed: Option<String>,
}

fn watch(child: &mut Child, begun: Instant) -> io::Result<Watched> {
    let (Some(mut stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::Error::other("a pipe is missing"));
    };
    let mut watched = Watched::default();
    let (mut out_open, mut err_open) = (true, true);
    let mut buffer = [0; 16 << 10];
    while out_open || err_open {
        let left = DEADLINE.saturating_sub(begun.elapsed());
        if left.is_zero() {
            watched.killed = Some(format!("it takes longer than {DEADLINE:?}"));
        } else if watched.out.len() > MOST_BYTES {
            watched.killed = Some(format!("it becomes more than {} MiB", MOST_BYTES >> 20));
        }
        if watched.killed.is_some() {
            break;
        }
        // A pipe that is closed would be ready for ever.
        let mut polled = Vec::new();
        if out_open {
            polled.push(PollFd::new(stdout.as_fd(), PollFlags::POLLIN));
        }
        if err_open {
            polled.push(PollFd::new(stderr.as_fd(), PollFlags::POLLIN));
        }
        match poll(
            &mut polled,
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX),
        ) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = polled.iter().map(|one| one.any().unwrap_or(false)).collect();
        if out_open && ready.first() == Some(&true) {
            let read = stdout.read(&mut buffer)?;
            out_open = read > 0;
            watched
                .out
                .extend_from_slice(buffer.get(..read).unwrap_or_default());
        } else if err_open && ready.last() == Some(&true) {
            let read = stderr.read(&mut buffer)?;
            err_open = read > 0;
            let room = MOST_SAID.saturating_sub(watched.err.len()).min(read);
            watched
                .err
                .extend_from_slice(buffer.get(..room).unwrap_or_default());
        }
    }
    Ok(watched)
}

/// Does this under [`LIMITS`], which a child that is started meanwhile keeps.
fn limited<T>(start: impl FnOnce() -> T) -> io::Result<T> {
    let mut before = Vec::new();
    for (resource, most) in LIMITS {
        let (soft, hard) = getrlimit(resource)?;
        setrlimit(resource, soft.min(most), hard)?;
        before.push((resource, soft, hard));
    }
    let started = start();
    for (resource, soft, hard) in before {
        setrlimit(resource, soft, hard)?;
    }
    Ok(started)
}
