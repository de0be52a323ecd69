//! Taking in what gates have recorded while there was no sidecar: a few lines at a time, between requests.

use super::super::disk::Stage;
use super::super::file::Directory;
use super::super::spool::{self, Spool, Spooled};
use super::super::store::Item;
use super::{Content, Desk, Origin, Submission};
use crate::connection::{self, Refusal};
use audit_event::chain::{Kind, Peer};
use audit_event::{ErrorCode, Response};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::time::Duration;
use tokio::sync::oneshot;

/// So many lines of a spool are taken in between two looks at the socket.
const SPOOL_BATCH: usize = 64;
/// How long a spool waits whose user has sent enough for now.
pub(super) const HELD: Duration = Duration::from_millis(50);
/// So many bytes of what was not recorded are kept for each user.
const MAX_KEPT: u64 = 64 << 20;
/// So many reasons are kept in one GAP.
const MAX_FAULTS: usize = 100;

/// A spool that is being taken in.
pub(super) struct Intake {
    spool: Spool,
    /// Why lines were refused, the first of them.
    faults: Vec<String>,
    refused: Refused,
    /// Its user has sent enough for now.
    is_held: bool,
}

/// The lines that were refused, as the gate wrote them.
#[derive(Default)]
struct Refused {
    lines: u64,
    bytes: Vec<u8>,
}

impl Intake {
    fn refuse(&mut self, line: &Spooled, message: &str) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(connection::short(message));
        }
        self.refused.lines = self.refused.lines.saturating_add(1);
        self.refused.bytes.extend_from_slice(line.data.as_bytes());
        self.refused.bytes.push(b'\n');
    }
}

/// What a step with the spools came to.
pub(super) enum Progress {
    /// There may be more to do at once.
    Goes,
    /// There is more to do in a while.
    Waits,
    /// There is nothing to do before the next tick.
    Idle,
}

impl Desk {
    /// Finds what gates have recorded while there was no sidecar, when all that was found before is taken in.
    pub(super) fn find_spools(&mut self) {
        let Some(directory) = self.spool.clone().filter(|_| self.waiting.is_empty()) else {
            return;
        };
        match spool::find(&directory) {
            Ok(paths) => self.waiting.extend(paths),
            Err(error) => {
                tracing::error!(%error, directory = %directory.display(), "spools cannot be found");
            }
        }
    }

    /// One step of taking in spools: so few lines that whoever asks by the socket meanwhile hardly waits, and no more than
    /// their user may send.
    pub(super) fn drain(&mut self) -> Progress {
        if self.stage >= Stage::Hold {
            return Progress::Idle;
        }
        let Some(mut intake) = self.intake.take().or_else(|| self.next_intake()) else {
            return Progress::Idle;
        };
        let done = match self.take_in(&mut intake) {
            Ok(_) if !intake.spool.lines.is_empty() => {
                let is_held = intake.is_held;
                self.intake = Some(intake);
                return if is_held { Progress::Waits } else { Progress::Goes };
            }
            Ok(()) => self.finish_spool(intake),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            tracing::error!(error, "a spool cannot be taken in; it is tried again");
            self.waiting.clear(); // not before the next tick
            return Progress::Idle;
        }
        Progress::Goes
    }

    /// The next spool that has something new.
    fn next_intake(&mut self) -> Option<Intake> {
        while let Some(path) = self.waiting.pop_front() {
            match Spool::take(&path) {
                Ok(Some(spool)) => {
                    // A damaged one is another each time, whatever its first lines are.
                    let is_known = spool.damage.is_none()
                        && self
                            .spools
                            .get(&spool.uid.to_string())
                            .is_some_and(|(_, head)| *head == spool.head);
                    if !is_known {
                        return Some(Intake {
                            spool,
                            faults: Vec::new(),
                            refused: Refused::default(),
                            is_held: false,
                        });
                    }
                    if let Err(error) = spool.empty() {
                        tracing::error!(%error, spool = %path.display(), "a spool cannot be emptied");
                    }
                }
                Ok(None) => {}
                Err(error) => self.leave_alone(&path, &error),
            }
        }
        None
    }

    /// A spool that cannot be taken: a GAP says so once, the log each time.
    fn leave_alone(&mut self, path: &Path, error: &std::io::Error) {
        tracing::error!(%error, spool = %path.display(), "a spool cannot be taken in; it is tried again");
        let is_new = error.kind() == std::io::ErrorKind::FileTooLarge && !self.too_long.contains(path);
        if is_new {
            let name = path
                .file_stem()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let gap = serde_json::json!({ "spool": name, "not_recorded": [error.to_string()] });
            if self.commit(&[Item::own(Kind::Gap, &gap)]).is_ok() {
                self.too_long.insert(path.to_owned());
            }
        }
    }

    /// Some lines of a spool, in order. What the socket would have refused is refused here, noted and kept.
    fn take_in(&mut self, intake: &mut Intake) -> Result<(), String> {
        let mut batch = Vec::new();
        let mut answers = Vec::new();
        intake.is_held = false;
        for _ in 0..SPOOL_BATCH {
            if intake.spool.lines.is_empty() {
                break;
            }
            if !self.shared.rate.admits_spare(intake.spool.uid) {
                intake.is_held = true;
                break;
            }
            let Some(line) = intake.spool.lines.pop_front() else {
                break;
            };
            match self.submission(&intake.spool, &line) {
                Ok((submission, answer)) => {
                    batch.push(submission);
                    answers.push((answer, line));
                }
                Err((_, message)) => intake.refuse(&line, &message),
            }
        }
        self.settle(batch);
        self.flush_events();
        for (mut answer, line) in answers {
            match answer.try_recv() {
                Ok(Response::Error {
                    code: ErrorCode::BadRequest,
                    message,
                }) => intake.refuse(&line, &message),
                Ok(Response::Error { message, .. }) => return Err(message),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    fn submission(
        &self,
        spool: &Spool,
        line: &Spooled,
    ) -> Result<(Submission, oneshot::Receiver<Response>), Refusal> {
        let peer = Peer {
            uid: spool.uid,
            gid: spool.gid,
            pid: 0,
        };
        let pin = self.shared.pins.of(spool.uid);
        let pin = pin.ok_or_else(|| {
            (
                ErrorCode::Identity,
                format!("user {} has no identity here", spool.uid),
            )
        })?;
        connection::check_line(&line.data)?;
        let content = match line.kind {
            Kind::Event => Content::Decision(Box::new(connection::decision(&line.data, peer, &self.shared)?)),
            Kind::Exit => Content::Outcome(connection::outcome(&line.data)?),
            other => {
                return Err((
                    ErrorCode::BadRequest,
                    format!("a gate writes no {}", other.name()),
                ));
            }
        };
        let (answer, answered) = oneshot::channel();
        let submission = Submission {
            peer,
            pin: pin.clone(),
            raw: line.data.clone(),
            content,
            origin: Origin::Spool,
            answer,
        };
        Ok((submission, answered))
    }

    /// SPOOL, and GAP when something could not be taken in; what is damaged or refused is kept beside the ledger first.
    fn finish_spool(&mut self, intake: Intake) -> Result<(), String> {
        let Intake {
            spool,
            mut faults,
            refused,
            ..
        } = intake;
        let name = spool.uid.to_string();
        let mut gap = serde_json::Map::new();
        if let Some((why, rest)) = &spool.damage {
            let kept = self.keep(&name, "damaged", rest)?;
            faults.insert(
                0,
                connection::short(&format!("{why}; what follows is damaged: {} bytes", rest.len())),
            );
            gap.insert("damaged".to_owned(), kept);
        }
        if refused.lines > 0 {
            let mut kept = self.keep(&name, "refused", &refused.bytes)?;
            if let Some(kept) = kept.as_object_mut() {
                kept.insert("lines".to_owned(), refused.lines.into());
            }
            gap.insert("refused".to_owned(), kept);
        }
        let taken =
            serde_json::json!({ "spool": name, "last": self.store.cursor().next, "head": spool.head });
        let mut items = vec![Item::own(Kind::Spool, &taken)];
        if !gap.is_empty() {
            gap.insert("spool".to_owned(), name.clone().into());
            gap.insert("not_recorded".to_owned(), faults.into());
            items.push(Item::own(Kind::Gap, &serde_json::Value::Object(gap)));
        }
        self.commit(&items).map_err(|error| error.to_string())?;
        self.spools
            .insert(name.clone(), (self.store.cursor().next, spool.head.clone()));
        tracing::info!(spool = name, refused = refused.lines, "a spool was taken in");
        spool.empty().map_err(|error| error.to_string())
    }

    /// Keeps what was not recorded in a file beside the ledger, durable before the spool is emptied; says which, how long it
    /// is, and its SHA-256. Beyond a user's budget only the latter are kept.
    fn keep(&self, name: &str, what: &str, bytes: &[u8]) -> Result<serde_json::Value, String> {
        let sha256 = base16ct::lower::encode_string(&Sha256::digest(bytes));
        let used = kept_bytes(&self.directory, &format!("spool-{name}-"))
            .map_err(|error| format!("{}: {error}", self.directory.display()))?;
        if used.saturating_add(bytes.len() as u64) > MAX_KEPT {
            tracing::error!(
                spool = name,
                used,
                "what was not recorded is not kept: remove the files spool-NAME-*"
            );
            return Ok(serde_json::json!({ "bytes": bytes.len(), "sha256": sha256, "file": null }));
        }
        let file = format!("spool-{name}-{what}-{}", self.store.cursor().next);
        Directory(self.directory.clone())
            .replace(&file, bytes, 0o640)
            .map_err(|error| format!("{}: {error}", self.directory.join(&file).display()))?;
        Ok(serde_json::json!({ "bytes": bytes.len(), "sha256": sha256, "file": file }))
    }
}

/// How long the files are whose names begin so.
fn kept_bytes(directory: &Path, prefix: &str) -> std::io::Result<u64> {
    let mut sum = 0_u64;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(prefix))
        {
            sum = sum.saturating_add(entry.metadata()?.len());
        }
    }
    Ok(sum)
}
