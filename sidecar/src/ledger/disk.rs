//! How much may be kept, and what is still recorded when the disk gets full.

use audit_event::room::ROOM;
use nix::sys::statvfs::statvfs;
use std::path::Path;
use std::time::Duration;

/// What the operator allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A segment that is longer is sealed, and the next begins.
    pub segment_bytes: u64,
    /// A segment that is older is sealed, and the next begins.
    pub segment_age: Duration,
    /// Sealed segments beyond so many bytes in all are removed, the oldest first; `None` keeps all.
    pub keep_bytes: Option<u64>,
    /// Sealed segments older than this are removed; `None` keeps all.
    pub keep_age: Option<Duration>,
}

/// What the ledger still takes. The order is that of severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// There is room.
    Free,
    /// There is less than a tenth: said in the log and in the metrics, nothing is refused.
    Warn,
    /// Nothing new may run, for its end could not be recorded: what is allowed is refused, spools wait. Refusals, and how
    /// running commands ended, are recorded.
    Hold,
    /// Nothing is recorded but the writer's own last words.
    Stop,
}

const MIB: u64 = 1 << 20;

/// The space of a volume, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Space {
    /// What we may still write.
    pub free: u64,
    /// All there is.
    pub total: u64,
}

impl Space {
    /// Of the volume that `directory` is on.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn of_volume(directory: &Path) -> nix::Result<Space> {
        let found = statvfs(directory)?;
        let unit = found.fragment_size();
        Ok(Space {
            free: found.blocks_available().saturating_mul(unit),
            total: found.blocks().saturating_mul(unit),
        })
    }

    /// What is still recorded with it.
    pub fn stage(self) -> Stage {
        Stage::of(self.free, self.total)
    }

    /// Whether the ledger may take room in advance: not where others, or its own next record, could want for it.
    pub fn is_ample(self) -> bool {
        self.free / 64 >= ROOM
    }
}

impl Stage {
    /// The stage for so much free space: a tenth, a twentieth, a fiftieth of the volume, but on large volumes no more
    /// than 1 GiB, 256 MiB and 64 MiB.
    pub fn of(free: u64, total: u64) -> Stage {
        let below = |share: u64, most: u64| free < (total / share).min(most);
        if below(50, 64 * MIB) {
            Stage::Stop
        } else if below(20, 256 * MIB) {
            Stage::Hold
        } else if below(10, 1024 * MIB) {
            Stage::Warn
        } else {
            Stage::Free
        }
    }

    /// The number in the metrics.
    pub fn number(self) -> i64 {
        match self {
            Stage::Free => 0,
            Stage::Warn => 1,
            Stage::Hold => 2,
            Stage::Stop => 3,
        }
    }

    /// Why something is not recorded at this stage; `None` when it is.
    pub fn refuses(self, is_new_command: bool) -> Option<&'static str> {
        match self {
            Stage::Stop => Some("the ledger's disk is full; free some space, or lower --keep-bytes"),
            Stage::Hold if is_new_command => Some(
                "the ledger's disk is nearly full, so nothing new may run; free some space, or lower --keep-bytes",
            ),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stages_follow_the_free_space() {
        let volume = 1000 * MIB;
        for (free, stage) in [
            (100, Stage::Free),
            (99, Stage::Warn),
            (50, Stage::Warn),
            (49, Stage::Hold),
            (19, Stage::Stop),
        ] {
            assert_eq!(Stage::of(free * MIB, volume), stage, "{free}");
        }
        let large = 1_000_000 * MIB;
        for (free, stage) in [
            (1024, Stage::Free),
            (1023, Stage::Warn),
            (255, Stage::Hold),
            (63, Stage::Stop),
        ] {
            assert_eq!(Stage::of(free * MIB, large), stage, "{free}");
        }
    }

    #[test]
    fn room_is_made_only_where_there_is_plenty() {
        let total = 1000 * MIB;
        let ample = |free| {
            Space {
                free: free * MIB,
                total,
            }
            .is_ample()
        };
        assert!(ample(64) && !ample(63) && !ample(0));
    }

    #[test]
    fn running_commands_may_still_end_while_new_ones_wait() {
        assert!(Stage::Hold.refuses(true).is_some());
        assert!(Stage::Hold.refuses(false).is_none());
        assert!(Stage::Stop.refuses(false).is_some());
        assert!(Stage::Warn.refuses(true).is_none());
    }
}
