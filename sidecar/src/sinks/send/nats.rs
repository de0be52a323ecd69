//! NATS JetStream: publications go out with a reply subject each, acknowledgements come back in any order.

use super::connect::{Connection, Dialer};
use super::within;
use crate::sinks::config::SinkConfig;
use crate::sinks::record::Item;
use crate::sinks::secret::Secret;
use crate::sinks::shape::Shape;
use crate::sinks::verdict::{SendError, Verdict};
use crate::sinks::wire::nats::{self, Info, Said};
use serde_json::json;

/// So many wait for their acknowledgement at once.
const WINDOW: usize = 256;

/// The sender.
pub struct Nats {
    dialer: Dialer,
    shape: Shape,
    subject: String,
    user: Option<(String, Secret)>,
    token: Option<Secret>,
    open: Option<Open>,
}

struct Open {
    connection: Connection,
    info: Info,
    inbox: String,
    said: Vec<u8>,
    /// Which exchange this is: a late answer to an earlier one is not taken for this one's.
    round: u64,
}

impl Nats {
    /// For a sink.
    ///
    /// # Errors
    /// When certificates cannot be used.
    pub fn new(config: &SinkConfig) -> Result<Nats, SendError> {
        Ok(Nats {
            dialer: Dialer::new(config)?,
            shape: config.shape,
            subject: config.own.subject.clone(),
            user: config.user.clone().zip(config.password.clone()),
            token: config.token.clone(),
            open: None,
        })
    }

    /// See [`super::Sender::send`].
    pub async fn send(&mut self, items: &[&Item]) -> Result<Vec<Verdict>, SendError> {
        let limit = self.dialer.timeout;
        let mut open = match self.open.take() {
            Some(open) => open,
            None => within(limit, "connecting", self.connect()).await?,
        };
        let mut verdicts = Vec::with_capacity(items.len());
        for window in items.chunks(WINDOW) {
            let publish = open.publish(window, &self.subject, self.shape);
            match within(limit, "the acknowledgement", publish).await {
                Ok(some) => verdicts.extend(some),
                Err(error) if verdicts.is_empty() => return Err(error),
                Err(error) => {
                    verdicts.resize(items.len(), Verdict::Again(error.to_string()));
                    return Ok(verdicts);
                }
            }
        }
        self.open = Some(open);
        Ok(verdicts)
    }

    /// See [`super::Sender::probe`].
    pub async fn probe(&mut self) -> Result<(), SendError> {
        let open = within(self.dialer.timeout, "connecting", self.connect()).await?;
        self.open = Some(open);
        Ok(())
    }

    /// INFO, TLS where the address says so, CONNECT, SUB, and a PING whose PONG says that all was taken.
    async fn connect(&self) -> Result<Open, SendError> {
        let mut plain = self.dialer.dial_plain().await?;
        let info = first_info(&mut plain.stream).await?;
        if info.tls_required && !self.has_tls() {
            return Err(SendError::alarm(
                "the server wants TLS; use the scheme `nats+tls`",
            ));
        }
        if !info.headers {
            return Err(SendError::alarm(
                "the server has no headers, so no JetStream; 2.2 or later is needed",
            ));
        }
        let connection = self.dialer.upgrade(plain).await?;
        let mut random = [0_u8; 12];
        getrandom::fill(&mut random)
            .map_err(|error| SendError::retry(format!("no random bytes: {error}")))?;
        let name = base16ct::lower::encode_string(&random);
        let mut open = Open {
            connection,
            info,
            inbox: format!("_INBOX.{name}"),
            said: Vec::new(),
            round: 0,
        };
        let mut options = json!({"verbose": false, "pedantic": false, "headers": true, "no_responders": true,
            "tls_required": self.has_tls(), "name": "reeved", "lang": "rust", "version": env!("CARGO_PKG_VERSION")});
        if let Some(fields) = options.as_object_mut() {
            if let Some((user, password)) = &self.user {
                fields.insert("user".into(), user.as_str().into());
                fields.insert("pass".into(), password.dangerous_reveal().into());
            }
            if let Some(token) = &self.token {
                fields.insert("auth_token".into(), token.dangerous_reveal().into());
            }
        }
        let hello = format!("CONNECT {options}\r\nSUB {}.> 1\r\nPING\r\n", open.inbox);
        open.connection.write(hello.as_bytes()).await?;
        while open.read().await? != Said::Pong {}
        Ok(open)
    }

    fn has_tls(&self) -> bool {
        self.dialer.has_tls()
    }
}

impl Open {
    /// Publishes a window and takes its acknowledgements.
    async fn publish(
        &mut self,
        items: &[&Item],
        subject: &str,
        shape: Shape,
    ) -> Result<Vec<Verdict>, SendError> {
        self.round = self.round.saturating_add(1);
        let begin = format!("{}.{}.", self.inbox, self.round);
        let mut bytes = Vec::new();
        let mut verdicts: Vec<Option<Verdict>> = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            let before = bytes.len();
            nats::push_publish(&mut bytes, subject, &format!("{begin}{at}"), item, shape);
            if bytes.len().saturating_sub(before) > self.info.max_payload {
                bytes.truncate(before);
                verdicts.push(Some(Verdict::Dead(format!(
                    "larger than the server's max_payload of {} bytes",
                    self.info.max_payload
                ))));
            } else {
                verdicts.push(None);
            }
        }
        self.connection.write(&bytes).await?;
        while verdicts.iter().any(Option::is_none) {
            let Said::Message {
                subject,
                status,
                payload,
            } = self.read().await?
            else {
                continue;
            };
            let number = subject
                .strip_prefix(&begin)
                .and_then(|at| at.parse::<usize>().ok());
            let place = number.and_then(|at| verdicts.get_mut(at));
            if let Some(place) = place {
                *place = Some(nats::judge(&status, &payload).map_err(SendError::alarm)?);
            }
        }
        Ok(verdicts.into_iter().flatten().collect())
    }

    /// The next thing that the server says; its PINGs are answered, its errors are errors.
    async fn read(&mut self) -> Result<Said, SendError> {
        loop {
            match nats::read(&self.said).map_err(SendError::alarm)? {
                Some((used, said)) => {
                    self.said.drain(..used);
                    match said {
                        Said::Ping => self.connection.write(b"PONG\r\n").await?,
                        Said::Error(why) => return Err(refused(&why)),
                        other => return Ok(other),
                    }
                }
                None => self.connection.read(&mut self.said).await?,
            }
        }
    }
}

/// The first line, in the clear and not a byte beyond it: TLS may begin there.
async fn first_info(stream: &mut tokio::net::TcpStream) -> Result<Info, SendError> {
    use tokio::io::AsyncReadExt;
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let byte = stream
            .read_u8()
            .await
            .map_err(|error| SendError::retry(format!("the server said nothing: {error}")))?;
        line.push(byte);
        // Another protocol shows itself at once.
        if line.len() == 5 && !line.eq_ignore_ascii_case(b"INFO ") {
            return Err(SendError::alarm(
                "the receiver does not speak NATS; check the sink's `to`",
            ));
        }
        if line.len() > 64 * 1024 {
            return Err(SendError::alarm(
                "the receiver does not speak NATS; check the sink's `to`",
            ));
        }
    }
    match nats::read(&line).map_err(SendError::alarm)? {
        Some((_, Said::Info(info))) => Ok(info),
        _ => Err(SendError::alarm(
            "the receiver does not speak NATS; check the sink's `to`",
        )),
    }
}

fn refused(why: &str) -> SendError {
    let lower = why.to_ascii_lowercase();
    if lower.contains("authorization") || lower.contains("permissions") || lower.contains("authentication") {
        SendError::alarm(format!(
            "the server refuses us: {why}; check `user`, `password`, `token` and `subject`"
        ))
    } else {
        SendError::retry(format!("the server says: {why}"))
    }
}
