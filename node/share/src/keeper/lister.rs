//! Reading one directory after the other from the disk. What is found is noted by a look.

use std::{io, sync::Arc, time::SystemTime};

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;

use crate::{
    Share,
    folders::FolderStamp,
    ignoring::Chain,
    listing::{Listed, list},
};

/// Reads directories, best in order of their names.
pub(super) struct Lister {
    share: Arc<Share>,
    root: Option<Arc<Dir>>,
    /// Open directories, each in the one before, by their names.
    open: Vec<(String, Dir)>,
}

/// The state by which an unchanged directory is recognised: its stamp, and the fingerprint of its ignore file.
pub(super) type KnownAs = Option<(FolderStamp, u64)>;

/// A directory as it was found.
pub(super) struct FoundDirectory {
    /// The time before it was looked at.
    pub(super) before: SystemTime,
    /// The fingerprint of its ignore file; 0 if there is none.
    pub(super) rules: u64,
    /// Its stamp before it was listed.
    pub(super) stamp: io::Result<FolderStamp>,
    /// Its entries, unless it is as it was.
    pub(super) listed: Option<io::Result<Listed>>,
}

impl Lister {
    /// Creates a lister for the directory that is shared now.
    pub(super) fn new(share: &Arc<Share>) -> Lister {
        Lister {
            root: share.directory().ok(),
            share: Arc::clone(share),
            open: Vec::new(),
        }
    }

    /// Returns the shared directory, if it is there.
    pub(super) fn root(&self) -> Option<&Arc<Dir>> {
        self.root.as_ref()
    }

    /// Looks at the directory `name`, and lists it unless it is as it is `known`.
    pub(super) fn find(&mut self, name: &str, known: KnownAs) -> FoundDirectory {
        let before = SystemTime::now();
        let rules = self.rules(name);
        let metadata = self.open(name).and_then(|folder| folder.dir_metadata());
        let stamp = metadata.map(|metadata| FolderStamp::of(&metadata));
        let is_known = |stamp: &FolderStamp| known == Some((*stamp, rules));
        let has_changed = stamp.as_ref().is_ok_and(|stamp| !is_known(stamp));
        FoundDirectory {
            before,
            rules,
            listed: has_changed.then(|| self.list(name)),
            stamp,
        }
    }

    /// Lists the directory `name`.
    pub(super) fn list(&mut self, name: &str) -> io::Result<Listed> {
        let (chain, own) = (self.chain(name), self.share.ignoring.own());
        self.open(name)
            .and_then(|folder| list(folder, name, &chain, &own))
    }

    /// Returns the ignore files that hold in `folder`.
    pub(super) fn chain(&self, folder: &str) -> Chain {
        let ignoring = &self.share.ignoring;
        let root = self.root.as_ref();
        root.map_or_else(Chain::default, |root| ignoring.chain(root, folder))
    }

    /// Returns the fingerprint of the ignore file of the directory `name`; 0 if there is none.
    fn rules(&self, name: &str) -> u64 {
        let ignoring = &self.share.ignoring;
        let root = self.root.as_ref();
        root.map_or(0, |root| ignoring.fingerprint(root, name))
    }

    /// Opens the directory `name`: empty, or with a `/` at its end.
    pub(super) fn open(&mut self, name: &str) -> io::Result<&Dir> {
        while self
            .open
            .pop_if(|(open, _)| !name.starts_with(open.as_str()))
            .is_some()
        {}
        loop {
            let reached = self.open.last().map_or(0, |(open, _)| open.len());
            let Some(end) = name[reached..].find('/') else {
                break;
            };
            let here = match self.open.last() {
                Some((_, open)) => open,
                None => self.root.as_deref().ok_or(io::ErrorKind::NotFound)?,
            };
            let part = &name[reached..reached + end];
            let below = here.open_dir_nofollow(&*self.share.names.find(here, part))?;
            self.open.push((name[..=reached + end].to_owned(), below));
        }
        match self.open.last() {
            Some((_, open)) => Ok(open),
            None => Ok(self.root.as_deref().ok_or(io::ErrorKind::NotFound)?),
        }
    }
}
