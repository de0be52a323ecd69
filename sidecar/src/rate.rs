//! How many requests a user may send: a token bucket each, filled once a second's worth.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The buckets. Only pinned users get this far, so their number is bounded.
#[derive(Debug)]
pub struct Rate {
    per_second: f64,
    buckets: Mutex<HashMap<u32, (f64, Instant)>>,
}

impl Rate {
    /// So many per second, and as many at once.
    pub fn new(per_second: u32) -> Rate {
        Rate {
            per_second: f64::from(per_second.max(1)),
            buckets: Mutex::new(HashMap::new()),
        }
    }

    /// Takes one; false when there is none.
    pub fn admits(&self, uid: u32) -> bool {
        self.take(uid, 1.0)
    }

    /// Takes one when the bucket is half full at least, so that what can wait does not shut out what cannot.
    pub fn admits_spare(&self, uid: u32) -> bool {
        self.take(uid, (self.per_second / 2.0).max(1.0))
    }

    fn take(&self, uid: u32, at_least: f64) -> bool {
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, last) = buckets.entry(uid).or_insert((self.per_second, now));
        let refill = now.duration_since(*last).as_secs_f64() * self.per_second;
        *tokens = (*tokens + refill).min(self.per_second);
        *last = now;
        let admitted = *tokens >= at_least;
        if admitted {
            *tokens -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_ends_where_the_bucket_does_and_other_users_do_not_notice() {
        let rate = Rate::new(3);
        let admitted = (0..10).filter(|_| rate.admits(1)).count();
        assert!((3..=4).contains(&admitted), "{admitted}");
        assert!(rate.admits(2));
        let rate = Rate::new(100);
        let spare = (0..200).filter(|_| rate.admits_spare(1)).count();
        assert!((51..=60).contains(&spare), "{spare}");
        assert!(rate.admits(1), "half is left");
        assert!(Rate::new(1).admits_spare(1));
    }
}
