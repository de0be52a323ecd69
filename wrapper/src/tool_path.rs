//! Finds the real tool: the first in PATH that is not one of us.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Device and inode: what a file is, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    /// `st_dev`
    pub device: u64,
    /// `st_ino`
    pub inode: u64,
}

impl FileId {
    fn of(metadata: &Metadata) -> FileId {
        FileId {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    /// This program.
    ///
    /// # Errors
    /// When `/proc` is not there.
    pub fn of_this_program() -> std::io::Result<FileId> {
        std::fs::metadata("/proc/self/exe").map(|metadata| FileId::of(&metadata))
    }
}

/// Why there is no tool to run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoTool {
    /// Nothing by that name.
    #[error("the real `{name}` was not found in `{path}`; {}", package(name))]
    NotFound {
        /// The tool's name.
        name: String,
        /// Where it was searched.
        path: String,
    },
    /// Something by that name that cannot be executed, and nothing better after it.
    #[error("{file}: {why}")]
    NotExecutable {
        /// The first one found.
        file: String,
        /// Why it cannot be executed.
        why: String,
    },
}

fn package(name: &str) -> String {
    let package = match name {
        "kubectl" => "kubernetes-client",
        "aws" => "awscli",
        other => other,
    };
    format!("Debian has it in the package `{package}`")
}

/// Names under which this program is installed; a shim elsewhere is a link to, or a copy of, one of them.
const OUR_NAMES: [&str; 2] = ["reeve", ".reeve"];

/// The first executable `name` in `path` that is neither this program nor another gate. Relative
/// directories are passed over: what they mean depends on where the caller stands.
///
/// # Errors
/// [`NoTool`], with what was found instead.
pub fn find(name: &str, path: &str, ourselves: FileId) -> Result<PathBuf, NoTool> {
    let mut obstacle = None;
    for directory in path
        .split(':')
        .map(Path::new)
        .filter(|directory| directory.is_absolute())
    {
        let candidate = directory.join(name);
        match examine(&candidate, ourselves) {
            Candidate::Tool => return Ok(candidate),
            Candidate::Gate | Candidate::Absent => {}
            Candidate::Unusable(why) => {
                obstacle.get_or_insert(NoTool::NotExecutable {
                    file: candidate.display().to_string(),
                    why,
                });
            }
        }
    }
    Err(obstacle.unwrap_or_else(|| NoTool::NotFound {
        name: name.to_owned(),
        path: path.to_owned(),
    }))
}

enum Candidate {
    Tool,
    Gate,
    Absent,
    Unusable(String),
}

fn examine(candidate: &Path, ourselves: FileId) -> Candidate {
    let metadata = match std::fs::metadata(candidate) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Candidate::Absent;
        }
        Err(error) => return Candidate::Unusable(error.to_string()),
    };
    if FileId::of(&metadata) == ourselves || is_called_like_us(candidate) {
        return Candidate::Gate;
    }
    if !metadata.is_file() {
        return Candidate::Unusable("it is not a file".to_owned());
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        return Candidate::Unusable("it is not executable".to_owned());
    }
    Candidate::Tool
}

fn is_called_like_us(candidate: &Path) -> bool {
    std::fs::canonicalize(candidate)
        .ok()
        .and_then(|real| {
            real.file_name()
                .and_then(|name| name.to_str())
                .map(|name| OUR_NAMES.contains(&name))
        })
        .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn tool(directory: &Path, name: &str, mode: u32) -> PathBuf {
        fs::create_dir_all(directory).unwrap();
        let file = directory.join(name);
        fs::write(&file, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    fn path_of(directories: &[&Path]) -> String {
        directories
            .iter()
            .map(|d| d.display().to_string())
            .collect::<Vec<_>>()
            .join(":")
    }

    #[test]
    fn passes_over_ourselves_links_copies_loops_and_relative_directories() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let us = tool(&at("us"), "kubectl", 0o755);
        let copy = tool(&at("copies"), "reeve", 0o755);
        fs::create_dir_all(at("links")).unwrap();
        symlink(&us, at("links").join("kubectl")).unwrap();
        fs::create_dir_all(at("shims")).unwrap();
        symlink(&copy, at("shims").join("kubectl")).unwrap();
        fs::create_dir_all(at("loop")).unwrap();
        symlink(at("loop").join("kubectl"), at("loop").join("kubectl")).unwrap();
        let real = tool(&at("real"), "kubectl", 0o755);
        let path = format!(
            ".:relative:{}",
            path_of(&[&at("us"), &at("links"), &at("shims"), &at("loop"), &at("real")])
        );
        let ourselves = FileId::of(&fs::metadata(&us).unwrap());
        assert_eq!(find("kubectl", &path, ourselves).unwrap(), real);
    }

    #[test]
    fn says_the_package_when_nothing_is_there_and_the_obstacle_when_something_is() {
        let root = tempfile::tempdir().unwrap();
        let nobody = FileId { device: 0, inode: 0 };
        let path = path_of(&[root.path()]);
        assert!(
            find("kubectl", &path, nobody)
                .unwrap_err()
                .to_string()
                .contains("`kubernetes-client`")
        );
        tool(root.path(), "gh", 0o644);
        assert!(
            find("gh", &path, nobody)
                .unwrap_err()
                .to_string()
                .ends_with("it is not executable")
        );
    }
}
