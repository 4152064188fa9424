//! Frames of a WebSocket at the control connection: any bytes pass, the same however they are cut.

#![no_main]

mod control;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use libfuzzer_sys::fuzz_target;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::{Builder, Runtime},
};

use control::Connection;

/// Bytes that come a few at a time, or that never come, and bytes that were written.
struct Side<'a> {
    left: Option<&'a [u8]>,
    piece: usize,
    written: Vec<u8>,
}

impl AsyncRead for Side<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(left) = self.left else {
            return Poll::Pending;
        };
        let (now, later) = left.split_at(self.piece.min(left.len()).min(buffer.remaining()));
        buffer.put_slice(now);
        self.left = Some(later);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Side<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    static CONNECTION: Connection = Connection::new();
}

/// Returns what of `bytes` reaches the other side.
fn passed(bytes: &[u8], piece: usize) -> Vec<u8> {
    let mut client = Side {
        left: Some(bytes),
        piece,
        written: Vec::new(),
    };
    let mut rpc = Side {
        left: None,
        piece,
        written: Vec::new(),
    };
    CONNECTION.with(|connection| {
        RUNTIME.with(|runtime| runtime.block_on(connection.pass(&mut client, &mut rpc)));
    });
    assert!(client.written.is_empty(), "nobody answered");
    rpc.written
}

fuzz_target!(|input: &[u8]| {
    let Some((piece, bytes)) = input.split_first() else {
        return;
    };
    let whole = passed(bytes, usize::MAX);
    assert_eq!(passed(bytes, usize::from(*piece).max(1)), whole);
});
