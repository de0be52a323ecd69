//! A HOME for aws. Its aliases and service models can change every command, and aws looks for them below HOME only: so in a session it
//! gets a directory of links to all that is in the real one, but these as they were read.

use crate::copy::Copy;
use crate::inputs::Inputs;
use crate::tool_files::Found;
use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// What aws reads below HOME that can change a command. Only what was read of it is in ours.
const DECIDES: [&str; 3] = [".aws/cli/alias", ".aws/models", ".boto"];
/// Directories that are ours, for something in them is.
const OURS: [&str; 2] = [".aws", ".aws/cli"];
/// The most links.
const MOST_LINKS: usize = 10_000;

/// What makes aws write to a directory, and which. It makes them itself; in ours they would be gone with the command, and what
/// somebody typed for it, too.
const CACHES: [(&str, &str); 4] = [
    ("role_arn", ".aws/cli/cache"),
    ("sso_", ".aws/cli/cache"),
    ("cli_history", ".aws/cli/history"),
    ("login_session", ".aws/login/cache"),
];

/// Makes the directories in the real HOME in which aws with this configuration keeps what it need not be told again.
///
/// # Errors
/// When one cannot be made, and there was none.
pub fn make_caches(home: &Path, texts: &[&str], is_set: impl Fn(&str) -> bool) -> io::Result<()> {
    // aws reads keys in any case, and a role from the environment.
    let texts: Vec<String> = texts.iter().map(|text| text.to_ascii_lowercase()).collect();
    let is_used = |word: &str| {
        texts.iter().any(|text| text.contains(word)) || is_set(&format!("AWS_{}", word.to_ascii_uppercase()))
    };
    for (_, directory) in CACHES.iter().filter(|(word, _)| is_used(word)) {
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(home.join(directory));
        match made {
            // aws could not either then, and does without.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::PermissionDenied
                        | ErrorKind::ReadOnlyFilesystem
                        | ErrorKind::AlreadyExists
                        | ErrorKind::NotADirectory
                ) => {}
            other => other?,
        }
    }
    Ok(())
}

/// Gives aws a copy of `home` for one command; `files` are its configuration as it was read.
///
/// # Errors
/// When `home` cannot be read, has too much in it, or the copy cannot be made.
pub fn hand_over(inputs: &mut Inputs, home: &Path, files: &[Found], place: &Path) -> io::Result<()> {
    let mut links = links(home, Path::new(""))?;
    for directory in OURS {
        links.extend(self::links(home, Path::new(directory))?);
    }
    if links.len() > MOST_LINKS {
        let message = format!(
            "{}: more than {MOST_LINKS} files; aws gets a directory of links to them",
            home.display()
        );
        return Err(io::Error::new(ErrorKind::FileTooLarge, message));
    }
    let below_home = |path: &Path| path.strip_prefix(home).ok().map(Path::to_owned);
    let decisive = files.iter().filter_map(|file| {
        let name = below_home(&file.path)?;
        let decides = DECIDES.iter().any(|decides| name.starts_with(decides));
        decides.then_some((name, file))
    });
    let (parts, whole): (Vec<_>, Vec<_>) = decisive.partition(|(_, file)| file.whole.is_some());
    for (name, file) in whole {
        links.push((name, inputs.hold(&file.content)?.into()));
    }
    let copy = Copy::of_links(place, &links)?;
    for (name, file) in parts {
        copy.write(&name, &file.content)?;
    }
    inputs.hold_copy("HOME", copy);
    Ok(())
}

/// Links to what is in one directory of `home`, by their names below it.
fn links(home: &Path, directory: &Path) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let entries = match std::fs::read_dir(home.join(directory)) {
        Ok(entries) => entries,
        // aws finds nothing there either; or it is not for us to see, and what is in it stays behind.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut links = Vec::new();
    for entry in entries.take(MOST_LINKS.saturating_add(1)) {
        let entry = entry?;
        let name = directory.join(entry.file_name());
        if OURS.iter().chain(&DECIDES).all(|ours| name != Path::new(ours)) {
            links.push((name, entry.path()));
        }
    }
    Ok(links)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    /// Where aws finds its HOME.
    fn handed(inputs: &mut Inputs, home: &Path, files: &[Found], root: &TempDir) -> PathBuf {
        hand_over(inputs, home, files, &root.path().join("copies")).unwrap();
        let (variable, value) = inputs.environment.last().unwrap();
        assert_eq!(*variable, "HOME");
        PathBuf::from(value)
    }

    #[test]
    fn everything_is_there_but_what_was_not_read() {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().join("home");
        fs::create_dir_all(home.join(".aws/cli/cache")).unwrap();
        fs::create_dir_all(home.join(".aws/models/ec2")).unwrap();
        fs::create_dir_all(home.join(".aws/sso")).unwrap();
        for (name, content) in [
            (".aws/cli/alias", "as it is by now"),
            (".aws/cli/cache/a", "a"),
            (".aws/models/ec2/late.json", "{}"),
            (".boto", "late"),
            ("x", "x"),
        ] {
            fs::write(home.join(name), content).unwrap();
        }
        let found = |name: &str, content: &str, whole: Option<&str>| Found {
            path: home.join(name),
            content: content.into(),
            whole: whole.map(|whole| home.join(whole)),
        };
        let files = [
            found(".aws/config", "[default]", None),
            found(".aws/cli/alias", "as it was read", None),
            found(".aws/models/ec2/early.json", "[]", Some(".aws/models")),
        ];
        let mut inputs = Inputs::default();
        let ours = handed(&mut inputs, &home, &files, &root);
        let read = |name: &str| fs::read_to_string(ours.join(name)).ok();
        assert_eq!(read(".aws/cli/alias").as_deref(), Some("as it was read"));
        assert_eq!(read(".aws/models/ec2/early.json").as_deref(), Some("[]"));
        assert_eq!(read(".aws/cli/cache/a").as_deref(), Some("a"));
        assert_eq!(read("x").as_deref(), Some("x"));
        for absent in [".aws/models/ec2/late.json", ".boto", ".aws/config"] {
            assert_eq!(read(absent), None, "{absent}");
        }
        assert!(ours.join(".aws/sso").is_dir());
        inputs.let_go();
        assert!(!ours.exists() && home.join(".aws/cli/cache/a").exists());
    }

    #[test]
    fn a_home_with_nothing_in_it_or_none_is_an_empty_one() {
        let root = tempfile::tempdir().unwrap();
        for home in [root.path().join("none"), root.path().to_owned()] {
            let mut inputs = Inputs::default();
            let ours = handed(&mut inputs, &home, &[], &root);
            assert!(ours.is_dir() && !ours.join(".aws").exists());
        }
    }

    #[test]
    fn what_aws_keeps_is_kept_in_the_real_home() {
        let home = tempfile::tempdir().unwrap();
        make_caches(home.path(), &["[default]\nregion = eu-west-1\n", ""], |_| false).unwrap();
        assert!(!home.path().join(".aws").exists());
        make_caches(
            home.path(),
            &["cli_history = enabled\n", "ROLE_ARN = a\n"],
            |_| false,
        )
        .unwrap();
        let other = tempfile::tempdir().unwrap();
        make_caches(other.path(), &[], |name| name == "AWS_ROLE_ARN").unwrap();
        assert!(other.path().join(".aws/cli/cache").is_dir());
        assert!(home.path().join(".aws/cli/cache").is_dir() && home.path().join(".aws/cli/history").is_dir());
    }
}
