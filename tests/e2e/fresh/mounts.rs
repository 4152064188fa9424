//! Tests that disks below a share are noticed however fast one takes the place of another.

use std::{fs, time::Duration};

use e2e::wait_until;
use serde_json::json;

use super::{Mount, SOON, obedient};

/// Times that a disk is put in the place of another.
const TIMES: usize = 3;

#[test]
fn disk_that_replaces_another_at_once_is_listed_and_watched() {
    let node = obedient().start();
    let place = node.home().share().join("disk");
    let mut mount = None;
    for number in 0..TIMES {
        drop(mount.take());
        // The system gives the number of the mount before to the next one, if that one is forgotten by then.
        std::thread::sleep(Duration::from_millis(50));
        mount = Mount::new(&place);
        if mount.is_none() {
            return node.stop();
        }
        let names = [format!("{number}.txt"), format!("{number}-later.txt")];
        for name in names {
            fs::write(place.join(&name), &name).unwrap();
            let expected = format!("disk/{name}");
            wait_until("the file on the disk is listed", SOON, || {
                let listing = node.control().must("share.list", json!({}));
                let files = listing["files"].as_array().unwrap();
                let is_listed = files.iter().any(|file| file["name"] == expected.as_str());
                is_listed.then_some(()).ok_or(format!("{files:?}"))
            });
        }
    }
    drop(mount);
    node.stop();
}
