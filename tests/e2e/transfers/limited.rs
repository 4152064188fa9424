//! Holders that limit their uploads, or are busy: whole files, each in its time.

use std::time::{Duration, Instant};

use e2e::{Proxy, wait_until};
use serde_json::json;

use super::{asker, content, events, over, start, temporaries};
use crate::world::noded;

#[test]
fn eight_askers_of_a_slow_holder_get_the_file() {
    let (size, rate) = (20_000, 10.0 * 1024.0);
    let holder = noded()
        .args(["--upload-rate", "10K"])
        .file("a.bin", content(size))
        .start();
    let askers: Vec<_> = (0..8).map(|_| asker(&[&holder.url])).collect();
    let begun = Instant::now();
    let started: Vec<_> = askers.iter().map(|node| start(node, "a.bin")).collect();
    for (node, started) in askers.iter().zip(&started) {
        let status = over(node, started);
        assert_eq!(status["state"], "done", "{status}");
        assert!(node.home().read("a.bin") == Some(content(size)));
        assert!(events(node, "fetch.holder_failed").is_empty());
    }
    let (taken, due) = (begun.elapsed().as_secs_f64(), 8.0 * size as f64 / rate);
    assert!(taken >= due * 0.9 - 0.15, "{taken} of {due}");
    assert!(taken <= due * 2.0 + 5.0, "{taken} of {due}");
}

#[test]
fn a_busy_holder_is_asked_again_when_it_said() {
    let bytes = content(1 << 20);
    let holder = noded()
        .args(["--upload-rate", "4M"])
        .file("a.bin", &bytes)
        .start();
    let proxy = Proxy::busy(&holder.url, 3);
    let asker = asker(&[&proxy.url]);
    let begun = Instant::now();
    let started = start(&asker, "a.bin");
    wait_until("the fetch waits", Duration::from_secs(30), || {
        let list = asker.control().must("fetch.list", json!({}));
        if list[0]["state"] == "waiting" {
            Ok(())
        } else {
            Err(list.to_string())
        }
    });
    let status = over(&asker, &started);
    assert_eq!(status["state"], "done", "{status}");
    assert!(asker.home().read("a.bin") == Some(bytes));
    assert_eq!(proxy.busy_left(), 0);
    assert!(
        begun.elapsed() >= Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    assert!(events(&asker, "fetch.holder_failed").is_empty());
    assert_eq!(temporaries(&asker.home().share()), 0);
}

#[test]
fn while_one_holder_is_busy_another_one_delivers() {
    let bytes = content(2 << 20);
    let [one, other] = [(); 2].map(|()| noded().file("a.bin", &bytes).start());
    let busy = Proxy::busy(&one.url, 1_000);
    let asker = asker(&[&busy.url, &other.url]);
    let status = over(&asker, &start(&asker, "a.bin"));
    assert_eq!(status["state"], "done", "{status}");
    assert_eq!(status["holders"], json!([other.url]), "{status}");
    assert!(events(&asker, "fetch.holder_failed").is_empty());
    let peers = asker.control().must("peer.list", json!({})).to_string();
    assert!(
        peers.contains(&busy.url),
        "it is no reason to drop it: {peers}"
    );
}
