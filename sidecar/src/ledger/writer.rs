//! The one thread that owns the ledger. Requests that wait together are made durable together.

use super::Ledger;
use super::file::SegmentFile;
use super::recovery::is_apply;
use super::store::{CommitError, Item, Store, Written};
use crate::events_file::EventsFile;
use crate::exit::{Exit, Failure};
use crate::shared::Shared;
use crate::window::{Key, Known, Window, digest};
use audit_event::chain::{Hash, Kind, Peer};
use audit_event::{Decision, ErrorCode, Event, EventId, Outcome, Pin, Response};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// The most requests that are made durable by one sync.
const BATCH: usize = 512;
/// The most requests that wait; a sender waits for room (back-pressure, never loss).
const QUEUE: usize = 4096;
/// How often the file's identity is checked, and the heartbeat is given.
const TICK: Duration = Duration::from_secs(1);

/// Where requests go.
pub type Submit = mpsc::Sender<Submission>;
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

pub(super) fn spawn(ledger: Ledger, shared: Arc<Shared>) -> Result<(Submit, Writer), Failure> {
    let (submit, requests) = mpsc::channel(QUEUE);
    let runtime = Handle::current();
    let mut desk = Desk {
        store: ledger.store,
        window: ledger.window,
        events: ledger.events,
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
    store: Store<SegmentFile>,
    window: Window,
    events: EventsFile,
    shared: Arc<Shared>,
}

/// A request of the present batch and what it became.
enum Place {
    /// Answered already: a repeat of something durable, or a mistake.
    Answered(Response),
    /// The item with this index in the batch, new or repeated within it.
    Item(usize),
}

impl Desk {
    fn work(&mut self, mut requests: mpsc::Receiver<Submission>, runtime: &Handle) -> Result<(), Failure> {
        self.report(None);
        loop {
            match runtime.block_on(async { tokio::time::timeout(TICK, requests.recv()).await }) {
                Ok(Some(first)) => {
                    let mut batch = vec![first];
                    while batch.len() < BATCH {
                        let Ok(next) = requests.try_recv() else { break };
                        batch.push(next);
                    }
                    self.settle(batch);
                }
                Ok(None) => return self.seal(),
                Err(_) => self.tick(),
            }
        }
    }

    /// Makes the new ones durable, then answers all.
    fn settle(&mut self, batch: Vec<Submission>) {
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
            self.count(submission);
        }
        if let Err(error) = self.events.flush() {
            // It is derived: the next start writes what is missing. The ledger has everything.
            tracing::error!(%error, "events.ndjson cannot be written; it will be completed at the next start");
        }
    }

    fn count(&self, submission: &Submission) {
        match &submission.content {
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

    fn tick(&mut self) {
        self.shared.update(|_| {});
        if let Err(why) = self.store.file().check_identity() {
            let error = self.store.give_up(why);
            tracing::error!(%error, "nothing can be recorded");
            self.report(Some(error.to_string()));
        }
    }

    fn seal(&mut self) -> Result<(), Failure> {
        self.store
            .file()
            .check_identity()
            .map_err(|why| Failure::new(Exit::Io, why))
            .and_then(|()| {
                self.store
                    .seal()
                    .map_err(|error| Failure::new(Exit::Io, error.to_string()))
            })?;
        tracing::info!(records = self.store.cursor().next, "sealed");
        Ok(())
    }
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
