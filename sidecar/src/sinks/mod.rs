//! Sinks: the record, forwarded. Each reads the ledger by itself, behind the writer, and keeps its own cursor, so a
//! receiver that is slow or gone costs disk and nothing else. At least once, in order, with one id per record for ever.
//!
//! All sinks share one thread of their own, with the least priority there is (`SCHED_IDLE`), so that their work never takes
//! a turn from the gates' connections, and it rests while these record (`rest.rs`). It must hold no lock that these wait for: it
//! may be put off with it.

mod address;
mod backoff;
mod config;
pub mod control;
mod cursor;
mod dead;
mod disk;
mod filter;
mod metrics;
mod record;
mod rest;
mod secret;
mod segments;
mod send;
mod shape;
mod sys;
mod task;
mod verdict;
mod wire;

use crate::exit::{Exit, Failure};
use crate::shared::Shared;
use crate::yaml::{Fault, Keys};
use backoff::Pace;
use config::{Found, SinkConfig};
use control::{Desk, Desks, Reach};
use dead::DeadLetters;
use metrics::{OneSink, SinkMetrics};
use rest::Rest;
use send::Sender;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use task::{Parts, Phase, Task};
use tokio::sync::{mpsc, watch};

/// How long sinks may go on sending after the ledger is sealed.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a probe may take.
const PROBE: Duration = Duration::from_secs(10);
/// How often the lag is measured.
const MEASURE: Duration = Duration::from_secs(1);
/// The most operators' commands that wait for one sink.
const COMMANDS: usize = 16;

/// The sinks of a configuration file, good and wrong ones.
#[derive(Debug, Default)]
pub struct Configured(Vec<Found>);

/// Reads the section `sinks`. A sink that is wrong is kept with its faults, and stops nobody; faults of the section itself
/// are returned.
pub fn read(top: &mut Keys<'_>) -> (Configured, Vec<Fault>) {
    let mut faults = Vec::new();
    let Some(section) = top.mapping("sinks", &mut faults) else {
        return (Configured::default(), faults);
    };
    let (found, more) = config::read(section, &host_name());
    faults.extend(more);
    (Configured(found), faults)
}

impl Configured {
    /// Every fault of every sink beside those that are known already, and what their receivers say when they are asked:
    /// for `reeved --check`.
    ///
    /// # Errors
    /// One line per fault.
    pub fn check(&self, directory: &Path, mut faults: Vec<String>) -> Result<(), Failure> {
        faults.extend(self.faults());
        let exit = if faults.is_empty() {
            Exit::Unavailable
        } else {
            Exit::Configuration
        };
        let runtime = runtime()?;
        for config in self.good() {
            if let Err(why) = runtime.block_on(probe(config, directory)) {
                faults.push(format!("sink `{}`, {}: {why}", config.name, config.to.text));
            }
        }
        if faults.is_empty() {
            return Ok(());
        }
        Err(Failure::new(exit, faults.join("\n")))
    }

    fn good(&self) -> impl Iterator<Item = &SinkConfig> {
        self.0.iter().filter_map(|found| found.sink.as_ref().ok())
    }

    /// Every fault of every sink.
    pub fn faults(&self) -> Vec<String> {
        let wrong = self
            .0
            .iter()
            .filter_map(|found| found.sink.as_ref().err().map(|faults| (&found.name, faults)));
        wrong
            .flat_map(|(name, faults)| faults.iter().map(move |fault| format!("sink `{name}`, {fault}")))
            .collect()
    }
}

async fn probe(config: &SinkConfig, directory: &Path) -> Result<(), String> {
    if config.to.protocol == address::Protocol::File {
        // Opening it would cut what a running sidecar is writing.
        let folder = Path::new(&config.to.path).parent().unwrap_or(Path::new("/"));
        return nix::unistd::access(folder, nix::unistd::AccessFlags::W_OK)
            .map_err(|error| format!("{}: {error}; make it and let us write there", folder.display()));
    }
    let asked = async {
        let mut sender = Sender::new(config, directory)?;
        sender.probe().await
    };
    match tokio::time::timeout(PROBE, asked).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PROBE.as_secs())),
    }
}

/// The sinks at work.
pub struct Sinks {
    desks: Desks,
    phase: watch::Sender<Phase>,
    thread: Option<JoinHandle<()>>,
}

/// Starts them, each in a task of its own, all on one thread.
///
/// # Errors
/// When there can be no thread.
pub fn start(configured: Configured, directory: &Path, shared: &Arc<Shared>) -> Result<Sinks, Failure> {
    let (phase, told) = watch::channel(Phase::Run);
    let metrics = (!configured.0.is_empty()).then(|| SinkMetrics::new(shared.metrics.registry()));
    let rest = Arc::new(Rest::new(segments::durable(shared)));
    let (mut tasks, mut desks) = (Vec::new(), BTreeMap::new());
    for found in configured.0 {
        let Some(metrics) = &metrics else { break };
        let shown = Arc::new(metrics.of(&found.name));
        let to = found
            .sink
            .as_ref()
            .map_or_else(|_| String::new(), |config| config.to.text.clone());
        let work = match found.sink {
            Ok(config) => prepare(config, directory, shared, &shown, told.clone(), Arc::clone(&rest)),
            Err(faults) => Err(faults
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; ")),
        };
        let work = work.map(|(task, reach)| {
            tasks.push(task);
            reach
        });
        if let Err(why) = &work {
            tracing::error!(sink = %found.name, %why, "this sink does not start; the others do");
        }
        desks.insert(found.name, Desk { to, shown, work });
    }
    warn_of_left_cursors(directory, &desks);
    let shown: Vec<Arc<OneSink>> = desks.values().map(|desk| Arc::clone(&desk.shown)).collect();
    let thread = match shown.is_empty() {
        true => None,
        false => Some(spawn(tasks, shown, Arc::clone(shared))?),
    };
    Ok(Sinks {
        desks: Arc::new(desks),
        phase,
        thread,
    })
}

/// The cursor of a sink that is configured no more still holds back pruning: the records may be wanted yet.
fn warn_of_left_cursors(directory: &Path, desks: &BTreeMap<String, Desk>) {
    let Ok(entries) = std::fs::read_dir(directory.join("cursors")) else {
        return; // there has never been a sink
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let is_known = name.to_str().is_some_and(|name| desks.contains_key(name));
        if !is_known && path.extension().is_none_or(|extension| extension != "new") {
            tracing::warn!(
                cursor = %path.display(),
                "this sink is configured no more, and the ledger keeps what it has not delivered; remove the file to let it go"
            );
        }
    }
}

fn prepare(
    config: SinkConfig,
    directory: &Path,
    shared: &Arc<Shared>,
    shown: &Arc<OneSink>,
    phase: watch::Receiver<Phase>,
    rest: Arc<Rest>,
) -> Result<(Task, Reach), String> {
    let dead = DeadLetters::open(directory, &config.name).map_err(|error| error.to_string())?;
    let dead = Arc::new(Mutex::new(dead));
    let (commands, asked) = mpsc::channel(COMMANDS);
    if !config.to.is_protected() {
        tracing::warn!(sink = %config.name, to = %config.to.text, "this sink is not encrypted");
    }
    let source = segments::Segments::new(directory, segments::durable(shared));
    let task = Task::new(Parts {
        config,
        directory: directory.to_owned(),
        source: Box::new(source),
        dead: Arc::clone(&dead),
        shown: Arc::clone(shown),
        commands: asked,
        phase,
        pace: Pace::from_env(),
        rest,
    })
    .map_err(|error| error.to_string())?;
    Ok((task, Reach { commands, dead }))
}

fn spawn(tasks: Vec<Task>, shown: Vec<Arc<OneSink>>, shared: Arc<Shared>) -> Result<JoinHandle<()>, Failure> {
    let runtime = runtime()?;
    std::thread::Builder::new()
        .name("sinks".to_owned())
        .spawn(move || {
            if let Err(error) = sys::give_way() {
                tracing::warn!(%error, "the sinks' thread keeps its priority, so sinks may slow the gates");
            }
            runtime.block_on(async move {
                let measuring = tokio::spawn(measure(shown, shared));
                let mut set = tokio::task::JoinSet::new();
                for task in tasks {
                    set.spawn(task.run());
                }
                while set.join_next().await.is_some() {}
                measuring.abort();
            });
        })
        .map_err(|error| Failure::new(Exit::Os, format!("cannot start the sinks: {error}")))
}

async fn measure(shown: Vec<Arc<OneSink>>, shared: Arc<Shared>) {
    loop {
        let durable = shared.durable().unwrap_or_default();
        let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
        shown.iter().for_each(|one| one.measure(durable, now));
        tokio::time::sleep(MEASURE).await;
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Os, format!("cannot start the sinks: {error}")))
}

impl Sinks {
    /// What operators reach of them.
    pub fn desks(&self) -> Desks {
        Arc::clone(&self.desks)
    }

    /// Lets each send what it still can, to a deadline. What was not sent is sent after the next start.
    pub async fn finish(mut self) {
        self.phase.send_replace(Phase::Drain);
        let Some(thread) = self.thread.take() else { return };
        let begun = std::time::Instant::now();
        while !thread.is_finished() && begun.elapsed() < DRAIN {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if !thread.is_finished() {
            tracing::warn!(
                "some sinks did not finish in time; they go on from their cursors at the next start"
            );
        }
    }
}

/// Our host's name, as events have it.
pub fn host_name() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "unknown".to_owned())
}
