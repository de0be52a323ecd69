//! On which processor those stay who write alone.
//!
//! A gate that asks wakes us, and a scheduler likes to bring whoever is woken to the processor of the one that wakes it. There the gate
//! goes on with its own work, and each waits for the other while another processor has none. So a thread that has made a record
//! durable stays where it was when it learned so: most likely where the disk's interrupts come. Once a second, and whenever more is
//! to be done than one thread can, all may go where there is room.

use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::unistd::{Pid, gettid};
use std::time::{Duration, Instant};

/// How long all go where there is room after there was much to do.
const ROAM: Duration = Duration::from_secs(1);
/// One gate's records are further apart than this: it starts, and so does its tool. Those that come sooner are several gates', and who
/// stays is in their way (a third of what was acknowledged per second was left, in one of three runs under load).
const APART: Duration = Duration::from_micros(300);
const THIS_THREAD: Pid = Pid::from_raw(0);

/// The threads that stay where they are.
#[derive(Debug, Default)]
pub struct Processors {
    staying: Vec<Pid>,
    roaming: Option<Instant>,
    /// When the last record was durable that one thread wrote alone.
    last: Option<Instant>,
}

impl Processors {
    /// This thread has made something durable alone, for which it was asked at `asked`: it stays, where there are several processors
    /// and not much to do.
    pub fn stay(&mut self, asked: Instant) {
        let now = Instant::now();
        let last = self.last.replace(now);
        if last.is_some_and(|last| asked.saturating_duration_since(last) < APART) {
            return self.busy();
        }
        let thread = gettid();
        if self.staying.contains(&thread) || self.roaming.is_some_and(|until| now < until) {
            return;
        }
        // Where a thread may not say where it runs, it goes where it is sent.
        if matches!(several(), Ok(true)) && here().is_ok() {
            self.staying.push(thread);
        }
    }

    /// More is to be done than one thread can.
    pub fn busy(&mut self) {
        self.free();
        self.roaming = Instant::now().checked_add(ROAM);
    }

    /// All may go where the process's first thread may, which writes nothing.
    pub fn free(&mut self) {
        for thread in std::mem::take(&mut self.staying) {
            if let Err(error) = sched_getaffinity(Pid::this()).and_then(|all| sched_setaffinity(thread, &all))
            {
                tracing::debug!(%error, %thread, "a thread that stayed on one processor is gone, or stays there");
            }
        }
    }
}

/// To be called by each new thread: it has inherited the place of the one that started it, and goes where the process's first thread may.
pub fn go_anywhere() {
    let first = sched_getaffinity(Pid::this());
    if let Err(error) = first.and_then(|all| sched_setaffinity(THIS_THREAD, &all)) {
        tracing::debug!(%error, "a new thread stays where the one that started it was");
    }
}

fn several() -> nix::Result<bool> {
    let mine = sched_getaffinity(THIS_THREAD)?;
    let mut mine = (0..CpuSet::count()).filter(|processor| mine.is_set(*processor) == Ok(true));
    Ok(mine.nth(1).is_some())
}

fn here() -> nix::Result<()> {
    let mut here = CpuSet::new();
    here.set(sched_getcpu()?)?;
    sched_setaffinity(THIS_THREAD, &here)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn processors(thread: Pid) -> usize {
        let mine = sched_getaffinity(thread).unwrap();
        (0..CpuSet::count())
            .filter(|processor| mine.is_set(*processor).unwrap())
            .count()
    }

    /// A thread that stays, and what became of that; then the thread goes.
    fn with_one_that_stays(mut processors: Processors, then: impl FnOnce(&mut Processors, Pid)) {
        let (tell, told) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            processors.last = None;
            processors.stay(Instant::now());
            processors.last = None;
            processors.stay(Instant::now());
            tell.send((processors, gettid())).unwrap();
            may_go.recv().unwrap();
        });
        let (mut processors, id) = told.recv().unwrap();
        then(&mut processors, id);
        go.send(()).unwrap();
        thread.join().unwrap();
        processors.free(); // those that are gone are passed over
    }

    #[test]
    fn a_thread_that_wrote_stays_until_all_may_go() {
        let all = processors(THIS_THREAD);
        with_one_that_stays(Processors::default(), |state, thread| {
            assert_eq!(processors(thread), 1);
            assert_eq!(state.staying.len(), usize::from(all > 1), "once");
            state.free();
            assert_eq!(processors(thread), all);
            assert!(state.staying.is_empty());
        });
    }

    #[test]
    fn nobody_stays_for_a_while_after_there_was_much_to_do() {
        let all = processors(THIS_THREAD);
        let mut after = None;
        with_one_that_stays(Processors::default(), |state, thread| {
            state.busy();
            assert_eq!(processors(thread), all);
            after = Some(std::mem::take(state));
        });
        let mut later = None;
        with_one_that_stays(after.unwrap(), |state, thread| {
            assert_eq!(processors(thread), all);
            state.roaming = Some(Instant::now());
            later = Some(std::mem::take(state));
        });
        with_one_that_stays(later.unwrap(), |_, thread| assert_eq!(processors(thread), 1));
    }

    #[test]
    fn records_that_come_close_together_are_much_to_do() {
        let all = processors(THIS_THREAD);
        std::thread::spawn(move || {
            let mut state = Processors::default();
            let begin = Instant::now();
            state.stay(begin);
            assert_eq!(processors(THIS_THREAD), 1);
            state.last = Some(begin);
            state.stay(begin + APART);
            assert_eq!(processors(THIS_THREAD), 1, "one gate's");
            state.last = Some(begin);
            state.stay(begin + APART / 2);
            assert_eq!((processors(THIS_THREAD), state.staying.len()), (all, 0));
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_new_thread_does_not_inherit_the_place() {
        let all = processors(Pid::this());
        std::thread::spawn(move || {
            Processors::default().stay(Instant::now());
            let inherited = std::thread::spawn(|| processors(THIS_THREAD)).join().unwrap();
            assert_eq!(inherited, 1, "that is why");
            let new = std::thread::spawn(|| {
                go_anywhere();
                processors(THIS_THREAD)
            });
            assert_eq!(new.join().unwrap(), all);
        })
        .join()
        .unwrap();
    }
}
