//! ZIP archives: the names in them, and the texts, one level deep.

use plugin_api::Place;

use super::Container;
use crate::{
    output::{Output, ReadError},
    reason::Reason,
};

/// Longest text in an archive that is given, in bytes.
const ENTRY_MAX: usize = 8 << 20;

/// Reads an archive. Names are told as they stand there: nothing is ever written under them.
pub(super) fn read(zip: &mut Container, output: &mut Output<'_>) -> Result<(), ReadError> {
    let names = zip.names();
    output.part(Place::Part("names".to_owned()))?;
    for name in &names {
        output.text(&name.replace(['\n', '\r'], " "))?;
        output.end_line()?;
    }
    let (mut unreadable, mut has_readable) = (None, false);
    for (index, name) in names.iter().enumerate() {
        if name.ends_with('/') {
            continue;
        }
        let bytes = match zip.bytes_at(index) {
            Ok(bytes) => bytes,
            // The others may be readable, and the names are known.
            Err(ReadError::Document(reason @ (Reason::Encrypted | Reason::Damaged))) => {
                unreadable = unreadable.or(Some(reason));
                continue;
            }
            Err(error) => return Err(error),
        };
        has_readable = true;
        if bytes.len() <= ENTRY_MAX
            && !bytes.contains(&0)
            && let Ok(text) = String::from_utf8(bytes)
        {
            output.part(Place::Part(name.clone()))?;
            output.text(&text)?;
        }
    }
    match unreadable {
        Some(reason) if !has_readable => Err(ReadError::Document(reason)),
        _ => Ok(()),
    }
}
