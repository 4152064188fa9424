//! `About`: the metadata of a file beside its name and its bytes.
//!
//! It travels in the header [`HEADER`] of an answer that carries a file, and as members of a hit:
//!
//! ```text
//! sixhop-about: modified=1700000000123; executable
//! ```
//!
//! # Invariants
//! - What is not known is passed over, so that either side may learn more without the other.
//! - It is the word of the holder: nothing checks it, and nothing depends on it.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Name of the HTTP answer header that carries an [`About`].
pub const HEADER: &str = "sixhop-about";

/// Longest header that is read, in bytes.
const HEADER_MAX: usize = 256;

/// The metadata of a file, as its holder gives it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct About {
    /// The time of the last change of its bytes, Unix milliseconds.
    pub modified: Option<u64>,
    /// True if its owner may run it.
    pub executable: bool,
}

impl About {
    /// Describes a file that was changed then. A time before 1970 is not said.
    #[must_use]
    pub fn new(modified: Option<SystemTime>, executable: bool) -> About {
        let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        About {
            modified: since.and_then(|since| u64::try_from(since.as_millis()).ok()),
            executable,
        }
    }

    /// Returns when the bytes were last changed, if the clock of this machine can say it.
    #[must_use]
    pub fn time(self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::from_millis(self.modified?))
    }

    /// Returns whether nothing is said.
    #[must_use]
    pub fn is_silent(self) -> bool {
        self == About::default()
    }

    /// Reads a header. A word that is not known is skipped.
    #[must_use]
    pub fn from_header(text: &str) -> About {
        let mut about = About::default();
        if text.len() > HEADER_MAX {
            return about;
        }
        for word in text.split(';').map(str::trim) {
            match word.split_once('=') {
                Some(("modified", number)) => about.modified = read_number(number),
                None if word == "executable" => about.executable = true,
                _ => {}
            }
        }
        about
    }
}

/// Reads a number of at most 16 decimal digits.
fn read_number(text: &str) -> Option<u64> {
    let is_number = (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(modified) = self.modified {
            write!(f, "modified={modified}")?;
        }
        match (self.modified, self.executable) {
            (Some(_), true) => f.write_str("; executable"),
            (None, true) => f.write_str("executable"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn unknown_and_broken_words_are_passed_over() {
        let read = About::from_header;
        assert_eq!(
            read("owner=me; executable; modified=5; x"),
            About {
                modified: Some(5),
                executable: true,
            }
        );
        for silent in [
            "",
            "modified",
            "modified=",
            "modified=-5",
            "modified=+5",
            "modified=5.0",
            "modified=99999999999999999",
            "executable=yes",
            "Executable",
        ] {
            assert!(read(silent).is_silent(), "{silent}");
        }
        assert!(read(&format!("executable{}", ";".repeat(HEADER_MAX))).is_silent());
    }

    #[test]
    fn a_time_that_no_clock_has_is_not_said() {
        let old = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(About::new(Some(old), false).modified, None);
        let far = About {
            modified: Some(u64::MAX),
            executable: false,
        };
        assert!(far.time().is_none_or(|time| time > UNIX_EPOCH));
    }

    proptest! {
        #[test]
        fn a_header_reads_back(modified in proptest::option::of(0..10_u64.pow(16)), executable: bool) {
            let about = About { modified, executable };
            prop_assert_eq!(About::from_header(&about.to_string()), about);
        }
    }
}
