//! Tests of queries that stand: between nodes, over restarts, and against peers that misbehave.

mod attacks;
mod commands;

use std::time::{Duration, Instant};

use e2e::{NodeProcess, wait_until, xmlrpc, xmlrpc::Value as Xml};
use serde_json::{Value, json};

use crate::world::noded;

const PATIENCE: Duration = Duration::from_secs(60);

/// Has a query stand, and returns its number.
fn watch(node: &NodeProcess, query: &str, new_only: bool) -> u64 {
    let params = json!({ "query": query, "new_only": new_only });
    let watch = node.control().must("watch.add", params);
    watch["id"].as_u64().expect("a watch has a number")
}

/// Returns the next matches, and takes those up to `after`.
fn next(node: &NodeProcess, id: u64, after: u64) -> Vec<Value> {
    let params = json!({ "id": id, "after": after, "seconds": 1, "limit": 1000 });
    let mut page = node.control().must("watch.next", params);
    match page["matches"].take() {
        Value::Array(matches) => matches,
        other => panic!("no matches: {other}"),
    }
}

/// Waits until a watch has told of `count` more files behind `after`, and returns their names in order.
fn told(node: &NodeProcess, id: u64, after: u64, count: usize) -> Vec<String> {
    wait_until("the watch tells", PATIENCE, || {
        let matches = next(node, id, after);
        if matches.len() < count {
            return Err(format!("{matches:?}"));
        }
        let name = |found: &Value| found["name"].as_str().unwrap_or_default().to_owned();
        Ok(matches.iter().map(name).collect())
    })
}

/// Waits until a node holds the watches of another, or is asked in another way.
fn wait_for_state(node: &NodeProcess, url: &str, state: &str) {
    wait_until("the peer is asked", PATIENCE, || {
        let list = node.control().must("watch.list", json!({}));
        let holders = list[0]["holders"].as_array().cloned().unwrap_or_default();
        let is = |holder: &Value| holder["node"] == url && holder["state"] == state;
        if holders.iter().any(is) {
            Ok(())
        } else {
            Err(list.to_string())
        }
    });
}

/// Calls `sixhop.watch` as a stranger, without a wait.
fn asked(url: &str, watcher: &str, watches: Vec<Xml>) -> Result<Xml, xmlrpc::CallError> {
    let members = vec![
        ("watcher".to_owned(), Xml::text(watcher)),
        ("watches".to_owned(), Xml::List(watches)),
        ("wait".to_owned(), Xml::Int(0)),
    ];
    xmlrpc::call(url, "sixhop.watch", &[Xml::Map(members)])
}

fn watched(query: &str, cursor: Option<&str>) -> Xml {
    let cursor = cursor.map(|cursor| ("cursor".to_owned(), Xml::text(cursor)));
    let query = ("query".to_owned(), Xml::text(query));
    Xml::Map([query].into_iter().chain(cursor).collect())
}

/// Returns the first news of an answer.
fn first(answer: &Xml) -> Option<&Xml> {
    match answer.get("told") {
        Some(Xml::List(told)) => told.first(),
        _ => None,
    }
}

fn names(told: &Xml) -> Vec<String> {
    let Some(Xml::List(hits)) = told.get("hits") else {
        return Vec::new();
    };
    let name = |hit: &Xml| match hit.get("name") {
        Some(Xml::Text(name)) => name.clone(),
        other => panic!("a hit without a name: {other:?}"),
    };
    hits.iter().map(name).collect()
}

fn cursor(told: &Xml) -> String {
    match told.get("cursor") {
        Some(Xml::Text(cursor)) => cursor.clone(),
        other => panic!("no cursor: {other:?}"),
    }
}

#[test]
fn file_behind_many_that_do_not_match_is_told() {
    let holder = noded().file("first.txt", "1").start();
    let watcher = noded().args(["--peer", &holder.url]).start();
    let id = watch(&watcher, "*.txt", false);
    assert_eq!(told(&watcher, id, 0, 1), ["first.txt"]);
    wait_for_state(&watcher, &holder.url, "held");
    for n in 0..1_200 {
        holder.home().put(&format!("other/{n}.dat"), "0");
    }
    holder.home().put("second.txt", "2");
    assert_eq!(told(&watcher, id, 1, 1), ["second.txt"]);
    watcher.stop();
    holder.stop();
}

#[test]
fn file_that_comes_is_told_by_its_holder() {
    let holder = noded().file("old notes.txt", "were there").start();
    let watcher = noded()
        .args(["--peer", &holder.url])
        .file("own notes.txt", "here")
        .start();
    let id = watch(&watcher, "notes ext:txt", false);
    let mut names = told(&watcher, id, 0, 2);
    names.sort();
    assert_eq!(names, ["old notes.txt", "own notes.txt"]);
    wait_for_state(&watcher, &holder.url, "held");
    holder.home().put("new notes.txt", "fresh");
    holder.home().put("other.txt", "does not match");
    assert_eq!(told(&watcher, id, 2, 1), ["new notes.txt"]);
    watcher.home().put("more notes.txt", "of this node");
    assert_eq!(told(&watcher, id, 3, 1), ["more notes.txt"]);
    // The same content under another name is no news.
    holder.home().put("copied notes.txt", "fresh");
    holder.home().put("last notes.txt", "the last");
    assert_eq!(told(&watcher, id, 4, 1), ["last notes.txt"]);
    holder.stop();
    watcher.stop();
}

#[test]
fn match_says_what_a_hit_says_and_is_an_event() {
    let holder = noded().start();
    let watcher = noded().args(["--peer", &holder.url]).start();
    let id = watch(&watcher, "text:lighthouse", true);
    wait_for_state(&watcher, &holder.url, "held");
    holder
        .home()
        .put("log.txt", "first line\nthe lighthouse is dark\n");
    told(&watcher, id, 0, 1);
    let found = next(&watcher, id, 0).remove(0);
    assert_eq!(found["number"], 1, "{found}");
    assert_eq!(found["handler"], "text", "{found}");
    assert_eq!(found["node"], holder.url, "{found}");
    assert_eq!(found["excerpt"]["line"], 2, "{found}");
    assert_eq!(found["digest"].as_str().map(str::len), Some(64), "{found}");
    wait_until("the event is there", PATIENCE, || {
        let page = watcher.control().must("events.since", json!({ "id": 0 }));
        let events = page["events"].as_array().cloned().unwrap_or_default();
        let event = events.iter().find(|event| event["type"] == "watch.match");
        let event = event.ok_or_else(|| page.to_string())?;
        assert_eq!(event["data"]["digest"], found["digest"]);
        assert_eq!(event["data"]["watch"], id);
        Ok(())
    });
    holder.stop();
    watcher.stop();
}

#[test]
fn new_only_tells_of_what_comes_later() {
    let holder = noded().file("old.log", "old").start();
    let watcher = noded().args(["--peer", &holder.url]).start();
    let id = watch(&watcher, "*.log", true);
    wait_for_state(&watcher, &holder.url, "held");
    holder.home().put("new.log", "new");
    assert_eq!(told(&watcher, id, 0, 1), ["new.log"]);
    holder.stop();
    watcher.stop();
}

#[test]
fn each_content_is_told_once_over_kills_of_either_side() {
    let mut holder = noded().start();
    let mut watcher = noded().args(["--peer", &holder.url]).start();
    let id = watch(&watcher, "name:*.dat", false);
    let mut seen: Vec<(u64, String)> = Vec::new();
    for round in 0..6 {
        holder
            .home()
            .put(&format!("{round}.dat"), format!("content {round}"));
        let after = seen.last().map_or(0, |(number, _)| *number);
        wait_until("the new file is told", PATIENCE, || {
            for found in next(&watcher, id, after) {
                let number = found["number"].as_u64().unwrap();
                let name = found["name"].as_str().unwrap().to_owned();
                if seen.last().is_none_or(|(last, _)| number > *last) {
                    seen.push((number, name));
                }
            }
            let wanted = format!("{round}.dat");
            let is_there = seen.iter().any(|(_, name)| *name == wanted);
            is_there.then_some(()).ok_or_else(|| format!("{seen:?}"))
        });
        if round % 2 == 0 {
            holder = holder.kill().start();
        }
        // The holder may have another port now.
        watcher = watcher.kill().args(["--peer", &holder.url]).start();
    }
    let mut names: Vec<_> = seen.iter().map(|(_, name)| name.clone()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 6, "{seen:?}");
    assert_eq!(seen.len(), 6, "{seen:?}");
    holder.stop();
    watcher.stop();
}

#[test]
fn watch_that_fetches_brings_files_and_replaces_none() {
    let holder = noded().start();
    let watcher = noded()
        .args(["--peer", &holder.url])
        .file("taken.jpg", "of the owner")
        .start();
    let id = watch(&watcher, "*.jpg", true);
    let control = watcher.control();
    let changed = control.must("watch.fetch", json!({ "id": id, "on": true }));
    assert_eq!(changed["fetches"], true, "{changed}");
    wait_for_state(&watcher, &holder.url, "held");
    holder.home().put("taken.jpg", "of another");
    holder.home().put("sea.jpg", "waves");
    wait_until("the file is fetched", PATIENCE, || {
        let is_there = watcher.home().read("sea.jpg").as_deref() == Some(b"waves");
        is_there
            .then_some(())
            .ok_or_else(|| control.must("watch.list", json!({})).to_string())
    });
    told(&watcher, id, 0, 2);
    assert_eq!(
        watcher.home().read("taken.jpg").as_deref(),
        Some(&b"of the owner"[..])
    );
    let refused = control.call("watch.remove", json!({ "id": id }));
    assert!(refused.is_err(), "{refused:?}");
    control.must("watch.fetch", json!({ "id": id, "on": false }));
    assert_eq!(control.must("watch.remove", json!({ "id": id })), true);
    assert_eq!(control.must("watch.remove", json!({ "id": id })), false);
    assert_eq!(control.must("watch.list", json!({})), json!([]));
    holder.stop();
    watcher.stop();
}

#[test]
fn idle_watch_costs_no_calls_and_a_kept_place_no_look_at_everything() {
    let holder = noded().file("a.txt", "a").start();
    let watcher = noded().args(["--peer", &holder.url]).start();
    let id = watch(&watcher, "*.txt", false);
    told(&watcher, id, 0, 1);
    wait_for_state(&watcher, &holder.url, "held");
    let calls = || holder.counter("watches_received");
    let mut last = (calls(), Instant::now());
    wait_until("the call is held open", PATIENCE, || {
        let count = calls();
        if count != last.0 {
            last = (count, Instant::now());
        }
        let is_calm = last.1.elapsed() > Duration::from_secs(2);
        is_calm
            .then_some(())
            .ok_or_else(|| format!("{count} calls"))
    });
    let before = calls();
    holder.home().put("b.txt", "b");
    assert_eq!(told(&watcher, id, 1, 1), ["b.txt"]);
    wait_until("one call follows the news", PATIENCE, || {
        (calls() > before)
            .then_some(())
            .ok_or_else(|| "no call".to_owned())
    });
    assert!(
        calls() - before <= 3,
        "{} calls for one file",
        calls() - before
    );
    holder.stop();
    watcher.stop();
}

#[test]
fn cursor_of_another_run_has_everything_told_again() {
    let node = noded().file("a.txt", "a").start();
    let place = wait_until("the first look tells of the file", PATIENCE, || {
        let answer = asked(&node.url, "one", vec![watched("*.txt", None)]).unwrap();
        let news = first(&answer).expect("a first look");
        // One that was just written is told when it rests.
        let told = names(news);
        (told == ["a.txt"])
            .then(|| cursor(news))
            .ok_or_else(|| format!("{told:?}"))
    });
    let later = asked(&node.url, "one", vec![watched("*.txt", Some(&place))]).unwrap();
    assert_eq!(first(&later).map(names).unwrap_or_default(), [""; 0]);
    for strange in ["0000000000000000.7", "nonsense", ""] {
        let answer = asked(&node.url, "one", vec![watched("*.txt", Some(strange))]).unwrap();
        let news = first(&answer).expect("everything again");
        assert_eq!(names(news), ["a.txt"]);
        assert_eq!(news.get("again"), Some(&Xml::Bool(true)));
    }
    node.home().put("b.txt", "b");
    wait_until("only what changed is told", PATIENCE, || {
        let answer = asked(&node.url, "one", vec![watched("*.txt", Some(&place))]).unwrap();
        let told = first(&answer).map(names).unwrap_or_default();
        (told == ["b.txt"])
            .then_some(())
            .ok_or_else(|| format!("{told:?}"))
    });
    node.stop();
}
