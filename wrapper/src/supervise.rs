//! Runs a program in front of the caller as if we were not there: signals, job control, exit status.
//!
//! The program shares our process group, so what the terminal sends (Ctrl-C, Ctrl-Z, resize, hang-up) reaches it
//! from the kernel directly; what another process sends to *us* is passed on. When it stops we stop, when it
//! dies we die the same way. We sit in a `signalfd` loop with everything blocked, so no signal is lost between steps.

use crate::privilege;
use crate::sys::{self, Before, Change, Inherited, Poised, Program, Signals};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use nix::unistd::Pid;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::{Duration, Instant};
use thiserror::Error;

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With this exit status.
    Exited(i32),
    /// By the signal with this number; not all have names.
    Killed(i32),
}

impl Ended {
    /// Ends this process the same way.
    pub fn mirror(self) -> i32 {
        match self {
            Ended::Exited(status) => status,
            Ended::Killed(signal) => sys::die_by(signal),
        }
    }
}

/// Why a program could not be run to its end.
#[derive(Debug, Error)]
pub enum SuperviseError {
    /// It did not start; nothing ran.
    #[error("cannot start it: {0}")]
    NotStarted(Errno),
    /// It runs, or ran, but its end cannot be observed.
    #[error("cannot follow it: {0}")]
    Lost(#[from] Errno),
    /// The same, from the standard library.
    #[error("cannot follow it: {0}")]
    Io(#[from] std::io::Error),
}

/// What happens beside the program while it runs.
pub trait Beside {
    /// The program runs now.
    fn started(&mut self) {}
    /// Some other child of ours may have ended.
    fn child_ended(&mut self) {}
    /// When [`Beside::tick`] next wants to be called, if at all.
    fn wake_after(&self) -> Option<Duration> {
        None
    }
    /// The time of `wake_after` has come.
    fn tick(&mut self) {}
    /// Descriptors of ours that must stay open; `None` keeps all, the program's own pipes included.
    fn keep(&self) -> Option<Vec<RawFd>> {
        None
    }
}

/// What is to run.
pub enum Start<'a> {
    /// A program that is not started yet, and what it is to have as this process found it.
    Program(&'a Program, &'a Inherited),
    /// One that waits to be let go, from a process that holds nothing open any more that it need not.
    Poised(Poised),
}

/// Executes `program`, so that it only needs to be let go when it may run. Nothing where that cannot be, or where this process has rights
/// that its caller has not: the kernel takes them from a program that is traced.
pub fn poise(program: &Program, inherited: &Inherited) -> Option<Poised> {
    if privilege::is_lent() {
        return None;
    }
    Poised::new(program, inherited)
}

/// Starts a program and follows it to its end.
///
/// # Errors
/// [`SuperviseError::NotStarted`] when nothing ran.
pub fn run(start: Start<'_>, beside: &mut dyn Beside) -> Result<(Ended, Duration), SuperviseError> {
    let not_started = SuperviseError::NotStarted;
    let before = Before::take(followed()).map_err(not_started)?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let signals = SignalFd::with_flags(&followed().set(), flags).map_err(not_started)?;
    let begun = Instant::now();
    let (child, keep) = match start {
        Start::Program(program, inherited) => {
            let child = sys::spawn(program, &before, inherited).map_err(not_started)?;
            (child, beside.keep())
        }
        Start::Poised(poised) => (poised.start(), None),
    };
    beside.started();
    if privilege::is_lent()
        && let Err(error) = sys::kill_with_us(child)
    {
        crate::gate::warn(&format!("if this process is killed, the tool goes on: {error}"));
    }
    if let Some(mut keep) = keep {
        keep.push(signals.as_raw_fd());
        sys::let_go_of_descriptors(&keep)?;
    }
    let ended = follow(child, &signals, beside)?;
    Ok((ended, begun.elapsed()))
}

fn follow(child: Pid, signals: &SignalFd, beside: &mut dyn Beside) -> Result<Ended, SuperviseError> {
    let mut witness = Witness::to_come();
    // One that was held may have been killed before its signals were collected here.
    let mut was_stopped = match reap(child)? {
        Reaped::Ended(ended) => return Ok(ended),
        Reaped::Stopped => true,
        Reaped::Nothing => false,
    };
    loop {
        while let Some(info) = signals.read_signal()? {
            let signal = i32::try_from(info.ssi_signo).unwrap_or(0);
            let was_for_all = signal != Signal::SIGCHLD as i32 && witness.has_got(signal);
            let reaped = if signal == Signal::SIGCHLD as i32 {
                beside.child_ended();
                reap(child)?
            } else if was_stopped && signal == Signal::SIGCONT as i32 {
                was_stopped = false;
                continue_stopped(child)?
            } else {
                if !was_for_all && must_forward(&info, child) {
                    forward(child, signal)?;
                }
                Reaped::Nothing
            };
            match reaped {
                Reaped::Ended(ended) => return Ok(ended),
                Reaped::Stopped => was_stopped = true,
                Reaped::Nothing => {}
            }
        }
        if std::mem::take(&mut was_stopped) {
            match continue_stopped(child)? {
                Reaped::Ended(ended) => return Ok(ended),
                Reaped::Stopped => {
                    was_stopped = true;
                    continue;
                }
                Reaped::Nothing => {}
            }
        }
        wait_readable(signals, beside, &mut witness)?;
    }
}

/// Blocks until a signal is there, the neighbour wants its tick, or it is time for the witness.
fn wait_readable(
    signals: &SignalFd,
    beside: &mut dyn Beside,
    witness: &mut Witness,
) -> Result<(), SuperviseError> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let after = [beside.wake_after(), witness.wake_after()];
    let timeout = after
        .into_iter()
        .flatten()
        .min()
        .map_or(PollTimeout::NONE, |after| {
            PollTimeout::try_from(after.max(Duration::from_millis(1))).unwrap_or(PollTimeout::MAX)
        });
    match poll(&mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)], timeout) {
        Ok(0) => {
            witness.appear();
            // It may have been the witness's time and not the neighbour's.
            if beside
                .wake_after()
                .is_some_and(|left| left <= Duration::from_millis(1))
            {
                beside.tick();
            }
            Ok(())
        }
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Tells signals that were sent to the whole process group, the program included, from those that were sent only to us.
/// Nothing in a signal says so. But one that was sent to all is also pending with a process that does nothing: the kernel
/// gives it to the youngest of a group first. Without a witness (in the first moments, or where there can be no more
/// processes) every signal is passed on, and one to the group arrives twice.
struct Witness {
    process: Option<Pid>,
    /// When it is worth its fork: most commands are over before.
    due: Option<Instant>,
}

impl Witness {
    const AFTER: Duration = Duration::from_millis(10);

    fn to_come() -> Witness {
        Witness {
            process: None,
            due: Instant::now().checked_add(Witness::AFTER),
        }
    }

    fn wake_after(&self) -> Option<Duration> {
        Some(self.due?.saturating_duration_since(Instant::now()))
    }

    fn appear(&mut self) {
        if self.due.is_some_and(|due| due <= Instant::now()) {
            self.due = None;
            self.process = sys::bystander().ok();
        }
    }

    /// Whether this signal was sent to it as well. Then it has served: what is pending with it stays so.
    fn has_got(&mut self, signal: i32) -> bool {
        let Some(process) = self.process else {
            return false;
        };
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
        let pending = pending.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
        let bit = u32::try_from(signal.saturating_sub(1)).ok();
        let bit = bit.and_then(|bit| 1_u64.checked_shl(bit)).unwrap_or(0);
        let has_got = pending.unwrap_or(0) & bit != 0;
        if has_got {
            *self = Witness::to_come();
        }
        has_got
    }

    fn leave(&mut self) {
        if let Some(process) = self.process.take() {
            // It cannot be gone before it is waited for.
            let _gone = sys::send(process, Signal::SIGKILL as i32)
                .and_then(|()| nix::sys::wait::waitpid(process, None).map(drop));
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Everything but what cannot be caught, and what means that we ourselves are broken.
fn followed() -> Signals {
    Signals::all_but(&[
        Signal::SIGSEGV,
        Signal::SIGBUS,
        Signal::SIGFPE,
        Signal::SIGILL,
        Signal::SIGABRT,
        Signal::SIGTRAP,
        Signal::SIGSYS,
        Signal::SIGKILL,
        Signal::SIGSTOP,
    ])
}

/// A signal from a process was meant for the tool and reached only us; one from the kernel (the terminal) went
/// to the whole process group already. The tool's own signals to its group must not come back to it.
fn must_forward(info: &siginfo, child: Pid) -> bool {
    const SI_USER_OR_BELOW: i32 = 0; // SI_USER, SI_QUEUE, SI_TKILL: sent by a process
    info.ssi_code <= SI_USER_OR_BELOW && i32::try_from(info.ssi_pid) != Ok(child.as_raw())
}

fn forward(child: Pid, signal: i32) -> Result<(), Errno> {
    match sys::send(child, signal) {
        Err(Errno::ESRCH) => Ok(()), // it ended at this moment; SIGCHLD follows
        other => other,
    }
}

/// What was found out about the child.
enum Reaped {
    Nothing,
    /// It was stopped, and we with it; now we go on.
    Stopped,
    Ended(Ended),
}

/// Takes note of what became of the child; stops with it.
fn reap(child: Pid) -> Result<Reaped, SuperviseError> {
    let mut reaped = Reaped::Nothing;
    loop {
        match sys::changed(child)? {
            Change::Exited(status) => return Ok(Reaped::Ended(Ended::Exited(status))),
            Change::Killed(signal) => return Ok(Reaped::Ended(Ended::Killed(signal))),
            Change::Stopped(signal) => {
                stop_by(signal)?;
                reaped = Reaped::Stopped;
            }
            Change::Continued => {}
            Change::None => return Ok(reaped),
        }
    }
}

/// Stops this process by the same signal, so that the shell sees what it would see without us. Returns once it is continued.
fn stop_by(signal: i32) -> Result<(), SuperviseError> {
    let signal = Signal::try_from(signal)?;
    if signal == Signal::SIGSTOP {
        raise(signal)?;
    } else {
        let mut only = SigSet::empty();
        only.add(signal);
        // Our own pending copy of a terminal stop is taken by the unblocking itself; the raise makes sure of one.
        raise(signal)?;
        pthread_sigmask(SigmaskHow::SIG_UNBLOCK, Some(&only), None)?;
        pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&only), None)?;
    }
    Ok(())
}

/// What continued us continues the child, if it has not done so: a shell continues the whole group, `kill -CONT` only us, and
/// nobody had to where the kernel did not stop us, in a group without a parent. A child that was stopped once more by now is
/// not continued: the look at its state comes first, so that a new stop is found behind it.
fn continue_stopped(child: Pid) -> Result<Reaped, SuperviseError> {
    let stat = std::fs::read_to_string(format!("/proc/{child}/stat"));
    let state = stat.ok().and_then(|stat| {
        let (_, behind) = stat.rsplit_once(')')?;
        behind.trim_start().chars().next()
    });
    let reaped = reap(child)?;
    if matches!((&reaped, state), (Reaped::Nothing, Some('T') | None)) {
        forward(child, Signal::SIGCONT as i32)?;
    }
    Ok(reaped)
}
