//! Connections: TCP, TLS over TCP, Unix.

use super::tls::{self, Tls};
use crate::sinks::address::{Address, Carrier};
use crate::sinks::config::SinkConfig;
use crate::sinks::sys;
use crate::sinks::verdict::SendError;
use nix::sys::socket::{setsockopt, sockopt};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// For a connection to stand, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// Unacknowledged data ends the connection after so many milliseconds.
const USER_TIMEOUT_MS: u32 = 30_000;

/// For what a receiver has said before it closed.
const LAST_WORD: Duration = Duration::from_millis(100);

/// Bytes in and out.
pub trait Io: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Io for T {}

/// A connection.
pub struct Connection {
    /// Its bytes.
    pub io: Box<dyn Io>,
    /// Its socket, for questions to the kernel.
    pub socket: OwnedFd,
}

/// How to make one.
pub struct Dialer {
    address: Address,
    tls: Option<Tls>,
    /// How long one exchange may take.
    pub timeout: Duration,
}

impl Dialer {
    /// Reads the certificates.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn new(config: &SinkConfig) -> Result<Dialer, SendError> {
        let tls = match config.to.carrier {
            Carrier::Tls => Some(Tls::new(&config.tls, &config.to.host)?),
            Carrier::Local | Carrier::Udp | Carrier::Tcp | Carrier::Unix => None,
        };
        Ok(Dialer {
            address: config.to.clone(),
            tls,
            timeout: config.timeout,
        })
    }

    /// Connects, and does the TLS handshake where there is one.
    ///
    /// # Errors
    /// When nobody is there, or somebody else.
    pub async fn dial(&self) -> Result<Connection, SendError> {
        let connection = async {
            if self.address.carrier == Carrier::Unix {
                return self.dial_unix().await;
            }
            let connection = self.dial_tcp().await?;
            self.upgrade(connection).await
        };
        super::within(CONNECT, "connecting", connection).await
    }

    /// Whether the address asks for TLS.
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Connects without TLS, whatever the address says: for protocols that begin in the clear.
    ///
    /// # Errors
    /// When nobody is there.
    pub async fn dial_plain(&self) -> Result<TcpConnection, SendError> {
        super::within(CONNECT, "connecting", self.dial_tcp()).await
    }

    async fn dial_tcp(&self) -> Result<TcpConnection, SendError> {
        let target = (self.address.host.as_str(), self.address.port);
        let stream = TcpStream::connect(target).await.map_err(|error| {
            SendError::retry(format!("connecting to {}: {error}", self.address.authority()))
        })?;
        let io = |error: std::io::Error| SendError::retry(format!("the socket: {error}"));
        stream.set_nodelay(true).map_err(io)?;
        setsockopt(&stream, sockopt::TcpUserTimeout, &USER_TIMEOUT_MS)
            .map_err(|error| SendError::retry(format!("the socket: {error}")))?;
        let socket = stream.as_fd().try_clone_to_owned().map_err(io)?;
        Ok(TcpConnection { stream, socket })
    }

    /// TLS over a connection, where the address asks for it.
    ///
    /// # Errors
    /// When the receiver's certificate or ours is refused.
    pub async fn upgrade(&self, plain: TcpConnection) -> Result<Connection, SendError> {
        let TcpConnection { stream, socket } = plain;
        let io: Box<dyn Io> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => Box::new(
                tls.connector
                    .connect(tls.name.clone(), stream)
                    .await
                    .map_err(|error| tls::failed(&error))?,
            ),
        };
        Ok(Connection { io, socket })
    }

    async fn dial_unix(&self) -> Result<Connection, SendError> {
        let failed =
            |error: std::io::Error| SendError::retry(format!("connecting to {}: {error}", self.address.path));
        let stream = UnixStream::connect(&self.address.path).await.map_err(failed)?;
        let socket = stream.as_fd().try_clone_to_owned().map_err(failed)?;
        Ok(Connection {
            io: Box::new(stream),
            socket,
        })
    }
}

/// A TCP connection before TLS.
pub struct TcpConnection {
    /// Its bytes.
    pub stream: TcpStream,
    socket: OwnedFd,
}

impl Connection {
    /// Writes everything.
    ///
    /// # Errors
    /// When the connection broke.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        let written = async {
            self.io.write_all(bytes).await?;
            self.io.flush().await
        };
        match written.await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.last_word(&error).await),
        }
    }

    /// Why writing failed: a receiver that refuses us under TLS says so before it closes, and its word is read here.
    async fn last_word(&mut self, error: &std::io::Error) -> SendError {
        let mut byte = [0_u8; 1];
        let said = tokio::time::timeout(LAST_WORD, self.io.read(&mut byte)).await;
        match said {
            Ok(Err(said)) if tls::is_word(&said) => read_or_write(&said, "sending"),
            _ => read_or_write(error, "sending"),
        }
    }

    /// Reads what is there, at least one byte, onto `buffer`.
    ///
    /// # Errors
    /// When the connection broke or ended.
    pub async fn read(&mut self, buffer: &mut Vec<u8>) -> Result<(), SendError> {
        // A receiver that answers twice in a row holds the second answer back until the first is acknowledged, and a
        // kernel that has nothing to send keeps that word for 40 ms.
        sys::acknowledge_now(self.socket.as_fd())
            .map_err(|error| SendError::retry(format!("the socket: {error}")))?;
        match self.io.read_buf(buffer).await {
            Ok(0) => Err(SendError::retry("the receiver closed the connection")),
            Ok(_) => Ok(()),
            Err(error) => Err(read_or_write(&error, "receiving")),
        }
    }

    /// Why the receiver has ended it, if it has. What it says where nothing is expected is not listened to.
    pub async fn ended(&mut self) -> Option<SendError> {
        let mut byte = [0_u8; 1];
        tokio::select! {
            biased;
            read = self.io.read(&mut byte) => match read {
                Ok(0) => Some(SendError::retry("the receiver closed the connection")),
                Ok(_) => None,
                Err(error) => Some(read_or_write(&error, "receiving")),
            },
            () = std::future::ready(()) => None,
        }
    }
}

/// TLS refuses late: a client certificate is judged after our side of the handshake is done.
fn read_or_write(error: &std::io::Error, doing: &str) -> SendError {
    match tls::failed(error) {
        alarm @ SendError::Alarm { .. } => alarm,
        _ => SendError::retry(format!("{doing}: {error}")),
    }
}
