//! What an HTTP status means when the protocol has nothing to add.

use crate::sinks::verdict::{SendError, Verdict, all_done};
use std::time::Duration;

/// The most of an answer that is repeated, in characters.
const SHOWN: usize = 200;
/// The longest wait that a receiver may ask for.
const MAX_AFTER: Duration = Duration::from_secs(300);

/// An answer: status, `Retry-After` in seconds, body (bounded by the transport).
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// 200 …
    pub status: u16,
    /// `Retry-After`, when it was a number.
    pub retry_after: Option<u64>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// For people: status and the beginning of the body, on one line.
    pub fn shown(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let line: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(SHOWN)
            .collect();
        format!("HTTP {} {line}", self.status).trim_end().to_owned()
    }

    /// The wait that was asked for.
    pub fn after(&self) -> Option<Duration> {
        self.retry_after
            .map(|seconds| Duration::from_secs(seconds).min(MAX_AFTER))
    }

    /// Try later, as the answer asks.
    pub fn retry(&self) -> SendError {
        SendError::Retry {
            why: self.shown(),
            after: self.after(),
        }
    }
}

/// 2xx has all; 408, 429 and 5xx come again; credentials and addresses need a person; anything else is isolated.
pub fn judge(answer: &Answer, count: usize) -> Result<Vec<Verdict>, SendError> {
    match answer.status {
        200..=299 => Ok(all_done(count)),
        408 | 425 | 429 | 500..=599 => Err(answer.retry()),
        401 | 403 => Err(SendError::alarm(format!(
            "the receiver refuses our credentials: {}; check the sink's secrets",
            answer.shown()
        ))),
        300..=399 | 404 | 405 | 410 | 415 => Err(SendError::alarm(format!(
            "this is not the endpoint that the scheme says: {}; check the sink's `to`",
            answer.shown()
        ))),
        400 | 402..=499 => Err(SendError::Halve { why: answer.shown() }),
        _ => Err(SendError::retry(format!("not an HTTP status: {}", answer.status))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_meaning() {
        let of = |status| {
            judge(
                &Answer {
                    status,
                    ..Answer::default()
                },
                2,
            )
        };
        assert_eq!(of(204), Ok(all_done(2)));
        for status in [408, 429, 500, 503, 0, 999] {
            assert!(matches!(of(status), Err(SendError::Retry { .. })), "{status}");
        }
        for status in [301, 401, 403, 404] {
            assert!(matches!(of(status), Err(SendError::Alarm { .. })), "{status}");
        }
        for status in [400, 413, 422] {
            assert!(matches!(of(status), Err(SendError::Halve { .. })), "{status}");
        }
    }

    #[test]
    fn a_wait_is_bounded_and_a_body_is_cut() {
        let answer = Answer {
            status: 503,
            retry_after: Some(9_999_999),
            body: vec![b'x'; 5000],
        };
        assert_eq!(answer.after(), Some(MAX_AFTER));
        assert!(answer.shown().len() < 300);
    }
}
