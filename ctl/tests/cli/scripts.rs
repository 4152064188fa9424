//! `ctl run` with the owner's node.

use std::{fs, io::BufRead, io::BufReader};

use crate::{errors::interrupt, fake::Fake, program::Ended};

fn run_with(fake: &Fake, text: &str, options: &[&str]) -> Ended {
    let file = fake.file("test.rhai");
    fs::write(&file, text).unwrap();
    let args = ["run"].into_iter().chain(options.iter().copied());
    fake.ctl(args.chain([file.to_str().unwrap(), "one", "--two"]))
        .run()
}

fn run(text: &str) -> Ended {
    run_with(&Fake::start(), text, &[])
}

#[test]
fn every_verb_works() {
    let text = r#"
        print(status().url.contains("127.0.0.1"));
        print(peers().len());
        print(ls().len());
        print(ls("http://127.0.0.1:5/")[2].name);
        print(search("*.txt")[0].size);
        print(hello("http://127.0.0.1:5/").state);
        print(fetch("x").bytes);
        print(fetch("there", #{replace: true}).state);
        print(call("share.stat", #{name: "q"}).name);
        print(call("node.status").pid);
        print(args);"#;
    let ended = run(text).exits(0);
    let expected = "true\n2\n3\ntheirs.txt\n5\nup\n12\ndone\nq\n1\n[\"one\", \"--two\"]\n";
    assert_eq!(ended.stdout, expected);
}

#[test]
fn what_is_printed_cannot_steer_the_terminal() {
    let ended = run("print(ls()[2].name); print(\"a\\tb\\nc\")").exits(0);
    assert_eq!(ended.stdout, "evil\\u{1b}[2J\\u{202e}.txt\na\tb\nc\n");
}

#[test]
fn an_error_names_its_place_and_sets_the_exit_code() {
    let fake = Fake::start();
    let ended = run_with(
        &fake,
        "fn get(name) {\n  fetch(name);\n}\nget(\"missing\");",
        &[],
    )
    .exits(3);
    let expected = format!(
        "{}:2:3 in get: no peer has missing\n",
        fake.file("test.rhai").display()
    );
    assert_eq!(ended.stderr, expected);
    for (call, exit) in [
        ("fetch(\"there\")", 13),
        ("hello(\"http://127.0.0.1:9/\")", 6),
        ("call(\"x.y\")", 2),
    ] {
        run_with(&fake, call, &[]).exits(exit);
    }
}

#[test]
fn an_error_can_be_caught_and_looked_at() {
    let text = r#"try { fetch("missing") } catch (e) { print(`${e.code}: ${e.message}`) }"#;
    assert_eq!(
        run(text).exits(0).stdout,
        "not_found: no peer has missing\n"
    );
}

#[test]
fn a_script_without_a_node_says_so() {
    let fake = Fake::start();
    fs::remove_file(fake.file("control")).unwrap();
    let ended = run_with(&fake, "print(1); peers();", &[]).exits(6);
    assert_eq!(ended.stdout, "1\n");
    assert!(ended.stderr.contains(":1:11: no node runs"), "{ended:?}");
}

#[test]
fn limits_end_a_script() {
    let fake = Fake::start();
    run_with(&fake, "loop { }", &["--max-time", "50ms"]).exits(124);
    run_with(&fake, "loop { }", &["--max-operations", "1000"]).exits(1);
    run_with(&fake, "loop { }", &["--timeout", "50ms"]).exits(124);
    run_with(&fake, "fetch(\"slow\")", &["--max-time", "3s"]).exits(124);
    assert_eq!(fake.seen(|seen| seen.cancelled.len()), 1);
}

#[test]
fn exit_sets_the_exit_code() {
    let ended = run("print(1); exit(42); print(2);").exits(42);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("1\n", ""));
}

#[test]
fn an_interrupt_ends_a_script() {
    let fake = Fake::start();
    let file = fake.file("test.rhai");
    fs::write(&file, "print(\"begun\"); sleep(1000);").unwrap();
    let mut child = fake.ctl(["run", file.to_str().unwrap()]).spawn();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    reader.read_line(&mut String::new()).unwrap();
    interrupt(child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_script_that_is_not_there_is_said_so() {
    let ended = Fake::start()
        .ctl(["run", "/nonexistent.rhai"])
        .run()
        .exits(2);
    assert!(
        ended
            .stderr
            .contains("cannot read the script /nonexistent.rhai"),
        "{ended:?}"
    );
}

#[test]
fn a_script_comes_on_standard_input() {
    let fake = Fake::start();
    let input = "\u{feff}print(args); print(status().files);";
    let ended = fake.ctl(["run", "-", "one", "--two"]).input(input).run();
    assert_eq!(ended.exits(0).stdout, "[\"one\", \"--two\"]\n3\n");
}

#[test]
fn verbs_take_the_options_of_the_command_line() {
    let text = r#"
        print(search("x", #{limit: 5, quick: true}).len());
        print(grep("fn  x", #{ignore_case: true})[0].excerpt.line);
        print(grep("y")[0].excerpt.after);
        print(search("x")[0].excerpt);
        print(fetch("there", #{replace: true}).state);
        print(fetch("photos/*").found);
        print(fetch("slow", #{detach: true}).state);
        print(transfers().len());
        print(transfers_cancel(2).state);
        print(transfers_drop(2).len());
        print(peers_rm("http://127.0.0.1:5/"));
        print(ls("http://127.0.0.1:5/").len());
        print(peers()[0].notice);"#;
    assert_eq!(
        run(text).exits(0).stdout,
        "2\n7\n\n\ndone\n3\nsearching\n3\ncancelled\n1\ntrue\n3\n\n"
    );
    for (text, exit) in [
        ("search(\"x\")[0].nmae", 1),
        ("search(\"x\", #{limt: 5})", 2),
        ("fetch(\"x\", #{to: \"/tmp\"})", 2),
        ("fetch(\"none*\")", 3),
    ] {
        run(text).exits(exit);
    }
}
