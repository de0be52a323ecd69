//! How large the ledger may grow: the disk's stages, rotation, and removal of what every sink has.

use super::super::disk::Space;
use super::super::recovery::segments;
use super::super::store::CommitError;
use super::super::{io_failure, reader};
use super::Desk;
use crate::exit::{Exit, Failure};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

impl Desk {
    /// How full the disk is.
    pub(super) fn measure(&mut self) {
        match Space::of_volume(&self.directory) {
            Ok(space) => {
                let stage = space.stage();
                if stage > self.stage {
                    tracing::warn!(?stage, "the ledger's disk is getting full");
                }
                self.stage = stage;
                self.is_ample = space.is_ample();
                self.shared.metrics.disk_stage(stage.number());
            }
            Err(errno) => tracing::warn!(%errno, "the free space of the ledger's disk is not known"),
        }
    }

    pub(super) fn rotate_when_due(&mut self) -> Result<(), CommitError> {
        let limits = self.limits;
        if self.store.length() >= limits.segment_bytes || self.store.segment_age() >= limits.segment_age {
            self.store.rotate()?;
            self.shared.metrics.segment(self.store.segment());
            tracing::info!(segment = self.store.segment(), "a new segment begins");
        }
        Ok(())
    }

    /// Removes what need not be kept, and what every sink has.
    pub(super) fn prune(&mut self) -> Result<(), Failure> {
        if self.limits.keep_bytes.is_none() && self.limits.keep_age.is_none() {
            return Ok(());
        }
        let segments = segments(&self.directory)?;
        let sizes: Vec<(u64, u64, Duration)> = segments
            .iter()
            .map(|(number, path)| {
                let metadata = path.metadata().map_err(|error| io_failure(path, &error))?;
                let age = metadata
                    .modified()
                    .ok()
                    .and_then(|modified| SystemTime::now().duration_since(modified).ok())
                    .unwrap_or_default();
                Ok((*number, metadata.len(), age))
            })
            .collect::<Result<_, Failure>>()?;
        let mut total: u64 = sizes.iter().map(|(_, size, _)| size).sum();
        let mut through = None;
        for (index, (number, size, age)) in sizes.iter().enumerate() {
            let is_live = *number >= self.store.segment();
            let is_large = self.limits.keep_bytes.is_some_and(|keep| total > keep);
            let is_old = self.limits.keep_age.is_some_and(|keep| *age > keep);
            let next = segments.get(index.saturating_add(1));
            if is_live || !(is_large || is_old) || !self.is_delivered(next)? {
                break;
            }
            through = Some(*number);
            total = total.saturating_sub(*size);
        }
        let (Some(through), Some((first, _))) = (through, segments.first()) else {
            return Ok(());
        };
        self.store
            .prune(through, *first)
            .map_err(|error| Failure::new(Exit::Io, error.to_string()))?;
        tracing::info!(through, "old segments are removed");
        Ok(())
    }

    /// Whether every sink has all that stands before the segment `next`.
    fn is_delivered(&self, next: Option<&(u64, PathBuf)>) -> Result<bool, Failure> {
        let Some(needed) = reader::first_needed(&self.directory)? else {
            return Ok(true);
        };
        let Some((_, path)) = next else { return Ok(false) };
        Ok(reader::first_seq(path)?.is_some_and(|first| needed >= first))
    }
}
