//! Many small files of a folder: fetched together, each as safely as alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use e2e::{NodeOptions, NodeProcess, Proxy, http, wait_until};
use serde_json::{Value, json};

use crate::world::{ctl, noded};

/// Bytes that a node leaves free on its disk.
const LEFT_FREE: usize = 64 << 20;

/// Returns the content of the file with this number; some are empty, some alike.
fn bytes(number: usize) -> Vec<u8> {
    match number % 10 {
        0 => Vec::new(),
        1 => b"the same in many files".to_vec(),
        _ => format!("file {number} ")
            .repeat(number * 7 % 400)
            .into_bytes(),
    }
}

fn name(number: usize) -> String {
    format!("d/{:02}/{number:04}.txt", number % 7)
}

/// Returns a node that shares so many small files and knows all their digests.
fn holder(options: NodeOptions, count: usize) -> NodeProcess {
    let options = (0..count).fold(options, |options, number| {
        options.file(&name(number), bytes(number))
    });
    let holder = options.start();
    wait_until("all digests are known", Duration::from_secs(30), || {
        let hashed = holder.counter("files_hashed");
        (hashed >= count as u64)
            .then_some(())
            .ok_or(hashed.to_string())
    });
    holder
}

fn asker(peers: &[&str]) -> NodeProcess {
    let options = peers.iter().flat_map(|peer| ["--peer", peer]);
    noded().args(options.collect::<Vec<_>>()).start()
}

/// Returns the last line of `ctl fetch d/`.
fn fetch(asker: &NodeProcess) -> Value {
    let run = ctl(asker.home()).args(["--json", "fetch", "d/"]).run();
    let last = run.stdout.lines().last().expect("a line").to_owned();
    serde_json::from_str(&last).expect("JSON")
}

fn assert_same(asker: &NodeProcess, numbers: impl IntoIterator<Item = usize>) {
    for number in numbers {
        let there = asker.home().read(&name(number));
        assert!(there == Some(bytes(number)), "{}", name(number));
    }
}

/// Returns the bytes of the digest of a file.
fn digest(node: &NodeProcess, name: &str) -> Vec<u8> {
    let digest = wait_until("the digest is known", Duration::from_secs(30), || {
        let stat = node.control().must("share.stat", json!({ "name": name }));
        let digest = stat["digest"].as_str().map(str::to_owned);
        digest.ok_or(stat.to_string())
    });
    let byte = |at: usize| u8::from_str_radix(&digest[at..at + 2], 16).expect("hexadecimal digits");
    (0..digest.len()).step_by(2).map(byte).collect()
}

/// Returns names below `folder` of temporaries.
fn temporaries(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(".sixhop-part-") {
            found.push(name);
        } else if entry.path().is_dir() {
            found.extend(temporaries(&entry.path()));
        }
    }
    found
}

#[test]
fn small_files_of_a_folder_come_in_few_requests() {
    let holder = holder(noded(), 700);
    let asker = noded()
        .file(&name(5), "mine")
        .args(["--peer", &holder.url])
        .start();
    let last = fetch(&asker);
    let counts = (&last["done"], &last["existing"], &last["failed"]);
    assert_eq!(counts, (&json!(699), &json!(1), &json!(0)), "{last}");
    assert_same(&asker, (0..700).filter(|number| *number != 5));
    assert_eq!(asker.home().read(&name(5)), Some(b"mine".to_vec()));
    assert_eq!(asker.counter("files_fetched"), 699);
    assert!(asker.counter("bundles_asked") <= 4, "few requests");
    assert_eq!(asker.counter("blobs_asked"), 0);
    let alone: usize = (0..700)
        .filter(|n| *n != 5 && n % 10 > 1)
        .map(|n| bytes(n).len())
        .sum();
    let once = (alone + bytes(1).len()) as u64;
    assert_eq!(asker.counter("bytes_received"), once);
    assert_eq!(holder.counter("bytes_served"), once);
    assert_eq!(temporaries(&asker.home().share()), [""; 0]);
    // What was checked is not read again to know its digest.
    let stat = asker
        .control()
        .must("share.stat", json!({ "name": name(8) }));
    assert_eq!(stat["digest"].as_str().map(str::len), Some(64), "{stat}");
    // Its single file is read, and once more if it was young.
    let hashed = asker.counter("files_hashed");
    assert!(hashed <= 3, "{hashed} files were read");
    let events = asker.control().must("events.since", json!({ "id": 0 }));
    let done = events.to_string().matches("fetch.done").count();
    assert!(
        done > 300,
        "each file has its event, as far as they are kept: {done}"
    );
    let list = asker.control().must("fetch.list", json!({}));
    let list = list.as_array().expect("a list");
    assert!(
        list.iter()
            .all(|job| job["state"] == "done" && job["bytes"] == job["size"])
    );
}

#[test]
fn a_node_that_knows_no_bundles_is_asked_file_by_file() {
    let holder = holder(noded(), 40);
    let old = Proxy::without_bundles(&holder.url);
    let asker = asker(&[&old.url]);
    let last = fetch(&asker);
    assert_eq!(
        (&last["done"], &last["failed"]),
        (&json!(40), &json!(0)),
        "{last}"
    );
    assert_same(&asker, 0..40);
    assert_eq!(asker.counter("bundles_asked"), 1);
    assert_eq!(holder.counter("bundles_served"), 0);
}

#[test]
fn wrong_bytes_in_a_bundle_are_not_stored() {
    let holder = holder(noded(), 30);
    let liar = Proxy::corrupting(&holder.url);
    let asker = asker(&[&liar.url]);
    let last = fetch(&asker);
    // The last file of the bundle was changed; asked for alone it would be, too.
    assert_eq!(
        (&last["done"], &last["failed"]),
        (&json!(29), &json!(1)),
        "{last}"
    );
    let failure = last["failures"][0]["name"]
        .as_str()
        .expect("a name")
        .to_owned();
    assert_eq!(asker.home().read(&failure), None);
    let right = (0..30).filter(|number| name(*number) != failure);
    assert_same(&asker, right);
    assert_eq!(
        asker.counter("blobs_asked"),
        0,
        "who lied is not asked again"
    );
    assert!(asker.counter("holders_failed") >= 1);
    assert_eq!(temporaries(&asker.home().share()), [""; 0]);
}

#[test]
fn what_a_bundle_lacks_comes_from_another_holder() {
    let holders = [holder(noded(), 30), holder(noded(), 30)];
    let withholding = Proxy::withholding(&holders[0].url);
    let asker = asker(&[&withholding.url, &holders[1].url]);
    let last = fetch(&asker);
    assert_eq!(
        (&last["done"], &last["failed"]),
        (&json!(30), &json!(0)),
        "{last}"
    );
    assert!(asker.counter("bundles_asked") > 0);
    assert_same(&asker, 0..30);
}

#[test]
fn a_bundle_has_only_files_that_the_policy_lets_go() {
    let options = noded();
    let plugins = options.home().root().join("plugins");
    fs::create_dir_all(&plugins).unwrap();
    fs::set_permissions(&plugins, fs::Permissions::from_mode(0o755)).unwrap();
    let policy = plugins.join("policy.rhai");
    fs::write(&policy, "fn allow_fetch(f) { !f.name.contains(\"0003\") }").unwrap();
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o644)).unwrap();
    let holder = holder(
        options.args(["--plugins", &plugins.display().to_string()]),
        9,
    );
    let digests: Vec<u8> = [2, 3, 4]
        .iter()
        .flat_map(|number| digest(&holder, &name(*number)))
        .collect();
    let answer = http::request(
        &holder.url,
        "POST",
        "/blobs",
        &[("Content-Type", "application/x-sixhop-digests")],
        &digests,
    );
    let answer = answer.expect("an answer");
    let mut right = b"sixhop-bundle 1\n".to_vec();
    for number in [2, 4] {
        let bytes = bytes(number);
        let length = u32::try_from(bytes.len()).expect("a short file");
        right.extend_from_slice(&length.to_le_bytes());
        right.extend_from_slice(&bytes);
        if number == 2 {
            right.extend_from_slice(&[0xff; 4]);
        }
    }
    assert_eq!(answer.body, right);
    assert_eq!(holder.counter("files_served"), 2);
}

#[test]
fn requests_for_bundles_that_are_none_are_refused() {
    let holder = noded().start();
    for (body, status) in [
        (vec![0; 31], 400),
        (Vec::new(), 400),
        (vec![0; 513 * 32], 400),
    ] {
        let kind = [("Content-Type", "application/x-sixhop-digests")];
        let answer = http::request(&holder.url, "POST", "/blobs", &kind, &body);
        assert_eq!(answer.expect("an answer").status, status, "{}", body.len());
    }
    let none = http::get(&holder.url, "/blobs").expect("an answer");
    assert_eq!(none.status, 404);
}

#[test]
fn a_kill_leaves_whole_files_and_a_fetch_completes_the_rest() {
    // About 3 seconds for all.
    let holder = holder(noded().args(["--upload-rate", "64K"]), 300);
    let asker = asker(&[&holder.url]);
    asker
        .control()
        .must("fetch.start_matching", json!({ "query": "d/" }));
    wait_until("some files are there", Duration::from_secs(30), || {
        let fetched = asker.counter("files_fetched");
        (fetched > 20).then_some(()).ok_or(fetched.to_string())
    });
    assert!(asker.counter("bundles_asked") > 0);
    let restarted = asker.kill().start();
    let there = |number: &usize| restarted.home().read(&name(*number)).is_some();
    let before: Vec<usize> = (0..300).filter(there).collect();
    assert!((20..300).contains(&before.len()), "{}", before.len());
    assert_same(&restarted, before.iter().copied());
    let last = fetch(&restarted);
    assert_eq!(last["failed"], 0, "{last}");
    assert_same(&restarted, 0..300);
    let share = restarted.home().share();
    wait_until("no temporary is left", Duration::from_secs(30), || {
        let left = temporaries(&share);
        left.is_empty().then_some(()).ok_or(format!("{left:?}"))
    });
}

#[test]
fn a_cancelled_batch_keeps_what_is_stored_and_ends_the_rest() {
    let holder = holder(noded().args(["--upload-rate", "64K"]), 300);
    let asker = asker(&[&holder.url]);
    let batch = asker
        .control()
        .must("fetch.start_matching", json!({ "query": "d/" }));
    wait_until("some files are there", Duration::from_secs(30), || {
        let fetched = asker.counter("files_fetched");
        (fetched > 20).then_some(()).ok_or(fetched.to_string())
    });
    asker
        .control()
        .must("fetch.cancel_matching", json!({ "id": batch["id"] }));
    wait_until("all fetches are over", Duration::from_secs(30), || {
        let list = asker.control().must("fetch.list", json!({}));
        let is_over = |job: &Value| job["state"] == "done" || job["state"] == "cancelled";
        let list = list.as_array().expect("a list");
        list.iter()
            .all(is_over)
            .then_some(())
            .ok_or(list.len().to_string())
    });
    assert!(asker.counter("bundles_asked") > 0);
    let fetched = asker.counter("files_fetched") as usize;
    let there = |number: &usize| asker.home().read(&name(*number)).is_some();
    let kept: Vec<usize> = (0..300).filter(there).collect();
    assert_eq!(kept.len(), fetched);
    assert!(fetched < 300, "{fetched}");
    assert_same(&asker, kept);
}

#[test]
fn a_bundle_keeps_to_the_rate_of_a_slow_holder() {
    let holder = holder(noded().args(["--upload-rate", "10K"]), 40);
    let asker = asker(&[&holder.url]);
    let begun = Instant::now();
    let last = fetch(&asker);
    let taken = begun.elapsed().as_secs_f64();
    let counts = (&last["done"], &last["failed"]);
    assert_eq!(counts, (&json!(40), &json!(0)), "{last}");
    assert_same(&asker, 0..40);
    assert_eq!(asker.counter("blobs_asked"), 0);
    let due = holder.counter("bytes_served") as f64 / (10.0 * 1024.0);
    assert!(due > 2.0, "{due}: there is something to wait for");
    assert!(taken >= due * 0.9 - 0.15, "{taken} of {due}");
    assert!(taken <= due * 2.0 + 5.0, "{taken} of {due}");
}

#[test]
fn a_disk_that_fills_up_in_a_bundle_takes_whole_files() {
    if !NodeOptions::can_mount() {
        eprintln!("skipped: a disk of memory cannot be mounted here");
        return;
    }
    let holder = holder(noded(), 300);
    let asker = noded()
        .args(["--peer", &holder.url])
        .share_of_memory("96m")
        .start();
    let share = asker.mounted_share();
    // Room for about a third of the files: each takes whole pages.
    let filler = share.join("owner.bin");
    fs::write(&filler, vec![7; (96 << 20) - LEFT_FREE - (400 << 10)]).expect("a file of the owner");
    let last = fetch(&asker);
    let (done, failed) = (last["done"].as_u64(), last["failed"].as_u64());
    assert!(done >= Some(20) && failed >= Some(20), "{last}");
    assert_eq!(last["failures"][0]["error"]["code"], "no_space", "{last}");
    let stored = |number: usize| fs::read(share.join(name(number))).ok();
    let kept: Vec<_> = (0..300).filter(|n| stored(*n).is_some()).collect();
    assert_eq!(Some(kept.len() as u64), done);
    assert!(kept.iter().all(|n| stored(*n) == Some(bytes(*n))));
    assert!(asker.counter("bundles_asked") > 0);
    assert_eq!(temporaries(&share), [""; 0]);
    fs::remove_file(filler).expect("the owner makes room");
    // The room is there when nobody reads the file any more: the asker hashes it still.
    wait_until("all files are stored", Duration::from_secs(30), || {
        let last = fetch(&asker);
        (last["failed"] == json!(0))
            .then_some(())
            .ok_or(last.to_string())
    });
    assert!((0..300).all(|n| stored(n) == Some(bytes(n))));
    assert_eq!(temporaries(&share), [""; 0]);
}
