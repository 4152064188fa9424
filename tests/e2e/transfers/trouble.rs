//! Fetches that meet trouble halfway: among the holders, on the disk, at the target.

use e2e::Proxy;
use serde_json::json;

use super::{asker, content, events, over, slow, start, temporaries, wait_for_bytes};
use crate::world::{ctl, noded};

#[test]
fn of_three_holders_one_dies_and_one_turns_liar() {
    let bytes = content(24 << 20);
    let [dying, turning, staying] = [(); 3].map(|()| slow().file("a.bin", &bytes).start());
    let proxy = Proxy::honest(&turning.url);
    let asker = asker(&[&dying.url, &proxy.url, &staying.url]);
    let started = start(&asker, "a.bin");
    wait_for_bytes(&asker, &started, 10 << 20);
    let gone = dying.url.clone();
    let _away = dying.kill();
    proxy.lie();
    let status = over(&asker, &started);
    assert_eq!(status["state"], "done", "{status}");
    assert!(asker.home().read("a.bin") == Some(bytes));
    assert_eq!(status["holders"].as_array().map(Vec::len), Some(3));
    let failed = events(&asker, "fetch.holder_failed");
    let failed_as = |peer: &str, lied: bool| {
        failed
            .iter()
            .any(|event| event["data"]["peer"] == peer && event["data"]["wrong_bytes"] == lied)
    };
    assert!(failed_as(&gone, false), "{failed:?}");
    assert!(failed_as(&proxy.url, true), "{failed:?}");
    assert!(!failed_as(&staying.url, false), "{failed:?}");
    assert_eq!(temporaries(&asker.home().share()), 0);
}

#[test]
fn a_file_that_outgrows_what_the_system_allows_is_an_error() {
    let holder = noded().file("a.bin", content(4 << 20)).start();
    let asker = noded()
        .args(["--peer", &holder.url])
        .limits("ulimit -f 2000")
        .start();
    let ended = ctl(asker.home()).args(["fetch", "a.bin"]).run();
    assert!(ended.stderr.contains("a.bin"), "{}", ended.stderr);
    drop(ended.expect_code(9));
    assert_eq!(asker.home().read("a.bin"), None);
    assert_eq!(temporaries(&asker.home().share()), 0);
    let still = asker.control().must("node.status", json!({}));
    assert_eq!(still["counters"]["files_fetched"], 0);
}

#[test]
fn a_target_that_appears_meanwhile_is_kept() {
    let holder = slow().file("a.bin", content(10 << 20)).start();
    let asker = asker(&[&holder.url]);
    let started = start(&asker, "a.bin");
    wait_for_bytes(&asker, &started, 1 << 20);
    asker.home().put("a.bin", "mine");
    let status = over(&asker, &started);
    assert_eq!(status["state"], "failed", "{status}");
    assert!(status["error"].to_string().contains("a.bin"), "{status}");
    assert_eq!(asker.home().read("a.bin"), Some(b"mine".to_vec()));
    assert_eq!(temporaries(&asker.home().share()), 0);
}
