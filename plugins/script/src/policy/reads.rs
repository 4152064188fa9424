//! The properties of an asker that a policy reads, by its text.
//!
//! A property whose name does not occur in the script is not given to it, so decisions cannot
//! depend on it, however a script is written. What is named in a comment only is read as if it
//! were used, unless the comment has its line for itself: that costs summaries, and decides nothing.

use plugin_api::Reads;
use rhai::{Dynamic, Map};

/// Returns the properties whose names occur in a script.
pub(super) fn reads(source: &str) -> Reads {
    // A line inside of such a text may look like a comment.
    let has_long_text = source.contains('`');
    let is_code = |line: &&str| has_long_text || !line.trim_start().starts_with("//");
    let mut reads = Reads::default();
    for line in source.lines().filter(is_code) {
        for word in line.split(|letter: char| !letter.is_alphanumeric() && letter != '_') {
            match word {
                "from" => reads.from = true,
                "id" => reads.id = true,
                "groups" => reads.groups = true,
                "peer" => reads.peer = true,
                _ => {}
            }
        }
    }
    reads
}

/// Takes the properties from an argument that the script does not read.
pub(super) fn withhold(reads: Reads, asked: &mut Map) {
    let withheld = [
        ("from", !reads.from, Dynamic::from("")),
        ("id", !reads.id, Dynamic::from("")),
        ("groups", !reads.groups, Dynamic::from(rhai::Array::new())),
        ("peer", !reads.peer, Dynamic::from("")),
    ];
    for (name, is_withheld, empty) in withheld {
        if is_withheld && let Some(value) = asked.get_mut(name) {
            *value = empty;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_read_where_its_name_stands() {
        let groups = Reads {
            groups: true,
            ..Reads::default()
        };
        let id = Reads {
            id: true,
            ..Reads::default()
        };
        for (source, expected) in [
            ("fn allow_fetch(f) { \"a\" in f.groups }", groups),
            (
                "// from a friend, by id\nfn allow_fetch(f) { \"a\" in f.groups }",
                groups,
            ),
            ("fn allow_fetch(f) { f[\"id\"] != \"\" }", id),
            ("fn allow_fetch(f) { f.name.is_empty() } // by id", id),
            ("fn allow_fetch(f) { `\n// ${f.id}` != \"\" }", id),
            (
                "fn allow_fetch(f) { f.width == f.identity }",
                Reads::default(),
            ),
        ] {
            assert_eq!(reads(source), expected, "{source}");
        }
    }
}
