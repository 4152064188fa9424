//! `ctl watch`, and `on_match` in scripts.

use crate::world::{ctl, repository};

use super::*;

#[test]
fn watch_shows_each_content_once_over_its_runs() {
    let holder = noded().file("one.txt", "one").start();
    let node = noded().args(["--peer", &holder.url]).start();
    let run = |count: &str| {
        let run = ctl(node.home())
            .args(["watch", "*.txt", "--json", "--count", count])
            .run();
        let lines = run.expect_code(0).json_lines();
        let matches = lines.into_iter().filter(|line| line["type"] == "match");
        matches
            .map(|line| line["name"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(run("1"), ["one.txt"]);
    holder.home().put("two.txt", "two");
    holder.home().put("copy of one.txt", "one");
    assert_eq!(run("1"), ["two.txt"]);
    let node = node.kill().start();
    holder.home().put("three.txt", "three");
    let run = ctl(node.home())
        .args(["watch", "*.txt", "--count", "1"])
        .run()
        .expect_code(0);
    assert!(run.stdout.starts_with("three.txt  "), "{}", run.stdout);
    holder.stop();
    node.stop();
}

#[test]
fn command_gets_the_match_as_json_and_in_variables() {
    let name = "$(touch evil) 'quoted'; --help.txt";
    let node = noded().file(name, "hostile name").start();
    let command = "echo \"arg=$# name=$SIXHOP_MATCH_NAME size=$SIXHOP_MATCH_SIZE\"; cat";
    let args = ["watch", "*.txt", "--count", "1", "--exec", command];
    let run = ctl(node.home())
        .args(args)
        .current_dir(node.home().root())
        .run()
        .expect_code(0);
    let mut lines = run.stdout.lines().skip(1);
    assert_eq!(
        lines.next(),
        Some(format!("arg=0 name={name} size=12").as_str())
    );
    let given: Value = serde_json::from_str(lines.next().unwrap_or_default()).unwrap();
    assert_eq!(given["name"], name);
    assert_eq!(given["query"], "*.txt");
    assert!(!node.home().root().join("evil").exists());
    node.stop();
}

#[test]
fn failing_command_is_told_and_sets_the_code() {
    let node = noded().file("a.txt", "a").start();
    let args = ["watch", "*.txt", "--count", "1", "--exec", "exit 3"];
    let run = ctl(node.home()).args(args).run().expect_code(1);
    assert!(run.stderr.contains("exit status: 3"), "{}", run.stderr);
    let list = ctl(node.home())
        .args(["watch", "--list", "--json"])
        .run()
        .expect_code(0);
    let list = &list.json_lines()[0]["watches"];
    assert_eq!(list[0]["waiting"], 0, "{list}");
    node.stop();
}

#[test]
fn watch_that_fetches_is_listed_and_removed() {
    let holder = noded()
        .file(".sixhopignore", "!.*\n")
        .file(".profile.jpg", "of the holder's choice")
        .file("sea.jpg", "waves")
        .start();
    let node = noded().args(["--peer", &holder.url]).start();
    let run = |args: &[&str], code| ctl(node.home()).args(args).run().expect_code(code).stdout;
    run(&["watch", "*.jpg", "--fetch", "--count", "1"], 0);
    wait_until("the file is fetched", PATIENCE, || {
        let read = node.home().read("sea.jpg");
        read.ok_or_else(|| "not yet".to_owned())
    });
    // It was told first, and is hidden here.
    assert_eq!(node.home().read(".profile.jpg"), None);
    let list = run(&["watch", "--list"], 0);
    assert!(list.contains("fetches"), "{list}");
    for (args, code) in [
        (&["watch", "--remove", "1"][..], 0),
        (&["watch", "--remove", "1"], 3),
        (&["watch", "size:nonsense"], 2),
        (&["watch"], 2),
    ] {
        run(args, code);
    }
    holder.stop();
    node.stop();
}

#[test]
fn script_takes_a_match_when_its_function_has_returned() {
    let node = noded().file("a.txt", "a").file("b.txt", "b").start();
    let script = node.home().root().join("script.rhai");
    let run = |text: &str| {
        std::fs::write(&script, text).unwrap();
        ctl(node.home())
            .args(["run".as_ref(), script.as_os_str()])
            .run()
    };
    let fails = "on_match(\"name:*.txt\", |found| { print(found.name); throw \"no\"; });";
    let first = run(fails).expect_code(1).stdout;
    let stops = "on_match(\"name:*.txt\", |found| { print(found.name); stop(); });";
    assert_eq!(run(stops).expect_code(0).stdout, first, "it was not taken");
    let second = run(stops).expect_code(0).stdout;
    assert_ne!(second, first);
    node.stop();
}

#[test]
fn documentation_shows_the_script_as_it_is() {
    let read = |name: &str| std::fs::read_to_string(repository().join(name)).unwrap();
    let script = read("scripts/watch.rhai");
    let code = script
        .lines()
        .filter(|line| !line.starts_with("//") && !line.is_empty());
    assert!(code.clone().count() <= 15);
    let page = read("docs/scripting.md");
    let code: Vec<&str> = code.collect();
    assert!(
        page.contains(&code.join("\n")),
        "docs/scripting.md shows another script"
    );
}
