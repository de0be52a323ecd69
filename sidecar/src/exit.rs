//! How `reeved` ends, by `sysexits.h`.

use std::fmt;
use std::process::ExitCode;

/// An exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The ledger is damaged (`EX_DATAERR`).
    Damaged = 65,
    /// An address or the lock is taken (`EX_UNAVAILABLE`).
    Unavailable = 69,
    /// The system refuses something basic (`EX_OSERR`).
    Os = 71,
    /// A file cannot be created (`EX_CANTCREAT`).
    CannotCreate = 73,
    /// Reading or writing failed (`EX_IOERR`).
    Io = 74,
    /// The configuration is missing, unsafe or malformed (`EX_CONFIG`).
    Configuration = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// What to say, and the exit status.
#[derive(Debug)]
pub struct Failure {
    /// For people: what, and what to do.
    pub message: String,
    /// For programs.
    pub exit: Exit,
}

impl Failure {
    /// A failure.
    pub fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure {
            message: message.into(),
            exit,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
