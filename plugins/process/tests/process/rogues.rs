//! Programs that misbehave: each fault has its own error, none hurts, and the
//! next query after a while is answered.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use plugin_api::{Asker, Handler, HandlerError};
use plugin_host::Plugin;
use plugin_process::{FAILURES_MAX, HANDSHAKE_TIME, LINE_MAX, Program};

use crate::world::{Found, Lair, eventually, greeting, hit, is_there, program, put, share};

/// Time for an answer of those that hang.
const SHORT: Duration = Duration::from_millis(300);

/// Longest time until the node is rid of one of them.
const SOON: Duration = Duration::from_secs(5);

/// Most that all of them may add to the memory of this process, in bytes.
const MEMORY: u64 = 64 << 20;

/// Returns a program that misbehaves for each query but `good`.
fn rogue(body: &str) -> Lair {
    program(&format!(
        "if [ \"$text\" = good ]; then echo \"$done\"; continue; fi\n{body}"
    ))
}

/// Asks it once badly and once well.
fn survives(name: &str, body: &str, problem: &str) {
    let lair = rogue(body);
    let begun = Instant::now();
    let first = lair.ask_within("bad", SHORT);
    let failed = match first {
        // It hung; the next query reports it, at the latest.
        Ok(_) => lair.ask_within("good", SHORT),
        failed => failed,
    };
    let failed = match failed {
        Err(failed) if !failed.contains("starts again") => failed,
        _ => lair.program.strikes().last().unwrap_or_default(),
    };
    assert!(failed.contains(problem), "{name}: {failed}");
    assert!(begun.elapsed() < SOON, "{name} took {:?}", begun.elapsed());
    assert_eq!(
        lair.ask_rested("good", SOON),
        Ok(Vec::new()),
        "{name} does not answer any more"
    );
}

/// Runs all of them at the same time.
fn all_survive(cases: &[(&str, &str, &str)]) {
    std::thread::scope(|scope| {
        for (name, body, problem) in cases {
            scope.spawn(move || survives(name, body, problem));
        }
    });
}

fn resident_peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() << 10
}

#[test]
fn those_that_end_or_talk_nonsense() {
    all_survive(&[
        ("exits", "exit 7", "exit status: 7"),
        ("says why", "echo oh no >&2; exit 1", "last words: oh no"),
        ("is killed", "kill -9 $$", "signal: 9"),
        ("half a line", r#"printf '{"type":"do'; exit"#, "it ended"),
        ("closes its output", "exec >&-; sleep 60", "it ended"),
        ("no JSON", "echo what?", "no message"),
        ("no message", "echo '{}'", "no message"),
        ("no UTF-8", r#"printf '{"type":"\377"}\n'"#, "no message"),
        ("NUL bytes", r"printf '\0\0\0\n'", "no message"),
        ("an empty line", "echo", "no message"),
        ("deep", "printf '%100000s\\n' '' | tr ' ' '['", "no message"),
    ]);
}

#[test]
fn those_that_answer_another_query() {
    let other = r#"echo '{"type":"done","id":4711}'"#;
    all_survive(&[
        ("another", other, "query 4711 instead of 1"),
        (
            "twice",
            "echo \"$done\"; echo \"$done\"; read -r x",
            "query 1 instead of 2",
        ),
    ]);
    let unasked = rogue(&hit("a.txt").replace("$id", "$((id + 1))"));
    assert!(
        unasked.ask("bad").is_err(),
        "a hit of another query was passed on"
    );
}

#[test]
fn those_that_hang() {
    let deaf = "trap '' TERM INT HUP; sleep 60 & wait; sleep 60";
    all_survive(&[
        ("hangs", "sleep 60", "did not end an answer"),
        ("hangs deaf", deaf, "did not end an answer"),
        ("spins", "while :; do :; done", "did not end an answer"),
        ("stops itself", "kill -STOP $$", "did not end an answer"),
    ]);
}

#[test]
fn those_that_flood() {
    let before = resident_peak();
    let long = "head -c 1000000000 /dev/zero | tr '\\0' x";
    let name = "x".repeat(1000);
    let hits = format!("yes '{{\"type\":\"hit\",\"id\":'$id',\"name\":\"{name}\"}}'");
    let asks = r#"yes '{"type":"read","id":'$id',"name":"a.txt"}'"#;
    all_survive(&[
        ("a line of 1 GB", long, "a line of more than"),
        ("hits without end", &hits, ""),
        (
            "errors without end",
            "yes oh no >&2",
            "did not end an answer",
        ),
        ("asks without end", asks, ""),
    ]);
    let grown = resident_peak().saturating_sub(before);
    assert!(grown < MEMORY, "they took {} MiB", grown >> 20);
}

#[test]
fn an_answer_that_is_too_long_is_broken_off() {
    let hits = "yes '{\"type\":\"hit\",\"id\":'$id',\"name\":\"b.txt\"}'";
    let failed = rogue(hits).ask("bad").unwrap_err();
    assert!(failed.contains("too much for one answer"), "{failed}");
}

#[test]
fn the_longest_line_is_taken_and_a_longer_one_is_not() {
    let lair = rogue(
        r#"printf '{"type":"done","id":%s,"x":"' "$id"; head -c "$text" /dev/zero | tr '\0' x; echo '"}'"#,
    );
    let around = r#"{"type":"done","id":1,"x":""}"#.len();
    assert_eq!(lair.ask(&(LINE_MAX - around).to_string()), Ok(Vec::new()));
    let longer = lair.ask(&(LINE_MAX - around + 1).to_string());
    assert!(longer.unwrap_err().contains("a line of more than"));
}

#[test]
fn children_end_with_their_program() {
    let lair =
        rogue("sleep 600 & echo $! > child; sleep 601 & echo $! > other; echo $$ > self; exit 3");
    assert!(lair.ask("bad").is_err());
    for note in ["child", "other", "self"] {
        let pid = lair.note(note).unwrap();
        eventually(note, || !is_there(&pid) || is_zombie(&pid));
    }
    assert!(!is_there(&lair.note("self").unwrap()), "a zombie is left");
}

/// Returns true if a process has ended and its parent, not this one, has to reap it.
fn is_zombie(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| rest.trim().starts_with('Z'))
}

#[test]
fn a_child_that_leaves_the_group_with_the_pipes_hangs_nobody() {
    let lair = rogue("setsid sleep 30 & echo $! > child; exit 3");
    let begun = Instant::now();
    let failed = lair.ask("bad").unwrap_err();
    assert!(failed.contains("it ended"), "{failed}");
    assert!(begun.elapsed() < SOON);
    assert_eq!(lair.ask_rested("good", SOON), Ok(Vec::new()));
    let child = lair.note("child").unwrap();
    assert!(
        std::process::Command::new("kill")
            .arg(child.trim())
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn those_that_do_not_introduce_themselves() {
    let home = tempfile::tempdir().unwrap();
    let good = greeting("t", 1);
    let refused = |n: usize, text: &str, problem: &str| {
        let path = put(home.path(), &format!("p{n}"), text);
        let begun = Instant::now();
        let error = Program::start(&path).unwrap_err().to_string();
        assert!(error.contains(problem), "{text}: {error}");
        begun.elapsed()
    };
    let cases = [
        ("#!/bin/sh\nexit 5".to_owned(), "exit status: 5"),
        ("#!/no/such/interpreter".to_owned(), "it ended"),
        (
            format!(
                "#!/bin/sh\necho '{}'",
                good.replace(":1,\"id\"", ":2,\"id\"")
            ),
            "version 2",
        ),
        (
            format!("#!/bin/sh\necho '{}'", good.replace("\"t\"", "\"T T\"")),
            "lower-case",
        ),
        ("#!/bin/sh\necho hello".to_owned(), "no message"),
        (
            "#!/bin/sh\nyes | tr -d '\\n'".to_owned(),
            "a line of more than",
        ),
        ("#!/bin/sh\nsleep 60".to_owned(), "in time"),
    ];
    std::thread::scope(|scope| {
        for (n, (text, problem)) in cases.iter().enumerate() {
            scope.spawn(move || {
                let taken = refused(n, text, problem);
                assert!(taken < HANDSHAKE_TIME + SOON, "{text}: {taken:?}");
            });
        }
    });
}

/// Asks as somebody else than the owner.
fn ask_as_stranger(lair: &Lair, query: &str, time: Duration) -> Result<(), HandlerError> {
    let mut found = Found {
        asker: Asker::Stranger,
        ..Found::within(time)
    };
    lair.program.answer(query, &share(&[]), &mut found)
}

#[test]
fn answer_that_hangs_for_a_stranger_gives_way_to_the_owner() {
    let lair = rogue("echo \"$text\" > asked; sleep 60");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // When the answer to one ends, another one hangs it again.
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    drop(ask_as_stranger(&lair, "bad", Duration::from_secs(2)));
                }
            });
        }
        for n in 0..3 {
            drop(std::fs::remove_file(lair.home.path().join("asked")));
            eventually("a stranger has it", || lair.note("asked").is_some());
            let begun = Instant::now();
            assert_eq!(lair.ask_within("good", SOON), Ok(Vec::new()), "query {n}");
            assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(!lair.program.strikes().is_disabled());
}

#[test]
fn failure_that_a_stranger_may_have_left_behind_is_no_strike() {
    let lair = program(
        "if [ \"$text\" = bad ]; then broken=1; elif [ \"$broken\" ]; then exit 3; fi; echo \"$done\"",
    );
    for n in 0..FAILURES_MAX * 2 {
        ask_as_stranger(&lair, "bad", SOON).unwrap();
        let failed = lair.ask("q").unwrap_err();
        assert!(failed.contains("exit status: 3"), "{n}: {failed}");
        assert_eq!(lair.ask("q"), Ok(Vec::new()), "it does not rest");
    }
    assert!(!lair.program.strikes().is_disabled());
    assert!(lair.program.strikes().last().is_some());
}

#[test]
fn answers_that_hang_for_strangers_switch_nothing_off() {
    let lair = rogue("sleep 60");
    for n in 0..5 {
        drop(ask_as_stranger(&lair, "bad", SHORT));
        assert_eq!(lair.ask_within("good", SOON), Ok(Vec::new()), "after {n}");
    }
    assert!(!lair.program.strikes().is_disabled());
    assert!(
        lair.program.strikes().last().is_some(),
        "it is kept for the owner"
    );
}
