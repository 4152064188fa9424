//! The pieces of names that match a query, for peers whose names are known by their pieces only.

use plugin_api::{SummaryKeys, words};

use super::{NameQuery, words::Words};

/// Returns the keys that every name which matches `text` has. `None` if `text` is not a valid query.
pub(crate) fn summary_keys(text: &str) -> Option<SummaryKeys> {
    let NameQuery {
        name,
        is_quoted,
        glob,
    } = NameQuery::parse(text).ok()?;
    let wanted = Words::of(&name, is_quoted);
    Some(match glob {
        None => SummaryKeys {
            words: words(&name.to_lowercase()).map(str::to_owned).collect(),
            texts: wanted.all_pieces(),
            exact: Some(name),
        },
        Some(glob) => SummaryKeys {
            exact: Some(name),
            texts: if glob.texts().is_empty() {
                Vec::new()
            } else {
                vec![glob.texts().to_vec()]
            },
            ..SummaryKeys::default()
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_fits_has_one_text_of_each_group() {
        let fits = |text: &str, name: &str| {
            let keys = summary_keys(text).unwrap();
            let lower = plugin_words::folded(name);
            let has_one = |group: &Vec<String>| group.iter().any(|text| lower.contains(text));
            keys.texts.iter().all(has_one)
        };
        for (text, name) in [
            ("notes.txt", "a/notes.txt"),
            ("notes", "my-notebooks.md"),
            ("sumer holliday", "holiday/Summer.jpg"),
            ("*.JPG", "a.JPG"),
            ("...", "..."),
            ("cafe", "Café.txt"),
            ("café", "Cafe.txt"),
            ("C++ notes", "notes on C++.txt"),
            ("poem OR song", "Song.mp3"),
            ("song -live", "Song.mp3"),
        ] {
            assert!(fits(text, name), "{text} {name}");
        }
        assert!(!fits("missing.txt", "here.txt") && !fits("*.pdf", "here.txt"));
        assert_eq!(summary_keys(""), None);
    }
}
