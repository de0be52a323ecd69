//! The real tool among everything else that may bear its name.

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

fn find(name: &str, path: &str, ourselves: FileId) -> Result<PathBuf, NoTool> {
    RealTool::find(name, path, ourselves).map(|tool| tool.path)
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
fn the_pinned_one_is_found_at_once_while_it_is_the_first_and_as_it_was() {
    let root = tempfile::tempdir().unwrap();
    let (first, second) = (root.path().join("first"), root.path().join("second"));
    fs::create_dir(&first).unwrap();
    let file = tool(&second, "kubectl", 0o755);
    let path = path_of(&[&first, &second]);
    let pinned = RealTool::open(file.clone()).unwrap().pin().clone();
    let found =
        || RealTool::find_unchanged("kubectl", &path, &pinned).map(|tool| (tool.path, tool.is_script));
    assert_eq!(found(), Some((file.clone(), true)));
    let before = tool(&first, "kubectl", 0o644);
    assert_eq!(found(), None, "another stands before it");
    fs::remove_file(&before).unwrap();
    symlink(&file, &before).unwrap();
    assert_eq!(found(), None, "it is found elsewhere first");
    fs::remove_file(&before).unwrap();
    assert!(found().is_some());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(found(), None, "it was changed");
}

/// A pipe would hold up whoever opens it.
#[test]
fn what_is_no_file_is_passed_over() {
    let root = tempfile::tempdir().unwrap();
    let (first, second) = (root.path().join("first"), root.path().join("second"));
    fs::create_dir(&first).unwrap();
    nix::unistd::mkfifo(&first.join("kubectl"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let nobody = FileId { device: 0, inode: 0 };
    let only = find("kubectl", &path_of(&[&first]), nobody).unwrap_err();
    assert!(only.to_string().ends_with("it is not a file"), "{only}");
    let real = tool(&second, "kubectl", 0o711);
    assert_eq!(
        find("kubectl", &path_of(&[&first, &second]), nobody).unwrap(),
        real
    );
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

#[test]
fn a_version_is_known_of_a_file_until_it_changes() {
    let root = tempfile::tempdir().unwrap();
    let file = tool(root.path(), "kubectl", 0o755);
    let open = || RealTool::open(file.clone()).unwrap();
    let known = |version: &str| KnownVersion {
        file: open().pin().clone(),
        version: version.to_owned(),
    };
    let fault = |minimum: &str, known: Option<&KnownVersion>| {
        let checked = open().check_version(minimum, known);
        checked
            .map_err(|error| error.to_string())
            .err()
            .unwrap_or_default()
    };
    let now = known("1.24.3");
    assert_eq!(fault("1.24", Some(&now)), "");
    assert!(fault("1.25", Some(&now)).contains("it is version 1.24.3, and 1.25 is asked for"));
    assert!(fault("1.24", None).contains("its version is not known"));
    assert!(fault("1.24", Some(&known("unknown"))).contains("cannot be compared"));
    fs::write(&file, "#!/bin/sh\n# another\n").unwrap();
    assert!(fault("1.24", Some(&now)).contains("it was changed since it was version 1.24.3"));
}
