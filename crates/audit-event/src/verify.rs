//! The walk over a whole ledger: is it what its writer wrote, and if not, what was done to it?
//!
//! The caller brings the segments' lines in order ([`Verifier::begin_segment`], [`Verifier::record`], [`Verifier::end`])
//! and, if it has them, anchors: later words on the same ledger from elsewhere. Memory does not grow with the ledger,
//! but for one key per epoch. [`Checked::of`] is the costly part of each line and depends on no other line, so a caller
//! may spread it over processors.
//!
//! States: *sealed* (whole, ends with a SEAL), *unsealed* (whole, but records stand after the last signature: it is being
//! written, or its writer was killed), *tampered*, *unreadable* (another format, another ledger's anchor).

use crate::chain::{Broken, Cursor, Fields, Hash, Kind};
use crate::event::Decision;
use crate::note::{Checkpoint, NoteError, PublicKey};
use crate::records::{self, FORMAT, Open, Prune, Seal, Signed, Unsigned, origin};
use crate::tree::{self, Tree};
use serde::{Deserialize, Serialize};

/// A writer signs at least every 60 s, and after a pause before anything else; an unsigned record this much later than the
/// last signature of its epoch was left without.
const MAX_UNSIGNED_NS: u64 = 90_000_000_000;
/// A writer signs every 10 000 records, and at most a batch more.
const MAX_UNSIGNED_RECORDS: u64 = 20_000;

/// What the walk says of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Whole, and ends with a signed SEAL.
    Sealed,
    /// Whole as far as it is signed; nothing signed stands at its end.
    Unsealed,
    /// Changed after it was written.
    Tampered,
    /// Not something that this version can judge.
    Unreadable,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attack {
    /// Bytes of a record were changed.
    Edited,
    /// Records are missing.
    Dropped,
    /// A record stands twice.
    Duplicated,
    /// Two records changed places.
    Swapped,
    /// A record was put in that was not written there.
    Inserted,
    /// A record of another ledger.
    Foreign,
    /// Whole segments are missing.
    SegmentRemoved,
    /// The end is missing.
    Cut,
    /// An older state was put back.
    RolledBack,
    /// Records were changed and the chain computed anew: a signed root does not fit.
    Rewritten,
    /// Signed with a key that is not this epoch's.
    WrongKey,
    /// A signed record whose signature does not fit.
    BadSignature,
    /// Signatures were left out.
    Stripped,
    /// Another history than the anchor's.
    Forked,
}

/// Where a ledger is not whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Which file, as the caller named it.
    pub file: String,
    /// Which line, from 1.
    pub line: u64,
    /// The number of the record at fault, or that should be there.
    pub seq: u64,
    /// What was done; absent when nothing was (unsealed, unreadable).
    pub attack: Option<Attack>,
    /// The same in words.
    pub what: String,
}

/// A later word on the ledger, from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Anchor {
    /// A signed checkpoint.
    Checkpoint(Checkpoint),
    /// A record's number and hash, as each exported event carries them.
    Row {
        /// `n`
        seq: u64,
        /// `h`
        hash: Hash,
    },
}

impl Anchor {
    /// Reads a file with one anchor: a note, or a JSON object with `seq` and `hash`. Of several JSON lines, the last.
    ///
    /// # Errors
    /// When it is neither.
    pub fn read(text: &str) -> Result<Anchor, NoteError> {
        #[derive(Deserialize)]
        struct Row {
            seq: u64,
            hash: String,
        }
        if !text.trim_start().starts_with('{') {
            return Checkpoint::read(text).map(Anchor::Checkpoint);
        }
        let last = text
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default();
        serde_json::from_str::<Row>(last)
            .ok()
            .and_then(|row| {
                Some(Anchor::Row {
                    seq: row.seq,
                    hash: Hash::from_hex(&row.hash)?,
                })
            })
            .ok_or(NoteError::Malformed(
                "a JSON line with `seq` and `hash` was expected",
            ))
    }

    /// How many records the ledger must have at least.
    fn size(&self) -> u64 {
        match self {
            Anchor::Checkpoint(checkpoint) => checkpoint.size,
            Anchor::Row { seq, .. } => seq.saturating_add(1),
        }
    }
}

/// A line that is whole in itself.
#[derive(Debug)]
pub struct Checked<'a> {
    fields: Fields<'a>,
    leaf: Hash,
    decision: Option<Decision>,
}

impl<'a> Checked<'a> {
    /// The line's fields.
    pub fn fields(&self) -> &Fields<'a> {
        &self.fields
    }

    /// The line's leaf in the tree.
    pub fn leaf(&self) -> Hash {
        self.leaf
    }

    /// Checks one line (without its LF) by itself.
    ///
    /// # Errors
    /// When it is not a record, or was edited.
    pub fn of(bytes: &'a [u8]) -> Result<Checked<'a>, Broken> {
        #[derive(Deserialize)]
        struct Decided {
            decision: Decision,
        }
        let fields = Fields::read(bytes)?;
        let decision = if fields.kind == Kind::Event {
            let decided: Decided = serde_json::from_str(fields.data)
                .map_err(|error| Broken::Malformed(format!("the event cannot be read: {error}")))?;
            Some(decided.decision)
        } else {
            None
        };
        Ok(Checked {
            fields,
            leaf: tree::leaf(bytes),
            decision,
        })
    }
}

/// What the walk found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The state.
    pub verify: State,
    /// What is wrong, and where; absent when sealed.
    pub fault: Option<Fault>,
    /// The ledger's id.
    pub writer: String,
    /// Records that were read and are intact.
    pub records: u64,
    /// Decisions among them.
    pub events: u64,
    /// `ALLOWED`
    pub allowed: u64,
    /// `BLOCKED`
    pub blocked: u64,
    /// `ESCALATED`
    pub escalated: u64,
    /// Records after the last signed one.
    pub unsigned_tail: u64,
    /// The last epoch.
    pub epoch: u64,
    /// The first record's number; not 0 when old segments were removed lawfully.
    pub first: u64,
    /// The chain's head, hex.
    pub head: String,
    /// The tree's size.
    pub size: u64,
    /// The tree's root, hex.
    pub root: String,
    /// How many anchors were compared.
    pub anchors: u64,
}

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

/// A line that does not continue the one before it; the next line tells what was done.
#[derive(Debug)]
struct Suspect {
    broken: Broken,
    line: u64,
    file: String,
    seq: u64,
    hash: Hash,
    is_first_of_segment: bool,
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

    /// What a record must be for its place, and for its kind.
    fn judge(&mut self, line: &Fields<'_>) -> Result<(), (State, Box<Fault>)> {
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

    fn compare_checkpoints(&mut self) -> Result<(), (State, Box<Fault>)> {
        for anchor in &self.anchors {
            let Anchor::Checkpoint(checkpoint) = anchor else {
                continue;
            };
            if checkpoint.size != self.tree.size() {
                continue;
            }
            let root = self.tree.root();
            if checkpoint.root != root {
                let what = format!(
                    "the anchor has root {} for the first {} records, but here they have root {root}",
                    checkpoint.root, checkpoint.size
                );
                return Err(self.tampered(Attack::Forked, self.cursor.next, what));
            }
            self.compared = self.compared.saturating_add(1);
        }
        Ok(())
    }

    fn compare_rows(&mut self, line: &Fields<'_>) -> Result<(), (State, Box<Fault>)> {
        for anchor in &self.anchors {
            let Anchor::Row { seq, hash } = anchor else {
                continue;
            };
            if *seq != line.seq {
                continue;
            }
            if *hash != line.hash {
                let what = format!(
                    "the anchor has hash {hash} for record {seq}, but here it is {}",
                    line.hash
                );
                return Err(self.tampered(Attack::Forked, *seq, what));
            }
            self.compared = self.compared.saturating_add(1);
        }
        Ok(())
    }

    /// Says what was done, now that the line after the suspect is known.
    fn convict(&mut self, suspect: Suspect, next: Option<&Fields<'_>>) {
        let expected = self.cursor.next;
        let (attack, what) = match &suspect.broken {
            Broken::Gap { found, .. } if *found > expected => {
                if next.is_some_and(|next| next.seq == expected) {
                    (
                        Attack::Swapped,
                        format!("; record {expected} follows it: they changed places"),
                    )
                } else if suspect.is_first_of_segment && suspect.line == 1 && expected > 0 {
                    let attack = if self.cursor.is_sealed() {
                        Attack::SegmentRemoved
                    } else {
                        Attack::Cut
                    };
                    (
                        attack,
                        format!(", in a new segment; the records before it are gone since record {expected}"),
                    )
                } else {
                    (Attack::Dropped, String::new())
                }
            }
            Broken::Gap { found, .. } => {
                if suspect.hash == self.cursor.head || found.saturating_add(1) < expected {
                    (
                        Attack::Duplicated,
                        format!("; record {found} stands there for a second time"),
                    )
                } else {
                    (
                        Attack::Inserted,
                        format!("; two different records claim the number {found}"),
                    )
                }
            }
            Broken::Unlinked { .. } if next.is_some_and(|next| next.seq == expected) => {
                (Attack::Inserted, "; the record that does follows it".to_owned())
            }
            Broken::Unlinked { .. } => (Attack::Edited, "; one of the two was written anew".to_owned()),
            Broken::Writer { .. } => (Attack::Foreign, String::new()),
            Broken::Epoch { .. } => (Attack::Stripped, "; an OPEN is missing".to_owned()),
            Broken::Malformed(_) | Broken::Edited { .. } => (Attack::Edited, String::new()),
        };
        let fault = Fault {
            file: suspect.file,
            line: suspect.line,
            seq: suspect.seq.min(expected),
            attack: Some(attack),
            what: format!("{}{what}", suspect.broken),
        };
        self.fault = Some((State::Tampered, fault));
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

    fn judge_anchors(&mut self) -> Option<(State, Fault)> {
        if let Err((state, fault)) = self.compare_checkpoints() {
            return Some((state, *fault));
        }
        let own = origin(self.cursor.writer.as_deref().unwrap_or_default());
        for anchor in &self.anchors {
            let mut newer = self.cursor.is_sealed();
            if let Anchor::Checkpoint(checkpoint) = anchor {
                if checkpoint.origin != own {
                    let what = format!(
                        "the anchor is a checkpoint of `{}`, but this ledger is `{own}`",
                        checkpoint.origin
                    );
                    return Some((State::Unreadable, self.fault(None, 0, what)));
                }
                let epoch = checkpoint
                    .extension("epoch")
                    .and_then(|epoch| epoch.parse::<u64>().ok());
                newer |= epoch.is_some_and(|epoch| epoch > self.cursor.epoch);
            }
            if anchor.size() > self.cursor.next {
                let attack = if newer { Attack::RolledBack } else { Attack::Cut };
                let what = format!(
                    "the anchor knows {} records, but here are {}: {}",
                    anchor.size(),
                    self.cursor.next,
                    if newer {
                        "an older state was put back, or the last segments removed"
                    } else {
                        "the end was cut off"
                    }
                );
                return Some((State::Tampered, self.fault(Some(attack), self.cursor.next, what)));
            }
        }
        None
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
