//! Scripts: those of the repository run, and errors say where they are.

use e2e::{CtlRun, Home, introduce};

use crate::world::{ctl, noded, repository};

fn run_text(home: &Home, text: &str, args: &[&str]) -> CtlRun {
    let script = home.root().join("script.rhai");
    std::fs::write(&script, text).unwrap();
    ctl(home)
        .args(["run".as_ref(), script.as_os_str()])
        .args(args)
        .run()
}

#[test]
fn the_tour_fetches_a_file_over_two_hops() {
    let home = Home::new();
    let tour = ctl(&home)
        .current_dir(repository())
        .args(["run", "scripts/tour.rhai"])
        .run()
        .expect_code(0);
    println!("{}", tour.stdout);
    assert!(tour.stdout.lines().count() >= 5, "{}", tour.stdout);
    for word in [
        "hello",
        "found recipe.txt, 26 bytes",
        "two hops",
        "line 2: bake the bread",
    ] {
        assert!(
            tour.stdout.to_lowercase().contains(word),
            "no {word} in {}",
            tour.stdout
        );
    }
}

#[test]
fn the_mirror_fetches_what_is_not_here_yet() {
    let (near, far) = (
        noded().file("b.txt", "near").start(),
        noded().file("a.txt", "a").file("b.txt", "far").start(),
    );
    introduce(&near.url, &far.url);
    let mirror = ctl(near.home())
        .current_dir(repository())
        .args(["run", "scripts/mirror.rhai", "*.txt"])
        .run()
        .expect_code(0);
    println!("{}", mirror.stdout);
    assert_eq!(near.home().read("b.txt").as_deref(), Some(&b"near"[..]));
    near.stop();
    far.stop();
}

#[test]
fn every_script_of_the_repository_is_run_here() {
    let mut scripts: Vec<String> = std::fs::read_dir(repository().join("scripts"))
        .expect("the repository has scripts")
        .map(|e| {
            e.expect("the repository is readable")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| name.ends_with(".rhai"))
        .collect();
    scripts.sort();
    assert_eq!(
        scripts,
        ["mirror.rhai", "policy.rhai", "tour.rhai", "watch.rhai"],
        "a script has no test"
    );
}

#[test]
fn an_error_names_file_line_and_function_and_sets_the_code() {
    let home = Home::new();
    let failed = run_text(
        &home,
        "let x = 1;\nfn broken() {\n    no_such_function(1)\n}\nbroken();\n",
        &[],
    );
    assert_eq!(failed.code, 1, "{}", failed.stderr);
    for word in ["script.rhai", "3", "broken", "no_such_function"] {
        assert!(
            failed.stderr.contains(word),
            "no {word} in {}",
            failed.stderr
        );
    }
    let syntax = run_text(&home, "let x = 1;\nlet = ;\n", &[]);
    assert_ne!(syntax.code, 0);
    assert!(
        syntax.stderr.contains("script.rhai") && syntax.stderr.contains('2'),
        "{}",
        syntax.stderr
    );
    let missing = ctl(&home).args(["run", "no-such.rhai"]).run();
    assert_ne!(missing.code, 0);
    assert!(
        missing.stderr.contains("no-such.rhai"),
        "{}",
        missing.stderr
    );
}

#[test]
fn a_failed_verb_sets_its_own_code() {
    let node = noded().file("here.txt", "here").start();
    for (text, code) in [
        ("fetch(\"missing.txt\");", 3),
        ("fetch(\"here.txt\");", 13),
        ("hello(\"no url\");", 2),
    ] {
        let failed = run_text(node.home(), text, &[]);
        assert_eq!(failed.code, code, "{text}: {}", failed.stderr);
    }
    node.stop();
    let home = Home::new();
    assert_eq!(run_text(&home, "status();", &[]).code, 6);
}

#[test]
fn the_verbs_do_what_they_say() {
    let (near, far) = (
        noded().file("near.txt", "near").start(),
        noded().file("far.txt", "far").start(),
    );
    let text = r#"
hello(args[0]);
fetch("far.txt");
let names = ls().map(|f| f.name);
print(names.contains("near.txt") && names.contains("far.txt"));
print(search("near.txt").len() > 0);
print(peers().len() > 0);
print(status().url);
print(call("node.status", #{}).url == status().url);
"#;
    let run = run_text(near.home(), text, &[&far.url]).expect_code(0);
    assert_eq!(
        run.stdout,
        format!("true\ntrue\ntrue\n{}\ntrue\n", near.url),
        "{}",
        run.stderr
    );
    near.stop();
    far.stop();
}

#[test]
fn a_script_runs_a_node_of_its_own() {
    let home = Home::new();
    home.put("a.txt", "a");
    let text = format!(
        "let n = node(#{{share: {:?}}});\nprint(n.ls().len());\nprint(n.status().url.starts_with(\"http\"));\n",
        home.share()
    );
    let run = run_text(&home, &text, &[]).expect_code(0);
    assert_eq!(run.stdout, "1\ntrue\n", "{}", run.stderr);
}

#[test]
fn a_script_reaches_nothing_by_accident() {
    let home = Home::new();
    std::fs::write(home.root().join("module.rhai"), "print(\"imported\");").unwrap();
    for text in [
        "import \"module\" as m;",
        "eval(\"print(1)\");",
        "open_file(\"/etc/passwd\");",
        "exec(\"ls\");",
    ] {
        let failed = run_text(&home, text, &[]);
        assert_ne!(failed.code, 0, "{text}: {}", failed.stdout);
        assert_eq!(failed.stdout, "", "{text}");
    }
}

#[test]
fn deep_and_endless_recursion_is_an_error() {
    let home = Home::new();
    let endless = run_text(&home, "fn f(n) { f(n + 1) }\nf(0);\n", &[]);
    assert_eq!(endless.code, 1, "{}", endless.stderr);
    let deep = format!("let x = {}1{};", "(".repeat(5000), ")".repeat(5000));
    assert_ne!(run_text(&home, &deep, &[]).code, 0);
}

/// A script that fails leaves nothing behind: its node has ended.
#[test]
fn a_node_of_a_failed_script_has_ended() {
    let home = Home::new();
    let text = format!(
        "let n = node(#{{share: {:?}}});\nprint(n.status().url);\nthrow \"enough\";\n",
        home.share()
    );
    let run = run_text(&home, &text, &[]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("enough"), "{}", run.stderr);
    let url = run.stdout.trim();
    assert!(
        std::net::TcpStream::connect(e2e::http::address(url)).is_err(),
        "{url} still listens"
    );
}
