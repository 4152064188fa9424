//! HTTP status 401 for callers without the secret.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use jsonrpsee::server::{HttpBody, HttpRequest, HttpResponse};
use tower::{Layer, Service};

use super::SECRET;

/// Puts a [`Bearer`] before a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct BearerLayer;

/// Lets requests with the secret pass.
#[derive(Clone, Debug)]
pub(super) struct Bearer<S>(S);

impl<S> Layer<S> for BearerLayer {
    type Service = Bearer<S>;

    fn layer(&self, inner: S) -> Bearer<S> {
        Bearer(inner)
    }
}

impl<S, B> Service<HttpRequest<B>> for Bearer<S>
where
    S: Service<HttpRequest<B>, Response = HttpResponse>,
    S::Error: 'static,
    S::Future: Send + 'static,
{
    type Response = HttpResponse;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: HttpRequest<B>) -> Self::Future {
        let expected = format!("Bearer {SECRET}");
        let given = request.headers().get("authorization");
        if given.is_some_and(|value| value.as_bytes() == expected.as_bytes()) {
            return Box::pin(self.0.call(request));
        }
        let mut refused = HttpResponse::new(HttpBody::empty());
        *refused.status_mut() = http::StatusCode::UNAUTHORIZED;
        Box::pin(async move { Ok(refused) })
    }
}
