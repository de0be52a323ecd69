//! The one thread that owns the ledger. Requests that wait together are made durable together.

use super::disk::{Limits, Stage};
use super::file::Directory;
use super::orphans::Orphans;
use super::recovery::{is_apply, segments};
use super::spool::{self, Spool, Spooled};
use super::store::{CommitError, Item, Store, Written};
use super::{Ledger, reader};
use crate::connection::{self, Refusal};
use crate::events_file::EventsFile;
use crate::exit::{Exit, Failure};
use crate::shared::Shared;
use crate::window::{Key, Known, Window, digest};
use audit_event::chain::{Hash, Kind, Peer};
use audit_event::{Decision, ErrorCode, Event, EventId, Outcome, Pin, Response};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// The most requests that are made durable by one sync.
const BATCH: usize = 512;
/// The most requests that wait; a sender waits for room (back-pressure, never loss).
const QUEUE: usize = 4096;
/// How often the file's identity is checked, and the heartbeat is given.
const TICK: Duration = Duration::from_secs(1);

/// So many lines of a spool are taken in between two looks at the socket.
const SPOOL_BATCH: usize = 64;
/// How long a spool waits whose user has sent enough for now.
const HELD: Duration = Duration::from_millis(50);
/// So many bytes of what was not recorded are kept for each user.
const MAX_KEPT: u64 = 64 << 20;
/// So many reasons are kept in one GAP.
const MAX_FAULTS: usize = 100;

/// The name under which operators' acts are recorded. No gate has it: it is this project's own program.
pub const OPERATOR: &str = "reeve";

/// Where requests go.
pub type Submit = mpsc::Sender<Command>;

/// What the writer is asked.
#[derive(Debug)]
pub enum Command {
    /// Record this.
    Record(Box<Submission>),
    /// A connection ended; these are the commands it was for, which may have no outcome yet.
    Gone(Vec<EventId>),
}
/// Where the answer comes back.
type Answer = oneshot::Sender<Response>;

/// A request whose sender was checked.
#[derive(Debug)]
pub struct Submission {
    /// Who sent it, as the kernel says.
    pub peer: Peer,
    /// The identity that is pinned for that user.
    pub pin: Pin,
    /// The JSON as received, one line.
    pub raw: String,
    /// What is in it.
    pub content: Content,
    /// It comes from a spool: nobody holds a connection for it.
    pub is_spooled: bool,
    /// Where the answer goes.
    pub answer: Answer,
}

/// What a request carries.
#[derive(Debug)]
pub enum Content {
    /// A decision.
    Decision(Box<Event>),
    /// An outcome.
    Outcome(Outcome),
}

/// The thread.
#[derive(Debug)]
pub struct Writer(JoinHandle<Result<(), Failure>>);

impl Writer {
    /// Waits until it has sealed the ledger.
    pub fn join(self) -> Result<(), Failure> {
        self.0
            .join()
            .unwrap_or_else(|_| Err(Failure::new(Exit::Os, "the ledger's writer panicked")))
    }
}

pub(super) fn spawn(
    ledger: Ledger,
    shared: Arc<Shared>,
    limits: Limits,
    spool: Option<PathBuf>,
) -> Result<(Submit, Writer), Failure> {
    let (submit, requests) = mpsc::channel(QUEUE);
    let runtime = Handle::current();
    let mut desk = Desk {
        directory: ledger.directory,
        store: ledger.store,
        window: ledger.window,
        orphans: ledger.orphans,
        spools: ledger.spools,
        events: ledger.events,
        limits,
        spool,
        waiting: VecDeque::new(),
        intake: None,
        too_long: BTreeSet::new(),
        stage: Stage::Free,
        ticked: Instant::now(),
        shared,
    };
    let lock = ledger.lock;
    let thread = std::thread::Builder::new()
        .name("ledger".to_owned())
        .spawn(move || {
            let done = desk.work(requests, &runtime);
            drop(lock); // held until the last byte is durable
            done
        })
        .map_err(|error| Failure::new(Exit::Os, format!("cannot start the ledger's writer: {error}")))?;
    Ok((submit, Writer(thread)))
}

struct Desk {
    directory: PathBuf,
    store: Store<Directory>,
    window: Window,
    orphans: Orphans,
    /// Per spool: what was taken in, the last number and hash.
    spools: BTreeMap<String, (u64, String)>,
    events: EventsFile,
    limits: Limits,
    /// Where spools are.
    spool: Option<PathBuf>,
    /// Those that were found and are not read yet.
    waiting: VecDeque<PathBuf>,
    /// The one that is being taken in.
    intake: Option<Intake>,
    /// Those that a GAP says are too long.
    too_long: BTreeSet<PathBuf>,
    stage: Stage,
    ticked: Instant,
    shared: Arc<Shared>,
}

/// A spool that is being taken in.
struct Intake {
    spool: Spool,
    /// Why lines were refused, the first of them.
    faults: Vec<String>,
    refused: Refused,
    /// Its user has sent enough for now.
    is_held: bool,
}

/// The lines that were refused, as the gate wrote them.
#[derive(Default)]
struct Refused {
    lines: u64,
    bytes: Vec<u8>,
}

impl Intake {
    fn refuse(&mut self, line: &Spooled, message: &str) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(connection::short(message));
        }
        self.refused.lines = self.refused.lines.saturating_add(1);
        self.refused.bytes.extend_from_slice(line.data.as_bytes());
        self.refused.bytes.push(b'\n');
    }
}

/// What a step with the spools came to.
enum Progress {
    /// There may be more to do at once.
    Goes,
    /// There is more to do in a while.
    Waits,
    /// There is nothing to do before the next tick.
    Idle,
}

/// A request of the present batch and what it became.
enum Place {
    /// Answered already: a repeat of something durable, or a mistake.
    Answered(Response),
    /// The item with this index in the batch, new or repeated within it.
    Item(usize),
}

impl Desk {
    fn work(&mut self, mut requests: mpsc::Receiver<Command>, runtime: &Handle) -> Result<(), Failure> {
        self.report(None);
        self.tick();
        loop {
            let until_tick = TICK.saturating_sub(self.ticked.elapsed());
            let patience = match self.drain() {
                Progress::Goes => Duration::ZERO,
                Progress::Waits => HELD.min(until_tick),
                Progress::Idle => until_tick,
            };
            match runtime.block_on(async { tokio::time::timeout(patience, requests.recv()).await }) {
                Ok(Some(first)) => {
                    let mut batch = Vec::new();
                    let mut gone = Vec::new();
                    let mut next = Some(first);
                    while let Some(command) = next {
                        match command {
                            Command::Record(submission) => batch.push(*submission),
                            Command::Gone(ids) => gone.extend(ids),
                        }
                        next = if batch.len() < BATCH {
                            requests.try_recv().ok()
                        } else {
                            None
                        };
                    }
                    self.settle(batch);
                    self.close(&gone, "its gate ended without saying how the tool ended");
                }
                Ok(None) => return self.seal(),
                Err(_) => {}
            }
            if self.ticked.elapsed() >= TICK {
                self.tick();
            }
        }
    }

    /// Makes the new ones durable, then answers all.
    fn settle(&mut self, batch: Vec<Submission>) {
        if batch.is_empty() {
            return;
        }
        let mut items: Vec<Item> = Vec::with_capacity(batch.len());
        let mut keys: Vec<Key> = Vec::with_capacity(batch.len());
        let places: Vec<Place> = batch
            .iter()
            .map(|submission| self.place(submission, &mut items, &mut keys))
            .collect();
        let written = if items.is_empty() {
            Ok(Vec::new())
        } else {
            self.commit(&items)
        };
        if written.is_err() {
            keys.iter().for_each(|key| self.window.remove(*key));
        } else {
            self.note(&batch, &places, &keys, written.as_deref().unwrap_or_default());
        }
        let durable = self.store.length();
        self.shared.update(|_| {});
        self.shared.metrics.ledger_size(durable);
        for (submission, place) in batch.into_iter().zip(places) {
            let response = match place {
                Place::Answered(response) => response,
                Place::Item(index) => match &written {
                    Ok(written) => recorded(submission.content.id(), written.get(index)),
                    Err(error) => Response::Error {
                        code: ErrorCode::Unavailable,
                        message: error.to_string(),
                    },
                },
            };
            // Whoever asked may have gone; what it asked for is durable all the same.
            let _gone = submission.answer.send(response);
        }
    }

    fn place(&mut self, submission: &Submission, items: &mut Vec<Item>, keys: &mut Vec<Key>) -> Place {
        let key = submission.content.key();
        let digest = digest(submission.raw.as_bytes());
        if let Some(known) = self.window.get(key) {
            return match keys.iter().position(|other| *other == key) {
                _ if known.digest != digest => Place::Answered(bad("this id was used for something else")),
                Some(index) => Place::Item(index),
                None => Place::Answered(recorded(
                    submission.content.id(),
                    Some(&Written {
                        seq: known.seq,
                        hash: known.hash,
                    }),
                )),
            };
        }
        if let Content::Outcome(outcome) = &submission.content {
            let decision = self
                .window
                .get(Key::decision(&outcome.event_id))
                .and_then(|known| known.decision);
            if decision.is_some_and(|decision| decision != Decision::Allowed) {
                return Place::Answered(bad("what was not allowed has no outcome"));
            }
        }
        let is_new_command =
            matches!(&submission.content, Content::Decision(event) if event.decision == Decision::Allowed);
        if let Some(why) = self.stage.refuses(is_new_command) {
            return Place::Answered(Response::Error {
                code: ErrorCode::Unavailable,
                message: why.to_owned(),
            });
        }
        let (kind, decision, is_apply) = match &submission.content {
            Content::Decision(event) => (
                Kind::Event,
                Some(event.decision),
                is_apply(&event.wrapper, &event.operation),
            ),
            Content::Outcome(_) => (Kind::Exit, None, false),
        };
        // The place and the hash follow when it is durable; until then only the present batch sees it.
        self.window.insert(
            key,
            Known {
                seq: 0,
                hash: Hash::ZERO,
                digest,
                decision,
                is_apply,
            },
        );
        keys.push(key);
        items.push(Item {
            kind,
            peer: Some(submission.peer),
            data: submission.raw.clone(),
        });
        Place::Item(items.len().saturating_sub(1))
    }

    fn commit(&mut self, items: &[Item]) -> Result<Vec<Written>, CommitError> {
        let begun = Instant::now();
        let done = match self.store.file().check_identity(self.store.length()) {
            Ok(()) => self.store.commit(items),
            Err(why) => Err(self.store.give_up(why)),
        };
        self.shared.metrics.appended(begun.elapsed(), items.len());
        if let Err(error) = &done {
            tracing::error!(%error, "nothing can be recorded");
        }
        self.report(done.as_ref().err().map(ToString::to_string));
        done
    }

    /// After the batch is durable: memory, counters, and the log shippers' copy.
    fn note(&mut self, batch: &[Submission], places: &[Place], keys: &[Key], written: &[Written]) {
        let mut noted = vec![false; written.len()];
        for (submission, place) in batch.iter().zip(places) {
            let Place::Item(index) = place else { continue };
            let (Some(place), Some(key)) = (written.get(*index), keys.get(*index)) else {
                continue;
            };
            if std::mem::replace(noted.get_mut(*index).unwrap_or(&mut true), true) {
                continue; // a repeat within the batch
            }
            if let Some(known) = self.window.get(*key).copied() {
                self.window.insert(
                    *key,
                    Known {
                        seq: place.seq,
                        hash: place.hash,
                        ..known
                    },
                );
            }
            self.events
                .add(&submission.raw, submission.content.kind(), place.seq, &place.hash);
            match &submission.content {
                Content::Decision(event) if event.decision == Decision::Allowed && submission.is_spooled => {
                    self.orphans.allowed(&event.event_id, event.pid);
                }
                // An operator's own act runs nothing, so it has no outcome.
                Content::Decision(event) if event.wrapper == OPERATOR => {}
                Content::Decision(event) if event.decision == Decision::Allowed => {
                    self.orphans.accompanied(&event.event_id, submission.peer.pid);
                }
                Content::Decision(_) => {}
                Content::Outcome(outcome) => self.orphans.ended(&outcome.event_id),
            }
            self.count(submission);
        }
        self.flush_events();
    }

    fn count(&self, submission: &Submission) {
        match &submission.content {
            // An operator's own act is no agent's decision.
            Content::Decision(event) if event.wrapper == OPERATOR => {}
            Content::Decision(event) => {
                self.shared.metrics.decided(&submission.pin, event);
                self.shared.update(|status| {
                    let counter = match event.decision {
                        Decision::Allowed => &mut status.allowed,
                        Decision::Blocked => &mut status.blocked,
                        Decision::Escalated => &mut status.escalated,
                    };
                    *counter = counter.saturating_add(1);
                });
            }
            Content::Outcome(outcome) => {
                let known = self.window.get(Key::decision(&outcome.event_id));
                if known.is_some_and(|known| known.is_apply) {
                    self.shared
                        .metrics
                        .applied(&submission.pin, outcome.exit_code == Some(0));
                }
                self.shared.metrics.ended();
            }
        }
    }

    /// What the others may know of the ledger.
    fn report(&self, unavailable: Option<String>) {
        let cursor = self.store.cursor();
        let head = cursor.head.to_string();
        let seq = cursor.next.saturating_sub(1);
        self.shared.metrics.head(seq);
        self.shared.update(|status| {
            status.seq = seq;
            status.head = head;
            status.unavailable = unavailable;
        });
    }

    /// What is to be done from time to time.
    fn tick(&mut self) {
        self.ticked = Instant::now();
        self.shared.update(|_| {});
        if let Err(why) = self.store.file().check_identity(self.store.length()) {
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
        let kept = self.store.sign().and_then(|()| self.rotate_when_due());
        if let Err(error) = kept {
            tracing::error!(%error, "the ledger cannot be signed or continued");
            self.report(Some(error.to_string()));
            return;
        }
        if let Err(failure) = self.prune() {
            tracing::error!(%failure, "old segments cannot be removed");
        }
        self.report(None);
    }

    /// Finds what gates have recorded while there was no sidecar, when all that was found before is taken in.
    fn find_spools(&mut self) {
        let Some(directory) = self.spool.clone().filter(|_| self.waiting.is_empty()) else {
            return;
        };
        match spool::find(&directory) {
            Ok(paths) => self.waiting.extend(paths),
            Err(error) => {
                tracing::error!(%error, directory = %directory.display(), "spools cannot be found");
            }
        }
    }

    /// One step of taking in spools: so few lines that whoever asks by the socket meanwhile hardly waits, and no more than
    /// their user may send.
    fn drain(&mut self) -> Progress {
        if self.stage >= Stage::Hold {
            return Progress::Idle;
        }
        let Some(mut intake) = self.intake.take().or_else(|| self.next_intake()) else {
            return Progress::Idle;
        };
        let done = match self.take_in(&mut intake) {
            Ok(_) if !intake.spool.lines.is_empty() => {
                let is_held = intake.is_held;
                self.intake = Some(intake);
                return if is_held { Progress::Waits } else { Progress::Goes };
            }
            Ok(()) => self.finish_spool(intake),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            tracing::error!(error, "a spool cannot be taken in; it is tried again");
            self.waiting.clear(); // not before the next tick
            return Progress::Idle;
        }
        Progress::Goes
    }

    /// The next spool that has something new.
    fn next_intake(&mut self) -> Option<Intake> {
        while let Some(path) = self.waiting.pop_front() {
            match Spool::take(&path) {
                Ok(Some(spool)) => {
                    // A damaged one is another each time, whatever its first lines are.
                    let is_known = spool.damage.is_none()
                        && self
                            .spools
                            .get(&spool.uid.to_string())
                            .is_some_and(|(_, head)| *head == spool.head);
                    if !is_known {
                        return Some(Intake {
                            spool,
                            faults: Vec::new(),
                            refused: Refused::default(),
                            is_held: false,
                        });
                    }
                    if let Err(error) = spool.empty() {
                        tracing::error!(%error, spool = %path.display(), "a spool cannot be emptied");
                    }
                }
                Ok(None) => {}
                Err(error) => self.leave_alone(&path, &error),
            }
        }
        None
    }

    /// A spool that cannot be taken: a GAP says so once, the log each time.
    fn leave_alone(&mut self, path: &Path, error: &std::io::Error) {
        tracing::error!(%error, spool = %path.display(), "a spool cannot be taken in; it is tried again");
        let is_new = error.kind() == std::io::ErrorKind::FileTooLarge && !self.too_long.contains(path);
        if is_new {
            let name = path
                .file_stem()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let gap = serde_json::json!({ "spool": name, "not_recorded": [error.to_string()] });
            if self.commit(&[Item::own(Kind::Gap, &gap)]).is_ok() {
                self.too_long.insert(path.to_owned());
            }
        }
    }

    /// Some lines of a spool, in order. What the socket would have refused is refused here, noted and kept.
    fn take_in(&mut self, intake: &mut Intake) -> Result<(), String> {
        let mut batch = Vec::new();
        let mut answers = Vec::new();
        intake.is_held = false;
        for _ in 0..SPOOL_BATCH {
            if intake.spool.lines.is_empty() {
                break;
            }
            if !self.shared.rate.admits_spare(intake.spool.uid) {
                intake.is_held = true;
                break;
            }
            let Some(line) = intake.spool.lines.pop_front() else {
                break;
            };
            match self.submission(&intake.spool, &line) {
                Ok((submission, answer)) => {
                    batch.push(submission);
                    answers.push((answer, line));
                }
                Err((_, message)) => intake.refuse(&line, &message),
            }
        }
        self.settle(batch);
        for (mut answer, line) in answers {
            match answer.try_recv() {
                Ok(Response::Error {
                    code: ErrorCode::BadRequest,
                    message,
                }) => intake.refuse(&line, &message),
                Ok(Response::Error { message, .. }) => return Err(message),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    fn submission(
        &self,
        spool: &Spool,
        line: &Spooled,
    ) -> Result<(Submission, oneshot::Receiver<Response>), Refusal> {
        let peer = Peer {
            uid: spool.uid,
            gid: spool.gid,
            pid: 0,
        };
        let pin = self.shared.pins.of(spool.uid);
        let pin = pin.ok_or_else(|| {
            (
                ErrorCode::Identity,
                format!("user {} has no identity here", spool.uid),
            )
        })?;
        connection::check_line(&line.data)?;
        let content = match line.kind {
            Kind::Event => Content::Decision(Box::new(connection::decision(&line.data, peer, &self.shared)?)),
            Kind::Exit => Content::Outcome(connection::outcome(&line.data)?),
            other => {
                return Err((
                    ErrorCode::BadRequest,
                    format!("a gate writes no {}", other.name()),
                ));
            }
        };
        let (answer, answered) = oneshot::channel();
        let submission = Submission {
            peer,
            pin: pin.clone(),
            raw: line.data.clone(),
            content,
            is_spooled: true,
            answer,
        };
        Ok((submission, answered))
    }

    /// SPOOL, and GAP when something could not be taken in; what is damaged or refused is kept beside the ledger first.
    fn finish_spool(&mut self, intake: Intake) -> Result<(), String> {
        let Intake {
            spool,
            mut faults,
            refused,
            ..
        } = intake;
        let name = spool.uid.to_string();
        let mut gap = serde_json::Map::new();
        if let Some((why, rest)) = &spool.damage {
            let kept = self.keep(&name, "damaged", rest)?;
            faults.insert(
                0,
                connection::short(&format!("{why}; what follows is damaged: {} bytes", rest.len())),
            );
            gap.insert("damaged".to_owned(), kept);
        }
        if refused.lines > 0 {
            let mut kept = self.keep(&name, "refused", &refused.bytes)?;
            if let Some(kept) = kept.as_object_mut() {
                kept.insert("lines".to_owned(), refused.lines.into());
            }
            gap.insert("refused".to_owned(), kept);
        }
        let taken =
            serde_json::json!({ "spool": name, "last": self.store.cursor().next, "head": spool.head });
        let mut items = vec![Item::own(Kind::Spool, &taken)];
        if !gap.is_empty() {
            gap.insert("spool".to_owned(), name.clone().into());
            gap.insert("not_recorded".to_owned(), faults.into());
            items.push(Item::own(Kind::Gap, &serde_json::Value::Object(gap)));
        }
        self.commit(&items).map_err(|error| error.to_string())?;
        self.spools
            .insert(name.clone(), (self.store.cursor().next, spool.head.clone()));
        tracing::info!(spool = name, refused = refused.lines, "a spool was taken in");
        spool.empty().map_err(|error| error.to_string())
    }

    /// Keeps what was not recorded in a file beside the ledger, durable before the spool is emptied; says which, how long it
    /// is, and its SHA-256. Beyond a user's budget only the latter are kept.
    fn keep(&self, name: &str, what: &str, bytes: &[u8]) -> Result<serde_json::Value, String> {
        let sha256: String = Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let used = kept_bytes(&self.directory, &format!("spool-{name}-"))
            .map_err(|error| format!("{}: {error}", self.directory.display()))?;
        if used.saturating_add(bytes.len() as u64) > MAX_KEPT {
            tracing::error!(
                spool = name,
                used,
                "what was not recorded is not kept: remove the files spool-NAME-*"
            );
            return Ok(serde_json::json!({ "bytes": bytes.len(), "sha256": sha256, "file": null }));
        }
        let file = format!("spool-{name}-{what}-{}", self.store.cursor().next);
        Directory(self.directory.clone())
            .replace(&file, bytes, 0o640)
            .map_err(|error| format!("{}: {error}", self.directory.join(&file).display()))?;
        Ok(serde_json::json!({ "bytes": bytes.len(), "sha256": sha256, "file": file }))
    }

    /// How full the disk is.
    fn measure(&mut self) {
        match Stage::of_volume(&self.directory) {
            Ok(stage) => {
                if stage > self.stage {
                    tracing::warn!(?stage, "the ledger's disk is getting full");
                }
                self.stage = stage;
                self.shared.metrics.disk_stage(stage.number());
            }
            Err(errno) => tracing::warn!(%errno, "the free space of the ledger's disk is not known"),
        }
    }

    fn rotate_when_due(&mut self) -> Result<(), CommitError> {
        let limits = self.limits;
        if self.store.length() >= limits.segment_bytes || self.store.segment_age() >= limits.segment_age {
            self.store.rotate()?;
            self.shared.metrics.segment(self.store.segment());
            tracing::info!(segment = self.store.segment(), "a new segment begins");
        }
        Ok(())
    }

    /// Removes what need not be kept, and what every sink has.
    fn prune(&mut self) -> Result<(), Failure> {
        if self.limits.keep_bytes.is_none() && self.limits.keep_age.is_none() {
            return Ok(());
        }
        let segments = segments(&self.directory)?;
        let sizes: Vec<(u64, u64, Duration)> = segments
            .iter()
            .map(|(number, path)| {
                let metadata = path.metadata().map_err(|error| super::io_failure(path, &error))?;
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

    /// Says of commands that nobody will say how they ended.
    fn close(&mut self, ids: &[EventId], why: &str) {
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

    fn flush_events(&mut self) {
        if let Err(error) = self.events.flush() {
            // It is derived: the next start writes what is missing. The ledger has everything.
            tracing::error!(%error, "events.ndjson cannot be written; it will be completed at the next start");
        }
    }

    fn seal(&mut self) -> Result<(), Failure> {
        let open = self.orphans.all();
        self.close(&open, "the sidecar stopped before the tool ended");
        self.store
            .file()
            .check_identity(self.store.length())
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

/// How long the files are whose names begin so.
fn kept_bytes(directory: &Path, prefix: &str) -> std::io::Result<u64> {
    let mut sum = 0_u64;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(prefix))
        {
            sum = sum.saturating_add(entry.metadata()?.len());
        }
    }
    Ok(sum)
}

impl Content {
    fn id(&self) -> &EventId {
        match self {
            Content::Decision(event) => &event.event_id,
            Content::Outcome(outcome) => &outcome.event_id,
        }
    }

    fn key(&self) -> Key {
        match self {
            Content::Decision(event) => Key::decision(&event.event_id),
            Content::Outcome(outcome) => Key::outcome(&outcome.event_id),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Content::Decision(_) => Kind::Event.name(),
            Content::Outcome(_) => Kind::Exit.name(),
        }
    }
}

fn recorded(id: &EventId, written: Option<&Written>) -> Response {
    match written {
        Some(written) => Response::Recorded {
            event_id: id.clone(),
            seq: written.seq,
            hash: written.hash.to_string(),
        },
        None => Response::Error {
            code: ErrorCode::Unavailable,
            message: "not recorded".to_owned(),
        },
    }
}

fn bad(message: &str) -> Response {
    Response::Error {
        code: ErrorCode::BadRequest,
        message: message.to_owned(),
    }
}
