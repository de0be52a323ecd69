//! Senders: a batch goes out, verdicts come back. Each keeps its connection and makes a new one when it is gone.

mod bulk;
mod connect;
mod file;
mod forward;
mod hec;
mod http;
mod loki;
mod nats;
mod otlp;
mod post;
mod stdout;
mod syslog;
mod tls;

use super::address::{Carrier, Protocol};
use super::config::SinkConfig;
use super::record::{Item, Source};
use super::verdict::{SendError, Verdict};
use std::path::Path;

/// One of them.
pub enum Sender {
    /// See the module of the same name, for each.
    File(file::Files),
    /// …
    Stdout(stdout::Stdout),
    /// …
    Forward(Box<forward::Forward>),
    /// …
    SyslogStream(Box<syslog::Stream>),
    /// …
    SyslogDatagram(Box<syslog::Datagrams>),
    /// …
    Hec(Box<hec::Hec>),
    /// …
    Bulk(Box<bulk::Bulk>),
    /// …
    Loki(Box<loki::Loki>),
    /// …
    Otlp(Box<otlp::Otlp>),
    /// …
    Nats(Box<nats::Nats>),
    /// …
    Post(Box<post::Post>),
}

impl Sender {
    /// Prepares one: reads certificates, recovers files; does not connect.
    ///
    /// # Errors
    /// When what the configuration names cannot be used.
    pub fn new(config: &SinkConfig, directory: &Path) -> Result<Sender, SendError> {
        Ok(match (config.to.protocol, config.to.carrier) {
            (Protocol::File, _) => Sender::File(file::Files::open(config, directory)?),
            (Protocol::Stdout, _) => Sender::Stdout(stdout::Stdout::new(config)),
            (Protocol::Forward, _) => Sender::Forward(Box::new(forward::Forward::new(config)?)),
            (Protocol::Syslog, Carrier::Udp | Carrier::Unix | Carrier::Local) => {
                Sender::SyslogDatagram(Box::new(syslog::Datagrams::new(config)))
            }
            (Protocol::Syslog, Carrier::Tcp | Carrier::Tls) => {
                Sender::SyslogStream(Box::new(syslog::Stream::new(config)?))
            }
            (Protocol::Hec, _) => Sender::Hec(Box::new(hec::Hec::new(config)?)),
            (Protocol::Bulk, _) => Sender::Bulk(Box::new(bulk::Bulk::new(config)?)),
            (Protocol::Loki, _) => Sender::Loki(Box::new(loki::Loki::new(config)?)),
            (Protocol::Otlp, _) => Sender::Otlp(Box::new(otlp::Otlp::new(config)?)),
            (Protocol::Nats, _) => Sender::Nats(Box::new(nats::Nats::new(config)?)),
            (Protocol::Http, _) => Sender::Post(Box::new(post::Post::new(config)?)),
        })
    }

    /// Sends a batch; one verdict per record, in order.
    ///
    /// # Errors
    /// When there are no verdicts.
    pub async fn send(&mut self, items: &[&Item]) -> Result<Vec<Verdict>, SendError> {
        match self {
            Sender::File(sender) => sender.send(items),
            Sender::Stdout(sender) => sender.send(items).await,
            Sender::Forward(sender) => sender.send(items).await,
            Sender::SyslogStream(sender) => sender.send(items).await,
            Sender::SyslogDatagram(sender) => sender.send(items).await,
            Sender::Hec(sender) => sender.send(items).await,
            Sender::Bulk(sender) => sender.send(items).await,
            Sender::Loki(sender) => sender.send(items).await,
            Sender::Otlp(sender) => sender.send(items).await,
            Sender::Nats(sender) => sender.send(items).await,
            Sender::Post(sender) => sender.send(items).await,
        }
    }

    /// Sends a test or replayed letters: beside the records that come in order, and never counted as one of them.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub async fn send_aside(&mut self, items: &[&Item]) -> Result<Vec<Verdict>, SendError> {
        match self {
            Sender::File(sender) => sender.send_aside(items),
            _ => self.send(items).await,
        }
    }

    /// Compares what the sender knows with the ledger. Where it says that a record beyond `cursor` is done, and the ledger
    /// does not have that very record, the cursor is the truth.
    ///
    /// # Errors
    /// When the ledger cannot be read, or the sender's own state cannot be written.
    pub fn agree(&mut self, source: &mut dyn Source, cursor: Option<u64>) -> Result<(), SendError> {
        let Sender::File(sender) = self else { return Ok(()) };
        let Some(done) = sender.done().filter(|done| Some(*done) > cursor) else {
            return Ok(());
        };
        let found = source
            .read(done.checked_sub(1), 1, 1)
            .map_err(|error| SendError::alarm(format!("reading the ledger: {error}")))?;
        let is_there = found
            .first()
            .is_some_and(|record| record.seq == done && Some(record.hash.as_str()) == sender.done_hash());
        if !is_there {
            tracing::warn!(
                done,
                cursor,
                "the file has a record that the ledger does not have (any more) under this number; it stays there, and \
                 the sink goes on from its cursor"
            );
            sender.go_back(cursor)?;
        }
        Ok(())
    }

    /// Connects, and asks what can be asked without sending a record.
    ///
    /// # Errors
    /// When the receiver is not there, or not what the scheme says.
    pub async fn probe(&mut self) -> Result<(), SendError> {
        match self {
            Sender::File(_) | Sender::Stdout(_) => Ok(()),
            Sender::Forward(sender) => sender.probe().await,
            Sender::SyslogStream(sender) => sender.probe().await,
            Sender::SyslogDatagram(sender) => sender.probe().await,
            Sender::Hec(sender) => sender.probe().await,
            Sender::Bulk(sender) => sender.probe().await,
            Sender::Loki(sender) => sender.probe().await,
            Sender::Otlp(sender) => sender.probe().await,
            Sender::Nats(sender) => sender.probe().await,
            Sender::Post(sender) => sender.probe().await,
        }
    }

    /// Looks after the connection while there is nothing to send.
    ///
    /// # Errors
    /// When something sent before must be sent again and cannot be.
    pub async fn idle(&mut self) -> Result<(), SendError> {
        match self {
            Sender::SyslogStream(sender) => sender.idle().await,
            _ => Ok(()),
        }
    }

    /// The last record that is done, where the sender knows better than the cursor.
    pub fn done(&self) -> Option<u64> {
        match self {
            Sender::File(sender) => sender.done(),
            _ => None,
        }
    }

    /// What the receiver's answer means, for `reeve sinks test`.
    pub fn assurance(&self) -> &'static str {
        match self {
            Sender::File(_) => "on disk, synced",
            Sender::Stdout(_) => "written to standard output",
            Sender::Forward(_) => "acknowledged by the forward server",
            Sender::SyslogStream(_) => "taken by the receiver's kernel; syslog has no acknowledgement",
            Sender::SyslogDatagram(_) => "sent; datagrams have no acknowledgement",
            Sender::Hec(sender) => sender.assurance(),
            Sender::Bulk(_) => "created, by the item's status",
            Sender::Loki(_) => "accepted by Loki",
            Sender::Otlp(_) => "accepted by the OTLP receiver",
            Sender::Nats(_) => "stored in a stream, by JetStream's acknowledgement",
            Sender::Post(_) => "accepted, by the HTTP status",
        }
    }
}

/// A connection that does what it must within its time.
async fn within<T>(
    limit: std::time::Duration,
    what: &str,
    work: impl Future<Output = Result<T, SendError>>,
) -> Result<T, SendError> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(SendError::retry(format!(
            "{what} took more than {} s",
            limit.as_secs()
        )))
    })
}
