//! Tests of the form of a ZIP, and of its ranges.
#![allow(
    clippy::disallowed_methods,
    reason = "tests make files as their owner does: by path"
)]

use std::time::Duration;

use super::*;
use crate::server::upload::Uploads;

fn listed(name: &str, size: u64) -> Listed {
    Listed {
        name: ShareName::parse(name).unwrap(),
        size,
        modified: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_764_460_800)),
    }
}

/// A share with a few files, and the manifest of them.
fn files() -> (tempfile::TempDir, Arc<Share>, Arc<Manifest>) {
    let home = tempfile::tempdir().unwrap();
    let contents = [
        ("a.txt", 5),
        ("empty", 0),
        ("f/\u{e9}.bin", 700_001),
        ("z", 1),
    ];
    let mut all = Vec::new();
    std::fs::create_dir(home.path().join("f")).unwrap();
    for (name, size) in contents {
        let bytes: Vec<u8> = (0..size)
            .map(|at: u32| u8::try_from(at * 7 % 251).unwrap())
            .collect();
        let path = home.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        all.push(Listed {
            modified: Some(modified),
            ..listed(name, size.into())
        });
    }
    let share = Arc::new(Share::open(home.path()).unwrap());
    (home, share, Arc::new(Manifest::new(all)))
}

async fn bytes_of(
    share: &Arc<Share>,
    manifest: &Arc<Manifest>,
    range: Range<u64>,
) -> io::Result<Vec<u8>> {
    let disk = Disk::default();
    let uploads = Uploads::new(0, disk.clone(), Arc::default());
    let mut zip = Zip::new(Arc::clone(share), Arc::clone(manifest));
    zip.cut(range);
    let mut all = Vec::new();
    loop {
        let room = uploads.room();
        let most = room.size();
        let Some(bytes) = zip.next(&disk, room).await? else {
            break;
        };
        assert!(!bytes.is_empty() && bytes.len() <= most);
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

#[tokio::test]
async fn ranges_of_a_zip_are_parts_of_it() {
    let (_home, share, manifest) = files();
    let size = manifest.size();
    let whole = bytes_of(&share, &manifest, 0..size).await.unwrap();
    assert_eq!(whole.len() as u64, size);
    for start in (0..size).step_by(24_989).chain(size - 400..size) {
        // A manifest of which no checksum is known yet.
        let again: Vec<Listed> = manifest
            .entries
            .iter()
            .map(|entry| entry.listed.clone())
            .collect();
        assert!(manifest.is_of(&again));
        let again = Arc::new(Manifest::new(again));
        let rest = bytes_of(&share, &again, start..size).await.unwrap();
        let at = usize::try_from(start).unwrap();
        assert!(rest == whole[at..], "from {start}");
        let end = size.min(start + 100);
        let part = bytes_of(&share, &again, start..end).await.unwrap();
        assert!(
            part == whole[at..usize::try_from(end).unwrap()],
            "{start} to {end}"
        );
    }
}

#[tokio::test]
async fn a_file_that_changed_ends_the_reading() {
    let (home, share, manifest) = files();
    std::fs::write(home.path().join("z"), "other").unwrap();
    assert!(
        bytes_of(&share, &manifest, 0..manifest.size())
            .await
            .is_err()
    );
}

#[test]
fn large_files_and_many_files_have_room() {
    let long = Manifest::new(vec![
        listed("a", 5 << 30),
        listed("b", 6 << 30),
        listed("c", 1),
    ]);
    // Two long files: 20 more before each, 8 more behind; 20, 28 and 12 more in the list; 76 more at the end.
    let plain = Manifest::new(vec![listed("a", 0), listed("b", 0), listed("c", 1)]);
    assert_eq!(
        long.size() - plain.size(),
        (11 << 30) + 2 * 28 + 20 + 28 + 12 + 76
    );
    let many: Vec<Listed> = (0..70_000).map(|at| listed(&at.to_string(), 0)).collect();
    let many = Manifest::new(many);
    assert_eq!(many.end().len(), 98);
    assert_eq!(many.part(many.size() - 1), Part::End(97));
}

#[test]
fn dates_are_those_of_the_calendar() {
    for (day, date) in [
        (0, (1970, 1, 1)),
        (59, (1970, 3, 1)),
        (11_016, (2000, 2, 29)),
        (20_422, (2025, 11, 30)),
    ] {
        assert_eq!(date_of(day), date);
    }
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(20_422 * 86_400 + 3_600 * 13 + 62);
    assert_eq!(
        dos_time(Some(time)),
        (13 << 11 | 1 << 5 | 1, 45 << 9 | 11 << 5 | 30)
    );
    assert_eq!(dos_time(None), (0, 33));
}
