//! The mounts in the share, and the file systems that report no changes.
//!
//! The system reports no mounts to a watcher of a directory, and of changes on a
//! network file system only those that this machine makes.

use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use node_base::platform::mounts;

/// Something that is mounted in the share.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Mount {
    /// The directory, by its name in the share: empty for the share itself, with a `/`
    /// at the end for others.
    pub(crate) name: String,
    /// The number of the mount. Another one at the same place has another number, if the system has such numbers.
    pub(crate) number: u64,
}

/// Returns the mounts below `root`, in order of the names, if the system lists them.
#[allow(
    clippy::disallowed_methods,
    reason = "the table of mounts has real paths; nothing is opened by this one"
)]
pub(super) fn mounted_below(root: &Path) -> Vec<Mount> {
    let table = mounts::table();
    let root = table
        .as_ref()
        .and_then(|_| std::fs::canonicalize(root).ok());
    match (table, root) {
        (Some(table), Some(root)) => below(&table, &root, &mounts::unique_number),
        _ => Vec::new(),
    }
}

/// Returns the mounts below `root` in the table, with the unique number of the mount at a path where there is one.
fn below(table: &str, root: &Path, unique: &dyn Fn(&Path) -> Option<u64>) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = table
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let number: u64 = fields.next()?.parse().ok()?;
            let point = PathBuf::from(unescaped(fields.nth(3)?));
            let name = point.strip_prefix(root).ok()?.to_str()?;
            let name = node_wire::name::composed(name);
            (!name.is_empty()).then(|| Mount {
                name: format!("{name}/"),
                number: unique(&point).unwrap_or(number),
            })
        })
        .collect();
    mounts.sort();
    mounts
}

/// Decodes space, tab, newline and backslash, which are written in octal digits.
fn unescaped(field: &str) -> String {
    let escapes = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    let mut text = field.to_owned();
    for (escape, character) in escapes {
        text = text.replace(escape, character);
    }
    text
}

/// Returns what the file system of an open directory is called, if it is silent.
pub(super) fn silent_kind(directory: &Dir) -> Option<String> {
    let file = directory.open(".").ok()?.into_std();
    silent(mounts::kind(&file)?).map(str::to_owned)
}

/// Returns the name of a file system that does not report to this machine the changes that
/// others make, by its number for `statfs`.
fn silent(magic: u64) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0x517B | 0xFF53_4D42 | 0xFE53_4D42 => "SMB",
        0x6573_5546 => "FUSE",
        0x00C3_6400 => "Ceph",
        0x0102_1997 => "9P",
        0x5346_414F | 0x6B41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x564C => "NCP",
        0x0BD0_0BD0 => "Lustre",
        0x4750_4653 => "GPFS",
        0x7461_636F => "OCFS2",
        0x0116_1970 => "GFS2",
        0x786F_4256 => "a shared folder of VirtualBox",
        0xBACB_ACBC => "a shared folder of VMware",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_below_the_share_are_found_by_their_names() {
        let table = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
            40 22 0:30 / /srv/share rw - tmpfs none rw\n\
            42 40 0:32 / /srv/share/a\\040disk/b rw,nosuid shared:3 - fuse.sshfs x rw\n\
            41 40 0:31 / /srv/share/usb rw - vfat /dev/sdb1 rw\n\
            43 22 0:33 / /srv/shared rw - tmpfs none rw\n\
            nonsense\n";
        let mounts = below(table, Path::new("/srv/share"), &|_| None);
        let mount = |name: &str, number| Mount {
            name: name.to_owned(),
            number,
        };
        assert_eq!(mounts, [mount("a disk/b/", 42), mount("usb/", 41)]);
        let unique = |path: &Path| path.ends_with("usb").then_some(9_000);
        let mounts = below(table, Path::new("/srv/share"), &unique);
        assert_eq!(mounts, [mount("a disk/b/", 42), mount("usb/", 9_000)]);
    }

    #[test]
    fn file_systems_of_networks_and_programs_are_silent() {
        assert_eq!(silent(0x6969), Some("NFS"));
        assert_eq!(silent(0x6573_5546), Some("FUSE"));
        assert_eq!(silent(0xFF53_4D42), Some("SMB"));
        // ext4, tmpfs, XFS, Btrfs and FAT report them.
        for magic in [0xEF53, 0x0102_1994, 0x5846_5342, 0x9123_683E, 0x4D44] {
            assert_eq!(silent(magic), None, "{magic:x}");
        }
    }
}
