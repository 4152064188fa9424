//! Music and videos: their tags.

use std::{fs::File, io::BufReader};

use lofty::{
    config::ParseOptions,
    file::TaggedFileExt,
    probe::Probe,
    tag::{ItemKey, Tag},
};

use crate::output::{Output, ReadError};

/// The tags, and how they are called.
const TAGS: [(ItemKey, &str); 8] = [
    (ItemKey::TrackArtist, "artist"),
    (ItemKey::AlbumArtist, "artist"),
    (ItemKey::AlbumTitle, "album"),
    (ItemKey::TrackTitle, "title"),
    (ItemKey::Composer, "composer"),
    (ItemKey::Genre, "genre"),
    (ItemKey::RecordingDate, "date"),
    (ItemKey::Comment, "comment"),
];

/// Reads a piece. One without tags is none the worse.
pub(super) fn read(file: File, output: &mut Output<'_>) -> Result<(), ReadError> {
    let options = ParseOptions::new()
        .read_properties(false)
        .read_cover_art(false);
    let probe = Probe::new(BufReader::new(file)).options(options);
    let read = probe.guess_file_type()?.read();
    let Ok(found) = read else {
        return Ok(());
    };
    for (key, name) in TAGS {
        let all = found
            .tags()
            .iter()
            .flat_map(|tag: &Tag| tag.get_strings(key));
        let mut values: Vec<&str> = all.collect();
        values.dedup();
        for value in values {
            output.property(name, value);
        }
    }
    Ok(())
}
