//! `reeve` and `reeved`, built once per test process in the tests' own profile, or taken from `REEVE_BIN_DIR`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();

/// The operator's binary, which is also the gate.
pub fn reeve() -> PathBuf {
    directory().join("reeve")
}

/// The sidecar.
pub fn reeved() -> PathBuf {
    directory().join("reeved")
}

fn directory() -> &'static Path {
    DIRECTORY.get_or_init(|| match std::env::var_os("REEVE_BIN_DIR") {
        Some(directory) => directory.into(),
        None => build(),
    })
}

fn build() -> PathBuf {
    // target/<profile>/deps/<this test>, or target/<profile>/<this program>
    let program = std::env::current_exe().expect("the program knows its own file");
    let mut directory = program
        .parent()
        .expect("a program lies in target/<profile>")
        .to_owned();
    if directory.ends_with("deps") {
        directory.pop();
    }
    let profile = directory
        .file_name()
        .and_then(|name| name.to_str())
        .expect("the profile's directory has a name");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--bins", "-p", "reeve", "-p", "reeved"]);
    cargo.args(["--profile", if profile == "debug" { "dev" } else { profile }]);
    cargo
        .arg("--target-dir")
        .arg(directory.parent().expect("the profile's directory has a parent"));
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let status = cargo.status().expect("cargo can be started");
    assert!(status.success(), "the binaries do not build");
    directory
}
