//! Holders that this node cannot reach and a neighbour can: they are said, and their files come through it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use e2e::xmlrpc::{self, Value as Xml};
use e2e::{Gate, Listener, NodeOptions, NodeProcess, http, wait_until};
use serde_json::{Value, json};

use super::{asker, content, over, start};
use crate::world::{ctl, noded};

/// A holder behind a gate, a neighbour that is let in, and an asker that knows the neighbour alone.
struct Neighbourhood {
    gate: Gate,
    holder: NodeProcess,
    /// The address at which the test reaches the holder.
    direct: String,
    neighbour: NodeProcess,
    asker: NodeProcess,
}

impl Neighbourhood {
    fn new(gate: Gate, files: &[(&str, Vec<u8>)], neighbour: &[&str]) -> Neighbourhood {
        let [holder, asker] = [noded(), noded()];
        Neighbourhood::of(gate, files, [holder, noded().args(neighbour), asker])
    }

    /// Returns a neighbourhood of these nodes: holder, neighbour and asker.
    fn of(gate: Gate, files: &[(&str, Vec<u8>)], nodes: [NodeOptions; 3]) -> Neighbourhood {
        let [holder, neighbour, asker] = nodes;
        let holder = files
            .iter()
            .fold(holder, |node, (name, bytes)| node.file(name, bytes));
        let holder = holder.args(["--url", &gate.url]).start();
        let listens = holder.control().must("node.status", json!({}))["listen"].clone();
        let direct = format!("http://{}/", listens.as_str().expect("an address"));
        gate.lead_to(&direct);
        let neighbour = neighbour.start();
        gate.let_in(neighbour.pid());
        neighbour
            .control()
            .must("peer.add", json!({ "url": gate.url }));
        wait_until(
            "the neighbour met the holder",
            Duration::from_secs(20),
            || {
                let peers = neighbour.control().must("peer.list", json!({}));
                // Only a node whose id was proved is asked for others.
                let is_met = |peer: &Value| {
                    let is_answered = peer["kind"] == "sixhop" && !peer["latency"].is_null();
                    is_answered && peer["id"].is_string()
                };
                let list = peers.as_array().or_else(|| peers["peers"].as_array());
                if list.is_some_and(|peers| peers.iter().any(is_met)) {
                    Ok(())
                } else {
                    // A first introduction may fail on a busy machine, and the next one comes late.
                    let _ = neighbour
                        .control()
                        .call("peer.add", json!({ "url": gate.url }));
                    Err(peers.to_string())
                }
            },
        );
        let asker = asker.args(["--peer", &neighbour.url]).start();
        Neighbourhood {
            gate,
            holder,
            direct,
            neighbour,
            asker,
        }
    }

    fn assert_fetched(&self, name: &str, bytes: &[u8]) {
        // The neighbour passes on only what the holder told it of, which may take a moment.
        let status = wait_until("the neighbour knows of it", Duration::from_secs(40), || {
            let status = over(&self.asker, &start(&self.asker, name));
            if status["error"]["code"] == "not_found" {
                Err(status.to_string())
            } else {
                Ok(status)
            }
        });
        assert_eq!(status["state"], "done", "{status}");
        assert_eq!(status["digest"].as_str().map(str::len), Some(64));
        assert_eq!(status["holders"], json!([self.neighbour.url]), "{status}");
        assert!(self.asker.home().read(name).as_deref() == Some(bytes));
        assert!(self.gate.turned_away() > 0, "the asker did not reach it");
    }
}

#[test]
fn a_file_comes_through_the_neighbour_and_is_checked() {
    let (short, long) = (content(1_000), content(5 << 20));
    let files = [("short.bin", short.clone()), ("long.bin", long.clone())];
    let there = Neighbourhood::new(Gate::closing(), &files, &[]);
    there.assert_fetched("short.bin", &short);
    there.assert_fetched("long.bin", &long);
    let passed = there.neighbour.counter("bytes_served");
    assert!(passed >= (5 << 20), "{passed}");
    assert_eq!(
        there.asker.counter("queries_sent"),
        0,
        "nothing is taken unchecked"
    );
    assert_eq!(
        there.neighbour.home().read("long.bin"),
        None,
        "nothing stays there"
    );
    let sent = there.holder.counter("bytes_served");
    assert!(sent >= passed, "{sent}: it sent what was passed on");
}

#[test]
fn a_network_that_carries_nothing_is_no_hindrance() {
    let bytes = content(300_000);
    let there = Neighbourhood::new(Gate::silent(), &[("a.bin", bytes.clone())], &[]);
    there.assert_fetched("a.bin", &bytes);
}

#[test]
fn a_digest_is_fetched_through_the_neighbour_too() {
    let bytes = content(300_000);
    let there = Neighbourhood::new(Gate::closing(), &[("a.bin", bytes.clone())], &[]);
    let digest = there
        .asker
        .control()
        .must("fetch.start", json!({ "name": "a.bin" }));
    let digest = over(&there.asker, &digest)["digest"].clone();
    let again = asker(&[&there.neighbour.url]);
    let wanted = json!({ "name": "b.bin", "digest": digest });
    let status = over(&again, &again.control().must("fetch.start", wanted));
    assert_eq!(status["state"], "done", "{status}");
    assert!(again.home().read("b.bin") == Some(bytes));
}

#[test]
fn the_rate_of_the_neighbour_holds_for_what_it_passes_on() {
    let bytes = content(300_000);
    let files = [("a.bin", bytes.clone())];
    let there = Neighbourhood::new(Gate::closing(), &files, &["--upload-rate", "100K"]);
    let begun = std::time::Instant::now();
    there.assert_fetched("a.bin", &bytes);
    assert!(
        begun.elapsed() >= Duration::from_millis(2_500),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_holder_that_nobody_reaches_is_said() {
    let there = Neighbourhood::new(Gate::closing(), &[("a.bin", content(10))], &[]);
    let text = "1 node that may have it cannot be reached from here";
    let Neighbourhood { holder, asker, .. } = &there;
    // The neighbour does not know yet.
    holder.signal("KILL");
    let search = ctl(asker.home()).args(["search", "a.bin"]).run();
    let search = search.expect_code(7);
    assert!(search.stderr.contains(text), "{}", search.stderr);
    let fetch = ctl(asker.home()).args(["fetch", "a.bin"]).run();
    let fetch = fetch.expect_code(3);
    assert!(fetch.stderr.contains(text), "{}", fetch.stderr);
}

#[test]
fn a_node_is_no_way_to_any_address() {
    let bytes = content(1_000);
    let there = Neighbourhood::new(Gate::closing(), &[("a.bin", bytes.clone())], &[]);
    let victim = Listener::silent();
    let neighbour = &there.neighbour.url;
    let find = |members: &[(&str, &str)]| {
        let members = members
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Xml::text(*value)));
        let answer = xmlrpc::call(neighbour, "sixhop.find", &[Xml::Map(members.collect())]);
        format!("{answer:?}")
    };
    let blob = |digest: &str, through: &str| {
        let path = format!("/blobs/{digest}");
        let headers = [("sixhop-through", through)];
        http::request(neighbour, "GET", &path, &headers, b"").expect("an answer")
    };
    let head = http::request(&there.direct, "HEAD", "/files/a.bin", &[], b"").expect("a head");
    let digest = head
        .header("etag")
        .expect("its digest")
        .trim_matches('"')
        .to_owned();
    // Nothing was said of it yet, so it is not passed on.
    assert_eq!(blob(&digest, &there.gate.url).status, 404);
    let answer = find(&[("name", "a.bin"), ("through", &victim.url())]);
    assert!(!answer.contains("a.bin"), "{answer}");
    assert_eq!(blob(&digest, &victim.url()).status, 404);
    assert_eq!(victim.connections(), 0);
    let answer = find(&[("query", "a.bin"), ("through", &victim.url())]);
    assert!(!answer.contains("a.bin"), "{answer}");
    assert_eq!(victim.connections(), 0);
    // An honest asker beside that.
    let answer = find(&[("name", "a.bin"), ("through", &there.gate.url)]);
    assert!(answer.contains(&digest), "{answer}");
    let passed = blob(&digest, &there.gate.url);
    assert!((passed.status, passed.body.as_slice()) == (200, bytes.as_slice()));
    // What was said of one peer is not asked of another, nor other content.
    assert_eq!(blob(&digest, neighbour).status, 404);
    let other = "ab".repeat(32);
    assert_eq!(blob(&other, &there.gate.url).status, 404);
    assert_eq!(blob(&digest, &victim.url()).status, 404);
    assert_eq!(victim.connections(), 0);
}

/// Returns a member of the private network with this key.
fn member(key: &str) -> NodeOptions {
    let options = noded();
    let path = options.home().root().join("network-key");
    fs::write(&path, key.repeat(32)).expect("a key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a key of its owner");
    options.args(["--network-key-file".as_ref(), path.as_os_str()])
}

#[test]
fn members_of_a_private_network_pass_on_among_themselves() {
    let bytes = content(300_000);
    let files = [("a.bin", bytes.clone())];
    let members = ["ab", "ab", "ab"].map(member);
    let there = Neighbourhood::of(Gate::closing(), &files, members);
    there.assert_fetched("a.bin", &bytes);
    let digest = there
        .asker
        .control()
        .must("share.stat", json!({ "name": "a.bin" }));
    let digest = digest["digest"].as_str().expect("a digest").to_owned();
    // The neighbour passes this content on, but not to outsiders.
    let headers = [("sixhop-through", there.gate.url.as_str())];
    for path in [format!("/blobs/{digest}"), format!("/blobs/{digest}/tree")] {
        let answer = http::request(&there.neighbour.url, "GET", &path, &headers, b"");
        assert_eq!(answer.expect("an answer").status, 403, "{path}");
    }
    let outsider = asker(&[&there.neighbour.url]);
    let status = over(&outsider, &start(&outsider, "a.bin"));
    assert_eq!(status["state"], "failed", "{status}");
    let other = member("cd").args(["--peer", &there.neighbour.url]).start();
    let status = over(&other, &start(&other, "a.bin"));
    assert_eq!(status["state"], "failed", "{status}");
}

#[test]
fn a_folder_comes_through_the_neighbour() {
    let names: Vec<_> = (0..30).map(|n| format!("d/{}/{n}.bin", n % 3)).collect();
    let files = names.iter().enumerate();
    let files: Vec<_> = files
        .map(|(n, name)| (name.as_str(), content(1_000 * n)))
        .chain([("other.bin", content(10))])
        .collect();
    let there = Neighbourhood::new(Gate::closing(), &files, &[]);
    let run = ctl(there.asker.home())
        .args(["--json", "fetch", "d/"])
        .run()
        .expect_code(0);
    let last: Value = serde_json::from_str(run.stdout.lines().last().expect("a line")).unwrap();
    let counts = (&last["found"], &last["done"], &last["unreachable"]);
    assert_eq!(counts, (&json!(30), &json!(30), &json!(1)), "{last}");
    for (name, bytes) in &files[..30] {
        assert!(
            there.asker.home().read(name).as_ref() == Some(bytes),
            "{name}"
        );
    }
    assert_eq!(there.asker.home().read("other.bin"), None);
    assert!(there.gate.turned_away() > 0, "the asker did not reach it");
    assert_eq!(there.asker.counter("queries_sent"), 0);
    let list = there.asker.control().must("fetch.list", json!({}));
    let list = list.as_array().expect("a list");
    assert!(list.iter().all(|job| job["digest"].is_string()), "checked");
}

#[test]
fn a_folder_that_nobody_reaches_is_said() {
    let there = Neighbourhood::new(Gate::closing(), &[("d/a.bin", content(10))], &[]);
    there.holder.signal("KILL");
    let fetch = ctl(there.asker.home()).args(["fetch", "d/"]).run();
    let fetch = fetch.expect_code(3);
    let text = "1 node that may have it cannot be reached from here";
    assert!(fetch.stderr.contains(text), "{}", fetch.stderr);
}
