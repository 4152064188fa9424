//! HTML: what a reader sees, without tags, scripts and styles.

use std::cell::RefCell;

use encoding_rs::Encoding;
use html5ever::{
    tendril::StrTendril,
    tokenizer::{
        BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer,
        states::{Rawtext, Rcdata, ScriptData},
    },
};
use plugin_api::Place;

use super::encoded::guessed;
use crate::output::{Kind, Output, ReadError};

/// Bytes of a page in which it may say its encoding.
const DECLARED_IN: usize = 1024;

/// Elements that begin and end a line.
const BLOCKS: [&str; 34] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "br",
    "caption",
    "dd",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "nav",
    "ol",
    "option",
    "p",
    "pre",
    "section",
    "tr",
    "ul",
    "table",
];

/// Reads a page. One in UTF-8 can be searched as it stands, too.
pub(super) fn read(bytes: &[u8], output: &mut Output<'_>) -> Result<Kind, ReadError> {
    let is_plain = !bytes.starts_with(b"\xef\xbb\xbf") && std::str::from_utf8(bytes).is_ok();
    let page = Page::of(&decoded(bytes));
    output.part(Place::Part("text".to_owned()))?;
    if let Some(title) = page.title() {
        output.text(title)?;
        output.end_line()?;
    }
    output.text(page.text())?;
    Ok(if is_plain { Kind::Text } else { Kind::Document })
}

/// Returns the text of a page in whatever encoding it is.
fn decoded(bytes: &[u8]) -> String {
    let encoding = match Encoding::for_bom(bytes) {
        Some((encoding, _)) => encoding,
        None if std::str::from_utf8(bytes).is_ok() => encoding_rs::UTF_8,
        None => declared(bytes).unwrap_or_else(|| guessed(bytes)),
    };
    encoding.decode(bytes).0.into_owned()
}

/// Returns the encoding that a page says it has.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let begin = String::from_utf8_lossy(&bytes[..bytes.len().min(DECLARED_IN)]);
    let begin = begin.to_ascii_lowercase();
    let label = begin.split_once("charset")?.1.trim_start();
    let label = label
        .strip_prefix('=')?
        .trim_start_matches([' ', '"', '\'']);
    let end = label.find(|c: char| !(c.is_ascii_alphanumeric() || "-_:.".contains(c)));
    Encoding::for_label(&label.as_bytes()[..end.unwrap_or(label.len())])
}

/// The text of a page.
pub(super) struct Page {
    title: String,
    heading: String,
    text: String,
}

impl Page {
    /// Reads a page.
    pub(super) fn of(text: &str) -> Page {
        let input = BufferQueue::default();
        input.push_back(StrTendril::from_slice(text));
        let tokenizer = Tokenizer::new(Collecting::default(), Default::default());
        // It stops at the end of each script, which is not run here.
        while !input.is_empty() {
            let _ = tokenizer.feed(&input);
        }
        tokenizer.end();
        let collected = tokenizer.sink.0.into_inner();
        let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        Page {
            title: one_line(&collected.title),
            heading: one_line(&collected.heading),
            text: collected.text,
        }
    }

    /// Returns the first heading, or the title.
    pub(super) fn title(&self) -> Option<&str> {
        let named = [self.heading.as_str(), self.title.as_str()];
        named.into_iter().find(|name| !name.is_empty())
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// Takes the tokens of a page.
#[derive(Default)]
struct Collecting(RefCell<Collected>);

#[derive(Default)]
struct Collected {
    text: String,
    title: String,
    heading: String,
    in_title: bool,
    in_heading: bool,
    has_heading: bool,
    in_pre: usize,
    /// The element whose text is left out until it ends.
    left_out: Option<&'static str>,
    /// True if a space is due before the next word.
    space: bool,
}

impl TokenSink for Collecting {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        let mut collected = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) => collected.tag(&tag),
            Token::CharacterTokens(text) => {
                collected.characters(&text);
                TokenSinkResult::Continue
            }
            _ => TokenSinkResult::Continue,
        }
    }
}

impl Collected {
    fn tag(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let name: &str = &tag.name;
        let begins = tag.kind == TagKind::StartTag;
        if let Some(left_out) = self.left_out {
            if name == left_out && !begins {
                self.left_out = None;
            }
            return TokenSinkResult::Continue;
        }
        if BLOCKS.contains(&name) {
            self.end_line();
        }
        match name {
            "td" | "th" if begins => self.space = true,
            "h1" | "h2" | "h3" => {
                self.in_heading = begins && !self.has_heading;
                self.has_heading |= !begins;
            }
            "pre" if begins => self.in_pre += 1,
            "pre" => self.in_pre = self.in_pre.saturating_sub(1),
            "title" => self.in_title = begins,
            _ => {}
        }
        if !begins || tag.self_closing && name != "script" && name != "style" {
            self.in_title = false;
            return TokenSinkResult::Continue;
        }
        match name {
            "script" => self.leave_out("script", ScriptData),
            "style" => self.leave_out("style", Rawtext),
            "noframes" | "iframe" | "noembed" | "xmp" => TokenSinkResult::RawData(Rawtext),
            "title" | "textarea" => TokenSinkResult::RawData(Rcdata),
            _ => TokenSinkResult::Continue,
        }
    }

    fn leave_out(
        &mut self,
        name: &'static str,
        kind: html5ever::tokenizer::states::RawKind,
    ) -> TokenSinkResult<()> {
        self.left_out = Some(name);
        TokenSinkResult::RawData(kind)
    }

    fn characters(&mut self, text: &str) {
        if self.left_out.is_some() {
            return;
        }
        if self.in_title {
            self.title.push_str(text);
            return;
        }
        if self.in_heading {
            self.heading.push_str(text);
        }
        if self.in_pre > 0 {
            self.text.push_str(text);
            return;
        }
        for c in text.chars() {
            // A space that does not break is one that stays.
            if c.is_whitespace() && c != '\u{a0}' {
                self.space = true;
                continue;
            }
            if std::mem::take(&mut self.space)
                && !self.text.is_empty()
                && !self.text.ends_with('\n')
            {
                self.text.push(' ');
            }
            self.text.push(c);
        }
    }

    fn end_line(&mut self) {
        self.space = false;
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }
}
