//! Values of XML-RPC: the check of one, and its text.
//!
//! The type is the `xmlrpc` crate's. That crate reads things that it cannot
//! write again (week dates), and writes things that nobody can read (control
//! characters, infinities); [`recheck`] refuses both before a value goes any
//! further. Values are written here, not there, because a carriage return has
//! to travel as `&#13;` and `]]>` has to be escaped.
//!
//! # Invariants
//! - A value that passes [`recheck`] reads back from what [`write()`] makes of it.
//! - [`write()`] never panics and always makes well-formed XML, even of a value
//!   that would not pass: what cannot be written becomes `<nil/>`, a character
//!   that XML does not allow becomes U+FFFD.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use iso8601::{Date, DateTime};
pub use xmlrpc::Value;

use crate::characters::is_xml;
use crate::limits::XML_DEPTH_MAX;

/// The error of a value that was read and cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// A date that is not year, month and day, or out of its range.
    #[error("a date is not year, month and day")]
    Date,
    /// An infinite double or not a number.
    #[error("a double is not a finite number")]
    NotFinite,
    /// A character that XML 1.0 does not allow.
    #[error("a string has a character that XML does not allow")]
    IllegalCharacter,
    /// More than [`XML_DEPTH_MAX`] levels.
    #[error("a value is nested deeper than {XML_DEPTH_MAX}")]
    TooDeep,
}

/// Checks a value from outside before it is used, kept or passed on.
///
/// # Errors
/// The first reason found.
pub fn recheck(value: &Value) -> Result<(), ValueError> {
    recheck_at(value, 0)
}

fn recheck_at(value: &Value, depth: usize) -> Result<(), ValueError> {
    if depth > XML_DEPTH_MAX {
        return Err(ValueError::TooDeep);
    }
    match value {
        Value::Double(number) if !number.is_finite() => Err(ValueError::NotFinite),
        Value::DateTime(time) => plain_date(time).map(drop).ok_or(ValueError::Date),
        Value::String(text) => recheck_text(text),
        Value::Array(items) => items.iter().try_for_each(|v| recheck_at(v, depth + 1)),
        Value::Struct(members) => members.iter().try_for_each(|(name, value)| {
            recheck_text(name)?;
            recheck_at(value, depth + 1)
        }),
        _ => Ok(()),
    }
}

fn recheck_text(text: &str) -> Result<(), ValueError> {
    if text.chars().all(is_xml) {
        Ok(())
    } else {
        Err(ValueError::IllegalCharacter)
    }
}

/// Returns the date in the one form that every XML-RPC library reads, if it has one:
/// `19980717T14:08:55`. Zone and fraction have no place in it.
fn plain_date(time: &DateTime) -> Option<String> {
    let Date::YMD { year, month, day } = time.date else {
        return None;
    };
    let clock = time.time;
    let offset = (clock.tz_offset_hours, clock.tz_offset_minutes);
    if !(0..=9999).contains(&year) || offset != (0, 0) || clock.millisecond != 0 {
        return None;
    }
    let (hour, minute, second) = (clock.hour, clock.minute, clock.second);
    Some(format!(
        "{year:04}{month:02}{day:02}T{hour:02}:{minute:02}:{second:02}"
    ))
}

/// Appends `<value>…</value>` to `out`.
pub fn write(value: &Value, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<value>");
    match value {
        Value::Int(number) => write_scalar("int", &number.to_string(), out),
        Value::Int64(number) => write_scalar("i8", &number.to_string(), out),
        Value::Bool(truth) => write_scalar("boolean", if *truth { "1" } else { "0" }, out),
        Value::String(text) => write_scalar("string", text, out),
        Value::Double(number) if number.is_finite() => {
            write_scalar("double", &number.to_string(), out);
        }
        Value::DateTime(time) => write_date(time, out),
        Value::Base64(bytes) => write_scalar("base64", &STANDARD.encode(bytes), out),
        Value::Struct(members) => write_struct(members.iter(), out),
        Value::Array(items) => write_array(items, out),
        Value::Double(_) | Value::Nil => out.extend_from_slice(b"<nil/>"),
    }
    out.extend_from_slice(b"</value>");
}

fn write_scalar(tag: &str, text: &str, out: &mut Vec<u8>) {
    open(tag, out);
    write_text(text, out);
    close(tag, out);
}

fn write_date(time: &DateTime, out: &mut Vec<u8>) {
    match plain_date(time) {
        Some(text) => write_scalar("dateTime.iso8601", &text, out),
        None => out.extend_from_slice(b"<nil/>"),
    }
}

fn write_struct<'a>(members: impl Iterator<Item = (&'a String, &'a Value)>, out: &mut Vec<u8>) {
    open("struct", out);
    for (name, value) in members {
        open("member", out);
        write_scalar("name", name, out);
        write(value, out);
        close("member", out);
    }
    close("struct", out);
}

fn write_array(items: &[Value], out: &mut Vec<u8>) {
    out.extend_from_slice(b"<array><data>");
    for item in items {
        write(item, out);
    }
    out.extend_from_slice(b"</data></array>");
}

fn open(tag: &str, out: &mut Vec<u8>) {
    out.push(b'<');
    out.extend_from_slice(tag.as_bytes());
    out.push(b'>');
}

fn close(tag: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"</");
    out.extend_from_slice(tag.as_bytes());
    out.push(b'>');
}

/// Appends `text` escaped; a character that XML does not allow as U+FFFD.
pub(crate) fn write_text(text: &str, out: &mut Vec<u8>) {
    let mut plain_from = 0;
    for (at, c) in text.char_indices() {
        let Some(escape) = escape_of(c) else { continue };
        out.extend_from_slice(&text.as_bytes()[plain_from..at]);
        out.extend_from_slice(escape.as_bytes());
        plain_from = at + c.len_utf8();
    }
    out.extend_from_slice(&text.as_bytes()[plain_from..]);
}

fn escape_of(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '\r' => Some("&#13;"),
        _ if is_xml(c) => None,
        _ => Some("\u{FFFD}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &Value) -> String {
        let mut out = Vec::new();
        write(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn date(text: &str) -> Value {
        Value::DateTime(iso8601::datetime(text).unwrap())
    }

    #[test]
    fn week_and_ordinal_dates_are_refused_and_written_as_nil() {
        for text in ["2015-W45-1T10:00:00", "2015-123T10:00:00"] {
            assert_eq!(recheck(&date(text)), Err(ValueError::Date), "{text}");
            assert_eq!(written(&date(text)), "<value><nil/></value>");
        }
    }

    #[test]
    fn a_plain_date_is_written_in_the_common_form() {
        let value = date("1998-07-17T14:08:55");
        assert_eq!(recheck(&value), Ok(()));
        let expected = "<value><dateTime.iso8601>19980717T14:08:55</dateTime.iso8601></value>";
        assert_eq!(written(&value), expected);
    }

    #[test]
    fn infinite_doubles_are_refused_and_written_as_nil() {
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let value = Value::Double(number);
            assert_eq!(recheck(&value), Err(ValueError::NotFinite));
            assert_eq!(written(&value), "<value><nil/></value>");
        }
    }

    #[test]
    fn illegal_characters_are_refused_wherever_they_hide() {
        let bad = Value::from("a\u{1}b");
        let member = [("k\u{FFFE}".to_owned(), Value::Nil)];
        let nested = Value::Array(vec![Value::Struct(member.into())]);
        assert_eq!(recheck(&bad), Err(ValueError::IllegalCharacter));
        assert_eq!(recheck(&nested), Err(ValueError::IllegalCharacter));
        assert_eq!(written(&bad), "<value><string>a\u{FFFD}b</string></value>");
    }

    #[test]
    fn depth_is_limited_when_a_value_is_rechecked() {
        let nest = |levels| (0..levels).fold(Value::Nil, |v, _| Value::Array(vec![v]));
        assert_eq!(recheck(&nest(XML_DEPTH_MAX)), Ok(()));
        assert_eq!(recheck(&nest(XML_DEPTH_MAX + 1)), Err(ValueError::TooDeep));
    }

    #[test]
    fn text_is_escaped_so_that_every_parser_reads_it_back() {
        let value = Value::from("a<b>&c]]>\r\n\"'");
        let expected = "<value><string>a&lt;b&gt;&amp;c]]&gt;&#13;\n\"'</string></value>";
        assert_eq!(written(&value), expected);
    }
}
