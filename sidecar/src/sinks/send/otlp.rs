//! OTLP logs over HTTP.

use super::http::{Ask, Http};
use crate::sinks::config::SinkConfig;
use crate::sinks::record::Item;
use crate::sinks::shape::Shape;
use crate::sinks::verdict::{SendError, Verdict};
use crate::sinks::wire::otlp;

/// The sender.
pub struct Otlp {
    http: Http,
    shape: Shape,
    host: String,
}

impl Otlp {
    /// For a sink.
    ///
    /// # Errors
    /// See [`Http::new`].
    pub fn new(config: &SinkConfig) -> Result<Otlp, SendError> {
        Ok(Otlp {
            http: Http::new(config, "Bearer")?,
            shape: config.shape,
            host: config.own.syslog.host.clone(),
        })
    }

    /// See [`super::Sender::send`].
    pub async fn send(&mut self, items: &[&Item]) -> Result<Vec<Verdict>, SendError> {
        self.post(items).await
    }

    async fn post(&mut self, items: &[&Item]) -> Result<Vec<Verdict>, SendError> {
        let body = otlp::body(items, self.shape, &self.host);
        let ask = Ask::post(otlp::PATH, "application/x-protobuf", body);
        let answer = self.http.ask(ask).await?;
        otlp::judge(&answer, items.len())
    }

    /// An export without records is allowed and answered like any other.
    pub async fn probe(&mut self) -> Result<(), SendError> {
        self.post(&[]).await.map(drop)
    }
}
