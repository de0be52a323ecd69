//! NDJSON on our standard output, for a collector of the container's output.

use crate::sinks::config::SinkConfig;
use crate::sinks::record::Item;
use crate::sinks::shape::Shape;
use crate::sinks::verdict::{SendError, Verdict, all_done};
use tokio::io::AsyncWriteExt;
use tokio::sync::Mutex;

/// Lines of two sinks do not mix.
static TURN: Mutex<()> = Mutex::const_new(());

/// The sender.
pub struct Stdout {
    shape: Shape,
}

impl Stdout {
    /// For a sink.
    pub fn new(config: &SinkConfig) -> Stdout {
        Stdout { shape: config.shape }
    }

    /// See [`super::Sender::send`]. A reader that stalls is waited for: half a line must not be followed by another.
    pub async fn send(&mut self, items: &[&Item]) -> Result<Vec<Verdict>, SendError> {
        let mut bytes = Vec::new();
        for item in items {
            bytes.extend_from_slice(self.shape.line(item).as_bytes());
            bytes.push(b'\n');
        }
        let turn = TURN.lock().await;
        let mut out = tokio::io::stdout();
        let written = async {
            out.write_all(&bytes).await?;
            out.flush().await
        };
        let written: std::io::Result<()> = written.await;
        drop(turn);
        written.map_err(|error| SendError::retry(format!("standard output: {error}")))?;
        Ok(all_done(items.len()))
    }
}
