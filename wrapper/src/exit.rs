//! Exit codes of our own, from `sysexits.h` and the shell; a tool that ran keeps its own.

/// How `reeve` ends when it is not the tool that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Something failed, was found, or differs (`policy`, `doctor`); what an operator asked for was not done (`sinks`, `dlq`).
    Found = 1,
    /// `audit verify`: the ledger was tampered with. Also: wrong usage of the operator's commands.
    Tampered = 2,
    /// `audit verify`: the ledger cannot be read.
    Unreadable = 3,
    /// `audit verify`: intact, but not sealed at its end.
    Unsealed = 4,
    /// The command line of `reeve` itself is wrong (`EX_USAGE`).
    Usage = 64,
    /// The decision cannot be recorded, so nothing ran (`EX_UNAVAILABLE`).
    CannotRecord = 69,
    /// A file or directory of the session cannot be created (`EX_CANTCREAT`).
    CannotCreate = 73,
    /// Held for a person, still pending (`EX_TEMPFAIL`).
    Held = 75,
    /// Refused (`EX_NOPERM`).
    Refused = 77,
    /// The configuration is missing, unsafe or malformed (`EX_CONFIG`).
    Configuration = 78,
    /// The real tool was found but cannot be executed.
    NotExecutable = 126,
    /// The real tool was not found.
    NotFound = 127,
}

impl Exit {
    /// The number for the operating system.
    pub fn code(self) -> i32 {
        self as i32
    }
}
