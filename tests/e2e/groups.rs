//! Tests of groups: a policy that tells friends from strangers by what their connections show.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use e2e::{NodeProcess, Relay, http, wait_until, xmlrpc, xmlrpc::Value as Xml};
use serde_json::{Value, json};

use crate::world::{ctl, noded};

/// A friend may have all, everybody what is for all.
const FRIENDS: &str = r#"// From friends only, by their ids.
fn allow_fetch(f) { f.name.starts_with("public") || "friends" in f.groups }
"#;

/// More files than a policy that tells single nodes apart decides on for a summary.
const FILES: usize = 700;

fn id_of(node: &NodeProcess) -> String {
    let status = node.control().must("node.status", json!({}));
    status["id"].as_str().expect("an id").to_owned()
}

fn holder() -> NodeProcess {
    let mut options = noded()
        .file("private plan.txt", "for friends")
        .file("public.txt", "for all");
    for n in 0..FILES {
        options = options.file(&format!("private {n}.txt"), "for friends");
    }
    let directory = options.home().root().join("plugins");
    fs::create_dir_all(&directory).expect("the home is new");
    fs::write(directory.join("policy.rhai"), FRIENDS).expect("the home is new");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("it is there");
    let plugins = directory.display().to_string();
    options.args(["--plugins", &plugins]).start()
}

fn add(node: &NodeProcess, url: &str) {
    let peer = node.control().must("peer.add", json!({ "url": url }));
    assert_eq!(peer["state"], "up", "{peer}");
}

fn fetched(node: &NodeProcess, name: &str) -> bool {
    let run = ctl(node.home())
        .args(["--timeout", "8s", "fetch", name])
        .run();
    run.code == 0
}

fn search(node: &NodeProcess, query: &str) -> Value {
    node.control()
        .must("search.query", json!({ "query": query }))
}

/// Waits until `node` passes the holder over, because it knows from a summary that it lacks a file.
fn told(node: &NodeProcess, holder: &NodeProcess, query: &str) {
    wait_until("a summary is there", Duration::from_secs(30), || {
        let answer = search(node, query);
        let trace = answer["trace"].as_array().expect("a trace");
        let is_asked = trace.iter().any(|step| step["node"] == holder.url.as_str());
        let is_told = !is_asked && answer["passed_over"] == 1;
        is_told.then_some(()).ok_or_else(|| answer.to_string())
    });
}

#[test]
fn a_friend_has_what_strangers_and_thieves_do_not_hear_of() {
    let holder = holder();
    let (friend, stranger) = (noded().start(), noded().start());
    for node in [&friend, &stranger] {
        add(node, &holder.url);
    }
    let grouped = ctl(holder.home())
        .args(["group", "add", "friends", &id_of(&friend)])
        .run()
        .expect_code(0);
    assert_eq!(grouped.stdout, "friends has 1 node\n");
    assert!(fetched(&stranger, "public.txt"));
    assert!(!fetched(&stranger, "private plan.txt"));
    assert!(!search(&stranger, "plan").to_string().contains("private"));
    // A thief says that he is the friend: by a call, and as a man in the middle.
    let name = Xml::Map(vec![("name".to_owned(), Xml::text("private plan.txt"))]);
    let found = xmlrpc::call(&holder.url, "sixhop.find", &[name]).expect("an answer");
    assert!(!format!("{found:?}").contains("private"), "{found:?}");
    let claimed = [
        Xml::text("private plan.txt"),
        Xml::List(vec![Xml::text(&friend.url)]),
    ];
    let refused = xmlrpc::call(&holder.url, "query", &claimed);
    assert_eq!(refused.map_err(|e| e.code()), Err(Some(100)));
    let relay = Relay::to(http::address(&holder.url));
    let thief = noded().start();
    let relayed = format!("sixhop://{}/?at={}", relay.id(), http::address(&relay.url));
    let _ = ctl(thief.home()).args(["hello", &relayed]).run();
    assert!(!fetched(&thief, "private plan.txt"));
    // The friend comes last: whoever has a file may pass it on.
    assert!(fetched(&friend, "private plan.txt"));
    for node in [holder, friend, stranger, thief] {
        node.stop();
    }
}

#[test]
fn a_policy_of_groups_gives_each_audience_its_summary() {
    let holder = holder();
    let (friend, stranger) = (noded().start(), noded().start());
    let run = |args: &[&str]| ctl(holder.home()).args(args).run().expect_code(0).stdout;
    run(&["group", "add", "friends", &id_of(&friend)]);
    for node in [&friend, &stranger] {
        add(node, &holder.url);
        told(node, &holder, "nowhere.txt");
    }
    // What a stranger may not have is not in its summary, so nobody is asked.
    told(&stranger, &holder, "private 7.txt");
    let hit = search(&friend, "private 7.txt");
    let matching = json!({ "why": "match", "node": holder.url });
    let trace = hit["trace"].as_array().expect("a trace").iter();
    let is_it = |step: &&Value| step["why"] == matching["why"] && step["node"] == matching["node"];
    assert_eq!(trace.filter(is_it).count(), 1, "{hit}");
    assert_eq!(hit["hits"].as_array().map(Vec::len), Some(1), "{hit}");
    // Whoever leaves the group leaves the audience, over a restart too.
    run(&["group", "rm", "friends", &id_of(&friend)]);
    told(&friend, &holder, "private 7.txt");
    run(&[
        "group",
        "add",
        "friends",
        &format!("sixhop://{}/?at=h:1", id_of(&friend)),
    ]);
    let holder = holder.stop_for_restart().start();
    let groups = ctl(holder.home()).args(["--json", "group", "ls"]).run();
    assert!(groups.stdout.contains(&id_of(&friend)), "{}", groups.stdout);
    for node in [holder, friend, stranger] {
        node.stop();
    }
}

#[test]
fn groups_are_named_and_found_or_the_error_says_why() {
    let node = noded().start();
    let run = |args: &[&str]| ctl(node.home()).args(args).run();
    assert_eq!(run(&["group"]).code, 0);
    assert_eq!(run(&["group", "add", "two words", &"1".repeat(64)]).code, 2);
    assert_eq!(run(&["group", "add", "x", "http://127.0.0.1:9/"]).code, 3);
    assert_eq!(run(&["group", "add", "x", "no id"]).code, 2);
    assert_eq!(run(&["group", "rm", "x"]).code, 3);
    assert_eq!(run(&["group", "add", "x", &"a".repeat(64)]).code, 0);
    assert_eq!(run(&["group", "rm", "x"]).code, 0);
    assert_eq!(run(&["--json", "group", "ls"]).stdout, "{\"groups\":[]}\n");
    node.stop();
}
