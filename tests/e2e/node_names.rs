//! The names of nodes: where people see them, and what a name may be.

use std::process::Command;

use e2e::{eventually, introduce};
use serde_json::Value;

use crate::world::{ctl, ctl_at_terminal, noded};

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("ctl prints JSON")
}

#[test]
fn the_name_of_a_node_is_seen_wherever_the_node_is() {
    let near = noded().args(["--name", "study"]).start();
    let far = noded()
        .file("poem.txt", "a poem\n")
        .env("SIXHOP_NAME", "Anna's nas")
        .start();
    introduce(&near.url, &far.url);
    let ask = |args: &[&str]| json(&ctl(near.home()).args(args).run().stdout);
    eventually("the name is known", || {
        ask(&["peers", "--json"])["peers"][0]["name"] == "Anna's nas"
    });
    assert_eq!(ask(&["status", "--json"])["name"], "study");
    let search = ["search", "poem.txt", "--json", "--trace"];
    let found = ctl(near.home()).args(search).run().json_lines();
    assert_eq!(found[0]["node_name"], "Anna's nas", "{found:?}");
    let steps = found[1]["trace"].as_array().unwrap().iter();
    let names: Vec<_> = steps.map(|step| step["node_name"].clone()).collect();
    assert_eq!(names, ["study", "Anna's nas"], "{found:?}");
    let events = ctl(near.home())
        .args(["call", "events.since", r#"{"id": 0}"#])
        .run()
        .stdout;
    let named = json(&events)["events"].as_array().unwrap().clone();
    let named = named.iter().find(|event| event["type"] == "peer.named");
    assert_eq!(named.unwrap()["data"]["name"], "Anna's nas", "{events}");
    let address = far.url.trim_start_matches("http://").trim_end_matches('/');
    for (args, seen) in [
        (&["status"][..], "study".to_owned()),
        (&["peers"], "Anna's nas".to_owned()),
        (&["search", "poem.txt"], format!("Anna's nas ({address})")),
        (&["grep", "poem"], format!("Anna's nas ({address})")),
    ] {
        let (code, screen) = ctl_at_terminal(near.home(), 140, args).ends();
        assert_eq!(code, 0, "{screen}");
        assert!(screen.contains(&seen), "{args:?}: {screen}");
    }
    // A program still gets the URL.
    let plain = ctl(near.home()).args(["search", "poem.txt"]).run();
    assert!(plain.stdout.contains(&far.url), "{}", plain.stdout);
    near.stop();
    far.stop();
}

#[test]
fn the_name_is_that_of_the_machine_unless_the_owner_says_so() {
    let machine = Command::new("uname").arg("-n").output().unwrap();
    let machine = String::from_utf8(machine.stdout).unwrap();
    let machine = machine.trim().split('.').next().unwrap_or_default();
    let node = noded().start();
    let status = ctl(node.home()).args(["status", "--json"]).run();
    let status = json(&status.expect_code(0).stdout);
    let name = status["name"].as_str().unwrap_or_default();
    assert!(machine.starts_with(name) && !name.is_empty(), "{status}");
    node.stop();
}

#[test]
fn a_name_that_would_steer_a_terminal_is_refused() {
    for name in ["", " ", "a\u{1b}[2J", "two\nlines", &"x".repeat(65)] {
        let refused = noded().args(["--name", name]).refused();
        assert_eq!(refused.code, Some(2), "{name:?}");
        assert!(refused.stderr.contains("--name"), "{}", refused.stderr);
        assert!(!refused.stderr.contains('\u{1b}'), "{}", refused.stderr);
    }
}

#[test]
fn the_name_may_stand_in_the_configuration_file() {
    let options = noded();
    let file = options.home().root().join("config.toml");
    std::fs::write(&file, "name = \"attic\"\n").unwrap();
    let file = file.to_str().expect("a name in UTF-8").to_owned();
    let node = options.args(["--config", &file]).start();
    let status = ctl(node.home()).args(["status", "--json"]).run();
    assert_eq!(json(&status.stdout)["name"], "attic");
    node.stop();
}
