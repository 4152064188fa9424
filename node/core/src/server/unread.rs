//! Answers that lie in memory until their reader has taken them.
//!
//! # Invariants
//! - At most [`UNREAD_MAX`] answers of more than [`SHORT`] bytes wait for their readers, and one source never has all of
//!   their places.
//! - Short ones need no place.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use axum::{
    Extension,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;

use super::{Context, front::Remote, raw, slots::Slot};

/// Most answers of more than [`SHORT`] bytes that wait for their readers.
pub(super) const UNREAD_MAX: usize = 32;

/// Longest answer that needs no place, in bytes.
const SHORT: u64 = 16 * 1024;

/// Bytes that are handed to the connection at a time. It keeps a few such parts.
const PART: usize = 4 * 1024;

/// An answer, and its place until it was read.
struct Unread {
    left: Bytes,
    _place: Slot,
}

/// Lets an answer through if it is short, or has a place.
pub(super) async fn bound(
    State(context): State<Arc<Context>>,
    Extension(remote): Extension<Remote>,
    request: Request,
    next: Next,
) -> Response {
    let (head, body) = next.run(request).await.into_parts();
    if http_body::Body::size_hint(&body).lower() <= SHORT {
        return Response::from_parts(head, body);
    }
    let Some(place) = context.uploads.place_for_answer(remote) else {
        return raw::busy();
    };
    match body.collect().await {
        Ok(whole) => {
            let unread = Unread {
                left: whole.to_bytes(),
                _place: place,
            };
            Response::from_parts(head, Body::new(unread))
        }
        Err(error) => {
            tracing::error!(%error, "an answer cannot be read");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

impl http_body::Body for Unread {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = PART.min(self.left.len());
        let part = self.left.split_to(length);
        Poll::Ready((!part.is_empty()).then(|| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::server::slots::Slots;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn answer_is_read_in_parts_and_has_its_place_until_then() {
        let slots = Slots::shared(1);
        let bytes: Vec<u8> = (0..10_000_u32).flat_map(u32::to_be_bytes).collect();
        let mut unread = Unread {
            left: Bytes::from(bytes.clone()),
            _place: slots.try_take(HERE).unwrap(),
        };
        let mut read = Vec::new();
        while let Some(frame) = unread.frame().await {
            let part = frame.unwrap().into_data().unwrap();
            assert!(part.len() <= PART);
            read.extend_from_slice(&part);
            let left = (bytes.len() - read.len()) as u64;
            assert_eq!(http_body::Body::size_hint(&unread).exact(), Some(left));
            assert!(slots.try_take(HERE).is_none());
        }
        assert_eq!(read, bytes);
        drop(unread);
        assert!(slots.try_take(HERE).is_some());
    }

    #[test]
    fn one_source_never_has_all_places() {
        let slots = Slots::shared(UNREAD_MAX);
        let taken: Vec<_> = std::iter::repeat_with(|| slots.try_take(HERE))
            .map_while(|place| place)
            .collect();
        assert_eq!(taken.len(), UNREAD_MAX / 2);
        let other = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        assert!(slots.try_take(other).is_some());
    }
}
