//! Answers of every kind, in full and at a rate.

use std::{io::Write, net::SocketAddr, time::Instant};

use futures_util::StreamExt;
use http_body_util::BodyExt;
use node_wire::{
    Dialect,
    content::ContentScan,
    query_answer::{QueryAnswerReader, QueryOutcome},
};
use tokio::task::JoinSet;

use super::*;
use crate::{clock::now, share::SharedFile};

fn remote(last: u8) -> Remote {
    Remote::plain(SocketAddr::from(([192, 0, 2, last], 4242)))
}

fn content(bytes: &[u8]) -> Content {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Content::of_file(SharedFile::alone(file).unwrap(), &Memory::default()).unwrap()
}

fn uploads(rate: u64) -> (Uploads, Arc<Counters>) {
    let counters = Arc::<Counters>::default();
    (
        Uploads::new(rate, Disk::default(), Arc::clone(&counters)),
        counters,
    )
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length)
        .map(|n| u8::try_from(n % 251).unwrap())
        .collect()
}

async fn whole(body: Body) -> Vec<u8> {
    body.collect().await.unwrap().to_bytes().to_vec()
}

#[tokio::test]
async fn raw_content_of_any_size_arrives_as_it_is() {
    for length in [0, 1, 65_536, 65_537, 262_144, 1_000_003] {
        let (uploads, counters) = uploads(0);
        let sent = bytes(length);
        let upload = uploads.begin(remote(1), None).await.unwrap();
        let body = upload.body(content(&sent), Encoder::Raw).await;
        assert!(whole(body).await == sent, "{length}");
        assert_eq!(counters.bytes_served.get(), length as u64);
    }
}

#[tokio::test]
async fn a_range_is_sent_and_counted_alone() {
    for length in [50_000, 700_000] {
        let (uploads, counters) = uploads(0);
        let sent = bytes(length);
        let mut part = content(&sent);
        part.cut(10_000..45_000);
        let upload = uploads.begin(remote(1), Some(35_000)).await.unwrap();
        let body = upload.body(part, Encoder::Raw).await;
        assert!(whole(body).await == sent[10_000..45_000], "{length}");
        assert_eq!(counters.bytes_served.get(), 35_000);
    }
}

#[tokio::test]
async fn an_answer_to_query_has_the_length_that_was_scanned() {
    let text = "a < b & c\r\n".repeat(50_000);
    for sent in [bytes(1_000), bytes(900_001), text.into_bytes(), Vec::new()] {
        for dialect in [Dialect::Faults, Dialect::Codes] {
            let (uploads, counters) = uploads(0);
            let mut content = content(&sent);
            let scanned = content
                .scan(&Disk::default(), &Memory::default())
                .await
                .unwrap()
                .unwrap();
            let mut expected = ContentScan::new();
            expected.push(&sent);
            assert_eq!(scanned, expected.finish());
            let encoder = Encoder::query(QueryAnswerWriter::new(dialect, scanned.payload));
            let upload = uploads.begin(remote(1), None).await.unwrap();
            let answer = whole(upload.body(content, encoder).await).await;
            let length = QueryAnswerWriter::encoded_length(dialect, &scanned);
            assert_eq!(answer.len() as u64, length);
            let (mut reader, mut decoded) = (QueryAnswerReader::new(), Vec::new());
            reader.push(&answer, &mut decoded).unwrap();
            assert!(matches!(reader.finish(), Ok(QueryOutcome::Found { .. })));
            assert!(decoded == sent);
            assert_eq!(counters.bytes_served.get(), sent.len() as u64);
        }
    }
}

#[tokio::test]
async fn a_file_that_changes_breaks_the_answer_off() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&bytes(2_000_000)).unwrap();
    let opened = file.reopen().unwrap();
    let shared = SharedFile::alone(opened).unwrap();
    let (uploads, _) = uploads(0);
    let content = Content::of_file(shared, uploads.memory()).unwrap();
    let upload = uploads.begin(remote(1), None).await.unwrap();
    let body = upload.body(content, Encoder::Raw).await;
    let mut stream = body.into_data_stream();
    assert!(stream.next().await.unwrap().is_ok());
    file.as_file().set_len(1_000_000).unwrap();
    let rest: Vec<_> = StreamExt::collect(stream).await;
    assert!(
        rest.last().is_some_and(Result::is_err),
        "it ends with an error"
    );
}

/// Sends `length` bytes by each encoder and returns when each is out.
async fn timed(rate: u64, answers: u8, length: usize, query: bool) -> Vec<f64> {
    let (uploads, counters) = uploads(rate);
    let started = now();
    let mut sending = JoinSet::new();
    for answer in 0..answers {
        let uploads = uploads.clone();
        sending.spawn(async move {
            let mut content = content(&bytes(length));
            let scanned = content
                .scan(&Disk::default(), &Memory::default())
                .await
                .unwrap()
                .unwrap();
            let encoder = if query {
                Encoder::query(QueryAnswerWriter::new(Dialect::Faults, scanned.payload))
            } else {
                Encoder::Raw
            };
            let upload = uploads
                .begin(remote(answer), Some(length as u64))
                .await
                .unwrap();
            whole(upload.body(content, encoder).await).await;
            now()
        });
    }
    let ends: Vec<Instant> = sending.join_all().await;
    assert_eq!(
        counters.bytes_served.get(),
        u64::from(answers) * length as u64
    );
    ends.into_iter()
        .map(|end| (end - started).as_secs_f64())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn every_encoder_keeps_to_the_rate() {
    for rate in [10_000, 200_000, 50_000_000] {
        for answers in [1, 3, 8] {
            for query in [false, true] {
                let length = usize::try_from(rate).unwrap() * 2 / usize::from(answers);
                let taken = timed(rate, answers, length, query).await;
                let last = taken.iter().copied().fold(0.0, f64::max);
                assert!((1.7..2.1).contains(&last), "{rate}/{answers}: {last}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_head_of_a_limited_query_answer_comes_at_once() {
    let (uploads, _) = uploads(1_000);
    let first = uploads.begin(remote(1), None).await.unwrap();
    let blocked = first.body(content(&bytes(100_000)), Encoder::Raw).await;
    let mut blocked = blocked.into_data_stream();
    blocked.next().await.unwrap().unwrap();
    let upload = uploads.begin(remote(2), None).await.unwrap();
    let writer = QueryAnswerWriter::new(Dialect::Faults, node_wire::Payload::Binary);
    let started = now();
    let mut body = upload
        .body(content(&bytes(10)), Encoder::query(writer))
        .await
        .into_data_stream();
    let head = body.next().await.unwrap().unwrap();
    assert!(head.starts_with(b"<?xml"));
    assert_eq!(now(), started);
}

#[tokio::test(start_paused = true)]
async fn every_answer_gets_a_turn_before_it_seems_silent() {
    for rate in [1_000, 10_000, 200_000, 2_000_000] {
        let (uploads, _) = uploads(rate);
        let slots = slots_of(&uploads.rate);
        let mut bodies = Vec::new();
        for number in 0..slots {
            let from = remote(u8::try_from(number).unwrap());
            let upload = uploads.begin(from, None).await.unwrap();
            bodies.push(upload.body(content(&bytes(70_000)), Encoder::Raw).await);
        }
        let refused = uploads.begin(remote(1), None).await;
        assert!(refused.is_err(), "{rate}: no slot is left");
        let mut sending = JoinSet::new();
        for body in bodies {
            sending.spawn(async move {
                let (mut last, mut longest) = (now(), Duration::ZERO);
                let mut body = body.into_data_stream().take(5);
                while body.next().await.is_some() {
                    longest = longest.max(now() - last);
                    last = now();
                }
                longest
            });
        }
        let longest = sending.join_all().await.into_iter().max().unwrap();
        assert!(longest <= TURN_WAIT_MAX * 2, "{rate}: {longest:?}");
    }
}

/// Sends `length` bytes of a file to each of `readers`, who take one chunk and read no more; returns what is held.
async fn held_by_slow_readers(uploads: &Uploads, readers: u8, length: usize) -> usize {
    let mut slow = Vec::new();
    for number in 0..readers {
        let upload = uploads.begin(remote(number), None).await.unwrap();
        let body = upload.body(content(&bytes(length)), Encoder::Raw).await;
        let mut body = body.into_data_stream();
        slow.push((body.next().await.unwrap().unwrap(), body));
    }
    let sent: usize = slow.iter().map(|(chunk, _)| chunk.len()).sum();
    assert!(sent <= 16 << 20, "{sent}");
    let sent = bytes(1_000_000);
    let upload = uploads.begin(remote(255), None).await.unwrap();
    let body = upload.body(content(&sent), Encoder::Raw).await;
    assert!(whole(body).await == sent, "an honest reader has all of it");
    uploads.room().size()
}

#[tokio::test]
async fn slow_readers_leave_long_chunks_when_they_go() {
    let (uploads, _) = uploads(0);
    let alone = uploads.room().size();
    assert_eq!(alone, 256 * 1024);
    let beside_slow_ones = held_by_slow_readers(&uploads, 200, 2_000_000).await;
    assert!(beside_slow_ones < alone / 4, "{beside_slow_ones}");
    assert_eq!(uploads.room().size(), alone);
}

#[tokio::test]
async fn a_limited_answer_says_how_fast_it_will_be() {
    let (limited, _) = uploads(9_000);
    let rate = |upload: &Upload| upload.rate().map(AnswerRate::bytes_a_second);
    let first = limited.begin(remote(1), None).await.unwrap();
    let second = limited.begin(remote(2), Some(1)).await.unwrap();
    let third = limited.begin(remote(2), None).await.unwrap();
    assert_eq!(rate(&first), Some(9_000));
    assert_eq!(rate(&second), Some(4_500));
    assert_eq!(rate(&third), Some(3_000));
    drop((first, second));
    let fourth = limited.begin(remote(1), None).await.unwrap();
    assert_eq!(rate(&fourth), Some(4_500));
    let (free, _) = uploads(0);
    assert_eq!(rate(&free.begin(remote(1), None).await.unwrap()), None);
}
