//! A PostgreSQL server of one test's own, from Debian's packages: no TCP, a socket in a scratch directory, and gone with the
//! test. It trusts everybody, and everybody is its superuser, so that nothing but what is tested stands in the way.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Debian's `nobody`: the server does not run as root.
const NOBODY: u32 = 65_534;

/// What every server holds at first: `users`, `orders`, a sequence, and views that write when they are read.
const CONTENT: &str = "
create table users (id int primary key, name text, created_at timestamptz default now());
insert into users values (1, 'a'), (2, 'b');
create table orders (id int, user_id int, total numeric, paid bool);
insert into orders values (1, 1, 10, false);
create table t (a int, b int, c int, y int, x int, data jsonb);
create sequence s;
create view v as select 1;
create function writes() returns int language sql volatile as 'insert into users values (77, ''w''); select 1';
create view writing as select writes();
create view counting as select nextval('s');
";

/// A running server.
pub struct Postgres {
    server: Child,
    directory: TempDir,
    programs: PathBuf,
}

impl Postgres {
    /// Makes one and waits until it answers.
    ///
    /// # Panics
    /// When PostgreSQL is not installed, or does not start.
    pub fn start() -> Postgres {
        let programs = programs();
        let directory = tempfile::tempdir().expect("a scratch directory can be made");
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755))
            .expect("a mode can be set");
        let inside = directory.path().join("server");
        std::fs::create_dir(&inside).expect("a directory can be made");
        if is_root() {
            chown(&inside, Some(NOBODY), Some(NOBODY)).expect("a directory can be given away");
        }
        let data = inside.join("data");
        let made = as_nobody(&programs.join("initdb"))
            .args([
                "-A",
                "trust",
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
                "-D",
            ])
            .arg(&data)
            .current_dir(&inside)
            .stdout(Stdio::null())
            .status()
            .expect("initdb can be started");
        assert!(made.success(), "initdb: {made}");
        let log = std::fs::File::create(directory.path().join("log")).expect("a file can be made");
        let server = as_nobody(&programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&inside)
            .args([
                "-c",
                "listen_addresses=",
                "-c",
                "fsync=off",
                "-c",
                "log_statement=all",
                "-c",
                "log_connections=on",
            ])
            .current_dir(&inside)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the server can be started");
        let postgres = Postgres {
            server,
            directory,
            programs,
        };
        let begun = Instant::now();
        while !postgres.psql(&["-c", "select 1"]).status.success() {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "the server does not answer: {}",
                postgres.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        let filled = postgres.psql(&["-v", "ON_ERROR_STOP=1", "-qc", CONTENT]);
        assert!(
            filled.status.success(),
            "{}",
            String::from_utf8_lossy(&filled.stderr)
        );
        postgres
    }

    /// The directory of its socket, for PGHOST.
    pub fn host(&self) -> PathBuf {
        self.directory.path().join("server")
    }

    /// The real psql.
    pub fn program(&self) -> PathBuf {
        self.programs.join("psql")
    }

    /// Runs the real psql, without the gate, as the superuser.
    pub fn psql(&self, words: &[&str]) -> std::process::Output {
        self.client("psql")
            .arg("-X")
            .args(words)
            .output()
            .expect("psql can be started")
    }

    /// Everything the server holds, as SQL.
    pub fn dump(&self) -> String {
        let dumped = self
            .client("pg_dumpall")
            .output()
            .expect("pg_dumpall can be started");
        assert!(
            dumped.status.success(),
            "{}",
            String::from_utf8_lossy(&dumped.stderr)
        );
        let text = String::from_utf8_lossy(&dumped.stdout).into_owned();
        // Newer versions put a random word there.
        let lines = text
            .lines()
            .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// What the server logged: every connection and every statement.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn client(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command
            .env_clear()
            .env("PGHOST", self.host())
            .env("PGUSER", "postgres")
            .env("HOME", "/nonexistent");
        command.env("PGDATABASE", "postgres").stdin(Stdio::null());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let id = i32::try_from(self.server.id()).map(nix::unistd::Pid::from_raw);
        // SIGINT: a fast shutdown.
        let told = id.is_ok_and(|id| nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).is_ok());
        if !told {
            self.server.kill().ok();
        }
        self.server.wait().ok();
    }
}

fn is_root() -> bool {
    nix::unistd::getuid().is_root()
}

fn as_nobody(program: &Path) -> Command {
    let mut command = Command::new(program);
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Where Debian keeps the newest version's programs.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<PathBuf> = versions
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| {
        panic!("PostgreSQL's server is needed here: install Debian's package `postgresql`, or run `bash tests/run`")
    })
}
