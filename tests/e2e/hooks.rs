//! Tests of scripts that listen: events of a node call the functions that they registered.

use std::time::Duration;

use e2e::{CtlRun, Home, introduce, wait_until};
use serde_json::json;

use crate::world::{ctl, noded, repository};

fn run_text(home: &Home, text: &str, args: &[&str]) -> CtlRun {
    let script = home.root().join("script.rhai");
    std::fs::write(&script, text).unwrap();
    ctl(home)
        .args(["run".as_ref(), script.as_os_str()])
        .args(args)
        .run()
}

#[test]
fn listeners_are_called_in_order_and_can_do_what_the_script_can() {
    let (near, far) = (
        noded().start(),
        noded().file("a.txt", "a").file("b.txt", "b").start(),
    );
    introduce(&near.url, &far.url);
    let text = r#"
let begun = 0;
on("fetch.started", |e| { begun += 1; });
on("fetch.done", |e| {
    print(`first ${e.data.name} ${e.type} ${e.id > 0}`);
    if e.data.name == "a.txt" { fetch("b.txt"); return false; }
});
on("fetch.*", |e| {
    if e.type == "fetch.done" { print(`second ${e.data.name} ${begun}`); stop(); }
});
let silent = on("fetch.done", |e| { print("taken off"); });
print(off(silent));
print(off(silent));
fetch("a.txt");
print("body ends");
"#;
    let run = run_text(near.home(), text, &[]).expect_code(0);
    assert_eq!(
        run.stdout,
        "true\nfalse\nbody ends\nfirst a.txt fetch.done true\nfirst b.txt fetch.done true\nsecond b.txt 2\n",
        "{}",
        run.stderr
    );
    near.stop();
    far.stop();
}

#[test]
fn an_error_in_a_callback_names_its_place_and_sets_the_code() {
    let node = noded().start();
    let text = "on(\"peer.added\", |e| {\n    fetch(\"missing.txt\");\n});\ntry { hello(\"http://127.0.0.1:9/\") } catch {}\n";
    let failed = run_text(node.home(), text, &[]);
    assert_eq!(failed.code, 3, "{}", failed.stderr);
    assert!(
        failed.stderr.contains("script.rhai:2:5"),
        "{}",
        failed.stderr
    );
    for (text, code) in [
        ("on(\"Nonsense!\", |e| 1);", 2),
        ("every(0, || 1);", 2),
        ("every(0.01, || exit(7));", 7),
        (
            "every(0.01, || throw #{code: \"no_space\", message: \"full\"});",
            9,
        ),
        ("wait(\"fetch.done\", -1);", 2),
    ] {
        let ended = run_text(node.home(), text, &[]);
        assert_eq!(ended.code, code, "{text}: {}", ended.stderr);
    }
    node.stop();
    let home = Home::new();
    assert_eq!(run_text(&home, "on(\"fetch.done\", |e| 1);", &[]).code, 6);
}

#[test]
fn a_script_waits_for_events_that_came_already_or_come_later() {
    let (near, far) = (noded().start(), noded().file("a.txt", "a").start());
    introduce(&near.url, &far.url);
    let text = r#"
let id = call("fetch.start", #{name: "a.txt"}).id;
let done = wait("fetch.done", 30);
print(done.data.name);
print(wait("fetch.done", 0.05));
on("fetch.done", |e| { print("not called"); });
off(1);
"#;
    let run = run_text(near.home(), text, &[]).expect_code(0);
    assert_eq!(run.stdout, "a.txt\n\n", "{}", run.stderr);
    near.stop();
    far.stop();
}

#[test]
fn a_script_hears_its_own_nodes_and_ends_with_them() {
    let home = Home::new();
    let text = r#"
let ann = node();
let bob = node(#{peers: [ann.url()]});
ann.put("note.txt", "words");
on(bob, "fetch.done", |e| { print(bob.text(e.data.name)); ann.stop(); bob.stop(); });
bob.on("fetch.started", |e| print(`started ${e.data.name}`));
bob.fetch("note.txt");
print(bob.wait("fetch.done").data.name);
"#;
    let run = run_text(&home, text, &[]).expect_code(0);
    assert_eq!(
        run.stdout, "note.txt\nstarted note.txt\nwords\n",
        "{}",
        run.stderr
    );
}

#[test]
fn events_during_a_callback_are_neither_lost_nor_doubled() {
    let node = noded().start();
    let text = r#"
let heard = 0;
let last = 0;
let begun = false;
on("fetch.failed", |e| {
    if e.id <= last { throw `event ${e.id} came after ${last}`; }
    last = e.id;
    if !begun {
        begun = true;
        for n in 0..400 { call("fetch.start", #{name: `missing-${n}`}); }
        return;
    }
    heard += 1;
    if heard == 400 { stop(); }
});
call("fetch.start", #{name: "missing"});
"#;
    let run = run_text(node.home(), text, &[]).expect_code(0);
    assert_eq!(run.stderr, "", "nothing is lost");
    node.stop();
}

#[test]
fn listening_goes_on_when_the_node_was_away() {
    let node = noded().start();
    let home = node.home().clone();
    let text = r#"
on("peer.added", |e| {
    if e.data.url.contains(":2/") { print("heard"); stop(); }
});
try { hello("http://127.0.0.1:1/") } catch {}
"#;
    std::thread::scope(|scope| {
        let listening = scope.spawn(|| run_text(&home, text, &[]));
        let has_peer = |node: &e2e::NodeProcess, part: &str| {
            wait_until("the script listens", Duration::from_secs(30), || {
                let peers = node.control().must("peer.list", json!({})).to_string();
                if peers.contains(part) {
                    Ok(())
                } else {
                    Err(peers)
                }
            });
        };
        has_peer(&node, ":1/");
        let node = node.stop_for_restart().start();
        introduce(&node.url, "http://127.0.0.1:2/");
        let run = listening.join().expect("it ends").expect_code(0);
        assert_eq!(run.stdout, "heard\n", "{}", run.stderr);
        node.stop();
    });
}

#[test]
fn the_watch_fetches_what_appears_at_a_peer() {
    let (near, far) = (noded().start(), noded().file("a.txt", "a").start());
    introduce(&near.url, &far.url);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            ctl(near.home())
                .current_dir(repository())
                .args(["run", "scripts/watch.rhai", "*.txt", "2"])
                .run()
        });
        wait_until("the first file is fetched", Duration::from_secs(30), || {
            near.home().read("a.txt").ok_or("not yet".to_owned())
        });
        far.home().put("later.txt", "later");
        let run = watching.join().expect("it ends").expect_code(0);
        assert_eq!(
            run.stdout,
            "fetched a.txt (1 bytes)\nfetched later.txt (5 bytes)\n"
        );
    });
    assert_eq!(
        near.home().read("later.txt").as_deref(),
        Some(&b"later"[..])
    );
    near.stop();
    far.stop();
}
