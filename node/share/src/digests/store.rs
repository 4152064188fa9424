//! The store of the digests: in memory until they are saved, then in a
//! database in the state directory.
//!
//! # Invariants
//! - Everything here can be computed again. A database that cannot be read is
//!   thrown away; one that cannot be written costs work, never an answer.
//! - What was flipped on the disk is noticed: each entry has a check. The
//!   database itself may break on it and panic; that ends here.

mod list;

use std::{
    cell::OnceCell,
    collections::{BTreeMap, HashMap},
    ops::{Bound, Range},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Mutex,
};

use node_wire::{Digest, name::ShareName};
use redb::{
    Database, Durability, MultimapTableDefinition, ReadOnlyTable, ReadableDatabase,
    ReadableMultimapTable, ReadableTable, TableDefinition, backends::InMemoryBackend,
};

use super::{Known, Stamp};
use crate::Moved;
use node_base::{state::StateDir, sync::lock};
use node_wire::pieces::{PIECE_SIZE, PieceTree, TreeHasher, WeakPieceTree};

/// File of the database.
const FILE: &str = "digests.redb";

/// Memory of the database for reading, in bytes.
const CACHE: usize = 4 << 20;

/// Digests that are kept in memory before they are saved.
const UNSAVED_MAX: usize = 1_024;

/// Trees that are kept in memory before they are saved, in bytes.
const UNSAVED_BYTES_MAX: usize = 4 << 20;

/// Names that are looked up for one digest.
const NAMES_MAX: usize = 16;

/// Name -> stamp and digest.
const FILES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("files");
/// Digest -> names.
const NAMES: MultimapTableDefinition<'_, &[u8], &str> = MultimapTableDefinition::new("names");
/// Open trees at which those that nobody has any more are forgotten.
const OPEN_TREES_LOOK: usize = 1_024;

/// Digest -> tree, of content of more than one piece.
const TREES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("trees");

type DbResult<T> = Result<T, redb::Error>;

#[derive(Debug)]
pub(super) struct Store {
    database: Option<Database>,
    unsaved: Mutex<Unsaved>,
    open_trees: Mutex<HashMap<Digest, WeakPieceTree>>,
}

#[derive(Debug, Default)]
struct Unsaved {
    files: BTreeMap<ShareName, New>,
    tree_bytes: usize,
}

/// The differences between the files and the stored digests.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// Files that are not known, or not as they are.
    pub(super) unknown: Vec<ShareName>,
    /// Names that are known and not among the files.
    pub(super) gone: Vec<String>,
}

/// A digest that was just computed.
#[derive(Clone, Debug)]
struct New {
    known: Known,
    tree: PieceTree,
    /// True if the stamp shows the next change; else it is not saved.
    settled: bool,
}

impl Store {
    pub(super) fn open(state: &StateDir) -> Store {
        let path = state.file(FILE);
        // A file that is empty is a new database; the library would make one that others can read.
        if let Err(error) = state.create(FILE, "") {
            tracing::debug!(%error, "the file of the digests cannot be made");
        }
        let database = open(&path)
            .or_else(|error| {
                tracing::warn!(%error, "the saved digests cannot be read and are computed again");
                if let Err(error) = state.remove(FILE) {
                    tracing::warn!(%error, "they cannot be removed either");
                }
                open(&path)
            })
            .or_else(|error| {
                tracing::warn!(%error, "digests cannot be saved");
                in_memory()
            });
        Store {
            database: database.ok(),
            unsaved: Mutex::default(),
            open_trees: Mutex::default(),
        }
    }

    /// Returns a reader for callers that look up many digests.
    pub(super) fn reader(&self) -> StoreReader<'_> {
        StoreReader {
            store: self,
            files: OnceCell::new(),
        }
    }

    pub(super) fn get(&self, name: &ShareName) -> Option<Known> {
        if let Some(new) = lock(&self.unsaved).files.get(name) {
            return new.settled.then_some(new.known);
        }
        self.saved(name)
    }

    /// Returns the entry also of a file whose stamp may not show its next change.
    pub(super) fn get_unsettled(&self, name: &ShareName) -> Option<Known> {
        let new = lock(&self.unsaved).files.get(name).map(|new| new.known);
        new.or_else(|| self.saved(name))
    }

    fn saved(&self, name: &ShareName) -> Option<Known> {
        self.read(|database| {
            let table = database.begin_read()?.open_table(FILES)?;
            let found = table.get(name.as_str())?;
            Ok(found.and_then(|bytes| decode(bytes.value())))
        })
        .flatten()
    }

    pub(super) fn names(&self, digest: &Digest) -> Vec<ShareName> {
        let mut names: Vec<ShareName> = lock(&self.unsaved)
            .files
            .iter()
            .filter(|(_, new)| new.known.digest == *digest)
            .map(|(name, _)| name.clone())
            .take(NAMES_MAX)
            .collect();
        let saved = self.read(|database| {
            let table = database.begin_read()?.open_multimap_table(NAMES)?;
            let mut saved = Vec::new();
            for name in table.get(digest.as_bytes().as_slice())?.take(NAMES_MAX) {
                saved.extend(ShareName::parse(name?.value()).ok());
            }
            Ok(saved)
        });
        names.extend(saved.unwrap_or_default());
        names
    }

    pub(super) fn tree(&self, digest: &Digest) -> Option<PieceTree> {
        if let Some(tree) = self.unsaved_tree(digest) {
            return Some(tree);
        }
        let size = self.size(digest)?;
        if size <= PIECE_SIZE {
            return PieceTree::of_one_piece(*digest, size);
        }
        let open = lock(&self.open_trees).get(digest).cloned();
        if let Some(tree) = open.and_then(|tree| tree.upgrade()) {
            return Some(tree);
        }
        let tree = self.saved_tree(digest, |bytes| PieceTree::from_bytes(*digest, bytes).ok())?;
        let mut open = lock(&self.open_trees);
        if open.len() >= OPEN_TREES_LOOK {
            open.retain(|_, tree| tree.upgrade().is_some());
        }
        open.insert(*digest, tree.downgrade());
        Some(tree)
    }

    /// Reads a part of the bytes of `tree`.
    pub(super) fn read_tree(&self, digest: &Digest, range: Range<u64>) -> Option<Vec<u8>> {
        if let Some(tree) = self.unsaved_tree(digest) {
            return tree.bytes_at(range);
        }
        let size = self.size(digest)?;
        if size <= PIECE_SIZE {
            return PieceTree::of_one_piece(*digest, size)?.bytes_at(range);
        }
        let (start, end) = (range.start.try_into().ok()?, range.end.try_into().ok()?);
        self.saved_tree(digest, |bytes| {
            bytes.get::<Range<usize>>(start..end).map(<[u8]>::to_vec)
        })
    }

    fn unsaved_tree(&self, digest: &Digest) -> Option<PieceTree> {
        let unsaved = lock(&self.unsaved);
        let mut files = unsaved.files.values();
        let found = files.find(|new| new.known.digest == *digest);
        found.map(|new| new.tree.clone())
    }

    /// Returns the size of the content with this digest, if it has a name.
    fn size(&self, digest: &Digest) -> Option<u64> {
        self.names(digest).iter().find_map(|name| {
            let known = self.get_unsettled(name)?;
            (known.digest == *digest).then_some(known.size)
        })
    }

    /// Gives `use_it` the saved bytes of a tree.
    fn saved_tree<T>(&self, digest: &Digest, use_it: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        self.read(|database| {
            let table = database.begin_read()?.open_table(TREES)?;
            let found = table.get(digest.as_bytes().as_slice())?;
            Ok(found.and_then(|bytes| use_it(bytes.value())))
        })
        .flatten()
    }

    pub(super) fn put(&self, name: &ShareName, stamp: Stamp, tree: &PieceTree, settled: bool) {
        let known = Known {
            size: stamp.size,
            stamp,
            digest: tree.digest(),
        };
        let full = {
            let mut unsaved = lock(&self.unsaved);
            unsaved.tree_bytes += tree_bytes(tree);
            let tree = tree.clone();
            let new = New {
                known,
                tree,
                settled,
            };
            unsaved.files.insert(name.clone(), new);
            unsaved.is_full()
        };
        if full {
            self.save();
        }
    }

    /// Compares what is known with `files`: those behind the name `after`, in
    /// order, all of them if `is_last`.
    pub(super) fn compare(
        &self,
        after: &str,
        files: &[(String, Stamp)],
        is_last: bool,
    ) -> Compared {
        let to = match files.last() {
            Some((last, _)) if !is_last => Bound::Included(last.as_str()),
            _ => Bound::Unbounded,
        };
        let saved = self.read(|database| {
            let table = database.begin_read()?.open_table(FILES)?;
            let mut compared = Compared::default();
            let mut left = files.iter().peekable();
            for entry in table.range::<&str>((Bound::Excluded(after), to))? {
                let (name, known) = entry?;
                let name = name.value();
                while let Some((new, _)) = left.next_if(|(new, _)| new.as_str() < name) {
                    compared.unknown.extend(ShareName::parse(new).ok());
                }
                match left.next_if(|(there, _)| there == name) {
                    None => compared.gone.push(name.to_owned()),
                    Some((_, stamp)) => {
                        let known = decode(known.value());
                        if known.is_none_or(|known| known.stamp != *stamp) {
                            compared.unknown.extend(ShareName::parse(name).ok());
                        }
                    }
                }
            }
            let new = left.filter_map(|(new, _)| ShareName::parse(new).ok());
            compared.unknown.extend(new);
            Ok(compared)
        });
        saved.unwrap_or_else(|| Compared {
            unknown: files
                .iter()
                .filter_map(|(name, _)| ShareName::parse(name).ok())
                .collect(),
            gone: Vec::new(),
        })
    }

    /// Forgets the files of these names.
    pub(super) fn forget(&self, names: &[String]) {
        if names.is_empty() {
            return;
        }
        self.read(|database| {
            let transaction = database.begin_write()?;
            {
                let mut tables = Tables::open(&transaction)?;
                for name in names {
                    tables.forget(name)?;
                }
            }
            Ok(transaction.commit()?)
        });
    }

    /// Notes that files have other names.
    pub(super) fn moved(&self, moved: &[Moved]) {
        if moved.is_empty() {
            return;
        }
        self.save();
        self.read(|database| {
            let mut transaction = database.begin_write()?;
            // It can be computed again, and the next save brings it to the disk.
            transaction.set_durability(Durability::None)?;
            {
                let mut tables = Tables::open(&transaction)?;
                let mut known = Vec::new();
                for Moved { from, to, was, is } in moved {
                    let found = tables.files.get(from.as_str())?;
                    let found = found.and_then(|bytes| decode(bytes.value()));
                    let found = found.filter(|known| known.stamp == *was);
                    known.extend(found.map(|known| {
                        (
                            to,
                            Known {
                                stamp: *is,
                                ..known
                            },
                        )
                    }));
                }
                let mut orphans = Vec::new();
                for moved in moved {
                    orphans.extend(tables.unlink(&moved.from)?);
                }
                for (new, known) in known {
                    orphans.extend(tables.unlink(new)?);
                    tables.link(new, &known)?;
                }
                for digest in orphans {
                    tables.drop_orphan(&digest)?;
                }
            }
            Ok(transaction.commit()?)
        });
    }

    /// Returns true if there are digests of files whose stamps were too young for them.
    pub(super) fn has_unsettled(&self) -> bool {
        lock(&self.unsaved).files.values().any(|new| !new.settled)
    }

    /// Returns true if there is something to save.
    pub(super) fn is_unsaved(&self) -> bool {
        lock(&self.unsaved).files.values().any(|new| new.settled)
    }

    /// Brings new digests to the disk.
    pub(super) fn save(&self) {
        let mut files = lock(&self.unsaved).files.clone();
        files.retain(|_, new| new.settled);
        if files.is_empty() {
            return;
        }
        self.read(|database| {
            let transaction = database.begin_write()?;
            {
                let mut tables = Tables::open(&transaction)?;
                for (name, new) in &files {
                    tables.put(name.as_str(), &new.known, &new.tree)?;
                }
            }
            Ok(transaction.commit()?)
        });
        let mut unsaved = lock(&self.unsaved);
        unsaved
            .files
            .retain(|name, new| files.get(name).is_none_or(|saved| saved.known != new.known));

        unsaved.tree_bytes = unsaved
            .files
            .values()
            .map(|new| tree_bytes(&new.tree))
            .sum();
        if unsaved.is_full() {
            // Too much came meanwhile, or is not to be saved: it is computed again.
            *unsaved = Unsaved::default();
        }
    }

    fn read<T>(&self, work: impl FnOnce(&Database) -> DbResult<T>) -> Option<T> {
        let database = self.database.as_ref()?;
        let done = unbroken(|| work(database));
        done.inspect_err(|error| tracing::warn!(%error, "the saved digests cannot be used"))
            .ok()
    }
}

/// Reads many digests in one transaction.
pub(super) struct StoreReader<'s> {
    store: &'s Store,
    /// The saved digests, as they were when one was first asked for.
    files: OnceCell<Option<SavedFiles>>,
}

type SavedFiles = ReadOnlyTable<&'static str, &'static [u8]>;

impl StoreReader<'_> {
    /// Returns the digest of a file. What was saved after the first call may be missing.
    pub(super) fn get(&self, name: &ShareName) -> Option<Known> {
        if let Some(new) = lock(&self.store.unsaved).files.get(name) {
            return new.settled.then_some(new.known);
        }
        let open = || {
            let opened = |database: &Database| Ok(database.begin_read()?.open_table(FILES)?);
            self.store.read(opened)
        };
        let files = self.files.get_or_init(open).as_ref()?;
        let found = unbroken(|| Ok(files.get(name.as_str())?.map(|bytes| decode(bytes.value()))));
        found.ok().flatten().flatten()
    }
}

impl Unsaved {
    fn is_full(&self) -> bool {
        self.files.len() >= UNSAVED_MAX || self.tree_bytes >= UNSAVED_BYTES_MAX
    }
}

/// The tables, open for writing.
struct Tables<'t> {
    files: redb::Table<'t, &'static str, &'static [u8]>,
    names: redb::MultimapTable<'t, &'static [u8], &'static str>,
    trees: redb::Table<'t, &'static [u8], &'static [u8]>,
}

impl<'t> Tables<'t> {
    fn open(transaction: &'t redb::WriteTransaction) -> DbResult<Tables<'t>> {
        Ok(Tables {
            files: transaction.open_table(FILES)?,
            names: transaction.open_multimap_table(NAMES)?,
            trees: transaction.open_table(TREES)?,
        })
    }

    fn put(&mut self, name: &str, known: &Known, tree: &PieceTree) -> DbResult<()> {
        self.forget(name)?;
        self.link(name, known)?;
        if tree.count() > 1 {
            let digest = known.digest.as_bytes().as_slice();
            self.trees.insert(digest, tree.to_bytes().as_slice())?;
        }
        Ok(())
    }

    fn link(&mut self, name: &str, known: &Known) -> DbResult<()> {
        self.files.insert(name, encode(known).as_slice())?;
        self.names
            .insert(known.digest.as_bytes().as_slice(), name)?;
        Ok(())
    }

    /// Removes a name, and gives the digest that it had.
    fn unlink(&mut self, name: &str) -> DbResult<Option<Digest>> {
        let old = self
            .files
            .remove(name)?
            .and_then(|bytes| decode(bytes.value()));
        if let Some(old) = &old {
            self.names.remove(old.digest.as_bytes().as_slice(), name)?;
        }
        Ok(old.map(|old| old.digest))
    }

    /// Removes the tree of content that has no name any more.
    fn drop_orphan(&mut self, digest: &Digest) -> DbResult<()> {
        let digest = digest.as_bytes().as_slice();
        if self.names.get(digest)?.next().is_none() {
            self.trees.remove(digest)?;
        }
        Ok(())
    }

    fn forget(&mut self, name: &str) -> DbResult<()> {
        match self.unlink(name)? {
            Some(digest) => self.drop_orphan(&digest),
            None => Ok(()),
        }
    }
}

fn open(path: &Path) -> DbResult<Database> {
    unbroken(|| {
        let database = Database::builder().set_cache_size(CACHE).create(path)?;
        prepared(database)
    })
}

/// Does `work` with a database that may be damaged.
fn unbroken<T>(work: impl FnOnce() -> DbResult<T>) -> DbResult<T> {
    // What a transaction left half done is rolled back; nothing else is shared.
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(redb::Error::Corrupted("it is damaged".to_owned())))
}

fn in_memory() -> DbResult<Database> {
    prepared(Database::builder().create_with_backend(InMemoryBackend::new())?)
}

/// Makes the tables, so that reading never misses one.
fn prepared(database: Database) -> DbResult<Database> {
    let transaction = database.begin_write()?;
    Tables::open(&transaction)?;
    transaction.commit()?;
    Ok(database)
}

fn tree_bytes(tree: &PieceTree) -> usize {
    usize::try_from(PieceTree::bytes_len(tree.size())).unwrap_or(usize::MAX)
}

/// Length of the check of an entry, in bytes.
const CHECK: usize = 4;

/// Size, inode, both times of the last change, the last hidden write, digest, check.
const ENCODED: usize = 8 + 8 + 8 + 8 + 4 + 32 + CHECK;

/// Returns a few bytes that change with `bytes`.
fn check(bytes: &[u8]) -> [u8; CHECK] {
    let mut hasher = TreeHasher::default();
    hasher.push(bytes);
    let digest = hasher.finish().digest();
    std::array::from_fn(|at| digest.as_bytes()[at])
}

fn encode(known: &Known) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ENCODED);
    bytes.extend(known.stamp.size.to_le_bytes());
    bytes.extend(known.stamp.inode.to_le_bytes());
    bytes.extend(known.stamp.modified.to_le_bytes());
    bytes.extend(known.stamp.changed.to_le_bytes());
    bytes.extend(known.stamp.told.to_le_bytes());
    bytes.extend(known.digest.as_bytes());
    bytes.extend(check(&bytes));
    bytes
}

fn decode(bytes: &[u8]) -> Option<Known> {
    let (bytes, expected) = bytes.split_last_chunk::<CHECK>()?;
    if check(bytes) != *expected {
        return None;
    }
    let (size, rest) = bytes.split_first_chunk()?;
    let (inode, rest) = rest.split_first_chunk()?;
    let (modified, rest) = rest.split_first_chunk()?;
    let (changed, rest) = rest.split_first_chunk()?;
    let (told, digest) = rest.split_first_chunk()?;
    let stamp = Stamp {
        size: u64::from_le_bytes(*size),
        inode: u64::from_le_bytes(*inode),
        modified: i64::from_le_bytes(*modified),
        changed: i64::from_le_bytes(*changed),
        told: u32::from_le_bytes(*told),
    };
    Some(Known {
        size: stamp.size,
        stamp,
        digest: Digest::from_bytes(digest.try_into().ok()?),
    })
}
