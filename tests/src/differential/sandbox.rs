//! A home and a working directory with known content, in which a real tool runs to its end or to a deadline.

use argv::Surroundings;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;

/// What every credential of the sandbox contains.
pub const SECRET: &str = "c2VjcmV0LWNhbmFyeQ7x";
/// What the files contain that no line should give away unnoticed.
pub const FILE_CONTENT: &str = "file-canary-5b1e";
/// No line may take longer.
const DEADLINE: Duration = Duration::from_secs(3);

/// How a run ended.
#[derive(Debug, Default)]
pub struct Ran {
    /// The exit status; none when the deadline ended it.
    pub code: Option<i32>,
    /// Standard output and standard error.
    pub output: String,
    /// Files that are new, changed or gone.
    pub written: Vec<String>,
    /// Whether the program that only leaves a mark was started.
    pub marked: bool,
}

impl Ran {
    /// Whether the tool says it succeeded.
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// Whether it did more on this machine than print.
    pub fn did_something_here(&self) -> bool {
        !self.written.is_empty() || self.marked || self.output.contains(SECRET)
    }
}

/// The place.
pub struct Sandbox {
    root: TempDir,
    files: Vec<(&'static str, String)>,
    /// The tool's whole environment.
    pub environment: BTreeMap<String, String>,
    content: BTreeMap<PathBuf, (u64, Option<SystemTime>)>,
}

impl Sandbox {
    /// What a reading may know of it.
    pub fn surroundings(&self) -> Surroundings {
        Surroundings {
            environment: self.environment.clone(),
            ..Surroundings::default()
        }
    }

    /// A new one with these files; a path begins with `home/`, `cwd/` or `bin/`.
    pub fn new(files: Vec<(&'static str, String)>) -> Sandbox {
        let root = tempfile::tempdir().expect("a scratch directory can be made");
        let at = |name: &str| root.path().join(name).display().to_string();
        let environment = [
            ("HOME", at("home")),
            ("PATH", at("bin")),
            ("LANG", "C.UTF-8".to_owned()),
            ("TERM", "dumb".to_owned()),
            ("TMPDIR", at("tmp")),
            // Whatever does not go to its endpoint ends at a port of this machine where nobody listens.
            ("HTTPS_PROXY", "http://127.0.0.1:1".to_owned()),
            ("HTTP_PROXY", "http://127.0.0.1:1".to_owned()),
        ];
        let environment = environment
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let mut sandbox = Sandbox {
            root,
            files,
            environment,
            content: BTreeMap::new(),
        };
        sandbox.restore();
        sandbox
    }

    /// A path inside.
    pub fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The program that only leaves a mark.
    pub fn marker(&self) -> String {
        self.at("bin/marker").display().to_string()
    }

    /// Makes everything as it was in the beginning.
    pub fn restore(&mut self) {
        for directory in ["home", "cwd", "bin", "tmp"] {
            let directory = self.at(directory);
            if directory.exists() {
                fs::remove_dir_all(&directory).expect("our directory can be removed");
            }
            fs::create_dir_all(directory).expect("a directory can be made");
        }
        for (name, content) in &self.files {
            let path = self.at(name);
            fs::create_dir_all(path.parent().expect("a file lies in a directory"))
                .expect("a directory can be made");
            fs::write(&path, content).expect("a file can be written");
        }
        let mark = format!("#!/bin/sh\n: > {}\n", self.at("mark").display());
        fs::write(self.at("bin/marker"), mark).expect("a script can be written");
        fs::set_permissions(self.at("bin/marker"), fs::Permissions::from_mode(0o755))
            .expect("a mode can be set");
        for program in ["git", "diff"] {
            let real = Path::new("/usr/bin").join(program);
            if real.exists() {
                std::os::unix::fs::symlink(real, self.at("bin").join(program)).expect("a link can be made");
            }
        }
        self.content = self.look();
    }

    /// Every file but caches, with what tells a change.
    fn look(&self) -> BTreeMap<PathBuf, (u64, Option<SystemTime>)> {
        let mut found = BTreeMap::new();
        let mut open = vec![self.at("home"), self.at("cwd")];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(&directory).expect("our directory can be read") {
                let path = entry.expect("an entry").path();
                let Ok(about) = fs::symlink_metadata(&path) else {
                    continue;
                };
                let text = path.to_string_lossy();
                let is_cache = [
                    "/.kube/cache",
                    "/.kube/http-cache",
                    "/.aws/cli/cache",
                    "/.cache/",
                    "/.git/",
                    "/.local/state",
                ]
                .iter()
                .any(|cache| text.contains(cache));
                if is_cache {
                    continue;
                }
                if about.is_dir() {
                    open.push(path);
                } else {
                    found.insert(path, (about.len(), about.modified().ok()));
                }
            }
        }
        found
    }

    /// Runs a program in the working directory; what it wrote is told, and undone.
    pub fn run(&mut self, program: &Path, words: &[String]) -> Ran {
        let output = self.at("output");
        let file = fs::File::create(&output).expect("a file can be made");
        let mut child = Command::new(program)
            .args(words)
            .env_clear()
            .envs(&self.environment)
            .current_dir(self.at("cwd"))
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a descriptor can be copied"))
            .stderr(file)
            .spawn()
            .expect("the tool starts");
        let begun = Instant::now();
        let code = loop {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                break status.code();
            }
            if begun.elapsed() > DEADLINE {
                child.kill().expect("our own child can be killed");
                child.wait().expect("a child can be waited for");
                break None;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let bytes = fs::read(&output).expect("the output can be read");
        self.after(code, String::from_utf8_lossy(&bytes).into_owned())
    }

    /// What a run left behind; it is undone.
    pub fn after(&mut self, code: Option<i32>, output: String) -> Ran {
        let now = self.look();
        let before = &self.content;
        let is_other = |path: &&PathBuf| now.get(*path) != before.get(*path);
        let mut written: Vec<String> = now
            .keys()
            .chain(before.keys())
            .filter(is_other)
            .map(|path| {
                let path = path.strip_prefix(self.root.path()).unwrap_or(path);
                path.display().to_string()
            })
            .collect();
        written.dedup();
        let mark = self.at("mark");
        let marked = mark.exists();
        if marked {
            fs::remove_file(mark).expect("our mark can be removed");
        }
        if !written.is_empty() {
            self.restore();
        }
        Ran {
            code,
            output,
            written,
            marked,
        }
    }
}
