//! The ledger's desk: one at a time writes. A request that finds nobody there is written by whoever brought it, at once; those
//! that come meanwhile wait for the desk's thread, which makes all of them durable together.

mod intake;
mod processor;
mod request;
mod retention;
mod upkeep;

use self::intake::{HELD, Intake, Progress};
use self::processor::Processors;
pub use self::processor::go_anywhere;
pub use self::request::{Command, Content, Origin, Submission};
use super::Ledger;
use super::disk::{Limits, Stage};
use super::file::Directory;
use super::orphans::Orphans;
use super::recovery::is_apply;
use super::store::{CommitError, Item, Store, Written};
use crate::events_file::EventsFile;
use crate::exit::{Exit, Failure};
use crate::shared::Shared;
use crate::window::{Key, Known, Window, digest};
use audit_event::chain::{Hash, Kind};
use audit_event::{Decision, ErrorCode, EventId, Response};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// The most requests that are made durable by one sync.
const BATCH: usize = 512;
/// The most requests that wait; a sender waits for room (back-pressure, never loss).
const QUEUE: usize = 4096;
/// How often the file's identity is checked, and the heartbeat is given.
const TICK: Duration = Duration::from_secs(1);

/// The name under which operators' acts are recorded. No gate has it: it is this project's own program.
pub const OPERATOR: &str = "reeve";

/// Where requests go.
#[derive(Clone)]
pub struct Submit {
    queue: mpsc::Sender<Command>,
    desk: Arc<Mutex<Desk>>,
}

impl Submit {
    /// Asks; the answer comes by the request's own channel. With nobody before it a record is written here and now, which spares
    /// its sender the way to another thread and back. That holds up this thread for one sync of the disk, and never more than one
    /// thread: whoever finds the desk taken leaves the request there. Such a thread stays on its processor ([`Processors`]).
    ///
    /// # Errors
    /// When the desk is closed.
    pub async fn send(&self, command: Command) -> Result<(), mpsc::error::SendError<Command>> {
        let nobody_waits = self.queue.capacity() == self.queue.max_capacity();
        let command = match command {
            Command::Record(submission) if nobody_waits => match self.desk.try_lock() {
                Ok(mut desk) => {
                    let asked = Instant::now();
                    desk.settle(vec![*submission]);
                    desk.processors.stay(asked);
                    return Ok(());
                }
                Err(_) => Command::Record(submission),
            },
            other => other,
        };
        self.queue.send(command).await
    }

    /// Gives the log shippers their copy of what was recorded, for whoever has passed its answer on: a gate does not wait for it.
    /// Where the desk is taken, its thread or whoever else is there does so soon after.
    pub fn ship(&self) {
        if let Ok(mut desk) = self.desk.try_lock() {
            desk.flush_events();
        }
    }
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
    let (queue, requests) = mpsc::channel(QUEUE);
    let runtime = Handle::current();
    let desk = Desk {
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
        is_ample: false,
        lacks_room: false,
        ticked: Instant::now(),
        processors: Processors::default(),
        shared,
    };
    // Before anybody can ask: a head of 0 would look like a ledger that every reader has read.
    desk.report(None);
    let desk = Arc::new(Mutex::new(desk));
    let submit = Submit {
        queue,
        desk: Arc::clone(&desk),
    };
    let lock = ledger.lock;
    let thread = std::thread::Builder::new()
        .name("ledger".to_owned())
        .spawn(move || {
            let done = work(&desk, requests, &runtime);
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
    /// The disk has space to spare.
    is_ample: bool,
    /// There should be more room behind the records.
    lacks_room: bool,
    ticked: Instant,
    processors: Processors,
    shared: Arc<Shared>,
}

/// A request of the present batch and what it became.
enum Place {
    /// Answered already: a repeat of something durable, or a mistake.
    Answered(Response),
    /// The item with this index in the batch, new or repeated within it.
    Item(usize),
}

/// The thread's work: what waits, what is due from time to time, and the seal at the end.
fn work(desk: &Mutex<Desk>, mut requests: mpsc::Receiver<Command>, runtime: &Handle) -> Result<(), Failure> {
    // A desk that somebody panicked at is as it was before the last request: a commit is whole or given up.
    let desk = || desk.lock().unwrap_or_else(PoisonError::into_inner);
    desk().tick();
    loop {
        let patience = desk().patience();
        match runtime.block_on(async { tokio::time::timeout(patience, requests.recv()).await }) {
            Ok(Some(first)) => desk().serve(first, &mut requests),
            Ok(None) => return desk().seal(),
            Err(_) => {}
        }
        desk().tick_when_due();
    }
}

impl Desk {
    /// How long nobody need look here, unless somebody asks. Takes in a little of what waits in spools, and makes a little room.
    fn patience(&mut self) -> Duration {
        self.flush_events();
        let until_tick = TICK.saturating_sub(self.ticked.elapsed());
        match self.drain() {
            Progress::Goes => Duration::ZERO,
            _ if self.lacks_room => {
                self.make_room();
                Duration::ZERO
            }
            Progress::Waits => HELD.min(until_tick),
            Progress::Idle => until_tick,
        }
    }

    /// Everything that waits, as one batch.
    fn serve(&mut self, first: Command, requests: &mut mpsc::Receiver<Command>) {
        let mut batch = Vec::new();
        let (mut gone, mut settled) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(command) = next {
            match command {
                Command::Record(submission) => batch.push(*submission),
                Command::Gone(ids) => gone.extend(ids),
                Command::Settle(answer) => settled.push(answer),
            }
            next = if batch.len() < BATCH {
                requests.try_recv().ok()
            } else {
                None
            };
        }
        if !batch.is_empty() {
            self.processors.busy();
        }
        self.settle(batch);
        self.flush_events();
        self.close(&gone, "its gate ended without saying how the tool ended");
        for answer in settled {
            // Whoever asked may have gone.
            let _gone = answer.send(());
        }
    }

    fn tick_when_due(&mut self) {
        if self.ticked.elapsed() >= TICK {
            self.tick();
        }
    }

    /// Makes the new ones durable, then answers all. The log shippers' copy is written after that ([`Desk::flush_events`]).
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
        if let Some(why) = self.frozen(submission, is_new_command) {
            return Place::Answered(Response::Error {
                code: ErrorCode::Frozen,
                message: why,
            });
        }
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

    /// Why a command may not be recorded as allowed, when its profile is frozen. What a spool tells of has happened.
    fn frozen(&self, submission: &Submission, is_new_command: bool) -> Option<String> {
        (is_new_command && submission.origin == Origin::Gate)
            .then(|| self.shared.freeze.refusal(&submission.pin.profile))
            .flatten()
    }

    fn commit(&mut self, items: &[Item]) -> Result<Vec<Written>, CommitError> {
        let begun = Instant::now();
        let done = match self.store.file().check_identity() {
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

    /// After the batch is durable: memory, counters, and what the log shippers get.
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
                Content::Decision(event)
                    if event.decision == Decision::Allowed && submission.origin == Origin::Spool =>
                {
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

    /// What the others may know of the ledger. A broken one stays so, whatever was done without it since.
    fn report(&self, unavailable: Option<String>) {
        let unavailable = unavailable.or_else(|| self.store.why_broken().map(str::to_owned));
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

    fn flush_events(&mut self) {
        if let Err(error) = self.events.flush() {
            // It is derived: the next start writes what is missing. The ledger has everything.
            tracing::error!(%error, "events.ndjson cannot be written; it will be completed at the next start");
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
