//! Tests of command lines and of the help.

use clap::CommandFactory;
use node_api::error::ALL;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(["ctl"].into_iter().chain(line.split_whitespace()))
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_is_understood() {
    for line in [
        "fetch a.txt",
        "fetch a b c",
        "fetch a b --to DIR",
        "fetch a --detach",
        "transfers",
        "transfers ls",
        "transfers cancel 12",
        "transfers drop 12 --json",
        "peers ls",
        "peers rm http://127.0.0.1:4242",
        "stop",
        "status --counters",
        "renew-secret",
        "doctor",
        "log-level",
        "log-level info,node_core=debug",
        "search two words",
        "ls photos",
        "ls http://127.0.0.1:4242 photos",
        "fetch a.txt --to . --replace",
        "cat a.txt",
        "cat a.txt:3-5 b.txt:7 --json",
        "search *.txt --limit 5 --trace",
        "hello http://127.0.0.1:4242",
        "hello sixhop://0/?at=127.0.0.1:4242",
        "invite",
        "peers",
        "ls",
        "ls http://127.0.0.1:4242",
        "rescan",
        "rescan notes/today.txt",
        "status",
        "events --since 0 --limit 3",
        "cache ls",
        "cache clear",
        "plugin ls",
        "plugin check a.rhai",
        "plugin test a.rhai b.rhai",
        "call node.status",
        "call share.stat {\"name\":\"a\"}",
        "run script.rhai",
        "run --max-time 5m --max-operations 10 script.rhai one two",
        "shell",
        "completions bash",
        "--state DIR --json --quiet --timeout 30s peers",
        "peers --state DIR --json -q --timeout 500ms",
    ] {
        assert!(parse(line).is_ok(), "{line}");
    }
}

#[test]
fn every_command_about_rights_is_understood() {
    for line in [
        "token",
        "token add a --may read",
        "token add a --may fetch --expires 30d --to a.token",
        "token ls --json",
        "token rm a",
        "share",
        "share add a b/c --uses 3 --expires 7d --password-file p",
        "share ls --json",
        "share rm 4",
        "ask",
        "ask --into holiday --max 20G --expires 7d --uses 2 --password-file p",
        "--token-file a.token search x",
        "mcp",
        "mcp --allow-fetch",
        "mcp --allow-fetch install codex",
        "mcp install claude",
        "mcp skill",
    ] {
        assert!(parse(line).is_ok(), "{line}");
    }
}

#[cfg(feature = "embedded")]
#[test]
fn every_command_with_a_node_inside_is_understood() {
    for line in [
        "shell --share files --url http://127.0.0.1:4242 --peers urls.txt",
        "shell --share files --listen 127.0.0.1:0",
        "up --share files",
        "up --share files --listen 127.0.0.1:0 --control 127.0.0.1:0 --state s --peer http://127.0.0.1:1 --peers f",
    ] {
        assert!(parse(line).is_ok(), "{line}");
    }
    assert!(parse("shell --url http://127.0.0.1:4242").is_err());
}

#[cfg(feature = "embedded")]
#[test]
fn the_state_of_a_node_may_be_given_before_or_after_up() {
    for line in ["--state s up --share d", "up --state s --share d"] {
        let cli = parse(line).unwrap();
        let Command::Up(args) = cli.command else {
            panic!("{line}");
        };
        assert_eq!(
            args.node.state.or(cli.global.state),
            Some("s".into()),
            "{line}"
        );
    }
}

#[test]
fn nonsense_is_refused() {
    for line in [
        "",
        "eat",
        "fetch",
        "fetch a --detach --to x",
        "transfers cancel",
        "transfers cancel x",
        "peers rm",
        "token add a",
        "token add a --may write",
        "token rm",
        "mcp install emacs",
        "stop now",
        "ls a b c",
        "search",
        "search x --limit 0",
        "search x --limit 10001",
        "search x --limit many",
        "hello",
        "events --since -1",
        "events --limit 0",
        "call",
        "run",
        "run --max-time 5 x.rhai",
        "run --max-operations 0 x.rhai",
        "completions latin",
        "--timeout 5 peers",
        "--secret x peers",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn what_follows_a_script_is_the_script_s() {
    let cli = parse("run x.rhai --max-time -- --json a").unwrap();
    let Command::Run(args) = cli.command else {
        panic!("not run");
    };
    assert_eq!(args.script, ["x.rhai", "--max-time", "--", "--json", "a"]);
    assert!(!cli.global.json);
}

#[test]
fn no_option_takes_a_secret() {
    for command in std::iter::once(Cli::command()).chain(Cli::command().get_subcommands().cloned())
    {
        for option in command.get_arguments() {
            assert!(!option.get_id().as_str().contains("secret"), "{option}");
        }
    }
}

#[test]
fn exit_codes_are_unique_and_in_the_help() {
    let listed: Vec<u8> = AFTER_HELP
        .lines()
        .skip_while(|line| *line != "Exit codes:")
        .skip(1)
        .map_while(|line| line.split_whitespace().next()?.parse().ok())
        .collect();
    let mut expected: Vec<u8> = ALL.iter().map(|code| code.exit_code()).chain([0]).collect();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    expected.dedup();
    assert_eq!(listed, expected);
}

#[test]
fn the_design_s_exit_codes_are_there() {
    let mut codes: Vec<u8> = ALL.iter().map(|code| code.exit_code()).collect();
    codes.sort_unstable();
    assert_eq!(codes, [1, 2, 3, 6, 7, 9, 13, 24, 32, 124, 130]);
}

#[test]
fn everything_has_a_help_text() {
    for mut command in Cli::command().get_subcommands().cloned() {
        let name = command.get_name().to_owned();
        assert!(command.get_about().is_some(), "{name}");
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            let said = argument.get_help().is_some() || ["help", "version"].contains(&id);
            assert!(said, "{name} {id}");
        }
        assert!(
            !command.render_long_help().to_string().contains("///"),
            "{name}"
        );
    }
}

#[test]
fn examples_in_the_help_are_understood() {
    for mut command in Cli::command().get_subcommands().cloned() {
        let help = command.render_long_help().to_string();
        let examples = help.lines().filter_map(|line| line.strip_prefix("  ctl "));
        for example in examples {
            let words = shell_words(example);
            let is_call = words.first().is_some_and(|word| word == "call");
            let words = ["ctl".to_owned()].into_iter().chain(words);
            assert!(is_call || Cli::try_parse_from(words).is_ok(), "{example}");
        }
    }
}

/// Returns the words of an example as a shell reads them, up to a pipe, or to the remark behind two spaces.
fn shell_words(example: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for letter in example.chars() {
        match letter {
            '\'' => is_quoted = !is_quoted,
            _ if is_quoted => word.push(letter),
            '|' | '>' => break,
            ' ' if word.is_empty() => break,
            ' ' => words.push(std::mem::take(&mut word)),
            _ => word.push(letter),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}
