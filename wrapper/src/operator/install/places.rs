//! Whether a file lies where nobody but root can put another in its place, and where the gate's group gets to it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// That nobody but root can replace `path` or a directory above it. Where a part of it is a link, its real path is to be asked
/// about too.
///
/// # Errors
/// Names who could, and what to do.
pub fn only_roots(path: &Path) -> Result<(), String> {
    let parts: Vec<&Path> = path.ancestors().collect();
    // From the top: in a sticky directory others can add, and not replace what is root's.
    for pair in parts.iter().rev().collect::<Vec<_>>().windows(2) {
        let [above, below] = pair else { continue };
        let directory = look(above)?;
        let inside = look(below)?;
        let sticky = directory.mode() & 0o1000 != 0 && inside.uid() == 0;
        // A link's own mode means nothing; where it leads is looked at by its other name.
        let open = directory.mode() & 0o022 != 0 && !directory.is_symlink();
        if directory.uid() != 0 || open && !sticky {
            return Err(format!(
                "{} is in {}, which somebody besides root can write (user {}, mode {:04o}); keep it where only root can",
                path.display(),
                above.display(),
                directory.uid(),
                directory.mode() & 0o7777
            ));
        }
    }
    Ok(())
}

/// That a process with the gate's group (`None`: it is not there yet) gets into every directory above `path`.
///
/// # Errors
/// Names the directory that is closed.
pub fn reached_by(path: &Path, gid: Option<u32>) -> Result<(), String> {
    for above in path.ancestors().skip(1) {
        let directory = look(above)?;
        let open =
            directory.mode() & 0o001 != 0 || directory.mode() & 0o010 != 0 && gid == Some(directory.gid());
        if !open {
            return Err(format!(
                "{} is in {}, where the gate's group cannot enter (mode {:04o}); keep it elsewhere, such as in \
                 /etc/reeve/credentials",
                path.display(),
                above.display(),
                directory.mode() & 0o7777
            ));
        }
    }
    Ok(())
}

fn look(path: &Path) -> Result<Metadata, String> {
    path.symlink_metadata()
        .map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_directory_that_others_write_is_named() {
        let root = tempfile::tempdir().unwrap();
        let open = root.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
        std::fs::write(open.join("file"), "").unwrap();
        let said = only_roots(&open.join("file")).unwrap_err();
        assert!(said.contains("somebody besides root can write"), "{said}");
        assert!(only_roots(Path::new("/usr/bin/env")).is_ok());
    }

    #[test]
    fn a_directory_that_is_closed_is_named() {
        let root = tempfile::tempdir().unwrap();
        std::fs::set_permissions(root.path(), Permissions::from_mode(0o700)).unwrap();
        let said = reached_by(&root.path().join("file"), None).unwrap_err();
        assert!(said.contains("cannot enter"), "{said}");
        assert!(reached_by(Path::new("/usr/bin/env"), None).is_ok());
    }
}
