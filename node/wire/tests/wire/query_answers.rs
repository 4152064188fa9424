//! A peer's answer to `query`: every shape, every cut, every lie.

use node_wire::gate::GateError;
use node_wire::limits::{ANSWER_HEAD_MAX, SMALL_ANSWER_MAX};
use node_wire::{
    AnswerError, AnswerHead, Dialect, Fault, MissReason, Payload, QueryAnswerReader, QueryOutcome,
    response,
};
use proptest::collection::vec;
use proptest::prelude::*;

use super::contents::write;
use super::values::legal_text;

pub(crate) type Read = Result<(QueryOutcome, Vec<u8>), AnswerError>;

pub(crate) fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let mut reader = QueryAnswerReader::new();
    let mut out = Vec::new();
    for piece in pieces {
        reader.push(piece, &mut out)?;
    }
    Ok((reader.finish()?, out))
}

const TEXT: QueryOutcome = QueryOutcome::Found {
    payload: Payload::Text,
    dialect: Dialect::Faults,
};
const BINARY: QueryOutcome = QueryOutcome::Found {
    payload: Payload::Binary,
    dialect: Dialect::Faults,
};

fn answer(value: &str) -> String {
    format!(
        "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n{value}\n</param>\n</params>\n</methodResponse>\n"
    )
}

fn codes(code: &str, data: &str) -> String {
    answer(&format!(
        "<value><array><data>\n<value>{code}</value>\n{data}\n</data></array></value>"
    ))
}

/// Reads whole and byte by byte, and wants the same.
fn read_str(text: &str) -> Read {
    let whole = read([text.as_bytes()]);
    assert_eq!(read(text.as_bytes().chunks(1)), whole, "{text}");
    whole
}

fn found(text: &str, outcome: &QueryOutcome, content: &[u8]) {
    assert_eq!(
        read_str(text),
        Ok((outcome.clone(), content.to_vec())),
        "{text}"
    );
}

#[test]
fn every_shape_of_a_file_is_read() {
    found(&answer("<value><string>a</string></value>"), &TEXT, b"a");
    found(&answer("<value>a</value>"), &TEXT, b"a");
    found(
        &answer("<value>\n <string >a</string\n>\n</value >"),
        &TEXT,
        b"a",
    );
    found(
        &answer("<value><base64>\naGk=\n</base64></value>"),
        &BINARY,
        b"hi",
    );
    found(&answer("<value><string></string></value>"), &TEXT, b"");
    found(&answer("<value><string/></value>"), &TEXT, b"");
    found(&answer("<value><base64></base64></value>"), &BINARY, b"");
    found(&answer("<value><base64 /></value>"), &BINARY, b"");
    found(&answer("<value></value>"), &TEXT, b"");
    found(&answer("<value/>"), &TEXT, b"");
}

#[test]
fn white_space_is_content_only_inside_the_content() {
    found(&answer("<value>  </value>"), &TEXT, b"  ");
    found(&answer("<value> a\n</value>"), &TEXT, b" a\n");
    found(
        &answer("<value> <string> a </string> </value>"),
        &TEXT,
        b" a ",
    );
    found(&answer("<value>&#32;</value>"), &TEXT, b" ");
}

#[test]
fn text_is_kept_byte_for_byte() {
    found(
        &answer("<value><string>a\r\nb\rc\u{85}</string></value>"),
        &TEXT,
        "a\r\nb\rc\u{85}".as_bytes(),
    );
    let xml = "<value><string>&lt;&gt;&amp;&quot;&apos;&#13;&#x1F980;]]>\"'</string></value>";
    found(&answer(xml), &TEXT, "<>&\"'\r🦀]]>\"'".as_bytes());
}

#[test]
fn codes_are_read() {
    for code in ["<int>1</int>", "<i4>1</i4>"] {
        let dialect = Dialect::Codes;
        let text = QueryOutcome::Found {
            payload: Payload::Text,
            dialect,
        };
        let binary = QueryOutcome::Found {
            payload: Payload::Binary,
            dialect,
        };
        found(
            &codes(code, "<value><string>a</string></value>"),
            &text,
            b"a",
        );
        found(&codes(code, "<value>a</value>"), &text, b"a");
        found(&codes(code, "<value/>"), &text, b"");
        found(&codes(code, "<value><string/></value>"), &text, b"");
        found(
            &codes(code, "<value><base64>aGk=</base64></value>"),
            &binary,
            b"hi",
        );
    }
    for data in [
        "<value><string></string></value>",
        "<value><int>0</int></value>",
        "<value/>",
    ] {
        found(&codes("<int>2</int>", data), &QueryOutcome::NotFound, b"");
    }
}

#[test]
fn faults_are_read() {
    let fault = Fault::unhandled(MissReason::HopLimit);
    let bytes = response::fault(&fault);
    let expected = Ok((QueryOutcome::Fault(fault), vec![]));
    assert_eq!(read([&bytes[..]]), expected);
    assert_eq!(read(bytes.chunks(1)), expected);
}

#[test]
fn the_head_is_known_before_the_content_is_complete() {
    let mut reader = QueryAnswerReader::new();
    let mut out = Vec::new();
    let start = b"<methodResponse><params><param><value><string>";
    for byte in start {
        assert_eq!(reader.head(), None);
        reader.push(&[*byte], &mut out).unwrap();
    }
    let (payload, dialect) = (Payload::Text, Dialect::Faults);
    assert_eq!(reader.head(), Some(AnswerHead { payload, dialect }));
    reader.push(b"abc", &mut out).unwrap();
    assert_eq!(out, b"abc");
}

#[test]
fn what_is_no_answer_is_refused() {
    let unexpected = |text: &str| {
        let read = read_str(text);
        assert!(
            matches!(read, Err(AnswerError::Unexpected(_))),
            "{text}: {read:?}"
        );
    };
    unexpected("hello");
    unexpected("<methodCall>");
    unexpected("<methodResponse>x");
    unexpected("<methodResponse><value>");
    unexpected(&answer("<value><int>1</int></value>"));
    unexpected(&answer("<value><struct></struct></value>"));
    unexpected(&answer("<value><nil/></value>"));
    unexpected(&answer("<value><string>a</string>b</value>"));
    unexpected(&answer("<value><string>a<b/></string></value>"));
    unexpected(&answer("<value>a<string>b</string></value>"));
    unexpected(&answer("<value>a</value><value>b</value>"));
    unexpected(&codes("<string>1</string>", "<value>a</value>"));
    unexpected(&codes("<int>3</int>", "<value>a</value>"));
    unexpected(&codes(
        "<int>1</int>",
        "<value><array><data></data></array></value>",
    ));
    unexpected(&codes("<int>1</int>", "<value>a</value><value>b</value>"));
    unexpected(&(answer("<value>a</value>") + "x"));
    unexpected(&(answer("<value>a</value>") + "<a/>"));
}

#[test]
fn the_gate_holds_for_head_and_tail() {
    let value = "<value>a</value>";
    for (text, error) in [
        (format!("<!DOCTYPE a>{}", answer(value)), GateError::Markup),
        (format!("<!-- -->{}", answer(value)), GateError::Markup),
        (format!("<?php ?>{}", answer(value)), GateError::Instruction),
        (answer(&format!("<?x?>{value}")), GateError::Instruction),
        (answer(&format!("{value}<!-- -->")), GateError::Markup),
        (format!("<![CDATA[a]]>{}", answer(value)), GateError::Markup),
        (answer(value) + "<![CDATA[a]]>", GateError::Markup),
        (answer("<value x='1'>a</value>"), GateError::Tag),
        (answer("<v\u{e9}>"), GateError::Tag),
        (format!("<{}", "a".repeat(300)), GateError::TagTooLong),
        (
            answer(&format!("<value>a</{}", "a".repeat(300))),
            GateError::TagTooLong,
        ),
        (
            answer(value).replace("1.0'", "1.0' encoding='utf-7'"),
            GateError::Encoding,
        ),
    ] {
        assert_eq!(read_str(&text), Err(AnswerError::Gate(error)), "{text}");
    }
}

#[test]
fn bad_content_is_refused() {
    for text in [
        "&nbsp;",
        "&#0;",
        "&#27;",
        "&#xD800;",
        "&#xffffff;",
        "&",
        "&lt",
        "&;",
        "& lt;",
    ] {
        let read = read_str(&answer(&format!("<value><string>{text}</string></value>")));
        assert_eq!(read, Err(AnswerError::Reference), "{text}");
    }
    let endless = answer(&format!("<value>&{}", "a".repeat(1000)));
    assert_eq!(read_str(&endless), Err(AnswerError::Reference));
    let illegal: [&[u8]; 5] = [b"\0", b"\x1B", b"\xFF", b"\xC3", b"\xC3&lt;"];
    for bytes in illegal {
        let text = answer("<value><string>@</string></value>");
        let (before, after) = text.split_once('@').unwrap();
        let body = [before.as_bytes(), bytes, after.as_bytes()].concat();
        assert_eq!(read([&body[..]]), Err(AnswerError::Text), "{bytes:?}");
        assert_eq!(read(body.chunks(1)), Err(AnswerError::Text), "{bytes:?}");
    }
    for text in [
        "a",
        "aGk",
        "aGk==",
        "a=Gk",
        "aGk=aGk=",
        "aGk=a",
        "====",
        "aGl=",
        "a-_k",
        "aG&#107;=",
        "é",
    ] {
        let read = read_str(&answer(&format!("<value><base64>{text}</base64></value>")));
        assert_eq!(read, Err(AnswerError::Base64), "{text}");
    }
}

#[test]
fn a_cut_is_noticed_wherever_it_is() {
    let shapes = [
        answer("<value><string>a&amp;é</string></value>"),
        answer("<value><base64>aGk=</base64></value>"),
        codes("<int>1</int>", "<value>a</value>"),
    ];
    for text in &shapes {
        let whole = text.trim_end().len();
        for end in 0..whole {
            let cut = read([&text.as_bytes()[..end]]);
            assert_eq!(cut, Err(AnswerError::Truncated), "{end} of {text}");
        }
        assert!(read([&text.as_bytes()[..whole]]).is_ok());
    }
    let small = codes("<int>2</int>", "<value/>");
    for end in 0..small.trim_end().len() {
        assert!(read([&small.as_bytes()[..end]]).is_err());
    }
}

#[test]
fn head_tail_and_small_answers_are_limited() {
    let space = " ".repeat(ANSWER_HEAD_MAX);
    assert_eq!(
        read_str(&answer(&format!("{space}<value>a</value>"))),
        Err(AnswerError::HeadTooLong)
    );
    assert_eq!(
        read_str(&(answer("<value>a</value>") + &space)),
        Err(AnswerError::TailTooLong)
    );
    let endless = codes(
        "<int>2</int>",
        &format!("<value>{}", "x".repeat(SMALL_ANSWER_MAX)),
    );
    assert!(matches!(read_str(&endless), Err(AnswerError::Small(_))));
}

#[test]
fn a_mark_and_space_may_stand_before_the_answer() {
    let whole = answer("<value><string>a</string></value>");
    let bare = whole.split_once('\n').unwrap().1;
    for before in [
        "\u{feff}",
        "\r\n",
        "\n\u{feff}",
        "\u{feff}\n",
        "\u{feff}\u{feff}",
    ] {
        found(&format!("{before}{whole}"), &TEXT, b"a");
        found(&format!("{before}{bare}"), &TEXT, b"a");
    }
    let fault = response::fault(&Fault::access_denied());
    let fault = format!("\u{feff}{}", String::from_utf8(fault).unwrap());
    found(&fault, &QueryOutcome::Fault(Fault::access_denied()), b"");
    let read = read_str(&(" ".repeat(ANSWER_HEAD_MAX) + &whole));
    assert_eq!(read, Err(AnswerError::HeadTooLong));
}

#[test]
fn an_empty_element_is_an_empty_file_that_is_known_at_once() {
    for (text, outcome) in [
        (answer("<value/>"), TEXT),
        (answer("<value><string/></value>"), TEXT),
        (answer("<value><string></string></value>"), TEXT),
        (answer("<value> <base64 /> </value>"), BINARY),
        (codes(" <i4> 1 </i4> ", "<value/>"), TEXT),
        (codes("<int>1</int>", "<value><string/></value>"), TEXT),
        (codes("<int>1</int>", "<value><base64/></value>"), BINARY),
    ] {
        let mut reader = QueryAnswerReader::new();
        reader.push(text.as_bytes(), &mut Vec::new()).unwrap();
        let head = reader.head().expect("content follows");
        let (QueryOutcome::Found { payload, .. }, Ok(read)) = (outcome, reader.finish()) else {
            panic!("{text}");
        };
        let dialect = head.dialect;
        assert_eq!(read, QueryOutcome::Found { payload, dialect }, "{text}");
        assert_eq!(head.payload, payload, "{text}");
    }
    for text in [
        "<value><string/>x</value>",
        "<value><string/><string/></value>",
    ] {
        assert!(read_str(&answer(text)).is_err(), "{text}");
    }
}

#[test]
fn an_error_stays() {
    let mut reader = QueryAnswerReader::new();
    let mut out = Vec::new();
    let error = reader.push(b"hello", &mut out).unwrap_err();
    let rest = answer("<value>a</value>");
    assert_eq!(reader.push(rest.as_bytes(), &mut out), Err(error.clone()));
    assert_eq!(reader.head(), None);
    assert_eq!(reader.finish(), Err(error));
}

#[test]
fn long_content_runs_through() {
    let mut reader = QueryAnswerReader::new();
    let mut out = Vec::new();
    let mut total = 0;
    reader
        .push(b"<methodResponse><params><param><value><base64>", &mut out)
        .unwrap();
    for _ in 0..256 {
        reader
            .push(
                "QUJDREVGR0hJSktMTU5PUFFSU1RVVldY\r\n"
                    .repeat(128)
                    .as_bytes(),
                &mut out,
            )
            .unwrap();
        total += out.len();
        assert!(out.len() <= 34 * 128);
        out.clear();
    }
    reader
        .push(
            b"</base64></value></param></params></methodResponse>",
            &mut out,
        )
        .unwrap();
    assert_eq!(reader.finish(), Ok(BINARY));
    assert_eq!(total, 256 * 128 * 24);
}

/// Cuts `bytes` into pieces of the lengths in `cuts`, again and again.
pub(crate) fn pieces<'a>(mut bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for cut in cuts.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (piece, rest) = bytes.split_at((*cut).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

/// Generates something like an answer: its tags in a random order, with odd text.
fn answer_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => prop_oneof![
            Just("<methodResponse>"), Just("</methodResponse>"), Just("<params>"), Just("</params>"),
            Just("<param>"), Just("</param>"), Just("<value>"), Just("</value>"), Just("<string>"),
            Just("</string>"), Just("<base64>"), Just("</base64>"), Just("<array>"), Just("<data>"),
            Just("<int>"), Just("</int>"), Just("<fault>"), Just("<?xml version='1.0'?>"),
            Just("<value/>"), Just("<!--"), Just("<string/>"), Just("<![CDATA["), Just("]]>"), Just("]"),
            Just("\u{feff}"), Just("<?xml version='1.0' encoding='latin1'?>"), Just("&amp;"), Just("&"), Just("1"), Just("aGk="),
        ].prop_map(str::to_owned),
        1 => legal_text(),
    ];
    let body = vec(piece, 0..12).prop_map(|pieces| pieces.concat());
    let head = "<methodResponse><params><param>";
    prop_oneof![
        body.clone(),
        body.clone().prop_map(move |body| format!("{head}{body}")),
        body.prop_map(|body| answer(&format!("<value><string>{body}</string></value>"))),
    ]
}

proptest! {
    #[test]
    fn contents_come_back_byte_for_byte(
        bytes in prop_oneof![vec(any::<u8>(), 0..300), legal_text().prop_map(String::into_bytes)],
        codes in any::<bool>(),
        cuts in vec(1usize..40, 1..8),
    ) {
        let dialect = if codes { Dialect::Codes } else { Dialect::Faults };
        let (body, scanned) = write(dialect, &bytes, 7);
        let outcome = QueryOutcome::Found { payload: scanned.payload, dialect };
        prop_assert_eq!(read(pieces(&body, &cuts)), Ok((outcome, bytes)));
    }

    #[test]
    fn any_cut_gives_the_same(text in answer_like(), cuts in vec(1usize..20, 1..8)) {
        let whole = read([text.as_bytes()]);
        prop_assert_eq!(&read(pieces(text.as_bytes(), &cuts)), &whole);
        prop_assert_eq!(&read(text.as_bytes().chunks(1)), &whole);
    }

    #[test]
    fn any_cut_of_spoilt_bytes_gives_the_same(
        bytes in vec(any::<u8>(), 0..60),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cuts in vec(1usize..20, 1..8),
    ) {
        let (mut body, _) = write(Dialect::Codes, &bytes, 7);
        let at = at.index(body.len());
        body[at] = byte;
        prop_assert_eq!(read(pieces(&body, &cuts)), read([&body[..]]));
    }
}
