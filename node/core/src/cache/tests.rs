//! Tests of the cache on a disk.
#![allow(
    clippy::disallowed_methods,
    reason = "tests look at the directory of the cache and break files in it"
)]

use std::{collections::BTreeSet, fs, path::PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::pieces::{PIECE_SIZE, TreeHasher};

struct Home {
    temporary: TempDir,
    counters: Arc<Counters>,
    events: Arc<EventLog>,
}

impl Home {
    fn new() -> Home {
        Home {
            temporary: tempfile::tempdir().unwrap(),
            counters: Arc::default(),
            events: Arc::default(),
        }
    }

    fn open(&self, limit: u64) -> Cache {
        let state = StateDir::open(self.temporary.path()).unwrap();
        Cache::in_state(
            &state,
            limit,
            Arc::clone(&self.counters),
            Arc::clone(&self.events),
        )
    }

    fn directory(&self) -> PathBuf {
        self.temporary.path().join(DIRECTORY)
    }

    fn files(&self) -> BTreeSet<String> {
        fs::read_dir(self.directory())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    /// Returns the bytes that the directory takes, whole blocks counted.
    fn on_disk(&self) -> u64 {
        let files = fs::read_dir(self.directory()).unwrap();
        let length = |entry: fs::DirEntry| entry.metadata().unwrap().len();
        DIRECTORY_COST
            + files
                .map(|entry| length(entry.unwrap()).div_ceil(BLOCK) * BLOCK)
                .sum::<u64>()
    }
}

fn content(seed: u8, size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8 ^ seed).collect()
}

fn put(cache: &Cache, content: &[u8]) -> Option<Digest> {
    let mut filling = cache.begin(None)?;
    for part in content.chunks(100_000) {
        filling.write(part).ok()?;
    }
    filling.finish()
}

fn read(cache: &Cache, digest: &Digest) -> Option<Vec<u8>> {
    let blob = cache.open(digest)?;
    let (mut whole, mut piece) = (Vec::new(), Vec::new());
    for index in 0..blob.tree().count() {
        blob.read_piece(index, &mut piece).ok()?;
        whole.extend_from_slice(&piece);
    }
    Some(whole)
}

#[test]
fn what_is_put_in_comes_out_also_after_a_restart() {
    let home = Home::new();
    let piece = PIECE_SIZE as usize;
    let contents: Vec<Vec<u8>> = [0, 1, piece, 3 * piece + 7]
        .iter()
        .map(|size| content(1, *size))
        .collect();
    let cache = home.open(LIMIT_DEFAULT);
    let digests: Vec<Digest> = contents
        .iter()
        .map(|content| put(&cache, content).unwrap())
        .collect();
    let again = home.open(LIMIT_DEFAULT);
    for cache in [cache, again] {
        for (digest, content) in digests.iter().zip(&contents) {
            let mut hasher = TreeHasher::default();
            hasher.push(content);
            assert_eq!(*digest, hasher.finish().digest());
            assert_eq!(read(&cache, digest).as_ref(), Some(content));
        }
        assert_eq!(cache.list().len(), contents.len());
    }
    assert_eq!(home.counters.cache_hits.get(), 8);
    assert_eq!(home.counters.cache_misses.get(), 0);
}

#[test]
fn content_that_is_not_finished_leaves_nothing() {
    let home = Home::new();
    let cache = home.open(LIMIT_DEFAULT);
    let mut filling = cache.begin(None).unwrap();
    filling.write(b"half").unwrap();
    assert_eq!(home.files().len(), 1);
    drop(filling);
    let mut filling = cache.begin(Some(5)).unwrap();
    filling.write(b"half").unwrap();
    assert_eq!(filling.finish(), None);
    let mut filling = cache.begin(Some(3)).unwrap();
    assert!(matches!(filling.write(b"half"), Err(CacheError::TooLong)));
    drop(filling);
    assert!(home.files().is_empty());
    assert_eq!(cache.bytes(), 0);
}

#[test]
fn content_that_is_here_already_is_kept_once() {
    let home = Home::new();
    let cache = home.open(LIMIT_DEFAULT);
    let digest = put(&cache, b"same").unwrap();
    assert_eq!(put(&cache, b"same"), Some(digest));
    assert_eq!(home.files().len(), 2);
    assert_eq!(cache.bytes(), cost_of(4));
}

#[test]
fn a_flipped_byte_is_never_served_and_drops_the_blob() {
    let home = Home::new();
    let cache = home.open(LIMIT_DEFAULT);
    let piece = PIECE_SIZE as usize;
    let digest = put(&cache, &content(3, 2 * piece + 5)).unwrap();
    let path = home.directory().join(digest.to_hex());
    let mut bytes = fs::read(&path).unwrap();
    bytes[piece + 9] ^= 1;
    fs::write(&path, bytes).unwrap();

    let blob = cache.open(&digest).unwrap();
    let mut out = Vec::new();
    blob.read_piece(0, &mut out).unwrap();
    assert_eq!(out.len(), piece);
    assert!(blob.read_piece(1, &mut out).is_err());
    assert!(out.is_empty());
    assert!(cache.open(&digest).is_none());
    assert!(home.files().is_empty());
    assert_eq!(cache.bytes(), 0);
    let events = home.events.since(0, 10);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].kind, "cache.dropped");
    assert_eq!(events[0].data["digest"], digest.to_hex());
}

#[test]
fn a_short_file_or_a_wrong_tree_drops_the_blob() {
    for (suffix, length) in [("", 9), (TREE, 8), (TREE, 0)] {
        let home = Home::new();
        let cache = home.open(LIMIT_DEFAULT);
        let digest = put(&cache, &content(4, 300_000)).unwrap();
        let path = home.directory().join(format!("{digest}{suffix}"));
        fs::write(&path, vec![0; length]).unwrap();
        assert!(cache.open(&digest).is_none());
        assert!(home.files().is_empty());
        assert_eq!(cache.list(), []);
    }
}

const TREE: &str = ".tree";

#[test]
fn a_restart_removes_what_is_no_whole_blob() {
    let home = Home::new();
    let digest = put(&home.open(LIMIT_DEFAULT), b"kept").unwrap();
    let lonely = Digest::from_bytes([7; 32]);
    let rests = [
        "part-0123456789abcdef".to_owned(),
        "part-0123456789abcdef.tree".to_owned(),
        lonely.to_hex(),
        format!("{}{TREE}", Digest::from_bytes([8; 32])),
    ];
    let of_others = ["part-list.txt".to_owned(), "photo.jpg".to_owned()];
    for name in rests.iter().chain(&of_others) {
        fs::write(home.directory().join(name), b"?").unwrap();
    }
    let cache = home.open(LIMIT_DEFAULT);
    let mut expected = BTreeSet::from([digest.to_hex(), format!("{digest}{TREE}")]);
    expected.extend(of_others.clone());
    assert_eq!(home.files(), expected);
    assert_eq!(read(&cache, &digest), Some(b"kept".to_vec()));
    drop(home.open(0));
    assert_eq!(home.files(), BTreeSet::from(of_others));
}

#[test]
fn a_smaller_limit_after_a_restart_is_kept() {
    let home = Home::new();
    let cache = home.open(LIMIT_DEFAULT);
    for seed in 0..10 {
        put(&cache, &content(seed, 30_000)).unwrap();
    }
    let cache = home.open(100_000);
    assert_eq!(cache.list().len(), 2);
    assert!(home.on_disk() <= 100_000);
}

#[test]
fn a_limit_of_zero_switches_it_off_and_removes_all() {
    let home = Home::new();
    let digest = put(&home.open(LIMIT_DEFAULT), b"kept").unwrap();
    let cache = home.open(0);
    assert!(!cache.is_on() && !home.directory().exists());
    assert!(cache.begin(None).is_none());
    assert!(cache.open(&digest).is_none());
    assert_eq!(cache.clear(), Cleared::default());
    assert_eq!(home.counters.cache_misses.get(), 0);
}

#[test]
fn an_open_blob_outlives_its_removal() {
    let home = Home::new();
    let cache = home.open(LIMIT_DEFAULT);
    let digest = put(&cache, b"kept").unwrap();
    let blob = cache.open(&digest).unwrap();
    let cleared = Cleared { blobs: 1, bytes: 4 };
    assert_eq!(cache.clear(), cleared);
    let mut piece = Vec::new();
    blob.read_piece(0, &mut piece).unwrap();
    assert_eq!(piece, b"kept");
    assert!(home.files().is_empty());
}

#[test]
fn a_name_is_of_use_only_as_long_as_its_blob_is_here() {
    let home = Home::new();
    let cache = home.open(LIMIT_DEFAULT);
    let name = ShareName::parse("a/b.txt").unwrap();
    assert!(cache.open_named(&name).is_none());
    let digest = put(&cache, b"kept").unwrap();
    cache.remember(name.clone(), digest);
    assert_eq!(cache.digest_of(&name), Some(digest));
    assert_eq!(cache.open_named(&name).map(|blob| blob.size()), Some(4));
    cache.forget_names();
    assert_eq!(cache.digest_of(&name), None);
    cache.remember(name.clone(), digest);
    cache.clear();
    assert_eq!(cache.digest_of(&name), None);
    let counters = &home.counters;
    let counted = (counters.cache_hits.get(), counters.cache_misses.get());
    assert_eq!(counted, (1, 1));
}

#[test]
fn many_at_a_time_stay_within_the_limit() {
    const LIMIT: u64 = 400_000;
    let home = Home::new();
    let cache = home.open(LIMIT);
    std::thread::scope(|scope| {
        let feeders: Vec<_> = (0..4_u8)
            .map(|feeder| {
                let cache = &cache;
                scope.spawn(move || {
                    for n in 0..40_u8 {
                        put(cache, &content(feeder * 40 + n, 1_000 * usize::from(n)));
                    }
                })
            })
            .collect();
        while feeders.iter().any(|feeder| !feeder.is_finished()) {
            let _hand = lock(&cache.0.hand);
            assert!(home.on_disk() <= LIMIT);
        }
    });
    assert!(home.on_disk() <= LIMIT);
    assert!(cache.bytes() + DIRECTORY_COST <= LIMIT);
    assert!(!cache.list().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_disk_never_holds_more_than_the_limit(sizes in proptest::collection::vec((any::<u8>(), 0..110_000_usize, any::<bool>()), 1..20)) {
        const LIMIT: u64 = 100_000;
        let home = Home::new();
        let cache = home.open(LIMIT);
        for (seed, size, known) in sizes {
            let content = content(seed, size);
            let fits = cost_of(size as u64) <= LIMIT - DIRECTORY_COST;
            let Some(mut filling) = cache.begin(known.then_some(size as u64)) else {
                prop_assert!(known && !fits);
                continue;
            };
            let mut kept = true;
            for part in content.chunks(7_000) {
                kept = kept && filling.write(part).is_ok();
                prop_assert!(home.on_disk() <= LIMIT);
            }
            let digest = if kept { filling.finish() } else { drop(filling); None };
            prop_assert!(fits || digest.is_none());
            prop_assert!(!known || digest.is_some());
            if let Some(digest) = digest {
                prop_assert_eq!(read(&cache, &digest), Some(content));
            }
            prop_assert!(home.on_disk() <= LIMIT);
            prop_assert!(home.on_disk() <= cache.bytes() + DIRECTORY_COST);
        }
    }
}
