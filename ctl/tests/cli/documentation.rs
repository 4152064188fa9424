//! The examples of the pages on scripts print the text below them.

use crate::own_nodes::Up;

const PAGES: [&str; 3] = [
    include_str!("../../../docs/scripting.md"),
    include_str!("../../../docs/scripting-node.md"),
    include_str!("../../../docs/scripting-own.md"),
];

/// A script of a page and its output.
struct Example {
    heading: String,
    script: String,
    output: String,
}

/// Returns all scripts of the pages, each with its output.
fn examples() -> Vec<Example> {
    PAGES.into_iter().flat_map(examples_of).collect()
}

fn examples_of(page: &'static str) -> Vec<Example> {
    let mut examples = Vec::new();
    let mut heading = "";
    let mut script = None;
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        match line {
            "```rhai" => script = Some(block(&mut lines)),
            "```text" => examples.push(Example {
                heading: heading.to_owned(),
                script: script.take().expect("output stands below a script"),
                output: block(&mut lines),
            }),
            _ if line.starts_with('#') => {
                assert!(script.is_none(), "{heading} has a script without output");
                heading = line;
            }
            _ => {}
        }
    }
    examples
}

fn block<'a>(lines: &mut impl Iterator<Item = &'a str>) -> String {
    lines
        .take_while(|line| *line != "```")
        .fold(String::new(), |text, line| text + line + "\n")
}

#[test]
fn every_example_prints_what_the_page_says() {
    let peer = Up::start(&[
        ("letters/hello.txt", "hello\n"),
        ("notes/today.txt", "today"),
    ]);
    for example in examples() {
        let owner = Up::start(&[("readme.txt", "read me\n"), ("photos/cat.jpg", "cat")]);
        owner.ctl(["hello", &peer.url]).run().exits(0);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("example.rhai");
        std::fs::write(&file, &example.script).unwrap();
        let ended = owner
            .ctl(["run", file.to_str().unwrap(), &peer.url])
            .run()
            .exits(0);
        assert_eq!(ended.stdout, example.output, "{}", example.heading);
    }
}

#[test]
fn every_function_has_an_example() {
    let functions = [
        "args",
        "cache_clear",
        "cache_ls",
        "call",
        "date",
        "every",
        "exit",
        "fetch",
        "grep",
        "hello",
        "ls",
        "matches",
        "node",
        "now",
        "off",
        "on",
        "peers",
        "peers_rm",
        "plugin_ls",
        "print",
        "put",
        "search",
        "share",
        "sleep",
        "status",
        "stop",
        "text",
        "transfers",
        "transfers_cancel",
        "transfers_drop",
        "url",
        "wait",
    ];
    for function in functions {
        let called = |example: &Example| {
            example.heading.contains(function) && example.script.contains(function)
        };
        assert!(examples().iter().any(called), "{function}");
    }
}
