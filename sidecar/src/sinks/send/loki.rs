//! Loki.

use super::http::{Ask, Http};
use crate::sinks::config::SinkConfig;
use crate::sinks::record::Item;
use crate::sinks::shape::Shape;
use crate::sinks::verdict::{SendError, Verdict};
use crate::sinks::wire::{http_status, loki};

/// The sender.
pub struct Loki {
    http: Http,
    shape: Shape,
    options: loki::Options,
    tenant: Option<String>,
}

impl Loki {
    /// For a sink.
    ///
    /// # Errors
    /// See [`Http::new`].
    pub fn new(config: &SinkConfig) -> Result<Loki, SendError> {
        Ok(Loki {
            http: Http::new(config, "Bearer")?,
            shape: config.shape,
            options: loki::Options {
                cluster: config.own.cluster.clone(),
                namespace: config.own.namespace.clone(),
            },
            tenant: config.own.tenant.clone(),
        })
    }

    /// See [`super::Sender::send`].
    pub async fn send(&mut self, items: &[&Item]) -> Result<Vec<Verdict>, SendError> {
        let body = loki::body(items, self.shape, &self.options);
        let mut ask = Ask::post(loki::PATH, "application/json", body);
        ask.headers = self
            .tenant
            .iter()
            .map(|tenant| ("x-scope-orgid", tenant.clone()))
            .collect();
        let answer = self.http.ask(ask).await?;
        if answer.status == 200 {
            // Loki says 204; 200 is whatever else listens there.
            return Err(SendError::alarm(format!(
                "this is not Loki: {}; check the sink's `to`",
                answer.shown()
            )));
        }
        http_status::judge(&answer, items.len())
    }

    /// See [`super::Sender::probe`].
    pub async fn probe(&mut self) -> Result<(), SendError> {
        self.http.connect().await
    }
}
