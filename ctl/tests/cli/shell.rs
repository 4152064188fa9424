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
        ended.stdout.contains("> http://127.0.0.1:5/\tup"),
        "{ended:?}"
    );
    for sentence in [
        "there is no command eat; type help",
        "give a name: fetch NAME",
        "there is in the share already",
        "nonsense is not a URL",
        "fetched x (12 B)",
    ] {
        assert!(ended.stderr.contains(sentence), "{sentence}: {ended:?}");
    }
}

#[test]
fn every_command_works() {
    let input =
        "help\nsearch *.txt\nls\nls http://127.0.0.1:5/\nstatus\nhello http://127.0.0.1:5/\n";
    let ended = Fake::start()
        .ctl(["shell", "-q"])
        .input(input)
        .run()
        .exits(0);
    assert_eq!(ended.stderr, "");
    for part in [
        "fetch NAME",
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
fn a_file_name_may_have_spaces() {
    let ended = Fake::start()
        .ctl(["shell", "-q"])
        .input("  fetch   missing   \n")
        .run()
        .exits(0);
    assert!(
        ended.stdout.contains("Couldn't find the file missing\n"),
        "{ended:?}"
    );
}
