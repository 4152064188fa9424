//! Tests of `ctl cat`: files of the node and of its peers on standard output, whole or some lines.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use e2e::{CtlRun, NodeProcess, introduce, wait_until};
use serde_json::{Value, json};

use crate::world::{Kind, Member, connected, ctl, ctl_at_terminal, noded};

/// More than one piece, of lines with their numbers.
fn long() -> String {
    (1..=100_000).map(|line| format!("line {line}\n")).collect()
}

/// Starts a node without files that knows one with these.
fn beside(files: &[(&str, &str)]) -> (NodeProcess, NodeProcess) {
    let holder = files
        .iter()
        .fold(noded(), |node, (name, text)| node.file(name, text));
    let (holder, asker) = (holder.start(), noded().start());
    introduce(&asker.url, &holder.url);
    introduce(&holder.url, &asker.url);
    (holder, asker)
}

fn cat(node: &NodeProcess, args: &[&str]) -> CtlRun {
    ctl(node.home()).args(["cat"]).args(args).run()
}

#[test]
fn a_file_of_the_node_and_of_a_peer_is_printed_whole() {
    let long = long();
    let (holder, asker) = beside(&[("notes/long.txt", &long), ("empty.txt", "")]);
    for node in [&holder, &asker] {
        let printed = cat(node, &["notes/long.txt"]).expect_code(0);
        assert!(printed.stdout == long, "{} bytes", printed.stdout.len());
        assert_eq!(cat(node, &["empty.txt"]).expect_code(0).stdout, "");
    }
    assert_eq!(
        asker.home().read("notes/long.txt"),
        None,
        "nothing is stored"
    );
    [asker, holder].into_iter().for_each(NodeProcess::stop);
}

#[test]
fn lines_are_those_of_the_file_also_behind_the_first_piece() {
    let long = long();
    let (holder, asker) = beside(&[("long.txt", &long), ("b.txt", "1\n2\r\n\n4")]);
    for (typed, lines) in [
        ("long.txt:1", "line 1\n"),
        (
            "long.txt:99998-100000",
            "line 99998\nline 99999\nline 100000\n",
        ),
        ("long.txt:100000-", "line 100000\n"),
        ("b.txt:2-3", "2\r\n\n"),
        ("b.txt:4", "4"),
        ("b.txt:3-9", "\n4"),
    ] {
        let printed = cat(&asker, &[typed]).expect_code(0);
        assert_eq!(printed.stdout, lines, "{typed}");
    }
    let both = cat(&asker, &["b.txt:1", "long.txt:7"]).expect_code(0);
    assert_eq!(both.stdout, "1\nline 7\n");
    let beyond = cat(&asker, &["b.txt:5"]).expect_code(3);
    assert!(beyond.stderr.contains("it has 4"), "{beyond:?}");
    let _ = cat(&asker, &["b.txt:0"]).expect_code(2);
    let _ = cat(&asker, &["absent.txt:1"]).expect_code(3);
    [asker, holder].into_iter().for_each(NodeProcess::stop);
}

#[test]
fn a_name_with_a_number_behind_a_colon_is_a_name() {
    let (holder, asker) = beside(&[("at 10:30", "half past"), ("at 10", "ten\neleven\n")]);
    assert_eq!(
        cat(&holder, &["at 10:30"]).expect_code(0).stdout,
        "half past"
    );
    assert_eq!(
        cat(&asker, &["\"at 10:30\""]).expect_code(0).stdout,
        "half past"
    );
    assert_eq!(cat(&asker, &["at 10:2"]).expect_code(0).stdout, "eleven\n");
    [asker, holder].into_iter().for_each(NodeProcess::stop);
}

#[test]
fn content_is_printed_by_its_digest_and_described_in_json() {
    let (holder, asker) = beside(&[("a.txt", "one\ntwo\n")]);
    let digest = wait_until("the digest", Duration::from_secs(30), || {
        let found = asker
            .control()
            .must("search.query", json!({ "query": "a.txt" }));
        let digest = found["hits"][0]["digest"].as_str();
        digest.map(str::to_owned).ok_or_else(|| found.to_string())
    });
    let content = format!("blake3:{digest}");
    assert_eq!(cat(&asker, &[&content]).expect_code(0).stdout, "one\ntwo\n");
    assert_eq!(
        cat(&asker, &[&format!("{content}:2")])
            .expect_code(0)
            .stdout,
        "two\n"
    );
    let json = cat(&asker, &["a.txt:2", "--json"]).expect_code(0).stdout;
    let lines: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2, "{json}");
    assert_eq!(
        (&lines[0]["type"], &lines[0]["line"], &lines[0]["text"]),
        (&"line".into(), &2.into(), &"two".into())
    );
    assert_eq!(
        (&lines[1]["type"], &lines[1]["digest"]),
        (&"end".into(), &digest.into())
    );
    let _ = cat(&asker, &[&format!("blake3:{}", "0".repeat(64))]).expect_code(3);
    [asker, holder].into_iter().for_each(NodeProcess::stop);
}

#[test]
fn a_terminal_gets_no_escape_sequences_and_no_binary() {
    let (holder, asker) = beside(&[("a.txt", "\u{1b}[2Jgone\nok\n"), ("b.bin", "\0\u{1}")]);
    let (_, shown) = ctl_at_terminal(asker.home(), 80, &["cat", "a.txt"]).ends_raw();
    assert!(
        shown.contains("\\u{1b}[2Jgone") && shown.contains("ok"),
        "{shown:?}"
    );
    assert!(!shown.contains("\u{1b}[2J"), "{shown:?}");
    let (code, shown) = ctl_at_terminal(asker.home(), 80, &["cat", "b.bin"]).ends_raw();
    assert_eq!(code, 1);
    assert!(shown.contains("is no text"), "{shown:?}");
    assert_eq!(
        cat(&asker, &["b.bin"]).expect_code(0).stdout,
        "\0\u{1}",
        "a pipe gets it"
    );
    [asker, holder].into_iter().for_each(NodeProcess::stop);
}

#[test]
fn a_file_of_a_peer_of_the_chapter_is_printed() {
    let (name, text) = ("poem.txt".to_owned(), &b"one\ntwo\nthree\n"[..]);
    let members = [
        Member::start(Kind::Ours, &[]),
        Member::start(Kind::Faults, &[(name, text)]),
    ];
    connected(&members, false);
    let run = |typed: &str| {
        ctl(members[0].home())
            .args(["cat", typed])
            .run()
            .expect_code(0)
            .stdout
    };
    assert_eq!(run("poem.txt"), "one\ntwo\nthree\n");
    assert_eq!(run("poem.txt:2"), "two\n");
}

#[test]
fn files_of_a_private_network_are_printed() {
    let options = noded().file("a.txt", "one\ntwo\n");
    let key = options.home().root().join("network-key");
    fs::write(&key, "k".repeat(32)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let key = ["--network-key-file".to_owned(), key.display().to_string()];
    let holder = options.args(&key).start();
    let asker = noded().args(&key).start();
    let _ = ctl(asker.home())
        .args(["hello", &holder.url])
        .run()
        .expect_code(0);
    for node in [&holder, &asker] {
        assert_eq!(cat(node, &["a.txt:2"]).expect_code(0).stdout, "two\n");
    }
    [asker, holder].into_iter().for_each(NodeProcess::stop);
}
