//! Commands that ask and show.

use crate::fake::Fake;

#[test]
fn ls_goes_through_all_pages_and_escapes_names() {
    let ended = Fake::start().ctl(["ls"]).run().exits(0);
    let expected = "a.txt\t2048\t2000-02-29T00:00:00Z\n\
                    b.txt\t0\t2000-02-29T00:00:00Z\n\
                    evil\\u{1b}[2J\\u{202e}.txt\t5\t2000-02-29T00:00:00Z\n";
    assert_eq!(ended.stdout, expected);
    assert!(
        ended.stderr.starts_with("1 entry is not shared"),
        "{ended:?}"
    );
}

#[test]
fn ls_of_what_is_skipped_says_why_through_all_pages() {
    let fake = Fake::start();
    let ended = fake.ctl(["ls", "--skipped"]).run().exits(0);
    let expected = "a\tit is a symbolic link\n\
                    evil\\u{1b}[2J\\u{202e}.txt\tit is a symbolic link\n";
    assert_eq!(ended.stdout, expected);
    let ended = fake.ctl(["ls", "--skipped", "--json"]).run().exits(0);
    assert_eq!(ended.json()["skipped"][0]["name"], "a");
}

#[test]
fn ls_as_json_is_one_object_of_printable_characters() {
    let ended = Fake::start().ctl(["ls", "--json"]).run().exits(0);
    assert_eq!(
        ended.json()["files"][2]["name"],
        "evil\u{1b}[2J\u{202e}.txt"
    );
    assert!(
        ended
            .stdout
            .trim_end()
            .chars()
            .all(|c| (' '..='~').contains(&c)),
        "{ended:?}"
    );
}

#[test]
fn ls_of_a_peer_asks_the_peer() {
    let ended = Fake::start()
        .ctl(["ls", "http://127.0.0.1:5/"])
        .run()
        .exits(0);
    assert!(ended.stdout.contains("theirs.txt\t3\t"), "{ended:?}");
}

#[test]
fn search_shows_hits_on_stdout_and_completeness_on_stderr() {
    let ended = Fake::start().ctl(["search", "*.txt"]).run().exits(0);
    let expected = "a.txt\t5\thttp://127.0.0.1:4242/\n\
                    evil\\u{1b}[2J\\u{202e}.txt\t5\thttp://127.0.0.1:4242/\n";
    assert_eq!(ended.stdout, expected);
    assert_eq!(ended.stderr, "asked 1, answered 1, timed out 0\n");
}

#[test]
fn search_traces_when_asked_and_is_quiet_when_asked() {
    let fake = Fake::start();
    let traced = fake
        .ctl(["search", "*.txt", "--trace", "--limit", "2"])
        .run()
        .exits(0);
    assert!(
        traced
            .stderr
            .contains("http://127.0.0.1:4242/ name: 2 hits in 1 ms, limit"),
        "{traced:?}"
    );
    assert!(traced.stderr.contains("see --limit"), "{traced:?}");
    let quiet = fake.ctl(["search", "*.txt", "--quiet"]).run().exits(0);
    assert_eq!(quiet.stderr, "");
}

#[test]
fn search_says_how_many_were_passed_over() {
    let fake = Fake::start();
    let quick = fake.ctl(["search", "*.txt", "--quick"]).run().exits(0);
    let told = "passed over 1, see --sure";
    assert!(quick.stderr.contains(told), "{quick:?}");
    let sure = fake.ctl(["search", "*.txt", "--sure"]).run().exits(0);
    assert!(!sure.stderr.contains("passed over"), "{sure:?}");
    fake.ctl(["search", "*.txt", "--sure", "--quick"])
        .run()
        .exits(2);
}

#[test]
fn search_without_a_hit_exits_with_3() {
    let fake = Fake::start();
    let ended = fake.ctl(["search", "none"]).run().exits(3);
    assert_eq!(ended.stdout, "");
    assert!(
        ended
            .stderr
            .ends_with("ctl: nothing here or at the peers matches none\n"),
        "{ended:?}"
    );
    let json = fake.ctl(["search", "none", "--json"]).run().exits(3);
    assert_eq!(json.json()["asked"], 1);
}

#[test]
fn hello_says_whether_the_peer_answered() {
    let fake = Fake::start();
    let up = fake.ctl(["hello", "http://127.0.0.1:5/"]).run().exits(0);
    assert_eq!(up.stdout, "http://127.0.0.1:5/ answered\n");
    let down = fake.ctl(["hello", "http://127.0.0.1:9/"]).run().exits(6);
    assert_eq!(
        down.stderr,
        "ctl: http://127.0.0.1:9/ did not answer: connection refused; the node keeps it and tries again\n"
    );
    fake.ctl(["hello", "nonsense"]).run().exits(2);
}

#[test]
fn peers_are_rows_or_one_object() {
    let fake = Fake::start();
    let text = fake.ctl(["peers"]).run().exits(0);
    assert_eq!(
        text.stdout.lines().next(),
        Some("http://127.0.0.1:5/\tanswers\tSixhop node\tplain\t-\tyou\t-\t-\t-\t-\t-")
    );
    let json = fake.ctl(["peers", "--json"]).run().exits(0).json();
    assert_eq!(json["peers"][1]["state"], "new");
}

#[test]
fn status_shows_what_the_node_is_and_its_counts() {
    let fake = Fake::start();
    let text = fake.ctl(["status"]).run().exits(0).stdout;
    assert!(text.contains("shares     3 files from /share;"), "{text}");
    assert!(!text.contains("queries_received"), "{text}");
    let sandbox = "system calls held, files not to be had here (no Landlock)";
    assert!(text.contains(sandbox), "{text}");
    let text = fake.ctl(["status", "--counters"]).run().exits(0).stdout;
    assert!(text.contains("queries_received             7\n"), "{text}");
    assert_eq!(
        fake.ctl(["status", "--json"]).run().exits(0).json()["peers"],
        2
    );
}

#[test]
fn call_takes_any_method_with_named_parameters() {
    let fake = Fake::start();
    let ended = fake
        .ctl(["call", "share.stat", r#"{"name": "q.txt"}"#])
        .run()
        .exits(0);
    assert_eq!(ended.json()["name"], "q.txt");
    let stat = fake.ctl(["call", "share.stat"]).run().exits(2);
    assert!(
        stat.stderr.contains("does not accept these parameters"),
        "{stat:?}"
    );
    let unknown = fake.ctl(["call", "share.eat"]).run().exits(2);
    assert!(
        unknown.stderr.contains("ctl call rpc.discover"),
        "{unknown:?}"
    );
    fake.ctl(["call", "share.stat", "[\"q.txt\"]"])
        .run()
        .exits(2);
}

#[test]
fn events_come_as_lines_and_a_gap_is_told() {
    let fake = Fake::start();
    let text = fake.ctl(["events", "--limit", "1"]).run().exits(0);
    assert_eq!(
        text.stdout,
        "5 1970-01-01T00:00:00Z peer.up {\"url\":\"http://127.0.0.1:5/\"}\n"
    );
    let json = fake
        .ctl(["events", "--json", "--since", "7", "--limit", "3"])
        .run()
        .exits(0);
    let ids: Vec<_> = json
        .json_lines()
        .iter()
        .map(|event| event["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, [10, 11, 12]);
    assert_eq!(json.stderr, "lost 2 events before number 10\n");
}

#[test]
fn events_end_with_the_deadline() {
    let ended = Fake::start().ctl(["events", "--timeout", "300ms"]).run();
    assert!(ended.exits(124).stderr.contains("gave up after 300ms"));
}

#[test]
fn grep_shows_lines_with_their_place_and_escapes_all_but_tabs() {
    let fake = Fake::start();
    let ended = fake
        .ctl(["grep", "-i", "a \"b", "ext:rs", "-C", "1"])
        .run()
        .exits(0);
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines[0], "127.0.0.1:4242:a.txt-6-before");
    assert_eq!(
        lines[1],
        "127.0.0.1:4242:a.txt:7:2:\tgrep:\"(?i)a \\\"b\" context:1 ext:rs\\u{1b}"
    );
    assert_eq!(ended.stderr, "asked 1, answered 1, timed out 0\n");
}

#[test]
fn grep_in_json_has_a_line_per_hit_and_one_for_completeness() {
    let fake = Fake::start();
    let ended = fake.ctl(["grep", "x", "--json"]).run().exits(0);
    let lines: Vec<serde_json::Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3, "{ended:?}");
    assert_eq!(lines[0]["excerpt"]["line"], 7);
    assert_eq!(
        (&lines[2]["end"], &lines[2]["asked"]),
        (&"complete".into(), &1.into())
    );
    assert!(lines[2].get("trace").is_none(), "nobody asked for it");
    let types: Vec<_> = lines.iter().map(|line| &line["type"]).collect();
    assert_eq!(types, ["hit", "hit", "end"]);
    let traced = fake.ctl(["grep", "x", "--json", "--trace"]).run().exits(0);
    let last = traced.json_lines().pop().unwrap();
    assert!(last["trace"].is_array(), "{last}");
}

#[test]
fn grep_exits_with_3_without_hits_and_2_for_a_wrong_filter() {
    let fake = Fake::start();
    let none = fake.ctl(["grep", "none"]).run().exits(3);
    assert!(
        none.stderr
            .ends_with("ctl: no line here or at the peers matches none\n"),
        "{none:?}"
    );
    fake.ctl(["grep", "two words", "words"]).run().exits(2);
    fake.ctl(["grep", "x", "-C", "11"]).run().exits(2);
}
