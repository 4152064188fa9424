//! `ShareName`: the only way from a name on the wire to a file.
//!
//! A peer sends a string; [`ShareName::parse`] either refuses it with the one
//! reason that fits or returns a name that is safe to hand to a directory
//! handle. Names are checked, never repaired: what is
//! accepted is what was sent. A system that cannot hold a name says so when a
//! file is stored under it.
//!
//! Non-goals: whether the file exists, symbolic links, and what a file system
//! makes of a name; the directory handle of the share answers those.
//!
//! # Invariants
//! - 1 to [`NAME_PARTS_MAX`] parts of 1 to [`NAME_PART_MAX`] bytes, joined by `/`.
//! - No part is `.` or `..`, starts or ends with a space, or looks like our
//!   temporary files.
//! - NFC, no `\`, no character that breaks a line or turns its direction.
//! - Parsing the text of a name gives the same name.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::characters::is_nameable;
use crate::limits::{NAME_MAX, NAME_PART_MAX, NAME_PARTS_MAX};

/// Start of the names of files that are still being written into a share.
/// No name may have a part that starts with it, in any case.
pub const TEMPORARY_PREFIX: &str = ".sixhop-part-";

/// Name of the files that say what of a share is not shared. They configure the
/// node of their owner, who alone writes them.
pub const IGNORE_FILE: &str = ".sixhopignore";

/// The name of a file inside a share: relative, `/`-separated, checked.
/// Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareName(Arc<str>);

/// The error of a text that is not a name in a share: one variant a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing at all.
    #[error("the name is empty")]
    Empty,
    /// More than [`NAME_MAX`] bytes.
    #[error("the name is longer than {NAME_MAX} bytes")]
    TooLong,
    /// Starts with `/` or `\`, as absolute and UNC paths do. Leaves the share.
    #[error("the name is an absolute path")]
    Absolute,
    /// Starts with a letter, a colon and a slash. Leaves the share.
    #[error("the name starts with a drive")]
    Drive,
    /// Has a part `..`. Leaves the share.
    #[error("the name has a part `..`")]
    ParentPart,
    /// Has a part `.`.
    #[error("the name has a part `.`")]
    DotPart,
    /// Has two slashes in a row or one at the end.
    #[error("the name has an empty part")]
    EmptyPart,
    /// More than [`NAME_PARTS_MAX`] parts.
    #[error("the name has more than {NAME_PARTS_MAX} parts")]
    TooManyParts,
    /// A part of more than [`NAME_PART_MAX`] bytes.
    #[error("a part of the name is longer than {NAME_PART_MAX} bytes")]
    PartTooLong,
    /// Has a `\`.
    #[error("the name has a backslash")]
    Backslash,
    /// Has a control character, or one that breaks a line or turns its direction.
    #[error("the name has a character that controls how text is shown")]
    Control,
    /// Is not in Unicode's normalization form C.
    #[error("the name is not in normalization form C")]
    NotNormal,
    /// A part starts or ends with a space.
    #[error("a part of the name starts or ends with a space")]
    SpaceAtEdge,
    /// A part looks like a file that is still being written.
    #[error("a part of the name starts with `{TEMPORARY_PREFIX}`")]
    Temporary,
}

impl NameError {
    /// Returns true if the text names something outside the share (fault 200); false
    /// if it names nothing that a share can hold (fault 100).
    #[must_use]
    pub fn leaves_share(&self) -> bool {
        matches!(self, Self::Absolute | Self::Drive | Self::ParentPart)
    }
}

impl ShareName {
    /// Checks `text` and keeps it as it is.
    ///
    /// # Errors
    /// The first reason that applies; reasons for which
    /// [`NameError::leaves_share`] holds come before all others.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }

    /// Checks whether a text is a name, as [`ShareName::parse`] does.
    ///
    /// # Errors
    /// As for [`ShareName::parse`].
    pub fn check(text: &str) -> Result<(), NameError> {
        check_stays_inside(text)?;
        check_whole(text)?;
        let mut parts = 0usize;
        for part in text.split('/') {
            parts += 1;
            if parts > NAME_PARTS_MAX {
                return Err(NameError::TooManyParts);
            }
            check_part(part)?;
        }
        Ok(())
    }

    /// Returns the name as it stands on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the parts from the share down to the file; at least one.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// Returns the last part.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, last)| last)
    }

    /// Returns the parts before the last: the directories, from the share down.
    pub fn parent_parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        let parents = self.0.rsplit_once('/').map(|(parents, _)| parents);
        parents.into_iter().flat_map(|parents| parents.split('/'))
    }

    /// Returns true if a file of this name configures a node: its owner alone writes it,
    /// and nothing that comes from outside is stored under it.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        self.parts().any(|part| opened_as(part) == IGNORE_FILE)
    }

    /// Returns true if a part begins with a dot: such files are hidden, and programs look for them.
    #[must_use]
    pub fn has_dot(&self) -> bool {
        self.parts().any(|part| part.starts_with('.'))
    }

    /// Returns the name without the differences that file systems ignore: two names
    /// with the same key are one name. Not for showing and not for opening.
    #[must_use]
    pub fn collision_key(&self) -> String {
        folded(&self.0)
    }
}

/// Returns `text` in normalization form C, in which names are compared.
#[must_use]
pub fn composed(text: &str) -> Cow<'_, str> {
    if is_nfc(text) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

/// Returns `text` without differences of case and of normalization form.
/// Returns the name of the file that some system opens for `part`: without a stream behind a colon, dots and spaces at its
/// end (NTFS, SMB), and characters that are not seen (HFS+).
fn opened_as(part: &str) -> String {
    let seen: String = part.chars().filter(|c| !is_ignorable(*c)).collect();
    let file = seen.split(':').next().unwrap_or_default();
    folded(file.trim_end_matches(['.', ' ']))
}

/// Returns true for characters that are not seen and that some file systems pass over.
fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Down, up and down again brings together what has no single-character
    // counterpart: `ẞ`, `ß` and `ss`; `ς` and `σ`; `ſ` and `s`. Not decomposed
    // before: an iota below a letter becomes a letter of its own, and marks
    // that follow would have moved before it.
    let down = text.nfc().flat_map(char::to_lowercase);
    let up = down.flat_map(char::to_uppercase);
    up.flat_map(char::to_lowercase).nfd().nfc().collect()
}

fn check_stays_inside(text: &str) -> Result<(), NameError> {
    if text.starts_with(['/', '\\']) {
        return Err(NameError::Absolute);
    }
    if let [letter, b':', b'/' | b'\\', ..] = text.as_bytes()
        && letter.is_ascii_alphabetic()
    {
        return Err(NameError::Drive);
    }
    if text.split(['/', '\\']).any(|part| part == "..") {
        return Err(NameError::ParentPart);
    }
    Ok(())
}

fn check_whole(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > NAME_MAX {
        return Err(NameError::TooLong);
    }
    for c in text.chars() {
        match c {
            '\\' => return Err(NameError::Backslash),
            _ if !is_nameable(c) => return Err(NameError::Control),
            _ => {}
        }
    }
    if is_nfc(text) {
        Ok(())
    } else {
        Err(NameError::NotNormal)
    }
}

/// Returns whether a part is called like a temporary, in any case.
fn is_temporary(part: &str) -> bool {
    if part.is_ascii() {
        let begin = part.as_bytes().get(..TEMPORARY_PREFIX.len());
        return begin.is_some_and(|begin| begin.eq_ignore_ascii_case(TEMPORARY_PREFIX.as_bytes()));
    }
    folded(part).starts_with(TEMPORARY_PREFIX)
}

fn check_part(part: &str) -> Result<(), NameError> {
    let error = match part {
        "" => NameError::EmptyPart,
        "." => NameError::DotPart,
        _ if part.len() > NAME_PART_MAX => NameError::PartTooLong,
        _ if part.starts_with(' ') || part.ends_with(' ') => NameError::SpaceAtEdge,
        _ if is_temporary(part) => NameError::Temporary,
        _ => return Ok(()),
    };
    Err(error)
}

impl fmt::Display for ShareName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ShareName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShareName({:?})", &*self.0)
    }
}

impl AsRef<str> for ShareName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for ShareName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl TryFrom<&str> for ShareName {
    type Error = NameError;

    fn try_from(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}
