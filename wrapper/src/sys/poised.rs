//! Starting a program while it is still being written down that it may run: it is executed, and held before its first instruction.
//!
//! That a record is durable takes about as long as the start of a program, and neither needs the other. So the kernel makes the
//! program ready meanwhile (`execve`, under `PTRACE_O_TRACEEXEC`), and only the one who traces it lets it go. When that is
//! not to be, or this process ends in whichever way, it is killed (`PTRACE_O_EXITKILL`), and none of its instructions has run.
//!
//! Where a program that is traced would not be what it is otherwise, or it may not be traced, there is nothing of this: it is started
//! when it may run.

use super::spawn::{Brief, Stack};
use super::{Before, Inherited, Program};
use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::c_int;
use std::os::fd::{BorrowedFd, RawFd};
use std::ptr;

/// A program that has been executed, and stands before its first instruction. Dropped, it is killed.
#[derive(Debug)]
pub struct Poised {
    child: Pid,
}

impl Poised {
    /// Executes `program`, with everything as [`super::spawn`] has it, up to its first instruction. Nothing where that cannot be, or
    /// would make a difference to it: then it has to be spawned when it may run, which says what the matter is if it still is.
    pub fn new(program: &Program, inherited: &Inherited) -> Option<Poised> {
        if !program.file.is_some_and(is_the_same_traced) {
            return None;
        }
        let before = Before::look().ok()?;
        let brief = Brief::new(program, &before, inherited, false);
        let mut stack = Stack::new();
        // SAFETY: nothing returns from here on before the child has executed the program or is gone, and of what `errno` says only
        // "no child" counts, which no call of the child's says.
        let child = unsafe { brief.child(&mut stack, 0) }.ok()?;
        let poised = Poised { child };
        ptrace::seize(child, Options::PTRACE_O_EXITKILL | Options::PTRACE_O_TRACEEXEC).ok()?;
        brief.permit(); // not sooner: what is executed before that would run
        match poised.next() {
            Next::Executed => Some(poised),
            Next::Gone => {
                std::mem::forget(poised);
                None
            }
            Next::Other => None, // a signal came first
        }
    }

    /// Lets it run.
    pub fn start(self) -> Pid {
        let child = self.child;
        if ptrace::detach(child, None).is_err() {
            self.kill(); // somebody has done so, or it cannot go on: its end is seen as any other's
        }
        std::mem::forget(self);
        child
    }

    fn kill(&self) {
        // It has not been seen to be gone, so the number is its own. That it is gone by now is what is wanted.
        let _gone = kill(self.child, Signal::SIGKILL);
    }

    /// Waits for what it does next.
    fn next(&self) -> Next {
        let mut status = 0;
        loop {
            // SAFETY: the status is written to a value of ours.
            let found = unsafe { libc::waitpid(self.child.as_raw(), &raw mut status, libc::__WALL) };
            return match Errno::result(found) {
                Err(Errno::ECHILD) => Next::Gone,
                // Whatever it was: the number may be the child's own, as long as it has our memory.
                Err(_) => continue,
                Ok(_) if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) => Next::Gone,
                Ok(_) if status >> 8 == EXECUTED => Next::Executed,
                Ok(_) => Next::Other,
            };
        }
    }
}

/// What a child did.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// It executed the program, and stands before its first instruction.
    Executed,
    /// It ended.
    Gone,
    /// It stopped otherwise.
    Other,
}

const EXECUTED: c_int = libc::SIGTRAP | libc::PTRACE_EVENT_EXEC << 8;

impl Drop for Poised {
    fn drop(&mut self) {
        self.kill();
        while self.next() != Next::Gone {}
    }
}

/// Whether the file, executed by a process that is traced, becomes the same as otherwise: a program that gains rights by being executed
/// does not gain them then (`execve(2)`, `ptrace(2)`).
fn is_the_same_traced(file: RawFd) -> bool {
    !is_filtered() && !gives_rights(file) && (!nix::unistd::geteuid().is_root() || may_trace_all())
}

/// Whether the process has a filter for system calls: it may kill who calls `ptrace`.
fn is_filtered() -> bool {
    // SAFETY: takes numbers only.
    unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) != 0 }
}

/// Whether the file is set-user-ID or set-group-ID, or has capabilities.
fn gives_rights(file: RawFd) -> bool {
    // SAFETY: nobody closes the file of a program that is about to be started.
    let file_fd = unsafe { BorrowedFd::borrow_raw(file) };
    let is_set_id = nix::sys::stat::fstat(file_fd).map_or(true, |stat| stat.st_mode & 0o6000 != 0);
    // SAFETY: with no room for it the kernel says only how long the value is.
    let length = unsafe { libc::fgetxattr(file, c"security.capability".as_ptr(), ptr::null_mut(), 0) };
    is_set_id || length >= 0 || !matches!(Errno::last(), Errno::ENODATA | Errno::EOPNOTSUPP)
}

/// Whether this process has `CAP_SYS_PTRACE`. Root without it may have given up rights that it gets back by executing a program, if
/// not traced by one like itself.
fn may_trace_all() -> bool {
    const VERSION_3: u32 = 0x2008_0522; // <linux/capability.h>
    const CAP_SYS_PTRACE: u32 = 19;
    #[repr(C)]
    struct Header {
        version: u32,
        pid: c_int,
    }
    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    struct Data {
        effective: u32,
        _permitted: u32,
        _inheritable: u32,
    }
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let mut data = [Data::default(); 2];
    // SAFETY: of this version the kernel reads one header and writes two sets, which these are.
    let got = unsafe { libc::syscall(libc::SYS_capget, &raw const header, data.as_mut_ptr()) };
    got == 0
        && data
            .first()
            .is_some_and(|low| low.effective & (1 << CAP_SYS_PTRACE) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::{WaitStatus, waitpid};
    use std::ffi::CString;
    use std::fs::{File, Permissions};
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::time::Duration;

    const NOTHING: Inherited = Inherited {
        actions: Vec::new(),
        limits: Vec::new(),
        _placeholders: Vec::new(),
    };

    fn program(file: &File, words: &[&str]) -> Program {
        let words = words.iter().map(|word| CString::new(*word).unwrap());
        Program {
            path: CString::new("/nowhere").unwrap(),
            file: Some(file.as_raw_fd()),
            args: words.collect(),
            environment: Vec::new(),
        }
    }

    /// A shell that says in a file that it runs; nothing where nothing can be traced.
    fn poised_shell(said: &Path) -> Option<Poised> {
        let shell = File::open("/bin/sh").unwrap();
        let script = format!("echo > {}; exit 3", said.display());
        let poised = Poised::new(&program(&shell, &["sh", "-c", &script]), &NOTHING);
        let may_trace = !is_filtered() && (!nix::unistd::geteuid().is_root() || may_trace_all());
        let yama = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
        assert_eq!(poised.is_some(), may_trace && !matches!(yama.trim(), "2" | "3"));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!said.exists(), "it runs");
        poised
    }

    #[test]
    fn nothing_runs_until_it_is_let_go() {
        let place = tempfile::tempdir().unwrap();
        let said = place.path().join("said");
        let Some(poised) = poised_shell(&said) else { return };
        let child = poised.start();
        assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 3)));
        assert!(said.exists());
    }

    #[test]
    fn what_is_not_let_go_ends_without_having_run() {
        let place = tempfile::tempdir().unwrap();
        let said = place.path().join("said");
        let Some(poised) = poised_shell(&said) else { return };
        let child = poised.child;
        drop(poised);
        assert_eq!(waitpid(child, None), Err(Errno::ECHILD), "it is gone");
        assert!(!said.exists());
    }

    #[test]
    fn what_is_killed_meanwhile_has_been_killed() {
        let place = tempfile::tempdir().unwrap();
        let Some(poised) = poised_shell(&place.path().join("said")) else {
            return;
        };
        poised.kill();
        let child = poised.start();
        assert!(matches!(
            waitpid(child, None),
            Ok(WaitStatus::Signaled(_, Signal::SIGKILL, _))
        ));
    }

    #[test]
    fn what_cannot_be_executed_is_left_for_later() {
        let text = File::open("/etc/passwd").unwrap();
        assert!(Poised::new(&program(&text, &["x"]), &NOTHING).is_none());
        let children = format!("/proc/self/task/{}/children", nix::unistd::gettid());
        assert_eq!(
            std::fs::read_to_string(children).unwrap(),
            "",
            "nothing is left behind"
        );
    }

    #[test]
    fn what_would_gain_rights_or_is_found_by_its_path_is_left_for_later() {
        let place = tempfile::tempdir().unwrap();
        let copy = place.path().join("true");
        for mode in [0o4755, 0o2755] {
            std::fs::copy("/bin/true", &copy).unwrap();
            std::fs::set_permissions(&copy, Permissions::from_mode(mode)).unwrap();
            let file = File::open(&copy).unwrap();
            assert!(gives_rights(file.as_raw_fd()));
            assert!(Poised::new(&program(&file, &["true"]), &NOTHING).is_none());
            std::fs::remove_file(&copy).unwrap();
        }
        let file = File::open("/bin/true").unwrap();
        assert!(!gives_rights(file.as_raw_fd()));
        let by_its_path = Program {
            path: CString::new("/bin/true").unwrap(),
            file: None,
            ..program(&file, &["true"])
        };
        assert!(Poised::new(&by_its_path, &NOTHING).is_none());
    }
}
