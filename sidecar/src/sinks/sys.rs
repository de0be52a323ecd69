//! The three calls to the kernel that no crate of ours wraps: how much of a socket's output the peer's kernel has not
//! acknowledged, that we acknowledge at once, and a thread's scheduling policy; and a thread's processor time.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

mod raw {
    nix::ioctl_read_bad!(
        /// `SIOCOUTQ`, the same number as `TIOCOUTQ`: see `tcp(7)`.
        siocoutq,
        nix::libc::TIOCOUTQ,
        nix::libc::c_int
    );
}

/// Acknowledges what came now, and not with the next thing to say: `TCP_QUICKACK`, which the kernel forgets after a while, see
/// `tcp(7)`. What is not TCP has nothing to acknowledge.
pub fn acknowledge_now(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: nix::libc::c_int = 1;
    // SAFETY: the descriptor is open for as long as it is borrowed, and the kernel reads one int, which `on` is.
    let done = unsafe {
        nix::libc::setsockopt(
            socket.as_raw_fd(),
            nix::libc::IPPROTO_TCP,
            nix::libc::TCP_QUICKACK,
            (&raw const on).cast(),
            size_of::<nix::libc::c_int>() as nix::libc::socklen_t,
        )
    };
    match io::Error::last_os_error() {
        _ if done == 0 => Ok(()),
        error if error.raw_os_error() == Some(nix::libc::EOPNOTSUPP) => Ok(()),
        error => Err(error),
    }
}

/// Bytes that were written to a TCP socket and not acknowledged by the peer's kernel yet.
pub fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<usize> {
    let mut bytes: nix::libc::c_int = 0;
    // SAFETY: the descriptor is open for as long as it is borrowed, and the kernel writes one int, which `bytes` is.
    unsafe { raw::siocoutq(socket.as_raw_fd(), &raw mut bytes) }?;
    usize::try_from(bytes).map_err(io::Error::other)
}

/// Processor time that the calling thread has used since its start; none when the kernel does not say.
pub fn processor_time() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map_or(Duration::ZERO, Duration::from)
}

/// The calling thread runs from now on only where nothing else of its group would: `SCHED_IDLE`, see `sched(7)`. A gate's
/// request that wakes up takes its processor at once.
pub fn give_way() -> io::Result<()> {
    let nothing = nix::libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 is the calling thread, and the kernel reads one `sched_param`, which `nothing` is.
    let done = unsafe { nix::libc::sched_setscheduler(0, nix::libc::SCHED_IDLE, &raw const nothing) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
