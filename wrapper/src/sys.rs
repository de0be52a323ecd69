//! The one place with `unsafe`: the process's words, fork and exec, and what the C library has no safe call for.

#![allow(
    unsafe_code,
    reason = "the only file with unsafe; every block says why it is sound"
)]

use nix::errno::Errno;
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, pthread_sigmask, sigaction,
};
use nix::unistd::Pid;
use std::ffi::{CStr, CString, OsString, c_char, c_int, c_void};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::{io, ptr};

/// The process's words.
///
/// # Safety
/// `words` must point to `count` pointers to NUL-terminated strings that outlive the call.
pub unsafe fn arguments(count: c_int, words: *const *const c_char) -> Vec<OsString> {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: as the caller promises.
    (0..count)
        .map(|i| OsString::from_vec(unsafe { CStr::from_ptr(*words.add(i)) }.to_bytes().to_vec()))
        .collect()
}

/// How the process found its standard descriptors and SIGPIPE, to hand on unchanged.
#[derive(Debug)]
pub struct Inherited {
    sigpipe: SigAction,
    /// Stand-ins on closed descriptors 0–2, so that nothing of ours lands there; closed on exec.
    _placeholders: Vec<OwnedFd>,
}

/// Ignores SIGPIPE (a write to a dead peer must be an error, not our death) and keeps descriptors 0–2 from
/// being reused when they were closed. Call once, first.
pub fn prepare() -> io::Result<Inherited> {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: SIG_IGN runs no code of ours.
    let sigpipe = unsafe { sigaction(Signal::SIGPIPE, &ignore) }?;
    let mut placeholders = Vec::new();
    loop {
        let null: OwnedFd = std::fs::File::open("/dev/null")?.into(); // CLOEXEC, as all of std's
        if null.as_raw_fd() > 2 {
            return Ok(Inherited {
                sigpipe,
                _placeholders: placeholders,
            });
        }
        placeholders.push(null);
    }
}

/// What is needed to start a program; everything is allocated before the fork.
#[derive(Debug)]
pub struct Program {
    /// The file to execute.
    pub path: CString,
    /// The same file, opened: this is executed where it is given, and not what the path leads to by then.
    pub file: Option<RawFd>,
    /// The words, the program's own name first.
    pub args: Vec<CString>,
    /// `NAME=value` each.
    pub environment: Vec<CString>,
}

/// Starts `program` in the caller's process group with the caller's descriptors, `mask` as its signal mask, and
/// SIGPIPE as it was inherited. It is killed when the caller is killed, as it would die itself without us.
///
/// The child borrows this process's memory until it executes the program, and we stand still meanwhile (`vfork(2)`): a copy of
/// the address space would be thrown away at once, and making it costs more than the rest.
///
/// # Errors
/// The error of clone, or of exec: then nothing is left behind.
pub fn spawn(program: &Program, mask: &SigSet, inherited: &Inherited) -> Result<Pid, Errno> {
    let mut start = Start {
        args: pointers(&program.args),
        environment: pointers(&program.environment),
        program,
        mask,
        inherited,
        parent: nix::unistd::getpid(),
        error: None,
    };
    let mut stack: Vec<u128> = Vec::with_capacity(CHILD_STACK);
    let flags = nix::libc::CLONE_VM | nix::libc::CLONE_VFORK | nix::libc::SIGCHLD;
    // SAFETY: the process has one thread, which stands still until the child executes or ends, so nobody else touches `start` or the
    // stack, and both outlive the child's use of them. The stack grows down from its end, which is aligned to 16 bytes. The child
    // makes system calls only; it runs no handler of ours, for there is none.
    let child = unsafe {
        nix::libc::clone(
            begin,
            stack.as_mut_ptr().add(CHILD_STACK).cast(),
            flags,
            ptr::from_mut(&mut start).cast(),
        )
    };
    let child = Pid::from_raw(Errno::result(child)?);
    match start.error {
        None => Ok(child),
        Some(error) => {
            nix::sys::wait::waitpid(child, None)?;
            Err(error)
        }
    }
}

/// The child's stack until it executes the program, in units of 16 bytes: 64 KiB, of which it touches a page or two.
const CHILD_STACK: usize = 4096;

/// What the child works on.
struct Start<'a> {
    program: &'a Program,
    args: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    mask: &'a SigSet,
    inherited: &'a Inherited,
    parent: Pid,
    /// Why nothing was executed.
    error: Option<Errno>,
}

/// The child.
extern "C" fn begin(start: *mut c_void) -> c_int {
    // SAFETY: `spawn` passes a `Start` that only the child uses until it is gone.
    let start = unsafe { &mut *start.cast::<Start<'_>>() };
    start.error = Some(exec(start));
    127
}

/// In the child: never returns on success.
fn exec(start: &Start<'_>) -> Errno {
    let (args, environment) = (&start.args, &start.environment);
    if let Err(error) = nix::sys::prctl::set_pdeathsig(Some(Signal::SIGKILL)) {
        return error;
    }
    if nix::unistd::getppid() != start.parent {
        return Errno::ESRCH; // the gate died before the line above: nothing runs
    }
    // SAFETY: puts back the disposition that was inherited, SIG_DFL or SIG_IGN.
    if let Err(error) = unsafe { sigaction(Signal::SIGPIPE, &start.inherited.sigpipe) } {
        return error;
    }
    if let Err(error) = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(start.mask), None) {
        return error;
    }
    match start.program.file {
        // SAFETY: both arrays end with a null pointer and point into CStrings that outlive the call; so does the empty path.
        Some(file) => unsafe {
            nix::libc::syscall(
                nix::libc::SYS_execveat,
                file,
                c"".as_ptr(),
                args.as_ptr(),
                environment.as_ptr(),
                nix::libc::AT_EMPTY_PATH,
            );
        },
        // SAFETY: as above.
        None => unsafe {
            nix::libc::execve(start.program.path.as_ptr(), args.as_ptr(), environment.as_ptr());
        },
    }
    Errno::last()
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings
        .iter()
        .map(|string| string.as_ptr())
        .chain([ptr::null()])
        .collect()
}

/// Closes every descriptor from 3 up but `keep`, and puts `/dev/null` on 0 and 1: while the tool runs, only
/// the tool may hold its pipes open, or their other ends would not see it close them.
pub fn let_go_of_descriptors(keep: &[RawFd]) -> io::Result<()> {
    let null: OwnedFd = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?
        .into();
    for standard in [0, 1] {
        // SAFETY: dup2 onto the standard descriptors; nothing in this process reads or prints to them from here on.
        if unsafe { nix::libc::dup2(null.as_raw_fd(), standard) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    let mut keep: Vec<RawFd> = keep.iter().copied().chain([null.as_raw_fd()]).collect();
    keep.sort_unstable();
    let mut first: RawFd = 3;
    for held in keep {
        close_range(first, held.saturating_sub(1))?;
        first = first.max(held.saturating_add(1));
    }
    close_range(first, RawFd::MAX)
}

fn close_range(first: RawFd, last: RawFd) -> io::Result<()> {
    let (Ok(first), Ok(last)) = (u32::try_from(first), u32::try_from(last)) else {
        return Ok(());
    };
    if first > last {
        return Ok(());
    }
    // SAFETY: closes only descriptors that no live object of ours owns; the caller passed those it keeps.
    let result = unsafe { nix::libc::syscall(nix::libc::SYS_close_range, first, last, 0) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Ends this process with `status`, at once.
pub fn leave(status: i32) -> ! {
    // SAFETY: ends the process; there are no buffers to flush, and nothing else runs.
    unsafe { nix::libc::_exit(status) }
}

/// Dies by `signal`, as the tool did, without a core file of our own.
pub fn die_by(signal: Signal) -> ! {
    let no_core = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0);
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    let mut only = SigSet::empty();
    only.add(signal);
    // SAFETY: SIG_DFL runs no code of ours. It fails for SIGKILL, whose action cannot be changed and need not be.
    let set = unsafe { sigaction(signal, &default) };
    let sent = pthread_sigmask(SigmaskHow::SIG_UNBLOCK, Some(&only), None)
        .and_then(|()| nix::sys::signal::raise(signal));
    // Only reached if the signal did not kill us: say the same by the exit status.
    let _why = (no_core, set, sent);
    std::process::exit(128_i32.saturating_add(signal as i32))
}
