//! The walk over a whole ledger: is it what its writer wrote, and if not, what was done to it?
//!
//! The caller brings the segments' lines in order ([`Verifier::begin_segment`], [`Verifier::record`], [`Verifier::end`])
//! and, if it has them, anchors: later words on the same ledger from elsewhere. Memory does not grow with the ledger,
//! but for one key per epoch. [`Checked::of`] is the costly part of each line and depends on no other line, so a caller
//! may spread it over processors.
//!
//! States: *sealed* (whole, ends with a SEAL), *unsealed* (whole, but records stand after the last signature: it is being
//! written, or its writer was killed), *tampered*, *unreadable* (another format, another ledger's anchor).

mod anchor;
mod checked;
mod judge;
mod report;
mod suspect;

pub use anchor::Anchor;
pub use checked::Checked;
pub use report::{Attack, Fault, Report, State};

use crate::chain::{Broken, Cursor, Fields, Kind};
use crate::event::Decision;
use crate::note::PublicKey;
use crate::records::Open;
use crate::tree::Tree;
use suspect::Suspect;

/// The walk.
#[derive(Debug)]
pub struct Verifier {
    cursor: Cursor,
    tree: Tree,
    key: Option<PublicKey>,
    segment: u64,
    /// The lowest segment that is there.
    first_segment: u64,
    first: u64,
    /// The highest segment that a signed PRUNE says was removed.
    pruned: u64,
    is_segment_start: bool,
    file: String,
    line: u64,
    last_signed: (u64, u64),
    suspect: Option<Suspect>,
    fault: Option<(State, Fault)>,
    anchors: Vec<Anchor>,
    compared: u64,
    counts: [u64; 4],
}

impl Verifier {
    /// Before the first line, with these anchors.
    pub fn new(anchors: Vec<Anchor>) -> Verifier {
        Verifier {
            cursor: Cursor::start(),
            tree: Tree::default(),
            key: None,
            segment: 0,
            first_segment: 1,
            first: 0,
            pruned: 0,
            is_segment_start: true,
            file: String::new(),
            line: 0,
            last_signed: (0, 0),
            suspect: None,
            fault: None,
            anchors,
            compared: 0,
            counts: [0; 4],
        }
    }

    /// The next segment.
    pub fn begin_segment(&mut self, file: &str) {
        file.clone_into(&mut self.file);
        self.line = 0;
        self.is_segment_start = true;
    }

    /// Where the chain stands.
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// The tree so far.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The key of the present epoch.
    pub fn key(&self) -> Option<&PublicKey> {
        self.key.as_ref()
    }

    /// No more lines for now: what was found so far, if anything was.
    pub fn settle(&mut self) -> Option<&Fault> {
        if let Some(suspect) = self.suspect.take() {
            self.convict(suspect, None);
        }
        self.fault.as_ref().map(|(_, fault)| fault)
    }

    /// Whether something was found, so that reading on changes nothing.
    pub fn is_over(&self) -> bool {
        self.fault.is_some()
    }

    /// The next line, as [`Checked::of`] has judged it.
    pub fn record(&mut self, line: &Result<Checked<'_>, Broken>) {
        if self.fault.is_some() {
            return;
        }
        self.line = self.line.saturating_add(1);
        if let Some(suspect) = self.suspect.take() {
            let next = line.as_ref().ok().map(|checked| &checked.fields);
            return self.convict(suspect, next);
        }
        match line {
            Err(broken) => self.find(Attack::Edited, self.cursor.next, broken.to_string()),
            Ok(checked) => self.step(checked),
        }
        self.is_segment_start = false;
    }

    fn step(&mut self, checked: &Checked<'_>) {
        let line = &checked.fields;
        if self.key.is_none() && line.kind == Kind::Open && line.seq > 0 && self.is_segment_start {
            self.begin_later(line);
        }
        if let Err(broken) = self.cursor.check(line) {
            self.suspect = Some(Suspect {
                broken,
                line: self.line,
                file: self.file.clone(),
                seq: line.seq,
                hash: line.hash,
                is_first_of_segment: self.is_segment_start,
            });
            return;
        }
        if let Err((state, fault)) = self.compare_checkpoints().and_then(|()| self.judge(line)) {
            self.fault = Some((state, *fault));
            return;
        }
        if let Err(broken) = self.cursor.step(line) {
            return self.find(Attack::Inserted, line.seq, broken.to_string());
        }
        self.tree.push(checked.leaf);
        if let Err((state, fault)) = self.compare_rows(line) {
            self.fault = Some((state, *fault));
        }
        let [events, allowed, blocked, escalated] = &mut self.counts;
        if let Some(decision) = checked.decision {
            *events = events.saturating_add(1);
            let counter = match decision {
                Decision::Allowed => allowed,
                Decision::Blocked => blocked,
                Decision::Escalated => escalated,
            };
            *counter = counter.saturating_add(1);
        }
    }

    /// The first segment that is left is not the first that was written: its OPEN says where it begins. Whether that is
    /// lawful is seen at the end, when the last PRUNE is known.
    fn begin_later(&mut self, line: &Fields<'_>) {
        let open: Option<Open> = serde_json::from_str(line.data).ok();
        let Some(tree) = open.as_ref().and_then(|open| open.tree(line.seq)) else {
            return;
        };
        let segment = open.map_or(0, |open| open.segment);
        if segment < 2 {
            return; // the segment's own first lines are missing
        }
        self.cursor = Cursor::before(line);
        self.tree = tree;
        self.first_segment = segment;
        self.first = line.seq;
        self.segment = segment.saturating_sub(1);
    }

    /// After the last line. `torn` is the length of a last line without its LF.
    pub fn end(mut self, torn: Option<usize>) -> Report {
        if let Some(suspect) = self.suspect.take() {
            self.convict(suspect, None);
        }
        if self.fault.is_none() {
            self.fault = self.conclude(torn);
        }
        let [events, allowed, blocked, escalated] = self.counts;
        let unsigned_tail = if self.cursor.is_sealed() || self.key.is_none() {
            0
        } else {
            self.cursor
                .next
                .saturating_sub(self.last_signed.0.saturating_add(1))
        };
        let (verify, fault) = match self.fault {
            Some((state, fault)) => (state, Some(fault)),
            None => (State::Sealed, None),
        };
        Report {
            verify,
            fault,
            writer: self.cursor.writer.clone().unwrap_or_default(),
            records: self.cursor.next.saturating_sub(self.first),
            events,
            allowed,
            blocked,
            escalated,
            unsigned_tail,
            epoch: self.cursor.epoch,
            first: self.first,
            head: self.cursor.head.to_string(),
            size: self.tree.size(),
            root: self.tree.root().to_string(),
            anchors: self.compared,
        }
    }

    /// All lines are in order; is all there?
    fn conclude(&mut self, torn: Option<usize>) -> Option<(State, Fault)> {
        if let Some(fault) = self.judge_anchors() {
            return Some(fault);
        }
        if self.first_segment.saturating_sub(1) != self.pruned.min(self.first_segment.saturating_sub(1)) {
            let what = format!(
                "the ledger begins with segment {}, and no signed PRUNE says that those before it were removed lawfully",
                self.first_segment
            );
            return Some((
                State::Tampered,
                self.fault(Some(Attack::SegmentRemoved), self.first, what),
            ));
        }
        if let Some(length) = torn {
            let what = format!("the last line is torn after {length} bytes; it was never acknowledged");
            return Some((State::Unsealed, self.fault(None, self.cursor.next, what)));
        }
        if self.cursor.is_sealed() {
            return None;
        }
        let what = format!(
            "the record does not end with a SEAL: it is still being written, or its end was cut off; \
             what follows record {} is not signed yet",
            self.last_signed.0
        );
        Some((State::Unsealed, self.fault(None, self.cursor.next, what)))
    }

    fn fault(&self, attack: Option<Attack>, seq: u64, what: String) -> Fault {
        Fault {
            file: self.file.clone(),
            line: self.line,
            seq,
            attack,
            what,
        }
    }

    fn tampered(&self, attack: Attack, seq: u64, what: String) -> (State, Box<Fault>) {
        (State::Tampered, Box::new(self.fault(Some(attack), seq, what)))
    }

    fn find(&mut self, attack: Attack, seq: u64, what: String) {
        self.fault = Some((State::Tampered, self.fault(Some(attack), seq, what)));
    }
}
