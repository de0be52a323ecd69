//! The tools' own configuration files. They can run programs and send requests elsewhere (exec plugins, `credential_process`,
//! aliases, plugins, service models), so a call is judged only while they are as the operator had them.
//!
//! In a session, their digests are pinned when it begins. On a host, they must not be the caller's to write.

use argv::Tool;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The most bytes that are read of one file, and of all in a directory that is handed on.
const MOST_BYTES: u64 = 8 << 20;
/// The most files in a directory that are read.
const MOST_FILES: usize = 1_000;
/// The most files in a directory.
const MOST_ENTRIES: usize = 100_000;
/// aws's own descriptions of services, below HOME: the one directory that is handed on as it was read.
const MODELS: &str = ".aws/models";

/// Files and directories by path, each with the SHA-256 of its content in hex; `None` for what is not there.
pub type Pinned = BTreeMap<PathBuf, Option<String>>;

/// A configuration file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub path: PathBuf,
    /// What it says.
    pub content: Vec<u8>,
    /// The directory of which it is a part, where that is handed on as a whole; then it says nothing by itself.
    pub whole: Option<PathBuf>,
}

impl Found {
    /// Its content, where it is text that says something by itself.
    pub fn text(&self) -> Option<&str> {
        let is_whole = self.whole.is_none();
        std::str::from_utf8(&self.content).ok().filter(|_| is_whole)
    }
}

/// Where `tool` looks for its configuration, whether or not anything is there. `variable` is the environment that it gets.
pub fn paths(tool: Tool, variable: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    paths_of(tool, &variable)
}

/// Why it is not certain where `tool` looks: aws puts variables, the agent's too, and other users' homes into its paths.
pub fn unclear(tool: Tool, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let names = ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"];
    if tool != Tool::Aws {
        return None;
    }
    // aws asks the system for a home then, and looks there for its aliases.
    if !variable("HOME").is_some_and(|home| home.starts_with('/')) {
        return Some(
            "`HOME` is not set, or is no absolute path, so aws may look for its aliases anywhere; set it"
                .to_owned(),
        );
    }
    names
        .into_iter()
        .find(|name| {
            variable(name).is_some_and(|path| path.strip_prefix("~/").unwrap_or(&path).contains(['$', '~']))
        })
        .map(|name| format!("`{name}` has `$` or `~` in it, and may lead anywhere; write the path out"))
}

fn paths_of(tool: Tool, variable: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let home = set("HOME").map(PathBuf::from).unwrap_or_default();
    let or_home = |name: &str, below: &str| {
        set(name).map_or_else(
            || home.join(below),
            |given| match given.strip_prefix("~/") {
                Some(rest) => home.join(rest),
                None => PathBuf::from(given),
            },
        )
    };
    match tool {
        Tool::Kubectl => match set("KUBECONFIG") {
            Some(list) => list
                .split(':')
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
                .collect(),
            None => vec![home.join(".kube/config")],
        },
        Tool::Aws => vec![
            or_home("AWS_CONFIG_FILE", ".aws/config"),
            or_home("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"),
            home.join(".aws/cli/alias"),
            home.join(MODELS),
            home.join(".boto"),
        ],
        Tool::Gh => {
            let directory = set("GH_CONFIG_DIR").map_or_else(
                || {
                    let base = set("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
                    base.join("gh")
                },
                PathBuf::from,
            );
            vec![directory.join("config.yml"), directory.join("hosts.yml")]
        }
        // `.psqlrc` is not read (`-X`); the others say who connects and whether the server is the right one. The last is read
        // by Debian's starter of psql.
        Tool::Psql => vec![
            or_home("PGPASSFILE", ".pgpass"),
            or_home("PGSERVICEFILE", ".pg_service.conf"),
            home.join(".postgresql"),
            home.join(".postgresqlrc"),
        ],
        // Tools for clusters and clouds: whatever of these says where they go, and what else they run.
        Tool::Described(_) => {
            let kubeconfig = paths_of(Tool::Kubectl, variable);
            // Terraform takes the old name where the new one is not set, and neither with `~`.
            let terraforms = set("TF_CLI_CONFIG_FILE").or_else(|| set("TERRAFORM_CONFIG"));
            // helm's own directories are below those of XDG, and its plugins may be in several.
            let below = |own: &str, base: &str, usual: &str| {
                set(own).map_or_else(
                    || {
                        set(base)
                            .map_or_else(|| home.join(usual), PathBuf::from)
                            .join("helm")
                    },
                    PathBuf::from,
                )
            };
            let data = below("HELM_DATA_HOME", "XDG_DATA_HOME", ".local/share");
            let plugins = set("HELM_PLUGINS").map_or_else(
                || vec![data.join("plugins")],
                |list| std::env::split_paths(&list).collect(),
            );
            let own = [
                or_home("AWS_CONFIG_FILE", ".aws/config"),
                or_home("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"),
                terraforms.map_or_else(|| home.join(".terraformrc"), PathBuf::from),
                home.join(".terraform.d"),
                below("HELM_CONFIG_HOME", "XDG_CONFIG_HOME", ".config"),
            ];
            kubeconfig.into_iter().chain(own).chain(plugins).collect()
        }
    }
}

/// What is at these paths now.
pub fn pin(paths: Vec<PathBuf>) -> Pinned {
    paths
        .into_iter()
        .map(|path| {
            let found = digest(&path);
            (path, found)
        })
        .collect()
}

/// The contents of what is there and can be read, whoever wrote it: for somebody who only asks.
pub fn read(paths: Vec<PathBuf>) -> Vec<Found> {
    let one = |path: PathBuf| {
        let pinned = pin(vec![path.clone()]);
        take(vec![path], Some(&pinned)).unwrap_or_default()
    };
    paths.into_iter().flat_map(one).collect()
}

/// The contents of what is there, in order, each read once. Of directories, only those of aws's service models are handed on.
///
/// # Errors
/// Why the configuration is not the operator's.
pub fn take(paths: Vec<PathBuf>, pinned: Option<&Pinned>) -> Result<Vec<Found>, String> {
    let mut contents = Vec::new();
    for path in paths {
        let found = content(&path);
        let fault = match pinned {
            _ if let Some(why) = unreadable_here(&found) => Some(format!(
                "`{}` {why}, so what it makes of this command is not judged",
                path.display(),
            )),
            Some(pinned) => since_pinned(&path, pinned, &digest_of(&found)),
            None => written_by_the_caller(&path),
        };
        if let Some(fault) = fault {
            return Err(fault);
        }
        match found {
            Ok(Content::File(content)) => contents.push(Found {
                path,
                content,
                whole: None,
            }),
            Ok(Content::Directory(files)) if path.ends_with(MODELS) => {
                let readable = files.into_iter().filter_map(|(file, content)| {
                    Some(Found {
                        path: file,
                        content: content.ok()?,
                        whole: Some(path.clone()),
                    })
                });
                contents.extend(readable);
            }
            Ok(Content::Directory(_)) | Err(_) => {}
        }
    }
    Ok(contents)
}

fn since_pinned(path: &Path, pinned: &Pinned, now: &Option<String>) -> Option<String> {
    let changed = match (pinned.get(path), now) {
        (Some(before), now) if before == now => return None,
        (Some(Some(_)), None) => "was removed",
        (Some(None), Some(_)) => "was made",
        _ => "was changed",
    };
    Some(format!(
        "`{}` {changed} since the session began, so what it makes of this command was not judged; put it back, or \
         start a new session",
        path.display()
    ))
}

fn written_by_the_caller(path: &Path) -> Option<String> {
    let caller = nix::unistd::getuid().as_raw();
    let is_theirs = |found: &Metadata| caller != 0 && (found.uid() == caller || found.mode() & 0o002 != 0);
    let found = std::fs::metadata(path).ok()?;
    is_theirs(&found).then(|| {
        format!(
            "`{}` can be written by the caller, so it could run or redirect anything; make it root's, mode 0644",
            path.display()
        )
    })
}

enum Content {
    File(Vec<u8>),
    /// Everything below that is no directory, by its path, in order.
    Directory(Vec<(PathBuf, io::Result<Vec<u8>>)>),
}

fn digest(path: &Path) -> Option<String> {
    digest_of(&content(path))
}

/// A digest; a text that says why where it cannot be read, for the tool cannot read it either.
fn digest_of(content: &io::Result<Content>) -> Option<String> {
    match content {
        Ok(Content::File(bytes)) => Some(hex(bytes)),
        Ok(Content::Directory(files)) => Some(hex(&listing(files))),
        Err(error) => unreadable(error),
    }
}

fn unreadable(error: &io::Error) -> Option<String> {
    let is_absent = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
    (!is_absent).then(|| format!("unreadable: {}", error.kind()))
}

/// Why it was not read, or not to its end, where the tool would.
fn unreadable_here(content: &io::Result<Content>) -> Option<&'static str> {
    match content.as_ref().err()?.kind() {
        ErrorKind::FileTooLarge => Some("is too large to be read for every command (8 MiB, or 1000 files)"),
        ErrorKind::InvalidInput => Some("is a pipe, which says something else each time"),
        _ => None,
    }
}

fn content(path: &Path) -> io::Result<Content> {
    let file = open(path)?;
    if file.metadata()?.is_dir() {
        return directory(path).map(Content::Directory);
    }
    whole(file, MOST_BYTES).map(Content::File)
}

/// Does not wait: for a pipe, somebody to write to it might never come.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY)
        .open(path)?;
    match file.metadata()?.file_type().is_fifo() {
        true => Err(ErrorKind::InvalidInput.into()),
        false => Ok(file),
    }
}

/// All of a file that has no more than `most` bytes.
fn whole(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Links are followed, as the tools follow them. Of a directory that is not handed on, what is too large or too many to be read for
/// every command is known by what the kernel says of it: its time of last change is nobody's to set.
fn directory(path: &Path) -> io::Result<Vec<(PathBuf, io::Result<Vec<u8>>)>> {
    let is_handed_on = path.ends_with(MODELS);
    let most_entries = if is_handed_on { MOST_FILES } else { MOST_ENTRIES };
    let (mut left, mut paths) = (vec![path.to_owned()], Vec::new());
    let mut files: Vec<(PathBuf, io::Result<Vec<u8>>)> = Vec::new();
    let mut directories = 0_usize;
    while let Some(directory) = left.pop() {
        directories = directories.saturating_add(1);
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if directory != path => {
                files.push((directory, Err(error)));
                continue;
            }
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                left.push(path);
            } else {
                paths.push(path);
            }
            if paths.len().saturating_add(left.len()).saturating_add(directories) > most_entries {
                return Err(ErrorKind::FileTooLarge.into());
            }
        }
    }
    paths.sort();
    let mut most = MOST_BYTES;
    for (number, path) in paths.into_iter().enumerate() {
        let read = open(&path).and_then(|file| match number < MOST_FILES {
            true => whole(file, most),
            false => Err(ErrorKind::FileTooLarge.into()),
        });
        let content = match read {
            Err(error) if error.kind() == ErrorKind::FileTooLarge && !is_handed_on => known_by(&path),
            Err(error) if error.kind() == ErrorKind::FileTooLarge => return Err(error),
            other => other,
        };
        if let Ok(bytes) = content.as_ref().map(Vec::len)
            && is_handed_on
        {
            most = most.saturating_sub(bytes as u64);
        }
        files.push((path, content));
    }
    files.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(files)
}

/// What stands for a file's content that is not read.
fn known_by(path: &Path) -> io::Result<Vec<u8>> {
    let found = path.metadata()?;
    let text = format!(
        "{} {} {} {}.{}",
        found.dev(),
        found.ino(),
        found.size(),
        found.ctime(),
        found.ctime_nsec()
    );
    Ok(text.into_bytes())
}

/// The paths and digests of a directory's files.
fn listing(files: &[(PathBuf, io::Result<Vec<u8>>)]) -> Vec<u8> {
    let mut listing = Vec::new();
    for (path, content) in files {
        let digest = match content {
            Ok(bytes) => hex(bytes),
            Err(error) => unreadable(error).unwrap_or_default(),
        };
        listing.extend(format!("{}\0{digest}\0", path.display()).into_bytes());
    }
    listing
}

fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn of(tool: Tool, variables: &[(&str, &str)]) -> Vec<String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        paths(tool, variable)
            .into_iter()
            .map(|path| path.display().to_string())
            .collect()
    }

    #[test]
    fn each_tool_is_known_to_look_where_it_looks() {
        let home = ("HOME", "/h");
        assert_eq!(of(Tool::Kubectl, &[home]), ["/h/.kube/config"]);
        assert_eq!(of(Tool::Kubectl, &[home, ("KUBECONFIG", "/a::/b")]), ["/a", "/b"]);
        assert_eq!(
            of(Tool::Aws, &[home, ("AWS_CONFIG_FILE", "~/c")])[..2],
            ["/h/c", "/h/.aws/credentials"]
        );
        assert_eq!(
            of(Tool::Gh, &[home, ("XDG_CONFIG_HOME", "/x")])[0],
            "/x/gh/config.yml"
        );
        assert_eq!(of(Tool::Gh, &[home, ("GH_CONFIG_DIR", "/g")])[1], "/g/hosts.yml");
    }

    #[test]
    fn a_path_that_aws_expands_is_unclear() {
        let of = |path: &'static str| {
            let variable = move |name: &str| match name {
                "AWS_CONFIG_FILE" => Some(path.to_owned()),
                "HOME" => Some("/h".to_owned()),
                _ => None,
            };
            [Tool::Aws, Tool::Kubectl].map(|tool| unclear(tool, variable).is_some())
        };
        assert_eq!(of("$HOME/c"), [true, false]);
        assert_eq!(of("~root/c"), [true, false]);
        assert_eq!(of("~/c"), [false, false]);
        assert_eq!(of("/etc/c"), [false, false]);
    }

    #[test]
    fn described_tools_are_known_to_look_where_they_look() {
        let terraform = |variables: &[(&str, &str)]| {
            let all = [&[("HOME", "/h")], variables].concat();
            of(Tool::of_name("terraform").unwrap(), &all)[3].clone()
        };
        assert_eq!(terraform(&[]), "/h/.terraformrc");
        assert_eq!(terraform(&[("TERRAFORM_CONFIG", "/old")]), "/old");
        assert_eq!(
            terraform(&[("TERRAFORM_CONFIG", "/old"), ("TF_CLI_CONFIG_FILE", "/new")]),
            "/new"
        );
        let helm = |variables: &[(&str, &str)]| {
            let all = [&[("HOME", "/h")], variables].concat();
            of(Tool::of_name("helm").unwrap(), &all)[5..].to_vec()
        };
        assert_eq!(helm(&[]), ["/h/.config/helm", "/h/.local/share/helm/plugins"]);
        assert_eq!(
            helm(&[("XDG_CONFIG_HOME", "/c"), ("XDG_DATA_HOME", "/d")]),
            ["/c/helm", "/d/helm/plugins"]
        );
        assert_eq!(
            helm(&[
                ("HELM_CONFIG_HOME", "/c"),
                ("HELM_DATA_HOME", "/d"),
                ("XDG_DATA_HOME", "/x")
            ]),
            ["/c", "/d/plugins"]
        );
        assert_eq!(helm(&[("HELM_PLUGINS", "/p:/q")])[1..], ["/p", "/q"]);
    }

    #[test]
    fn every_change_is_noticed_and_putting_it_back_is_enough() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::write(at("there"), "a").unwrap();
        fs::create_dir_all(at("models/ec2")).unwrap();
        let paths = || vec![at("there"), at("absent"), at("models")];
        let pinned = pin(paths());
        let fault = || take(paths(), Some(&pinned)).err();
        let found = take(paths(), Some(&pinned)).unwrap();
        assert_eq!(found.iter().filter_map(Found::text).collect::<Vec<_>>(), ["a"]);
        fs::write(at("there"), "b").unwrap();
        assert!(fault().unwrap().contains("was changed"));
        fs::remove_file(at("there")).unwrap();
        assert!(fault().unwrap().contains("was removed"));
        fs::write(at("there"), "a").unwrap();
        assert_eq!(fault(), None);
        fs::write(at("absent"), "").unwrap();
        assert!(fault().unwrap().contains("was made"));
        fs::remove_file(at("absent")).unwrap();
        fs::write(at("models/ec2/service-2.json"), "{}").unwrap();
        assert!(fault().unwrap().contains("models` was changed"));
    }

    #[test]
    fn what_is_too_large_to_be_read_is_refused_though_it_was_so_before() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let large = File::create(at("large")).unwrap();
        large.set_len(MOST_BYTES + 1).unwrap();
        fs::create_dir_all(at(MODELS)).unwrap();
        for number in 0..=MOST_FILES {
            fs::write(at(MODELS).join(number.to_string()), "").unwrap();
        }
        for name in ["large", MODELS] {
            let paths = || vec![at(name)];
            let fault = take(paths(), Some(&pin(paths()))).unwrap_err();
            assert!(fault.contains("is too large"), "{fault}");
        }
    }

    #[test]
    fn what_is_too_large_in_a_directory_of_plugins_is_known_by_its_last_change() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir(at("plugins")).unwrap();
        File::create(at("plugins/large"))
            .unwrap()
            .set_len(MOST_BYTES + 1)
            .unwrap();
        for number in 0..=MOST_FILES {
            fs::write(at(&format!("plugins/{number}")), "").unwrap();
        }
        let paths = || vec![at("plugins")];
        let pinned = pin(paths());
        assert_eq!(take(paths(), Some(&pinned)), Ok(Vec::new()));
        let large = OpenOptions::new().write(true).open(at("plugins/large")).unwrap();
        large.set_len(MOST_BYTES + 2).unwrap();
        assert!(take(paths(), Some(&pinned)).unwrap_err().contains("was changed"));
        let pinned = pin(paths());
        fs::write(at("plugins/999"), "x").unwrap();
        assert!(take(paths(), Some(&pinned)).unwrap_err().contains("was changed"));
    }

    #[test]
    fn aws_without_a_home_is_unclear() {
        let of = |home: Option<&'static str>| {
            let variable = move |name: &str| home.filter(|_| name == "HOME").map(str::to_owned);
            [Tool::Aws, Tool::Gh].map(|tool| unclear(tool, variable).is_some())
        };
        assert_eq!(of(Some("/h")), [false, false]);
        for home in [None, Some(""), Some("h")] {
            assert_eq!(of(home), [true, false]);
        }
    }

    #[test]
    fn a_link_that_leads_back_is_followed_as_far_as_the_kernel_does() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(".", root.path().join("again")).unwrap();
        let paths = || vec![root.path().to_owned()];
        let pinned = pin(paths());
        assert!(take(paths(), Some(&pinned)).is_ok());
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("pipe");
        let paths = || vec![path.clone(), root.path().to_owned()];
        let pinned = pin(paths());
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(take(paths(), Some(&pinned)).unwrap_err().contains("is a pipe"));
        assert!(
            take(paths(), Some(&pin(paths())))
                .unwrap_err()
                .contains("is a pipe")
        );
        let whole = || vec![root.path().to_owned()];
        assert!(take(whole(), Some(&pinned)).unwrap_err().contains("was changed"));
    }

    #[test]
    fn a_directory_is_read_through_links_and_service_models_are_handed_on() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at(".aws/models")).unwrap();
        fs::create_dir_all(at("elsewhere/ec2")).unwrap();
        fs::write(at("elsewhere/ec2/service-2.json"), "{}").unwrap();
        std::os::unix::fs::symlink("../../elsewhere/ec2", at(".aws/models/ec2")).unwrap();
        std::os::unix::fs::symlink("nowhere", at(".aws/models/lost")).unwrap();
        let paths = || vec![at(".aws/models"), at("elsewhere")];
        let pinned = pin(paths());
        let found = take(paths(), Some(&pinned)).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, at(".aws/models/ec2/service-2.json"));
        assert_eq!(found[0].whole, Some(at(".aws/models")));
        assert_eq!((found[0].content.as_slice(), found[0].text()), (&b"{}"[..], None));
        fs::write(at("elsewhere/ec2/service-2.json"), "[]").unwrap();
        assert!(take(paths(), Some(&pinned)).is_err());
    }
}
