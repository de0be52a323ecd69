//! Fluent forward: chunks go out one after the other, acknowledgements come back in the same order.

use super::connect::{Connection, Dialer};
use super::within;
use crate::sinks::config::SinkConfig;
use crate::sinks::record::Item;
use crate::sinks::secret::Secret;
use crate::sinks::shape::Shape;
use crate::sinks::verdict::{SendError, Verdict};
use crate::sinks::wire::forward::{Chunk, Draft, MAX_CHUNK, acknowledged};
use crate::sinks::wire::handshake::{self, Credentials};
use rmpv::Value;
use std::io::ErrorKind;

/// The longest thing that a server says.
const MAX_SAID: usize = 64 * 1024;
/// The deepest.
const MAX_DEPTH: usize = 16;

/// The most buffers that are kept between two batches.
const MAX_BUFFERS: usize = 4;

/// The sender.
pub struct Forward {
    dialer: Dialer,
    shape: Shape,
    tag: String,
    host: String,
    key: Option<Secret>,
    user: Option<(String, Secret)>,
    /// For the next messages.
    buffers: Vec<Vec<u8>>,
    open: Option<Open>,
}

/// A connection whose handshake is done.
struct Open {
    connection: Connection,
    said: Vec<u8>,
}

impl Forward {
    /// For a sink.
    ///
    /// # Errors
    /// When certificates cannot be used.
    pub fn new(config: &SinkConfig) -> Result<Forward, SendError> {
        Ok(Forward {
            dialer: Dialer::new(config)?,
            shape: config.shape,
            tag: config.own.tag.clone(),
            host: config.own.syslog.host.clone(),
            key: config.shared_key.clone(),
            user: config.user.clone().zip(config.password.clone()),
            buffers: Vec::new(),
            open: None,
        })
    }

    /// See [`super::Sender::send`].
    pub async fn send(&mut self, items: &[&Item]) -> Result<Vec<Verdict>, SendError> {
        let (chunks, mut verdicts) = self.chunks(items);
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.connect().await?,
        };
        let done = open.deliver(&chunks, self.dialer.timeout).await;
        let counts: Vec<usize> = chunks.iter().map(|chunk| chunk.count).collect();
        self.keep(chunks);
        let (acknowledged, broken) = match done {
            Ok(()) => (counts.len(), None),
            Err((count, error)) => (count, Some(error)),
        };
        match broken {
            None => self.open = Some(open),
            Some(error) if acknowledged == 0 => return Err(error),
            Some(error) => {
                let good: usize = counts.iter().take(acknowledged).sum();
                let waiting = verdicts.iter_mut().filter(|verdict| **verdict == Verdict::Done);
                waiting
                    .skip(good)
                    .for_each(|verdict| *verdict = Verdict::Again(error.to_string()));
            }
        }
        Ok(verdicts)
    }

    /// See [`super::Sender::probe`].
    pub async fn probe(&mut self) -> Result<(), SendError> {
        if self.open.is_none() {
            self.open = Some(self.connect().await?);
        }
        Ok(())
    }

    /// The messages, and the verdicts for when they are acknowledged.
    fn chunks(&mut self, items: &[&Item]) -> (Vec<Chunk>, Vec<Verdict>) {
        let mut chunks = Vec::new();
        let mut verdicts = Vec::with_capacity(items.len());
        let mut draft = self.draft();
        let mut within: Vec<&Item> = Vec::new();
        for item in items {
            let before = draft.len();
            match draft.push(item, self.shape) {
                Ok(()) => {
                    if draft.len() > MAX_CHUNK && before > 0 {
                        let own = draft.split_off(before);
                        chunks.extend(close(draft, &mut within));
                        draft = self.draft();
                        draft.append(&own);
                    }
                    within.push(item);
                    verdicts.push(Verdict::Done);
                }
                Err(why) => verdicts.push(Verdict::Dead(why)),
            }
        }
        chunks.extend(close(draft, &mut within));
        (chunks, verdicts)
    }

    fn draft(&mut self) -> Draft {
        Draft::new(&self.tag, self.buffers.pop().unwrap_or_default())
    }

    /// Keeps the buffers for the next messages: to get and give back megabytes each time costs more than to fill them.
    fn keep(&mut self, chunks: Vec<Chunk>) {
        let buffers = chunks.into_iter().map(|chunk| chunk.bytes);
        self.buffers
            .extend(buffers.filter(|buffer| buffer.capacity() <= 2 * MAX_CHUNK));
        self.buffers.truncate(MAX_BUFFERS);
    }

    async fn connect(&self) -> Result<Open, SendError> {
        let connection = self.dialer.dial().await?;
        let mut open = Open {
            connection,
            said: Vec::new(),
        };
        if let Some(key) = &self.key {
            within(
                self.dialer.timeout,
                "the handshake",
                self.shake_hands(&mut open, key),
            )
            .await?;
        }
        Ok(open)
    }

    async fn shake_hands(&self, open: &mut Open, key: &Secret) -> Result<(), SendError> {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random)
            .map_err(|error| SendError::retry(format!("no random bytes: {error}")))?;
        let salt = base16ct::lower::encode_string(&random);
        let with = Credentials {
            host: &self.host,
            salt: &salt,
            key,
            user: self
                .user
                .as_ref()
                .map(|(user, password)| (user.as_str(), password)),
        };
        let helo = handshake::helo(&open.read().await?).map_err(SendError::alarm)?;
        let ping = handshake::ping(&helo, &with).map_err(SendError::alarm)?;
        open.connection.write(&ping).await?;
        let pong = open.read().await.map_err(|error| match error {
            // A known receiver closes without PONG when the key is wrong.
            SendError::Retry { why, .. } => SendError::alarm(format!(
                "the receiver ended the handshake ({why}); check `shared_key`, `user` and `password`"
            )),
            other => other,
        })?;
        handshake::pong(&pong, &helo, &with).map_err(SendError::alarm)
    }
}

/// What the draft has, if it has anything.
fn close(draft: Draft, within: &mut Vec<&Item>) -> Option<Chunk> {
    let chunk = match (within.first(), within.last()) {
        (Some(first), Some(last)) => Some(draft.finish(&first.id, &last.id, within.len())),
        _ => None,
    };
    within.clear();
    chunk
}

impl Open {
    /// Sends all, then takes the acknowledgements. An error says how many were acknowledged before it.
    async fn deliver(
        &mut self,
        chunks: &[Chunk],
        limit: std::time::Duration,
    ) -> Result<(), (usize, SendError)> {
        for chunk in chunks {
            within(limit, "sending", self.connection.write(&chunk.bytes))
                .await
                .map_err(|error| (0, error))?;
        }
        for (count, chunk) in chunks.iter().enumerate() {
            let answer = within(limit, "the acknowledgement", self.read())
                .await
                .map_err(|error| (count, error))?;
            match acknowledged(&answer) {
                Ok(id) if id == chunk.id => {}
                Ok(_) => {
                    let why = "the receiver acknowledged something that was not sent";
                    return Err((count, SendError::retry(why)));
                }
                Err(why) => return Err((count, SendError::retry(why))),
            }
        }
        Ok(())
    }

    /// The next thing that the server says.
    async fn read(&mut self) -> Result<Value, SendError> {
        loop {
            if !self.said.is_empty() {
                let mut rest = self.said.as_slice();
                match rmpv::decode::read_value_with_max_depth(&mut rest, MAX_DEPTH) {
                    Ok(value) => {
                        let used = self.said.len().saturating_sub(rest.len());
                        self.said.drain(..used);
                        return Ok(value);
                    }
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof && self.said.len() < MAX_SAID => {}
                    Err(_) => {
                        return Err(SendError::retry(
                            "the receiver says something that is not MessagePack; check the scheme and the port",
                        ));
                    }
                }
            }
            self.connection.read(&mut self.said).await?;
        }
    }
}
