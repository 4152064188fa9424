//! Files with several names on a disk of the tests, which changes also while it is looked at.

use std::collections::btree_map::Entry;

use proptest::{collection::vec, prelude::*};

use super::*;

fn file(inode: u64, links: u64) -> OnDisk {
    crate::stamp::tests::linked(inode, links)
}

impl Links {
    /// Notes a file with the stamp that it always has.
    fn note_file(&mut self, name: &str, file: Option<&OnDisk>) {
        self.note(name, file.map(|file| (file, file.shown())));
    }

    /// Returns the names to look at now.
    fn stale_names(&mut self) -> Vec<String> {
        let stale = self.take_stale().into_iter();
        stale.flat_map(|stale| stale.names).collect()
    }
}

#[test]
fn a_name_that_comes_or_goes_makes_the_other_names_stale() {
    let mut links = Links::default();
    for name in ["a", "b", "c"] {
        links.note_file(name, Some(&file(1, 3)));
    }
    links.note_file("single", Some(&file(2, 1)));
    assert!(links.with_names_outside((0, 0), 9).is_empty());
    // All names are known by now, and with one stamp.
    assert_eq!(links.stale_names(), ["a", "b", "c"]);
    links.note_file("b", Some(&file(1, 3)));
    assert!(!links.are_stale());
    links.note_file("b", Some(&file(2, 1)));
    assert_eq!(links.stale_names(), ["a", "c"]);
    links.note_file("c", None);
    assert_eq!(links.stale_names(), ["a"]);
    let outside = links.with_names_outside((0, 0), 9);
    assert_eq!(outside.len(), 1);
    assert_eq!(outside[0].1, "a");
    assert!(links.with_names_outside(outside[0].0, 9).is_empty());
}

#[test]
fn unknown_names_are_searched_once_for_a_number_of_names() {
    let mut links = Links::default();
    links.note_file("a", Some(&file(7, 2)));
    let id = file(7, 2).id();
    let searched = |links: &mut Links| links.take_stale().iter().any(|it| it.unknown == Some(id));
    assert!(searched(&mut links));
    links.note_file("a", Some(&file(7, 2)));
    assert!(!searched(&mut links), "the other name is outside the share");
    links.note_file("a", Some(&file(7, 3)));
    assert!(searched(&mut links));
}

#[test]
fn more_names_than_are_known_are_noted_as_such() {
    let mut links = Links::default();
    for number in 0..LINKS_MAX {
        links.note_file(&number.to_string(), Some(&file(1, 2)));
    }
    assert!(!links.are_more());
    links.take_stale();
    links.note_file("more", Some(&file(2, 2)));
    assert!(links.are_more() && !links.are_stale());
}

/// A change to the disk.
#[derive(Clone, Debug)]
enum Op {
    Write(u8),
    Link(u8, u8),
    Rename(u8, u8),
    Remove(u8),
}

/// Something that happens: a change, or a look at what was reported, with the changes that happen
/// during it, one before each file is looked at.
#[derive(Clone, Debug)]
enum Act {
    Change(Op),
    Look(Vec<Option<Op>>),
}

fn op() -> impl Strategy<Value = Op> {
    let name = || 0..6_u8;
    prop_oneof![
        3 => name().prop_map(Op::Write),
        3 => (name(), name()).prop_map(|(from, to)| Op::Link(from, to)),
        2 => (name(), name()).prop_map(|(from, to)| Op::Rename(from, to)),
        1 => name().prop_map(Op::Remove),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => op().prop_map(Act::Change),
        1 => vec(proptest::option::weighted(0.3, op()), 0..12).prop_map(Act::Look),
    ]
}

type Names = BTreeMap<u8, OnDisk>;

/// A disk, and what is known of it.
#[derive(Default)]
struct World {
    disk: BTreeMap<u8, u64>,
    /// When each file was last changed.
    changed: BTreeMap<u64, u64>,
    clock: u64,
    reported: BTreeSet<u8>,
    known: Names,
    links: Links,
}

impl World {
    fn on_disk(&self, name: u8) -> Option<OnDisk> {
        let inode = *self.disk.get(&name)?;
        let links = self.disk.values().filter(|other| **other == inode).count();
        let changed = self.changed[&inode];
        Some(crate::stamp::tests::changed_at(
            inode,
            links as u64,
            changed,
        ))
    }

    fn touch(&mut self, inode: Option<u64>) {
        self.clock += 1;
        self.changed.extend(inode.map(|inode| (inode, self.clock)));
    }

    /// Returns true if a name would go of which nobody knows which file it has: that is found by a look
    /// at everything alone.
    fn is_unseen(&self, name: u8) -> bool {
        let known = self.known.get(&name).map(OnDisk::id);
        known != self.on_disk(name).as_ref().map(OnDisk::id)
    }

    fn change(&mut self, op: &Op) {
        match *op {
            Op::Write(name) => {
                let new = self.clock + 100;
                let inode = *self.disk.entry(name).or_insert(new);
                self.touch(Some(inode));
                self.reported.insert(name);
            }
            Op::Link(from, to) => {
                let Some(inode) = self.disk.get(&from).copied() else {
                    return;
                };
                if let Entry::Vacant(entry) = self.disk.entry(to) {
                    entry.insert(inode);
                    self.touch(Some(inode));
                    self.reported.insert(to);
                }
            }
            Op::Rename(from, to) => {
                let inode = self.disk.get(&from).copied();
                let replaced = self.disk.get(&to).copied();
                if inode.is_none() || inode == replaced || self.is_unseen(to) {
                    return;
                }
                self.disk.remove(&from);
                self.disk.extend(inode.map(|inode| (to, inode)));
                self.touch(inode);
                self.touch(replaced);
                self.reported.extend([from, to]);
            }
            Op::Remove(name) if !self.is_unseen(name) => {
                let inode = self.disk.remove(&name);
                self.touch(inode);
                self.reported.insert(name);
            }
            Op::Remove(_) => {}
        }
    }

    fn look_at(&mut self, name: u8, before: &mut dyn Iterator<Item = Option<Op>>) {
        if let Some(Some(op)) = before.next() {
            self.change(&op);
        }
        let file = self.on_disk(name);
        self.known.remove(&name);
        self.known.extend(file.map(|file| (name, file)));
        self.links.note_file(&name.to_string(), file.as_ref());
    }

    fn look(&mut self, during: &[Option<Op>]) {
        let mut before = during.iter().cloned();
        for name in std::mem::take(&mut self.reported) {
            self.look_at(name, &mut before);
        }
        for stale in self.links.take_stale() {
            let names = stale.names.iter().map(|name| name.parse().unwrap());
            let mut names: BTreeSet<u8> = names.collect();
            if let Some(id) = stale.unknown {
                let has = |file: &OnDisk| file.shown().inode == id.1;
                for (name, _) in self.known.iter().filter(|(_, file)| has(file)) {
                    self.links.suppose(&name.to_string(), id);
                    names.insert(*name);
                }
            }
            for name in names {
                self.look_at(name, &mut before);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn all_names_are_known_as_they_are_whenever_they_change(acts in vec(act(), 1..40)) {
        let mut world = World::default();
        for act in &acts {
            match act {
                Act::Change(op) => world.change(op),
                Act::Look(during) => world.look(during),
            }
        }
        let mut looks = 0;
        while !world.reported.is_empty() || world.links.are_stale() {
            world.look(&[]);
            looks += 1;
            prop_assert!(looks < 20, "it does not come to an end");
        }
        let disk = (0..6).filter_map(|name| Some((name, world.on_disk(name)?)));
        prop_assert_eq!(&world.known, &disk.collect::<Names>());
    }
}
