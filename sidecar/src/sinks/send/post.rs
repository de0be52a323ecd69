//! Generic HTTP: NDJSON, posted to the address as it is, with an `Idempotency-Key` that a retry repeats.

use super::http::{Ask, Http};
use crate::sinks::config::SinkConfig;
use crate::sinks::record::Item;
use crate::sinks::shape::Shape;
use crate::sinks::verdict::{SendError, Verdict};
use crate::sinks::wire::{forward, http_status};

/// The sender.
pub struct Post {
    http: Http,
    shape: Shape,
}

impl Post {
    /// For a sink.
    ///
    /// # Errors
    /// See [`Http::new`].
    pub fn new(config: &SinkConfig) -> Result<Post, SendError> {
        Ok(Post {
            http: Http::new(config, "Bearer")?,
            shape: config.shape,
        })
    }

    /// See [`super::Sender::send`].
    pub async fn send(&mut self, items: &[&Item]) -> Result<Vec<Verdict>, SendError> {
        let mut body = Vec::new();
        for item in items {
            body.extend_from_slice(self.shape.line(item).as_bytes());
            body.push(b'\n');
        }
        let (Some(first), Some(last)) = (items.first(), items.last()) else {
            return Ok(Vec::new());
        };
        let mut ask = Ask::post("", "application/x-ndjson", body);
        ask.headers = vec![("idempotency-key", forward::chunk_id(&first.id, &last.id))];
        let answer = self.http.ask(ask).await?;
        http_status::judge(&answer, items.len())
    }

    /// See [`super::Sender::probe`].
    pub async fn probe(&mut self) -> Result<(), SendError> {
        self.http.connect().await
    }
}
