//! One sink at work: read, filter, send, judge, move the cursor. Everything that can fail is tried again; what the
//! receiver will never take goes to the dead letters; nothing is skipped in silence.

use super::backoff::{Backoff, Breaker, Pace, State};
use super::config::SinkConfig;
use super::cursor::Cursor;
use super::dead::{DeadLetters, Letter};
use super::metrics::OneSink;
use super::record::{Item, Source};
use super::rest::Rest;
use super::send::Sender;
use super::sys;
use super::verdict::{SendError, Verdict};
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// How often a sink that has everything looks for more.
const LOOK: Duration = Duration::from_millis(50);
/// How often a sender may look after its idle connection.
const CARE: Duration = Duration::from_secs(1);
/// The most bytes of data of one batch.
const MOST_BYTES: usize = 768 * 1024;
/// The most bytes of data of one batch for senders that cut it into chunks themselves.
const MOST_BYTES_FORWARD: usize = 3 * 1024 * 1024;

/// What an operator asks of a sink.
#[derive(Debug)]
pub enum Command {
    /// Send this one record, and say what came of it.
    Test(Box<Item>, oneshot::Sender<Result<String, String>>),
    /// Send these dead letters again.
    Replay(Vec<Item>, oneshot::Sender<Result<String, String>>),
}

/// When to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Work.
    Run,
    /// Send what is there, then end; an error ends it too.
    Drain,
}

/// What a sink is made of.
pub struct Task {
    config: SinkConfig,
    directory: PathBuf,
    source: Box<dyn Source>,
    cursor: Cursor,
    dead: Arc<Mutex<DeadLetters>>,
    shown: Arc<OneSink>,
    commands: mpsc::Receiver<Command>,
    phase: watch::Receiver<Phase>,
    sender: Option<Sender>,
    backoff: Backoff,
    breaker: Breaker,
    pace: Pace,
    rest: Arc<Rest>,
    /// What is being sent.
    waiting: Vec<Item>,
    /// The last record that was read for `waiting`.
    read_to: Option<u64>,
    /// The most records that are sent at once: halved when a receiver refuses a batch as a whole.
    at_once: usize,
    cared: Instant,
}

/// What a sink is made from.
pub struct Parts {
    /// What the operator wants.
    pub config: SinkConfig,
    /// The ledger's directory.
    pub directory: PathBuf,
    /// The ledger.
    pub source: Box<dyn Source>,
    /// Its dead letters.
    pub dead: Arc<Mutex<DeadLetters>>,
    /// What is shown of it.
    pub shown: Arc<OneSink>,
    /// What is asked of it.
    pub commands: mpsc::Receiver<Command>,
    /// When to end.
    pub phase: watch::Receiver<Phase>,
    /// How fast time passes.
    pub pace: Pace,
    /// When to let gates go first.
    pub rest: Arc<Rest>,
}

/// How a step went.
enum Step {
    /// There may be more to do at once.
    Go,
    /// Nothing to do.
    Idle,
    /// It failed; wait so long.
    Wait(Duration),
}

impl Task {
    /// A sink that stands where its cursor says.
    ///
    /// # Errors
    /// When the cursor cannot be read.
    pub fn new(parts: Parts) -> io::Result<Task> {
        let cursor = Cursor::open(&parts.directory, &parts.config.name)?;
        parts.shown.cursor(cursor.at());
        parts.shown.explain(None);
        let at_once = parts.config.batch;
        let task = Task {
            read_to: cursor.at(),
            cursor,
            config: parts.config,
            directory: parts.directory,
            source: parts.source,
            dead: parts.dead,
            shown: parts.shown,
            commands: parts.commands,
            phase: parts.phase,
            sender: None,
            backoff: Backoff::new(parts.pace),
            breaker: Breaker::new(parts.pace),
            pace: parts.pace,
            rest: parts.rest,
            waiting: Vec::new(),
            at_once,
            cared: Instant::now(),
        };
        task.show_dead();
        Ok(task)
    }

    /// Works until it is told to end.
    pub async fn run(mut self) {
        loop {
            let step = self.step().await;
            let wait = match step {
                Step::Go if self.is_draining() => Duration::ZERO,
                Step::Go => self.rest.after_work(Instant::now(), sys::processor_time()),
                Step::Idle | Step::Wait(_) if self.is_draining() => break,
                Step::Idle => LOOK,
                Step::Wait(wait) => wait,
            };
            if wait == Duration::ZERO && self.commands.is_empty() {
                // A sink that is busy lets the others have their turn.
                tokio::task::yield_now().await;
                continue;
            }
            tokio::select! {
                biased;
                Some(command) = self.commands.recv() => self.obey(command).await,
                _changed = self.phase.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        if let Err(error) = self.cursor.store(Instant::now()) {
            tracing::error!(sink = %self.config.name, %error, "the cursor cannot be stored; some records will be sent again");
        }
    }

    fn is_draining(&self) -> bool {
        *self.phase.borrow() == Phase::Drain
    }

    async fn step(&mut self) -> Step {
        let state = self.breaker.state(Instant::now());
        self.shown.breaker(state);
        if let State::Open { until } = state {
            return Step::Wait(until.saturating_duration_since(Instant::now()));
        }
        if self.waiting.is_empty() {
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return self.idle().await,
                Err(error) => return self.failed(&SendError::alarm(format!("reading the ledger: {error}"))),
            }
        }
        if self.waiting.is_empty() {
            return self.settle(); // all of it was filtered
        }
        match self.send().await {
            Ok(()) => {
                self.succeeded();
                self.settle()
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Reads the next batch; false when there is none.
    fn fill(&mut self) -> io::Result<bool> {
        let most_bytes = match self.config.to.protocol {
            super::address::Protocol::Forward => MOST_BYTES_FORWARD,
            _ => MOST_BYTES,
        };
        let records = self.source.read(self.read_to, self.config.batch, most_bytes)?;
        let Some(last) = records.last() else {
            return Ok(false);
        };
        self.read_to = Some(last.seq);
        let count = records.len();
        let items = records.into_iter().map(Item::new);
        self.waiting = items.filter(|item| self.config.filter.takes(item)).collect();
        let skipped = count.saturating_sub(self.waiting.len());
        self.shown.skipped.inc_by(skipped as u64);
        if let Some(first) = self.waiting.first() {
            self.shown.oldest(first.time_ns);
        }
        Ok(true)
    }

    /// Sends what waits, and keeps what must come again.
    async fn send(&mut self) -> Result<(), SendError> {
        let count = self.at_once.clamp(1, self.waiting.len().max(1));
        let batch: Vec<&Item> = self.waiting.iter().take(count).collect();
        let sender = match &mut self.sender {
            Some(sender) => sender,
            empty => {
                let mut sender = Sender::new(&self.config, &self.directory)?;
                sender.agree(self.source.as_mut(), self.cursor.at())?;
                empty.insert(sender)
            }
        };
        // A file knows what it has, whatever the cursor says.
        let known = sender.done();
        let verdicts = if known.is_some() && batch.iter().all(|item| Some(item.record.seq) <= known) {
            Ok(super::verdict::all_done(batch.len()))
        } else {
            let fresh = known.map_or(0, |known| {
                batch.iter().filter(|item| item.record.seq <= known).count()
            });
            let unsent: Vec<&Item> = batch.iter().skip(fresh).copied().collect();
            sender.send(&unsent).await.map(|verdicts| {
                let mut all = super::verdict::all_done(fresh);
                all.extend(verdicts);
                all
            })
        };
        let verdicts = match verdicts {
            Err(SendError::Halve { why }) if batch.len() == 1 => vec![Verdict::Dead(why)],
            Err(SendError::Halve { why }) => {
                tracing::debug!(sink = %self.config.name, %why, "a batch was refused; half of it is tried");
                self.at_once = count.div_ceil(2);
                return Ok(());
            }
            other => other?,
        };
        self.at_once = self.at_once.saturating_mul(2).min(self.config.batch);
        self.take(verdicts)
    }

    /// Applies the verdicts to the front of what waits.
    fn take(&mut self, verdicts: Vec<Verdict>) -> Result<(), SendError> {
        if verdicts.iter().all(|verdict| *verdict == Verdict::Done) {
            self.shown.delivered.inc_by(verdicts.len() as u64);
            let count = verdicts.len().min(self.waiting.len());
            self.waiting.drain(..count);
            return Ok(());
        }
        let mut letters = Vec::new();
        let mut again = None;
        let mut done = BTreeSet::new();
        let now = jiff::Timestamp::now().to_string();
        for (item, verdict) in self.waiting.iter().zip(verdicts) {
            match verdict {
                Verdict::Done => {
                    done.insert(item.record.seq);
                }
                Verdict::Dead(why) => letters.push(Letter::new(item, &why, now.clone())),
                Verdict::Again(why) => again = Some(why),
            }
        }
        // What was delivered goes first: whatever happens to the letters, it must not be sent again.
        self.shown.delivered.inc_by(done.len() as u64);
        self.waiting.retain(|item| !done.contains(&item.record.seq));
        if !letters.is_empty() {
            let mut dead = self.dead.lock().unwrap_or_else(PoisonError::into_inner);
            dead.add(&letters)
                .map_err(|error| SendError::alarm(format!("dead letters: {error}")))?;
            drop(dead);
            for letter in &letters {
                tracing::warn!(sink = %self.config.name, seq = letter.seq, reason = %letter.reason, "a dead letter");
            }
            self.shown.dead.inc_by(letters.len() as u64);
            self.show_dead();
            done.extend(letters.iter().map(|letter| letter.seq));
            self.waiting.retain(|item| !done.contains(&item.record.seq));
        }
        match again {
            // Some of it went through: that is not a receiver to be given a rest.
            Some(why) if done.is_empty() => Err(SendError::retry(why)),
            _ => Ok(()),
        }
    }

    /// Moves the cursor over what is done.
    fn settle(&mut self) -> Step {
        let done = match self.waiting.first() {
            Some(first) => first.record.seq.checked_sub(1),
            None => self.read_to,
        };
        let Some(done) = done else { return Step::Go };
        match self.cursor.advance(done, Instant::now()) {
            Ok(()) => {
                self.shown.cursor(self.cursor.at());
                Step::Go
            }
            Err(error) => self.failed(&SendError::alarm(format!("the cursor cannot be stored: {error}"))),
        }
    }

    async fn idle(&mut self) -> Step {
        if let Err(error) = self.cursor.settle(Instant::now()) {
            return self.failed(&SendError::alarm(format!("the cursor cannot be stored: {error}")));
        }
        if self.cared.elapsed() >= CARE {
            self.cared = Instant::now();
            if let Some(sender) = &mut self.sender
                && let Err(error) = sender.idle().await
            {
                return self.failed(&error);
            }
        }
        Step::Idle
    }

    fn succeeded(&mut self) {
        self.backoff.reset();
        self.breaker.succeeded();
        self.shown.explain(None);
    }

    fn failed(&mut self, error: &SendError) -> Step {
        let now = Instant::now();
        let name = &self.config.name;
        self.shown.failures.inc();
        let wait = match error {
            SendError::Alarm { why } => {
                if self.shown.why().as_ref() != Some(why) {
                    tracing::error!(sink = %name, %why, "this sink needs an operator");
                }
                // Certificates and secrets are read again at the next try.
                self.sender = None;
                self.breaker.trip(now);
                Duration::ZERO
            }
            SendError::Retry { why, after } => {
                tracing::warn!(sink = %name, %why, "sending failed; it is tried again");
                self.breaker.failed(now);
                self.pace.of(after.unwrap_or_default())
            }
            SendError::Halve { .. } => Duration::ZERO,
        };
        self.shown.explain(Some(error.to_string()));
        self.shown.breaker(self.breaker.state(now));
        // The receiver's own word counts when it asks for longer.
        Step::Wait(self.backoff.next(fastrand::f64()).max(wait))
    }

    fn show_dead(&self) {
        let count = self.dead.lock().unwrap_or_else(PoisonError::into_inner).len();
        self.shown.held.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    async fn obey(&mut self, command: Command) {
        let (items, answer) = match command {
            Command::Test(item, answer) => (vec![*item], answer),
            Command::Replay(items, answer) => (items, answer),
        };
        let said = self.send_now(&items).await;
        // Whoever asked may have gone.
        let _gone = answer.send(said);
    }

    /// Sends these at once, beside what waits; replayed letters that were taken leave the dead letters.
    async fn send_now(&mut self, items: &[Item]) -> Result<String, String> {
        let sender = match &mut self.sender {
            Some(sender) => sender,
            empty => {
                let made = Sender::new(&self.config, &self.directory).and_then(|mut sender| {
                    sender.agree(self.source.as_mut(), self.cursor.at())?;
                    Ok(sender)
                });
                empty.insert(made.map_err(|error| error.to_string())?)
            }
        };
        let mut delivered = BTreeSet::new();
        let mut refused = Vec::new();
        for batch in items.chunks(self.config.batch.min(200)) {
            let verdicts = match sender.send_aside(&batch.iter().collect::<Vec<_>>()).await {
                Err(SendError::Halve { .. }) => one_by_one(sender, batch).await,
                other => other,
            };
            let verdicts = match verdicts {
                Ok(verdicts) => verdicts,
                Err(error) => {
                    refused.push(error.to_string());
                    break;
                }
            };
            for (item, verdict) in batch.iter().zip(verdicts) {
                match verdict {
                    Verdict::Done => {
                        delivered.insert(item.record.seq);
                    }
                    Verdict::Again(why) | Verdict::Dead(why) => refused.push(format!("{}: {why}", item.id)),
                }
            }
        }
        let assurance = sender.assurance();
        let removed = self
            .dead
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&delivered);
        self.show_dead();
        removed.map_err(|error| format!("delivered, but the dead letters cannot be rewritten: {error}"))?;
        match refused.first() {
            None => Ok(format!("{} {assurance}", delivered.len())),
            Some(why) => Err(format!(
                "{} of {} delivered; the first refusal: {why}",
                delivered.len(),
                items.len()
            )),
        }
    }
}

async fn one_by_one(sender: &mut Sender, items: &[Item]) -> Result<Vec<Verdict>, SendError> {
    let mut verdicts = Vec::with_capacity(items.len());
    for item in items {
        match sender.send_aside(&[item]).await {
            Ok(one) => verdicts.extend(one),
            Err(SendError::Halve { why }) => verdicts.push(Verdict::Dead(why)),
            Err(error) => return Err(error),
        }
    }
    Ok(verdicts)
}
