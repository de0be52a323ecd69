//! The group that an installed gate has and its caller has not: when it is used, and when it is given up.
//!
//! `reeve install` makes the gate set-group-ID, so that it, and not the agent, may read the orders and the credentials, execute the real
//! tools, and talk to the sidecar. The kernel then starts the gate and the tool in secure mode (no `LD_*`), makes them
//! undumpable (no ptrace, no `/proc/PID/mem`, no core file for the caller), and ignores the bit where it cannot be
//! meant: in a user namespace of the caller's, under `no_new_privs`, on a file system mounted `nosuid`. What is left to this program:
//!
//! - Whatever the caller names is opened with the caller's own rights ([`as_the_caller`]), or the gate would read for the
//!   agent what the agent may not.
//! - The operator's commands (`reeve check …`) have no use for the group and give it up first ([`give_up`]).
//! - A session's orders are not believed ([`is_lent`]): a link to the gate can be made anywhere, with any file beside it.

use nix::unistd::{getegid, geteuid, getgid, getuid, setegid, setresgid, setresuid};
use std::io;

/// Whether this process has rights that its caller has not.
pub fn is_lent() -> bool {
    getegid() != getgid() || geteuid() != getuid()
}

/// Gives up for good what is lent, for this process and all that it starts.
///
/// # Errors
/// When the kernel does not let us; then nothing may be done.
pub fn give_up() -> io::Result<()> {
    if !is_lent() {
        return Ok(());
    }
    let (user, group) = (getuid(), getgid());
    setresgid(group, group, group)?;
    setresuid(user, user, user)?;
    if is_lent() {
        return Err(io::Error::other("the rights of this program cannot be given up"));
    }
    Ok(())
}

/// Does something with the caller's own group, and takes ours back.
///
/// # Errors
/// When the group cannot be changed; what was done in between is lost then.
pub fn as_the_caller<T>(work: impl FnOnce() -> T) -> io::Result<T> {
    let (ours, callers) = (getegid(), getgid());
    if ours == callers {
        return Ok(work());
    }
    setegid(callers)?;
    let done = work();
    setegid(ours)?;
    Ok(done)
}
