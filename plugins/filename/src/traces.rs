//! What a text leaves in the names that fit it, for whoever knows of names only
//! which pieces they have.

use plugin_api::words;

use super::{Wanted, words::Words};

/// What is known of the names that fit a text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Traces {
    /// The name, or its last part, that fits best.
    pub exact: Option<String>,
    /// Words, in lower case; a name that has all of them fits.
    pub words: Vec<String>,
    /// Groups of texts, folded. Every name that fits, also if it only nearly does, has
    /// of each group one in it when it is folded. None if nothing is known.
    pub texts: Vec<Vec<String>>,
}

/// What is known of the names that fit `text`. `None` if it is no text of a query.
#[must_use]
pub fn traces(text: &str) -> Option<Traces> {
    let Wanted { name, glob } = Wanted::parse(text).ok()?;
    Some(match glob {
        None => Traces {
            words: words(&name.to_lowercase()).map(str::to_owned).collect(),
            texts: Words::of(&name).all_pieces(),
            exact: Some(name),
        },
        Some(glob) => Traces {
            exact: Some(name),
            texts: if glob.texts().is_empty() {
                Vec::new()
            } else {
                vec![glob.texts().to_vec()]
            },
            ..Traces::default()
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_fits_has_one_text_of_each_group() {
        let fits = |text: &str, name: &str| {
            let traces = traces(text).unwrap();
            let lower = plugin_words::folded(name);
            let has_one = |group: &Vec<String>| group.iter().any(|text| lower.contains(text));
            traces.texts.iter().all(has_one)
        };
        for (text, name) in [
            ("notes.txt", "a/notes.txt"),
            ("notes", "my-notebooks.md"),
            ("sumer holliday", "holiday/Summer.jpg"),
            ("*.JPG", "a.JPG"),
            ("...", "..."),
            ("cafe", "Café.txt"),
            ("café", "Cafe.txt"),
        ] {
            assert!(fits(text, name), "{text} {name}");
        }
        assert!(!fits("missing.txt", "here.txt") && !fits("*.pdf", "here.txt"));
        assert_eq!(traces(""), None);
    }
}
