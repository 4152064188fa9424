//! The table of mounts, and the kinds of file systems.

use std::{fs::File, path::Path};

/// Longest table of mounts that is read, in bytes.
#[cfg(target_os = "linux")]
const TABLE_MAX: u64 = 4 << 20;

/// Returns the table of mounts in the form of `/proc/self/mountinfo`; `None` if the system has none.
#[cfg(target_os = "linux")]
#[must_use]
#[allow(
    clippy::disallowed_methods,
    reason = "the table of mounts is the system's, and no file of the share"
)]
pub fn table() -> Option<String> {
    use std::io::Read;
    let mut table = Vec::new();
    let file = File::open("/proc/self/mountinfo").ok()?;
    file.take(TABLE_MAX).read_to_end(&mut table).ok()?;
    Some(String::from_utf8_lossy(&table).into_owned())
}

/// Returns that the system has no table of mounts in this form.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn table() -> Option<String> {
    None
}

/// Returns the number of the mount that `path` is on, which no later mount has; `None` if the system has no such
/// numbers. The number in the [table] is soon given to another mount.
#[cfg(target_os = "linux")]
#[must_use]
pub fn unique_number(path: &Path) -> Option<u64> {
    use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
    // `STATX_MNT_ID_UNIQUE`, since Linux 6.8.
    let wanted = StatxFlags::from_bits_retain(0x4000);
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::STATX_DONT_SYNC;
    let found = statx(CWD, path, flags, wanted).ok()?;
    (found.stx_mask & wanted.bits() != 0).then_some(found.stx_mnt_id)
}

/// Returns that the system has no such numbers.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn unique_number(_path: &Path) -> Option<u64> {
    None
}

/// Returns the number of the kind of the file system that has `file`, as `statfs` says it; `None` if it does not.
#[cfg(target_os = "linux")]
#[must_use]
pub fn kind(file: &File) -> Option<u64> {
    let kind = rustix::fs::fstatfs(file).ok()?.f_type;
    // The number has 32 bits, and some systems extend its sign.
    u64::try_from(i128::from(kind) & 0xFFFF_FFFF).ok()
}

/// Returns that the kind of a file system is not known here.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn kind(_file: &File) -> Option<u64> {
    None
}

/// Returns advice about the limit of directories that may be watched; empty where there is none.
#[must_use]
pub fn watch_limit_advice() -> &'static str {
    if cfg!(target_os = "linux") {
        "; raise it with: sysctl fs.inotify.max_user_watches=1048576 (and fs.inotify.max_user_instances=1024)"
    } else {
        ""
    }
}
