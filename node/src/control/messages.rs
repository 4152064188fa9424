//! Messages of a WebSocket on their way between a client and jsonrpsee.
//!
//! jsonrpsee reads from the socket itself. So there is a pipe in between, and each text
//! message may be changed in there. Frames that need no change, and those that are no
//! text, pass as they came.
//!
//! # Invariants
//! - A message is changed whole or not at all; control frames keep their turn.
//! - No more than one message is kept in each direction, and none that is longer than said.

use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, split},
    time::timeout,
};

use super::{
    ids::Ids,
    server::{ANSWER_MAX, BODY_MAX, STOP_TIME},
};

const FINAL: u8 = 0x80;
const OPCODE: u8 = 0x0f;
const TEXT: u8 = 0x1;
/// Opcodes from here on are those of control frames.
const CONTROL: u8 = 0x8;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;
/// The marks of a length in the two or eight bytes that follow.
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// Passes messages on in both directions until one side ends.
pub(super) async fn pass<C, R>(client: C, rpc: R, ids: &Ids)
where
    C: AsyncRead + AsyncWrite,
    R: AsyncRead + AsyncWrite,
{
    let (mut from_client, mut to_client) = split(client);
    let (mut from_rpc, mut to_rpc) = split(rpc);
    // Answers that bring an id back.
    let due = AtomicUsize::new(0);
    let disguise = |request: &[u8]| {
        let changed = ids.disguise(request)?;
        due.fetch_add(1, Ordering::Relaxed);
        Some(changed)
    };
    let restore = |answer: &[u8]| {
        let changed = ids.restore(answer)?;
        due.fetch_sub(1, Ordering::Relaxed);
        Some(changed)
    };
    let asking = async {
        let way = Way {
            most: BODY_MAX.into(),
            masked: true,
            gathers: &|| true,
            change: &disguise,
        };
        // A side that breaks off has ended.
        let _ = way.pass(&mut from_client, &mut to_rpc).await;
        let _ = to_rpc.shutdown().await;
    };
    let answering = async {
        let is_due = || due.load(Ordering::Relaxed) > 0;
        let way = Way {
            most: ANSWER_MAX.into(),
            masked: false,
            gathers: &is_due,
            change: &restore,
        };
        let _ = way.pass(&mut from_rpc, &mut to_client).await;
        let _ = to_client.shutdown().await;
    };
    let mut answering = std::pin::pin!(answering);
    tokio::select! {
        () = asking => {
            // What was asked for last may still be on its way.
            let _ = timeout(STOP_TIME, answering).await;
        }
        () = &mut answering => {}
    }
}

/// One direction.
struct Way<'a> {
    /// Longest message that is gathered, in bytes; a longer one passes as it is.
    most: u64,
    /// True if frames of this direction are masked.
    masked: bool,
    /// Decides whether the message that begins now is to be gathered.
    gathers: &'a (dyn Fn() -> bool + Sync),
    /// Changes a message; nothing if it stays as it is.
    change: &'a (dyn Fn(&[u8]) -> Option<Vec<u8>> + Sync),
}

/// A message of which some frames are here.
#[derive(Default)]
struct Message {
    /// True if it is gathered; otherwise its frames pass as they come.
    is_gathered: bool,
    /// Its frames as they came.
    frames: Vec<u8>,
    /// Its text.
    text: Vec<u8>,
}

impl Way<'_> {
    async fn pass(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        let mut message = Message::default();
        while let Some(head) = Head::read(from).await? {
            if head.opcode >= CONTROL {
                head.pass(from, to).await?;
                continue;
            }
            if head.opcode != 0 {
                // A message that begins within another one is an error, which the reader is to see.
                to.write_all(&message.frames).await?;
                message = Message {
                    is_gathered: head.opcode == TEXT && (self.gathers)(),
                    ..Message::default()
                };
            }
            let length = head.length.saturating_add(message.text.len() as u64);
            message.is_gathered &= length <= self.most;
            // Frames may be empty, and their heads are kept.
            message.is_gathered &= message.frames.len() as u64 <= self.most.saturating_mul(2);
            if !message.is_gathered {
                to.write_all(&std::mem::take(&mut message.frames)).await?;
                head.pass(from, to).await?;
                continue;
            }
            message.take(&head, from).await?;
            if head.is_final {
                let frame = (self.change)(&message.text).map(|text| frame(&text, self.masked));
                to.write_all(frame.as_deref().unwrap_or(&message.frames))
                    .await?;
                to.flush().await?;
                message = Message::default();
            }
        }
        Ok(())
    }
}

impl Message {
    async fn take(&mut self, head: &Head, from: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
        let mut payload = Vec::new();
        from.take(head.length).read_to_end(&mut payload).await?;
        if payload.len() as u64 != head.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.frames.extend_from_slice(&head.raw);
        self.frames.extend_from_slice(&payload);
        let mask = head.mask.iter().cycle();
        self.text
            .extend(payload.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
        Ok(())
    }
}

/// The head of a frame.
#[derive(Debug, Eq, PartialEq)]
struct Head {
    is_final: bool,
    opcode: u8,
    /// Zeros if the frame has none.
    mask: [u8; 4],
    length: u64,
    /// As it came.
    raw: Vec<u8>,
}

impl Head {
    /// Reads the head of the next frame; nothing at the end of the stream.
    async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Head>> {
        let mut first = [0; 2];
        if from.read(&mut first[..1]).await? == 0 {
            return Ok(None);
        }
        from.read_exact(&mut first[1..]).await?;
        let mut raw = first.to_vec();
        let length = match first[1] & LENGTH {
            LENGTH_16 => u64::from(u16::from_be_bytes(more(from, &mut raw).await?)),
            LENGTH_64 => u64::from_be_bytes(more(from, &mut raw).await?),
            length => length.into(),
        };
        let mask = match first[1] & MASKED {
            0 => [0; 4],
            _ => more(from, &mut raw).await?,
        };
        Ok(Some(Head {
            is_final: first[0] & FINAL != 0,
            opcode: first[0] & OPCODE,
            mask,
            length,
            raw,
        }))
    }

    /// Passes the frame on as it comes.
    async fn pass(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        to.write_all(&self.raw).await?;
        copy(&mut from.take(self.length), to).await?;
        to.flush().await
    }
}

/// Reads more bytes of a head.
async fn more<const N: usize>(
    from: &mut (impl AsyncRead + Unpin),
    raw: &mut Vec<u8>,
) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes).await?;
    raw.extend_from_slice(&bytes);
    Ok(bytes)
}

/// Returns a whole message in one frame. A mask of zeros is one: nothing lies between this and jsonrpsee that a mask protects.
fn frame(text: &[u8], masked: bool) -> Vec<u8> {
    let mask_bit = if masked { MASKED } else { 0 };
    let mut frame = vec![FINAL | TEXT];
    match (u8::try_from(text.len()), u16::try_from(text.len())) {
        (Ok(length), _) if length < LENGTH_16 => frame.push(mask_bit | length),
        (_, Ok(length)) => {
            frame.push(mask_bit | LENGTH_16);
            frame.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            frame.push(mask_bit | LENGTH_64);
            frame.extend_from_slice(&(text.len() as u64).to_be_bytes());
        }
    }
    if masked {
        frame.extend_from_slice(&[0; 4]);
    }
    frame.extend_from_slice(text);
    frame
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use proptest::prelude::*;

    use super::*;

    /// Returns the output of one direction.
    async fn passed(frames: &[Vec<u8>], most: u64) -> Vec<u8> {
        let way = Way {
            most,
            masked: true,
            gathers: &|| true,
            change: &|text| text.starts_with(b"x").then(|| text.to_ascii_uppercase()),
        };
        let mut out = Vec::new();
        way.pass(&mut &*frames.concat(), &mut out).await.unwrap();
        out
    }

    /// Returns a frame with a mask.
    fn masked(first: u8, text: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut frame = frame(text, true);
        frame[0] = first;
        let payload = frame.len() - text.len();
        frame[payload - 4..payload].copy_from_slice(&mask);
        let mask = mask.iter().cycle();
        frame[payload..]
            .iter_mut()
            .zip(mask)
            .for_each(|(byte, mask)| *byte ^= mask);
        frame
    }

    #[tokio::test]
    async fn a_message_in_parts_is_changed_whole() {
        let ping = masked(FINAL | 0x9, b"ping");
        let frames = [
            masked(TEXT, b"xa"),
            ping.clone(),
            masked(0, b"bc"),
            masked(FINAL, b"d"),
        ];
        let expected = [ping, frame(b"XABCD", true)].concat();
        assert_eq!(passed(&frames, 100).await, expected);
    }

    #[tokio::test]
    async fn what_needs_no_change_passes_as_it_came() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let text = vec![b'y'; length];
            let frames = [
                masked(TEXT, &text),
                masked(FINAL, b"z"),
                masked(FINAL | 0x2, b"x"),
            ];
            assert_eq!(passed(&frames, 100_000).await, frames.concat(), "{length}");
            let changed = passed(&[masked(FINAL | TEXT, &[b"x", &*text].concat())], 100_000).await;
            assert_eq!(
                changed,
                frame(&[b"X", &*text.to_ascii_uppercase()].concat(), true)
            );
        }
    }

    #[tokio::test]
    async fn a_message_that_is_too_long_passes_as_it_came() {
        let frames = [
            masked(TEXT, b"xaaa"),
            masked(0, b"bbbb"),
            masked(FINAL, b"c"),
            masked(FINAL | TEXT, b"x"),
        ];
        let expected = [&*frames[..3].concat(), &*frame(b"X", true)].concat();
        assert_eq!(passed(&frames, 6).await, expected);
    }

    #[tokio::test]
    async fn a_message_of_empty_frames_is_not_kept_for_ever() {
        let mut frames = vec![masked(TEXT, b"x")];
        frames.extend((0..50).map(|_| masked(0, b"")));
        let way = Way {
            most: 20,
            masked: true,
            gathers: &|| true,
            change: &|_| None,
        };
        let (sent, mut out) = (frames.concat(), Vec::new());
        way.pass(&mut &*sent, &mut out).await.unwrap();
        assert_eq!(out, sent, "it has no end, and has passed");
        let last = masked(FINAL, b"y");
        let expected = [&*frames[..3].concat(), &*last].concat();
        assert_eq!(
            passed(&[frames[..3].concat(), last], 100).await,
            frame(b"XY", true)
        );
        assert_eq!(passed(std::slice::from_ref(&expected), 1).await, expected);
    }

    #[tokio::test]
    async fn a_frame_that_breaks_off_is_an_error() {
        let whole = masked(FINAL | TEXT, b"xyz");
        let way = Way {
            most: 9,
            masked: true,
            gathers: &|| true,
            change: &|_| None,
        };
        for end in 1..whole.len() {
            let mut out = Vec::new();
            let result = way.pass(&mut &whole[..end], &mut out).await;
            assert!(result.is_err() && out.is_empty(), "{end}");
        }
    }

    /// Longest message that is gathered, in bytes.
    const MOST: usize = 64;

    /// Longest head of a frame, in bytes.
    const HEAD_MAX: usize = 14;

    /// Returns what passes of the frames that a client sends, with their messages doubled or as they came.
    fn passes(bytes: &[u8], is_changed: bool) -> Vec<u8> {
        let way = Way {
            most: MOST as u64,
            masked: true,
            gathers: &|| true,
            change: &|text| is_changed.then(|| text.repeat(2)),
        };
        let mut out = Vec::new();
        let passing = way.pass(&mut &*bytes, &mut out).now_or_never();
        // What breaks off is an error, and what came before it has passed.
        drop(passing.expect("memory makes nobody wait"));
        out
    }

    /// Returns a frame that is mostly right.
    fn any_frame() -> impl Strategy<Value = Vec<u8>> {
        let text = prop::collection::vec(any::<u8>(), 0..100);
        let first = prop_oneof![
            Just(TEXT),
            Just(FINAL | TEXT),
            Just(0),
            Just(FINAL),
            any::<u8>()
        ];
        let garbage = prop::collection::vec(any::<u8>(), 0..20);
        prop_oneof![
            8 => (first, text).prop_map(|(first, text)| masked(first, &text)),
            1 => garbage,
        ]
    }

    proptest! {
        /// `PROPTEST_CASES` has it run longer.
        #[test]
        fn any_frames_pass_and_no_more_than_a_message_is_kept(
            frames in prop::collection::vec(any_frame(), 0..40),
        ) {
            let bytes = frames.concat();
            let unchanged = passes(&bytes, false);
            // A control frame may overtake the parts of a message; nothing comes in addition.
            let kept = bytes.len().checked_sub(unchanged.len());
            // The frames of a message, and the head of the next one.
            let is_bounded = kept.is_some_and(|kept| kept <= 3 * MOST + 2 * HEAD_MAX);
            prop_assert!(is_bounded, "{:?} bytes are kept", kept);
            let changed = passes(&bytes, true);
            prop_assert!(changed.len() <= 2 * bytes.len() + HEAD_MAX * (bytes.len() / 2 + 1));
        }
    }
}
