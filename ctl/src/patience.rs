//! The patience of a person, who waits until a deadline, or presses Ctrl-C or closes the terminal.
//!
//! One task listens for SIGINT, SIGTERM, SIGQUIT and SIGHUP as long as the program runs. Whatever waits, waits through
//! [`Patience::bound`], which ends with the reason.
//!
//! # Invariants
//! - Work that [`Patience::bound`] ends is dropped at once.
//! - A signal ends the work begun before it. [`Patience::renewed`] resets that.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use node_base::platform::process;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use crate::error::CtlError;

/// Waits for a signal, for ever if it is not listened for.
async fn recv(signal: &mut Option<Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
}

/// A deadline and an ear for signals. Clones share both.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    deadline: Option<(Instant, Duration)>,
    signals: watch::Receiver<u64>,
    seen: u64, // signals that came before this began
}

impl Patience {
    /// Begins to listen for signals. Needs to run inside a runtime.
    pub(crate) fn listen(timeout: Option<Duration>) -> std::io::Result<Patience> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut quit = signal(SignalKind::quit())?;
        // A terminal that is closed ends the work; `nohup` says that it does not.
        let mut hangup = (!process::ignores_hangup())
            .then(|| signal(SignalKind::hangup()))
            .transpose()?;
        let (count, signals) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = quit.recv() => {}
                    Some(_) = recv(&mut hangup) => {}
                }
                count.send_modify(|count| *count += 1);
            }
        });
        Ok(Patience::new(signals).with_timeout(timeout))
    }

    /// Creates a patience that ends when the count of signals grows.
    pub(crate) fn new(signals: watch::Receiver<u64>) -> Patience {
        let seen = *signals.borrow();
        Patience {
            deadline: None,
            signals,
            seen,
        }
    }

    /// Returns the same patience, with a deadline from now on if it is sooner than the one there is.
    pub(crate) fn with_timeout(mut self, timeout: Option<Duration>) -> Patience {
        let new = timeout.map(|timeout| (Instant::now() + timeout, timeout));
        self.deadline = [self.deadline, new].into_iter().flatten().min();
        self
    }

    /// Returns the same patience after the signals so far were dealt with, its time starting now.
    pub(crate) fn renewed(&self) -> Patience {
        let timeout = self.deadline.map(|(_, timeout)| timeout);
        Patience::new(self.signals.clone()).with_timeout(timeout)
    }

    /// Waits for `work`, but no longer than patience lasts.
    pub(crate) async fn bound<T>(
        &self,
        work: impl Future<Output = Result<T, CtlError>>,
    ) -> Result<T, CtlError> {
        tokio::select! {
            biased;
            stop = self.end() => Err(stop),
            done = work => done,
        }
    }

    /// Returns the reason why nothing may go on, if patience has ended.
    pub(crate) fn check(&self) -> Result<(), CtlError> {
        if *self.signals.borrow() != self.seen {
            return Err(CtlError::Interrupted);
        }
        match self.deadline {
            Some((end, timeout)) if Instant::now() >= end => Err(CtlError::Deadline(timeout)),
            _ => Ok(()),
        }
    }

    /// Waits for the end of patience.
    async fn end(&self) -> CtlError {
        let mut signals = self.signals.clone();
        let seen = self.seen;
        let signalled = async move {
            if signals.wait_for(|count| *count != seen).await.is_err() {
                std::future::pending::<()>().await; // nobody listens any more
            }
        };
        tokio::select! {
            () = signalled => CtlError::Interrupted,
            timeout = self.deadline_passed() => CtlError::Deadline(timeout),
        }
    }

    async fn deadline_passed(&self) -> Duration {
        match self.deadline {
            Some((end, timeout)) => {
                tokio::time::sleep_until(end.into()).await;
                timeout
            }
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn forever() -> Result<(), CtlError> {
        std::future::pending().await
    }

    #[tokio::test]
    async fn a_deadline_ends_the_wait() {
        let (_count, signals) = watch::channel(0);
        let patience = Patience::new(signals).with_timeout(Some(Duration::from_millis(5)));
        assert!(matches!(
            patience.bound(forever()).await,
            Err(CtlError::Deadline(_))
        ));
        assert!(matches!(patience.check(), Err(CtlError::Deadline(_))));
    }

    #[tokio::test]
    async fn a_signal_ends_the_wait_and_not_the_next() {
        let (count, signals) = watch::channel(0);
        let patience = Patience::new(signals);
        count.send_modify(|count| *count += 1);
        assert!(matches!(
            patience.bound(forever()).await,
            Err(CtlError::Interrupted)
        ));
        let done = patience.renewed().bound(async { Ok(7) }).await;
        assert_eq!(done.unwrap(), 7);
    }

    #[test]
    fn the_sooner_deadline_wins() {
        let (_count, signals) = watch::channel(0);
        let patience = Patience::new(signals)
            .with_timeout(Some(Duration::from_secs(5)))
            .with_timeout(Some(Duration::from_secs(50)))
            .with_timeout(None);
        assert_eq!(
            patience.deadline.map(|(_, timeout)| timeout),
            Some(Duration::from_secs(5))
        );
    }
}
