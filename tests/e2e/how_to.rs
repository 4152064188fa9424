//! The commands of the how-to pages are run as they stand there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use e2e::NodeProcess;

use crate::reader::{Reader, lines_in};
use crate::world::{noded, repository};

fn page(name: &str) -> String {
    fs::read_to_string(repository().join("docs/how-to").join(name)).expect("there is such a page")
}

/// Starts the other machine of a page, with the key that the page made.
fn other_machine(key: &Path) -> NodeProcess {
    noded()
        .file(
            "letters/to-ann.txt",
            "the annual report, and a tax report\n",
        )
        .file("notes/today.txt", "milk for the garden\n")
        .args(["--network-key-file", key.to_str().expect("a name in UTF-8")])
        .start()
}

#[test]
fn the_page_for_friends_works_word_for_word() {
    let commands = lines_in(&page("friend.md"), "sh");
    let nobody = noded().start();
    let mut reader = Reader::new(&nobody);
    fs::create_dir(reader.home.root().join("Public")).unwrap();
    reader.obey(&commands[0]);
    let friend = other_machine(&reader.home.root().join("friends.key"));
    reader.meets(&friend);
    for line in &commands[1..] {
        reader.obey(line);
    }
    let fetched = reader.home.root().join("Public/letters/to-ann.txt");
    assert!(fetched.exists());
    friend.stop();
    nobody.stop();
}

#[test]
fn the_page_for_all_machines_works_word_for_word() {
    let page = page("machines.md");
    let commands = lines_in(&page, "sh");
    let nobody = noded().start();
    let mut reader = Reader::new(&nobody);
    let home = reader.home.root().to_owned();
    fs::create_dir(home.join("Documents")).unwrap();
    reader.obey(&commands[0]);
    reader.obey(&commands[1]);
    let configuration = lines_in(&page, "toml").join("\n");
    fs::write(home.join(".config/sixhop/config.toml"), configuration).unwrap();
    let other = other_machine(&home.join("machines.key"));
    reader.meets(&other);
    for line in &commands[2..] {
        reader.obey(line);
    }
    let fetched = fs::read(home.join("today.txt")).unwrap();
    assert_eq!(fetched, b"milk for the garden\n");
    assert!(home.join("Documents/letters/to-ann.txt").exists());
    other.stop();
    nobody.stop();
}

#[test]
fn the_page_for_agents_works_word_for_word() {
    let peer = noded().start();
    let mut reader = Reader::new(&peer);
    fs::create_dir(reader.home.root().join("Documents")).unwrap();
    // A program that takes every entry stands for the client.
    let claude = reader.home.root().join("claude");
    fs::write(&claude, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&claude, PermissionsExt::from_mode(0o755)).unwrap();
    reader.obey("noded --share Documents");
    for line in lines_in(&page("agents.md"), "sh") {
        reader.obey(&line);
    }
    assert!(reader.home.root().join("helper.token").exists());
    peer.stop();
}

#[test]
fn the_page_for_a_nas_works_word_for_word() {
    let nobody = noded().start();
    let mut reader = Reader::new(&nobody);
    for line in lines_in(&page("nas.md"), "sh") {
        reader.obey(&line);
    }
    assert!(reader.has_node());
    nobody.stop();
}
