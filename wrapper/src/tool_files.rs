//! The tools' own configuration files. They can run programs and send requests elsewhere (exec plugins, `credential_process`,
//! aliases, plugins, service models), so a call is judged only while they are as the operator had them.
//!
//! In a session, their digests are pinned when it begins. On a host, they must not be the caller's to write.

mod content;
mod paths;

use content::{Content, content, digest, digest_of, unreadable_here};
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub use paths::{paths, unclear};

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

#[cfg(test)]
mod tests {
    use super::content::{MOST_BYTES, MOST_FILES};
    use super::*;
    use std::fs::{self, File, OpenOptions};

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
