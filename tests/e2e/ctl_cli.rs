//! Tests of `ctl` as people and scripts meet it: its output, and its exit codes.

use std::time::Duration;

use e2e::{CtlRun, Home, NodeProcess, eventually, introduce, wait_until};
use serde_json::Value;

use crate::world::{ctl, noded};

/// Starts two nodes that know each other: near has `near.txt`, far has `far.txt` and more.
fn pair() -> (NodeProcess, NodeProcess) {
    let near = noded().file("near.txt", "near").start();
    let far = noded()
        .file("far.txt", "far")
        .file("more/deep.txt", "deep")
        .start();
    introduce(&near.url, &far.url);
    (near, far)
}

fn run(home: &Home, args: &[&str]) -> CtlRun {
    ctl(home).args(args).run()
}

/// Returns the result of a command as JSON: the last line, because a stream has one for each change.
fn json(home: &Home, args: &[&str]) -> Value {
    let run = ctl(home).args(["--json"]).args(args).run().expect_code(0);
    let last = run.stdout.lines().last().unwrap_or_default();
    serde_json::from_str(&run.stdout)
        .or_else(|_| serde_json::from_str(last))
        .unwrap_or_else(|e| panic!("{args:?}: {e}: {}", run.stdout))
}

/// Checks that a failure says one sentence that helps, on standard error only.
fn one_sentence(run: &CtlRun, words: &[&str]) {
    assert_eq!(run.stdout, "", "{}", run.stderr);
    let lines: Vec<&str> = run
        .stderr
        .lines()
        .filter(|l| !l.trim().is_empty())
        .collect();
    assert!((1..=3).contains(&lines.len()), "{}", run.stderr);
    for word in words {
        assert!(run.stderr.contains(word), "no {word:?} in {}", run.stderr);
    }
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}

#[test]
fn without_a_node_it_ends_with_6() {
    let home = Home::new();
    for args in [
        &["status"][..],
        &["peers"],
        &["ls"],
        &["fetch", "x.txt"],
        &["search", "x"],
        &["hello", "http://127.0.0.1:9/"],
    ] {
        one_sentence(&run(&home, args).expect_code(6), &["noded"]);
    }
}

#[test]
fn after_the_end_of_the_node_it_ends_with_6() {
    let options = noded().start().kill();
    one_sentence(&run(options.home(), &["status"]).expect_code(6), &["noded"]);
}

#[test]
fn with_a_wrong_secret_it_ends_with_24() {
    let node = noded().start();
    let wrong = Home::new();
    private_directory(&wrong.state());
    std::fs::write(wrong.state().join("control"), &node.control_address).unwrap();
    let secret = wrong.root().join("wrong-secret");
    std::fs::write(&secret, "0".repeat(64)).unwrap();
    private(&secret);
    for args in [&["status"][..], &["fetch", "x.txt"]] {
        let refused = ctl(&wrong)
            .env("SIXHOP_SECRET_FILE", &secret)
            .args(args)
            .run()
            .expect_code(24);
        one_sentence(&refused, &["secret"]);
        assert!(
            !refused.stderr.contains(&"0".repeat(64)),
            "the secret is shown"
        );
    }
    node.stop();
}

#[test]
fn the_secret_comes_from_a_file_or_a_variable() {
    let node = noded().start();
    let (own, moved) = (
        node.home().state().join("secret"),
        node.home().root().join("moved"),
    );
    let secret = node.home().secret();
    std::fs::rename(&own, &moved).unwrap();
    let status = || ctl(node.home()).args(["status"]);
    let _ = status().run().expect_code(24);
    let _ = status()
        .env("SIXHOP_SECRET_FILE", &moved)
        .run()
        .expect_code(0);
    let _ = status().env("SIXHOP_SECRET", secret).run().expect_code(0);
    std::fs::rename(&moved, &own).unwrap();
    node.stop();
}

fn private_directory(path: &std::path::Path) {
    let mut directory = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut directory, 0o700);
    directory.create(path).unwrap();
}

fn private(path: &std::path::Path) {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(path, mode).unwrap();
}

#[test]
fn for_a_missing_file_it_ends_with_3() {
    let (near, far) = pair();
    one_sentence(
        &run(near.home(), &["fetch", "missing.txt"]).expect_code(3),
        &["missing.txt"],
    );
    near.stop();
    far.stop();
}

#[test]
fn for_a_file_that_is_there_it_ends_with_13() {
    let (near, far) = pair();
    one_sentence(
        &run(near.home(), &["fetch", "near.txt"]).expect_code(13),
        &["near.txt", "--replace"],
    );
    let _ = run(near.home(), &["fetch", "far.txt"]).expect_code(0);
    one_sentence(
        &run(near.home(), &["fetch", "far.txt"]).expect_code(13),
        &["far.txt", "--replace"],
    );
    let _ = run(near.home(), &["fetch", "far.txt", "--replace"]).expect_code(0);
    near.stop();
    far.stop();
}

#[test]
fn for_wrong_usage_it_ends_with_2() {
    let node = noded().start();
    for args in [
        &["frobnicate"][..],
        &["fetch"],
        &["--wrong"],
        &["--secret", "x", "status"],
        &["--timeout", "soon", "status"],
        &["hello", "no url"],
        &["fetch", "../outside.txt"],
        &["search", "x", "--limit", "many"],
        &["search", "name:x* size:>nonsense"],
        &["fetch", "name:x* size:>nonsense"],
        &["fetch", &format!("blake3:{}", "0".repeat(60))],
        &["call", "node.status", "no JSON"],
    ] {
        let refused = run(node.home(), args).expect_code(2);
        assert!(
            !refused.stderr.is_empty() && refused.stdout.is_empty(),
            "{args:?}"
        );
    }
    node.stop();
}

#[test]
fn fetch_brings_a_file_into_the_share_or_to_a_path() {
    let (near, far) = pair();
    let _ = run(near.home(), &["fetch", "far.txt"]).expect_code(0);
    assert_eq!(near.home().read("far.txt").as_deref(), Some(&b"far"[..]));
    let to = near.home().root().join("copy.txt");
    let _ = ctl(near.home())
        .args(["fetch", "more/deep.txt", "--to"])
        .args([&to])
        .run()
        .expect_code(0);
    assert_eq!(std::fs::read(&to).unwrap(), b"deep");
    let again = ctl(near.home())
        .args(["fetch", "more/deep.txt", "--to"])
        .args([&to])
        .run();
    assert_eq!(again.code, 13, "{}", again.stderr);
    near.stop();
    far.stop();
}

#[test]
fn every_command_prints_json_that_programs_read() {
    let (near, far) = pair();
    let home = near.home();
    assert_eq!(
        json(home, &["status"])["url"],
        Value::from(near.url.as_str())
    );
    assert!(json(home, &["peers"]).to_string().contains(&far.url));
    assert!(json(home, &["ls"]).to_string().contains("near.txt"));
    let found = run(home, &["--json", "search", "near.txt"]).json_lines();
    assert_eq!(found[0]["name"], "near.txt", "{found:?}");
    assert!(
        json(home, &["hello", &far.url])
            .to_string()
            .contains(&far.url)
    );
    assert!(
        json(home, &["fetch", "far.txt"])
            .to_string()
            .contains("far.txt")
    );
    assert_eq!(
        json(home, &["call", "node.status"])["url"],
        Value::from(near.url.as_str())
    );
    assert!(json(home, &["call", "share.stat", r#"{"name":"near.txt"}"#])["size"] == 4);
    near.stop();
    far.stop();
}

#[test]
fn errors_are_json_too_when_asked() {
    let home = Home::new();
    let refused = ctl(&home).args(["--json", "status"]).run().expect_code(6);
    assert_eq!(refused.stdout, "", "results only on standard output");
    let error: Value = serde_json::from_str(&refused.stderr).unwrap();
    assert_eq!(error["error"]["exit"], 6, "{error}");
}

#[test]
fn people_read_what_it_prints() {
    let (near, far) = pair();
    for (args, word) in [
        (&["status"][..], near.url.as_str()),
        (&["peers"], &far.url),
        (&["ls"], "near.txt"),
        (&["ls", &far.url], "far.txt"),
        (&["search", "near*"], "near.txt"),
        (&["hello", &far.url], "127.0.0.1"),
        (&["completions", "bash"], "ctl"),
        (&["--help"], "fetch"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
    ] {
        let run = run(near.home(), args).expect_code(0);
        assert!(
            run.stdout.contains(word),
            "{args:?}: no {word} in {}",
            run.stdout
        );
        assert!(
            !run.stdout.contains('\u{1b}'),
            "{args:?}: colours in a pipe"
        );
    }
    let quiet = run(near.home(), &["--quiet", "fetch", "far.txt"]).expect_code(0);
    assert_eq!(quiet.stderr, "");
    near.stop();
    far.stop();
}

#[test]
fn a_search_without_hits_ends_with_3() {
    let node = noded().start();
    // Before the share is read, an answer is not complete.
    let searched = wait_until("the share is read", Duration::from_secs(30), || {
        let searched = run(node.home(), &["search", "nothing"]);
        if searched.code == 7 {
            Err(searched.stderr)
        } else {
            Ok(searched)
        }
    });
    one_sentence(&searched.expect_code(3), &["nothing"]);
    node.stop();
}

#[test]
fn names_are_printed_escaped() {
    let node = noded().start();
    let control = node.control();
    // The node refuses such names; its peers may not. What ctl prints of them is harmless.
    let evil = "evil\u{1b}]0;title\u{7}\u{202e}.txt";
    let refused = run(node.home(), &["fetch", evil]);
    assert_ne!(refused.code, 0);
    let printed = format!("{}{}", refused.stdout, refused.stderr);
    let raw = printed
        .chars()
        .find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
    assert_eq!(raw, None, "{printed:?}");
    drop(control);
    node.stop();
}

#[test]
fn a_deadline_ends_it_with_124() {
    let rogue = e2e::Rogue::start(e2e::Conduct::Stall);
    let node = noded().start();
    introduce(&node.url, &rogue.url);
    let late = run(node.home(), &["--timeout", "1s", "fetch", "slow.txt"]).expect_code(124);
    one_sentence(&late, &[]);
    node.stop();
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let node = (0..300)
        .fold(noded(), |n, at| n.file(&format!("{at}.txt"), "x"))
        .start();
    let command = format!(
        "{} --state {} ls | head -n 1",
        crate::world::ctl_program().display(),
        node.home().state().display()
    );
    let output = std::process::Command::new("sh")
        .args(["-c", &command])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    node.stop();
}

#[test]
fn events_show_what_happened_and_what_happens() {
    let (near, far) = pair();
    let _ = run(near.home(), &["fetch", "far.txt"]).expect_code(0);
    let shown = run(near.home(), &["events", "--since", "0", "--limit", "2"]).expect_code(0);
    assert_eq!(shown.stdout.lines().count(), 2, "{}", shown.stdout);
    assert!(shown.stdout.starts_with("1 "), "{}", shown.stdout);
    let late = run(
        near.home(),
        &["--timeout", "1s", "events", "--since", "1000"],
    )
    .expect_code(124);
    assert_eq!(late.stdout, "", "nothing happens");
    near.stop();
    far.stop();
}

#[test]
fn up_runs_a_node() {
    let home = Home::new();
    home.put("a.txt", "a");
    let mut child = std::process::Command::new(crate::world::ctl_program())
        .arg("--state")
        .arg(home.state())
        .args([
            "up",
            "--listen",
            "127.0.0.1:0",
            "--control",
            "127.0.0.1:0",
            "--share",
        ])
        .arg(home.share())
        .env("HOME", home.root())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let status = wait_until(
        "the node of ctl up answers",
        Duration::from_secs(20),
        || {
            let run = run(&home, &["--json", "status"]);
            if run.code == 0 {
                Ok(run.stdout)
            } else {
                Err(run.stderr)
            }
        },
    );
    let stopped = std::process::Command::new("sh")
        .args(["-c", &format!("kill -TERM {}", child.id())])
        .status();
    assert!(status.contains("127.0.0.1") && stopped.unwrap().success());
    let code = wait_until("ctl up ends", Duration::from_secs(5), || {
        match child.try_wait() {
            Ok(Some(status)) => Ok(status.code()),
            other => Err(format!("{other:?}")),
        }
    });
    assert!([Some(0), Some(130)].contains(&code), "{code:?}");
}

#[test]
fn the_shell_is_the_client_of_the_chapter() {
    let far = noded().file("far.txt", "far").start();
    let home = Home::new();
    let urls = home.root().join("urls.txt");
    std::fs::write(&urls, format!("{}\n", far.url)).unwrap();
    let own = e2e::Deserted::new();
    let shell = |input: &str| {
        ctl(&home)
            .args(["shell", "--url", &own.url, "--share"])
            .args([home.share()])
            .args(["--peers"])
            .args([&urls])
            .input(input)
            .run()
    };
    let said = shell("fetch fooo\nfetch far.txt\nexit\n").expect_code(0);
    assert!(
        format!("{}{}", said.stdout, said.stderr).contains("Couldn't find the file fooo"),
        "{said:?}"
    );
    assert_eq!(home.read("far.txt").as_deref(), Some(&b"far"[..]));
    let said = shell("").expect_code(0);
    assert!(!said.stderr.contains("panicked"), "{said:?}");
    far.stop();
}

#[test]
fn a_hello_makes_the_peer_known_to_both() {
    let (near, far) = (noded().start(), noded().start());
    let _ = run(near.home(), &["hello", &far.url]).expect_code(0);
    assert!(run(near.home(), &["peers"]).stdout.contains(&far.url));
    eventually("the other knows it too", || {
        run(far.home(), &["peers"]).stdout.contains(&near.url)
    });
    near.stop();
    far.stop();
}
