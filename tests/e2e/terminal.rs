//! The terminal: colours, groups, completions, man pages, the first words.

use std::fs;
use std::process::Command;

use e2e::{Home, NodeProcess, introduce, wait_until};
use std::time::Duration;

use crate::world::{ctl, ctl_at_terminal, ctl_program, noded, noded_program};

/// Two nodes that know each other; the far one has two texts, the near one a third.
fn pair() -> (NodeProcess, NodeProcess) {
    let near = noded().file("own.txt", "my poem\n").start();
    let far = noded()
        .file("notes/a b.txt", "a poem\nno\nand a poem\n")
        .file("hostile.txt", "\u{1b}[31mred poem\u{1b}]0;title\u{7}\n")
        .start();
    introduce(&near.url, &far.url);
    wait_until("all is read", Duration::from_secs(30), || {
        let found = ctl(near.home()).args(["grep", "-c", "poem"]).run();
        let lines = found.stdout.lines().count();
        (lines == 3).then_some(()).ok_or(found.stdout)
    });
    (near, far)
}

#[test]
fn a_terminal_has_groups_and_colours_and_a_pipe_has_neither() {
    let (near, far) = pair();
    let args = ["grep", "poem", "ext:txt"];
    let shown = ctl_at_terminal(near.home(), 100, &args);
    let (code, screen) = shown.ends_raw();
    assert_eq!(code, 0, "{screen}");
    for part in [
        "\u{1b}[35mnotes/a b.txt\u{1b}[0m",
        "\u{1b}[32m1\u{1b}[0m\u{1b}[2m:\u{1b}[0ma \u{1b}[1;31mpoem\u{1b}[0m",
        "\u{1b}[32m3\u{1b}[0m\u{1b}[2m:\u{1b}[0mand a \u{1b}[1;31mpoem\u{1b}[0m",
    ] {
        assert!(screen.contains(part), "no {part:?} in {screen:?}");
    }
    assert_eq!(screen.matches("notes/a b.txt").count(), 1, "{screen:?}");
    // What a file holds is shown, and steers nothing.
    assert!(screen.contains(r"\u{1b}[31mred "), "{screen:?}");
    assert!(!screen.contains("\u{1b}]0;title"), "{screen:?}");
    let plain = ctl(near.home()).args(args).run().expect_code(0).stdout;
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    assert!(plain.contains(":notes/a b.txt:3:7:and a poem\n"), "{plain}");
    near.stop();
    far.stop();
}

#[test]
fn colours_are_had_and_left_out_on_demand() {
    let (near, far) = pair();
    let never = ctl_at_terminal(
        near.home(),
        100,
        &["--color", "never", "search", "text:poem"],
    );
    let (_, screen) = never.ends_raw();
    assert!(
        screen.contains("my poem") && !screen.contains("[1;31m"),
        "{screen:?}"
    );
    let run = |variables: &[(&str, &str)], args: &[&str]| {
        let run = ctl(near.home()).args(args);
        let run = variables
            .iter()
            .fold(run, |run, (name, value)| run.env(name, value));
        run.run().expect_code(0).stdout
    };
    let always = run(&[("NO_COLOR", "1")], &["grep", "poem", "--color", "always"]);
    assert!(always.contains(":\u{1b}[0m"), "{always:?}");
    assert!(always.contains("\u{1b}[1;31mpoem\u{1b}[0m"), "{always:?}");
    let json = run(&[], &["grep", "poem", "--color", "always", "--json"]);
    assert!(!json.contains('\u{1b}'), "{json:?}");
    near.stop();
    far.stop();
}

#[test]
fn ctl_alone_says_what_to_do_next() {
    let home = Home::new();
    let said = ctl_alone(&home);
    for command in ["noded --share", "ctl hello", "ctl search"] {
        let has = said
            .lines()
            .any(|line| line.trim_start().starts_with(command));
        assert!(has, "{command}: {said}");
    }
    let near = noded().start();
    let said = ctl_alone(near.home());
    assert!(
        said.contains("knows no other") && said.contains("ctl hello"),
        "{said}"
    );
    let far = noded().start();
    introduce(&near.url, &far.url);
    let said = ctl_alone(near.home());
    assert!(said.contains("Usage: ctl"), "{said}");
    near.stop();
    far.stop();
}

/// Returns the words of `ctl` alone about the node of a home.
fn ctl_alone(home: &Home) -> String {
    let run = Command::new(ctl_program())
        .env_clear()
        .env("HOME", home.root())
        .env("SIXHOP_STATE", home.state())
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(2));
    assert!(run.stdout.is_empty());
    String::from_utf8(run.stderr).unwrap()
}

#[test]
fn bash_completes_commands_names_and_peers_of_the_moment() {
    let (near, far) = pair();
    let offered = |line: &str| -> Vec<String> {
        // As bash calls it: the line, the place in it, and the word that it takes apart at colons.
        let script = r#"
            ctl() { :; }
            command() { [[ $1 == ctl ]] && shift && "$CTL" "$@" || builtin command "$@"; }
            source <("$CTL" completions bash)
            COMP_LINE=$LINE COMP_POINT=${#LINE}
            _ctl ctl
            printf '%s\n' "${COMPREPLY[@]}"
        "#;
        let run = Command::new("bash")
            .args(["-c", script])
            .env("CTL", ctl_program())
            .env("LINE", line)
            .env("SIXHOP_STATE", near.home().state())
            .output()
            .unwrap();
        let text = String::from_utf8(run.stdout).unwrap();
        text.lines()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(offered("ctl gre"), ["grep"]);
    assert_eq!(offered("ctl fetch not"), ["notes/a b.txt"]);
    assert_eq!(offered("ctl fetch 'notes/a"), ["notes/a b.txt"]);
    let behind_colon = far.url.strip_prefix("http:").unwrap();
    assert_eq!(offered("ctl ls http:"), [behind_colon]);
    assert_eq!(offered("ctl --color al"), ["always"]);
    // A file of this machine is for bash to complete.
    assert_eq!(offered("ctl run scr"), [""; 0]);
    near.stop();
    far.stop();
}

#[test]
fn every_shell_has_completions_that_ask_ctl() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let run = ctl(&home).args(["completions", shell]).run().expect_code(0);
        assert!(run.stdout.contains("ctl complete"), "{shell}");
    }
    let elvish = ctl(&home).args(["completions", "elvish"]).run();
    assert!(elvish.expect_code(0).stdout.contains("renew-secret"));
}

#[test]
fn man_pages_are_written_for_every_command() {
    let home = Home::new();
    let pages = home.root().join("man");
    let _ = ctl(&home)
        .args(["man".as_ref(), pages.as_os_str()])
        .run()
        .expect_code(0);
    for (page, part) in [
        ("ctl.1", "Controls a Sixhop node"),
        ("ctl-search.1", "\\-\\-limit"),
        ("ctl-transfers-cancel.1", "Number of the fetch"),
        ("noded.1", "\\-\\-print\\-config"),
    ] {
        let text = fs::read_to_string(pages.join(page)).unwrap_or_default();
        assert!(text.contains(part), "{page}: {text}");
    }
    assert!(!pages.join("ctl-complete.1").exists(), "it is hidden");
}

#[test]
fn the_configuration_is_printed_and_wrong_keys_name_the_nearest() {
    let printed = Command::new(noded_program())
        .arg("--print-config")
        .output()
        .unwrap();
    assert!(printed.status.success());
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(
        printed.contains("\n#listen = \"127.0.0.1:4242\"\n"),
        "{printed}"
    );
    let options = noded();
    let file = options.home().root().join("config.toml");
    // The printed file changes nothing as it is.
    fs::write(&file, format!("{printed}\nupload-rate = 5\n")).unwrap();
    let refused = options
        .args(["--config".as_ref(), file.as_os_str()])
        .refused();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let line = printed.lines().count() + 2;
    let expected =
        format!("config.toml:{line}: there is no key `upload-rate`; did you mean `upload_rate`?");
    assert!(refused.stderr.contains(&expected), "{refused:?}");
}
