//! Autonomy levels and tracks.

use argv::Effect;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// An autonomy level; a later one may do more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// Assistive: it proposes, a person executes.
    L1,
    /// Advisory: read-only diagnostics.
    L2,
    /// Proposal: deeper investigation, and proposing.
    L3,
    /// Semi-autonomous: the changes its track names.
    L4,
}

/// Not a level.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a level; L1, L2, L3 and L4 are")]
pub struct BadLevel(String);

impl Level {
    /// Every level, lowest first.
    pub const ALL: [Level; 4] = [Level::L1, Level::L2, Level::L3, Level::L4];

    /// The name in files and events.
    pub fn name(self) -> &'static str {
        match self {
            Level::L1 => "L1",
            Level::L2 => "L2",
            Level::L3 => "L3",
            Level::L4 => "L4",
        }
    }

    /// The heaviest effect that an allow rule covers at this level without naming it. Everything above, and every
    /// hazard, a rule must name itself, at L3 and L4 too: what a track may change is a list, not a height.
    pub fn ceiling(self) -> Effect {
        match self {
            Level::L1 => Effect::Local,
            Level::L2 | Level::L3 | Level::L4 => Effect::Read,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Level {
    type Err = BadLevel;

    fn from_str(text: &str) -> Result<Level, BadLevel> {
        Level::ALL
            .into_iter()
            .find(|level| level.name() == text)
            .ok_or_else(|| BadLevel(text.chars().take(40).collect()))
    }
}

/// A track's name: `track-c`. At most 32 of `a-z`, `0-9`, `-`; it becomes a metric label and part of a file name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Track(String);

/// Not a track's name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a track's name: 1 to 32 of a-z, 0-9 and - are expected, as in track-c")]
pub struct BadTrack(String);

impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Track {
    type Err = BadTrack;

    fn from_str(text: &str) -> Result<Track, BadTrack> {
        let fits = (1..=32).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits {
            Ok(Track(text.to_owned()))
        } else {
            Err(BadTrack(text.chars().take(40).collect()))
        }
    }
}

impl TryFrom<String> for Track {
    type Error = BadTrack;
    fn try_from(text: String) -> Result<Track, BadTrack> {
        text.parse()
    }
}

impl From<Track> for String {
    fn from(track: Track) -> String {
        track.0
    }
}
