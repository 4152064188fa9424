//! Bytes that other programs made, and bytes of ours that must not change.
//!
//! `tests/golden/python` is what Python's own library writes; `tests/golden/ours`
//! is what we write. After a wanted change, run the tests once with
//! `UPDATE_GOLDEN=1` and read the difference.

use std::path::{Path, PathBuf};
use std::process::Command;

use node_wire::content::codes_failure;
use node_wire::response::{self, HelloAnswer};
use node_wire::{
    Dialect, Fault, Fetch, Hello, MethodCall, MissReason, Multicall, Payload, Query, QueryOutcome,
    Value, request,
};

use super::contents::write;
use super::query_answers::{pieces, read};

const TEXT: &[u8] = b"This is a test\n";
const SPECIAL: &[u8] = b"<a> & \"b\" ]]> 'c'\n";
const RETURN: &[u8] = b"one\r\ntwo\rthree\n";
const FOREIGN: &str = "é 日本語 🦀\n";

fn binary() -> Vec<u8> {
    (0..=255).collect()
}

fn golden(folder: &str, name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/golden")
        .join(folder)
        .join(format!("{name}.xml"))
}

fn python(name: &str) -> Vec<u8> {
    let path = golden("python", name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn same_as_before(name: &str, bytes: &[u8]) {
    let path = golden("ours", name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, bytes).unwrap();
    }
    let before = std::fs::read(&path).unwrap_or_default();
    let (before, now) = (
        String::from_utf8_lossy(&before),
        String::from_utf8_lossy(bytes),
    );
    assert_eq!(now, before, "{}", path.display());
}

fn call(name: &str) -> MethodCall {
    request::read(&python(name)).unwrap_or_else(|fault| panic!("{name}: {fault}"))
}

fn every_type(date: Value) -> Value {
    let members = [
        ("int", Value::Int(-7)),
        ("boolean", Value::Bool(true)),
        ("double", Value::Double(1.5)),
        ("string", String::from_utf8(SPECIAL.into()).unwrap().into()),
        ("base64", Value::Base64(binary())),
        (
            "array",
            Value::Array(vec![Value::Int(1), Value::Array(vec![]), "two".into()]),
        ),
        ("nil", Value::Nil),
        ("date", date),
    ];
    Value::Struct(members.map(|(name, value)| (name.to_owned(), value)).into())
}

#[test]
fn python_files_are_read_byte_for_byte() {
    let (faults, codes) = (Dialect::Faults, Dialect::Codes);
    let (text, base64) = (Payload::Text, Payload::Binary);
    let bytes = binary();
    let table: [(&str, Payload, Dialect, &[u8]); 11] = [
        ("answer_text", text, faults, TEXT),
        ("answer_special", text, faults, SPECIAL),
        ("answer_return", text, faults, RETURN),
        ("answer_foreign", text, faults, FOREIGN.as_bytes()),
        ("answer_empty", text, faults, b""),
        ("answer_binary", base64, faults, &bytes),
        ("answer_binary_empty", base64, faults, b""),
        ("answer_codes_text", text, codes, TEXT),
        ("answer_codes_empty", text, codes, b""),
        ("answer_codes_return", text, codes, RETURN),
        ("answer_codes_binary", base64, codes, &bytes),
    ];
    for (name, payload, dialect, content) in table {
        let found = Ok((QueryOutcome::Found { payload, dialect }, content.to_vec()));
        for cuts in [&[usize::MAX][..], &[1], &[2, 3, 5], &[64]] {
            assert_eq!(read(pieces(&python(name), cuts)), found, "{name} {cuts:?}");
        }
    }
}

#[test]
fn python_failures_are_read() {
    let not_found = Fault::unhandled(MissReason::NotFound);
    let table = [
        ("answer_codes_fail", QueryOutcome::NotFound),
        ("answer_fault_100", QueryOutcome::Fault(not_found)),
        (
            "answer_fault_200",
            QueryOutcome::Fault(Fault::access_denied()),
        ),
    ];
    for (name, outcome) in table {
        assert_eq!(read([&python(name)[..]]), Ok((outcome, vec![])), "{name}");
    }
}

#[test]
fn python_hellos_tell_their_dialect() {
    for (name, dialect) in [
        ("answer_hello_0", Dialect::Faults),
        ("answer_hello_1", Dialect::Codes),
    ] {
        let value = response::read(&python(name)).unwrap().unwrap();
        let welcome = Some(HelloAnswer::Welcome(dialect));
        assert_eq!(response::hello_dialect(&value), welcome);
    }
}

#[test]
fn python_calls_are_read() {
    let hello = Hello::from_params(&call("call_hello").params).unwrap();
    assert_eq!(hello.url, "http://127.0.0.1:4242");
    let query = Query::from_params(&call("call_query").params).unwrap();
    assert_eq!((query.name.as_str(), query.history.len()), ("test.txt", 0));
    let query = Query::from_params(&call("call_query_history").params).unwrap();
    assert_eq!(query.name, "é.txt");
    assert_eq!(query.history, ["http://a:1", "http://b:2"]);
    let fetch = Fetch::from_params(&call("call_fetch").params).unwrap();
    assert_eq!(
        (fetch.name.as_str(), fetch.secret.as_str()),
        ("test.txt", "secret1")
    );
    let multicall = Multicall::from_params(&call("call_multicall").params).unwrap();
    assert!(multicall.entries.iter().all(Result::is_ok));
    assert_eq!(multicall.entries.len(), 2);
}

#[test]
fn python_types_are_read_and_written_as_before() {
    let call = call("call_every_type");
    let date = call.params[0]["date"].clone();
    assert!(matches!(date, Value::DateTime(_)));
    assert_eq!(call.params, [every_type(date)]);
    same_as_before("call_every_type", &request::write(&call));
}

#[test]
fn our_answers_are_what_they_were() {
    let file = |name, dialect, bytes: &[u8]| same_as_before(name, &write(dialect, bytes, 7).0);
    file("answer_text", Dialect::Faults, TEXT);
    file("answer_special", Dialect::Faults, SPECIAL);
    file("answer_return", Dialect::Faults, RETURN);
    file("answer_foreign", Dialect::Faults, FOREIGN.as_bytes());
    file("answer_empty", Dialect::Faults, b"");
    file("answer_binary", Dialect::Faults, &binary());
    file("answer_codes_return", Dialect::Codes, RETURN);
    file("answer_codes_binary", Dialect::Codes, &binary());
    same_as_before("answer_codes_fail", &codes_failure());
    same_as_before("answer_hello", &response::value(&Value::Int(0)));
    let fault = Fault::unhandled(MissReason::NotFound);
    same_as_before("answer_fault_100", &response::fault(&fault));
    let fault = Fault::access_denied();
    let multicall = [
        response::MULTICALL_HEAD.as_bytes(),
        &response::multicall_entry(Ok(Value::Int(0))),
        &response::multicall_entry(Err(&fault)),
        response::MULTICALL_TAIL.as_bytes(),
    ]
    .concat();
    same_as_before("answer_multicall", &multicall);
}

#[test]
fn our_calls_are_what_they_were() {
    let url = "http://127.0.0.1:4242/".to_owned();
    same_as_before("call_hello", &request::write(&Hello { url }.to_call()));
    let query = Query {
        name: "a\rb <é>.txt".to_owned(),
        history: vec!["http://a:1/".to_owned(), "http://b:2/".to_owned()],
    };
    same_as_before("call_query", &request::write(&query.to_call()));
    let fetch = Fetch {
        name: "test.txt".to_owned(),
        secret: "secret1".to_owned(),
    };
    same_as_before("call_fetch", &request::write(&fetch.to_call()));
}

#[test]
fn python_reads_what_we_write() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut command = Command::new("python3");
    command.args(["-B", "check.py"]).current_dir(folder);
    let output = command.output().expect("python3 is installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
