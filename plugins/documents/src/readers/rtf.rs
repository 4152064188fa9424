//! RTF: the text between its control words.

use encoding_rs::{Encoding, WINDOWS_1252};
use plugin_api::Place;

use crate::output::{Output, ReadError};

/// Groups that hold no text of the document.
const LEFT_OUT: [&str; 14] = [
    "fonttbl",
    "colortbl",
    "stylesheet",
    "info",
    "pict",
    "object",
    "listtable",
    "listoverridetable",
    "themedata",
    "datastore",
    "generator",
    "filetbl",
    "revtbl",
    "latentstyles",
];

/// Deepest group that is told from the one around it.
const GROUPS_MAX: usize = 1_000;

/// What holds in a group.
#[derive(Clone, Copy)]
struct Group {
    is_left_out: bool,
    /// Letters that stand behind a character by number, for readers that do not know it.
    stand_ins: usize,
}

/// Reads a text.
pub(super) fn read(bytes: &[u8], output: &mut Output<'_>) -> Result<(), ReadError> {
    output.part(Place::Part("text".to_owned()))?;
    let mut rtf = Rtf {
        rest: bytes,
        groups: vec![Group {
            is_left_out: false,
            stand_ins: 1,
        }],
        encoding: WINDOWS_1252,
        letters: Vec::new(),
        skipped: 0,
        high: None,
    };
    while let Some((first, rest)) = rtf.rest.split_first() {
        rtf.rest = rest;
        match first {
            b'{' => rtf.begin(),
            b'}' => rtf.end(output)?,
            b'\\' => rtf.control(output)?,
            b'\r' | b'\n' | 0 => {}
            letter => rtf.letter(*letter),
        }
    }
    rtf.flush(output)
}

/// The way through a text.
struct Rtf<'r> {
    rest: &'r [u8],
    groups: Vec<Group>,
    encoding: &'static Encoding,
    /// Letters that are not decoded yet.
    letters: Vec<u8>,
    /// Letters to come that stand in for a character by number.
    skipped: usize,
    /// The first half of a character.
    high: Option<u16>,
}

impl Rtf<'_> {
    fn group(&self) -> Group {
        self.groups.last().copied().unwrap_or(Group {
            is_left_out: false,
            stand_ins: 1,
        })
    }

    fn begin(&mut self) {
        if self.groups.len() < GROUPS_MAX {
            self.groups.push(self.group());
        }
    }

    fn end(&mut self, output: &mut Output<'_>) -> Result<(), ReadError> {
        self.flush(output)?;
        self.skipped = 0;
        if self.groups.len() > 1 {
            self.groups.pop();
        }
        Ok(())
    }

    fn leave_out(&mut self) {
        if let Some(group) = self.groups.last_mut() {
            group.is_left_out = true;
        }
    }

    fn letter(&mut self, letter: u8) {
        if self.skipped > 0 {
            self.skipped -= 1;
        } else if !self.group().is_left_out {
            self.letters.push(letter);
        }
    }

    /// Gives the letters that were gathered.
    fn flush(&mut self, output: &mut Output<'_>) -> Result<(), ReadError> {
        let letters = std::mem::take(&mut self.letters);
        output.text(&self.encoding.decode_without_bom_handling(&letters).0)
    }

    fn give(&mut self, text: &str, output: &mut Output<'_>) -> Result<(), ReadError> {
        self.flush(output)?;
        match self.group().is_left_out {
            true => Ok(()),
            false => output.text(text),
        }
    }

    fn control(&mut self, output: &mut Output<'_>) -> Result<(), ReadError> {
        let Some((first, rest)) = self.rest.split_first() else {
            return Ok(());
        };
        if !first.is_ascii_alphabetic() {
            self.rest = rest;
            return self.sign(*first, output);
        }
        let end = self
            .rest
            .iter()
            .position(|byte| !byte.is_ascii_alphabetic());
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        let digits = rest.iter().enumerate();
        let digits =
            digits.take_while(|(at, byte)| byte.is_ascii_digit() || *at == 0 && **byte == b'-');
        let (number, rest) = rest.split_at(digits.count());
        self.rest = rest.strip_prefix(b" ").unwrap_or(rest);
        let word = std::str::from_utf8(word).unwrap_or_default();
        let number = std::str::from_utf8(number).unwrap_or_default();
        self.word(word, number.parse().ok(), output)
    }

    /// Takes a control that is one sign.
    fn sign(&mut self, sign: u8, output: &mut Output<'_>) -> Result<(), ReadError> {
        match sign {
            b'\'' => {
                let digits = self
                    .rest
                    .get(..2)
                    .and_then(|digits| std::str::from_utf8(digits).ok());
                if let Some(letter) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())
                {
                    self.rest = &self.rest[2..];
                    self.letter(letter);
                }
                Ok(())
            }
            b'*' => {
                self.leave_out();
                Ok(())
            }
            b'~' => self.give(" ", output),
            b'_' => self.give("-", output),
            b'\r' | b'\n' => self.give("\n", output),
            b'\\' | b'{' | b'}' => {
                self.letter(sign);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn word(
        &mut self,
        word: &str,
        number: Option<i64>,
        output: &mut Output<'_>,
    ) -> Result<(), ReadError> {
        match word {
            "par" | "line" | "row" | "sect" | "page" => return self.give("\n", output),
            "tab" | "cell" => return self.give("\t", output),
            "emdash" => return self.give("\u{2014}", output),
            "endash" => return self.give("\u{2013}", output),
            "lquote" => return self.give("\u{2018}", output),
            "rquote" => return self.give("\u{2019}", output),
            "ldblquote" => return self.give("\u{201c}", output),
            "rdblquote" => return self.give("\u{201d}", output),
            "u" => return self.character(number.unwrap_or(0), output),
            "uc" => {
                let letters = usize::try_from(number.unwrap_or(1)).unwrap_or(1);
                if let Some(group) = self.groups.last_mut() {
                    group.stand_ins = letters.min(8);
                }
            }
            "ansicpg" => {
                let label = format!("windows-{}", number.unwrap_or(1252));
                self.encoding = Encoding::for_label(label.as_bytes()).unwrap_or(WINDOWS_1252);
            }
            "bin" => {
                let length = usize::try_from(number.unwrap_or(0)).unwrap_or(0);
                self.rest = self.rest.get(length..).unwrap_or_default();
            }
            word if LEFT_OUT.contains(&word) => self.leave_out(),
            _ => {}
        }
        Ok(())
    }

    /// Takes a character by its number: a unit of UTF-16, maybe written as a negative one.
    fn character(&mut self, number: i64, output: &mut Output<'_>) -> Result<(), ReadError> {
        self.skipped = self.group().stand_ins;
        let Ok(unit) = u16::try_from(number.rem_euclid(0x1_0000)) else {
            return Ok(());
        };
        if (0xd800..0xdc00).contains(&unit) {
            self.high = Some(unit);
            return Ok(());
        }
        let units: Vec<u16> = self.high.take().into_iter().chain([unit]).collect();
        self.give(&String::from_utf16_lossy(&units), output)
    }
}
