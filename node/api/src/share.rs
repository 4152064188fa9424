//! Namespace `share`: the files that this node offers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::namespace;

/// Default number of files in one answer of `share.list`.
pub const LIST_LIMIT_DEFAULT: u32 = 1_000;

/// Greatest number of files in one answer of `share.list`.
pub const LIST_LIMIT_MAX: u32 = 10_000;

/// A shared file.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ShareFile {
    /// Its name: the path inside the share, `/`-separated.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The time of its last change, Unix milliseconds.
    pub modified: Option<u64>,
    /// BLAKE3 digest of its bytes, hex, where the node knows it.
    pub digest: Option<String>,
}

/// One page of the files of a share.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ShareListing {
    /// The files, sorted by name.
    pub files: Vec<ShareFile>,
    /// The name to give as `after` for the next page, if there is one.
    pub next: Option<String>,
    /// Files in the directory that are not shared because of their kind or
    /// how they are named.
    pub skipped: u64,
}

/// Something in the shared directory that is not shared.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SkippedEntry {
    /// Its path inside the share; a directory has a `/` at its end.
    pub name: String,
    /// The reason why it is not shared, in a sentence.
    pub reason: String,
}

/// One page of entries of the shared directory that are not shared.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SkippedListing {
    /// The entries, directory by directory.
    pub skipped: Vec<SkippedEntry>,
    /// The name to give as `after` for the next page, if there is one.
    pub next: Option<String>,
}

/// The result of a look at the directory.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ShareRescan {
    /// Files that appeared.
    pub added: u64,
    /// Files that may have other bytes.
    pub changed: u64,
    /// Files that are gone.
    pub removed: u64,
}

/// A folder of the share.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ShareFolder {
    /// Its name: the path inside the share, without a `/` behind it.
    pub name: String,
    /// Number of shared files in it and below.
    pub files: u64,
    /// Their sizes together, in bytes.
    pub size: u64,
}

/// The entries of one folder of a share.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct FolderListing {
    /// The folders in it, sorted by name; all of them on the first page, none on
    /// others. Folders without a shared file are left out.
    pub folders: Vec<ShareFolder>,
    /// True if folders are left out because there are more than 10000.
    pub folders_truncated: bool,
    /// The files in it, sorted by name.
    pub files: Vec<ShareFile>,
    /// The name to give as `after` for the next page, if there is one.
    pub next: Option<String>,
}

namespace! {
    /// The files that this node offers.
    "share" => Share {
        /// Lists the shared files in order of their names.
        ///
        /// `pattern` is a glob, `after` the last name of the page before, `limit` at most 10000.
        Read fn "list" list(pattern: [Option<String>], after: [Option<String>], limit: [Option<u32>]) -> [ShareListing];
        /// Lists one folder: its folders with the sums of the files below them, and its files.
        ///
        /// `folder` is a path inside the share, absent for its top; `after` and `limit` are as for `list`.
        Read fn "browse" browse(folder: [Option<String>], after: [Option<String>], limit: [Option<u32>]) -> [FolderListing];
        /// Describes one shared file.
        Read fn "stat" stat(name: [String]) -> [ShareFile];
        /// Lists the entries of the shared directory that are not shared because of name or kind, with the reason. Behind
        /// them come documents that are shared and whose text cannot be read.
        ///
        /// Ignored files are not listed. `after` and `limit` are as for `list`.
        Read fn "skipped" skipped(after: [Option<String>], limit: [Option<u32>]) -> [SkippedListing];
        /// Scans the directory now, or one file or folder of it, and gives the changes. Answers when all was scanned.
        ///
        /// For file systems that tell of no changes. A file that is named is read again even if nothing shows a change.
        Admin fn "rescan" rescan(name: [Option<String>]) -> [ShareRescan];
        /// Shares the directory that is at the path of the share now, also if it is another one than before.
        ///
        /// A node whose directory was unmounted or replaced shares and stores nothing until that directory is back, or this is called.
        Admin fn "accept" accept() -> [bool];
    }
}
