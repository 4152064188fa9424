//! Names that nobody wants to share: what programs and systems leave behind,
//! and the directories in which version control keeps its history.

/// Files and directories of exactly these names.
const NAMES: &[&str] = &[
    // Version control.
    ".git",
    ".hg",
    ".jj",
    ".svn",
    // Systems.
    "$RECYCLE.BIN",
    ".DS_Store",
    ".directory",
    "System Volume Information",
    "Thumbs.db",
    "desktop.ini",
    "ehthumbs.db",
    "lost+found",
];

/// Names that begin so.
const BEGINNINGS: &[&str] = &[
    "._",              // macOS, beside each file on a foreign disk
    ".Trash-",         // the waste of each user of a disk
    ".fuse_hidden",    // removed and still open
    ".nfs",            // the same, over the network
    ".~lock.",         // LibreOffice
    "~$",              // Microsoft Office
    ".goutputstream-", // GNOME, while it saves
];

/// Names that end so, with something before it.
const ENDINGS: &[&str] = &[
    "~",
    ".crdownload",
    ".part",
    ".partial",
    ".swo",
    ".swp",
    ".tmp",
];

/// Returns true if a file or directory of this name is ignored unless the owner says
/// otherwise.
pub(super) fn ignored(last: &str) -> bool {
    NAMES.contains(&last)
        || BEGINNINGS
            .iter()
            .any(|beginning| last.starts_with(beginning))
        || ENDINGS
            .iter()
            .any(|ending| last.len() > ending.len() && last.ends_with(ending))
}
