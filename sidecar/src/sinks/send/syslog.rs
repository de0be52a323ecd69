//! Syslog over TCP, TLS, UDP and Unix datagrams.
//!
//! Syslog has no acknowledgement. A stream's batch counts as delivered when the receiver's kernel has acknowledged every
//! byte (`SIOCOUTQ` is 0) and the connection still stands; what was in flight when it broke is covered by sending the
//! last messages again on the next connection. The receiver finds repeats by `id`.

use super::connect::{Connection, Dialer};
use super::within;
use crate::sinks::address::{Address, Carrier};
use crate::sinks::config::SinkConfig;
use crate::sinks::record::Item;
use crate::sinks::shape::Shape;
use crate::sinks::sys;
use crate::sinks::verdict::{SendError, Verdict, all_done};
use crate::sinks::wire::syslog::{self, Options};
use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::time::Duration;
use tokio::net::{UdpSocket, UnixDatagram};

/// Between two questions to the kernel.
const ASK: Duration = Duration::from_millis(1);
/// The most bytes that are kept for sending again.
const MAX_RECENT: usize = 8 << 20;
/// The most bytes of one datagram.
const MAX_DATAGRAM: usize = 65_000;

/// Over TCP or TLS.
pub struct Stream {
    dialer: Dialer,
    shape: Shape,
    options: Options,
    connection: Option<Connection>,
    /// The last messages, framed: they may have been in the receiver's hands when it died.
    recent: VecDeque<Vec<u8>>,
    recent_bytes: usize,
    resend: usize,
}

impl Stream {
    /// For a sink.
    ///
    /// # Errors
    /// When certificates cannot be used.
    pub fn new(config: &SinkConfig) -> Result<Stream, SendError> {
        Ok(Stream {
            dialer: Dialer::new(config)?,
            shape: config.shape,
            options: config.own.syslog.clone(),
            connection: None,
            recent: VecDeque::new(),
            recent_bytes: 0,
            resend: config.own.resend,
        })
    }

    /// See [`super::Sender::send`].
    pub async fn send(&mut self, items: &[&Item]) -> Result<Vec<Verdict>, SendError> {
        let mut frames = Vec::with_capacity(items.len());
        for item in items {
            let mut frame = Vec::new();
            let message = syslog::message(item, self.shape, &self.options);
            syslog::push_frame(&mut frame, &message, self.options.framing);
            frames.push(frame);
        }
        let mut connection = self.ready().await?;
        deliver(&mut connection, &frames.concat(), self.dialer.timeout).await?;
        self.connection = Some(connection);
        frames.into_iter().for_each(|frame| self.remember(frame));
        Ok(all_done(items.len()))
    }

    /// See [`super::Sender::probe`].
    pub async fn probe(&mut self) -> Result<(), SendError> {
        let connection = self.ready().await?;
        self.connection = Some(connection);
        Ok(())
    }

    /// A receiver that died after the last batch gets its end again, also when nothing new is there to be sent.
    pub async fn idle(&mut self) -> Result<(), SendError> {
        if self.recent.is_empty() {
            return Ok(());
        }
        self.probe().await
    }

    /// The connection, if it still stands; otherwise a new one, on which the last messages have been sent again.
    async fn ready(&mut self) -> Result<Connection, SendError> {
        if let Some(mut connection) = self.connection.take()
            && connection.ended().await.is_none()
        {
            return Ok(connection);
        }
        let mut connection = self.dialer.dial().await?;
        if !self.recent.is_empty() {
            let bytes: Vec<u8> = self.recent.iter().flatten().copied().collect();
            deliver(&mut connection, &bytes, self.dialer.timeout).await?;
        }
        Ok(connection)
    }

    fn remember(&mut self, frame: Vec<u8>) {
        self.recent_bytes = self.recent_bytes.saturating_add(frame.len());
        self.recent.push_back(frame);
        while self.recent.len() > self.resend || self.recent_bytes > MAX_RECENT {
            let Some(old) = self.recent.pop_front() else { break };
            self.recent_bytes = self.recent_bytes.saturating_sub(old.len());
        }
    }
}

/// Writes, and waits until the receiver's kernel has all of it.
async fn deliver(connection: &mut Connection, bytes: &[u8], limit: Duration) -> Result<(), SendError> {
    let work = async {
        connection.write(bytes).await?;
        loop {
            if let Some(why) = connection.ended().await {
                return Err(why);
            }
            let left = sys::unacknowledged(connection.socket.as_fd())
                .map_err(|error| SendError::retry(format!("the socket: {error}")))?;
            if left == 0 {
                return Ok(());
            }
            tokio::time::sleep(ASK).await;
        }
    };
    within(limit, "sending", work).await
}

/// Over UDP, or a Unix datagram socket such as `/dev/log`.
pub struct Datagrams {
    to: Address,
    shape: Shape,
    options: Options,
    timeout: Duration,
    socket: Option<Socket>,
}

enum Socket {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl Datagrams {
    /// For a sink.
    pub fn new(config: &SinkConfig) -> Datagrams {
        Datagrams {
            to: config.to.clone(),
            shape: config.shape,
            options: config.own.syslog.clone(),
            timeout: config.timeout,
            socket: None,
        }
    }

    /// See [`super::Sender::send`].
    pub async fn send(&mut self, items: &[&Item]) -> Result<Vec<Verdict>, SendError> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => self.connect().await?,
        };
        let mut verdicts = Vec::with_capacity(items.len());
        for item in items {
            let message = syslog::message(item, self.shape, &self.options);
            if message.len() > MAX_DATAGRAM {
                verdicts.push(Verdict::Dead(format!(
                    "{} bytes are more than a datagram holds; use syslog+tcp or syslog+tls",
                    message.len()
                )));
                continue;
            }
            let sent = async {
                let count = match &socket {
                    Socket::Udp(socket) => socket.send(message.as_bytes()).await,
                    Socket::Unix(socket) => socket.send(message.as_bytes()).await,
                };
                count.map_err(|error| SendError::retry(format!("sending: {error}")))
            };
            match within(self.timeout, "sending", sent).await {
                Ok(_) => verdicts.push(Verdict::Done),
                Err(error) if verdicts.is_empty() => return Err(error),
                Err(error) => {
                    verdicts.resize(items.len(), Verdict::Again(error.to_string()));
                    return Ok(verdicts);
                }
            }
        }
        self.socket = Some(socket);
        Ok(verdicts)
    }

    /// See [`super::Sender::probe`].
    pub async fn probe(&mut self) -> Result<(), SendError> {
        self.socket = Some(self.connect().await?);
        Ok(())
    }

    async fn connect(&self) -> Result<Socket, SendError> {
        let failed =
            |error: std::io::Error| SendError::retry(format!("connecting to {}: {error}", self.to.text));
        if self.to.carrier == Carrier::Unix {
            let socket = UnixDatagram::unbound().map_err(failed)?;
            socket.connect(&self.to.path).map_err(failed)?;
            return Ok(Socket::Unix(socket));
        }
        let target = tokio::net::lookup_host((self.to.host.as_str(), self.to.port))
            .await
            .map_err(failed)?
            .next()
            .ok_or_else(|| SendError::retry(format!("{} has no address", self.to.host)))?;
        let any = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).await.map_err(failed)?;
        socket.connect(target).await.map_err(failed)?;
        Ok(Socket::Udp(socket))
    }
}
