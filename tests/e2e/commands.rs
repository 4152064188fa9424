//! Commands of `ctl` as people and programs use them.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use e2e::{NodeProcess, eventually, introduce, wait_until};
use serde_json::Value;

use crate::world::{ctl, ctl_at_terminal, noded, repository};

/// Starts two nodes that know each other.
fn pair(near: e2e::NodeOptions, far: e2e::NodeOptions) -> (NodeProcess, NodeProcess) {
    let (near, far) = (near.start(), far.start());
    introduce(&near.url, &far.url);
    introduce(&far.url, &near.url);
    (near, far)
}

/// Returns the standard output of `ctl`; it ends with this code.
fn said(node: &NodeProcess, code: i32, args: &[&str]) -> String {
    ctl(node.home()).args(args).run().expect_code(code).stdout
}

#[test]
fn several_words_are_one_query() {
    let node = noded().file("summer holiday.txt", "x").start();
    assert!(said(&node, 0, &["search", "holiday", "summer"]).contains("summer holiday.txt"));
    assert!(said(&node, 0, &["search", "holiday", "ext:txt"]).contains("summer holiday.txt"));
    node.stop();
}

#[test]
fn help_is_a_command() {
    let node = noded().start();
    assert!(said(&node, 0, &["help"]).contains("transfers"));
    let help = said(&node, 0, &["help", "fetch"]);
    assert!(
        help.contains("--replace") && help.contains("--detach"),
        "{help}"
    );
    let _ = ctl(node.home()).args(["help", "eat"]).run().expect_code(2);
    node.stop();
}

#[test]
fn ls_lists_a_folder_a_file_and_a_folder_of_a_peer() {
    let files = |node: e2e::NodeOptions| {
        node.file("a/b/c.txt", "c")
            .file("a/d.txt", "d")
            .file("a.txt", "a")
            .file("ab/e.txt", "e")
    };
    let (near, far) = pair(files(noded()), files(noded()));
    let names = |args: &[&str]| -> Vec<String> {
        let all = [&["--json", "ls"], args].concat();
        let listing: Value = serde_json::from_str(&said(&near, 0, &all)).unwrap();
        let files = listing["files"].as_array().unwrap().iter();
        files
            .map(|file| file["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&["a"]), ["a/b/c.txt", "a/d.txt"]);
    assert_eq!(names(&["a/"]), ["a/b/c.txt", "a/d.txt"]);
    assert_eq!(names(&["a/b"]), ["a/b/c.txt"]);
    assert_eq!(names(&["a.txt"]), ["a.txt"]);
    assert_eq!(names(&[&far.url, "ab"]), ["ab/e.txt"]);
    assert_eq!(names(&[]).len(), 4);
    let _ = ctl(near.home())
        .args(["ls", "nowhere"])
        .run()
        .expect_code(3);
    near.stop();
    far.stop();
}

#[test]
fn a_peer_is_forgotten_and_the_node_is_stopped() {
    let (near, far) = pair(noded(), noded());
    let _ = said(&near, 0, &["peers", "rm", &far.url]);
    assert!(!said(&near, 0, &["peers"]).contains(&far.url));
    // The other node may introduce itself again, so one that was never known is removed.
    let _ = ctl(near.home())
        .args(["peers", "rm", "http://127.0.0.1:9/"])
        .run()
        .expect_code(3);
    let home = std::sync::Arc::clone(near.home());
    let _ = said(&near, 0, &["stop"]);
    eventually("the node is gone", || {
        ctl(&home).args(["status"]).run().code == 6
    });
    far.stop();
}

#[test]
fn a_detached_fetch_is_listed_until_it_is_done() {
    let (near, far) = pair(noded(), noded().file("far.txt", "far"));
    let line = said(&near, 0, &["fetch", "far.txt", "--detach"]);
    assert!(line.contains("ctl transfers"), "{line}");
    let listed = wait_until("it is done", Duration::from_secs(30), || {
        let listed = said(&near, 0, &["transfers"]);
        if listed.contains("\tdone\t") {
            Ok(listed)
        } else {
            Err(listed)
        }
    });
    assert!(listed.contains("far.txt"), "{listed}");
    assert_eq!(near.home().read("far.txt").as_deref(), Some(&b"far"[..]));
    let _ = ctl(near.home())
        .args(["transfers", "cancel", "999"])
        .run()
        .expect_code(3);
    near.stop();
    far.stop();
}

#[test]
fn ls_of_a_peer_lists_every_file_of_many() {
    let far = noded();
    // Their names take more than one answer of the peer has room for.
    let long = "x".repeat(150);
    let names: Vec<_> = (0..4_500)
        .map(|n| format!("{}/{n:05}-{long}.txt", n % 3))
        .collect();
    for name in &names {
        far.home().put(name, "");
    }
    let far = far.file("1-and-more.txt", "").start();
    let near = noded().args(["--peer", &far.url]).start();
    let listed = |args: &[&str]| -> Vec<String> {
        let said = ctl(near.home()).args(["--json", "ls", &far.url]);
        let said = said.args(args).run().expect_code(0);
        let listing: Value = serde_json::from_str(&said.stdout).unwrap();
        let files = listing["files"].as_array().unwrap().iter();
        files
            .map(|file| file["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut sorted = names;
    sorted.push("1-and-more.txt".to_owned());
    sorted.sort();
    wait_until("all are listed", Duration::from_secs(30), || {
        let all = listed(&[]);
        (all == sorted).then_some(()).ok_or(all.len().to_string())
    });
    let inside = sorted.iter().filter(|name| name.starts_with("1/"));
    assert_eq!(listed(&["1/"]), inside.cloned().collect::<Vec<_>>());
    assert_eq!(listed(&["1-and-more.txt"]), ["1-and-more.txt"]);
    near.stop();
    far.stop();
}

#[test]
fn a_handler_of_a_peer_is_known_and_finds_nothing_with_3() {
    let home = e2e::Home::new();
    let plugins = home.root().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    let example = repository().join("scripts/handlers/title.rhai");
    std::fs::copy(example, plugins.join("title.rhai")).unwrap();
    let far = noded().args(["--plugins".as_ref(), plugins.as_os_str()]);
    let (near, far) = pair(noded(), far.file("a.md", "# Plans\n"));
    eventually("the peer told its handlers", || {
        said(&near, 0, &["plugin", "ls"]).contains("title:")
    });
    assert!(said(&near, 0, &["search", "title:plans"]).contains("a.md"));
    let missed = ctl(near.home()).args(["search", "title:nothing"]).run();
    assert_eq!(missed.code, 3, "{missed:?}");
    assert!(
        missed.stderr.contains("matches title:nothing"),
        "{missed:?}"
    );
    let unknown = ctl(near.home()).args(["search", "titel:plans"]).run();
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(
        unknown.stderr.contains("peers answer title:"),
        "{unknown:?}"
    );
    near.stop();
    far.stop();
}

#[test]
fn the_log_is_what_the_variable_says_or_the_node_does_not_start() {
    for level in ["warning", "verbose", "info,", "node_core=loud"] {
        let refused = noded().env("SIXHOP_LOG", level).refused();
        assert_eq!(refused.code, Some(2), "{level}: {}", refused.stderr);
        assert!(refused.stderr.contains("SIXHOP_LOG"), "{}", refused.stderr);
    }
    for (level, is_told) in [("", true), ("warn", false), ("warn,node=info", true)] {
        let node = noded().env("SIXHOP_LOG", level).start();
        eventually("it says that it is ready, or not", || {
            node.stderr().contains("ready") == is_told
        });
        node.stop();
    }
}

#[test]
fn a_table_fits_its_window_whatever_the_names() {
    let long = "x".repeat(200);
    let node = noded()
        .file("日本語の名前.txt", "a")
        .file("short.txt", "b")
        .file(&long, "c")
        .start();
    let (code, text) = ctl_at_terminal(node.home(), 60, &["ls"]).ends();
    assert_eq!(code, 0, "{text}");
    let width = |line: &str| -> usize {
        let wide = |c: char| if c >= '\u{1100}' { 2 } else { 1 };
        line.chars().map(wide).sum()
    };
    for line in text.lines() {
        assert!(width(line.trim_end()) <= 60, "{line}");
    }
    let column = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        let before = &line[..line.find("1 B").unwrap()];
        width(before)
    };
    assert_eq!(column("日本語"), column("short.txt"), "{text}");
    node.stop();
}

#[test]
fn status_and_peers_are_for_people() {
    let near = noded().start();
    let gone = e2e::Deserted::new();
    let _ = ctl(near.home())
        .args(["hello", &gone.url])
        .run()
        .expect_code(6);
    let peers = said(&near, 0, &["peers"]);
    assert!(
        peers.contains("does not answer") && peers.contains("refused"),
        "{peers}"
    );
    let status = said(&near, 0, &["status"]);
    assert!(
        status.lines().count() <= 12 && status.contains(&near.url),
        "{status}"
    );
    assert!(!status.contains("queries_received"), "{status}");
    assert!(said(&near, 0, &["status", "--counters"]).contains("queries_received"));
    near.stop();
}

#[test]
fn events_end_when_nobody_reads_them() {
    let (near, far) = pair(noded(), noded());
    let mut child = Command::new(env!("CARGO_BIN_EXE_e2e-ctl"))
        .arg("--state")
        .arg(near.home().state())
        .args(["events", "--since", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    drop(output);
    let code = wait_until(
        "ctl ends without another event",
        Duration::from_secs(5),
        || match child.try_wait() {
            Ok(Some(status)) => Ok(status.code()),
            other => Err(format!("{other:?}")),
        },
    );
    assert_eq!(code, Some(0), "{line}");
    near.stop();
    far.stop();
}

#[test]
fn the_configuration_has_a_default_place() {
    let home = e2e::Home::new();
    home.put("a.txt", "a");
    let config = home.root().join("xdg");
    std::fs::create_dir_all(config.join("sixhop")).unwrap();
    let state = home.root().join("elsewhere");
    let text = format!(
        "share = {:?}\nstate = {:?}\nlisten = '127.0.0.1:0'\ncontrol = '127.0.0.1:0'\nmdns = false\n",
        home.share(),
        state
    );
    std::fs::write(config.join("sixhop/config.toml"), text).unwrap();
    let mut node = Command::new(env!("CARGO_BIN_EXE_e2e-noded"))
        .env("XDG_CONFIG_HOME", &config)
        .env("HOME", home.root())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(node.stdout.take().unwrap())
        .read_line(&mut ready)
        .unwrap();
    let listed = Command::new(env!("CARGO_BIN_EXE_e2e-ctl"))
        .args(["ls"])
        .env("XDG_CONFIG_HOME", &config)
        .env("HOME", home.root())
        .output()
        .unwrap();
    let _away = node.kill();
    drop(node.wait());
    assert!(ready.starts_with("ready url="), "{ready}");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("a.txt"), "{listed}");
}

#[test]
fn the_mirror_fetches_by_content_whatever_the_handler() {
    let (near, far) = pair(
        noded()
            .file("mine/poem.txt", "a poem of spring")
            .file("b.txt", "near"),
        noded()
            .file("poem.txt", "a poem of spring")
            .file("b.txt", "far")
            .file("letter.txt", "a letter of spring")
            .file("data.bin", "data"),
    );
    eventually("both know what they have", || {
        let known =
            |node: &NodeProcess| !said(node, 0, &["--json", "ls"]).contains("\"digest\":null");
        known(&near) && known(&far)
    });
    let mirror = |code: i32, args: &[&str]| {
        let all = [&["run", "scripts/mirror.rhai"], args].concat();
        let run = ctl(near.home()).current_dir(repository()).args(all).run();
        run.expect_code(code).stdout
    };
    assert_eq!(mirror(0, &["text:letter"]), "fetched letter.txt\n");
    assert_eq!(
        mirror(0, &["text:spring"]),
        "",
        "all of it is here by content"
    );
    let all = mirror(0, &[]);
    assert!(all.contains("fetched data.bin\n"), "{all}");
    assert!(all.contains("not fetched: b.txt"), "{all}");
    assert_eq!(near.home().read("b.txt").as_deref(), Some(&b"near"[..]));
    assert!(near.home().read("poem.txt").is_none());
    let lines = std::fs::read_to_string(repository().join("scripts/mirror.rhai")).unwrap();
    let code = lines
        .lines()
        .filter(|line| !line.starts_with("//") && !line.is_empty());
    assert!(code.count() <= 18);
    near.stop();
    far.stop();
}

#[test]
fn a_node_of_a_script_has_its_plugins() {
    let home = e2e::Home::new();
    home.put("a.md", "# Plans\n");
    let plugins = repository().join("scripts/handlers");
    let script = home.root().join("plugins.rhai");
    let text = format!(
        "let n = node(#{{share: {:?}, plugins: {plugins:?}}});\nfor turn in 0..100 {{\n    \
         if n.status().handlers.contains(\"title\") {{ break; }}\n    sleep(0.1);\n}}\n\
         print(n.search(\"title:plans\")[0].name);",
        home.share()
    );
    std::fs::write(&script, text).unwrap();
    let run = ctl(&home).args(["run".as_ref(), script.as_os_str()]).run();
    assert_eq!(run.expect_code(0).stdout, "a.md\n");
}

#[test]
fn the_progress_of_a_fetch_fits_its_window() {
    let long = format!("{}/{}.bin", "夏休み".repeat(20), "x".repeat(120));
    let far = noded()
        .file(&long, vec![7; 300_000])
        .args(["--upload-rate", "150K"]);
    let (near, far) = pair(noded(), far);
    let (code, text) = ctl_at_terminal(near.home(), 50, &["fetch", &long]).ends();
    assert_eq!(code, 0, "{text}");
    let wide = |c: char| match c {
        '\u{3000}'..='\u{9fff}' => 2,
        _ => 1,
    };
    let lines = text.split(['\r', '\n']).filter(|line| line.contains("% "));
    let widths: Vec<usize> = lines.map(|line| line.chars().map(wide).sum()).collect();
    assert!(!widths.is_empty(), "{text}");
    assert!(widths.iter().all(|width| *width <= 50), "{widths:?} {text}");
    near.stop();
    far.stop();
}
