//! Answers that fit into the room that their reader has: as many items as fit, and what was left out.

use serde_json::{Map, Value, json};

use super::kept::Finding;
use crate::{error::CtlError, output::json_line};

/// Room for an answer unless its reader says otherwise, in bytes.
pub(super) const MAX_BYTES_DEFAULT: usize = 16 * 1024;

/// Least room for an answer.
pub(super) const MAX_BYTES_MIN: usize = 2 * 1024;

/// Most room for an answer.
pub(super) const MAX_BYTES_MAX: usize = 256 * 1024;

/// Room for what is around the text: the message of the protocol, with the id of the client.
const ENVELOPE: usize = 256;

/// Longest string of an item that fits nowhere, in characters: each may be spelt as fourteen bytes.
const CUT: usize = 24;

/// Longest URL of such an item, which has ASCII alone.
const URL_CUT: usize = 120;

/// One thing that was found: a line of a file, or a whole file, folder or node.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    /// Its kind and its place. Items beside each other with the same are shown as one.
    pub(super) of: Map<String, Value>,
    /// The lines of it, as `LINE:TEXT`.
    pub(super) lines: Vec<String>,
}

/// The room for an answer, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room(usize);

impl Room {
    /// Returns the room that was asked for.
    pub(super) fn of(asked: Option<usize>) -> Result<Room, CtlError> {
        match asked.unwrap_or(MAX_BYTES_DEFAULT) {
            bytes @ MAX_BYTES_MIN..=MAX_BYTES_MAX => Ok(Room(bytes)),
            _ => Err(CtlError::usage(format!(
                "max_bytes is from {MAX_BYTES_MIN} to {MAX_BYTES_MAX}"
            ))),
        }
    }

    /// Returns whether the text of an answer fits, as a string of a message of the protocol.
    pub(super) fn fits(self, text: &str) -> bool {
        written(text) + ENVELOPE <= self.0
    }

    /// Returns the bytes that a text may have if nothing in it has to be escaped.
    pub(super) fn bytes(self) -> usize {
        self.0 - ENVELOPE
    }
}

/// Returns the bytes of a text as a string of JSON.
pub(super) fn written(text: &str) -> usize {
    let more = |c: char| match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\u{0}'..='\u{1f}' => 6,
        c => c.len_utf8(),
    };
    text.chars().map(more).sum::<usize>() + 2
}

/// Returns the text of the items from `from` on that fit, and the place behind the last of them. `next` gives the
/// cursor for a place.
pub(super) fn page(
    finding: &Finding,
    from: usize,
    room: Room,
    next: impl Fn(usize) -> String,
) -> Result<(String, usize), CtlError> {
    let items = finding.items.get(from..).unwrap_or_default();
    let text = |count: usize| shown(finding, items, from, count, &next);
    // The largest count that fits: more items never make a shorter answer.
    let (mut fits, mut beyond) = (0, items.len() + 1);
    while beyond - fits > 1 {
        let count = fits + (beyond - fits) / 2;
        if room.fits(&text(count)?) {
            fits = count;
        } else {
            beyond = count;
        }
    }
    if fits == 0 && !items.is_empty() {
        // It would fit nowhere; something of it is shown, so that the next page goes on behind it.
        let first: Vec<Item> = items.first().map(cut).into_iter().collect();
        let text = shown(finding, &first, from, 1, &next)?;
        return Ok((text, from + 1));
    }
    Ok((text(fits)?, from + fits))
}

/// Returns the text of the first `count` of these items, which begin at `from`.
fn shown(
    finding: &Finding,
    items: &[Item],
    from: usize,
    count: usize,
    next: impl Fn(usize) -> String,
) -> Result<String, CtlError> {
    let mut answer = finding.about.clone();
    let shown = items.get(..count).unwrap_or_default();
    answer.insert(finding.what.to_owned(), grouped(shown));
    let left = finding.items.len().saturating_sub(from + count);
    if left > 0 {
        answer.insert("left_out".to_owned(), json!(left));
        answer.insert("next".to_owned(), json!(next(from + count)));
    } else if finding.beyond.is_some() {
        answer.insert("next".to_owned(), json!(next(finding.items.len())));
    }
    json_line(&answer)
}

/// Returns the items with those of one thing together.
fn grouped(items: &[Item]) -> Value {
    let mut groups: Vec<Map<String, Value>> = Vec::new();
    let mut last: Option<&Map<String, Value>> = None;
    for item in items {
        let lines = item.lines.iter().map(|line| json!(line));
        let group = groups.last_mut();
        match group.and_then(|group| group.get_mut("lines")) {
            Some(Value::Array(of_group)) if last == Some(&item.of) => of_group.extend(lines),
            _ => {
                let mut group = item.of.clone();
                if !item.lines.is_empty() {
                    group.insert("lines".to_owned(), lines.collect());
                }
                groups.push(group);
            }
        }
        last = Some(&item.of);
    }
    groups.into_iter().map(Value::Object).collect()
}

/// Returns an item with its long strings cut.
fn cut(item: &Item) -> Item {
    let short = |text: &str, longest: usize| -> String {
        let begin: String = text.chars().take(longest).collect();
        if begin.len() < text.len() {
            begin + "…"
        } else {
            begin
        }
    };
    let mut of = item.of.clone();
    for (name, value) in &mut of {
        if let Value::String(text) = value
            && name != "digest"
        {
            let longest = if name == "node" { URL_CUT } else { CUT };
            *text = short(text, longest);
        }
    }
    of.insert("cut".to_owned(), json!(true));
    Item {
        of,
        lines: item
            .lines
            .iter()
            .take(1)
            .map(|line| short(line, CUT))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn finding(items: Vec<Item>) -> Finding {
        Finding {
            what: "hits",
            items,
            about: Map::new(),
            beyond: None,
        }
    }

    fn item(name: &str, line: Option<&str>) -> Item {
        let of = json!({ "name": name }).as_object().unwrap().clone();
        Item {
            of,
            lines: line.map(str::to_owned).into_iter().collect(),
        }
    }

    /// Returns all pages, as values.
    fn pages(finding: &Finding, room: Room) -> Vec<Value> {
        let (mut from, mut pages) = (0, Vec::new());
        loop {
            let (text, next) = page(finding, from, room, |place| format!("k1.{place}")).unwrap();
            assert!(room.fits(&text), "{} bytes", text.len());
            pages.push(serde_json::from_str(&text).unwrap());
            if next >= finding.items.len() {
                return pages;
            }
            assert!(next > from, "it goes on");
            from = next;
        }
    }

    #[test]
    fn lines_of_one_file_stand_together() {
        let items = [("a", "1:x"), ("a", "2:y"), ("b", "1:z"), ("a", "3:w")];
        let items = items.map(|(name, line)| item(name, Some(line))).to_vec();
        let pages = pages(&finding(items), Room::of(None).unwrap());
        let expected = json!({ "hits": [
            { "name": "a", "lines": ["1:x", "2:y"] },
            { "name": "b", "lines": ["1:z"] },
            { "name": "a", "lines": ["3:w"] },
        ] });
        assert_eq!(pages, [expected]);
    }

    #[test]
    fn room_is_within_its_limits() {
        for bytes in [0, MAX_BYTES_MIN - 1, MAX_BYTES_MAX + 1, usize::MAX] {
            assert!(Room::of(Some(bytes)).is_err(), "{bytes}");
        }
    }

    proptest! {
        #[test]
        fn the_length_of_a_written_text_is_known(text in "\\PC*|[\\x00-\\x7f]*") {
            prop_assert_eq!(written(&text), serde_json::to_string(&text).unwrap().len());
        }

        #[test]
        fn pages_fit_and_are_together_the_whole(
            names in prop::collection::vec(("[a-c]", "\\PC{0,400}"), 0..120),
            room in MAX_BYTES_MIN..6_000,
        ) {
            let items: Vec<Item> = names
                .iter()
                .map(|(name, text)| item(name, Some(&format!("1:{text}"))))
                .collect();
            let pages = pages(&finding(items.clone()), Room::of(Some(room)).unwrap());
            let mut lines = Vec::new();
            for page in &pages {
                for hit in page["hits"].as_array().unwrap() {
                    let of_hit = hit["lines"].as_array().unwrap().iter();
                    lines.extend(of_hit.map(|line| (hit["name"].clone(), line.clone())));
                }
            }
            prop_assert_eq!(lines.len(), items.len());
            for (shown, item) in lines.iter().zip(&items) {
                prop_assert_eq!(&shown.0, &item.of["name"]);
                let whole = shown.1 == json!(item.lines[0]);
                prop_assert!(whole || shown.1.as_str().unwrap().ends_with('…'));
            }
        }
    }
}
