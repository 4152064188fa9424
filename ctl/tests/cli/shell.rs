//! `ctl shell` without a terminal.

use crate::fake::Fake;

#[test]
fn a_missing_file_is_answered_as_in_the_chapter() {
    let ended = Fake::start()
        .ctl(["shell", "--quiet"])
        .input("fetch missing\nexit\n")
        .run()
        .exits(0);
    assert_eq!(ended.stdout, "> Couldn't find the file missing\n> \n");
    assert_eq!(ended.stderr, "");
}

#[test]
fn end_of_file_is_exit() {
    let ended = Fake::start().ctl(["shell", "-q"]).input("").run().exits(0);
    assert_eq!(ended.stdout, "> \n");
}

#[test]
fn a_failed_command_does_not_end_the_shell() {
    let input = "eat\nfetch\nfetch there\nhello nonsense\n\nfetch x\npeers\n";
    let ended = Fake::start().ctl(["shell"]).input(input).run().exits(0);
    assert!(
        ended.stdout.contains("> http://127.0.0.1:5/\tanswers"),
        "{ended:?}"
    );
    for sentence in [
        "there is no command eat; type help",
        "<NAME>",
        "fetched x (12 B)",
        "there is in the share already",
        "nonsense is not a URL",
    ] {
        assert!(ended.stderr.contains(sentence), "{sentence}: {ended:?}");
    }
}

#[test]
fn every_command_works() {
    let input = "help\nsearch *.txt\nls\nls http://127.0.0.1:5/\nstatus --counters\nhello http://127.0.0.1:5/\n";
    let ended = Fake::start()
        .ctl(["shell", "-q"])
        .input(input)
        .run()
        .exits(0);
    assert_eq!(ended.stderr, "");
    for part in [
        "Find files among the peers",
        "a.txt\t5\t",
        "a.txt\t2048",
        "theirs.txt",
        "queries_received",
        "5/ answered",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {ended:?}");
    }
}

#[test]
fn words_quotes_and_options_are_those_of_ctl() {
    let fake = Fake::start();
    let input = "\
        fetch there --replace\n\
        fetch 'my song.mp3' \"b.txt\" --replace\n\
        search none --sure --json\n\
        grep 'fn  x' ext:rs\n\
        fetch 'open\n\
        status --json --state /nowhere\n\
        help fetch\n\
        up --share x\n\
        transfers cancel 2\n";
    let ended = fake.ctl(["shell", "-q"]).input(input).run().exits(0);
    assert_eq!(
        fake.seen(|seen| seen.replaced.clone()),
        ["there", "my song.mp3", "b.txt"]
    );
    for part in [
        "\"type\":\"end\"",
        "grep:\"fn  x\"",
        "Usage: ctl fetch",
        "2 of x: cancelled",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {ended:?}");
    }
    for part in [
        "the quote ' has no end",
        "/nowhere",
        "up is not for the prompt",
    ] {
        assert!(ended.stderr.contains(part), "{part}: {ended:?}");
    }
}
