//! A terminal that steps are done to, one after the other, and that can go away.

use super::Step;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, poll};
use nix::pty::{OpenptyResult, openpty};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `command` as a session leader on a terminal and does the steps to it; returns how it ended and what was shown.
///
/// # Errors
/// Says which step did not come true, and what was on the screen.
pub fn drive(mut command: Command, here: &Path, steps: &[Step]) -> Result<(ExitStatus, String), String> {
    let OpenptyResult { master, slave } = openpty(None, None).map_err(|error| error.to_string())?;
    // A copy of the master in the program would keep the terminal from going away.
    for end in [&master, &slave] {
        fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(|error| error.to_string())?;
    }
    set_size(&master, 24, 80);
    let end = || {
        slave
            .try_clone()
            .map(Stdio::from)
            .expect("a descriptor can be copied")
    };
    command.stdin(end()).stdout(end()).stderr(end());
    // SAFETY: between fork and exec only setsid and ioctl are called, both async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            nix::unistd::setsid()?;
            match libc::ioctl(0, libc::TIOCSCTTY, 0) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    drop(command);
    drop(slave);
    let mut screen = Screen {
        master: Some(File::from(master)),
        shown: String::new(),
        looked_at: 0,
    };
    let done = steps.iter().try_for_each(|step| screen.step(*step, here));
    let begun = Instant::now();
    let ended = loop {
        screen.read(Duration::from_millis(10));
        if let Ok(Some(status)) = child.try_wait() {
            screen.read(Duration::from_millis(10));
            break Some(status);
        }
        if begun.elapsed() > PATIENCE || done.is_err() {
            drop(child.kill());
            drop(child.wait());
            break None;
        }
    };
    match (done, ended) {
        (Ok(()), Some(status)) => Ok((status, screen.shown)),
        (Err(what), _) => Err(format!("{what}; the screen:\n{}", screen.shown)),
        (Ok(()), None) => Err(format!("it did not end; the screen:\n{}", screen.shown)),
    }
}

struct Screen {
    master: Option<File>,
    shown: String,
    looked_at: usize,
}

impl Screen {
    fn step(&mut self, step: Step, here: &Path) -> Result<(), String> {
        let begun = Instant::now();
        match step {
            Step::Keys(keys) => {
                let keys = super::run::spelled(keys);
                let master = self.master.as_mut().ok_or("the terminal is gone")?;
                master
                    .write_all(keys.as_bytes())
                    .map_err(|error| error.to_string())
            }
            Step::Expect(text) => loop {
                if let Some(at) = self.shown[self.looked_at..].find(text) {
                    self.looked_at += at + text.len();
                    return Ok(());
                }
                if begun.elapsed() > PATIENCE {
                    return Err(format!("`{text}` was not shown"));
                }
                self.read(Duration::from_millis(20));
            },
            Step::Appears(name) => loop {
                if std::fs::metadata(here.join(name)).is_ok_and(|found| found.len() > 0) {
                    return Ok(());
                }
                if begun.elapsed() > PATIENCE {
                    return Err(format!("`{name}` was not written"));
                }
                self.read(Duration::from_millis(20));
            },
            Step::Foreground => loop {
                if in_the_foreground(&here.join("ready")) {
                    return Ok(());
                }
                if begun.elapsed() > PATIENCE {
                    return Err("the tool did not come to the foreground".to_owned());
                }
                self.read(Duration::from_millis(20));
            },
            Step::Resize(rows, columns) => {
                set_size(self.master.as_ref().ok_or("the terminal is gone")?, rows, columns);
                Ok(())
            }
            Step::HangUp => {
                self.master = None;
                Ok(())
            }
        }
    }

    /// Takes what is shown within `wait`.
    fn read(&mut self, wait: Duration) {
        let Some(master) = &mut self.master else {
            std::thread::sleep(wait);
            return;
        };
        let wait = u16::try_from(wait.as_millis()).unwrap_or(u16::MAX);
        let mut polled = [PollFd::new(master.as_fd(), PollFlags::POLLIN)];
        if poll(&mut polled, wait).is_ok_and(|ready| ready > 0) {
            let mut buffer = [0; 4096];
            match master.read(&mut buffer) {
                Ok(count) => self.shown.push_str(&String::from_utf8_lossy(&buffer[..count])),
                // The other end is closed (EIO).
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

/// Whether the process whose id is in the file runs, in the group that the terminal listens to.
fn in_the_foreground(file: &Path) -> bool {
    let id = std::fs::read_to_string(file).unwrap_or_default();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    // State, parent, group, session, terminal, the terminal's group.
    matches!(fields[..], ["S" | "R", _, group, _, _, front, ..] if group == front)
}

fn set_size(master: &impl AsRawFd, rows: u16, columns: u16) {
    let size = libc::winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the pointer is to a live structure.
    let set = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    assert_eq!(set, 0, "the terminal takes a size");
}
