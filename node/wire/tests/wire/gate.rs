//! The gate: each rule by an example just inside and just outside.

use node_wire::gate::{GateError, check};
use node_wire::limits::{XML_DEPTH_MAX, XML_ELEMENTS_MAX, XML_TAG_MAX};

fn verdict(text: &str) -> Result<(), GateError> {
    check(text.as_bytes()).map(drop)
}

#[test]
fn a_mark_of_byte_order_is_taken_off() {
    assert_eq!(check("\u{feff}<a/>".as_bytes()), Ok("<a/>"));
    assert_eq!(verdict("\u{feff}\u{feff}<a/>"), Err(GateError::Root));
}

#[test]
fn plain_documents_pass() {
    for text in [
        "<a/>",
        "<a></a>",
        " \r\n<a>\t<b.c-d_e1/> text </a >\n",
        "<?xml version='1.0'?><a/>",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a>é</a>",
        "<?xml  version = '1.1'  encoding='utf-8' standalone='yes' ?><a/>",
        "<a>]]> &amp; > \u{10FFFF}</a>",
    ] {
        assert_eq!(check(text.as_bytes()), Ok(text));
    }
}

#[test]
fn a_document_is_one_element_of_plain_tags() {
    use GateError as E;
    let table = [
        ("", E::Root),
        ("  ", E::Root),
        ("text", E::Root),
        ("<a/>text", E::Root),
        ("x<a/>", E::Root),
        ("<a/><b/>", E::Root),
        ("<a/><a/>", E::Root),
        ("<a>", E::Unbalanced),
        ("</a>", E::Unbalanced),
        ("<a></b>", E::Unbalanced),
        ("<a><b></a></b>", E::Unbalanced),
        ("<a/></a>", E::Unbalanced),
        ("<a x='1'/>", E::Tag),
        ("<a xmlns='u'/>", E::Tag),
        ("<x:a/>", E::Tag),
        ("<a b=\"/>\"></a>", E::Tag),
        ("<1/>", E::Tag),
        ("< a/>", E::Tag),
        ("<>", E::Tag),
        ("</>", E::Tag),
        ("<é/>", E::Tag),
        ("<a/ >", E::Tag),
        ("</a/>", E::Tag),
        ("<a<b>", E::Tag),
    ];
    for (text, error) in table {
        assert_eq!(verdict(text), Err(error), "{text:?}");
    }
}

#[test]
fn what_xml_rpc_does_not_need_of_xml_is_refused() {
    use GateError as E;
    let table = [
        ("<!DOCTYPE a><a/>", E::Markup),
        ("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", E::Markup),
        ("<a><!-- x --></a>", E::Markup),
        ("<a><![CDATA[x]]></a>", E::Markup),
        ("<!", E::Markup),
        ("<a><?xml version='1.0'?></a>", E::Instruction),
        (" <?xml version='1.0'?><a/>", E::Instruction),
        ("<?xml-stylesheet href='x'?><a/>", E::Instruction),
        ("<?php x ?><a/>", E::Instruction),
        ("<a/><?x?>", E::Instruction),
        (
            "<?xml version='1.0'?><?xml version='1.0'?><a/>",
            E::Instruction,
        ),
        ("<?xml?><a/>", E::Instruction),
        ("<?xml ?><a/>", E::Declaration),
        ("<?xml version='2.0'?><a/>", E::Declaration),
        ("<?xml version='1.'?><a/>", E::Declaration),
        ("<?xml version='1.0\"?><a/>", E::Declaration),
        ("<?xml encoding='utf-8'?><a/>", E::Declaration),
        (
            "<?xml version='1.0' encoding='utf-16'?><a/>",
            E::Declaration,
        ),
        (
            "<?xml version='1.0' encoding='latin1'?><a/>",
            E::Declaration,
        ),
        ("<?xml version='1.0' encoding='utf-7'?><a/>", E::Declaration),
        ("<?xml version='1.0' version='1.0'?><a/>", E::Declaration),
        ("<?xml version='1.0'encoding='utf-8'?><a/>", E::Declaration),
        (
            "<?xml version='1.0' standalone='maybe'?><a/>",
            E::Declaration,
        ),
        ("<?xml version='1.0'", E::TagTooLong),
        ("<a", E::TagTooLong),
        ("<a>\u{0}</a>", E::IllegalCharacter),
        ("<a>\u{1B}</a>", E::IllegalCharacter),
        ("<a>\u{FFFE}</a>", E::IllegalCharacter),
    ];
    for (text, error) in table {
        assert_eq!(verdict(text), Err(error), "{text:?}");
    }
}

#[test]
fn other_encodings_are_refused() {
    let utf16: Vec<u8> = "<?xml version='1.0'?><a/>"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert!(check(&utf16).is_err());
    assert!(check(&[&[0xFF, 0xFE], &utf16[..]].concat()).is_err());
    assert_eq!(check(b"<a>\xE9</a>"), Err(GateError::NotUtf8));
    assert_eq!(check(b"<a>\xC0\xBC</a>"), Err(GateError::NotUtf8));
    assert_eq!(check(b"<a>\xED\xA0\x80</a>"), Err(GateError::NotUtf8));
}

#[test]
fn depth_is_limited() {
    let nest = |levels| "<a>".repeat(levels) + &"</a>".repeat(levels);
    assert_eq!(verdict(&nest(XML_DEPTH_MAX)), Ok(()));
    assert_eq!(verdict(&nest(XML_DEPTH_MAX + 1)), Err(GateError::TooDeep));
    assert_eq!(verdict(&"<a>".repeat(1_000_000)), Err(GateError::TooDeep));
}

#[test]
fn elements_are_counted() {
    let wide = |count| format!("<r>{}</r>", "<a/>".repeat(count));
    assert_eq!(verdict(&wide(XML_ELEMENTS_MAX - 1)), Ok(()));
    assert_eq!(
        verdict(&wide(XML_ELEMENTS_MAX)),
        Err(GateError::TooManyElements)
    );
}

#[test]
fn tags_are_measured_with_their_brackets() {
    let tag = |length: usize| format!("<{}/>", "a".repeat(length - 3));
    assert_eq!(verdict(&tag(XML_TAG_MAX)), Ok(()));
    assert_eq!(verdict(&tag(XML_TAG_MAX + 1)), Err(GateError::TagTooLong));
    let padded = format!("<a{}/>", " ".repeat(1_000_000));
    assert_eq!(verdict(&padded), Err(GateError::TagTooLong));
}
