//! The owner's groups of nodes, by id.
//!
//! A policy sees the groups of a node that asks. The id counts only where a connection shows
//! it, so nobody comes into a group by a claim.
//!
//! # Invariants
//! - The table is bounded: [`GROUPS_MAX`] groups of [`MEMBERS_MAX`] nodes.
//! - A change is on the disk before it is reported as done.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::{Arc, Mutex},
};

use node_base::{
    disk::Disk,
    state::{StateDir, StateError},
    sync::lock,
};
use node_wire::NodeId;

/// The file of the groups in the state directory: one node a line, its group and its id.
pub const GROUPS_FILE: &str = "groups";

/// Most groups.
pub const GROUPS_MAX: usize = 64;

/// Most nodes of a group.
pub const MEMBERS_MAX: usize = 256;

/// Longest name of a group, in bytes.
pub const GROUP_NAME_MAX: usize = 64;

/// The error of a change of the groups.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// The name is none that a policy could write.
    #[error(
        "`{0}` is no name of a group: it has 1 to {GROUP_NAME_MAX} letters, digits, `-` and `_`"
    )]
    Name(String),
    /// There are too many groups.
    #[error("there are {GROUPS_MAX} groups already; remove one first")]
    Groups,
    /// The group has too many nodes.
    #[error("the group {0} would have more than {MEMBERS_MAX} nodes")]
    Members(String),
    /// The file cannot be read or written.
    #[error("the file of the groups: {0}")]
    State(#[from] StateError),
    /// The task that reads or writes ended early.
    #[error("the file of the groups cannot be used; the log of the node says more")]
    Disk,
}

type Table = BTreeMap<String, BTreeSet<NodeId>>;

/// The groups of one owner. Clones share one table.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    table: Arc<Mutex<Table>>,
    /// The directory in which they are saved; none in tests.
    state: Option<(StateDir, Disk)>,
    /// Changes take turns, so that the newest one is on the disk.
    saving: Arc<tokio::sync::Mutex<()>>,
}

impl Groups {
    /// Reads the groups of a state directory. Skips lines that cannot be read.
    ///
    /// # Errors
    /// Errors if the file is there and cannot be read.
    pub async fn load(state: &StateDir, disk: &Disk) -> Result<Groups, GroupError> {
        let file = state.clone();
        let text = disk.run(move || file.read(GROUPS_FILE)).await;
        let text = text.map_err(|_| GroupError::Disk)??;
        let groups = Groups {
            state: Some((state.clone(), disk.clone())),
            ..Groups::default()
        };
        *lock(&groups.table) = read(&text.unwrap_or_default());
        Ok(groups)
    }

    /// Returns the names of the groups of a node.
    #[must_use]
    pub fn of(&self, id: NodeId) -> Vec<String> {
        let table = lock(&self.table);
        let its = table.iter().filter(|(_, members)| members.contains(&id));
        its.map(|(name, _)| name.clone()).collect()
    }

    /// Returns all groups with their nodes, sorted.
    #[must_use]
    pub fn list(&self) -> Vec<(String, Vec<NodeId>)> {
        let table = lock(&self.table);
        let groups = table.iter();
        groups
            .map(|(name, members)| (name.clone(), members.iter().copied().collect()))
            .collect()
    }

    /// Adds nodes to a group, which it makes if it is new, and saves.
    ///
    /// # Errors
    /// Errors if the name is none, there would be too many, or it cannot be saved; then
    /// nothing changes.
    pub async fn add(&self, name: &str, ids: &[NodeId]) -> Result<(), GroupError> {
        if !is_name(name) {
            let name: String = name.chars().take(GROUP_NAME_MAX).collect();
            return Err(GroupError::Name(node_wire::escaped(&name).to_string()));
        }
        let add = |table: &mut Table| {
            if !table.contains_key(name) && table.len() >= GROUPS_MAX {
                return Err(GroupError::Groups);
            }
            let members = table.entry(name.to_owned()).or_default();
            members.extend(ids);
            if members.len() > MEMBERS_MAX {
                return Err(GroupError::Members(name.to_owned()));
            }
            Ok(())
        };
        self.change(add).await
    }

    /// Removes nodes from a group, or the whole group if there are none given, and saves. Returns
    /// whether anything was removed.
    ///
    /// # Errors
    /// Errors if it cannot be saved; then nothing changes.
    pub async fn remove(&self, name: &str, ids: &[NodeId]) -> Result<bool, GroupError> {
        let mut is_removed = false;
        let remove = |table: &mut Table| {
            let Some(members) = table.get_mut(name) else {
                return Ok(());
            };
            let before = members.len();
            members.retain(|id| !ids.contains(id));
            is_removed = members.len() < before;
            if ids.is_empty() || members.is_empty() {
                is_removed = true;
                table.remove(name);
            }
            Ok(())
        };
        self.change(remove).await?;
        Ok(is_removed)
    }

    async fn change(
        &self,
        change: impl FnOnce(&mut Table) -> Result<(), GroupError>,
    ) -> Result<(), GroupError> {
        let _turn = self.saving.lock().await;
        let mut changed = lock(&self.table).clone();
        change(&mut changed)?;
        if let Some((state, disk)) = self.state.clone() {
            let text = written(&changed);
            let saved = disk.run(move || state.write(GROUPS_FILE, &text)).await;
            saved.map_err(|_| GroupError::Disk)??;
        }
        *lock(&self.table) = changed;
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=GROUP_NAME_MAX).contains(&name.len()) && name.bytes().all(is_part)
}

fn written(table: &Table) -> String {
    let mut text = String::new();
    for (name, members) in table {
        for id in members {
            let _ = writeln!(text, "{name} {id}");
        }
    }
    text
}

fn read(text: &str) -> Table {
    let mut table = Table::new();
    for line in text.lines() {
        let Some((name, id)) = line.split_once(' ') else {
            continue;
        };
        let Ok(id) = id.trim().parse() else { continue };
        if !is_name(name) || (!table.contains_key(name) && table.len() >= GROUPS_MAX) {
            continue;
        }
        let members = table.entry(name.to_owned()).or_default();
        if members.len() < MEMBERS_MAX {
            members.insert(id);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(byte: u8) -> NodeId {
        NodeId([byte; 32])
    }

    fn state() -> (tempfile::TempDir, StateDir) {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(&home.path().join("state")).unwrap();
        (home, state)
    }

    #[tokio::test]
    async fn groups_are_kept_and_say_who_is_in_them() {
        let ((_home, state), disk) = (state(), Disk::default());
        let groups = Groups::load(&state, &disk).await.unwrap();
        groups.add("friends", &[id(1), id(2)]).await.unwrap();
        groups.add("family", &[id(1)]).await.unwrap();
        for groups in [groups.clone(), Groups::load(&state, &disk).await.unwrap()] {
            assert_eq!(groups.of(id(1)), ["family", "friends"]);
            assert_eq!(groups.of(id(2)), ["friends"]);
            assert!(groups.of(id(3)).is_empty());
        }
        let removed = groups.remove("friends", &[id(1)]).await;
        assert!(removed.unwrap());
        assert_eq!(groups.of(id(1)), ["family"]);
        assert!(!groups.remove("none", &[]).await.unwrap());
        assert!(groups.remove("friends", &[]).await.unwrap());
        assert_eq!(Groups::load(&state, &disk).await.unwrap().list().len(), 1);
    }

    #[tokio::test]
    async fn bad_names_and_too_many_are_refused_and_change_nothing() {
        let ((_home, state), disk) = (state(), Disk::default());
        let groups = Groups::load(&state, &disk).await.unwrap();
        for name in ["", "a b", "a\n", "ä", &"x".repeat(GROUP_NAME_MAX + 1)] {
            let refused = groups.add(name, &[id(1)]).await;
            assert!(matches!(refused, Err(GroupError::Name(_))), "{name:?}");
        }
        let many: Vec<_> = (0..=MEMBERS_MAX)
            .map(|n| {
                let mut id = [0; 32];
                id[..8].copy_from_slice(&n.to_be_bytes());
                NodeId(id)
            })
            .collect();
        let refused = groups.add("many", &many).await;
        assert!(matches!(refused, Err(GroupError::Members(_))));
        assert!(groups.list().is_empty());
        for n in 0..GROUPS_MAX {
            let name = format!("g{n}");
            groups.add(&name, &[id(1)]).await.unwrap();
        }
        let refused = groups.add("more", &[id(1)]).await;
        assert!(matches!(refused, Err(GroupError::Groups)));
    }

    proptest! {
        #[test]
        fn a_damaged_file_stays_within_the_limits(text in "([a-z]{1,3} [0-9a-f]{62,66}\n|\\PC{0,9}\n){0,30}") {
            let table = read(&text);
            prop_assert!(table.len() <= GROUPS_MAX);
            prop_assert_eq!(read(&written(&table)), table);
        }
    }
}
