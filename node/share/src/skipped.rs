//! Entries of the directory that are not shared because of their name or kind.

use std::fmt;

use node_wire::{limits::NAME_PARTS_MAX, name::NameError};

use super::ignoring::IGNORE_FILE;

/// The reason why something in the directory is not shared.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SkipReason {
    /// Its name cannot be a name in a share.
    Name(NameError),
    /// Its name is not Unicode.
    NotUnicode,
    /// Another file has the same name in another normalization form.
    SameName(String),
    /// Its name begins with a dot, and no line says that such names are shared.
    Hidden,
    /// Programs leave files of this name behind, and no line says that they are shared.
    LeftBehind,
    /// An ignore file names it, or is it.
    Ignored,
    /// It is a symbolic link.
    Link,
    /// It is a pipe, a socket or a device.
    Kind,
    /// It lies below too many directories.
    Deep,
    /// It is a file of the node itself, or a directory of those, under another name.
    Own,
    /// It cannot be looked at.
    Unreadable,
}

/// Something in the directory that is not shared.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Skipped {
    /// Its path in the share, as far as it is Unicode; a directory has a `/` at
    /// its end.
    pub name: String,
    /// The reason why it is not shared.
    pub reason: SkipReason,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SkipReason::Name(error) => error.fmt(f),
            SkipReason::NotUnicode => f.write_str("the name is not Unicode"),
            SkipReason::SameName(other) => write!(
                f,
                "`{other}` is shared under this name; both are the same in Unicode, rename one of them"
            ),
            SkipReason::Hidden => write!(
                f,
                "the name begins with a dot; a line `!.*`, or one with the name, in {IGNORE_FILE} \
                 shares it"
            ),
            SkipReason::LeftBehind => write!(
                f,
                "programs leave files of this name behind; a line `!` and the name in {IGNORE_FILE} \
                 shares it"
            ),
            SkipReason::Ignored => write!(f, "an ignore file, {IGNORE_FILE}, names it"),
            SkipReason::Link => f.write_str("it is a symbolic link"),
            SkipReason::Kind => f.write_str("it is a pipe, a socket or a device"),
            SkipReason::Deep => write!(f, "it lies below {NAME_PARTS_MAX} directories"),
            SkipReason::Own => f.write_str(
                "it is what the node keeps for itself, by another name: a link or a mount; take that away",
            ),
            SkipReason::Unreadable => f.write_str("it cannot be looked at"),
        }
    }
}
