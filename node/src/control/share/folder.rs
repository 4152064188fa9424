//! The entries of one folder, made from a listing of the whole share.
//!
//! The folders of a page are those that have shared files somewhere below, with
//! the sums of what is below. The names come in order, so that a folder is
//! complete when the next one begins.

use std::io;

use node_api::share::{FolderListing, ShareFile, ShareFolder};
use node_share::Share;
use plugin_api::{FileInfo, Flow};

/// Most folders in one answer.
const FOLDERS_MAX: usize = 10_000;

/// Lists `folder`, or the top of the share.
pub(super) fn list(
    share: &Share,
    folder: Option<&str>,
    after: Option<&str>,
    limit: usize,
) -> io::Result<FolderListing> {
    let mut page = Page::new(folder, after, limit);
    share.visit(&mut |found| {
        page.take(found);
        if page.is_complete {
            Flow::Stop
        } else {
            Flow::Continue
        }
    })?;
    Ok(page.listing)
}

struct Page<'a> {
    /// The folder with a `/` behind it; empty for the top.
    prefix: String,
    after: Option<&'a str>,
    limit: usize,
    /// True if nothing of this page can come any more.
    is_complete: bool,
    listing: FolderListing,
}

impl Page<'_> {
    fn new<'a>(folder: Option<&str>, after: Option<&'a str>, limit: usize) -> Page<'a> {
        Page {
            prefix: folder.map_or_else(String::new, |folder| format!("{folder}/")),
            after,
            limit,
            is_complete: false,
            listing: FolderListing {
                folders: Vec::new(),
                folders_truncated: false,
                files: Vec::new(),
                next: None,
            },
        }
    }

    fn take(&mut self, found: &FileInfo) {
        let Some(rest) = found.name.strip_prefix(&self.prefix) else {
            // All names of a folder come in a row.
            self.is_complete = found.name.as_str() > self.prefix.as_str();
            return;
        };
        match rest.split_once('/') {
            Some((folder, _)) if self.after.is_none() => {
                let name = format!("{}{folder}", self.prefix);
                self.add_to_folder(name, found.size);
            }
            Some(_) => {}
            None => self.add_file(found),
        }
    }

    fn add_to_folder(&mut self, name: String, size: u64) {
        let folders = &mut self.listing.folders;
        if let Some(last) = folders.last_mut().filter(|last| last.name == name) {
            last.files += 1;
            last.size = last.size.saturating_add(size);
        } else if folders.len() < FOLDERS_MAX {
            folders.push(ShareFolder {
                name,
                files: 1,
                size,
            });
        } else {
            self.listing.folders_truncated = true;
        }
    }

    fn add_file(&mut self, found: &FileInfo) {
        if self.after.is_some_and(|after| found.name.as_str() <= after) {
            return;
        }
        if self.listing.files.len() == self.limit {
            self.listing.next = self.listing.files.last().map(|file| file.name.clone());
            // A first page has all folders, and they may come behind its files.
            self.is_complete = self.after.is_some();
            return;
        }
        let file: ShareFile = super::file(found);
        self.listing.files.push(file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 8] = [
        "a", "b/1", "b/2", "b/c/1", "b-side", "b.txt", "d/e/f/g", "z",
    ];

    fn list(folder: Option<&str>, after: Option<&str>, limit: usize) -> FolderListing {
        let mut names = NAMES;
        names.sort_unstable();
        let mut page = Page::new(folder, after, limit);
        for name in names {
            page.take(&FileInfo {
                name: name.to_owned(),
                size: 10,
                modified: None,
                version: 0,
            });
            if page.is_complete {
                break;
            }
        }
        page.listing
    }

    fn files(listing: &FolderListing) -> Vec<&str> {
        listing
            .files
            .iter()
            .map(|file| file.name.as_str())
            .collect()
    }

    fn folders(listing: &FolderListing) -> Vec<(&str, u64)> {
        let folders = listing.folders.iter();
        folders.map(|f| (f.name.as_str(), f.files)).collect()
    }

    #[test]
    fn the_top_has_its_files_and_the_sums_of_its_folders() {
        let top = list(None, None, 100);
        assert_eq!(files(&top), ["a", "b-side", "b.txt", "z"]);
        assert_eq!(folders(&top), [("b", 3), ("d", 1)]);
        assert_eq!(top.folders[0].size, 30);
    }

    #[test]
    fn a_folder_has_what_is_in_it_and_nothing_of_its_neighbours() {
        let b = list(Some("b"), None, 100);
        assert_eq!(files(&b), ["b/1", "b/2"]);
        assert_eq!(folders(&b), [("b/c", 1)]);
        let none = list(Some("nowhere"), None, 100);
        assert!(none.files.is_empty() && none.folders.is_empty());
    }

    #[test]
    fn pages_have_each_file_once_and_folders_come_first() {
        let (mut after, mut seen, mut pages) = (None, Vec::new(), 0);
        loop {
            let page = list(None, after.as_deref(), 2);
            assert_eq!(page.folders.len(), if pages == 0 { 2 } else { 0 });
            seen.extend(page.files.iter().map(|file| file.name.clone()));
            pages += 1;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(
            (seen, pages),
            (["a", "b-side", "b.txt", "z"].map(str::to_owned).to_vec(), 2)
        );
    }
}
