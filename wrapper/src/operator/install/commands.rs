//! Debian's own programs that an installation uses: for accounts, and for what packages own.

use super::step::Belongs;
use crate::exit::Exit;
use crate::operator::Failure;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Where they are, whatever PATH the operator has.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Makes a system group.
pub fn add_group(name: &str) -> Result<(), Failure> {
    must("groupadd", &["--system", name]).map(drop)
}

/// Makes a system user that nobody logs in as, with a group of its own name.
pub fn add_user(name: &str, home: &str) -> Result<(), Failure> {
    let shell = "/usr/sbin/nologin";
    let words = [
        "--system",
        "--user-group",
        "--no-create-home",
        "--home-dir",
        home,
        "--shell",
        shell,
        name,
    ];
    must("useradd", &words).map(drop)
}

/// Removes a user.
pub fn remove_user(name: &str) -> Result<(), Failure> {
    must("userdel", &[name]).map(drop)
}

/// Removes a group.
pub fn remove_group(name: &str) -> Result<(), Failure> {
    must("groupdel", &[name]).map(drop)
}

/// Whether a package of dpkg's has this file: then its next version would bring its own owner and mode back, unless dpkg is told.
pub fn is_packaged(path: &Path) -> Result<bool, Failure> {
    let path = path.display().to_string();
    // Packages may still say /bin for what is in /usr/bin.
    let names = [Some(path.as_str()), path.strip_prefix("/usr")];
    for name in names.into_iter().flatten() {
        match run("dpkg-query", &["--search", name])? {
            None => return Ok(false),
            Some(output) if output.status.success() => return Ok(true),
            Some(_) => {}
        }
    }
    Ok(false)
}

/// What dpkg was told of this file's owner, group and mode, if anything: `USER GROUP MODE`.
pub fn told(path: &Path) -> Result<Option<String>, Failure> {
    let path = path.display().to_string();
    let Some(output) = run("dpkg-statoverride", &["--list", &path])? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = text.lines().next().and_then(|line| line.strip_suffix(&path));
    Ok(told.map(|told| told.trim_end().to_owned()))
}

/// As [`told`] says it.
pub fn telling(belongs: &Belongs) -> String {
    format!("{} {} {:o}", belongs.user, belongs.group, belongs.mode)
}

/// Tells dpkg, in place of what it was told; `None` takes that away. The file itself is not touched.
pub fn tell(path: &Path, telling: Option<&str>) -> Result<(), Failure> {
    let name = path.display().to_string();
    if told(path)?.is_some() {
        must("dpkg-statoverride", &["--remove", &name])?;
    }
    if let Some(telling) = telling {
        let words: Vec<&str> = ["--add"]
            .into_iter()
            .chain(telling.split(' '))
            .chain([name.as_str()])
            .collect();
        must("dpkg-statoverride", &words)?;
    }
    Ok(())
}

/// Runs a program to its end; `None` where it is not installed.
fn run(program: &str, words: &[&str]) -> Result<Option<Output>, Failure> {
    let output = Command::new(program)
        .args(words)
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) => Ok(Some(output)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::new(Exit::CannotCreate, format!("{program}: {error}"))),
    }
}

fn must(program: &str, words: &[&str]) -> Result<Output, Failure> {
    let failed = |why: &str| {
        Failure::new(
            Exit::CannotCreate,
            format!("`{program} {}`: {why}", words.join(" ")),
        )
    };
    let output = run(program, words)?.ok_or_else(|| failed("it is not installed"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(failed(&format!("{}: {said}", output.status)))
}
