//! Syslog receivers that are not ours: rsyslog and syslog-ng, each writing the text of a message as a line of a file.

use super::programs::{Program, find};
use super::receivers;
use crate::session::finish;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Longer than any message of ours.
const LONGEST: u32 = 131_072;

/// rsyslog with these statements of its own: modules and inputs; `global` goes into its global parameters.
pub fn rsyslog(directory: &Path, global: &str, inputs: &str) -> (Program, PathBuf) {
    let out = directory.join("received");
    let configuration = format!(
        "global(workDirectory=\"{d}\" maxMessageSize=\"64k\" {global})\n{inputs}\n\
         template(name=\"t\" type=\"string\" string=\"%msg%\\n\")\n\
         action(type=\"omfile\" file=\"{o}\" template=\"t\" asyncWriting=\"off\")\n",
        d = directory.display(),
        o = out.display(),
    );
    let file = directory.join("rsyslog.conf");
    std::fs::write(&file, configuration).expect("a file can be written");
    let checked = finish(
        Command::new(find("rsyslogd")).arg("-N1").arg("-f").arg(&file),
        &[],
    );
    assert_eq!(checked.code(), 0, "{}", checked.err());
    let mut command = Command::new(find("rsyslogd"));
    command
        .arg("-n")
        .arg("-f")
        .arg(&file)
        .arg("-i")
        .arg(directory.join("pid"));
    (Program::new(command), out)
}

/// syslog-ng with this one source.
pub fn syslog_ng(directory: &Path, source: &str) -> (Program, PathBuf) {
    let out = directory.join("received");
    let configuration = format!(
        "@version: 3.38\noptions {{ log-msg-size({LONGEST}); flush-lines(1); keep-hostname(yes); }};\n\
         source s {{ {source} }};\n\
         destination d {{ file(\"{o}\" template(\"${{MSG}}\\n\")); }};\n\
         log {{ source(s); destination(d); }};\n",
        o = out.display(),
    );
    let file = directory.join("syslog-ng.conf");
    std::fs::write(&file, configuration).expect("a file can be written");
    let base = || {
        let mut command = unpacked_syslog_ng();
        command
            .args(["--foreground", "--no-caps", "-f"])
            .arg(&file)
            .arg("-R")
            .arg(directory.join("persist"))
            .arg("-p")
            .arg(directory.join("pid"))
            .arg("-c")
            .arg(directory.join("control"));
        command
    };
    let checked = finish(base().arg("--syntax-only"), &[]);
    assert_eq!(checked.code(), 0, "{} {}", checked.out(), checked.err());
    (Program::new(base()), out)
}

/// Debian does not install it beside rsyslog, so `tests/run` unpacks it and its libraries beside the build.
fn unpacked_syslog_ng() -> Command {
    let tools = std::env::var("REEVE_TEST_TOOLS").unwrap_or_default();
    let root = Path::new(&tools).join("syslog-ng");
    let program = root.join("usr/sbin/syslog-ng");
    assert!(
        program.is_file(),
        "syslog-ng is not in {}; `tests/run` unpacks it there",
        root.display()
    );
    let lib = root.join("usr/lib");
    let versions = std::fs::read_dir(lib.join("syslog-ng")).expect("its libraries");
    let modules = versions
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.join("libsyslogformat.so").is_file())
        .expect("its modules");
    let multiarch = format!("{}-linux-gnu", std::env::consts::ARCH);
    let libraries = [
        lib.join("syslog-ng"),
        lib.join(&multiarch),
        root.join("lib").join(&multiarch),
    ];
    let mut command = Command::new(program);
    command.arg("--module-path").arg(modules);
    command.env(
        "LD_LIBRARY_PATH",
        std::env::join_paths(libraries).expect("paths without colons"),
    );
    command
}

/// [`receivers::has_everything_after_restarts`] of a syslog receiver on TCP.
pub fn has_everything_after_restarts(program: &mut Program, port: u16, out: &Path) {
    let sink = format!("    to: syslog+tcp://127.0.0.1:{port}\n    batch: 50\n");
    let spell = Duration::from_millis(300);
    receivers::has_everything_after_restarts(program, port, &sink, spell, out);
}
