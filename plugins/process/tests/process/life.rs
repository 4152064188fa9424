//! Programs that start, rest, start again, and end.

use std::time::{Duration, Instant};

use plugin_api::{Handler, PluginDirectory};
use plugin_host::Plugin;
use plugin_process::{END_GRACE, FAILURES_MAX, Program, Programs};

use crate::world::{Found, eventually, is_there, program, put, share, source};

#[test]
fn a_program_keeps_running_between_queries() {
    let lair = program("n=$((n + 1)); echo $n > count; echo \"$done\"");
    for _ in 0..3 {
        lair.ask("q").unwrap();
    }
    assert_eq!(lair.note("count").as_deref(), Some("3\n"));
}

#[test]
fn an_ended_program_restarts_and_rests_after_three_failures() {
    let lair = program("echo $$ >> starts; exit 1");
    let first = lair.program.pid().unwrap();
    let begun = Instant::now();
    let mut failures = 0;
    while !lair.program.strikes().is_disabled() {
        let failed = lair.ask("q").unwrap_err();
        failures += u32::from(!failed.contains("starts again"));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(failures, FAILURES_MAX);
    // Half a second after the first failure, a whole one after the second.
    assert!(begun.elapsed() >= Duration::from_millis(1_400));
    let starts = lair.note("starts").unwrap();
    assert_eq!(starts.lines().count(), 3, "{starts}");
    assert!(lair.ask("q").unwrap_err().contains("switched off"));
    assert!(!is_there(&first.to_string()));
}

#[test]
fn a_good_answer_forgets_the_failures_before() {
    let lair = program("if [ \"$text\" = bad ]; then exit 1; fi; echo \"$done\"");
    for _ in 0..2 {
        for query in ["bad", "good"] {
            let answered = lair.ask_rested(query, Duration::from_secs(20));
            assert_eq!(answered.is_err(), query == "bad", "{answered:?}");
        }
    }
    assert!(!lair.program.strikes().is_disabled());
}

#[test]
fn a_program_that_is_dropped_has_ended_and_been_waited_for() {
    for body in ["echo \"$done\"", "trap '' TERM HUP; echo \"$done\""] {
        let lair = program(body);
        lair.ask("q").unwrap();
        let pid = lair.program.pid().unwrap().to_string();
        assert!(is_there(&pid));
        drop(lair);
        assert!(!is_there(&pid), "{body}");
    }
}

#[test]
fn stopping_ends_all_at_once_even_those_that_ignore_it() {
    let home = tempfile::tempdir().unwrap();
    let programs = Programs::new(home.path().to_owned());
    for n in 0..4 {
        let text =
            source(&format!("p{n}"), 1, "sleep 60").replacen('\n', "\ntrap '' TERM HUP\n", 1);
        put(home.path(), &format!("p{n}"), &text);
    }
    programs.refresh(&[]).unwrap();
    let handlers = programs.loaded();
    let pids: Vec<String> = handlers
        .iter()
        .filter_map(|p| p.pid())
        .map(|p| p.to_string())
        .collect();
    assert_eq!(pids.len(), 4);
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| handlers[0].answer("q", &share(&[]), &mut Found::new()));
        let begun = Instant::now();
        programs.stop();
        assert!(begun.elapsed() < END_GRACE + Duration::from_secs(2));
        assert!(asked.join().unwrap().is_err(), "the answer was cut off");
    });
    assert!(pids.iter().all(|pid| !is_there(pid)));
    assert!(programs.loaded().is_empty());
    assert!(
        handlers[1]
            .answer("q", &share(&[]), &mut Found::new())
            .is_err()
    );
    assert_eq!(handlers[1].pid(), None, "it was started again");
}

#[test]
fn a_program_that_ends_between_queries_is_started_again() {
    let home = tempfile::tempdir().unwrap();
    let path = put(
        home.path(),
        "test",
        &source("t", 1, "echo \"$done\"; exit 0"),
    );
    drop(Program::start(&path).unwrap());
    let programs = Programs::new(home.path().to_owned());
    programs.refresh(&[]).unwrap();
    let program = programs.loaded().remove(0);
    let first = program.pid().unwrap().to_string();
    program.answer("q", &share(&[]), &mut Found::new()).unwrap();
    eventually("it is waited for", || {
        programs.refresh(&[]).unwrap();
        !is_there(&first)
    });
    assert!(
        program
            .strikes()
            .last()
            .is_some_and(|why| why.contains("it ended"))
    );
    eventually("it answers again", || {
        program.answer("q", &share(&[]), &mut Found::new()).is_ok()
    });
}

#[test]
fn queries_wait_for_each_other_and_not_for_long() {
    let lair = program(r#"if [ "$text" = slow ]; then read -r cancel; fi; echo "$done""#);
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| lair.ask_within("slow", Duration::from_secs(3)));
        let mut waited = Vec::new();
        eventually_busy(&lair, &mut waited);
        assert!(waited.iter().all(|wait| *wait < Duration::from_secs(2)));
        slow.join().unwrap().unwrap();
    });
    assert_eq!(lair.ask("quick"), Ok(Vec::new()));
}

/// Asks until somebody else has the turn for longer than one waits.
fn eventually_busy(lair: &crate::world::Lair, waited: &mut Vec<Duration>) {
    loop {
        let begun = Instant::now();
        let answered = lair.ask("quick");
        waited.push(begun.elapsed());
        if answered.is_err_and(|error| error.contains("another query")) {
            return;
        }
        assert!(waited.len() < 10_000, "nobody has the turn");
    }
}
