//! Text of a peer on its way to a terminal or a pipe: one hit is one line, and nothing of it steers the terminal.

use std::time::Duration;

use e2e::{NodeProcess, Rogue, wait_until, xmlrpc::to_base64};
use serde_json::json;

use crate::world::{ctl, ctl_at_terminal, noded};

/// A line that a peer says its file has: it forges a line, clears the screen, sets the title, hides the rest
/// and turns its direction around.
const HOSTILE: &str = "needle\nforged.txt\t1\thttp://honest/\t1\tneedle\r\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m\u{8}\
                       \u{202e}txt.exe\u{2066}\u{2028}\u{85}\u{ad}end";

/// The same in characters that are safe, but for tabs.
const SAFE: &str = r"needle\u{a}forged.txt	1	http://honest/	1	needle\u{d}\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m\u{8}\u{202e}txt.exe\u{2066}\u{2028}\u{85}\u{ad}end";

/// A value of bytes, which carries all that a string of XML cannot.
fn bytes(text: &str) -> String {
    format!(
        "<value><base64>{}</base64></value>",
        to_base64(text.as_bytes())
    )
}

fn member(name: &str, value: &str) -> String {
    format!("<member><name>{name}</name>{value}</member>")
}

/// A peer that has one file, in which every search finds [`HOSTILE`].
fn hostile_peer() -> Rogue {
    let line = format!(
        "<value><array><data><value><base64>{}</base64></value></data></array></value>",
        to_base64(HOSTILE.as_bytes())
    );
    let excerpt = [
        member("text", &bytes(HOSTILE)),
        member("line", "<value><int>7</int></value>"),
        member("column", "<value><int>1</int></value>"),
        member("before", &line),
        member("after", &line),
    ]
    .concat();
    let hit = [
        member("name", "<value><string>theirs.txt</string></value>"),
        member("size", "<value><int>9</int></value>"),
        member(
            "excerpt",
            &format!("<value><struct>{excerpt}</struct></value>"),
        ),
    ]
    .concat();
    Rogue::finding(&format!(
        "<struct>{}{}</struct>",
        member(
            "hits",
            &format!(
                "<value><array><data><value><struct>{hit}</struct></value></data></array></value>"
            ),
        ),
        member("peers", "<value><array><data/></array></value>"),
    ))
}

/// A node with `ours.txt` that knows the hostile peer.
fn beside_hostile_peer() -> (NodeProcess, Rogue) {
    let rogue = hostile_peer();
    let node = noded().file("ours.txt", "our needle is here\n").start();
    let url = json!({ "url": rogue.url });
    node.control().must("peer.add", url);
    wait_until("our own file is found", Duration::from_secs(30), || {
        let query = json!({ "query": "text:needle", "reach": "quick" });
        let found = node.control().must("search.query", query);
        (found["hits"]
            .as_array()
            .is_some_and(|hits| !hits.is_empty()))
        .then_some(())
        .ok_or_else(|| found.to_string())
    });
    (node, rogue)
}

/// Returns true if a character could make a second line or steer a terminal.
fn is_harmful(c: char) -> bool {
    let formats = ['\u{ad}', '\u{2028}', '\u{2029}'];
    (c.is_control() && c != '\t' && c != '\n')
        || formats.contains(&c)
        || ('\u{200e}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c)
}

#[test]
fn hostile_excerpt_is_one_line_of_search_in_a_pipe() {
    let (node, _rogue) = beside_hostile_peer();
    let run = ctl(node.home())
        .args(["search", "--sure", "text:needle"])
        .run()
        .expect_code(0);
    assert!(!run.stdout.contains(is_harmful), "{:?}", run.stdout);
    let theirs: Vec<_> = run
        .stdout
        .lines()
        .filter(|line| line.contains("forged"))
        .collect();
    let [line] = theirs[..] else {
        panic!("one hit is one line: {:?}", run.stdout);
    };
    let cells: Vec<_> = line.split('\t').collect();
    assert_eq!(
        cells.len(),
        5,
        "a tab of the peer makes no column: {line:?}"
    );
    assert_eq!((cells[0], cells[3]), ("theirs.txt", "7"));
    assert_eq!(cells[4], SAFE.replace('\t', r"\u{9}"));
    assert!(
        run.stdout
            .lines()
            .any(|line| line.starts_with("ours.txt\t"))
    );
    assert!(!run.stderr.contains(is_harmful), "{:?}", run.stderr);
    node.stop();
}

#[test]
fn hostile_excerpt_is_one_line_of_grep_in_a_pipe() {
    let (node, _rogue) = beside_hostile_peer();
    let run = ctl(node.home())
        .args(["grep", "needle"])
        .run()
        .expect_code(0);
    assert!(!run.stdout.contains(is_harmful), "{:?}", run.stdout);
    let lines: Vec<_> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{:?}", run.stdout);
    let theirs = lines.iter().find(|line| line.contains("theirs.txt"));
    let theirs = theirs.expect("their file is shown");
    assert!(
        theirs.ends_with(&format!("theirs.txt:7:1:{SAFE}")),
        "{theirs:?}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.ends_with("ours.txt:1:5:our needle is here"))
    );
    let around = ctl(node.home())
        .args(["grep", "-C", "1", "needle"])
        .run()
        .expect_code(0);
    assert!(!around.stdout.contains(is_harmful), "{:?}", around.stdout);
    let begins =
        |line: &str| line == "--" || line.contains("theirs.txt") || line.contains("ours.txt");
    assert!(around.stdout.lines().all(begins), "{:?}", around.stdout);
    node.stop();
}

#[test]
fn hostile_excerpt_steers_no_terminal() {
    let (node, _rogue) = beside_hostile_peer();
    let safe = SAFE.split('\t').next_back().unwrap();
    for args in [
        &["search", "--sure", "text:needle"][..],
        &["grep", "needle"],
    ] {
        let terminal = ctl_at_terminal(node.home(), 400, args);
        let screen = wait_until("their hit is shown", Duration::from_secs(30), || {
            let screen = terminal.raw();
            let is_whole = screen.contains("theirs.txt") && screen.contains("ours.txt");
            if is_whole && screen.contains("end") {
                Ok(screen)
            } else {
                Err(screen)
            }
        });
        assert!(screen.contains(safe), "{screen:?}");
        assert!(
            !screen.contains("\u{1b}[2J") && !screen.contains("\u{1b}]0;"),
            "{screen:?}"
        );
        assert!(
            !screen.contains(['\u{7}', '\u{8}', '\u{9b}', '\u{202e}', '\u{2066}']),
            "{screen:?}"
        );
        assert!(
            !screen.lines().any(|line| line.starts_with("forged")),
            "{screen:?}"
        );
    }
    node.stop();
}

#[test]
fn hostile_excerpt_is_one_line_of_json() {
    let (node, _rogue) = beside_hostile_peer();
    let run = ctl(node.home())
        .args(["--json", "search", "--sure", "text:needle"])
        .run()
        .expect_code(0);
    assert!(!run.stdout.contains(is_harmful), "{:?}", run.stdout);
    let found = run.json_lines();
    let mut said = found.iter().map(|line| &line["excerpt"]["text"]);
    assert!(
        said.any(|text| text == HOSTILE),
        "nothing is lost: {found:?}"
    );
    node.stop();
}
