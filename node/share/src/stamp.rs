//! The stamp of a file, by which an unchanged one is recognised.
//!
//! # Participants
//! A [`Stamp`] is what a file keeps while nobody changes it. [`HiddenWrites`]
//! knows of writes that no stamp shows: through a mapping, or faster than the
//! clock of the disk.
//!
//! # Invariants
//! - The system sets the time of the last change to a file itself; nobody can set
//!   it back. So it decides, and the time that programs set decides nothing alone.
//! - A stamp that is younger than [`SETTLED_AFTER`] may be that of the next change
//!   as well. What was read under it is not relied on.
//! - The number of the device is not in it: it changes with a restart
//!   of the machine, and all files would be read again for nothing.

use std::{
    collections::BTreeMap,
    hash::{Hash, Hasher},
    sync::Mutex,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use node_base::{state::own::FileId, sync::lock};

/// Time without a change after which a stamp shows the next one.
pub(crate) const SETTLED_AFTER: Duration = Duration::from_millis(100);

/// The same on disks that count whole seconds, or every second one.
const SETTLED_AFTER_COARSE: Duration = Duration::from_millis(2_100);

/// Most files whose hidden writes are remembered. One that is forgotten is read
/// again.
const HIDDEN_MAX: usize = 4_096;

/// Stands for a time that is not known, or too far away.
pub(crate) const NO_TIME: i64 = i64::MIN;

/// The properties that stay the same while a file is unchanged.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Stamp {
    /// Size in bytes.
    pub size: u64,
    /// The number of the file on its disk; another one may have taken its name.
    pub inode: u64,
    /// Time of the last change as programs see and set it, nanoseconds since 1970.
    pub(crate) modified: i64,
    /// Time of the last change as the system saw it, the same.
    pub(crate) changed: i64,
    /// The time of a reported write that shows in nothing else, as [`tick`] counts; 0 if
    /// none was.
    pub(crate) told: u32,
}

/// The state of a file on the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct OnDisk {
    stamp: Stamp,
    device: u64,
    /// Number of names that it has on its disk.
    pub(crate) links: u64,
}

/// Writes that no stamp shows, by file.
#[derive(Debug, Default)]
pub(crate) struct HiddenWrites(Mutex<BTreeMap<FileId, Hidden>>);

#[derive(Clone, Copy, Debug)]
struct Hidden {
    /// The last change that does show.
    changed: i64,
    told: u32,
}

impl Stamp {
    /// Returns when the file was last changed, as programs see it.
    #[must_use]
    pub fn modified(&self) -> Option<SystemTime> {
        time(self.modified)
    }

    /// Returns whether a change after `now` shows in another stamp.
    pub(crate) fn is_settled(&self, now: SystemTime) -> bool {
        is_past(self.changed, self.settles_after(), now)
    }

    /// Returns how long after a change the next one shows.
    pub(crate) fn settles_after(&self) -> Duration {
        if self.changed % 1_000_000_000 == 0 {
            SETTLED_AFTER_COARSE
        } else {
            SETTLED_AFTER
        }
    }

    /// Returns another number for another stamp, never zero.
    pub(crate) fn version(&self) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish().max(1)
    }

    /// Returns whether it is the same file with the same bytes if its name is all
    /// that changed.
    pub(crate) fn is_renamed(&self, other: &Stamp) -> bool {
        Stamp {
            changed: other.changed,
            ..*self
        } == *other
    }
}

/// Returns whether `time`, in nanoseconds since 1970, is at least `least` before
/// `now`.
pub(crate) fn is_past(time: i64, least: Duration, now: SystemTime) -> bool {
    let time = self::time(time).and_then(|time| time.checked_add(least));
    time.is_some_and(|time| time <= now)
}

impl OnDisk {
    /// Returns the stamp by the word of the disk, hidden writes left out.
    pub(crate) fn shown(&self) -> Stamp {
        self.stamp
    }

    /// Returns which file of this machine it is.
    pub(crate) fn id(&self) -> FileId {
        (self.device, self.stamp.inode)
    }
}

impl From<&std::fs::Metadata> for OnDisk {
    fn from(metadata: &std::fs::Metadata) -> OnDisk {
        use std::os::unix::fs::MetadataExt;
        let stamp = Stamp {
            size: metadata.len(),
            inode: metadata.ino(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            told: 0,
        };
        OnDisk {
            stamp,
            device: metadata.dev(),
            links: metadata.nlink(),
        }
    }
}

impl From<&cap_std::fs::Metadata> for OnDisk {
    fn from(metadata: &cap_std::fs::Metadata) -> OnDisk {
        use cap_std::fs::MetadataExt;
        let stamp = Stamp {
            size: metadata.len(),
            inode: MetadataExt::ino(metadata),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            told: 0,
        };
        OnDisk {
            stamp,
            device: MetadataExt::dev(metadata),
            links: metadata.nlink(),
        }
    }
}

impl HiddenWrites {
    /// Returns the stamp of a file.
    pub(crate) fn stamp(&self, file: &OnDisk) -> Stamp {
        let hidden = lock(&self.0).get(&file.id()).copied();
        let hidden = hidden.filter(|hidden| hidden.changed == file.stamp.changed);
        Stamp {
            told: hidden.map_or(0, |hidden| hidden.told),
            ..file.stamp
        }
    }

    /// Notes that a file was written, and returns its stamp from now on.
    pub(crate) fn note(&self, file: &OnDisk, now: SystemTime) -> Stamp {
        let hidden = Hidden {
            changed: file.stamp.changed,
            told: tick(now),
        };
        let mut all = lock(&self.0);
        all.insert(file.id(), hidden);
        if all.len() > HIDDEN_MAX {
            let oldest = all.iter().min_by_key(|(_, hidden)| hidden.changed);
            let oldest = oldest.map(|(id, _)| *id);
            oldest.and_then(|id| all.remove(&id));
        }
        Stamp {
            told: hidden.told,
            ..file.stamp
        }
    }
}

/// Milliseconds since 1970, as far as they fit; never 0.
fn tick(now: SystemTime) -> u32 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let low = since.as_millis() % u128::from(u32::MAX);
    u32::try_from(low).unwrap_or_default() + 1
}

/// Nanoseconds since 1970.
pub(crate) fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    let whole = seconds.checked_mul(1_000_000_000);
    whole
        .and_then(|whole| whole.checked_add(nanoseconds))
        .unwrap_or(NO_TIME)
}

fn time(nanoseconds: i64) -> Option<SystemTime> {
    let since = Duration::from_nanos(nanoseconds.unsigned_abs());
    match nanoseconds {
        NO_TIME => None,
        0.. => UNIX_EPOCH.checked_add(since),
        _ => UNIX_EPOCH.checked_sub(since),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns the stamp of a file of so many bytes that was changed long ago.
    pub(crate) const fn of_size(size: u64) -> Stamp {
        Stamp {
            size,
            inode: size + 1,
            modified: 1_700_000_000_123_456_789,
            changed: 1_700_000_000_123_456_790,
            told: 0,
        }
    }

    /// Returns a file of one byte with so many names.
    pub(crate) fn linked(inode: u64, links: u64) -> OnDisk {
        changed_at(inode, links, 0)
    }

    /// Returns a file of one byte with so many names that was changed then.
    pub(crate) fn changed_at(inode: u64, links: u64, changed: u64) -> OnDisk {
        let stamp = Stamp {
            inode,
            changed: i64::try_from(changed).unwrap(),
            ..of_size(1)
        };
        OnDisk {
            stamp,
            device: 1,
            links,
        }
    }

    fn file(changed: i64) -> OnDisk {
        let stamp = Stamp {
            size: 1,
            inode: 2,
            modified: 3,
            changed,
            told: 0,
        };
        OnDisk {
            stamp,
            device: 4,
            links: 1,
        }
    }

    fn at(nanoseconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(nanoseconds)
    }

    #[test]
    fn a_stamp_settles_by_the_time_that_nobody_sets() {
        let stamp = Stamp {
            modified: i64::MAX,
            ..file(5_000_000_001).stamp
        };
        assert!(!stamp.is_settled(at(5_099_000_000)));
        assert!(stamp.is_settled(at(5_101_000_000)));
        let whole_second = file(5_000_000_000).stamp;
        assert!(!whole_second.is_settled(at(7_000_000_000)));
        assert!(whole_second.is_settled(at(7_100_000_000)));
    }

    #[test]
    fn a_hidden_write_makes_another_stamp_until_the_next_change() {
        let writes = HiddenWrites::default();
        let before = writes.stamp(&file(10));
        let noted = writes.note(&file(10), at(0));
        assert!(noted != before && noted.version() != before.version());
        assert_eq!(writes.stamp(&file(10)), noted);
        assert_ne!(writes.note(&file(10), at(1_000_000)), noted);
        assert_eq!(writes.stamp(&file(11)), file(11).stamp);
    }

    #[test]
    fn hidden_writes_of_too_many_files_forget_the_oldest() {
        let writes = HiddenWrites::default();
        let numbered = |number: u64| {
            let mut file = file(i64::try_from(number).unwrap());
            file.stamp.inode = number;
            file
        };
        for number in 0..=HIDDEN_MAX as u64 {
            writes.note(&numbered(number), at(0));
        }
        assert_eq!(writes.stamp(&numbered(0)).told, 0);
        assert_ne!(writes.stamp(&numbered(1)).told, 0);
    }

    #[test]
    fn times_before_1970_and_far_away_are_kept_or_none() {
        assert_eq!(
            time(nanoseconds(-1, 5)),
            Some(UNIX_EPOCH - Duration::from_nanos(999_999_995))
        );
        assert_eq!(time(nanoseconds(i64::MAX, 0)), None);
    }
}
