//! The real kubectl, aws and gh: from `REEVE_TEST_TOOLS` (a directory) first, then from PATH. A missing one fails the
//! test that needs it, and says where to get it: a skipped test would prove nothing.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// The real `name`.
///
/// # Panics
/// When it is not there.
pub fn real(name: &str) -> PathBuf {
    let package = match name {
        "kubectl" => "kubernetes-client",
        "aws" => "awscli",
        other => other,
    };
    candidates(name).into_iter().find(is_program).unwrap_or_else(|| {
        panic!(
            "the real {name} is needed here: install Debian's package `{package}`, or run `bash tests/run`"
        )
    })
}

/// Every version of the real `name` that is here: the first is [`real`]'s, the others are those that `tests/run` unpacks beside
/// it to compare tables with.
pub fn versions(name: &str) -> Vec<PathBuf> {
    let mut found = vec![real(name)];
    if let Some(chosen) = std::env::var_os("REEVE_TEST_TOOLS").map(PathBuf::from) {
        let entries = std::fs::read_dir(chosen.join("versions"))
            .into_iter()
            .flatten()
            .flatten();
        let mut others: Vec<PathBuf> = entries
            .filter(|entry| {
                let found = entry.file_name().to_string_lossy().into_owned();
                let version = found.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
                version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
            })
            .flat_map(|entry| ["usr/bin", "bin"].map(|below| entry.path().join(below).join(name)))
            .filter(is_program)
            // Debian's aws is a script: unpacked, it runs with the modules of the installed one.
            .filter(|path| !path.ends_with("usr/bin/aws"))
            .collect();
        others.sort();
        found.extend(others);
    }
    found.dedup_by_key(|path| path.canonicalize().ok());
    found
}

fn candidates(name: &str) -> Vec<PathBuf> {
    let chosen = std::env::var_os("REEVE_TEST_TOOLS").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    chosen
        .into_iter()
        .chain(std::env::split_paths(&path))
        .filter(|directory| !directory.ends_with("shims")) // version managers' scripts, not the tool
        .map(|directory| directory.join(name))
        .collect()
}

fn is_program(file: &PathBuf) -> bool {
    std::fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
