//! Tests of disks that are full, or refuse the last step: received bytes are kept, and the next fetch goes on with them.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use e2e::{NodeOptions, wait_until};
use serde_json::{Value, json};

use super::{asker, content, over, slow, start, temporaries, wait_for_bytes};
use crate::world::{ctl, noded};

const SIZE: u64 = 16 << 20;
const MIB: u64 = 1 << 20;

/// Writes a file until the disk is full.
fn fill(path: &Path) {
    let mut file = fs::File::create(path).expect("a file of the owner");
    let filled = io::copy(&mut io::repeat(7), &mut file);
    let error = filled.expect_err("the disk has an end");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
}

fn assert_kept(failed: &Value, least: u64, share: &Path) {
    assert_eq!(failed["state"], "failed", "{failed}");
    assert!(failed["kept"]["bytes"].as_u64() >= Some(least), "{failed}");
    assert_eq!(temporaries(share), 1);
    assert!(!share.join("a.bin").is_file());
}

#[test]
fn a_disk_that_fills_up_keeps_what_came() {
    if !NodeOptions::can_mount() {
        eprintln!("skipped: a disk of memory cannot be mounted here");
        return;
    }
    let bytes = content(16 << 20);
    let holder = slow().file("a.bin", &bytes).start();
    let asker = noded()
        .args(["--peer", &holder.url])
        .share_of_memory("96m")
        .start();
    let share = asker.mounted_share();
    let started = start(&asker, "a.bin");
    wait_for_bytes(&asker, &started, 4 * MIB);
    let filler = share.join("owner.bin");
    fill(&filler);
    let failed = over(&asker, &started);
    assert_kept(&failed, 3 * MIB, &share);
    assert_eq!(failed["error"]["code"], "no_space", "{failed}");
    let full = ctl(asker.home()).args(["fetch", "a.bin"]).run();
    drop(full.expect_code(9));
    assert_eq!(temporaries(&share), 1, "a second try loses nothing");
    fs::remove_file(filler).expect("the owner makes room");
    // The node may still be reading the file that was removed.
    wait_until("there is room", Duration::from_secs(30), || {
        let fetched = ctl(asker.home()).args(["fetch", "a.bin"]).run();
        match fetched.code {
            0 => Ok(()),
            _ => Err(fetched.stderr),
        }
    });
    assert!(fs::read(share.join("a.bin")).is_ok_and(|stored| stored == bytes));
    assert_eq!(temporaries(&share), 0);
    let served = holder.counter("bytes_served");
    assert!(served < SIZE + 3 * MIB, "{served} bytes for {SIZE}");
}

#[test]
fn a_file_without_room_leaves_nothing() {
    let holder = noded().file("a.bin", content(16 << 20)).start();
    let asker = noded()
        .args(["--peer", &holder.url])
        .limits("trap '' XFSZ; ulimit -f 2000")
        .start();
    let ended = ctl(asker.home()).args(["fetch", "a.bin"]).run();
    drop(ended.expect_code(9));
    let list = asker.control().must("fetch.list", json!({}));
    assert_eq!(
        (&list[0]["state"], &list[0]["kept"]),
        (&json!("failed"), &Value::Null)
    );
    assert_eq!(asker.home().read("a.bin"), None);
    assert_eq!(temporaries(&asker.home().share()), 0);
}

#[test]
fn a_refused_name_keeps_what_came() {
    let bytes = content(4 << 20);
    let holder = slow().file("a.bin", &bytes).start();
    let asker = asker(&[&holder.url]);
    let share = asker.home().share();
    let replacing = json!({ "name": "a.bin", "replace": true });
    let started = asker.control().must("fetch.start", replacing.clone());
    wait_for_bytes(&asker, &started, MIB);
    // No file takes the place of a directory.
    fs::create_dir(share.join("a.bin")).expect("a directory of the owner");
    let failed = over(&asker, &started);
    assert_kept(&failed, 4 * MIB, &share);
    assert!(
        failed["error"].to_string().contains("directory"),
        "{failed}"
    );
    let _away = holder.kill();
    fs::remove_dir(share.join("a.bin")).expect("the owner makes room");
    let again = over(&asker, &asker.control().must("fetch.start", replacing));
    assert_eq!(again["state"], "done", "{again}");
    assert!(asker.home().read("a.bin") == Some(bytes));
    wait_until(
        "no temporary is left",
        Duration::from_secs(10),
        || match temporaries(&share) {
            0 => Ok(()),
            left => Err(left.to_string()),
        },
    );
}
