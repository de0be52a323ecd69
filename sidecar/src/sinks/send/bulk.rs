//! Elasticsearch and OpenSearch.

use super::http::{Ask, Http};
use crate::sinks::config::SinkConfig;
use crate::sinks::record::Item;
use crate::sinks::shape::Shape;
use crate::sinks::verdict::{SendError, Verdict};
use crate::sinks::wire::{bulk, http_status};

/// The sender.
pub struct Bulk {
    http: Http,
    shape: Shape,
    index: String,
}

impl Bulk {
    /// For a sink.
    ///
    /// # Errors
    /// See [`Http::new`].
    pub fn new(config: &SinkConfig) -> Result<Bulk, SendError> {
        Ok(Bulk {
            http: Http::new(config, "ApiKey")?,
            shape: config.shape,
            index: config
                .own
                .index
                .clone()
                .unwrap_or_else(|| "reeve-audit".to_owned()),
        })
    }

    /// See [`super::Sender::send`].
    pub async fn send(&mut self, items: &[&Item]) -> Result<Vec<Verdict>, SendError> {
        let mut body = Vec::new();
        for item in items {
            bulk::push_pair(&mut body, item, self.shape, &self.index);
        }
        let answer = self
            .http
            .ask(Ask::post(bulk::PATH, "application/x-ndjson", body))
            .await?;
        bulk::judge(&answer, items.len())
    }

    /// See [`super::Sender::probe`].
    pub async fn probe(&mut self) -> Result<(), SendError> {
        let answer = self.http.ask(Ask::get("/")).await?;
        http_status::judge(&answer, 0).map(drop)
    }
}
