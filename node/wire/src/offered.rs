//! Names of files that people without Sixhop offer.

use crate::name::{ShareName, composed};

/// Longest name that is made, in bytes: a number and an ending still fit behind it.
const LENGTH_MAX: usize = 200;

/// Longest ending that is kept of a name that is too long, in bytes.
const ENDING_MAX: usize = 20;

/// The name of a file that has none of its own.
const NAMELESS: &str = "file";

/// Returns a name for a file that somebody offers as `text`: the nearest one that a share can have, without folders, and
/// without a dot at its begin.
#[must_use]
pub fn offered_name(text: &str) -> ShareName {
    let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
    let safe: String = composed(last).chars().map(safe_char).collect();
    let safe = safe.trim_matches(' ');
    let visible = safe.trim_start_matches('.');
    let safe = if visible.len() < safe.len() {
        format!("_{visible}")
    } else {
        safe.to_owned()
    };
    let safe = composed(&shortened(&safe)).trim_matches(' ').to_owned();
    let name = ShareName::parse(&safe).ok();
    let name = name.filter(|name| !name.is_configuration() && !name.has_dot());
    name.unwrap_or_else(|| ShareName::parse(NAMELESS).expect("it is a name"))
}

/// Returns the name with a number before its ending: the second file of a name, the third and so on.
#[must_use]
pub fn numbered(name: &ShareName, number: u32) -> Option<ShareName> {
    if number <= 1 {
        return Some(name.clone());
    }
    let (folder, last) = match name.as_str().rsplit_once('/') {
        Some((folder, last)) => (format!("{folder}/"), last),
        None => (String::new(), name.as_str()),
    };
    let (stem, ending) = parts(last);
    ShareName::parse(&format!("{folder}{stem} ({number}){ending}")).ok()
}

/// Returns a character that a name can have: this one, or a line.
fn safe_char(c: char) -> char {
    let is_safe = c != '/' && ShareName::check(&format!("a{c}b")).is_ok();
    // Some letters are no name between others, and one with them: those are composed.
    if is_safe || composed(&format!("a{c}b")) != format!("a{c}b") {
        c
    } else {
        '_'
    }
}

/// Splits a name before its ending.
fn parts(name: &str) -> (&str, &str) {
    let dot = name
        .rfind('.')
        .filter(|dot| *dot > 0 && name.len() - dot <= ENDING_MAX);
    name.split_at(dot.unwrap_or(name.len()))
}

fn shortened(name: &str) -> String {
    if name.len() <= LENGTH_MAX {
        return name.to_owned();
    }
    let (stem, ending) = parts(name);
    let mut end = LENGTH_MAX - ending.len();
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ending}", &stem[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_people_offer_are_kept_as_far_as_they_can_be() {
        let long = format!("{}.jpeg", "\u{e9}".repeat(300));
        for (offered, expected) in [
            ("IMG 0001.JPG", "IMG 0001.JPG"),
            ("\u{e9}t\u{e9}.txt", "\u{e9}t\u{e9}.txt"),
            ("e\u{301}.txt", "\u{e9}.txt"),
            ("C:\\Users\\me\\plan.pdf", "plan.pdf"),
            ("../../etc/passwd", "passwd"),
            ("a/b/", "file"),
            ("", "file"),
            ("..", "_"),
            (".bashrc", "_bashrc"),
            (".sixhopignore", "_sixhopignore"),
            ("\u{ad}.sixhopignore", "file"),
            (".sixhop-part-0123", "_sixhop-part-0123"),
            ("a\u{0}b\u{202e}c\nd", "a_b_c_d"),
            ("  spaces  ", "spaces"),
            ("\u{301}", "\u{301}"),
        ] {
            assert_eq!(offered_name(offered).as_str(), expected, "{offered:?}");
        }
        let name = offered_name(&long);
        assert!(name.as_str().len() <= LENGTH_MAX && name.as_str().ends_with("\u{e9}.jpeg"));
    }

    #[test]
    fn a_number_stands_before_the_ending() {
        for (name, expected) in [
            ("a.txt", "a (2).txt"),
            ("in/a", "in/a (2)"),
            (
                "v1.2 of the long plan that we made",
                "v1.2 of the long plan that we made (2)",
            ),
        ] {
            let name = ShareName::parse(name).unwrap();
            assert_eq!(numbered(&name, 2).unwrap().as_str(), expected);
            assert_eq!(numbered(&name, 1).unwrap(), name);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_offered_is_a_visible_name_without_folders(text in "\\PC{0,300}|.{0,40}|[./\\\\ a]{0,20}") {
            let name = offered_name(&text);
            prop_assert!(!name.as_str().contains('/') && !name.as_str().starts_with('.'));
            prop_assert!(name.as_str().len() <= LENGTH_MAX + 8);
            prop_assert!(numbered(&name, 999).is_some());
        }
    }
}
