//! Tests of NAME in `ctl fetch`: exactly this file first, here and at the peers, then a pattern.

use std::time::Duration;

use e2e::{Conduct, NodeProcess, Rogue, introduce, wait_until};

use crate::world::{Kind, Member, ctl, noded};

/// Names with the signs of patterns, and for each a file that the pattern would fit.
const ODD: [(&str, &str); 5] = [
    ("Song [Live].mp3", "Song L.mp3"),
    ("data{1}.csv", "data1.csv"),
    ("Album [2013]/01.mp3", "Album 2/01.mp3"),
    ("Track [01.mp3", "Track 01.mp3"),
    ("what*.txt", "whatever.txt"),
];

/// Starts a node that asks two others: one has the matches of the patterns, the other the files of exactly these names.
fn between() -> (NodeProcess, NodeProcess, NodeProcess) {
    let near = noded().start();
    let with = |names: [&str; 5]| {
        let file = |node: e2e::NodeOptions, name: &str| node.file(name, name);
        names.into_iter().fold(noded(), file).start()
    };
    let (like, exact) = (
        with(ODD.map(|(_, like)| like)),
        with(ODD.map(|(name, _)| name)),
    );
    for peer in [&like, &exact] {
        introduce(&near.url, &peer.url);
        introduce(&peer.url, &near.url);
    }
    (near, like, exact)
}

#[test]
fn a_name_with_signs_of_patterns_is_fetched_as_printed() {
    let (near, like, exact) = between();
    for (name, other) in ODD {
        let _ = ctl(near.home()).args(["fetch", name]).run().expect_code(0);
        assert_eq!(near.home().read(name).as_deref(), Some(name.as_bytes()));
        assert_eq!(near.home().read(other), None, "{other}");
        // Once it is here, it is said to be here, and nothing else comes in its place.
        let _ = ctl(near.home()).args(["fetch", name]).run().expect_code(13);
        assert_eq!(near.home().read(other), None, "{other}");
    }
    [near, like, exact].into_iter().for_each(NodeProcess::stop);
}

#[test]
fn a_name_with_signs_is_fetched_to_a_place_and_by_scripts() {
    let (near, like, exact) = between();
    let to = near.home().root().join("out");
    std::fs::create_dir(&to).unwrap();
    let names = ODD.map(|(name, _)| name);
    let _ = ctl(near.home())
        .args(["fetch"])
        .args(names)
        .args(["--to"])
        .args([&to])
        .run()
        .expect_code(0);
    for name in names {
        let last = name.rsplit('/').next().unwrap();
        assert_eq!(std::fs::read(to.join(last)).unwrap(), name.as_bytes());
    }
    let script = near.home().root().join("fetch.rhai");
    std::fs::write(&script, "print(fetch(args[0]).name)").unwrap();
    let run = ctl(near.home())
        .args(["run"])
        .args([&script])
        .args([names[0]]);
    assert_eq!(run.run().expect_code(0).stdout, format!("{}\n", names[0]));
    [near, like, exact].into_iter().for_each(NodeProcess::stop);
}

#[test]
fn a_pattern_brings_what_fits_if_no_file_has_its_name() {
    let (near, like, exact) = between();
    let _ = ctl(near.home())
        .args(["fetch", "Song [KL].mp3"])
        .run()
        .expect_code(0);
    assert!(near.home().read("Song L.mp3").is_some());
    assert!(near.home().read("Song [Live].mp3").is_none());
    // What fits nearly is not asked for.
    for name in ["Track [02.mp3", "tracks [01*", "\"Song [KL].mp3\""] {
        let missed = ctl(near.home()).args(["fetch", name]).run();
        assert_eq!(missed.code, 3, "{name}: {missed:?}");
    }
    let _ = ctl(near.home())
        .args(["fetch", "\"data{1}.csv\"", "Album [2013]/"])
        .run()
        .expect_code(0);
    for name in ["data{1}.csv", "Album [2013]/01.mp3"] {
        assert!(near.home().read(name).is_some(), "{name}");
    }
    assert!(near.home().read("Album 2/01.mp3").is_none());
    [near, like, exact].into_iter().for_each(NodeProcess::stop);
}

#[test]
fn the_last_part_of_a_name_with_signs_is_enough() {
    let near = noded().start();
    let far = noded()
        .file("Music/Song [Live].mp3", "live")
        .file("Music/Song L.mp3", "other")
        .start();
    introduce(&near.url, &far.url);
    let _ = ctl(near.home())
        .args(["fetch", "Song [Live].mp3"])
        .run()
        .expect_code(0);
    assert!(near.home().read("Music/Song [Live].mp3").is_some());
    assert!(near.home().read("Music/Song L.mp3").is_none());
    near.stop();
    far.stop();
}

#[test]
fn content_has_one_spelling_and_is_64_digits() {
    let near = noded().start();
    let far = noded().file("a.txt", "hello").start();
    introduce(&near.url, &far.url);
    let found = ctl(near.home())
        .args(["--json", "search", "a.txt"])
        .run()
        .expect_code(0);
    let digest = found.json_lines()[0]["digest"].as_str().unwrap().to_owned();
    let upper = format!("blake3:{}", digest.to_uppercase());
    let _ = ctl(near.home())
        .args(["fetch", &upper])
        .run()
        .expect_code(0);
    assert_eq!(near.home().entries(), std::slice::from_ref(&digest));
    for method in [
        format!(r#"{{"name": "{upper}"}}"#),
        format!(r#"{{"name": "blake3:{}"}}"#, &digest[4..]),
    ] {
        let run = ctl(near.home())
            .args(["call", "fetch.start", &method])
            .run();
        assert!([2, 13].contains(&run.code), "{run:?}");
    }
    assert_eq!(near.home().entries(), [digest]);
    near.stop();
    far.stop();
}

#[test]
fn a_book_peer_is_asked_for_the_name_before_it_is_a_pattern() {
    let near = noded().start();
    let like = noded()
        .file("Song Live.mp3", "words")
        .file("Song L.mp3", "pattern")
        .start();
    let files = [("Song [Live].mp3".to_owned(), &b"exact"[..])];
    let book = Member::start(Kind::Faults, &files);
    introduce(&near.url, &like.url);
    introduce(&near.url, book.url());
    let _ = ctl(near.home())
        .args(["fetch", "Song [Live].mp3"])
        .run()
        .expect_code(0);
    assert_eq!(near.home().entries(), ["Song [Live].mp3"]);
    near.stop();
    like.stop();
}

#[test]
fn a_name_with_signs_is_searched_as_printed() {
    let (near, like, exact) = between();
    for (name, _) in ODD {
        for query in [
            name.to_owned(),
            format!("name:{name}"),
            format!("\"{name}\""),
        ] {
            let run = ctl(near.home())
                .args(["search", &query])
                .run()
                .expect_code(0);
            let names: Vec<&str> = run
                .stdout
                .lines()
                .filter_map(|l| l.split('\t').next())
                .collect();
            // What `*` fits is a hit of its own as well.
            let is_alone = name.contains('*') || names == [name];
            assert!(names.contains(&name) && is_alone, "{query}: {names:?}");
        }
    }
    [near, like, exact].into_iter().for_each(NodeProcess::stop);
}

#[test]
fn a_book_peer_that_never_answers_does_not_hold_up_a_pattern() {
    let near = noded().start();
    let far = noded().file("a 1.mp3", "1").file("a 2.mp3", "2").start();
    let silent = Rogue::start(Conduct::Stall);
    introduce(&near.url, &far.url);
    introduce(&near.url, &silent.url);
    // The walk to chapter peers takes eight seconds.
    let _ = ctl(near.home())
        .args(["--timeout", "7s", "fetch", "a *.mp3"])
        .run()
        .expect_code(0);
    assert_eq!(near.home().entries(), ["a 1.mp3", "a 2.mp3"]);
    assert_eq!(silent.queries(), 1, "it was asked for the name");
    near.stop();
    far.stop();
}

#[test]
fn content_goes_to_a_place_from_here_a_peer_or_one_behind_it() {
    let nodes = [
        noded().start(),
        noded().start(),
        noded().file("far.txt", "far away\n").start(),
    ];
    nodes[0].home().put("own.txt", "own\n");
    introduce(&nodes[0].url, &nodes[1].url);
    introduce(&nodes[1].url, &nodes[2].url);
    let digest = |node: &NodeProcess, name: &str| {
        let found = ctl(node.home()).args(["--json", "search", name]).run();
        let first = found.json_lines().into_iter().next()?;
        first["digest"].as_str().map(str::to_owned)
    };
    let near = &nodes[0];
    for (holder, name, text) in [(0, "own.txt", "own\n"), (2, "far.txt", "far away\n")] {
        let digest = wait_until("the file has a digest", Duration::from_secs(30), || {
            digest(&nodes[holder], name).ok_or(name.to_owned())
        });
        let content = format!("BLAKE3:{}", digest.to_uppercase());
        let shown = ctl(near.home())
            .args(["fetch", &content, "--to", "-"])
            .run();
        assert_eq!(shown.expect_code(0).stdout, text);
        let to = near.home().root().join("out");
        std::fs::create_dir_all(&to).unwrap();
        let fetch = ctl(near.home())
            .args(["fetch", &content, "--to"])
            .args([&to]);
        let _ = fetch.run().expect_code(0);
        assert_eq!(std::fs::read_to_string(to.join(&digest)).unwrap(), text);
        let mixed = ctl(near.home()).args(["fetch", &content, name, "--to", "out", "--replace"]);
        let _ = mixed.run().expect_code(0);
        assert_eq!(std::fs::read_to_string(to.join(name)).unwrap(), text);
    }
    assert_eq!(
        near.home().entries(),
        ["own.txt"],
        "nothing was stored in the share"
    );
    let nobody = format!("blake3:{}", "0".repeat(64));
    let missed = ctl(near.home()).args(["fetch", &nobody, "--to", "-"]).run();
    assert!(missed.expect_code(3).stderr.contains(&nobody));
    nodes.into_iter().for_each(NodeProcess::stop);
}
