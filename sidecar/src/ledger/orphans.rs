//! What was allowed and has not ended: when nobody is left who could say how it ended, the ledger says so itself.

use audit_event::EventId;
use std::collections::BTreeMap;
use std::path::Path;

/// So many whose gate holds no connection are remembered; what a spool says of its process cannot be relied on.
const MAX_ALONE: usize = 4096;

/// The commands that run, by their decision's id.
#[derive(Debug, Default)]
pub struct Orphans {
    running: BTreeMap<EventId, Running>,
    /// How many there have been.
    begun: u64,
}

#[derive(Debug)]
struct Running {
    /// The gate's process, 0 when it cannot be seen from here.
    pid: i32,
    /// Its place among all that began.
    place: u64,
    /// Nobody holds a connection for it: from before the start, or from a spool.
    is_alone: bool,
}

impl Orphans {
    /// From the walk at the start: the connections of that time are gone.
    pub fn allowed(&mut self, id: &EventId, pid: i32) {
        self.begin(id, pid, true);
    }

    /// Somebody holds a connection for it, and will say when that ends.
    pub fn accompanied(&mut self, id: &EventId, pid: i32) {
        self.begin(id, pid, false);
    }

    fn begin(&mut self, id: &EventId, pid: i32, is_alone: bool) {
        let place = self.begun;
        self.begun = place.saturating_add(1);
        self.running.insert(id.clone(), Running { pid, place, is_alone });
    }

    /// It has an outcome.
    pub fn ended(&mut self, id: &EventId) {
        self.running.remove(id);
    }

    /// Whether it has no outcome yet.
    pub fn has(&self, id: &EventId) -> bool {
        self.running.contains_key(id)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.running.len()
    }

    /// Those whose gate is gone.
    pub fn left_alone(&self) -> Vec<EventId> {
        let is_gone = |running: &Running| running.is_alone && !is_alive(running.pid);
        self.running
            .iter()
            .filter(|(_, running)| is_gone(running))
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// The oldest of those without a connection, when there are too many of them.
    pub fn excess(&self) -> Vec<EventId> {
        let mut alone: Vec<(u64, &EventId)> = self
            .running
            .iter()
            .filter(|(_, running)| running.is_alone)
            .map(|(id, running)| (running.place, id))
            .collect();
        alone.sort_unstable();
        let excess = alone.len().saturating_sub(MAX_ALONE);
        alone.into_iter().take(excess).map(|(_, id)| id.clone()).collect()
    }

    /// All of them: the writer ends.
    pub fn all(&self) -> Vec<EventId> {
        self.running.keys().cloned().collect()
    }
}

/// A process that we cannot see may live; one that we could see and is not there does not.
fn is_alive(pid: i32) -> bool {
    pid != 0 && Path::new("/proc").join(pid.to_string()).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_whose_gate_is_gone_are_closed() {
        let id = |n: u32| {
            format!("00000000-0000-7000-8000-{n:012}")
                .parse::<EventId>()
                .unwrap()
        };
        let us = i32::try_from(std::process::id()).unwrap();
        let mut orphans = Orphans::default();
        orphans.allowed(&id(1), us);
        orphans.allowed(&id(2), i32::MAX); // above any pid_max
        orphans.accompanied(&id(3), i32::MAX);
        assert_eq!(orphans.left_alone(), [id(2)]);
        orphans.ended(&id(2));
        assert!(orphans.left_alone().is_empty());
        assert_eq!(orphans.count(), 2);
    }

    #[test]
    fn of_too_many_without_a_connection_the_oldest_go() {
        let id = |n: usize| {
            format!("00000000-0000-7000-8000-{:012}", 999_999 - n)
                .parse::<EventId>()
                .unwrap()
        };
        let mut orphans = Orphans::default();
        orphans.accompanied(&id(0), 1);
        for n in 1..=MAX_ALONE + 3 {
            orphans.allowed(&id(n), 1);
        }
        assert!(orphans.left_alone().is_empty(), "process 1 lives");
        assert_eq!(orphans.excess(), [id(1), id(2), id(3)]);
    }
}
