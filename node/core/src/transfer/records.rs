//! Records of content that is received in part.
//!
//! A record names a temporary in the share, the content whose checked pieces are in it, and the fetch that it
//! belongs to. Which pieces are right is not written down: they are checked again when the temporary is taken up.
//!
//! # Invariants
//! - A temporary of checked content has a record from before its first byte until it is committed or removed.
//! - A record is *active* while a fetch works with it, and *idle* after that fetch ended without the file.
//! - An idle record is kept for [`KEEP_FOR`], and at most [`IDLE_MAX`] are; then its temporary is removed.

use std::{
    sync::Mutex,
    time::{Duration, SystemTime},
};

use node_api::fetch::FetchKept;
use node_wire::{About, Digest, name::ShareName, peer_url::PeerUrl};
use serde::{Deserialize, Serialize};

use super::Goal;
use crate::{events::unix_millis, share::Replace, state::StateDir, sync::lock};

/// File of the records.
const FILE: &str = "fetches";

/// Time for which the received part of content is kept.
pub const KEEP_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Most idle records; the oldest go first.
const IDLE_MAX: usize = 256;

/// Most holders that a record names.
const HOLDERS_MAX: usize = 16;

/// Most liars that a record names.
const LIARS_MAX: usize = 64;

/// The received part of content, and its target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Record {
    /// The fetch that works or worked with it.
    pub(super) id: u64,
    pub(super) name: ShareName,
    pub(super) goal: Goal,
    pub(super) replace: Replace,
    pub(super) digest: Digest,
    /// The metadata of the file, by the word of a holder.
    pub(super) about: About,
    pub(super) temporary: String,
    /// The time when it was last worked with, in whole seconds once it is in [`Records`], as it is written.
    pub(super) time: SystemTime,
    pub(super) is_active: bool,
    /// True if all bytes came and could not be put into their place.
    pub(super) is_uncommitted: bool,
    /// Checked bytes in the temporary when the fetch last paused.
    pub(super) bytes: u64,
    /// Peers that delivered some of it.
    pub(super) holders: Vec<PeerUrl>,
    /// Peers that sent wrong bytes of it. They are not asked again, after a restart neither.
    pub(super) liars: Vec<PeerUrl>,
}

/// The records of a node, saved in its state directory.
#[derive(Debug)]
pub struct Records {
    state: StateDir,
    list: Mutex<Vec<Record>>,
    /// Held while the file is written, so that a newer list is never overwritten by an older one.
    saving: Mutex<()>,
}

/// A record as it is written.
#[derive(Deserialize, Serialize)]
struct Written {
    name: String,
    replace: bool,
    digest: String,
    temporary: String,
    #[serde(default)]
    id: u64,
    #[serde(default)]
    by_digest: bool,
    /// Unix seconds; absent in the files of older versions.
    #[serde(default)]
    time: Option<u64>,
    #[serde(default = "active")]
    active: bool,
    #[serde(default)]
    uncommitted: bool,
    #[serde(default)]
    modified: Option<u64>,
    #[serde(default)]
    executable: bool,
    #[serde(default)]
    bytes: u64,
    #[serde(default)]
    holders: Vec<String>,
    #[serde(default)]
    liars: Vec<String>,
}

fn active() -> bool {
    true
}

/// Cuts a time to whole seconds, so that it is the same after a restart.
fn whole_seconds(time: SystemTime) -> SystemTime {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs()),
        Err(_) => SystemTime::UNIX_EPOCH,
    }
}

impl Records {
    /// Loads the records of earlier runs from `state`, without those that expired by `now`. Blocks.
    #[must_use]
    pub fn load(state: &StateDir, now: SystemTime) -> Records {
        let text = state.read(FILE).unwrap_or_else(|error| {
            tracing::warn!(%error, "the fetches of the last run cannot be read and are given up");
            None
        });
        let written: Vec<Written> = text
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        let records = written
            .iter()
            .filter_map(|written| Record::read(written, now));
        Records {
            state: state.clone(),
            list: Mutex::new(records.filter(|record| !record.is_expired(now)).collect()),
            saving: Mutex::default(),
        }
    }

    /// Returns the temporaries in the share that belong to records.
    #[must_use]
    pub fn temporaries(&self) -> Vec<String> {
        let list = lock(&self.list);
        list.iter().map(|record| record.temporary.clone()).collect()
    }

    pub(super) fn list(&self) -> Vec<Record> {
        lock(&self.list).clone()
    }

    /// Adds a record. Blocks.
    pub(super) fn add(&self, mut record: Record) {
        record.time = whole_seconds(record.time);
        lock(&self.list).push(record);
        self.save();
    }

    /// Removes the record of `temporary`, if there is one. Blocks.
    pub(super) fn remove(&self, temporary: &str) {
        let removed = {
            let mut list = lock(&self.list);
            let before = list.len();
            list.retain(|record| record.temporary != temporary);
            list.len() < before
        };
        if removed {
            self.save();
        }
    }

    /// Takes an idle record of this content, or of this name if any content will do, for the fetch `id`.
    /// Blocks.
    pub(super) fn take(
        &self,
        id: u64,
        name: &ShareName,
        goal: Goal,
        replace: Replace,
    ) -> Option<Record> {
        let taken = {
            let mut list = lock(&self.list);
            let fits = |record: &&mut Record| {
                !record.is_active
                    && match goal {
                        Goal::Name => record.name == *name,
                        Goal::Content(digest) => record.digest == digest,
                    }
            };
            let record = list
                .iter_mut()
                .filter(fits)
                .max_by_key(|record| record.time)?;
            record.is_active = true;
            (record.id, record.name) = (id, name.clone());
            (record.goal, record.replace) = (goal, replace);
            record.clone()
        };
        self.save();
        Some(taken)
    }

    /// Notes the bytes received into `temporary` so far, and whether a fetch goes on with it. Blocks.
    pub(super) fn pause(
        &self,
        temporary: &str,
        bytes: Option<u64>,
        holders: &[PeerUrl],
        is_active: bool,
        now: SystemTime,
    ) {
        let mut list = lock(&self.list);
        let record = list.iter_mut().find(|record| record.temporary == temporary);
        let Some(record) = record else { return };
        record.time = whole_seconds(now);
        record.is_active = is_active;
        record.bytes = bytes.unwrap_or(record.bytes);
        for holder in holders {
            if record.holders.len() < HOLDERS_MAX && !record.holders.contains(holder) {
                record.holders.push(holder.clone());
            }
        }
        drop(list);
        self.save();
    }

    /// Notes that all `bytes` of content are in `temporary`, whose commit failed. The fetch is over. Blocks.
    pub(super) fn not_committed(&self, temporary: &str, bytes: u64, now: SystemTime) {
        let mut list = lock(&self.list);
        let mut records = list.iter_mut();
        if let Some(record) = records.find(|record| record.temporary == temporary) {
            record.is_uncommitted = true;
        }
        drop(list);
        self.pause(temporary, Some(bytes), &[], false, now);
    }

    /// Notes that `peer` sent wrong bytes of the content in `temporary`. Blocks.
    pub(super) fn lied(&self, temporary: &str, peer: &PeerUrl) {
        let mut list = lock(&self.list);
        let record = list.iter_mut().find(|record| record.temporary == temporary);
        let Some(record) = record else { return };
        if record.liars.len() >= LIARS_MAX || record.liars.contains(peer) {
            return;
        }
        record.liars.push(peer.clone());
        drop(list);
        self.save();
    }

    /// Notes that `temporary` is at another path now. Blocks.
    pub(super) fn moved(&self, temporary: &str, path: &str) {
        let mut list = lock(&self.list);
        let mut records = list.iter_mut();
        if let Some(record) = records.find(|record| record.temporary == temporary) {
            path.clone_into(&mut record.temporary);
        }
        drop(list);
        self.save();
    }

    /// Gives the record of `temporary` to the fetch `id`. Blocks.
    pub(super) fn assign(&self, temporary: &str, id: u64) {
        let mut list = lock(&self.list);
        let mut records = list.iter_mut();
        if let Some(record) = records.find(|record| record.temporary == temporary) {
            record.id = id;
        }
        drop(list);
        self.save();
    }

    /// Returns the bytes that are kept of the fetch `id`, if it is over.
    pub(super) fn kept(&self, id: u64) -> Option<FetchKept> {
        let list = lock(&self.list);
        let record = list
            .iter()
            .find(|record| record.id == id && !record.is_active)?;
        Some(record.kept())
    }

    /// Removes the idle records that `selected` picks and returns them. Blocks.
    pub(super) fn drop_idle(&self, selected: impl Fn(&Record) -> bool) -> Vec<Record> {
        let (dropped, rest) = {
            let mut list = lock(&self.list);
            let all = std::mem::take(&mut *list);
            let (dropped, rest): (Vec<_>, Vec<_>) = all
                .into_iter()
                .partition(|record| !record.is_active && selected(record));
            *list = rest;
            (dropped, list.len())
        };
        if !dropped.is_empty() {
            tracing::debug!(dropped = dropped.len(), rest, "received parts are dropped");
            self.save();
        }
        dropped
    }

    /// Removes and returns the idle records that expired by `now`, and the oldest beyond the limit. Blocks.
    pub(super) fn expire(&self, now: SystemTime) -> Vec<Record> {
        let mut times: Vec<SystemTime> = {
            let list = lock(&self.list);
            let idle = list.iter().filter(|record| !record.is_active);
            idle.map(|record| record.time).collect()
        };
        times.sort_unstable();
        let beyond = times
            .len()
            .checked_sub(IDLE_MAX + 1)
            .map(|last| times[last]);
        self.drop_idle(|record| {
            record.is_expired(now) || beyond.is_some_and(|oldest| record.time <= oldest)
        })
    }

    fn save(&self) {
        let _saving = lock(&self.saving);
        let written: Vec<Written> = lock(&self.list).iter().map(Record::write).collect();
        let saved = serde_json::to_vec(&written)
            .map_err(|error| error.to_string())
            .and_then(|text| {
                // A record outlives the node. After a crash of the machine it may be lost, and then the
                // temporary is removed.
                let saved = self.state.write_with(FILE, |file| file.write_all(&text));
                saved.map_err(|error| error.to_string())
            });
        if let Err(error) = saved {
            tracing::warn!(%error, "a fetch cannot be taken up after a restart");
        }
    }
}

impl Record {
    pub(super) fn kept(&self) -> FetchKept {
        FetchKept {
            bytes: self.bytes,
            until: unix_millis(self.time + KEEP_FOR),
        }
    }

    fn is_expired(&self, now: SystemTime) -> bool {
        now.duration_since(self.time)
            .is_ok_and(|age| age >= KEEP_FOR)
    }

    fn read(written: &Written, now: SystemTime) -> Option<Record> {
        let digest = Digest::from_hex(&written.digest).ok()?;
        let time = written
            .time
            .and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
        Some(Record {
            id: written.id,
            name: ShareName::parse(&written.name).ok()?,
            goal: if written.by_digest {
                Goal::Content(digest)
            } else {
                Goal::Name
            },
            replace: if written.replace {
                Replace::Existing
            } else {
                Replace::Never
            },
            digest,
            about: About {
                modified: written.modified,
                executable: written.executable,
            },
            temporary: written.temporary.clone(),
            // A clock that was set back does not keep anything for longer.
            time: time.unwrap_or(now).min(now),
            is_active: written.active,
            is_uncommitted: written.uncommitted,
            bytes: written.bytes,
            holders: read_urls(&written.holders, HOLDERS_MAX),
            liars: read_urls(&written.liars, LIARS_MAX),
        })
    }

    fn write(&self) -> Written {
        let since_epoch = self.time.duration_since(SystemTime::UNIX_EPOCH);
        Written {
            name: self.name.as_str().to_owned(),
            replace: self.replace == Replace::Existing,
            digest: self.digest.to_hex(),
            temporary: self.temporary.clone(),
            id: self.id,
            by_digest: self.goal != Goal::Name,
            time: since_epoch.ok().map(|time| time.as_secs()),
            active: self.is_active,
            uncommitted: self.is_uncommitted,
            modified: self.about.modified,
            executable: self.about.executable,
            bytes: self.bytes,
            holders: written_urls(&self.holders),
            liars: written_urls(&self.liars),
        }
    }
}

fn read_urls(written: &[String], most: usize) -> Vec<PeerUrl> {
    let urls = written.iter().take(most);
    urls.filter_map(|url| PeerUrl::parse(url).ok()).collect()
}

fn written_urls(urls: &[PeerUrl]) -> Vec<String> {
    urls.iter().map(|url| url.as_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn record(name: &str, n: u8) -> Record {
        Record {
            id: n.into(),
            name: ShareName::parse(name).unwrap(),
            goal: Goal::Name,
            replace: Replace::Existing,
            digest: Digest::from_bytes([n; 32]),
            about: About {
                modified: Some(5),
                executable: true,
            },
            temporary: format!(".sixhop-part-{n:016x}"),
            time: at(1_000_000),
            is_active: true,
            is_uncommitted: false,
            bytes: 5,
            holders: vec![PeerUrl::parse("http://127.0.0.1:4242/").unwrap()],
            liars: vec![PeerUrl::parse("http://127.0.0.1:4243/").unwrap()],
        }
    }

    fn state() -> (tempfile::TempDir, StateDir) {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(home.path()).unwrap();
        (home, state)
    }

    #[test]
    fn records_outlive_the_node_until_removed() {
        let (_home, state) = state();
        let record = record("a/b", 7);
        Records::load(&state, at(1_000_000)).add(record.clone());
        let records = Records::load(&state, at(1_000_001));
        assert_eq!(records.list(), std::slice::from_ref(&record));
        records.remove(&record.temporary);
        assert!(Records::load(&state, at(1_000_001)).list().is_empty());
    }

    #[test]
    fn what_is_kept_is_the_same_after_a_restart() {
        let (_home, state) = state();
        let now = at(1_000_000) + Duration::from_millis(750);
        let records = Records::load(&state, now);
        let mut record = record("a", 1);
        record.time = now;
        let temporary = record.temporary.clone();
        records.add(record);
        assert_eq!(Records::load(&state, now).list(), records.list());
        records.pause(&temporary, Some(77), &[], false, now);
        let kept = records.kept(1).unwrap();
        assert_eq!(Records::load(&state, now).kept(1), Some(kept));
    }

    #[test]
    fn a_failed_commit_and_a_move_are_kept() {
        let (_home, state) = state();
        let records = Records::load(&state, at(1_000_000));
        let record = record("a", 1);
        records.add(record.clone());
        records.moved(&record.temporary, "b/.sixhop-part-0000000000000009");
        let moved = records.list()[0].temporary.clone();
        records.not_committed(&moved, 99, at(1_000_000));
        let list = Records::load(&state, at(1_000_001)).list();
        assert_eq!(list, records.list());
        assert!(list[0].is_uncommitted && !list[0].is_active);
        assert_eq!(
            (list[0].bytes, list[0].temporary.as_str()),
            (99, moved.as_str())
        );
        assert!(moved.starts_with("b/"));
    }

    #[test]
    fn idle_records_are_taken_by_name_or_digest_once() {
        let (_home, state) = state();
        let records = Records::load(&state, at(0));
        let (name, digest) = (ShareName::parse("a").unwrap(), Digest::from_bytes([1; 32]));
        records.add(record("a", 1));
        assert_eq!(records.take(9, &name, Goal::Name, Replace::Never), None);
        let temporary = records.list()[0].temporary.clone();
        records.pause(&temporary, Some(77), &[], false, at(1_000_000));
        assert_eq!(records.kept(1).unwrap().bytes, 77);
        let other = Goal::Content(Digest::from_bytes([2; 32]));
        assert_eq!(records.take(9, &name, other, Replace::Never), None);
        let content = ShareName::parse("b").unwrap();
        let taken = records.take(9, &content, Goal::Content(digest), Replace::Never);
        let taken = taken.unwrap();
        assert_eq!((taken.id, taken.name.as_str()), (9, "b"));
        assert_eq!(records.take(10, &name, Goal::Name, Replace::Never), None);
        assert_eq!(records.kept(9), None, "it is worked with");
    }

    #[test]
    fn a_record_expires_after_a_day_unless_active() {
        let (_home, state) = state();
        let records = Records::load(&state, at(1_000_000));
        records.add(record("a", 1));
        records.add(record("b", 2));
        let temporary = records.list()[0].temporary.clone();
        records.pause(&temporary, None, &[], false, at(1_000_000));
        let day = KEEP_FOR.as_secs();
        assert!(records.expire(at(1_000_000 + day - 1)).is_empty());
        let expired = records.expire(at(1_000_000 + day));
        assert_eq!(expired.len(), 1);
        assert_eq!(expired[0].name.as_str(), "a");
        assert_eq!(records.temporaries().len(), 1);
        assert!(Records::load(&state, at(1_000_000 + day)).list().is_empty());
    }

    #[test]
    fn too_many_idle_records_drop_the_oldest() {
        let (_home, state) = state();
        let records = Records::load(&state, at(2_000_000));
        for n in 0..IDLE_MAX as u64 + 3 {
            let mut record = record("a", 1);
            record.temporary = n.to_string();
            (record.is_active, record.time) = (false, at(1_990_000 + n));
            records.add(record);
        }
        let dropped = records.expire(at(2_000_000));
        let dropped: Vec<_> = dropped.iter().map(|r| r.temporary.as_str()).collect();
        assert_eq!(dropped, ["0", "1", "2"]);
    }

    #[test]
    fn records_of_an_older_version_are_read() {
        let (_home, state) = state();
        let digest = "07".repeat(32);
        let text = format!(
            r#"[{{"name":"a","replace":false,"digest":"{digest}","temporary":".sixhop-part-0123456789abcdef"}}]"#
        );
        state.write(FILE, &text).unwrap();
        let list = Records::load(&state, at(5)).list();
        assert!(list[0].is_active && list[0].time == at(5));
    }

    #[test]
    fn rubbish_is_not_a_record() {
        let (_home, state) = state();
        for text in [
            "",
            "rubbish",
            "[{\"name\":\"../x\",\"replace\":false,\"digest\":\"00\",\"temporary\":\"x\"}]",
        ] {
            state.write(FILE, text).unwrap();
            assert!(Records::load(&state, at(5)).list().is_empty(), "{text}");
        }
    }
}
