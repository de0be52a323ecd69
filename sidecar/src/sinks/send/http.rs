//! HTTP/1.1 over one kept connection: POST a body, get an answer of bounded size.

use super::connect::{Connection, Dialer};
use super::within;
use crate::sinks::config::SinkConfig;
use crate::sinks::verdict::SendError;
use crate::sinks::wire::http_status::Answer;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use std::io::Write;

/// A shorter body is not compressed.
const WORTH_IT: usize = 512;
/// The longest answer that is read.
const MAX_ANSWER: usize = 8 << 20;

/// A client of one receiver.
pub struct Http {
    dialer: Dialer,
    host: String,
    /// The path that stands before every request's.
    base: String,
    authorization: Option<HeaderValue>,
    gzip: bool,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// A request.
pub struct Ask<'a> {
    /// Usually POST.
    pub method: Method,
    /// Below the address's path.
    pub path: &'a str,
    /// `application/json` …
    pub content_type: &'static str,
    /// Others.
    pub headers: Vec<(&'static str, String)>,
    /// What.
    pub body: Vec<u8>,
}

impl<'a> Ask<'a> {
    /// A POST.
    pub fn post(path: &'a str, content_type: &'static str, body: Vec<u8>) -> Ask<'a> {
        Ask {
            method: Method::POST,
            path,
            content_type,
            headers: Vec::new(),
            body,
        }
    }

    /// A GET.
    pub fn get(path: &'a str) -> Ask<'a> {
        Ask {
            method: Method::GET,
            path,
            content_type: "application/json",
            headers: Vec::new(),
            body: Vec::new(),
        }
    }
}

impl Http {
    /// For a sink; `scheme` is the word before its token: `Bearer`, `Splunk`.
    ///
    /// # Errors
    /// When certificates or secrets cannot be used.
    pub fn new(config: &SinkConfig, scheme: &str) -> Result<Http, SendError> {
        let basic = |user: &String| {
            let password = config
                .password
                .as_ref()
                .map_or("", |password| password.dangerous_reveal());
            format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
        };
        let token = config.token.as_ref();
        let text = token
            .map(|token| format!("{scheme} {}", token.dangerous_reveal()))
            .or_else(|| config.user.as_ref().map(basic));
        let authorization = match text {
            Some(text) => {
                let mut value = HeaderValue::from_str(&text)
                    .map_err(|_| SendError::alarm("the token has characters that no header can carry"))?;
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        Ok(Http {
            dialer: Dialer::new(config)?,
            host: config.to.authority(),
            base: config.to.path.trim_end_matches('/').to_owned(),
            authorization,
            gzip: config.gzip,
            sender: None,
        })
    }

    /// One exchange, within the sink's timeout.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ask(&mut self, ask: Ask<'_>) -> Result<Answer, SendError> {
        let limit = self.dialer.timeout;
        let answer = within(limit, "the receiver's answer", self.exchange(ask)).await;
        if answer.is_err() {
            self.sender = None; // what is on that connection is not known any more
        }
        answer
    }

    /// Whether somebody is there, speaking TLS where it should be.
    ///
    /// # Errors
    /// When not.
    pub async fn connect(&mut self) -> Result<(), SendError> {
        self.sender().await.map(drop)
    }

    async fn exchange(&mut self, ask: Ask<'_>) -> Result<Answer, SendError> {
        let request = self.request(ask)?;
        let sender = self.sender().await?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| broken(&error))?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse().ok());
        let body = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await
            .map_err(|error| SendError::retry(format!("the answer's body: {error}")))?
            .to_bytes()
            .to_vec();
        Ok(Answer {
            status,
            retry_after,
            body,
        })
    }

    fn request(&self, ask: Ask<'_>) -> Result<Request<Full<Bytes>>, SendError> {
        let path = format!("{}{}", self.base, ask.path);
        let path = if path.is_empty() { "/" } else { &path };
        let mut builder = Request::builder()
            .method(ask.method)
            .uri(path)
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, ask.content_type)
            .header(USER_AGENT, concat!("reeved/", env!("CARGO_PKG_VERSION")));
        if let Some(value) = &self.authorization {
            builder = builder.header(AUTHORIZATION, value);
        }
        for (name, value) in ask.headers {
            builder = builder.header(name, value);
        }
        let mut body = ask.body;
        if self.gzip && body.len() >= WORTH_IT {
            body = gzip(&body).map_err(|error| SendError::retry(format!("gzip: {error}")))?;
            builder = builder.header(CONTENT_ENCODING, "gzip");
        }
        builder.body(Full::new(Bytes::from(body))).map_err(|error| {
            SendError::alarm(format!("no request can be made of this configuration: {error}"))
        })
    }

    /// The kept connection, or a new one.
    async fn sender(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, SendError> {
        let is_good = match &mut self.sender {
            Some(sender) => !sender.is_closed() && sender.ready().await.is_ok(),
            None => false,
        };
        if !is_good {
            self.sender = None;
            let Connection { io, .. } = self.dialer.dial().await?;
            let (sender, driver) = http1::handshake(TokioIo::new(io))
                .await
                .map_err(|error| broken(&error))?;
            // It ends with the connection, which ends with the sender.
            tokio::spawn(async move {
                if let Err(error) = driver.await {
                    tracing::debug!(%error, "an http connection to a sink ended badly");
                }
            });
            self.sender = Some(sender);
        }
        self.sender
            .as_mut()
            .ok_or_else(|| SendError::retry("there is no connection"))
    }
}

/// The fastest level: records repeat themselves so much that others gain little.
fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let buffer = Vec::with_capacity(bytes.len() / 4);
    let mut encoder = GzEncoder::new(buffer, Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn broken(error: &hyper::Error) -> SendError {
    if error.is_parse() {
        return SendError::alarm("the receiver does not speak HTTP/1.1; check the sink's `to`");
    }
    let cause = std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"));
    SendError::retry(format!("http: {error}{cause}"))
}
