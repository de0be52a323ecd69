//! A host of a test's own: everything that this machine has, in a root directory where every change goes to memory and away with
//! the test. Accounts, packages' files and `/etc` can be changed in it, and users can be told apart.
//!
//! It is an overlay of `/` in a mount namespace, entered with `nsenter`; processes and loopback are this machine's. That needs
//! root. A test that cannot have it fails, and says so; `REEVE_WITHOUT_ROOT=1` leaves such tests out by name.

use crate::binaries;
use crate::session::{Output, finish, first_line};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use tempfile::TempDir;

/// The agent's user in it.
pub const AGENT: &str = "agent";
/// What `$1` is: where the root directory is put together. `$2` is bound to `/srv/shared` in it.
const SETUP: &str = "set -e\n\
    mount -t tmpfs -o mode=0755,size=1g overlay \"$1\"\n\
    mkdir \"$1/upper\" \"$1/scratch\" \"$1/tree\"\n\
    mount -t overlay overlay -o \"lowerdir=/,upperdir=$1/upper,workdir=$1/scratch\" \"$1/tree\"\n\
    for name in proc dev sys; do mount --rbind /$name \"$1/tree/$name\"; done\n\
    mount -t tmpfs -o mode=1777 tmp \"$1/tree/tmp\"\n\
    mount -t tmpfs -o mode=0755 run \"$1/tree/run\"\n\
    mkdir -p \"$1/tree/srv/shared\"\n\
    mount --bind \"$2\" \"$1/tree/srv/shared\"\n\
    touch \"$1/tree/a-host-of-a-test\"\n\
    exec chroot \"$1/tree\" /bin/bash -c 'echo ready; exec cat'\n";
/// Runs its words in the host, and nowhere else: this machine's own files are not for tests to change.
const GUARD: &str =
    "cd / && [ -e /a-host-of-a-test ] || { echo 'not in the host' >&2; exit 98; }; exec \"$@\"";

/// The host. It ends with the test.
pub struct Host {
    keeper: Child,
    alive: Option<ChildStdin>,
    sidecar: Option<Child>,
    directory: TempDir,
}

/// Whether tests of this kind are left out by name.
pub fn is_left_out() -> bool {
    let left_out = std::env::var_os("REEVE_WITHOUT_ROOT").is_some();
    if left_out {
        eprintln!("left out: REEVE_WITHOUT_ROOT is set, and this test needs root");
    }
    left_out
}

impl Host {
    /// Makes one, with a user for the agent, and the programs under test in `/opt/reeve`.
    ///
    /// # Panics
    /// When this process is not root, or may not mount.
    pub fn new() -> Host {
        assert!(
            nix::unistd::geteuid().is_root(),
            "this test makes a host of its own, which needs root; run it as root, or set REEVE_WITHOUT_ROOT=1"
        );
        let directory = tempfile::tempdir().expect("a scratch directory can be made");
        for name in ["host", "shared"] {
            std::fs::create_dir(directory.path().join(name)).expect("a directory can be made");
        }
        let mut keeper = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "bash", "-c", SETUP, "bash"])
            .arg(directory.path().join("host"))
            .arg(directory.path().join("shared"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("unshare (Debian: util-linux) is there");
        let said = first_line(keeper.stdout.take().expect("it is piped"));
        if said.trim() != "ready" {
            let mut why = String::new();
            let mut stderr = keeper.stderr.take().expect("it is piped");
            stderr.read_to_string(&mut why).expect("it can be read");
            keeper.wait().expect("it ended");
            panic!(
                "this test makes a host of its own from an overlay in a mount namespace, which this machine does not let \
                 root do (in a container: CAP_SYS_ADMIN): {why}"
            );
        }
        let alive = keeper.stdin.take();
        let host = Host {
            keeper,
            alive,
            sidecar: None,
            directory,
        };
        host.must(&format!("useradd --create-home --shell /bin/bash {AGENT}"));
        host.must("mkdir /opt/reeve");
        for program in [binaries::reeve(), binaries::reeved()] {
            let name = program.file_name().expect("a program has a name").to_owned();
            host.put(&program, &Path::new("/opt/reeve").join(name));
        }
        host
    }

    /// A directory that both this process and the host see, in the host `/srv/shared`. Sockets work there.
    pub fn shared(&self) -> PathBuf {
        self.directory.path().join("shared")
    }

    /// Copies a file of this machine's into the host, mode 0755.
    pub fn put(&self, from: &Path, to: &Path) {
        let name = self.shared().join("put");
        std::fs::copy(from, &name).expect("it can be copied");
        self.must(&format!(
            "install -m 0755 -o root -g root /srv/shared/put {}",
            to.display()
        ));
        std::fs::remove_file(name).expect("it can be removed");
    }

    /// Writes a file of root's, with this mode, making the directories above it.
    pub fn write(&self, path: &str, text: &str, mode: &str) {
        let script = format!("install -D -m {mode} -o root -g root /dev/stdin {path}");
        let output = finish(
            self.entered(&["bash", "-c", &script]).stdin(Stdio::piped()),
            text.as_bytes(),
        );
        assert!(output.status.success(), "{output:?}");
    }

    /// Runs a script as root.
    pub fn root(&self, script: &str) -> Output {
        finish(self.entered(&["bash", "-c", script]).stdin(Stdio::null()), &[])
    }

    /// Runs a script as root that must end well; returns what it printed.
    pub fn must(&self, script: &str) -> String {
        let output = self.root(script);
        assert!(output.status.success(), "{script}: {output:?}");
        output.out()
    }

    /// Runs `/opt/reeve/reeve` with these words as root.
    pub fn reeve(&self, words: &str) -> Output {
        self.root(&format!("exec /opt/reeve/reeve {words}"))
    }

    /// Runs a script as the agent, with an environment as a login makes it.
    pub fn agent(&self, script: &str) -> Output {
        finish(self.as_agent(script).stdin(Stdio::null()), &[])
    }

    /// The same, not started yet.
    pub fn as_agent(&self, script: &str) -> Command {
        let home = format!("HOME=/home/{AGENT}");
        let path = "PATH=/usr/lib/reeve/shims:/usr/local/bin:/usr/bin:/bin";
        let user = ["--reuid", AGENT, "--regid", AGENT, "--init-groups"];
        let mut words = vec!["setpriv"];
        words.extend(user);
        words.extend(["env", "-i", path, &home, "LANG=C.UTF-8", "TERM=dumb"]);
        let script = format!("cd ~ || exit 99\n{script}");
        words.extend(["bash", "-c", &script]);
        self.entered(&words)
    }

    /// Starts the installed sidecar as its own user.
    pub fn start_sidecar(&mut self) {
        self.must("install -d -o reeved -g reeve -m 2750 /run/reeve");
        let user = [
            "--reuid",
            "reeved",
            "--regid",
            "reeved",
            "--clear-groups",
            "--no-new-privs",
        ];
        let mut words = vec!["setpriv"];
        words.extend(user);
        words.extend(["/usr/lib/reeve/bin/reeved", "--dir", "/var/lib/reeve"]);
        words.extend(["--socket", "/run/reeve/reeved.sock"]);
        words.extend(["--identity", "/etc/reeve/identity.json", "--http", "127.0.0.1:0"]);
        words.push("--until-stdin-closes");
        let mut child = self
            .entered(&words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("nsenter (Debian: util-linux) is there");
        let line = first_line(child.stdout.as_mut().expect("it is piped"));
        assert!(line.contains("\"ready\":true"), "the sidecar starts: {line}");
        self.sidecar = Some(child);
    }

    /// Lets the sidecar seal its ledger and end.
    pub fn stop_sidecar(&mut self) {
        if let Some(mut sidecar) = self.sidecar.take() {
            drop(sidecar.stdin.take());
            crate::session::wait(&mut sidecar, crate::session::DEADLINE);
        }
    }

    /// Every file that an installation could have changed: path, type, mode, owner, group and where links lead; and the accounts.
    /// Left out is what is not a file's own (the sizes and times of directories), and what the accounts' programs and dpkg leave
    /// beside their files: locks and copies of the state before.
    pub fn listing(&self) -> String {
        self.must(
            "find /etc /home /opt /srv /usr /var -xdev \
             '(' -path /srv/shared -o -path /var/cache -o -path /var/log -o -path /var/tmp ')' -prune -o \
             '(' -path /etc/.pwd.lock -o -path '/etc/*-' -o -path /var/lib/dpkg/statoverride-old ')' -prune -o \
             -printf '%p %y %m %u %g %l\\n' | sort; \
             cat /etc/passwd /etc/group /etc/shadow /etc/gshadow /var/lib/dpkg/statoverride",
        )
    }

    /// What is not as it was when [`Host::listing`] was this: lines that are in one of them only.
    pub fn changed_since(&self, before: &str) -> Vec<String> {
        let now = self.listing();
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        lines(before)
            .symmetric_difference(&lines(&now))
            .cloned()
            .collect()
    }

    fn entered(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.keeper.id()))
            .args(["--mount", "--root", "--wd", "--", "bash", "-c", GUARD, "bash"])
            .args(words)
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("LANG", "C.UTF-8");
        command
    }
}

impl Default for Host {
    fn default() -> Self {
        Host::new()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(mut sidecar) = self.sidecar.take() {
            drop(sidecar.stdin.take());
            let _reaped = sidecar.wait();
        }
        if let Some(mut alive) = self.alive.take() {
            let _gone = alive.flush();
        }
        let _reaped = self.keeper.wait();
    }
}
