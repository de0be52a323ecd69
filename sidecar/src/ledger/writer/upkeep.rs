//! What is done from time to time: checks, signatures, room, and a word on commands of which nobody will say how they ended.

use super::super::disk::Stage;
use super::super::store::{CommitError, Item};
use super::{BATCH, Desk, TICK};
use crate::exit::{Exit, Failure};
use audit_event::chain::Kind;
use audit_event::{EventId, Outcome};
use std::time::Instant;

impl Desk {
    /// What is to be done from time to time.
    pub(super) fn tick(&mut self) {
        self.ticked = Instant::now();
        self.processors.free();
        self.shared.update(|_| {});
        if let Err(why) = self.store.file().check_identity() {
            let error = self.store.give_up(why);
            tracing::error!(%error, "nothing can be recorded");
            self.report(Some(error.to_string()));
            return;
        }
        self.measure();
        self.shared.metrics.running(self.orphans.count());
        self.find_spools();
        let alone = self.orphans.left_alone();
        self.close(&alone, "its gate was gone when the ledger was opened");
        let excess = self.orphans.excess();
        self.close(&excess, "too many commands without an outcome came after it");
        self.shared.metrics.checkpoint_age(self.store.checkpoint_age());
        let kept = self.store.sign(TICK).and_then(|()| self.rotate_when_due());
        if let Err(error) = kept {
            tracing::error!(%error, "the ledger cannot be signed or continued");
            self.report(Some(error.to_string()));
            return;
        }
        if let Err(failure) = self.prune() {
            tracing::error!(%failure, "old segments cannot be removed");
        }
        self.lacks_room = self.stage == Stage::Free && self.is_ample && self.store.lacks_room();
        self.report(None);
    }

    /// A little of the room that the ledger lacks.
    pub(super) fn make_room(&mut self) {
        match self.store.make_room() {
            Ok(may_be_more) => self.lacks_room = may_be_more,
            Err(error) => {
                self.lacks_room = false;
                if self.store.why_broken().is_some() {
                    tracing::error!(%error, "nothing can be recorded");
                    self.report(None);
                } else {
                    tracing::warn!(%error, "the ledger gets no room in advance; records take a little longer");
                }
            }
        }
    }

    /// Says of commands that nobody will say how they ended.
    pub(super) fn close(&mut self, ids: &[EventId], why: &str) {
        for some in ids.chunks(BATCH) {
            if let Err(error) = self.close_some(some, why) {
                // They stay open; the next tick or the next start closes them.
                tracing::error!(%error, "commands without an outcome cannot be closed");
                return;
            }
        }
    }

    fn close_some(&mut self, ids: &[EventId], why: &str) -> Result<(), CommitError> {
        let open: Vec<&EventId> = ids.iter().filter(|id| self.orphans.has(id)).collect();
        if open.is_empty() {
            return Ok(());
        }
        let ts = format!("{:.6}", jiff::Timestamp::now());
        let items: Result<Vec<Item>, serde_json::Error> = open
            .iter()
            .map(|id| {
                let outcome = Outcome {
                    ts: ts.clone(),
                    event_id: (*id).clone(),
                    exit_code: None,
                    signal: None,
                    not_started: None,
                    duration_us: 0,
                    incomplete: Some(why.to_owned()),
                };
                Ok(Item {
                    kind: Kind::Exit,
                    peer: None,
                    data: serde_json::to_string(&outcome)?,
                })
            })
            .collect();
        let items = items.map_err(|error| CommitError::Write(std::io::Error::other(error)))?;
        let written = self.commit(&items)?;
        for (item, place) in items.iter().zip(&written) {
            self.events
                .add(&item.data, Kind::Exit.name(), place.seq, &place.hash);
        }
        for id in open {
            self.orphans.ended(id);
            self.shared.metrics.incomplete();
        }
        self.flush_events();
        Ok(())
    }

    pub(super) fn seal(&mut self) -> Result<(), Failure> {
        let open = self.orphans.all();
        self.close(&open, "the sidecar stopped before the tool ended");
        self.flush_events();
        self.store
            .file()
            .check_identity()
            .map_err(|why| Failure::new(Exit::Io, why))
            .and_then(|()| {
                self.store
                    .seal()
                    .map_err(|error| Failure::new(Exit::Io, error.to_string()))
            })?;
        self.report(None); // sinks pass on what is durable, the SEAL too
        tracing::info!(records = self.store.cursor().next, "sealed");
        Ok(())
    }
}
