//! A program run to its end: what it printed, how it ended, and that it ended in time.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// No test command may take longer.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// What a program printed and how it ended.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it printed to stderr.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Standard output as text.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// The exit status; panics with what was printed when a signal ended it.
    pub fn code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| panic!("ended by a signal: {self:?}"))
    }

    /// Asserts that each of these is on standard error.
    #[track_caller]
    pub fn assert_said(&self, parts: &[&str]) {
        let said = self.err();
        for part in parts {
            assert!(said.contains(part), "{part} in {said}");
        }
    }
}

/// Runs a command to its end, or kills it (and only it) at the deadline and panics.
pub fn finish(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_vec();
        // A program may end without reading all.
        std::thread::spawn(move || drop(stdin.write_all(&input)));
    }
    let stdout = collect(child.stdout.take().expect("stdout is piped"));
    let stderr = collect(child.stderr.take().expect("stderr is piped"));
    let status = wait(&mut child, DEADLINE);
    let late = |_| panic!("an output stays open after the program's end");
    Output {
        status,
        stdout: stdout.recv_timeout(DEADLINE).unwrap_or_else(late),
        stderr: stderr.recv_timeout(DEADLINE).unwrap_or_else(late),
    }
}

/// The first line that a program prints; a daemon says in it that it is ready.
pub fn first_line(stdout: impl Read) -> String {
    let mut line = String::new();
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("a pipe can be read");
    line
}

/// Sends a child this signal, and waits for its end.
pub fn end(child: &mut Child, signal: Signal) -> ExitStatus {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid fits"));
    kill(pid, signal).expect("our own child can be signalled");
    wait(child, Duration::from_secs(30))
}

/// Waits to a deadline, then kills the child and panics.
pub fn wait(child: &mut Child, deadline: Duration) -> ExitStatus {
    let begun = std::time::Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status;
        }
        if begun.elapsed() > deadline {
            child.kill().expect("our own child can be killed");
            panic!("not finished within {deadline:?}");
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

fn collect(mut stream: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (done, result) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("a pipe can be read");
        // The test may have ended.
        drop(done.send(bytes));
    });
    result
}
