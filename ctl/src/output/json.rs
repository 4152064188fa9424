//! JSON in printable characters: what could steer a terminal or hide is spelt as an escape, which JSON reads back the same.

use std::fmt::Write;

use node_wire::characters::is_graphic;
use serde::Serialize;

use crate::error::CtlError;

/// Formats a value as one line.
pub(super) fn line(value: &impl Serialize) -> Result<String, CtlError> {
    serde_json::to_string(value)
        .map(|text| spelt(&text))
        .map_err(|error| unwritable(&error))
}

/// Formats a value on as many lines as are good to read.
pub(super) fn page(value: &impl Serialize) -> Result<String, CtlError> {
    serde_json::to_string_pretty(value)
        .map(|text| spelt(&text))
        .map_err(|error| unwritable(&error))
}

/// A line of a stream: what kind it is, and what it says.
#[derive(Debug, Serialize)]
pub(super) struct Record<'a, T> {
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    #[serde(flatten)]
    pub(super) said: &'a T,
}

fn unwritable(error: &serde_json::Error) -> CtlError {
    CtlError::failed(format!("the answer cannot be written as JSON: {error}"))
}

/// Returns JSON in printable characters. Line breaks between values stay; `serde_json` escapes those in strings.
fn spelt(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_graphic(c) || c == '\n' {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(out, "\\u{unit:04x}").expect("a string takes everything");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_says_its_kind_beside_its_members() {
        let said = serde_json::json!({ "name": "a" });
        let record = Record {
            kind: "hit",
            said: &said,
        };
        assert_eq!(line(&record).unwrap(), r#"{"type":"hit","name":"a"}"#);
    }

    #[test]
    fn hidden_characters_are_spelt_and_read_back() {
        let text = "\u{9b}31m \u{202e}x\u{7f} \u{10ffff} é";
        let json = line(&text).unwrap();
        assert_eq!(json, r#""\u009b31m \u202ex\u007f \udbff\udfff é""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
