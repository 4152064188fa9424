//! Tests of the environment and the limits of a program.

use std::time::Duration;

use crate::world::{Found, program, put, share};
use plugin_api::Handler;
use plugin_process::{FILES_OPEN_MAX, Program};

#[test]
fn a_program_has_a_clean_environment_and_three_pipes() {
    // A descriptor of the node that must not be passed on.
    let _open = std::fs::File::open("/dev/null").unwrap();
    let lair = program(
        "env > env; pwd > pwd; ls /proc/$$/fd > fds; ps -o pgid= -p $$ > group; echo $$ > self; echo \"$done\"",
    );
    lair.ask("q").unwrap();
    let note = |name: &str| lair.note(name).unwrap();
    let environment = note("env");
    let names = environment.lines().filter_map(|line| line.split_once('='));
    let mut names: Vec<_> = names.map(|(name, _)| name).collect();
    names.sort_unstable();
    // The shell that runs the test sets these two for itself.
    names.retain(|name| !["PWD", "_", "OLDPWD", "SHLVL"].contains(name));
    assert_eq!(names, ["LANG", "PATH"]);
    let here = std::fs::canonicalize(lair.home.path()).unwrap();
    assert_eq!(note("pwd").trim(), here.to_str().unwrap());
    let numbers = note("fds");
    let plain = numbers.lines().filter(|fd| fd.parse::<u32>().unwrap() < 10);
    // The shell keeps its script open above these, and writes the list to 1.
    assert_eq!(plain.count(), 3, "{numbers}");
    assert_eq!(note("group").trim(), note("self").trim());
}

#[cfg(target_os = "linux")]
#[test]
fn the_limits_hold_from_the_first_instruction() {
    let home = tempfile::tempdir().unwrap();
    let text = crate::world::source("t", 1, "echo \"$done\"").replacen(
        '\n',
        "\ncat /proc/$$/limits > limits\n",
        1,
    );
    let path = put(home.path(), "test", &text);
    let program = Program::start(&path).unwrap();
    program.answer("q", &share(&[]), &mut Found::new()).unwrap();
    let limits = std::fs::read_to_string(home.path().join("limits")).unwrap();
    let limit = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap()
            .split_whitespace()
            .take(2)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let memory = 512 << 20;
    assert_eq!(limit("Max data size"), format!("{memory} {memory}"));
    assert_eq!(
        limit("Max open files"),
        format!("{FILES_OPEN_MAX} {FILES_OPEN_MAX}")
    );
    assert_eq!(limit("Max cpu time"), "10 unlimited");
    assert_eq!(limit("Max core file size"), "0 0");
    assert!(!limit("Max processes").contains("unlimited"));
}

#[cfg(target_os = "linux")]
#[test]
fn one_that_takes_too_much_memory_ends_alone() {
    let lair = program(
        r#"if [ "$text" = bad ]; then exec python3 -c 'x = bytearray(600 << 20)'; fi; echo "$done""#,
    );
    let failed = lair.ask("bad").unwrap_err();
    assert!(failed.contains("MemoryError"), "{failed}");
    assert_eq!(
        lair.ask_rested("good", Duration::from_secs(20)),
        Ok(Vec::new())
    );
}

#[test]
fn the_examples_of_the_shipped_programs_hold() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/handlers");
    let home = tempfile::tempdir().unwrap();
    let mut tested = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if !plugin_process::is_program(&path) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.lines().count() <= 80, "{} is long", path.display());
        // A checkout may be writable by a group.
        let program = Program::start(&put(home.path(), "shipped", &text)).unwrap();
        plugin_api::check_examples(&program).unwrap();
        let refused = program.answer(" ", &share(&[]), &mut Found::new());
        assert!(refused.is_err());
        tested += 1;
    }
    assert!(tested >= 1);
}
