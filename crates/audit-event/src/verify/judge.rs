//! What a record that continues the chain must be for its place and for its kind: signatures, segments, SEALs.

use super::{Attack, Fault, State, Verifier};
use crate::chain::{Fields, Kind};
use crate::note::NoteError;
use crate::records::{self, FORMAT, Open, Prune, Seal, Signed, Unsigned};
use serde::Deserialize;

/// A writer signs at least every 60 s, and after a pause before anything else; an unsigned record this much later than the
/// last signature of its epoch was left without.
const MAX_UNSIGNED_NS: u64 = 90_000_000_000;
/// A writer signs every 10 000 records, and at most a batch more.
const MAX_UNSIGNED_RECORDS: u64 = 20_000;

impl Verifier {
    /// What a record must be for its place, and for its kind.
    pub(super) fn judge(&mut self, line: &Fields<'_>) -> Result<(), (State, Box<Fault>)> {
        if line.kind == Kind::Open {
            return self.judge_open(line);
        }
        let Some(key) = self.key.clone() else {
            return Err(self.tampered(
                Attack::Stripped,
                line.seq,
                "the ledger does not begin with an OPEN".to_owned(),
            ));
        };
        if self.is_segment_start {
            let what = "the segment does not begin with an OPEN".to_owned();
            return Err(self.tampered(Attack::Dropped, line.seq, what));
        }
        if self.cursor.is_sealed() {
            let what = format!(
                "record {} stands after a SEAL, where only an OPEN may stand",
                line.seq
            );
            return Err(self.tampered(Attack::Inserted, line.seq, what));
        }
        if !matches!(line.kind, Kind::Checkpoint | Kind::Seal | Kind::Prune) {
            return self.judge_unsigned(line);
        }
        let through;
        let (note, more) = match line.kind {
            Kind::Prune => {
                let prune: Prune = self.data(line)?;
                self.pruned = self.pruned.max(prune.through);
                through = prune.through.to_string();
                (prune.note, vec![("through", through.as_str())])
            }
            Kind::Seal => (self.data::<Seal>(line)?.note, vec![]),
            _ => (self.data::<Signed>(line)?.note, vec![]),
        };
        records::check(&note, line, &self.tree, &more, &key).map_err(|error| self.unsigned(line, error))?;
        self.last_signed = (line.seq, line.monotonic_ns);
        Ok(())
    }

    /// A record without a signature must not be long after one. A signed one may: the writer was stopped, or its disk was.
    fn judge_unsigned(&self, line: &Fields<'_>) -> Result<(), (State, Box<Fault>)> {
        let (signed_seq, signed_at) = self.last_signed;
        let late = line.monotonic_ns.saturating_sub(signed_at) > MAX_UNSIGNED_NS;
        if late || line.seq.saturating_sub(signed_seq) > MAX_UNSIGNED_RECORDS {
            let what = format!(
                "no checkpoint between record {signed_seq} and record {}, where the writer signs at least one",
                line.seq
            );
            return Err(self.tampered(Attack::Stripped, line.seq, what));
        }
        Ok(())
    }

    fn judge_open(&mut self, line: &Fields<'_>) -> Result<(), (State, Box<Fault>)> {
        #[derive(Deserialize)]
        struct Format {
            format: String,
        }
        let Format { format } = self.data(line)?;
        if format != FORMAT {
            let what = format!(
                "the ledger's format is `{format}`; this program knows {FORMAT}: use the version that wrote it, or a newer one"
            );
            return Err((State::Unreadable, Box::new(self.fault(None, line.seq, what))));
        }
        let open: Open = self.data(line)?;
        let expected = if self.is_segment_start {
            self.segment.saturating_add(1)
        } else {
            self.segment
        };
        if open.segment != expected {
            let what = format!(
                "segment {} stands where segment {expected} was expected",
                open.segment
            );
            return Err(self.tampered(Attack::SegmentRemoved, line.seq, what));
        }
        if self.is_segment_start && self.key.is_some() && !self.cursor.is_sealed() {
            let what = format!(
                "segment {} ends without a SEAL, but another follows",
                self.segment
            );
            return Err(self.tampered(Attack::Cut, line.seq, what));
        }
        let new = open.key().map_err(|error| self.unsigned(line, error.into()))?;
        let segment = open.segment.to_string();
        let more = [("segment", segment.as_str()), ("key", open.key.as_str())];
        match &self.key {
            Some(old) => records::check(&open.note, line, &self.tree, &more, old).map(drop),
            None if line.seq == 0 => records::check(&open.note, line, &self.tree, &more, &new).map(drop),
            // The key that signed it went with the segments that were removed; the PRUNE vouches for this place.
            None => Ok(()),
        }
        .map_err(|error| self.unsigned(line, error))?;
        self.key = Some(new);
        self.segment = open.segment;
        self.last_signed = (line.seq, line.monotonic_ns);
        Ok(())
    }

    fn data<T: for<'de> Deserialize<'de>>(&self, line: &Fields<'_>) -> Result<T, (State, Box<Fault>)> {
        serde_json::from_str(line.data).map_err(|error| {
            let what = format!(
                "record {} is a {} without what belongs to it: {error}",
                line.seq,
                line.kind.name()
            );
            self.tampered(Attack::Stripped, line.seq, what)
        })
    }

    fn unsigned(&self, line: &Fields<'_>, error: Unsigned) -> (State, Box<Fault>) {
        let attack = match &error {
            Unsigned::Root { .. } => Attack::Rewritten,
            Unsigned::Note(NoteError::OtherKey { .. }) => Attack::WrongKey,
            Unsigned::Note(NoteError::BadSignature(_)) => Attack::BadSignature,
            // A true signature, but of another place: moved there, or over another history.
            Unsigned::Differs { .. } => Attack::Rewritten,
            Unsigned::Note(NoteError::Malformed(_)) => Attack::Stripped,
        };
        let what = format!("record {} ({}): {error}", line.seq, line.kind.name());
        self.tampered(attack, line.seq, what)
    }
}
