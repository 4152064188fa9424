//! The one door for blocking work.
//!
//! [`Disk`] runs short jobs, file calls above all, on the runtime's pool of blocking threads. It is the only place that
//! calls `spawn_blocking`.
//!
//! # Invariants
//! - At most as many jobs run as the [`Disk`] has places. Further callers wait for a place without a thread, first come,
//!   first served.
//! - A job that has begun runs to its end, even if its caller stops waiting; it keeps its place until then. A job whose
//!   caller stops waiting before it has a place never begins.
//! - A job waits for the disk alone. Whatever waits for a client, a peer, a script or a program has a thread of its own,
//!   or is asynchronous: otherwise a few slow strangers take all places.
//! - A job never waits for another job of the same [`Disk`].

use std::{
    any::Any,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinError, JoinHandle, spawn_blocking},
};

/// Jobs of a node that run at a time.
pub const JOBS_MAX: usize = 16;

/// Runs short blocking jobs, a bounded number at a time. Clones share their places.
#[derive(Clone, Debug)]
pub struct Disk {
    places: Arc<Semaphore>,
}

/// The reason why a job has no result.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The job panicked.
    #[error("a blocking job panicked: {0}; this is a bug, please report it")]
    Panicked(String),
    /// The runtime ended before the job began.
    #[error("the node is stopping, the blocking job did not run")]
    Stopping,
}

impl Disk {
    /// Creates a pool that runs at most `limit` jobs at a time, and at least one.
    #[must_use]
    pub fn new(limit: usize) -> Disk {
        Disk {
            places: Arc::new(Semaphore::new(limit.clamp(1, Semaphore::MAX_PERMITS))),
        }
    }

    /// Runs a short blocking job on the pool. Waits, asynchronously, for a place.
    ///
    /// # Errors
    /// [`DiskError`] if the job panicked, or if the runtime is shutting down.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, DiskError> {
        self.start(job).await
    }

    /// Starts a short blocking job on the pool, and returns its result when that is awaited. So a job can run while
    /// its caller goes on, without a task beside it. A job without a place begins when it is awaited.
    pub fn start<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> DiskJob<T> {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => DiskJob(JobState::Running(begin(place, job))),
            Err(_) => {
                let places = Arc::clone(&self.places);
                DiskJob(JobState::Waiting(Box::pin(async move {
                    let place = places.acquire_owned().await;
                    let place = place.map_err(|_| DiskError::Stopping)?;
                    begin(place, job).await.map_err(DiskError::from)
                })))
            }
        }
    }
}

fn begin<T: Send + 'static>(
    place: OwnedSemaphorePermit,
    job: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    spawn_blocking(move || {
        let _place = place;
        job()
    })
}

/// A job that was started. One that runs goes on to its end if this is dropped.
pub struct DiskJob<T>(JobState<T>);

enum JobState<T> {
    Running(JoinHandle<T>),
    Waiting(Pin<Box<dyn Future<Output = Result<T, DiskError>> + Send>>),
}

impl<T> Future for DiskJob<T> {
    type Output = Result<T, DiskError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            JobState::Running(job) => Pin::new(job).poll(context).map_err(DiskError::from),
            JobState::Waiting(job) => job.as_mut().poll(context),
        }
    }
}

impl<T> fmt::Debug for DiskJob<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            JobState::Running(_) => "DiskJob(running)",
            JobState::Waiting(_) => "DiskJob(waiting)",
        })
    }
}

impl Default for Disk {
    /// Creates a pool of [`JOBS_MAX`] places.
    fn default() -> Disk {
        Disk::new(JOBS_MAX)
    }
}

impl From<JoinError> for DiskError {
    fn from(error: JoinError) -> DiskError {
        match error.try_into_panic() {
            Ok(panic) => DiskError::Panicked(message(panic.as_ref())),
            Err(_) => DiskError::Stopping,
        }
    }
}

impl From<DiskError> for std::io::Error {
    fn from(error: DiskError) -> std::io::Error {
        std::io::Error::other(error)
    }
}

/// Returns the text of a panic.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            atomic::{AtomicUsize, Ordering},
            mpsc,
        },
        time::Duration,
    };

    use futures_util::future::join_all;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn job_that_returns_gives_its_result() {
        assert_eq!(Disk::default().run(|| 6 * 7).await.unwrap(), 42);
    }

    #[tokio::test]
    async fn job_that_panics_is_an_error_and_frees_its_place() {
        let disk = Disk::new(1);
        for text in ["one", "two"] {
            let error = disk.run(move || panic!("job {text}")).await;
            let error: DiskError = error.map(|(): ()| ()).unwrap_err();
            assert!(
                error.to_string().contains(&format!("job {text}")),
                "{error}"
            );
        }
        assert!(disk.run(|| ()).await.is_ok());
    }

    #[tokio::test]
    async fn jobs_beyond_the_limit_wait_for_a_place() {
        let disk = Disk::new(3);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let jobs = (0..50).map(|_| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            disk.run(move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
            })
        });
        let done = join_all(jobs).await;
        assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 50);
        assert!(most.load(Ordering::SeqCst) <= 3);
    }

    #[tokio::test]
    async fn job_whose_caller_left_keeps_its_place_until_it_ends() {
        let disk = Disk::new(1);
        let (end, ended) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel();
        let first = tokio::spawn({
            let disk = disk.clone();
            async move {
                let job = move || {
                    begin.send(()).unwrap();
                    ended.recv().unwrap();
                };
                disk.run(job).await
            }
        });
        tokio::task::yield_now().await;
        begun.recv().unwrap();
        first.abort();
        let short = Duration::from_millis(50);
        assert!(timeout(short, disk.run(|| ())).await.is_err());
        end.send(()).unwrap();
        assert!(disk.run(|| ()).await.is_ok());
    }

    #[tokio::test]
    async fn job_whose_caller_left_while_it_waited_never_begins() {
        let disk = Disk::new(1);
        let (end, ended) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let disk = disk.clone();
            async move { disk.run(move || ended.recv().unwrap()).await }
        });
        tokio::task::yield_now().await;
        let begun = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&begun);
        let waiting = disk.run(move || counter.fetch_add(1, Ordering::SeqCst));
        assert!(timeout(Duration::from_millis(20), waiting).await.is_err());
        end.send(()).unwrap();
        assert!(first.await.unwrap().is_ok());
        assert!(disk.run(|| ()).await.is_ok());
        assert_eq!(begun.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn started_job_runs_while_nobody_awaits_it() {
        let (done, is_done) = mpsc::channel();
        let job = Disk::default().start(move || done.send(()).unwrap());
        is_done.recv_timeout(Duration::from_secs(10)).unwrap();
        job.await.unwrap();
    }

    #[tokio::test]
    async fn started_job_without_a_place_waits_for_one() {
        let disk = Disk::new(1);
        let (end, ended) = mpsc::channel::<()>();
        let first = disk.start(move || ended.recv().unwrap());
        let second = disk.start(|| 2);
        assert_eq!(format!("{second:?}"), "DiskJob(waiting)");
        drop(disk.start(|| panic!("nobody awaits it")));
        end.send(()).unwrap();
        first.await.unwrap();
        assert_eq!(second.await.unwrap(), 2);
    }

    #[tokio::test]
    async fn pool_of_no_places_has_one() {
        assert!(Disk::new(0).run(|| ()).await.is_ok());
    }
}
