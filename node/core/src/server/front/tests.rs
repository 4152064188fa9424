//! Readers of long answers, on real sockets and a paused clock.

use std::time::{Duration, Instant};

use axum::{body::Body, routing::get};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};

use super::*;

/// Longer than all that the system takes ahead, and than all that the slowest reader reads.
const ANSWER: usize = 24 << 20;

async fn long_answer() -> Body {
    Body::from(vec![b'x'; ANSWER])
}

/// Starts a front and asks it for a long answer, with a receive buffer of so
/// many bytes if it is given.
async fn asked(buffer: Option<u32>) -> (TcpStream, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = ConnectionLimits {
        total: 4,
        per_source: 4,
    };
    let router = Router::new().route("/", get(long_answer));
    let front = Front::new(
        listener,
        router,
        limits,
        BodyLimits::of_calls(1024),
        Arc::default(),
    );
    let stop = CancellationToken::new();
    tokio::spawn(front.run(stop.clone()));
    let socket = TcpSocket::new_v4().unwrap();
    if let Some(buffer) = buffer {
        socket.set_recv_buffer_size(buffer).unwrap();
    }
    let mut client = socket.connect(address).await.unwrap();
    let request = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    (client, stop)
}

/// Reads at most `bytes` and returns whether the connection still stands.
async fn read(client: &mut TcpStream, bytes: usize) -> bool {
    let mut piece = vec![0; bytes];
    let reading = timeout(Duration::from_secs(1), client.read(&mut piece));
    !matches!(reading.await, Ok(Ok(0) | Err(_)))
}

/// Reads so many bytes a second for so long.
async fn reads_for(client: &mut TcpStream, rate: usize, time: Duration) -> bool {
    let until = now() + time;
    while now() < until {
        sleep(Duration::from_secs(1)).await;
        if !read(client, rate).await {
            return false;
        }
    }
    true
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_never_cut() {
    for (rate, buffer) in [
        (2_048, Some(8_192)),
        (2_048, None),
        (100_000, None),
        (150_000, Some(65_536)),
    ] {
        let (mut client, _stop) = asked(buffer).await;
        let stands = reads_for(&mut client, rate, Duration::from_secs(150)).await;
        assert!(stands, "{rate} {buffer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stalls_is_cut_within_a_minute() {
    for buffer in [Some(8_192), None] {
        let (mut client, _stop) = asked(buffer).await;
        assert!(reads_for(&mut client, 100_000, Duration::from_secs(20)).await);
        sleep(Duration::from_secs(60)).await;
        let (mut left, stalled): (usize, Instant) = (0, now());
        let mut piece = vec![0; 65_536];
        while let Ok(count @ 1..) = client.read(&mut piece).await {
            left += count;
        }
        assert!(now() - stalled < Duration::from_secs(1));
        assert!(
            left < ANSWER - 3_000_000,
            "{left} bytes came after the stall"
        );
    }
}
