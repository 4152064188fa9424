//! The values of a request, from tokens.
//!
//! Stricter than the `xmlrpc` crate: no `NaN`, no unpadded base64, no text
//! after a date, no member twice.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::tokens::{Markup, Tag, Tokens, unexpected};
use crate::fault::Fault;
use crate::gate::is_space;
use crate::value::Value;

/// Reads from after `<value>` to after `</value>`.
pub(super) fn read(tokens: &mut Tokens<'_>) -> Result<Value, Fault> {
    let (text, markup) = tokens.text_and_markup()?;
    let tag = match markup {
        Markup::Close => return Ok(Value::String(text)),
        Markup::Open(tag) if text.trim_start_matches(is_space).is_empty() => tag,
        _ => return Err(Fault::invalid_request("A value with both text and tags")),
    };
    let value = match tag {
        Tag::Struct => read_struct(tokens)?,
        Tag::Array => read_array(tokens)?,
        _ => scalar(tag, tokens.text_to_close()?)?,
    };
    tokens.expect_close()?;
    Ok(value)
}

fn read_struct(tokens: &mut Tokens<'_>) -> Result<Value, Fault> {
    let mut members = BTreeMap::new();
    while tokens.open_or_close(Tag::Member)? {
        tokens.expect_open(Tag::Name)?;
        let name = tokens.text_to_close()?;
        tokens.expect_open(Tag::Value)?;
        let value = read(tokens)?;
        tokens.expect_close()?;
        match members.entry(name) {
            Entry::Vacant(free) => drop(free.insert(value)),
            Entry::Occupied(_) => return Err(Fault::invalid_request("A member occurs twice")),
        }
    }
    Ok(Value::Struct(members))
}

fn read_array(tokens: &mut Tokens<'_>) -> Result<Value, Fault> {
    let mut items = Vec::new();
    tokens.expect_open(Tag::Data)?;
    while tokens.open_or_close(Tag::Value)? {
        items.push(read(tokens)?);
    }
    tokens.expect_close()?;
    Ok(Value::Array(items))
}

fn scalar(tag: Tag, text: String) -> Result<Value, Fault> {
    let trimmed = text.trim_matches(is_space);
    let value = match tag {
        Tag::String => return Ok(Value::String(text)),
        Tag::Int => trimmed.parse().ok().map(Value::Int),
        Tag::Int64 => trimmed.parse().ok().map(Value::Int64),
        Tag::Boolean => boolean(trimmed),
        Tag::Double => double(trimmed),
        Tag::DateTime => date_time(trimmed),
        Tag::Base64 => base64(trimmed),
        Tag::Nil if trimmed.is_empty() => Some(Value::Nil),
        Tag::Nil => None,
        _ => return Err(unexpected(Markup::Open(tag))),
    };
    value.ok_or_else(|| Fault::invalid_request(&format!("Not a value of type {tag:?}")))
}

fn boolean(text: &str) -> Option<Value> {
    match text {
        "0" => Some(Value::Bool(false)),
        "1" => Some(Value::Bool(true)),
        _ => None,
    }
}

fn double(text: &str) -> Option<Value> {
    let number: f64 = text.parse().ok()?;
    number.is_finite().then_some(Value::Double(number))
}

/// Reads `19980717T14:08:55` or `1998-07-17T14:08:55`, nothing before or after.
fn date_time(text: &str) -> Option<Value> {
    let compact = "ddddddddTdd:dd:dd";
    let dashed = "dddd-dd-ddTdd:dd:dd";
    if !(fits(text, compact) || fits(text, dashed)) {
        return None;
    }
    iso8601::datetime(text).ok().map(Value::DateTime)
}

/// Returns true if `text` follows `pattern`, where `d` is a digit and all else itself.
fn fits(text: &str, pattern: &str) -> bool {
    let fits = |(byte, expected): (u8, u8)| match expected {
        b'd' => byte.is_ascii_digit(),
        _ => byte == expected,
    };
    text.len() == pattern.len() && text.bytes().zip(pattern.bytes()).all(fits)
}

fn base64(text: &str) -> Option<Value> {
    let dense: Vec<u8> = text.bytes().filter(|b| !is_space(char::from(*b))).collect();
    STANDARD.decode(dense).ok().map(Value::Base64)
}
