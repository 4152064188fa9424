//! Small answers: written, read, and refused.

use node_wire::content::{Payload, QueryAnswerWriter};
use node_wire::dialect::Dialect;
use node_wire::gate;
use node_wire::limits::SMALL_ANSWER_MAX;
use node_wire::response::{self, HelloAnswer, ResponseError};
use node_wire::value::ValueError;
use node_wire::{Fault, MissReason, Value};
use proptest::prelude::*;

use super::values::value;

fn answer(value: &str) -> Vec<u8> {
    format!("<methodResponse><params><param>{value}</param></params></methodResponse>").into_bytes()
}

#[test]
fn faults_read_back() {
    for reason in MissReason::ALL {
        let fault = Fault::unhandled(reason);
        let read = response::read(&response::fault(&fault));
        assert_eq!(read, Ok(Err(fault)));
    }
}

#[test]
fn a_peers_fault_text_is_cut_and_escaped() {
    let xml = format!(
        "<methodResponse><fault><value><struct>\
         <member><name>faultCode</name><value><int>1</int></value></member>\
         <member><name>faultString</name><value><string>&#9;{}</string></value></member>\
         </struct></value></fault></methodResponse>",
        "x".repeat(1000)
    );
    let fault = response::read(xml.as_bytes()).unwrap().unwrap_err();
    assert!(fault.message.starts_with(r"\u{9}xx"));
    assert_eq!(fault.message.chars().count(), 200);
}

#[test]
fn faults_with_an_odd_code_or_more_members_are_read() {
    for (code, more, expected) in [
        ("<string>Client</string>", "", 0),
        ("<string> 100 </string>", "", 100),
        ("<i8>200</i8>", "", 200),
        ("100", "", 100),
        ("<double>1.5</double>", "", 0),
        (
            "<int>100</int>",
            "<member><name>detail</name><value>x</value></member>",
            100,
        ),
    ] {
        let xml = format!(
            "<?xml version=\"1.0\"?><methodResponse><fault><value><struct>\
             <member><name>faultCode</name><value>{code}</value></member>\
             <member><name>faultString</name><value>no such file</value></member>{more}\
             </struct></value></fault></methodResponse>"
        );
        let fault = response::read(xml.as_bytes()).unwrap().unwrap_err();
        assert_eq!(
            (fault.code, &*fault.message),
            (expected, "no such file"),
            "{xml}"
        );
    }
    let no_code =
        "<methodResponse><fault><value><struct></struct></value></fault></methodResponse>";
    assert!(response::read(no_code.as_bytes()).is_err());
}

#[test]
fn dates_that_cannot_be_written_are_refused_without_panic() {
    for date in [
        "2015-W45-1T10:00:00",
        "2015-123T10:00:00",
        "20150203T10:00:00+01:00",
    ] {
        let xml = format!("<value><dateTime.iso8601>{date}</dateTime.iso8601></value>");
        let read = response::read(&answer(&xml));
        assert_eq!(read, Err(ResponseError::Value(ValueError::Date)), "{date}");
    }
}

#[test]
fn what_is_no_answer_is_refused() {
    for bad in [
        "",
        "x",
        "<a/>",
        "<methodResponse/>",
        "<methodResponse><params/></methodResponse>",
    ] {
        assert!(response::read(bad.as_bytes()).is_err(), "{bad}");
    }
    for bad in [
        "<value><double>NaN</double></value>",
        "<value>&#1;</value>",
        "<value>&x;</value>",
    ] {
        assert!(response::read(&answer(bad)).is_err(), "{bad}");
    }
    let twice = [answer("<value/>"), answer("<value/>")].concat();
    assert!(matches!(
        response::read(&twice),
        Err(ResponseError::Gate(_))
    ));
}

#[test]
fn an_error_does_not_carry_the_whole_answer() {
    let xml = format!("<value><int>{}</int></value>", "\u{85}".repeat(20_000));
    let error = response::read(&answer(&xml)).unwrap_err().to_string();
    assert!(error.chars().count() < 300);
    assert!(!error.contains('\u{85}'));
}

#[test]
fn long_answers_are_refused() {
    let body = |length: usize| {
        let frame = answer("<value></value>").len();
        answer(&format!("<value>{}</value>", "x".repeat(length - frame)))
    };
    assert!(response::read(&body(SMALL_ANSWER_MAX)).is_ok());
    let read = response::read(&body(SMALL_ANSWER_MAX + 1));
    assert_eq!(read, Err(ResponseError::TooLong(SMALL_ANSWER_MAX)));
}

#[test]
fn hello_tells_the_dialect() {
    let table = [
        (Value::Int(0), Some(HelloAnswer::Welcome(Dialect::Faults))),
        (Value::Int(1), Some(HelloAnswer::Welcome(Dialect::Codes))),
        (Value::Int(2), Some(HelloAnswer::Refused)),
        (Value::Int(3), None),
        (Value::Bool(true), None),
        (Value::from("0"), None),
    ];
    for (value, expected) in table {
        assert_eq!(response::hello_dialect(&value), expected, "{value:?}");
    }
}

#[test]
fn multicall_answers_hold_results_and_faults() {
    let fault = Fault::access_denied();
    let mut answer = response::MULTICALL_HEAD.as_bytes().to_vec();
    answer.extend(response::multicall_entry(Ok(Value::Int(7))));
    answer.extend(response::multicall_entry(Err(&fault)));
    for (payload, bytes) in [
        (Payload::Text, &b"a < b\r\n"[..]),
        (Payload::Binary, &[0, 255, 7]),
    ] {
        let mut writer = QueryAnswerWriter::entry(payload);
        answer.extend_from_slice(writer.head().as_bytes());
        writer.push(bytes, &mut answer);
        writer.finish(&mut answer);
    }
    answer.extend_from_slice(response::MULTICALL_TAIL.as_bytes());
    let read = response::read(&answer).unwrap().unwrap();
    assert_eq!(read[2], Value::Array(vec!["a < b\r\n".into()]));
    assert_eq!(read[3], Value::Array(vec![Value::Base64(vec![0, 255, 7])]));
    assert_eq!(read[0], Value::Array(vec![Value::Int(7)]));
    assert_eq!(read[1]["faultCode"], Value::Int(200));
    assert_eq!(read[1]["faultString"], Value::from("Access denied"));
}

#[test]
fn every_answer_to_query_begins_with_the_prelude() {
    for dialect in [Dialect::Faults, Dialect::Codes] {
        for payload in [Payload::Text, Payload::Binary] {
            let writer = QueryAnswerWriter::new(dialect, payload);
            let begin = [QueryAnswerWriter::PRELUDE, writer.head_behind_prelude()].concat();
            assert_eq!(begin, writer.head());
        }
    }
    let entry = QueryAnswerWriter::entry(Payload::Text);
    assert_eq!(entry.head_behind_prelude(), entry.head());
}

/// Returns the value as the `xmlrpc` crate reads it back: a string of white space is
/// empty. `None` if it has a member without a visible name, which it refuses.
fn as_read(value: Value) -> Option<Value> {
    let is_blank = |text: &str| text.chars().all(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
    Some(match value {
        Value::String(text) if is_blank(&text) => "".into(),
        Value::Array(items) => Value::Array(items.into_iter().map(as_read).collect::<Option<_>>()?),
        Value::Struct(members) => {
            let kept = members.into_iter().map(|(name, value)| {
                (!is_blank(&name)).then_some(())?;
                Some((name, as_read(value)?))
            });
            Value::Struct(kept.collect::<Option<_>>()?)
        }
        other => other,
    })
}

proptest! {
    #[test]
    fn values_read_back(value in value()) {
        let Some(expected) = as_read(value.clone()) else { return Ok(()) };
        prop_assert_eq!(response::read(&response::value(&value)), Ok(Ok(expected)));
    }

    #[test]
    fn any_text_is_written_as_xml_that_passes(text in any::<String>(), code in any::<i32>()) {
        prop_assert!(gate::check(&response::value(&text.as_str().into())).is_ok());
        let fault = Fault::new(code, &text);
        prop_assert!(gate::check(&response::fault(&fault)).is_ok());
    }
}
