//! `ctl fetch`, into the share and past it.

use std::{
    fs,
    io::{BufRead, BufReader},
};

use crate::{
    errors::interrupt,
    fake::{CONTENT, Fake},
};

#[test]
fn a_fetched_file_is_one_line() {
    let ended = Fake::start().ctl(["fetch", "x"]).run().exits(0);
    assert_eq!(ended.stdout, "fetched x (12 B) from http://127.0.0.1:5/\n");
    assert_eq!(ended.stderr, "");
}

#[test]
fn with_json_each_change_is_a_line_and_the_last_is_the_end() {
    let fake = Fake::start();
    let states = |name| -> Vec<String> {
        let lines = fake.ctl(["--json", "fetch", name]).run().json_lines();
        lines
            .iter()
            .map(|line| {
                let (kind, state) = (&line["type"], &line["state"]);
                format!("{} {}", kind.as_str().unwrap(), state.as_str().unwrap())
            })
            .collect()
    };
    assert_eq!(states("x"), ["progress searching", "end done"]);
    assert_eq!(states("missing"), ["progress searching", "end failed"]);
}

#[test]
fn each_failure_has_its_exit_code_and_one_sentence() {
    let fake = Fake::start();
    for (name, exit) in [("missing", 3), ("there", 13), ("full", 9), ("forged", 32)] {
        let ended = fake.ctl(["fetch", name]).run().exits(exit);
        assert_eq!(
            (ended.stderr.lines().count(), ended.stdout.as_str()),
            (1, ""),
            "{ended:?}"
        );
        assert!(ended.stderr.contains(name), "{ended:?}");
    }
}

#[test]
fn replace_is_passed_on() {
    let fake = Fake::start();
    fake.ctl(["fetch", "there", "--replace"]).run().exits(0);
    assert_eq!(fake.seen(|seen| seen.replaced.clone()), ["there"]);
}

#[test]
fn a_deadline_cancels_the_fetch_at_the_node() {
    let fake = Fake::start();
    fake.ctl(["fetch", "slow", "--timeout", "3s"])
        .run()
        .exits(124);
    assert_eq!(fake.seen(|seen| seen.cancelled.len()), 1);
}

#[test]
fn an_interrupt_cancels_the_fetch_at_the_node() {
    let fake = Fake::start();
    let mut child = fake.ctl(["fetch", "slow", "--json"]).spawn();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    reader.read_line(&mut String::new()).unwrap();
    interrupt(child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(fake.seen(|seen| seen.cancelled.len()), 1);
}

#[test]
fn to_a_path_writes_the_very_bytes() {
    let fake = Fake::start();
    let path = fake.file("copy.txt");
    let ended = fake
        .ctl(["fetch", "here.txt", "--to", path.to_str().unwrap()])
        .run()
        .exits(0);
    assert_eq!(fs::read_to_string(&path).unwrap(), CONTENT);
    assert!(
        ended.stdout.starts_with("fetched here.txt (16 B) to "),
        "{ended:?}"
    );
}

#[test]
fn to_a_directory_takes_the_last_part_of_the_name() {
    let fake = Fake::start();
    let ended = fake
        .ctl([
            "--json",
            "fetch",
            "notes/here.txt",
            "--to",
            fake.state().to_str().unwrap(),
        ])
        .run();
    assert_eq!(ended.exits(0).json()["state"], "done");
    assert_eq!(fs::read_to_string(fake.file("here.txt")).unwrap(), CONTENT);
}

#[test]
fn to_an_existing_file_fails_before_anything_is_asked() {
    let fake = Fake::start();
    let path = fake.file("old.txt");
    fs::write(&path, "old").unwrap();
    fs::remove_file(fake.file("control")).unwrap();
    fake.ctl(["fetch", "here.txt", "--to", path.to_str().unwrap()])
        .run()
        .exits(13);
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
}

#[test]
fn to_an_existing_file_with_replace_replaces_it() {
    let fake = Fake::start();
    let path = fake.file("old.txt");
    fs::write(&path, "old").unwrap();
    fake.ctl([
        "fetch",
        "here.txt",
        "--replace",
        "--to",
        path.to_str().unwrap(),
    ])
    .run()
    .exits(0);
    assert_eq!(fs::read_to_string(&path).unwrap(), CONTENT);
}

#[test]
fn a_failed_download_leaves_nothing() {
    let fake = Fake::start();
    let dir = tempfile::tempdir().unwrap();
    for (name, exit) in [("missing", 3), ("cut-short", 6)] {
        let path = dir.path().join("copy");
        let ended = fake
            .ctl(["fetch", name, "--to", path.to_str().unwrap()])
            .run()
            .exits(exit);
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_pattern_is_fetched_as_one_operation_with_a_summary() {
    let fake = Fake::start();
    let ended = fake.ctl(["fetch", "photos/**"]).run().exits(0);
    assert_eq!(ended.stdout, "fetched 3 files (12 B)\n");
    let ended = fake.ctl(["fetch", "none*"]).run().exits(3);
    assert!(ended.stderr.contains("none*"), "{ended:?}");
    let ended = fake.ctl(["fetch", "bad*"]).run().exits(1);
    assert!(ended.stderr.contains("1 of 3 files"), "{ended:?}");
    assert!(ended.stderr.contains("bad.txt"), "{ended:?}");
    fake.ctl(["fetch", "photos/", "--to", "/nowhere/at/all"])
        .run()
        .exits(2);
}

#[test]
fn several_names_are_fetched_and_each_failure_is_said() {
    let fake = Fake::start();
    let ended = fake.ctl(["fetch", "a", "missing", "b"]).run().exits(3);
    assert_eq!(ended.stdout.matches("fetched").count(), 2, "{ended:?}");
    assert!(ended.stderr.contains("no peer has missing"), "{ended:?}");
    assert!(ended.stderr.contains("not fetched: 1 of 3"), "{ended:?}");
    fake.ctl(["fetch", "a", "missing", "there"]).run().exits(1);
    fake.ctl(["fetch", "a", "b"]).run().exits(0);
}

#[test]
fn a_pattern_to_a_directory_keeps_the_whole_names() {
    let fake = Fake::start();
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().to_str().unwrap();
    let ended = fake.ctl(["fetch", "photos/*", "--to", to]).run().exits(1);
    for name in ["photos/here.txt", "photos/b/here.txt"] {
        let copy = fs::read_to_string(dir.path().join(name));
        assert_eq!(copy.unwrap(), CONTENT, "{name}");
    }
    assert!(!dir.path().join("photos/.bashrc").exists());
    assert!(ended.stderr.contains("begins with a dot"), "{ended:?}");
    fake.ctl(["fetch", "none*", "--to", to]).run().exits(3);
}

#[test]
fn a_file_to_standard_output_is_nothing_but_its_bytes() {
    let fake = Fake::start();
    let ended = fake.ctl(["fetch", "here.txt", "--to", "-"]).run().exits(0);
    assert_eq!(ended.stdout, CONTENT);
    fake.ctl(["fetch", "photos/*", "--to", "-"]).run().exits(2);
}

#[test]
fn a_detached_fetch_is_not_waited_for() {
    let fake = Fake::start();
    let ended = fake.ctl(["fetch", "slow", "--detach"]).run().exits(0);
    assert_eq!(ended.stdout, "fetch 2 of x goes on; see `ctl transfers`\n");
    let ended = fake.ctl(["--json", "fetch", "a*", "--detach"]).run();
    assert_eq!(ended.exits(0).json()["query"], "name:a*");
    assert!(fake.seen(|seen| seen.cancelled.is_empty()));
}

#[test]
fn transfers_are_listed_cancelled_and_dropped() {
    let fake = Fake::start();
    let ended = fake.ctl(["transfers"]).run().exits(0);
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            "1\tdone\t8\t12\tname:bad*\t2 of 3 files, 1 failed",
            "1\tfailed\t0\t-\tx\tno peer has missing",
            "2\treceiving\t0\t-\tx\t-",
            "3\tdone\t12\t-\tx\thttp://127.0.0.1:5/",
        ]
    );
    let ended = fake.ctl(["transfers", "cancel", "2"]).run().exits(0);
    assert_eq!(ended.stdout, "fetch 2 of x: cancelled\n");
    assert_eq!(fake.seen(|seen| seen.cancelled.clone()), [2]);
    let ended = fake.ctl(["transfers", "drop", "1"]).run().exits(0);
    assert_eq!(ended.stdout, "nothing is kept of x any more\n");
    fake.ctl(["transfers", "cancel", "x"]).run().exits(2);
}
