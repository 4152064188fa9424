//! Tests of storing: temporaries, failures, leftovers.

use std::os::unix::fs::PermissionsExt;

use node_wire::Digest;

use super::*;
use node_base::state::StateDir;
use node_wire::pieces::TreeHasher;

/// A file system mounted at a directory, for the time of a test.
struct Mount(PathBuf);

impl Mount {
    /// Mounts one of `kind`. Nothing if this process may not.
    fn new(kind: &str, at: &Path) -> Option<Mount> {
        let mount = std::process::Command::new("mount")
            .args(["-t", kind, "none"])
            .arg(at)
            .output();
        let is_mounted = mount.is_ok_and(|mount| mount.status.success());
        if !is_mounted {
            println!("skipped: {kind} cannot be mounted here");
        }
        is_mounted.then(|| Mount(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let umount = std::process::Command::new("umount").arg(&self.0).status();
        assert!(umount.is_ok_and(|status| status.success()), "{:?}", self.0);
    }
}

fn digest_of(bytes: &[u8]) -> Digest {
    let mut hasher = TreeHasher::default();
    hasher.push(bytes);
    hasher.finish().digest()
}

/// Returns the error of storing `text` at `at`, as text.
fn refusal(share: &Share, at: &str) -> String {
    match store(share, at, b"1", Replace::Never) {
        Err(error @ ShareError::Store { .. }) => error.to_string(),
        other => panic!("{at}: {other:?}"),
    }
}

#[test]
fn a_temporary_lies_beside_its_target() {
    let home = home();
    let mut incoming = stream(&home.share, "a/b/c.txt");
    incoming.write(b"half").unwrap();
    let incoming = incoming.into_incoming();
    assert!(incoming.temporary().starts_with("a/b/.sixhop-part-"));
    assert!(home.path(incoming.temporary()).exists());
    assert!(home.names().is_empty());
    assert_eq!(home.skipped(), 0);
}

#[test]
fn directories_made_for_a_file_that_fails_go_with_it() {
    let home = home();
    fs::create_dir(home.path("mine")).unwrap();
    let first = stream(&home.share, "a/b/c.txt");
    let second = stream(&home.share, "a/d/e.txt");
    let third = stream(&home.share, "mine/f.txt");
    drop(first);
    assert!(!home.path("a/b").exists() && home.path("a/d").exists());
    drop(second);
    assert!(!home.path("a").exists());
    drop(third);
    assert!(home.path("mine").exists());
}

#[test]
fn directories_stay_for_the_files_that_were_stored() {
    let home = home();
    let first = stream(&home.share, "a/b/c.txt");
    store(&home.share, "a/d.txt", b"1", Replace::Never).unwrap();
    fs::remove_file(home.path("a/d.txt")).unwrap();
    drop(first);
    assert!(home.path("a").exists() && !home.path("a/b").exists());
}

#[test]
fn a_file_system_mounted_in_the_share_takes_files() {
    let home = home();
    for kind in ["tmpfs", "ramfs"] {
        fs::create_dir_all(home.path("disk")).unwrap();
        let Some(_mount) = Mount::new(kind, &home.path("disk")) else {
            return;
        };
        let incoming = home.share.begin(&name("disk/a/b"), Replace::Never).unwrap();
        incoming.expect(4).unwrap();
        incoming.write_at(b"text", 0).unwrap();
        incoming.commit(4, About::default()).unwrap();
        assert_eq!(fs::read(home.path("disk/a/b")).unwrap(), b"text", "{kind}");
    }
}

#[test]
fn a_kept_temporary_is_taken_up_where_it_lies() {
    let home = home();
    let state = StateDir::open(&home.directory.path().join("state")).unwrap();
    let stopping = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let mut incoming = home.share.begin(&name("a/b"), Replace::Never).unwrap();
    incoming.expect(4).unwrap();
    incoming.write_at(b"te", 0).unwrap();
    incoming.stay_if(stopping);
    let kept = incoming.temporary().to_owned();
    drop(incoming);
    std::thread::sleep(Duration::from_millis(20));
    let share =
        Share::open_keeping(home.share.path(), &state, std::slice::from_ref(&kept)).unwrap();
    let incoming = share.resume(&name("a/b"), Replace::Never, &kept).unwrap();
    incoming.write_at(b"xt", 2).unwrap();
    incoming.commit(4, About::default()).unwrap();
    assert_eq!(fs::read(home.path("a/b")).unwrap(), b"text");
    assert!(matches!(
        share.resume(&name("x"), Replace::Never, &kept),
        Err(ShareError::NotFound(_))
    ));
    assert!(
        share
            .resume(&name("x"), Replace::Never, "../.sixhop-part-1")
            .is_err()
    );
}

#[test]
fn a_temporary_that_is_given_up_takes_its_directories_along() {
    let home = home();
    let stopping = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let mut incoming = home.share.begin(&name("a/b/c"), Replace::Never).unwrap();
    incoming.stay_if(stopping);
    let kept = incoming.temporary().to_owned();
    drop(incoming);
    let share = Share::open(home.share.path()).unwrap();
    share.remove_temporary(&kept);
    assert!(!home.path("a").exists());
}

#[test]
fn a_stream_begins_with_nothing() {
    let home = home();
    let incoming = home.share.begin(&name("x"), Replace::Never).unwrap();
    incoming.expect(10_000).unwrap();
    incoming.write_at(b"left over", 5_000).unwrap();
    let mut stream = incoming.into_stream().unwrap();
    stream.write(b"new").unwrap();
    assert_eq!(stream.received(), 3);
    stream.commit(About::default()).unwrap();
    assert_eq!(fs::read(home.path("x")).unwrap(), b"new");
}

#[test]
fn a_file_of_another_length_is_not_stored() {
    let home = home();
    let incoming = home.share.begin(&name("x"), Replace::Never).unwrap();
    incoming.expect(10).unwrap();
    let error = incoming.commit(9, About::default()).unwrap_err();
    assert!(matches!(
        error,
        ShareError::Length {
            found: 10,
            expected: 9,
            ..
        }
    ));
    assert_eq!(fs::read_dir(home.path("")).unwrap().count(), 0);
}

#[test]
fn time_and_executable_bit_are_kept_and_nothing_else() {
    let home = home();
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let future = SystemTime::now() + Duration::from_secs(1_000_000);
    for (text, about, runs) in [
        ("old", Some(modified), true),
        ("plain", Some(modified), false),
        ("future", Some(future), false),
    ] {
        let about = About {
            modified: about,
            executable: runs,
        };
        let stamp = stream(&home.share, text).commit(about).unwrap();
        let metadata = fs::metadata(home.path(text)).unwrap();
        assert_eq!(OnDisk::from(&metadata).shown(), stamp);
        let expected = (text != "future").then_some(modified);
        let kept = Some(metadata.modified().unwrap()).filter(|time| *time == modified);
        assert_eq!(kept, expected, "{text}");
        let mode = metadata.permissions().mode();
        assert_eq!(mode & 0o100 != 0, runs, "{text}");
        assert_eq!(mode & 0o7022, 0, "{text}: {mode:o}");
        assert_eq!((mode & 0o111) << 2, if runs { mode & 0o444 } else { 0 });
    }
}

#[test]
fn an_error_says_what_failed_for_which_file() {
    let home = home();
    fs::write(home.path("file"), "1").unwrap();
    symlink("elsewhere", home.path("link")).unwrap();
    let long = "ä".repeat(127);
    for (at, part) in [
        ("file/x", "cannot store `file/x`"),
        ("file/x", "`file`"),
        ("file/x", "a file or a link has the name of a directory"),
        ("link/x", "`link`"),
    ] {
        let message = refusal(&home.share, at);
        assert!(message.contains(part), "{message}");
        assert!(!message.contains("in the share"), "{message}");
    }
    store(&home.share, &long, b"1", Replace::Never).unwrap();
    fs::create_dir(home.path("directory")).unwrap();
    match store(&home.share, "directory", b"1", Replace::Existing) {
        Err(error @ ShareError::Store { .. }) => {
            let message = error.to_string();
            assert!(message.contains("a directory has this name"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        store(&home.share, "directory", b"1", Replace::Never),
        Err(ShareError::Exists(_))
    ));
}

#[test]
fn each_error_of_the_system_is_said_and_is_no_missing_file() {
    use rustix::io::Errno;
    for errno in [
        Errno::NOENT,
        Errno::NOTDIR,
        Errno::ISDIR,
        Errno::XDEV,
        Errno::ROFS,
        Errno::NAMETOOLONG,
        Errno::ACCESS,
        Errno::LOOP,
        Errno::IO,
    ] {
        let error = io::Error::from_raw_os_error(errno.raw_os_error());
        let error = ShareError::storing(&name("a/b"), Doing::Begin, error);
        let message = error.to_string();
        assert!(matches!(error, ShareError::Store { .. }), "{message}");
        assert!(
            message.starts_with("cannot store `a/b`: making"),
            "{message}"
        );
        let code = format!("os error {}", errno.raw_os_error());
        assert!(message.contains(&code), "{message}");
    }
    for errno in [Errno::DQUOT, Errno::NOSPC, Errno::FBIG] {
        let error = io::Error::from_raw_os_error(errno.raw_os_error());
        let error = ShareError::storing(&name("a"), Doing::Write, error);
        assert!(matches!(error, ShareError::NoSpace { .. }), "{error}");
    }
}

#[test]
fn a_share_that_is_unmounted_takes_no_file_for_another_disk() {
    let home = home();
    fs::write(home.path("below"), "the mount point").unwrap();
    let Some(mount) = Mount::new("tmpfs", &home.path("")) else {
        return;
    };
    let state = StateDir::open(&home.directory.path().join("state")).unwrap();
    fs::write(home.path("on disk"), "1").unwrap();
    drop(Share::open_keeping(home.share.path(), &state, &[]).unwrap());
    drop(mount);
    let share = Share::open_keeping(home.share.path(), &state, &[]).unwrap();
    assert!(share.trouble().unwrap().contains("share.accept"));
    assert!(matches!(
        share.begin(&name("x"), Replace::Never),
        Err(ShareError::Away { .. })
    ));
    assert!(share.read(&name("below")).is_err());
    assert_eq!(fs::read_dir(home.path("")).unwrap().count(), 1);
    share.accept().unwrap();
    store(&share, "x", b"1", Replace::Never).unwrap();
    assert!(home.path("x").exists());
}

#[test]
fn a_share_that_is_replaced_meanwhile_takes_no_file() {
    let home = home();
    let moved = home.directory.path().join("moved");
    let incoming = stream(&home.share, "x");
    fs::rename(home.path(""), &moved).unwrap();
    fs::create_dir(home.path("")).unwrap();
    assert!(matches!(
        home.share.begin(&name("y"), Replace::Never),
        Err(ShareError::Away { .. })
    ));
    let error = incoming.commit(About::default()).unwrap_err();
    assert!(matches!(error, ShareError::Away { .. }), "{error}");
    assert_eq!(fs::read_dir(home.path("")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(&moved).unwrap().count(), 0);
}

#[test]
fn a_directory_made_anew_with_the_same_name_is_another_one() {
    let home = home();
    let state = StateDir::open(&home.directory.path().join("state")).unwrap();
    drop(Share::open_keeping(home.share.path(), &state, &[]).unwrap());
    fs::remove_dir(home.path("")).unwrap();
    // Some file systems give the number of the old directory to the new one.
    fs::create_dir(home.path("")).unwrap();
    let share = Share::open_keeping(home.share.path(), &state, &[]).unwrap();
    assert!(share.trouble().is_some());
    // Another path is the word of the owner.
    let other = home.directory.path().join("other");
    fs::create_dir(&other).unwrap();
    let share = Share::open_keeping(&other, &state, &[]).unwrap();
    assert!(share.trouble().is_none());
}

#[test]
fn a_copy_has_the_bytes_of_the_digest_or_is_not_stored() {
    let home = home();
    for size in [0, 5, 300_000, 1_048_576] {
        let bytes: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        fs::write(home.path("from"), &bytes).unwrap();
        let to = name(&format!("to/{size}"));
        let copied = home.share.copy(
            &name("from"),
            &to,
            Replace::Never,
            &digest_of(&bytes),
            About::default(),
        );
        let (stamp, tree) = copied.unwrap();
        assert_eq!((stamp.size, tree.size()), (size, size));
        assert!(fs::read(home.path(to.as_str())).unwrap() == bytes);
        fs::write(home.path("from"), "others").unwrap();
        let refused = home.share.copy(
            &name("from"),
            &name("to/wrong"),
            Replace::Never,
            &digest_of(&bytes),
            About::default(),
        );
        assert!(matches!(refused, Err(ShareError::Changed(_))));
        assert!(!home.path("to/wrong").exists());
    }
    let missing = home.share.copy(
        &name("none"),
        &name("y/x"),
        Replace::Never,
        &digest_of(b""),
        About::default(),
    );
    assert!(matches!(missing, Err(ShareError::NotFound(_))));
    assert!(!home.path("y").exists());
}
