//! Tests of the requests and the hits of programs.

use std::time::Duration;

use plugin_api::{Changes, Handler, HandlerError};
use plugin_host::Plugin;
use plugin_process::Program;

use crate::world::{Found, hit, program, put, share};

/// Returns a program in Python that answers with the results of `find(ask, query)`.
fn python(find: &str) -> (Program, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let text = format!(
        r#"#!/usr/bin/env python3
import base64, json, sys
def say(**message):
    print(json.dumps(message), flush=True)
def hear():
    return json.loads(sys.stdin.readline() or sys.exit())
assert hear() == {{"sixhop": 1}}
say(sixhop=1, id="t", version=1, prefix="t", description="a test", examples=[dict(query="q", files={{}}, finds=[])])
def answer(id, query):
    def ask(type, **more):
        say(type=type, id=id, **more)
        return hear()
    def hit(name, **more):
        say(type="hit", id=id, name=name, **more)
{find}
while True:
    m = hear()
    if m["type"] == "answer":
        answer(m["id"], m)
        say(type="done", id=m["id"])
"#
    );
    let path = put(home.path(), "test.py", &text);
    (Program::start(&path).unwrap(), home)
}

#[test]
fn a_program_sees_names_sizes_and_contents() {
    let (program, _home) = python(
        r#"
    page = ask("list")
    assert page["more"] is False
    assert [f["name"] for f in page["files"]] == ["a/Large.TXT", "b.txt", "c.bin"], page
    assert page["files"][0]["size"] == 10 and page["files"][0]["version"] == 1
    assert [f["name"] for f in ask("list", endings=[".txt"], after="a/Large.TXT")["files"]] == ["b.txt"]
    assert ask("stat", name="b.txt")["file"]["size"] == 9
    assert ask("stat", name="no")["file"] is None
    assert base64.b64decode(ask("read", name="c.bin")["base64"]) == b"\x00\xff\x07"
    assert base64.b64decode(ask("read", name="b.txt", **{"from": 4, "most": 3})["base64"]) == b"hel"
    assert ask("read", name="b.txt", text=True, **{"from": 4})["text"] == "hello"
    assert ask("read", name="c.bin", text=True)["text"] == "\0\ufffd\x07"
    assert ask("read", name="no")["base64"] is None
    hit("b.txt")
"#,
    );
    let files: &[(&str, &[u8])] = &[
        ("a/Large.TXT", b"0123456789"),
        ("b.txt", b"say hello"),
        ("c.bin", &[0, 0xff, 7]),
    ];
    let mut found = Found::new();
    program.answer("q", &share(files), &mut found).unwrap();
    assert_eq!(found.names(), ["b.txt"]);
}

#[test]
fn hits_have_scores_and_excerpts() {
    let (program, _home) = python(
        r#"
    assert query["text"] == "w \u2028" and query["context"] == 1
    hit("a.txt", score=0.5, excerpt=dict(text="die Wörter", line=3, column=5, marks=[[4, 10]], before=["1", "2"], after=["4"]))
"#,
    );
    let mut found = Found {
        context: 1,
        ..Found::new()
    };
    let files = share(&[("a.txt", b"")]);
    program.answer("w \u{2028}", &files, &mut found).unwrap();
    let hit = &found.hits[0];
    let excerpt = hit.excerpt.clone().unwrap();
    assert_eq!(hit.score, Some(0.5));
    assert_eq!(&excerpt.text[excerpt.marks[0].clone()], "Wörter");
    assert_eq!((excerpt.line, excerpt.column), (Some(3), Some(5)));
    assert_eq!(
        (excerpt.before, excerpt.after),
        (vec!["2".into()], vec!["4".into()])
    );
}

#[test]
fn a_file_that_is_not_shared_is_no_hit_and_cannot_be_read() {
    let (program, _home) = python(
        r#"
    for name in ["/etc/passwd", "../test.py", "a.txt\0", "", "A.TXT", "a.txt/", "./a.txt"]:
        assert ask("read", name=name)["base64"] is None, name
        assert ask("stat", name=name)["file"] is None, name
        hit(name)
    hit("a.txt")
"#,
    );
    let mut found = Found::new();
    let files = share(&[("a.txt", b"a")]);
    program.answer("q", &files, &mut found).unwrap();
    assert_eq!(found.names(), ["a.txt"]);
}

#[test]
fn an_answer_ends_when_no_more_is_wanted() {
    let body = format!("{} read -r cancel; echo \"$done\"", hit("a.txt").repeat(3));
    let lair = program(&body);
    for _ in 0..3 {
        let mut found = Found {
            limit: 2,
            ..Found::new()
        };
        let files = share(&[("a.txt", b"a")]);
        lair.program.answer("q", &files, &mut found).unwrap();
        assert_eq!(found.names().len(), 2);
    }
    assert!(lair.program.strikes().last().is_none());
}

#[test]
fn an_answer_ends_at_its_deadline_and_the_next_one_is_given() {
    let lair = program(
        r#"case $text in slow) read -r cancel; echo "$cancel" > cancel;; esac; echo "$done""#,
    );
    let pid = lair.program.pid();
    lair.ask_within("slow", Duration::from_millis(100)).unwrap();
    lair.ask("quick").unwrap();
    assert_eq!(lair.program.pid(), pid, "it was not started again");
    assert_eq!(
        lair.note("cancel").as_deref(),
        Some("{\"type\":\"cancel\",\"id\":1}\n")
    );
}

#[test]
fn a_program_may_report_a_bad_query_and_a_failure() {
    let lair =
        program(r#"echo '{"type":"error","id":'$id',"problem":"say a number","query":'$text'}'"#);
    for _ in 0..4 {
        let refused = lair.program.answer("true", &share(&[]), &mut Found::new());
        assert!(
            matches!(&refused, Err(HandlerError::BadQuery { problem, .. }) if problem == "say a number"),
            "{refused:?}"
        );
    }
    assert!(!lair.program.strikes().is_disabled());
    let pid = lair.program.pid();
    for _ in 0..3 {
        assert!(lair.ask("false").unwrap_err().contains("say a number"));
    }
    assert!(lair.program.strikes().is_disabled());
    assert_eq!(lair.program.pid(), pid, "it may live on");
}

#[test]
fn a_program_may_say_that_it_could_not_look_at_everything() {
    let lair = program(r#"echo '{"type":"done","id":'$id',"partial":true}'"#);
    let mut found = Found::new();
    lair.program.answer("q", &share(&[]), &mut found).unwrap();
    assert!(found.is_partial);
}

#[test]
fn a_subscribed_program_hears_of_changes_before_a_query() {
    let lair = program(r#"echo "$changed" > changed; changed=; echo "$done""#);
    let told = |changes: &[Changes<'_>]| {
        changes
            .iter()
            .for_each(|changes| lair.program.changed(*changes));
        lair.ask("q").unwrap();
        lair.note("changed").unwrap().trim().to_owned()
    };
    assert_eq!(told(&[]), "");
    let (a, b) = (["a".to_owned()], ["b".to_owned()]);
    assert_eq!(
        told(&[Changes::Names(&a), Changes::Names(&b)]),
        r#"{"type":"changed","names":["a","b"]}"#
    );
    assert_eq!(
        told(&[Changes::Names(&a), Changes::Anything]),
        r#"{"type":"changed"}"#
    );
    let many = vec!["x".to_owned(); 2_000];
    assert_eq!(told(&[Changes::Names(&many)]), r#"{"type":"changed"}"#);
    assert_eq!(told(&[]), "");
}
