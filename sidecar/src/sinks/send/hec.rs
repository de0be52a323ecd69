//! Splunk's HTTP event collector, with or without indexer acknowledgement.

use super::http::{Ask, Http};
use crate::sinks::config::SinkConfig;
use crate::sinks::record::Item;
use crate::sinks::shape::Shape;
use crate::sinks::verdict::{SendError, Verdict, all_done};
use crate::sinks::wire::hec::{self, Received};
use crate::sinks::wire::http_status;
use std::time::Duration;
use tokio::time::Instant;

/// The first wait between two polls, and the last.
const POLL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// An acknowledgement that has not come by then never will: the events are sent again.
const DEADLINE: Duration = Duration::from_secs(300);

/// The sender.
pub struct Hec {
    http: Http,
    shape: Shape,
    options: hec::Options,
    /// The channel of this process, when acknowledgements are waited for.
    channel: Option<String>,
}

impl Hec {
    /// For a sink.
    ///
    /// # Errors
    /// See [`Http::new`].
    pub fn new(config: &SinkConfig) -> Result<Hec, SendError> {
        Ok(Hec {
            http: Http::new(config, "Splunk")?,
            shape: config.shape,
            options: hec::Options {
                index: config.own.index.clone(),
                source: config.own.source.clone(),
                sourcetype: config.own.sourcetype.clone(),
                host: config.own.syslog.host.clone(),
            },
            channel: config.own.acks.then(|| uuid::Uuid::now_v7().to_string()),
        })
    }

    /// See [`super::Sender::assurance`].
    pub fn assurance(&self) -> &'static str {
        if self.channel.is_some() {
            "indexed, by the collector's acknowledgement"
        } else {
            "accepted by the collector; `acks: true` waits until it is indexed"
        }
    }

    /// See [`super::Sender::send`].
    pub async fn send(&mut self, items: &[&Item]) -> Result<Vec<Verdict>, SendError> {
        let mut body = Vec::new();
        for item in items {
            hec::push_event(&mut body, item, self.shape, &self.options);
        }
        let mut ask = Ask::post("/services/collector/event", "application/json", body);
        ask.headers = self.channel_header();
        let answer = self.http.ask(ask).await?;
        match hec::judge(&answer, items.len(), self.channel.is_some())? {
            Received::Verdicts(verdicts) => Ok(verdicts),
            Received::Pending(ack) => {
                self.wait_for(ack).await?;
                Ok(all_done(items.len()))
            }
        }
    }

    fn channel_header(&self) -> Vec<(&'static str, String)> {
        self.channel
            .iter()
            .map(|channel| ("x-splunk-request-channel", channel.clone()))
            .collect()
    }

    /// Polls until the indexer has it. `true` is told once, so an answer that is lost costs a second sending.
    async fn wait_for(&mut self, ack: u64) -> Result<(), SendError> {
        let end = Instant::now().checked_add(DEADLINE);
        let (mut pause, longest) = POLL;
        // The first look comes early: an idle indexer is quick.
        let mut early = Duration::from_millis(50);
        while end.is_none_or(|end| Instant::now() < end) {
            tokio::time::sleep(early.min(pause)).await;
            let path = format!(
                "/services/collector/ack?channel={}",
                self.channel.as_deref().unwrap_or_default()
            );
            let body = serde_json::json!({ "acks": [ack] }).to_string().into_bytes();
            let mut ask = Ask::post(&path, "application/json", body);
            ask.headers = self.channel_header();
            let answer = self.http.ask(ask).await?;
            if hec::is_acknowledged(&answer, ack)? {
                return Ok(());
            }
            if early < pause {
                early = early.saturating_mul(4);
            } else {
                pause = pause.saturating_mul(2).min(longest);
                early = pause;
            }
        }
        Err(SendError::retry(format!(
            "the indexer did not acknowledge within {} s",
            DEADLINE.as_secs()
        )))
    }

    /// See [`super::Sender::probe`].
    pub async fn probe(&mut self) -> Result<(), SendError> {
        let answer = self.http.ask(Ask::get("/services/collector/health")).await?;
        http_status::judge(&answer, 0).map(drop)
    }
}
