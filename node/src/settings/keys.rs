//! The keys of the configuration file: an example of the file, and the nearest key to one that there is not.

use std::fmt::Write;

use clap::{Arg, CommandFactory};

use crate::cli::Cli;

/// Width of the lines of the example.
const WIDTH: usize = 78;

/// Options that are no keys.
const NO_KEYS: [&str; 4] = ["config", "print-config", "help", "version"];

/// Keys with an example of a value: the default where there is one.
const EXAMPLES: [(&str, &str); 23] = [
    ("share", r#""~/shared""#),
    ("listen", r#""127.0.0.1:4242""#),
    ("web", r#"":8080""#),
    ("web_url", r#""https://files.example.net""#),
    ("url", r#""http://node.example:4242/""#),
    ("allow_host", "[]"),
    ("name", r#""study""#),
    ("control", r#""127.0.0.1:4243""#),
    ("state", r#""~/.local/state/sixhop""#),
    ("peer", "[]"),
    ("peers", r#""urls.txt""#),
    ("plugins", r#""plugins""#),
    ("network_key_file", r#""~/our-key""#),
    ("cache_size", r#""1G""#),
    ("upload_rate", "0"),
    ("download_rate", "0"),
    ("mdns", r#""auto""#),
    ("network", r#""a name that is hard to guess""#),
    ("publish", "false"),
    ("dht_bootstrap", "[]"),
    ("sandbox", r#""calls""#),
    ("documents", r#""on""#),
    ("log_format", r#""text""#),
];

/// Returns a configuration file in which every key stands behind a `#`, with what it means.
#[must_use]
pub fn example() -> String {
    let mut text = String::from(
        "# Configuration of noded. Remove the # before a key to set it.\n\
         # Put the file at ~/.config/sixhop/config.toml, or name it with --config.\n",
    );
    for option in options() {
        let key = key(&option);
        let help = option.get_help().map(ToString::to_string);
        let lines = wrapped(&help.unwrap_or_default());
        let value = EXAMPLES.iter().find(|(known, _)| *known == key);
        let value = value.map_or(r#""""#, |(_, value)| value);
        let lines: String = lines.iter().map(|line| format!("# {line}\n")).collect();
        write!(text, "\n{lines}#{key} = {value}\n").expect("a string takes everything");
    }
    text
}

/// Returns the key that somebody may have meant who wrote this one.
pub(super) fn nearest(written: &str) -> Option<String> {
    let written = written.to_lowercase().replace('-', "_");
    let keys = options().into_iter().map(|option| key(&option));
    let (key, far) = keys
        .map(|key| {
            let far = distance(&key, &written);
            (key, far)
        })
        .min_by_key(|(_, far)| *far)?;
    (far <= key.len().min(written.len()) / 3 + 1 && far < key.len()).then_some(key)
}

fn options() -> Vec<Arg> {
    let cli = Cli::command();
    let options = cli.get_arguments().filter(|option| {
        let name = option.get_long().unwrap_or_default();
        !NO_KEYS.contains(&name)
    });
    options.cloned().collect()
}

fn key(option: &Arg) -> String {
    option.get_long().unwrap_or_default().replace('-', "_")
}

/// Text in lines of at most [`WIDTH`], as far as its words allow.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= WIDTH {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// Returns the number of letters to insert, delete, change or exchange with the next that make one text of the other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=other.len()).collect()];
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let change = rows[i][j] + usize::from(a != b);
            let mut least = change.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::ConfigFile;

    #[test]
    fn the_example_has_every_key_and_is_read_when_all_are_set() {
        let set: String = example()
            .lines()
            .map(|line| line.strip_prefix('#').filter(|line| !line.starts_with(' ')))
            .map(|line| format!("{}\n", line.unwrap_or_default()))
            .collect();
        let read: Result<ConfigFile, _> = toml::from_str(&set);
        assert!(read.is_ok(), "{set}\n{:?}", read.err());
        // The error of an unknown key lists the keys of the file.
        let refused = toml::from_str::<ConfigFile>("no_key = 1").unwrap_err();
        let known = refused.message().matches('`').count() / 2 - 1;
        assert_eq!(set.lines().filter(|line| !line.is_empty()).count(), known);
        assert_eq!(EXAMPLES.len(), known);
        assert!(
            example()
                .lines()
                .all(|line| line.chars().count() <= WIDTH + 2)
        );
    }

    #[test]
    fn a_mistyped_key_has_a_nearest_one_and_an_odd_one_has_none() {
        for (written, meant) in [
            ("mdsn", Some("mdns")),
            ("upload-rate", Some("upload_rate")),
            ("Share", Some("share")),
            ("network_keyfile", Some("network_key_file")),
            ("lisen", Some("listen")),
            ("shrae", Some("share")),
            ("colour", None),
            ("node", Some("name")),
            ("", None),
        ] {
            assert_eq!(nearest(written).as_deref(), meant, "{written}");
        }
    }
}
