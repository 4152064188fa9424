//! Digests of files that come, change and go.

#![allow(
    clippy::disallowed_methods,
    reason = "tests change the directory from outside"
)]

use std::{fs, path::PathBuf, time::Instant};

use super::*;
use crate::{Moved, stamp::SETTLED_AFTER};

struct Home {
    directory: tempfile::TempDir,
    counters: Arc<Counters>,
}

impl Home {
    fn new() -> Home {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("share")).unwrap();
        Home {
            directory,
            counters: Arc::default(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("share").join(name)
    }

    /// Writes a file that was changed long ago.
    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
        let file = fs::File::options()
            .write(true)
            .open(self.path(name))
            .unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(60))
            .unwrap();
    }

    fn state(&self) -> StateDir {
        StateDir::open(&self.directory.path().join("state")).unwrap()
    }

    /// Opens the digests when a later write shows in the stamp.
    fn open(&self) -> Arc<Digests> {
        std::thread::sleep(SETTLED_AFTER + Duration::from_millis(20));
        let share = Arc::new(Share::open(&self.directory.path().join("share")).unwrap());
        let catalogue = Catalogue::new(&share);
        catalogue.read_all();
        let events = Arc::default();
        Arc::new(Digests::open(
            catalogue,
            &self.state(),
            Arc::clone(&self.counters),
            events,
        ))
    }

    fn hashed(&self) -> u64 {
        self.counters.files_hashed.get()
    }
}

fn name(text: &str) -> ShareName {
    ShareName::parse(text).unwrap()
}

fn digest(bytes: &[u8]) -> Digest {
    let mut hasher = TreeHasher::default();
    hasher.push(bytes);
    hasher.finish().digest()
}

fn long() -> Vec<u8> {
    (0..700_000_u32).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn a_file_is_read_once_and_then_known() {
    let home = Home::new();
    home.write("a", b"text");
    let digests = home.open();
    assert_eq!(digests.known(&name("a")), None);
    assert_eq!(digests.of(&name("a")).unwrap().digest, digest(b"text"));
    assert_eq!(digests.of(&name("a")).unwrap().size, 4);
    assert_eq!(home.hashed(), 1);
    assert!(digests.open_blob(&digest(b"text")).is_some());
    assert_eq!(digests.named(&digest(b"text")), Some((name("a"), 4)));
    assert!(matches!(
        digests.of(&name("none")),
        Err(ShareError::NotFound(_))
    ));
}

#[test]
fn reader_finds_what_is_saved_read_and_changed_meanwhile() {
    let home = Home::new();
    for file in ["a", "b", "c"] {
        home.write(file, file.as_bytes());
    }
    let digests = home.open();
    let described = |file: &str| digests.catalogue.look_up(file).unwrap().unwrap();
    digests.of(&name("a")).unwrap();
    digests.store.save();
    digests.of(&name("b")).unwrap();
    let reader = digests.reader();
    assert_eq!(reader.known_as(&described("a")), Some(digest(b"a")));
    assert_eq!(reader.known_as(&described("b")), Some(digest(b"b")));
    assert_eq!(reader.known_as(&described("c")), None);
    // Saved after the reader began.
    digests.of(&name("c")).unwrap();
    digests.store.save();
    for file in ["b", "c"] {
        let expected = Some(digest(file.as_bytes()));
        assert_eq!(reader.known_as(&described(file)), expected, "{file}");
    }
    home.write("a", b"other");
    assert_eq!(reader.known_as(&described("a")), None);
}

#[test]
fn digests_and_trees_outlive_the_node() {
    let home = Home::new();
    home.write("long", &long());
    let digests = home.open();
    let known = digests.of(&name("long")).unwrap();
    let tree = digests.tree(&known.digest).unwrap();
    digests.store.save();
    assert_eq!(digests.tree(&known.digest), Some(tree.clone()));
    drop(digests);
    let digests = home.open();
    assert_eq!(digests.known(&name("long")), Some(known));
    assert_eq!(digests.tree(&known.digest), Some(tree));
    assert_eq!(home.hashed(), 1);
}

#[test]
fn a_changed_file_is_not_given_out_under_its_old_digest() {
    let home = Home::new();
    home.write("a", b"one");
    let digests = home.open();
    digests.of(&name("a")).unwrap();
    fs::write(home.path("a"), b"two").unwrap();
    assert_eq!(digests.known(&name("a")), None);
    assert!(digests.open_blob(&digest(b"one")).is_none());
    assert_eq!(digests.named(&digest(b"one")), None);
    assert_eq!(digests.of(&name("a")).unwrap().digest, digest(b"two"));
}

#[test]
fn another_file_of_the_same_size_and_time_is_noticed() {
    let home = Home::new();
    home.write("a", b"one");
    let digests = home.open();
    let stamp = digests.of(&name("a")).unwrap().stamp;
    fs::write(home.path("b"), b"two").unwrap();
    let other = fs::File::options()
        .write(true)
        .open(home.path("b"))
        .unwrap();
    other.set_modified(stamp.modified().unwrap()).unwrap();
    fs::rename(home.path("b"), home.path("a")).unwrap();
    assert_eq!(digests.known(&name("a")), None);
    assert_eq!(digests.of(&name("a")).unwrap().digest, digest(b"two"));
}

#[test]
fn a_file_that_was_just_changed_is_read_again() {
    let home = Home::new();
    let digests = home.open();
    fs::write(home.path("a"), b"text").unwrap();
    digests.of(&name("a")).unwrap();
    std::thread::sleep(SETTLED_AFTER + Duration::from_millis(20));
    digests.of(&name("a")).unwrap();
    let read = home.hashed();
    digests.of(&name("a")).unwrap();
    assert_eq!(home.hashed(), read);
}

/// Gives the file `name` this time of change.
fn set_modified(home: &Home, name: &str, time: SystemTime) {
    let file = fs::File::options().write(true).open(home.path(name));
    file.unwrap().set_modified(time).unwrap();
}

#[test]
fn a_file_of_any_time_is_read_once() {
    let home = Home::new();
    let day = Duration::from_secs(24 * 3600);
    let times = [
        ("future", SystemTime::now() + 400 * day),
        ("before 1970", SystemTime::UNIX_EPOCH - 400 * day),
        ("far away", SystemTime::UNIX_EPOCH + 110_000 * day),
    ];
    for (file, time) in times {
        fs::write(home.path(file), file).unwrap();
        set_modified(&home, file, time);
    }
    let digests = home.open();
    for (file, _) in times {
        digests.of(&name(file)).unwrap();
        digests.of(&name(file)).unwrap();
    }
    assert_eq!(home.hashed(), 3);
    digests.store.save();
    drop(digests);
    let digests = home.open();
    for (file, _) in times {
        assert!(digests.known(&name(file)).is_some(), "{file}");
    }
}

#[test]
fn new_bytes_with_the_old_time_are_noticed_also_later() {
    let home = Home::new();
    home.write("a", b"one");
    let digests = home.open();
    let before = digests.of(&name("a")).unwrap().stamp;
    digests.store.save();
    drop(digests);
    fs::write(home.path("a"), b"two").unwrap();
    set_modified(&home, "a", before.modified().unwrap());
    let digests = home.open();
    let now = digests.share.stamp(&name("a")).unwrap();
    assert_eq!(
        (now.size, now.inode, now.modified()),
        (before.size, before.inode, before.modified())
    );
    assert!(digests.open_blob(&digest(b"one")).is_none());
    assert_eq!(digests.of(&name("a")).unwrap().digest, digest(b"two"));
}

#[test]
fn a_piece_that_does_not_match_is_refused_and_the_file_reread() {
    let home = Home::new();
    let (mut old, new) = (long(), long());
    old[600_000] ^= 1;
    home.write("a", &new);
    let digests = home.open();
    let mut hasher = TreeHasher::default();
    hasher.push(&old);
    let stamp = digests.share.stamp(&name("a")).unwrap();
    digests.learned(&name("a"), stamp, &hasher.finish());
    let blob = digests.open_blob(&digest(&old)).unwrap();
    let mut piece = Vec::new();
    blob.read_piece(0, &mut piece).unwrap();
    assert!(blob.read_piece(2, &mut piece).is_err() && piece.is_empty());
    // What is still open ends, too, and nobody finds it any more.
    assert!(blob.read_piece(0, &mut piece).is_err());
    assert!(digests.open_blob(&digest(&old)).is_none());
    assert_eq!(digests.of(&name("a")).unwrap().digest, digest(&new));
    let blob = digests.open_blob(&digest(&new)).unwrap();
    for index in 0..blob.tree().count() {
        blob.read_piece(index, &mut piece).unwrap();
    }
}

/// Returns whether the background reads the file later.
fn is_due(digests: &Digests, file: &str) -> bool {
    lock(&digests.changed).due.contains_key(&name(file))
}

/// Has the background read what is due by now.
fn read_now(digests: &Arc<Digests>, file: &str) {
    lock(&digests.changed).due.remove(&name(file));
    digests.read_if_unknown(&name(file));
}

#[test]
fn a_file_that_is_away_for_a_moment_gets_its_digest() {
    let home = Home::new();
    fs::create_dir(home.path("d")).unwrap();
    home.write("d/a", b"one");
    let digests = home.open();
    // Nothing about the file itself changes, so nobody reports it again.
    fs::rename(home.path("d"), home.path("e")).unwrap();
    read_now(&digests, "d/a");
    assert!(is_due(&digests, "d/a"));
    fs::rename(home.path("e"), home.path("d")).unwrap();
    read_now(&digests, "d/a");
    assert!(!is_due(&digests, "d/a"));
    assert_eq!(digests.of(&name("d/a")).unwrap().digest, digest(b"one"));
    fs::remove_file(home.path("d/a")).unwrap();
    digests.catalogue.read_all();
    read_now(&digests, "d/a");
    assert!(!is_due(&digests, "d/a"), "it is gone");
}

#[test]
fn a_file_is_read_until_the_digest_fits_what_is_described() {
    let home = Home::new();
    home.write("a", b"one");
    let digests = home.open();
    // So young that the next change may not show, and not in the catalogue as it is.
    fs::write(home.path("a"), b"two").unwrap();
    read_now(&digests, "a");
    assert!(is_due(&digests, "a"), "the catalogue is old");
    digests.catalogue.read_all();
    std::thread::sleep(SETTLED_AFTER + Duration::from_millis(20));
    read_now(&digests, "a");
    assert!(!is_due(&digests, "a"));
    let described = digests.catalogue.look_up("a").unwrap().unwrap();
    assert_eq!(digests.known_as(&described), Some(digest(b"two")));
}

#[test]
fn pauses_before_a_file_is_tried_again_grow_to_their_limit() {
    let (mut changed, begun) = (Changed::default(), now());
    let file = name("a");
    for _ in 0..10 {
        changed.due.clear();
        changed.note(&file, Some(FAILED_PAUSE), begun);
    }
    assert_eq!(changed.due[&file], begun + FAILED_PAUSE_MAX);
    // What is due sooner stays so.
    changed.due.insert(file.clone(), begun);
    changed.note(&file, Some(FAILED_PAUSE), begun);
    assert_eq!(changed.due[&file], begun);
    changed.note(&file, None, begun);
    changed.due.clear();
    changed.note(&file, Some(FAILED_PAUSE), begun);
    assert_eq!(changed.due[&file], begun + FAILED_PAUSE);
}

#[test]
fn a_damaged_database_is_made_anew() {
    let home = Home::new();
    home.write("a", b"text");
    home.state();
    fs::write(home.directory.path().join("state/digests.redb"), "rubbish").unwrap();
    assert_eq!(home.open().of(&name("a")).unwrap().digest, digest(b"text"));
}

#[test]
fn what_is_gone_is_forgotten() {
    let home = Home::new();
    home.write("a", &long());
    let digests = home.open();
    let known = digests.of(&name("a")).unwrap();
    digests.store.save();
    fs::remove_file(home.path("a")).unwrap();
    digests.catalogue.read_all();
    digests.look();
    assert_eq!(digests.store.get(&name("a")), None);
    assert!(digests.store.names(&known.digest).is_empty());
    assert_eq!(digests.tree(&known.digest), None);
}

#[test]
fn renamed_files_keep_their_digests_even_if_they_swap_names() {
    let home = Home::new();
    home.write("a", &long());
    home.write("b", b"text");
    let digests = home.open();
    let (a, b) = (
        digests.of(&name("a")).unwrap(),
        digests.of(&name("b")).unwrap(),
    );
    let swap = |first: &str, second: &str| {
        fs::rename(home.path(first), home.path("c")).unwrap();
        fs::rename(home.path(second), home.path(first)).unwrap();
        fs::rename(home.path("c"), home.path(second)).unwrap();
    };
    let moved = |all: &[(&str, &str, Stamp)]| {
        let moved = |(from, to, was): &(&str, &str, Stamp)| Moved {
            from: (*from).to_owned(),
            to: (*to).to_owned(),
            was: *was,
            is: digests.share.stamp(&name(to)).unwrap(),
        };
        digests.changed(&ChangeSet {
            moved: all.iter().map(moved).collect(),
            ..ChangeSet::default()
        });
        digests.note_moved();
    };
    let digest_of = |file: &str| digests.known(&name(file)).map(|known| known.digest);
    swap("a", "b");
    moved(&[("a", "b", a.stamp), ("b", "a", b.stamp)]);
    assert_eq!(digest_of("b"), Some(a.digest));
    assert_eq!(digest_of("a"), Some(b.digest));
    let stamp = digests.share.stamp(&name("b")).unwrap();
    fs::rename(home.path("b"), home.path("d")).unwrap();
    moved(&[("b", "d", stamp)]);
    assert_eq!(digest_of("d"), Some(a.digest));
    assert_eq!(home.hashed(), 2);
    // What is known of other bytes does not move.
    fs::rename(home.path("a"), home.path("e")).unwrap();
    moved(&[("a", "e", stamp)]);
    assert_eq!(digest_of("e"), None);
    assert!(digests.tree(&a.digest).is_some_and(|tree| tree.count() > 1));
    assert_eq!(digests.store.get(&name("b")), None);
}

#[test]
fn a_database_that_was_cut_or_flipped_gives_no_wrong_digest() {
    let home = Home::new();
    for n in 0..30_u8 {
        home.write(&format!("{n}"), &[n]);
    }
    let all = |digests: &Digests| {
        (0..30_u8)
            .map(|n| digests.of(&name(&format!("{n}"))).unwrap().digest)
            .collect::<Vec<_>>()
    };
    let right = all(&home.open());
    let path = home.directory.path().join("state/digests.redb");
    {
        let digests = home.open();
        assert_eq!(all(&digests), right);
        digests.store.save();
    }
    let whole = fs::read(&path).unwrap();
    let places = (0..whole.len())
        .step_by(whole.len() / 20)
        .chain((0..64).step_by(4));
    for at in places {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x40;
        fs::write(&path, &flipped).unwrap();
        assert_eq!(all(&home.open()), right, "flipped at {at}");
        fs::write(&path, &whole[..at]).unwrap();
        assert_eq!(all(&home.open()), right, "cut at {at}");
    }
}

#[tokio::test]
async fn the_background_reads_the_share_and_ends_when_it_is_told_to() {
    let home = Home::new();
    for n in 0..20_u8 {
        home.write(&format!("{n}"), &[n]);
    }
    let digests = home.open();
    let cancel = CancellationToken::new();
    let running = tokio::spawn(Arc::clone(&digests).run(cancel.clone()));
    let deadline = Instant::now() + Duration::from_secs(10);
    while home.hashed() < 20 {
        assert!(Instant::now() < deadline, "not read in time");
        sleep(Duration::from_millis(5)).await;
    }
    cancel.cancel();
    running.await.unwrap();
    drop(digests);
    assert!(home.open().known(&name("19")).is_some());
}
