//! A limit on the number of calls that run at a time.
//!
//! jsonrpsee starts a task for each message of a WebSocket without asking how
//! many there are. This layer lets a few run and has the others wait.

use std::sync::Arc;

use jsonrpsee::server::middleware::rpc::{Batch, Notification, RpcServiceT};
use jsonrpsee::types::Request;
use tokio::sync::Semaphore;

/// Calls that run at a time, over all connections. Long waits count.
const CALLS_MAX: usize = 64;

/// Calls wait for a place.
#[derive(Clone, Debug)]
pub(super) struct Places(Arc<Semaphore>);

/// A service whose calls wait for a place.
#[derive(Clone, Debug)]
pub(super) struct Placed<S> {
    inner: S,
    places: Places,
}

impl Places {
    pub(super) fn new() -> Places {
        Places(Arc::new(Semaphore::new(CALLS_MAX)))
    }

    pub(super) fn place<S>(&self, inner: S) -> Placed<S> {
        Placed {
            inner,
            places: self.clone(),
        }
    }
}

impl<S> RpcServiceT for Placed<S>
where
    S: RpcServiceT + Clone + Send + Sync + 'static,
{
    type MethodResponse = S::MethodResponse;
    type NotificationResponse = S::NotificationResponse;
    type BatchResponse = S::BatchResponse;

    fn call<'a>(
        &self,
        request: Request<'a>,
    ) -> impl Future<Output = S::MethodResponse> + Send + 'a {
        let (inner, places) = (self.inner.clone(), self.places.clone());
        async move {
            let _place = places.0.acquire().await;
            inner.call(request).await
        }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = S::BatchResponse> + Send + 'a {
        let (inner, places) = (self.inner.clone(), self.places.clone());
        async move {
            let _place = places.0.acquire().await;
            inner.batch(batch).await
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = S::NotificationResponse> + Send + 'a {
        let inner = self.inner.clone();
        async move { inner.notification(notification).await }
    }
}
