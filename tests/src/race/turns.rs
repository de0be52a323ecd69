//! The one and the other by turns, as fast as can be, while a script runs in a session.

use crate::binaries;
use crate::session::{Scratch, appears};
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs a script in a session to a good end while `put` is called with these by turns, from the script's beginning on.
pub fn by_turns<T: Sync + ?Sized>(
    scratch: &Scratch,
    script: &str,
    these: [&T; 2],
    put: impl Fn(&T) + Send + Sync,
) {
    let stop = AtomicBool::new(false);
    let begun = scratch.at("begun");
    binaries::reeve(); // building may take longer than anybody waits for the session
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        scope.spawn(|| {
            assert!(appears(&begun), "the session begins");
            for this in these.into_iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                put(this);
            }
        });
        let output = scratch.run(&format!("touch begun; {script}"));
        assert!(output.status.success(), "{output:?}");
    });
}

/// Says stop when it goes, also when the test fails: a scope waits for its threads.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asserts that some of so many commands were allowed and some were not; returns how many were.
pub fn allowed_of(scratch: &Scratch, rounds: usize) -> usize {
    let events = scratch.events();
    let allowed = events
        .iter()
        .filter(|event| event["decision"] == "ALLOWED")
        .count();
    assert!(
        allowed > 0 && allowed < rounds,
        "both were met: {allowed} of {rounds} were allowed"
    );
    allowed
}

/// How many rounds: `REEVE_RACE_ROUNDS`, or so many.
pub fn rounds(usually: usize) -> usize {
    std::env::var("REEVE_RACE_ROUNDS").map_or(usually, |text| text.parse().expect("a number"))
}
