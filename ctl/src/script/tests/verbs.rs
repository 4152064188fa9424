//! No verb is missing: what a node can be asked over the control connection, `ctl` has a command for, and so has its
//! shell, which reads the same commands; and scripts have a function of the same name.

use clap::{CommandFactory, Parser};
use node_api::openrpc;

use crate::{cli::Cli, commands::shell};

/// A method of the control connection, and how a person and a script ask for it.
struct Verb {
    method: &'static str,
    /// A command line that calls it.
    command: &'static str,
    /// A call in a script.
    script: &'static str,
}

const fn verb(method: &'static str, command: &'static str, script: &'static str) -> Verb {
    Verb {
        method,
        command,
        script,
    }
}

const VERBS: &[Verb] = &[
    verb("cache.list", "cache ls", "cache_ls()"),
    verb("cache.clear", "cache clear", "cache_clear()"),
    verb("events.subscribe", "events", "on(\"*\", |event| ())"),
    verb("events.since", "events --since 0", "wait(\"*\", 0.01)"),
    verb("fetch.start", "fetch x", "fetch(\"x\")"),
    verb("fetch.wait", "fetch x", "fetch(\"x\")"),
    verb("fetch.resolve", "fetch x", "fetch(\"x\")"),
    verb(
        "fetch.start_matching",
        "fetch 'x*' --detach",
        "fetch(\"x*\", #{detach: true})",
    ),
    verb("fetch.wait_matching", "fetch 'x*'", "fetch(\"x*\")"),
    verb(
        "fetch.cancel_matching",
        "transfers cancel 1",
        "transfers_cancel(1)",
    ),
    verb("fetch.cancel", "transfers cancel 1", "transfers_cancel(1)"),
    verb("fetch.list", "transfers", "transfers()"),
    verb("fetch.list_matching", "transfers", "transfers()"),
    verb("fetch.drop", "transfers drop 1", "transfers_drop(1)"),
    verb("node.status", "status", "status()"),
    verb(
        "peer.add",
        "hello http://127.0.0.1:1/",
        "hello(\"http://127.0.0.1:1/\")",
    ),
    verb(
        "peer.files",
        "ls http://127.0.0.1:1/",
        "ls(\"http://127.0.0.1:1/\")",
    ),
    verb("peer.list", "peers", "peers()"),
    verb(
        "peer.remove",
        "peers rm http://127.0.0.1:1/",
        "peers_rm(\"http://127.0.0.1:1/\")",
    ),
    verb("plugin.list", "plugin ls", "plugin_ls()"),
    verb("search.query", "search x --json", "search(\"x\")"),
    verb("search.subscribe", "grep x", "grep(\"x\")"),
    verb("share.list", "ls", "ls()"),
    verb("share.browse", "ls x", "ls(\"x\")"),
    verb("share.stat", "ls x", "ls(\"x\")"),
    verb("share.rescan", "rescan x", "rescan(\"x\")"),
    verb("watch.add", "watch x", "on_match(\"x\", |found| ())"),
];

/// Methods that have no function of their own in scripts, and why. `call` reaches them.
const NOT_IN_SCRIPTS: &[(&str, &str, &str)] = &[
    (
        "node.renew_secret",
        "renew-secret",
        "it would end the connection of the script",
    ),
    (
        "node.doctor",
        "doctor",
        "a person reads it; `call(\"node.doctor\")`",
    ),
    (
        "node.log_level",
        "log-level info",
        "the log is for a person; `call(\"node.log_level\", #{})`",
    ),
    (
        "node.stop",
        "stop",
        "`stop()` ends a script; a node of its own is stopped by `n.stop()`",
    ),
    (
        "peer.groups",
        "group ls",
        "an owner decides on them; `call(\"peer.groups\")`",
    ),
    (
        "peer.group_add",
        "group add x http://127.0.0.1:1/",
        "an owner decides on them; `call(\"peer.group_add\", #{…})`",
    ),
    (
        "peer.group_remove",
        "group rm x",
        "an owner decides on them; `call(\"peer.group_remove\", #{…})`",
    ),
    (
        "share.skipped",
        "ls --skipped",
        "an owner looks at it; `call(\"share.skipped\")`",
    ),
    (
        "ticket.ask",
        "ask",
        "an owner gives rights, and a script would have to keep the link",
    ),
    (
        "ticket.list",
        "share ls",
        "an owner decides on them; `call(\"ticket.list\")`",
    ),
    (
        "ticket.remove",
        "share rm 1",
        "an owner decides on them; `call(\"ticket.remove\", #{…})`",
    ),
    (
        "ticket.share",
        "share add x",
        "an owner gives rights, and a script would have to keep the link",
    ),
    (
        "token.add",
        "token add x --may read",
        "an owner gives rights, and a script would have to keep the text",
    ),
    (
        "token.list",
        "token ls",
        "an owner decides on them; `call(\"token.list\")`",
    ),
    (
        "token.remove",
        "token rm x",
        "an owner decides on them; `call(\"token.remove\", #{…})`",
    ),
    (
        "watch.fetch",
        "watch x --fetch",
        "`on_match` calls a function, which fetches",
    ),
    (
        "watch.list",
        "watch --list",
        "a person looks at it; `call(\"watch.list\")`",
    ),
    (
        "watch.next",
        "watch x --count 1",
        "`on_match` takes the matches",
    ),
    (
        "watch.remove",
        "watch --remove 1",
        "an owner decides on them; `call(\"watch.remove\", #{…})`",
    ),
];

/// Methods without a verb, with reasons.
const NOT_A_VERB: &[(&str, &str)] = &[
    ("fetch.pass", "a part of `fetch --to`"),
    (
        "share.accept",
        "said by the sentence of the trouble that it ends",
    ),
    ("rpc.discover", "`call rpc.discover`"),
];

/// Commands that ask the node for nothing of their own, and why.
const NOT_OF_THE_NODE: &[(&str, &str)] = &[
    ("call", "any method"),
    ("cat", "content from the peer port; scripts fetch files"),
    ("complete", "about the program"),
    ("completions", "about the program"),
    ("invite", "an address of `status()`"),
    ("man", "about the program"),
    ("mcp install", "tells another program about the node"),
    ("mcp skill", "about the program"),
    ("plugin check", "needs no node"),
    ("plugin test", "needs no node"),
    ("run", "runs a script"),
    ("shell", "runs commands"),
    ("ui", "a page that calls methods"),
    ("up", "runs a node"),
];

/// The commands of `ctl`, those with actions as often as they have some: `cache ls`.
fn commands() -> Vec<String> {
    let cli = Cli::command();
    let lines = |command: &clap::Command| -> Vec<String> {
        let name = command.get_name().to_owned();
        let actions: Vec<String> = command
            .get_subcommands()
            .map(|action| format!("{name} {}", action.get_name()))
            .collect();
        if actions.is_empty() {
            vec![name]
        } else {
            actions
        }
    };
    cli.get_subcommands().flat_map(lines).collect()
}

/// The command lines of all verbs.
fn lines() -> impl Iterator<Item = &'static str> {
    let lines = VERBS.iter().map(|verb| verb.command);
    lines.chain(NOT_IN_SCRIPTS.iter().map(|(_, line, _)| *line))
}

fn words(line: &str) -> Vec<String> {
    let words = line
        .split(' ')
        .map(|word| word.trim_matches('\'').to_owned());
    std::iter::once("ctl".to_owned()).chain(words).collect()
}

#[test]
fn every_method_of_the_node_has_a_verb_or_a_reason() {
    let document = openrpc::document(&[]);
    let methods = document["methods"].as_array().unwrap().iter();
    let methods: Vec<&str> = methods
        .filter_map(|method| method["name"].as_str())
        .collect();
    assert!(methods.len() > 20, "{methods:?}");
    let known: Vec<&str> = VERBS
        .iter()
        .map(|verb| verb.method)
        .chain(NOT_IN_SCRIPTS.iter().map(|(method, ..)| *method))
        .chain(NOT_A_VERB.iter().map(|(method, _)| *method))
        .collect();
    for method in methods
        .iter()
        .filter(|method| !method.ends_with("unsubscribe"))
    {
        assert!(known.contains(method), "{method} has no verb");
    }
    for method in known.iter().filter(|method| **method != "rpc.discover") {
        assert!(methods.contains(method), "{method} is gone");
    }
}

#[test]
fn every_verb_is_a_command_of_ctl() {
    for line in lines() {
        assert!(Cli::try_parse_from(words(line)).is_ok(), "{line}");
    }
}

#[test]
fn every_verb_is_a_command_of_the_shell() {
    for line in lines() {
        assert!(shell::reads(line), "{line}");
    }
    assert!(!shell::reads("eat x") && !shell::reads("up --share x"));
}

#[test]
fn every_command_of_ctl_is_a_verb_or_has_a_reason() {
    let is_known = |command: &str| {
        let is_of = |line: &str| line == command || line.starts_with(&format!("{command} "));
        // `transfers` alone lists, and so do others.
        let listed = command.strip_suffix(" ls").unwrap_or(command);
        lines().any(|line| is_of(line) || line == listed)
            || NOT_OF_THE_NODE.iter().any(|(name, _)| *name == command)
    };
    for command in commands() {
        assert!(is_known(&command), "{command} is no verb");
    }
    for (name, _) in NOT_OF_THE_NODE {
        let is_left_out = *name == "up" && cfg!(not(feature = "embedded"));
        assert!(
            is_left_out || commands().iter().any(|command| command == name),
            "{name} is gone"
        );
    }
}

#[test]
fn every_verb_is_a_function_of_scripts() {
    for verb in VERBS {
        let error = super::error(verb.script);
        // Without a node the call fails for want of one, and not because it is unknown.
        assert_eq!(error.exit_code(), 6, "{}: {error}", verb.script);
    }
}
