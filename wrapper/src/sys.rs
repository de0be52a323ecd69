//! The place with `unsafe`, but for the allocator's: the process's words, fork and exec, and what the C library has no safe call for.

#![allow(
    unsafe_code,
    reason = "the file with unsafe; every block says why it is sound"
)]

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::mman::{MmapAdvise, madvise};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{ForkResult, Pid, fork};
use std::borrow::Cow;
use std::ffi::{CStr, CString, OsString, c_char, c_int, c_void};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::ptr::NonNull;
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

/// What the process was given as its environment, in its order. This program never changes it.
pub fn environment() -> impl Iterator<Item = &'static CStr> {
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    // SAFETY: the C runtime leaves here a list of NUL-terminated strings that ends with a null pointer, or nothing. Both live as
    // long as the process, for nobody in it sets or removes a variable.
    let mut next = unsafe { environ };
    std::iter::from_fn(move || {
        if next.is_null() {
            return None;
        }
        // SAFETY: as above; the end of the list is not passed.
        unsafe {
            let entry = *next;
            next = if entry.is_null() { ptr::null() } else { next.add(1) };
            (!entry.is_null()).then(|| CStr::from_ptr(entry))
        }
    })
}

/// How the process found its standard descriptors, what it handles otherwise itself, and limits that are too low for it, to hand on
/// unchanged.
#[derive(Debug)]
pub struct Inherited {
    actions: Vec<(Signal, SigAction)>,
    /// Soft and hard limits whose soft one was raised.
    limits: Vec<(Resource, u64, u64)>,
    /// Stand-ins on closed descriptors 0–2, so that nothing of ours lands there; closed on exec.
    _placeholders: Vec<OwnedFd>,
}

/// Bytes of heap and of stack that a governed call writes to, at the least.
const HEAP: usize = 80 << 10;
const STACK: usize = 40 << 10;

/// Has the kernel give us at once the pages that a call is going to write to: it would give them one by one, each for a fault.
pub fn make_room() {
    let heap: Vec<u8> = Vec::with_capacity(HEAP);
    populate(heap.as_ptr() as usize, HEAP);
    let here = 0_u8;
    populate((&raw const here as usize).saturating_sub(STACK), STACK);
}

/// The whole pages in `length` bytes from `from` on; not before Linux 5.14, and then they come as they always did.
fn populate(from: usize, length: usize) {
    const PAGE: usize = 4096;
    let begin = from.next_multiple_of(PAGE);
    let length = from.saturating_add(length).saturating_sub(begin) / PAGE * PAGE;
    let Some(begin) = NonNull::new(ptr::with_exposed_provenance_mut(begin)) else {
        return;
    };
    // SAFETY: nothing is changed in these pages; where there is no memory of ours the kernel says so.
    let _not_known = unsafe { madvise(begin, length, MmapAdvise::MADV_POPULATE_WRITE) };
}

/// Ignores SIGPIPE and SIGXFSZ (a write to a dead peer, or beyond a limit, must be an error and not our death), does not ignore
/// SIGCHLD (the end of a program that was started here would be hidden) and keeps descriptors 0–2 from being reused when they were closed. Call once, first.
pub fn prepare() -> io::Result<Inherited> {
    let handled = [
        (Signal::SIGPIPE, SigHandler::SigIgn),
        (Signal::SIGXFSZ, SigHandler::SigIgn),
        (Signal::SIGCHLD, SigHandler::SigDfl),
    ];
    let mut actions = Vec::new();
    for (signal, handler) in handled {
        let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
        // SAFETY: neither SIG_IGN nor SIG_DFL runs code of ours.
        actions.push((signal, unsafe { sigaction(signal, &action) }?));
    }
    let mut limits = Vec::new();
    // A manifest's directory takes a descriptor for each file, and memory files count as files.
    for (resource, enough) in [(Resource::RLIMIT_NOFILE, 512), (Resource::RLIMIT_FSIZE, 64 << 20)] {
        limits.extend(raise_to(resource, enough)?);
    }
    let mut placeholders = Vec::new();
    loop {
        let null: OwnedFd = std::fs::File::open("/dev/null")?.into(); // CLOEXEC, as all of std's
        if null.as_raw_fd() > 2 {
            return Ok(Inherited {
                actions,
                limits,
                _placeholders: placeholders,
            });
        }
        placeholders.push(null);
    }
}

/// Raises a soft limit that is lower than `enough`, as far as that is ours to do; returns what it was.
fn raise_to(resource: Resource, enough: u64) -> io::Result<Option<(Resource, u64, u64)>> {
    let (soft, hard) = getrlimit(resource)?;
    if soft >= enough || soft >= hard {
        return Ok(None);
    }
    setrlimit(resource, hard.min(enough), hard)?;
    Ok(Some((resource, soft, hard)))
}

/// What a process that follows a program changes for itself; the program gets it as it was.
#[derive(Debug)]
pub struct Before {
    mask: Signals,
    /// An ignored terminal stop would hide the program's stopping.
    actions: Vec<(Signal, SigAction)>,
    /// Counts to SIGALRM: it was set for the program. A fork does not inherit it, an exec does.
    alarm: nix::libc::itimerval,
    is_subreaper: bool,
}

impl Before {
    /// Blocks every signal that can be followed, and takes the rest for this process.
    ///
    /// # Errors
    /// As the system calls; what was changed by then stays so.
    pub fn take(followed: Signals) -> Result<Before, Errno> {
        let mask = followed.mask(nix::libc::SIG_BLOCK)?;
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        let mut actions = Vec::new();
        for signal in [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU] {
            // SAFETY: SIG_DFL runs no code of ours.
            actions.push((signal, unsafe { sigaction(signal, &default) }?));
        }
        // SAFETY: a timer of zeros is off; the old one is written to a value of ours.
        let alarm = unsafe {
            let off: nix::libc::itimerval = std::mem::zeroed();
            let mut alarm = off;
            Errno::result(nix::libc::setitimer(
                nix::libc::ITIMER_REAL,
                &raw const off,
                &raw mut alarm,
            ))?;
            alarm
        };
        Ok(Before {
            mask,
            actions,
            alarm,
            is_subreaper: nix::sys::prctl::get_child_subreaper()?,
        })
    }

    /// In the child, last: puts everything back. Makes system calls only.
    fn put_back(&self, inherited: &Inherited) -> Result<(), Errno> {
        for (signal, action) in self.actions.iter().chain(&inherited.actions) {
            // SAFETY: puts back the disposition that was inherited, SIG_DFL or SIG_IGN.
            unsafe { sigaction(*signal, action) }?;
        }
        if self.is_subreaper {
            nix::sys::prctl::set_child_subreaper(true)?;
        }
        for (resource, soft, hard) in &inherited.limits {
            setrlimit(*resource, *soft, *hard)?;
        }
        if self.alarm.it_value.tv_sec != 0 || self.alarm.it_value.tv_usec != 0 {
            // SAFETY: the timer is a value of ours.
            let set = unsafe {
                nix::libc::setitimer(nix::libc::ITIMER_REAL, &raw const self.alarm, ptr::null_mut())
            };
            Errno::result(set)?;
        }
        self.mask.mask(nix::libc::SIG_SETMASK).map(drop)
    }
}

/// Signals, one bit for each number. The C libraries' own sets leave out the signals that they use themselves.
#[derive(Debug, Clone, Copy)]
pub struct Signals(u64);

impl Signals {
    /// Every signal there is, those without a name included, but `without`.
    pub fn all_but(without: &[Signal]) -> Signals {
        Signals::but(without.iter().map(|signal| *signal as i32))
    }

    fn but(numbers: impl IntoIterator<Item = i32>) -> Signals {
        let bit = |number: i32| {
            let place = u32::try_from(number.saturating_sub(1)).ok();
            place.and_then(|place| 1_u64.checked_shl(place)).unwrap_or(0)
        };
        Signals(
            numbers
                .into_iter()
                .fold(u64::MAX, |set, number| set & !bit(number)),
        )
    }

    /// For the C library.
    pub fn set(self) -> SigSet {
        // SAFETY: zeros are an empty set; on Linux a set begins with one bit for each signal, in words of the machine.
        unsafe {
            let mut set: nix::libc::sigset_t = std::mem::zeroed();
            (&raw mut set).cast::<u64>().write_unaligned(self.0);
            SigSet::from_sigset_t_unchecked(set)
        }
    }

    /// Changes this process's signal mask, of one thread, by the system call itself; returns what it was.
    fn mask(self, how: c_int) -> Result<Signals, Errno> {
        let mut before = Signals(0);
        // SAFETY: both sets are values of ours, of the size that is said.
        let changed = unsafe {
            nix::libc::syscall(
                nix::libc::SYS_rt_sigprocmask,
                how,
                &raw const self.0,
                &raw mut before.0,
                size_of::<u64>(),
            )
        };
        Errno::result(changed).map(|_| before)
    }
}

/// Lets nobody open a file for writing while it is open here: whoever tries waits (a lease, `fcntl(2)`; the kernel breaks it
/// after `/proc/sys/fs/lease-break-time`).
///
/// # Errors
/// `EAGAIN` when somebody has it open for writing. Others where there are no leases: on a file system without them, or for
/// a caller who neither owns the file nor may take leases on others'.
pub fn forbid_writing(file: &std::fs::File) -> Result<(), Errno> {
    use nix::libc;
    const F_SETSIG: c_int = 10; // <linux/fcntl.h>, all of Linux's machines
    // Told when somebody waits; by a signal that is ignored unless asked for, since the usual SIGIO kills.
    // SAFETY: takes numbers only.
    Errno::result(unsafe { libc::fcntl(file.as_raw_fd(), F_SETSIG, libc::SIGURG) })?;
    // SAFETY: as above.
    Errno::result(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK) }).map(drop)
}

/// Sends a signal by its number: not all have names.
///
/// # Errors
/// As `kill`.
pub fn send(process: Pid, signal: i32) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    Errno::result(unsafe { nix::libc::kill(process.as_raw(), signal) }).map(drop)
}

/// A process of our group that does nothing, holds nothing, and dies with us. Signals stay pending with it: the caller has all
/// blocked.
///
/// # Errors
/// As `fork`.
pub fn bystander() -> Result<Pid, Errno> {
    let parent = nix::unistd::getpid();
    // SAFETY: the process has one thread, and the child makes only async-signal-safe calls.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let bound = nix::sys::prctl::set_pdeathsig(Some(Signal::SIGKILL));
            // SAFETY: this process uses no descriptor, and ends without running anything of ours.
            unsafe {
                nix::libc::syscall(nix::libc::SYS_close_range, 0, u32::MAX, 0);
                while bound.is_ok() && nix::unistd::getppid() == parent {
                    nix::libc::pause();
                }
                nix::libc::_exit(0)
            }
        }
    }
}

/// What became of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing yet.
    None,
    /// It ended with this status.
    Exited(i32),
    /// This signal ended it.
    Killed(i32),
    /// This signal stopped it.
    Stopped(i32),
    /// It goes on.
    Continued,
}

/// What became of a child, without waiting. (The library's own fails for signals that have no name.)
///
/// # Errors
/// As `waitpid`.
pub fn changed(child: Pid) -> Result<Change, Errno> {
    use nix::libc;
    let mut status = 0;
    // SAFETY: the status is written to a value of ours.
    let found = unsafe {
        libc::waitpid(
            child.as_raw(),
            &raw mut status,
            libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED,
        )
    };
    Ok(match Errno::result(found)? {
        0 => Change::None,
        _ if libc::WIFEXITED(status) => Change::Exited(libc::WEXITSTATUS(status)),
        _ if libc::WIFSIGNALED(status) => Change::Killed(libc::WTERMSIG(status)),
        _ if libc::WIFSTOPPED(status) => Change::Stopped(libc::WSTOPSIG(status)),
        _ => Change::Continued,
    })
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

/// The child's stack until it executes the program, in units of 16 bytes: 64 KiB, of which it touches a page or two.
const CHILD_STACK: usize = 4096;

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

/// Closes every descriptor from `first` up: nothing of this process that is still used may be among them.
pub fn close_from(first: RawFd) -> io::Result<()> {
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

/// Dies by `signal`, as the tool did, without a core file of our own.
pub fn die_by(signal: i32) -> ! {
    let no_core = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    // SAFETY: SIG_DFL runs no code of ours. It fails for SIGKILL, whose action cannot be changed and need not be.
    let set = unsafe { nix::libc::signal(signal, nix::libc::SIG_DFL) };
    let others = Signals::but([signal]);
    let sent =
        send(nix::unistd::getpid(), signal).and_then(|()| others.mask(nix::libc::SIG_SETMASK).map(drop));
    // Only reached if the signal did not kill us: say the same by the exit status.
    let _why = (no_core, set, sent);
    std::process::exit(128_i32.saturating_add(signal))
}
