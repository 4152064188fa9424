//! Threads for work that may take long or waits for somebody else.
//!
//! [`Threads`] starts a named thread for each job, a bounded number at a time. Scans, hashing, answers of handlers,
//! scripts and programs, and lookups of names run here, so that none of them takes a place of [`Disk`](crate::disk::Disk).
//!
//! # Invariants
//! - At most as many threads run as there are places. A place is taken until its thread has ended, whether its caller
//!   still waits or not.
//! - Each kind of work has threads of its own: one kind that is full holds up no other.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::Builder,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Threads for one kind of work. Clones share their places.
#[derive(Clone, Debug)]
pub struct Threads {
    name: &'static str,
    places: Arc<Semaphore>,
}

/// The right to run one thread. It is taken until the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Place {
    name: &'static str,
    _permit: Arc<OwnedSemaphorePermit>,
}

/// The reason why a job has no result.
#[derive(Debug, thiserror::Error)]
pub enum ThreadError {
    /// The job panicked.
    #[error("the thread `{0}` panicked; this is a bug, please report it")]
    Panicked(&'static str),
    /// The system gave no thread.
    #[error(
        "the system starts no thread `{name}`: {error}; raise the limit of tasks of this process"
    )]
    NotStarted {
        /// The kind of work.
        name: &'static str,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
}

impl Threads {
    /// Creates places for at most `limit` threads called `name`, and at least one.
    #[must_use]
    pub fn new(name: &'static str, limit: usize) -> Threads {
        Threads {
            name,
            places: Arc::new(Semaphore::new(limit.clamp(1, Semaphore::MAX_PERMITS))),
        }
    }

    /// Waits for a place.
    pub async fn place(&self) -> Place {
        let permit = Arc::clone(&self.places).acquire_owned().await;
        self.taken(permit.expect("the semaphore of places is never closed"))
    }

    /// Returns a place if one is free.
    #[must_use]
    pub fn try_place(&self) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(self.taken(permit))
    }

    fn taken(&self, permit: OwnedSemaphorePermit) -> Place {
        Place {
            name: self.name,
            _permit: Arc::new(permit),
        }
    }

    /// Waits for a place, and runs a job on a thread. The job runs to its end, even if nobody waits for it any more.
    ///
    /// # Errors
    /// [`ThreadError`] if the job panicked, or if the system gave no thread.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ThreadError> {
        let (sender, result) = oneshot::channel();
        self.place().await.spawn(move || {
            // Nobody may wait for it any more.
            let _ = sender.send(job());
        })?;
        result.await.map_err(|_| ThreadError::Panicked(self.name))
    }
}

impl Place {
    /// Runs a job on a thread that keeps the place until it has ended.
    ///
    /// # Errors
    /// [`ThreadError::NotStarted`] if the system gave no thread.
    pub fn spawn(self, job: impl FnOnce() + Send + 'static) -> Result<(), ThreadError> {
        let name = self.name;
        let started = Builder::new().name(name.to_owned()).spawn(move || {
            let _place = self;
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!(thread = name, "a thread panicked");
            }
        });
        started
            .map(drop)
            .map_err(|error| ThreadError::NotStarted { name, error })
    }
}

impl From<ThreadError> for io::Error {
    fn from(error: ThreadError) -> io::Error {
        io::Error::other(error)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use tokio::time::timeout;

    use super::*;

    /// Longer than a thread takes to end.
    const SOON: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn job_runs_on_a_thread_of_that_name() {
        let name = Threads::new("scan", 1)
            .run(|| std::thread::current().name().map(str::to_owned))
            .await;
        assert_eq!(name.unwrap().as_deref(), Some("scan"));
    }

    #[tokio::test]
    async fn job_that_panics_is_an_error_and_frees_its_place() {
        let threads = Threads::new("broken", 1);
        for _ in 0..2 {
            let ended = timeout(
                SOON,
                threads.run(|| -> u8 { panic!("as the test wants it") }),
            );
            let error = ended.await.unwrap().unwrap_err();
            assert!(error.to_string().contains("broken"), "{error}");
        }
    }

    #[tokio::test]
    async fn thread_keeps_its_place_after_its_caller_left() {
        let threads = Threads::new("long", 1);
        let (end, ended) = mpsc::channel::<()>();
        let place = threads.try_place().unwrap();
        place.spawn(move || ended.recv().unwrap()).unwrap();
        assert!(threads.try_place().is_none());
        end.send(()).unwrap();
        timeout(SOON, threads.place()).await.unwrap();
    }

    #[tokio::test]
    async fn clone_of_a_place_keeps_it_taken() {
        let threads = Threads::new("short", 1);
        let place = threads.try_place().unwrap();
        let kept = place.clone();
        let (end, ended) = mpsc::channel();
        place.spawn(move || end.send(()).unwrap()).unwrap();
        ended.recv().unwrap();
        assert!(threads.try_place().is_none());
        drop(kept);
        timeout(SOON, threads.place()).await.unwrap();
    }
}
