//! Sinks that have much to send rest while gates record, so that recording beside them is as fast as alone: the least
//! priority alone does not do that, for the receiver, the network and the caches are shared, too.
//!
//! Pure: the clocks are parameters.

use super::segments::Durable;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A rest is so many times as long as the work before it. At 1, gates on two processors recorded 10 to 16 % less beside a
/// sink that drained; at 3, 5 to 8 % less, and the sink still sent twice as many records as they made (`sink_bench ingest`).
const TIMES: u32 = 3;
/// The longest rest: a batch whose work took longer was a slow one, not a large one.
const LONGEST: Duration = Duration::from_millis(50);

/// What the tasks of the sinks' thread share.
pub struct Rest {
    durable: Durable,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The last durable record at the last look.
    seen: Option<u64>,
    /// The thread's processor time at the last look.
    worked: Duration,
    until: Option<Instant>,
}

impl Rest {
    /// With what says how far the ledger is.
    pub fn new(durable: Durable) -> Rest {
        Rest {
            durable,
            state: Mutex::default(),
        }
    }

    /// How long to rest from `now` on, when the calling thread has used `processor` time since its start: nothing unless
    /// something was recorded since the last look.
    pub fn after_work(&self, now: Instant, processor: Duration) -> Duration {
        let durable = (self.durable)();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let work = processor.saturating_sub(state.worked);
        state.worked = processor;
        if durable != state.seen {
            state.seen = durable;
            let rest = work.saturating_mul(TIMES).min(LONGEST);
            state.until = Some(state.until.map_or(now, |until| until.max(now)) + rest);
        }
        let until = state.until.unwrap_or(now);
        until.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn a_sink_rests_only_while_something_is_recorded() {
        let ms = Duration::from_millis;
        let durable = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&durable);
        let rest = Rest::new(Arc::new(move || Some(told.load(Ordering::Relaxed))));
        let now = Instant::now();
        let _first = rest.after_work(now, ms(0));
        assert_eq!(rest.after_work(now, ms(10)), ms(0), "nothing was recorded");
        durable.store(1, Ordering::Relaxed);
        assert_eq!(rest.after_work(now, ms(14)), ms(12));
        // Another sink of the same thread rests as long, and longer for its own work only.
        assert_eq!(rest.after_work(now + ms(2), ms(14)), ms(10));
        durable.store(2, Ordering::Relaxed);
        assert_eq!(rest.after_work(now + ms(2), ms(15)), ms(13));
        assert_eq!(rest.after_work(now + ms(100), ms(15)), ms(0), "it is over");
        durable.store(3, Ordering::Relaxed);
        assert_eq!(rest.after_work(now + ms(100), ms(1000)), LONGEST);
    }
}
