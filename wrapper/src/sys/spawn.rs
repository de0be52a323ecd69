//! Starting a program, and its end when this process ends before it.

use super::{Before, Inherited, let_go_of_descriptors};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::{ForkResult, Pid, fork};
use std::borrow::Cow;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
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
    let brief = Brief::new(program, before, inherited, true);
    let mut stack = Stack::new();
    // SAFETY: the parent stands still until the child has executed the program or ended, so both are there as long as it needs them.
    let child = unsafe { brief.child(&mut stack, nix::libc::CLONE_VFORK) }?;
    match brief.why_not() {
        None => Ok(child),
        Some(error) => {
            nix::sys::wait::waitpid(child, None)?;
            Err(error)
        }
    }
}

/// The child's stack until it executes the program, in units of 16 bytes: 32 KiB, of which it touches a page or two.
const CHILD_STACK: usize = 2048;

/// A child's stack.
pub(super) struct Stack(Vec<u128>);

impl Stack {
    pub(super) fn new() -> Stack {
        Stack(Vec::with_capacity(CHILD_STACK))
    }
}

const MAY_NOT_YET: u32 = 0;
const MAY: u32 = 1;

/// What a child works on, in its parent's memory.
pub(super) struct Brief<'a> {
    program: &'a Program,
    args: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    before: &'a Before,
    inherited: &'a Inherited,
    parent: Pid,
    /// [`MAY`] when it is to execute the program.
    may: AtomicU32,
    /// Why nothing was executed; 0 while there is no reason.
    error: AtomicI32,
}

impl<'a> Brief<'a> {
    /// For a child that may execute the program at once, or else waits until [`Brief::permit`].
    pub(super) fn new(
        program: &'a Program,
        before: &'a Before,
        inherited: &'a Inherited,
        at_once: bool,
    ) -> Brief<'a> {
        Brief {
            args: pointers(&program.args),
            environment: pointers(&program.environment),
            program,
            before,
            inherited,
            parent: nix::unistd::getpid(),
            may: AtomicU32::new(if at_once { MAY } else { MAY_NOT_YET }),
            error: AtomicI32::new(0),
        }
    }

    /// A child in our memory, with more flags for clone.
    ///
    /// # Safety
    /// This and `stack` must be there, and not move, until the child has executed the program or ended; and until then only what
    /// is atomic in this may be changed.
    pub(super) unsafe fn child(&self, stack: &mut Stack, flags: c_int) -> Result<Pid, Errno> {
        let flags = nix::libc::CLONE_VM | nix::libc::SIGCHLD | flags;
        // SAFETY: as the caller promises. The stack grows down from its end, which is aligned to 16 bytes. The child makes system
        // calls only, and runs no handler of ours, for there is none. It shares `errno` with us: whoever goes on meanwhile must not
        // ask it why a call failed.
        let child = unsafe {
            nix::libc::clone(
                begin,
                stack.0.as_mut_ptr().add(CHILD_STACK).cast(),
                flags,
                ptr::from_ref(self).cast_mut().cast(),
            )
        };
        Errno::result(child).map(Pid::from_raw)
    }

    /// Lets the child execute the program.
    pub(super) fn permit(&self) {
        self.may.store(MAY, Ordering::SeqCst);
        // SAFETY: the kernel wakes whoever waits at this address, and reads nothing.
        let _how_many = unsafe { self.futex(nix::libc::FUTEX_WAKE, 1) };
    }

    /// In the child: returns when it may execute the program.
    fn wait_for_permission(&self) {
        while self.may.load(Ordering::SeqCst) == MAY_NOT_YET {
            // SAFETY: the kernel compares the number at this address, and waits while it is the same.
            let _woken = unsafe { self.futex(nix::libc::FUTEX_WAIT, MAY_NOT_YET) };
        }
    }

    unsafe fn futex(&self, what: c_int, value: u32) -> nix::libc::c_long {
        let what = what | nix::libc::FUTEX_PRIVATE_FLAG;
        let no_limit = ptr::null::<nix::libc::timespec>();
        // SAFETY: the number is there for as long as this.
        unsafe { nix::libc::syscall(nix::libc::SYS_futex, self.may.as_ptr(), what, value, no_limit) }
    }

    /// Why the child executed nothing, once it has ended.
    fn why_not(&self) -> Option<Errno> {
        match self.error.load(Ordering::SeqCst) {
            0 => None,
            error => Some(Errno::from_raw(error)),
        }
    }
}

/// The child.
extern "C" fn begin(brief: *mut c_void) -> c_int {
    // SAFETY: `Brief::child` passes one that is there until the child has no more use for it.
    let brief = unsafe { &*brief.cast_const().cast::<Brief<'_>>() };
    let why = match exec(brief) {
        Errno::UnknownErrno => Errno::EIO, // its number is 0
        why => why,
    };
    brief.error.store(why as i32, Ordering::SeqCst);
    127
}

/// In the child: never returns on success.
fn exec(brief: &Brief<'_>) -> Errno {
    let (args, environment) = (&brief.args, &brief.environment);
    if let Err(error) = nix::sys::prctl::set_pdeathsig(Some(Signal::SIGKILL)) {
        return error;
    }
    if nix::unistd::getppid() != brief.parent {
        return Errno::ESRCH; // the gate died before the line above: nothing runs
    }
    if let Err(error) = brief.before.put_back(brief.inherited) {
        return error;
    }
    brief.wait_for_permission();
    match brief.program.file {
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
            nix::libc::execve(brief.program.path.as_ptr(), args.as_ptr(), environment.as_ptr());
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
