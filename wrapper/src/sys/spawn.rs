//! Starting a program, and its end when this process ends before it.

use super::{Before, Inherited, let_go_of_descriptors};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::{ForkResult, Pid, fork};
use std::borrow::Cow;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::{io, ptr};

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
    pub environment: Vec<Cow<'static, CStr>>,
}

/// Starts `program` in the caller's process group with the caller's descriptors, and everything else as it was before we
/// changed it. It is killed when the caller is killed, as it would die itself without us.
///
/// The child borrows this process's memory until it executes the program, and we stand still meanwhile (`vfork(2)`): a copy of
/// the address space would be thrown away at once, and making it costs more than the rest.
///
/// # Errors
/// The error of clone, or of exec: then nothing is left behind.
pub fn spawn(program: &Program, before: &Before, inherited: &Inherited) -> Result<Pid, Errno> {
    let mut start = Start {
        args: pointers(&program.args),
        environment: pointers(&program.environment),
        program,
        before,
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

/// The child's stack until it executes the program, in units of 16 bytes: 32 KiB, of which it touches a page or two.
const CHILD_STACK: usize = 2048;

/// What the child works on.
struct Start<'a> {
    program: &'a Program,
    args: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    before: &'a Before,
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
    if let Err(error) = start.before.put_back(start.inherited) {
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

fn pointers<S: AsRef<CStr>>(strings: &[S]) -> Vec<*const c_char> {
    strings
        .iter()
        .map(|string| string.as_ref().as_ptr())
        .chain([ptr::null()])
        .collect()
}

/// Starts a process that kills `child` when this process dies before it, and ends with either. The kernel does that by itself
/// (`PR_SET_PDEATHSIG`, above) but for a program that it starts in secure mode, as it does where this one has a group lent to it.
///
/// # Errors
/// When there can be no further process; then the child outlives us if we are killed.
pub fn kill_with_us(child: Pid) -> io::Result<()> {
    let (us, child) = (pidfd(nix::unistd::getpid())?, pidfd(child)?);
    // SAFETY: the process has one thread, and the new one makes system calls only until it ends.
    match unsafe { fork() }? {
        ForkResult::Parent { .. } => Ok(()), // it is init's to reap, for it ends with us
        ForkResult::Child => {
            let watched = watch(&us, &child);
            // SAFETY: ends the process without running destructors or flushing the parent's buffers twice.
            unsafe { nix::libc::_exit(i32::from(watched.is_err())) }
        }
    }
}

/// In a process of its own, out of the way of the terminal's signals and of everybody's pipes.
fn watch(us: &OwnedFd, child: &OwnedFd) -> io::Result<()> {
    nix::unistd::setsid()?;
    let_go_of_descriptors(&[us.as_raw_fd(), child.as_raw_fd()])?;
    // SAFETY: standard error is nobody's here.
    unsafe { nix::libc::close(2) };
    let mut ends = [us, child].map(|process| PollFd::new(process.as_fd(), PollFlags::POLLIN));
    while let Err(Errno::EINTR) = poll(&mut ends, PollTimeout::NONE) {}
    if ends.first().and_then(PollFd::any).unwrap_or(true) {
        // SAFETY: a descriptor of a process, a signal and no details.
        let sent = unsafe {
            nix::libc::syscall(
                nix::libc::SYS_pidfd_send_signal,
                child.as_raw_fd(),
                nix::libc::SIGKILL,
                ptr::null::<nix::libc::siginfo_t>(),
                0,
            )
        };
        if sent < 0 && Errno::last() != Errno::ESRCH {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

fn pidfd(process: Pid) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two numbers; it returns a descriptor that nobody else owns, or an error.
    let descriptor = unsafe { nix::libc::syscall(nix::libc::SYS_pidfd_open, process.as_raw(), 0) };
    let descriptor = RawFd::try_from(descriptor).unwrap_or(-1);
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as above.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
