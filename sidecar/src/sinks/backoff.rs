//! How long to wait after a failure, and when to stop trying for a while. Pure: the clock is a parameter.

use std::time::{Duration, Instant};

/// The first wait's upper bound.
const FIRST: Duration = Duration::from_secs(1);
/// The last wait's upper bound.
const LAST: Duration = Duration::from_secs(300);
/// Failures in a row that open the breaker.
const FAILURES: u32 = 5;
/// How long it stays open.
const OPEN_FOR: Duration = Duration::from_secs(60);
/// Successes in a row, half open, that close it.
const TRIES: u32 = 3;

/// What a test needs to make time pass faster: every duration is divided by it.
#[derive(Debug, Clone, Copy)]
pub struct Pace(u32);

impl Pace {
    /// Real time.
    #[cfg(test)]
    pub const REAL: Pace = Pace(1);

    /// `REEVED_SINK_PACE`: 1 to 1000; waits are so many times shorter. For tests and drills.
    pub fn from_env() -> Pace {
        let asked = std::env::var("REEVED_SINK_PACE")
            .ok()
            .and_then(|text| text.parse::<u32>().ok());
        Pace(asked.unwrap_or(1).clamp(1, 1000))
    }

    /// A wait at this pace.
    pub fn of(self, duration: Duration) -> Duration {
        duration.checked_div(self.0).unwrap_or(duration)
    }
}

/// Exponential backoff with full jitter: a random part of a bound that doubles from 1 s to 300 s.
#[derive(Debug)]
pub struct Backoff {
    bound: Duration,
    pace: Pace,
}

impl Backoff {
    /// Before any failure.
    pub fn new(pace: Pace) -> Backoff {
        Backoff { bound: FIRST, pace }
    }

    /// It worked.
    pub fn reset(&mut self) {
        self.bound = FIRST;
    }

    /// It failed: how long to wait. `part` is uniform in `0.0..1.0`.
    pub fn next(&mut self, part: f64) -> Duration {
        let wait = self.bound.mul_f64(part.clamp(0.0, 1.0));
        self.bound = self.bound.saturating_mul(2).min(LAST);
        self.pace.of(wait)
    }
}

/// A circuit breaker's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Everything goes through.
    Closed,
    /// Single tries go through.
    HalfOpen,
    /// Nothing goes through until then.
    Open {
        /// When tries begin.
        until: Instant,
    },
}

/// 5 failures in a row open it for 60 s; then 3 successes in a row close it, and one failure opens it again.
#[derive(Debug)]
pub struct Breaker {
    state: State,
    count: u32,
    pace: Pace,
}

impl Breaker {
    /// Closed.
    pub fn new(pace: Pace) -> Breaker {
        Breaker {
            state: State::Closed,
            count: 0,
            pace,
        }
    }

    /// The state at `now`.
    pub fn state(&mut self, now: Instant) -> State {
        if matches!(self.state, State::Open { until } if until <= now) {
            self.state = State::HalfOpen;
            self.count = 0;
        }
        self.state
    }

    /// It worked.
    pub fn succeeded(&mut self) {
        match self.state {
            State::HalfOpen => {
                self.count = self.count.saturating_add(1);
                if self.count >= TRIES {
                    self.state = State::Closed;
                    self.count = 0;
                }
            }
            State::Closed | State::Open { .. } => self.count = 0,
        }
    }

    /// It failed.
    pub fn failed(&mut self, now: Instant) {
        self.count = self.count.saturating_add(1);
        if self.state == State::HalfOpen || self.count >= FAILURES {
            self.trip(now);
        }
    }

    /// Opens it at once: trying again soon cannot help.
    pub fn trip(&mut self, now: Instant) {
        self.count = 0;
        self.state = State::Open {
            until: now.checked_add(self.pace.of(OPEN_FOR)).unwrap_or(now),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_their_end_and_are_jittered_in_full() {
        let mut backoff = Backoff::new(Pace::REAL);
        let bounds: Vec<u64> = (0..10).map(|_| backoff.next(1.0).as_secs()).collect();
        assert_eq!(bounds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(backoff.next(0.0), Duration::ZERO);
        backoff.reset();
        assert_eq!(backoff.next(0.5), Duration::from_millis(500));
    }

    #[test]
    fn the_breaker_opens_half_opens_and_closes() {
        let mut breaker = Breaker::new(Pace::REAL);
        let start = Instant::now();
        for _ in 0..4 {
            breaker.failed(start);
        }
        breaker.succeeded(); // not in a row any more
        for _ in 0..4 {
            breaker.failed(start);
        }
        assert_eq!(breaker.state(start), State::Closed);
        breaker.failed(start);
        let later = start + Duration::from_secs(60);
        assert!(matches!(breaker.state(start), State::Open { .. }));
        assert!(matches!(
            breaker.state(later - Duration::from_millis(1)),
            State::Open { .. }
        ));
        assert_eq!(breaker.state(later), State::HalfOpen);
        breaker.failed(later);
        assert!(matches!(breaker.state(later), State::Open { .. }));
        let again = later + Duration::from_secs(60);
        assert_eq!(breaker.state(again), State::HalfOpen);
        breaker.succeeded();
        breaker.succeeded();
        assert_eq!(breaker.state(again), State::HalfOpen);
        breaker.succeeded();
        assert_eq!(breaker.state(again), State::Closed);
    }
}
