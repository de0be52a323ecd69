//! A program on a terminal of its own, driven like a person would.

use nix::pty::{Winsize, openpty};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long anything on the terminal may take to appear.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program on a terminal.
pub struct OnTerminal {
    child: Child,
    master: File,
    seen: Arc<Mutex<String>>,
}

impl OnTerminal {
    /// Starts `command` as the leader of a session with a terminal of 24 by 80.
    pub fn start(mut command: Command) -> OnTerminal {
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pair = openpty(Some(&size), None).expect("a terminal can be had");
        let slave = |end: &OwnedFd| Stdio::from(end.try_clone().expect("a descriptor can be copied"));
        command
            .stdin(slave(&pair.slave))
            .stdout(slave(&pair.slave))
            .stderr(slave(&pair.slave));
        // SAFETY: between fork and exec only setsid and ioctl are called, both async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                nix::unistd::setsid()?;
                if nix::libc::ioctl(0, nix::libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().expect("the program starts");
        drop(command);
        drop(pair.slave);
        let master = File::from(pair.master);
        let seen = Arc::new(Mutex::new(String::new()));
        let (mut reader, sink) = (
            master.try_clone().expect("a descriptor can be copied"),
            Arc::clone(&seen),
        );
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The terminal's end is an error (EIO), not an end of file.
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
                sink.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_str(&text);
            }
        });
        OnTerminal { child, master, seen }
    }

    /// Types.
    pub fn keys(&mut self, text: &str) {
        self.master
            .write_all(text.as_bytes())
            .expect("the terminal takes keys");
    }

    /// Changes the size, as a window does.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        // SAFETY: the pointer is to a live Winsize.
        let result = unsafe { nix::libc::ioctl(self.master.as_raw_fd(), nix::libc::TIOCSWINSZ, &size) };
        assert_eq!(result, 0, "the terminal takes a size");
    }

    /// Everything on the screen so far.
    pub fn screen(&self) -> String {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `text` was printed.
    pub fn expect(&self, text: &str) {
        let begun = Instant::now();
        while !self.screen().contains(text) {
            assert!(
                begun.elapsed() < PATIENCE,
                "`{text}` did not appear in:\n{}",
                self.screen()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end.
    pub fn end(mut self) -> (ExitStatus, String) {
        let status = crate::session::wait(&mut self.child, PATIENCE);
        std::thread::sleep(Duration::from_millis(50)); // what was printed last
        (status, self.screen())
    }

    /// The program's process id.
    pub fn id(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process id fits")
    }
}
