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
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, last) = buckets.entry(uid).or_insert((self.per_second, now));
        let refill = now.duration_since(*last).as_secs_f64() * self.per_second;
        *tokens = (*tokens + refill).min(self.per_second);
        *last = now;
        let admitted = *tokens >= 1.0;
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
    }
}
