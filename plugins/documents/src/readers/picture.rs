//! Pictures: what a camera wrote about them. Where they were taken is left out.

use std::{fs::File, io::BufReader};

use exif::{In, Reader, Tag, Value};

use crate::output::{Output, ReadError};

/// The fields, and how they are called. Numbers are not given by their units.
const FIELDS: [(Tag, &str); 8] = [
    (Tag::DateTimeOriginal, "taken"),
    (Tag::Make, "camera"),
    (Tag::Model, "camera"),
    (Tag::LensModel, "lens"),
    (Tag::Artist, "artist"),
    (Tag::ImageDescription, "description"),
    (Tag::PixelXDimension, "width"),
    (Tag::PixelYDimension, "height"),
];

/// Reads a picture. One of which nothing is known is none the worse.
pub(super) fn read(file: File, output: &mut Output<'_>) -> Result<(), ReadError> {
    let mut reader = Reader::new();
    reader.continue_on_error(true);
    let read = reader.read_from_container(&mut BufReader::new(file));
    let found = match read {
        Ok(found) => found,
        Err(error) => match error.distill_partial_result(|_| ()) {
            Ok(found) => found,
            Err(_) => return Ok(()),
        },
    };
    for (tag, name) in FIELDS {
        let Some(field) = found.get_field(tag, In::PRIMARY) else {
            continue;
        };
        match &field.value {
            Value::Ascii(texts) => {
                let texts = texts.iter().map(|text| String::from_utf8_lossy(text));
                let text = texts.collect::<Vec<_>>().join(" ");
                let is_date = tag == Tag::DateTimeOriginal;
                output.property(name, &if is_date { date(&text) } else { text });
            }
            value => {
                if let Some(number) = value.get_uint(0) {
                    output.property(name, &number.to_string());
                }
            }
        }
    }
    Ok(())
}

/// Returns `2024-05-01 12:30:00` for `2024:05:01 12:30:00`.
fn date(text: &str) -> String {
    match text.split_once(' ') {
        Some((day, time)) => format!("{} {time}", day.replace(':', "-")),
        None => text.replace(':', "-"),
    }
}
