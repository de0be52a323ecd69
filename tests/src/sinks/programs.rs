//! Receivers that are programs of others, each in a scratch directory and on loopback.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A program that ends with its owner.
pub struct Program {
    child: Option<Child>,
    command: Command,
}

impl Program {
    /// Not started yet.
    pub fn new(command: Command) -> Program {
        Program { child: None, command }
    }

    /// Starts it, and waits until something listens on `port`.
    pub fn start(&mut self, port: u16) {
        self.start_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// Starts it, and waits until it is ready.
    pub fn start_until(&mut self, is_ready: impl Fn() -> bool) {
        let child = self
            .command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{:?} does not start: {error}", self.command.get_program()));
        self.child = Some(child);
        let begun = Instant::now();
        while !is_ready() {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "{:?} does not listen",
                self.command
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks it to end, and waits.
    pub fn stop(&mut self) {
        self.end(nix::sys::signal::Signal::SIGTERM);
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.end(nix::sys::signal::Signal::SIGKILL);
    }

    fn end(&mut self, signal: nix::sys::signal::Signal) {
        if let Some(mut child) = self.child.take() {
            crate::session::end(&mut child, signal);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Only our own child is ended.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound").port()
}

/// Whether a datagram socket is bound to this port of 127.0.0.1.
pub fn has_datagrams(port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/udp").expect("the kernel's table of UDP sockets");
    table.contains(&format!("0100007F:{port:04X} "))
}

/// A program in PATH or where daemons lie.
pub fn find(name: &str) -> PathBuf {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/usr/local/sbin";
    path.split(':')
        .map(|folder| PathBuf::from(folder).join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is not installed; `tests/run` installs it"))
}
