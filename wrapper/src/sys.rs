//! The place with `unsafe`, but for the allocator's: the process's words, fork and exec, and what the C library has no safe call for.

#![allow(
    unsafe_code,
    reason = "the file with unsafe; every block says why it is sound"
)]

mod poised;
mod spawn;

pub use poised::Poised;
pub use spawn::{Program, kill_with_us, spawn};

use nix::errno::Errno;
use nix::sys::mman::{MmapAdvise, madvise};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{ForkResult, Pid, fork};
use std::ffi::{CStr, OsString, c_char, c_int};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
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

/// Bytes of heap that a governed call asks for, at the least.
pub const ROOM: usize = 112 << 10;
/// How many of them and of the stack it writes to.
const HEAP: usize = 56 << 10;
const STACK: usize = 28 << 10;

/// Has the kernel give us at once the pages that a call is going to write to: it would give them one by one, each for a fault. Memory is
/// given out from `heap` on.
pub fn make_room(heap: *const u8) {
    populate(heap as usize, HEAP);
    let here = 0_u8;
    populate((&raw const here as usize).saturating_sub(STACK), STACK);
}

/// The pages from the one of `from` on in which `length` bytes begin; not before Linux 5.14, and then they come as they always did.
fn populate(from: usize, length: usize) {
    const PAGE: usize = 4096;
    let begin = from / PAGE * PAGE;
    let length = length / PAGE * PAGE;
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
    while (0..=2).any(is_closed) {
        let null: OwnedFd = std::fs::File::open("/dev/null")?.into(); // the lowest that is free; CLOEXEC, as all of std's
        placeholders.push(null);
    }
    Ok(Inherited {
        actions,
        limits,
        _placeholders: placeholders,
    })
}

fn is_closed(descriptor: RawFd) -> bool {
    // SAFETY: takes numbers, and only looks.
    unsafe { nix::libc::fcntl(descriptor, nix::libc::F_GETFD) < 0 }
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

    /// The same, with nothing changed yet.
    ///
    /// # Errors
    /// As the system calls.
    fn look() -> Result<Before, Errno> {
        // SAFETY: a timer of zeros is one; the kernel writes to a value of ours.
        let alarm = unsafe {
            let mut alarm: nix::libc::itimerval = std::mem::zeroed();
            Errno::result(nix::libc::getitimer(nix::libc::ITIMER_REAL, &raw mut alarm))?;
            alarm
        };
        Ok(Before {
            mask: Signals(0).mask(nix::libc::SIG_BLOCK)?,
            actions: Vec::new(),
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
