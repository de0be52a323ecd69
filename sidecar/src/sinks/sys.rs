//! The one call to the kernel that no crate of ours wraps: how much of a socket's output the peer's kernel has not
//! acknowledged.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

mod raw {
    nix::ioctl_read_bad!(
        /// `SIOCOUTQ`, the same number as `TIOCOUTQ`: see `tcp(7)`.
        siocoutq,
        nix::libc::TIOCOUTQ,
        nix::libc::c_int
    );
}

/// Bytes that were written to a TCP socket and not acknowledged by the peer's kernel yet.
pub fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<usize> {
    let mut bytes: nix::libc::c_int = 0;
    // SAFETY: the descriptor is open for as long as it is borrowed, and the kernel writes one int, which `bytes` is.
    unsafe { raw::siocoutq(socket.as_raw_fd(), &raw mut bytes) }?;
    usize::try_from(bytes).map_err(io::Error::other)
}
