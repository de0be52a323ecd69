//! When to stop: SIGTERM, SIGINT, SIGHUP, or the end of standard input.

use crate::exit::{Exit, Failure};
use std::io::Read;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Becomes true once.
#[derive(Debug, Clone)]
pub struct Stop {
    told: watch::Receiver<bool>,
}

impl Stop {
    /// Listens for every way to be stopped.
    pub fn listen(until_stdin_closes: bool) -> Result<Stop, Failure> {
        let (tell, told) = watch::channel(false);
        let failed =
            |error: std::io::Error| Failure::new(Exit::Os, format!("cannot listen for signals: {error}"));
        // Beyond a file size limit a write must be an error that is answered, not our death.
        drop(signal(SignalKind::from_raw(nix::libc::SIGXFSZ)).map_err(failed)?);
        for kind in [
            SignalKind::terminate(),
            SignalKind::interrupt(),
            SignalKind::hangup(),
        ] {
            let mut signals = signal(kind).map_err(failed)?;
            let tell = tell.clone();
            tokio::spawn(async move {
                signals.recv().await;
                tell.send_replace(true);
            });
        }
        if until_stdin_closes {
            std::thread::Builder::new()
                .name("stdin".to_owned())
                .spawn(move || {
                    let mut sink = [0_u8; 64];
                    while matches!(std::io::stdin().read(&mut sink), Ok(count) if count > 0) {}
                    tell.send_replace(true);
                })
                .map_err(failed)?;
        }
        Ok(Stop { told })
    }

    /// Whether it is time.
    pub fn is_stopping(&self) -> bool {
        *self.told.borrow()
    }

    /// Returns when it is time.
    pub async fn wait(&mut self) {
        // An error means that nobody can tell us any more, which is the same.
        let _told = self.told.wait_for(|told| *told).await.is_ok();
    }
}
