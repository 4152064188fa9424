//! The tool `read`: text of a file, from a line or from a byte on, as much as its reader has room for.

use node_api::fetch::FetchPlan;
use node_wire::{About, pieces::PIECE_SIZE, query};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{bare, object_of};
use crate::{
    commands::cat::LineRange,
    connection::Connection,
    download::Sink,
    error::CtlError,
    mcp::{Tools, page::Room},
    output::json_line,
    reading,
};

/// Longest name in an answer, in characters.
const NAME_MAX: usize = 100;

/// The arguments of `read`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct ReadArguments {
    name: Option<String>,
    digest: Option<String>,
    lines: Option<String>,
    offset: Option<u64>,
    max_bytes: Option<usize>,
}

/// The begin of the part that is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Lines(LineRange),
    Offset(u64),
}

/// Reads text of a file.
pub(in crate::mcp) async fn read(tools: &Tools, asked: ReadArguments) -> Result<String, CtlError> {
    let room = Room::of(asked.max_bytes)?;
    let part = part(asked.lines.as_deref(), asked.offset)?;
    let node = tools.connect()?;
    let mut collector = Collector::new(part, room);
    let mut about = Map::new();
    let digest = match (asked.digest.as_deref(), asked.name.as_deref()) {
        (Some(digest), _) => Some(bare(digest).to_owned()),
        (None, Some(name)) => {
            let (name, digest) = meant(&node, name).await?;
            let shown: String = name.chars().take(NAME_MAX).collect();
            about.insert("name".to_owned(), json!(shown));
            match digest {
                Some(digest) => Some(digest),
                None => {
                    reading::named(&node, &name, &mut collector).await?;
                    None
                }
            }
        }
        (None, None) => return Err(CtlError::usage("give the digest or the name of a file")),
    };
    if let Some(digest) = &digest {
        about.insert("digest".to_owned(), json!(digest));
        let first = collector.begin_at_piece();
        reading::content(&node, digest, first, &mut collector).await?;
    }
    collector.answer(&about)
}

/// Returns the file that a name means, and its digest if that is known.
async fn meant(node: &Connection, name: &str) -> Result<(String, Option<String>), CtlError> {
    let FetchPlan { names, digest, .. } = node.resolve(&query::quoted(name), true).await?;
    if let Some(digest) = digest {
        return Ok((name.to_owned(), Some(digest)));
    }
    match names.as_slice() {
        [one] => Ok((one.clone(), reading::digest_of(node, one).await?)),
        [] => Err(CtlError::not_found(
            "no node has a file of this name; search finds names",
        )),
        [first, ..] => Err(CtlError::usage(format!(
            "{} files have this name, such as {first}; give the digest of one",
            names.len()
        ))),
    }
}

fn part(lines: Option<&str>, offset: Option<u64>) -> Result<Part, CtlError> {
    let wrong = || CtlError::usage("lines are 12, 12-40 or 12-, counted from 1");
    match (lines, offset) {
        (Some(_), Some(_)) => Err(CtlError::usage("give lines or an offset, not both")),
        (Some(lines), None) => {
            let typed = format!("file:{lines}");
            let split = LineRange::split(&typed).map_err(|_| wrong())?;
            let (name, range) = split.ok_or_else(wrong)?;
            (name == "file")
                .then_some(Part::Lines(range))
                .ok_or_else(wrong)
        }
        (None, Some(offset)) => Ok(Part::Offset(offset)),
        (None, None) => Ok(Part::Lines(LineRange::ALL)),
    }
}

/// Collects the bytes of a part, and no more than there is room for.
#[derive(Debug)]
struct Collector {
    part: Part,
    room: Room,
    /// Place in the file of the byte that comes next.
    place: u64,
    /// Number of the line that it is in, if they are counted.
    line: u64,
    bytes: Vec<u8>,
    /// Place in the file of the first byte that is kept.
    begin: u64,
    /// True if the file goes on behind the bytes that are kept.
    is_cut: bool,
    /// True if the last wanted line ended.
    is_over: bool,
}

impl Collector {
    fn new(part: Part, room: Room) -> Collector {
        Collector {
            part,
            room,
            place: 0,
            line: 1,
            bytes: Vec::new(),
            begin: 0,
            is_cut: false,
            is_over: false,
        }
    }

    /// Begins at the piece of the first wanted byte, and returns its number. Lines are counted from the begin on.
    fn begin_at_piece(&mut self) -> u64 {
        let Part::Offset(offset) = self.part else {
            return 0;
        };
        let piece = offset / PIECE_SIZE;
        self.place = piece * PIECE_SIZE;
        piece
    }

    fn push(&mut self, bytes: &[u8]) {
        match self.part {
            Part::Offset(offset) => {
                let skip = offset.saturating_sub(self.place);
                let skip = usize::try_from(skip).unwrap_or(usize::MAX);
                let wanted = bytes.get(skip.min(bytes.len())..).unwrap_or_default();
                self.place += (bytes.len() - wanted.len()) as u64;
                self.keep(wanted);
            }
            Part::Lines(range) => {
                for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                    if self.is_full() {
                        return;
                    }
                    if self.line >= range.first() {
                        self.keep(line);
                    } else {
                        self.place += line.len() as u64;
                    }
                    if line.ends_with(b"\n") {
                        self.is_over |= self.line >= range.last();
                        self.line += 1;
                    }
                }
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.bytes.is_empty() {
            self.begin = self.place;
        }
        let room = self.room.bytes().saturating_sub(self.bytes.len());
        let kept = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.bytes.extend_from_slice(kept);
        self.place += bytes.len() as u64;
        self.is_cut |= kept.len() < bytes.len();
    }

    /// Returns the answer: what fits of the bytes that were kept, and how to go on.
    fn answer(&self, about: &Map<String, Value>) -> Result<String, CtlError> {
        if self.bytes.contains(&0) {
            let mut answer = about.clone();
            answer.insert("binary".to_owned(), json!(true));
            answer.insert("text".to_owned(), json!(""));
            return json_line(&answer);
        }
        let whole = self.shown(about, self.bytes.len())?;
        if self.room.fits(&whole) {
            return Ok(whole);
        }
        let ends = |at: &usize| self.bytes.get(at.wrapping_sub(1)) == Some(&b'\n');
        let ends: Vec<usize> = (1..self.bytes.len()).filter(ends).collect();
        if let Some(length) = self.longest(about, &ends)? {
            return self.shown(about, length);
        }
        // Not even a line fits.
        let starts = |at: &usize| self.bytes.get(*at).is_some_and(|byte| byte & 0xc0 != 0x80);
        let starts: Vec<usize> = (1..self.bytes.len()).filter(starts).collect();
        let length = self.longest(about, &starts)?.unwrap_or(0);
        self.shown(about, length)
    }

    /// Returns the greatest of these lengths whose answer fits.
    fn longest(
        &self,
        about: &Map<String, Value>,
        lengths: &[usize],
    ) -> Result<Option<usize>, CtlError> {
        let (mut fits, mut beyond) = (0, lengths.len() + 1);
        while beyond - fits > 1 {
            let count = fits + (beyond - fits) / 2;
            let length = lengths.get(count - 1).copied().unwrap_or(0);
            if self.room.fits(&self.shown(about, length)?) {
                fits = count;
            } else {
                beyond = count;
            }
        }
        Ok(fits.checked_sub(1).and_then(|at| lengths.get(at).copied()))
    }

    /// Returns the answer with this many of the bytes.
    fn shown(&self, about: &Map<String, Value>, length: usize) -> Result<String, CtlError> {
        let bytes = self.bytes.get(..length).unwrap_or_default();
        let text = String::from_utf8_lossy(bytes);
        let mut answer = json!({ "text": text });
        if matches!(text, std::borrow::Cow::Owned(_)) {
            answer["invalid_utf8"] = json!(true);
        }
        let is_cut = self.is_cut || length < self.bytes.len();
        let next = self.begin + length as u64;
        match self.part {
            Part::Lines(range) => {
                answer["line"] = json!(range.first());
                let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
                let line = range.first().saturating_add(lines);
                let is_whole = bytes.is_empty() || bytes.ends_with(b"\n");
                if is_cut && is_whole {
                    answer["next"] = json!({ "lines": range.from(line) });
                } else if is_cut {
                    answer["next"] = json!({ "offset": next });
                }
            }
            Part::Offset(_) => {
                answer["offset"] = json!(self.begin);
                if is_cut {
                    answer["next"] = json!({ "offset": next });
                }
            }
        }
        if !is_cut && !self.is_over {
            answer["end"] = json!(true);
        }
        let mut all = about.clone();
        all.extend(object_of(answer));
        json_line(&all)
    }
}

impl Sink for &mut Collector {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), CtlError> {
        self.push(bytes);
        Ok(())
    }

    fn describe(&mut self, _: About) -> Result<(), CtlError> {
        Ok(())
    }

    fn is_full(&self) -> bool {
        Collector::is_full(self)
    }
}

impl Sink for Collector {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), CtlError> {
        self.push(bytes);
        Ok(())
    }

    fn describe(&mut self, _: About) -> Result<(), CtlError> {
        Ok(())
    }

    fn is_full(&self) -> bool {
        Collector::is_full(self)
    }
}

impl Collector {
    fn is_full(&self) -> bool {
        self.is_cut || self.is_over
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mcp::page::MAX_BYTES_MIN;

    /// Returns the answer about a part of a file that comes in chunks.
    fn answered(file: &[u8], asked: &Value, room: Room, chunk: usize) -> Value {
        let lines = asked["lines"].as_str();
        let part = part(lines, asked["offset"].as_u64()).unwrap();
        let mut collector = Collector::new(part, room);
        for chunk in file.chunks(chunk.max(1)) {
            if collector.is_full() {
                break;
            }
            collector.push(chunk);
        }
        let text = collector.answer(&Map::new()).unwrap();
        assert!(room.fits(&text), "{} bytes", text.len());
        serde_json::from_str(&text).unwrap()
    }

    fn small() -> Room {
        Room::of(Some(MAX_BYTES_MIN)).unwrap()
    }

    #[test]
    fn lines_are_those_that_were_asked_for() {
        let file = b"one\ntwo\nthree\nfour";
        let text = |lines: &str| answered(file, &json!({ "lines": lines }), small(), 5);
        assert_eq!(text("2"), json!({ "line": 2, "text": "two\n" }));
        assert_eq!(text("2-3"), json!({ "line": 2, "text": "two\nthree\n" }));
        let last = json!({ "line": 3, "text": "three\nfour", "end": true });
        assert_eq!(text("3-"), last);
        assert_eq!(text("9-"), json!({ "line": 9, "text": "", "end": true }));
        let part = answered(file, &json!({ "offset": 4 }), small(), 3);
        let expected = json!({ "offset": 4, "text": "two\nthree\nfour", "end": true });
        assert_eq!(part, expected);
    }

    #[test]
    fn a_binary_file_is_not_shown() {
        let answer = answered(b"\x7fELF\0\0\0", &json!({}), small(), 9);
        assert_eq!(answer, json!({ "binary": true, "text": "" }));
    }

    #[test]
    fn wrong_parts_are_refused() {
        for lines in ["", "0", "5-3", "a", "1-2-3", "-4", "1:2"] {
            assert_eq!(
                part(Some(lines), None).unwrap_err().exit_code(),
                2,
                "{lines}"
            );
        }
        assert!(part(Some("1"), Some(1)).is_err());
    }

    proptest! {
        #[test]
        fn parts_fit_and_are_together_the_file(
            lines in prop::collection::vec("[^\\x00]{0,900}", 0..40),
            room in MAX_BYTES_MIN..5_000,
            chunk in 1_usize..3_000,
        ) {
            let file = lines.join("\n");
            let room = Room::of(Some(room)).unwrap();
            let (mut asked, mut read) = (json!({}), String::new());
            for _ in 0..10_000 {
                let answer = answered(file.as_bytes(), &asked, room, chunk);
                let text = answer["text"].as_str().unwrap();
                read += text;
                match answer.get("next") {
                    Some(next) => prop_assert!(*next != asked && !text.is_empty()),
                    None => break,
                }
                asked = answer["next"].clone();
            }
            prop_assert_eq!(read, file);
        }
    }
}
