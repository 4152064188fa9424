//! The gate: each rule by an example just inside and just outside.

use node_wire::gate::{GateError, check};
use node_wire::limits::{XML_DEPTH_MAX, XML_ELEMENTS_MAX, XML_TAG_MAX};

fn verdict(text: &str) -> Result<(), GateError> {
    check(text.as_bytes()).map(drop)
}

#[test]
fn marks_and_space_before_a_document_are_passed_over() {
    for before in [
        "",
        "\u{feff}",
        "\r\n",
        "\r\n\u{feff}",
        "\u{feff} \u{feff}\n",
    ] {
        for declaration in ["", "<?xml version='1.0'?>"] {
            let text = format!("{before}{declaration}<a/>");
            assert_eq!(check(text.as_bytes()).as_deref(), Ok("<a/>"), "{text:?}");
        }
    }
    assert_eq!(
        verdict("<?xml version='1.0'?>\u{feff}<a/>"),
        Err(GateError::Root)
    );
    assert_eq!(verdict("<a/>\u{feff}"), Err(GateError::Root));
}

#[test]
fn plain_documents_pass() {
    for text in [
        "<a/>",
        "<a></a>",
        "<a>\t<b.c-d_e1/> text </a >\n",
        "<a>]]> &amp; > \u{10FFFF}</a>",
    ] {
        assert_eq!(check(text.as_bytes()).as_deref(), Ok(text));
    }
    for declaration in [
        "<?xml version='1.0'?>",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
        "<?xml  version = '1.1'  encoding='utf-8' standalone='yes' ?>",
        // A document in bytes of eight bits cannot be of UTF-16.
        "<?xml version='1.0' encoding='utf-16'?>",
    ] {
        let text = format!("{declaration}\n<a>é</a>");
        assert_eq!(check(text.as_bytes()).as_deref(), Ok("\n<a>é</a>"));
    }
}

#[test]
fn a_section_of_characters_is_text() {
    let text = "<a><![CDATA[<b>&amp;]]]]><![CDATA[>]]></a>";
    let expected = "<a>&lt;b&gt;&amp;amp;]]&gt;</a>";
    assert_eq!(check(text.as_bytes()).as_deref(), Ok(expected));
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
        ("<a xmlns='u' x='1'/>", E::Tag),
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
        ("<![CDATA[ ]]><a/>", E::Markup),
        ("<a/><![CDATA[ ]]>", E::Markup),
        ("<a <![CDATA[ ]]>/>", E::Tag),
        ("<a><![CDATA[x</a>", E::Unbalanced),
        ("<a><![CDATA[\u{0}]]></a>", E::IllegalCharacter),
        ("<a><![cdata[x]]></a>", E::Markup),
        ("<!", E::Markup),
        ("<a><?xml version='1.0'?></a>", E::Instruction),
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
        ("<?xml version='1.0' encoding='utf-7'?><a/>", E::Encoding),
        ("<?xml version='1.0' encoding='x-none'?><a/>", E::Encoding),
        ("<?xml version='1.0' encoding=''?><a/>", E::Declaration),
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
fn bytes_that_mean_nothing_are_refused() {
    assert_eq!(check(b"<a>\xE9</a>"), Err(GateError::NotUtf8));
    assert_eq!(check(b"<a>\xC0\xBC</a>"), Err(GateError::NotUtf8));
    assert_eq!(check(b"<a>\xED\xA0\x80</a>"), Err(GateError::NotUtf8));
    let ascii = b"<?xml version='1.0' encoding='us-ascii'?><a>\xE9</a>";
    assert_eq!(check(ascii), Err(GateError::NotUtf8));
    for bytes in [
        &b"\xFE\xFF\0<\0a\0/\0"[..],
        b"\xFE\xFF\0<\0a\0>\xD8\x00\0<\0/\0a\0>",
    ] {
        assert_eq!(check(bytes), Err(GateError::Undecodable), "{bytes:?}");
    }
    let utf32 = b"\xFF\xFE\0\0<\0\0\0a\0\0\0/\0\0\0>\0\0\0";
    assert!(check(utf32).is_err());
}

#[test]
fn limits_hold_for_what_was_decoded() {
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let deep = "<a>".repeat(XML_DEPTH_MAX + 1) + &"</a>".repeat(XML_DEPTH_MAX + 1);
    assert_eq!(check(&utf16(&deep)), Err(GateError::TooDeep));
    let wide = format!("<r>{}</r>", "<a/>".repeat(XML_ELEMENTS_MAX));
    assert_eq!(check(&utf16(&wide)), Err(GateError::TooManyElements));
    let long = format!("<{}/>", "a".repeat(XML_TAG_MAX));
    assert_eq!(check(&utf16(&long)), Err(GateError::TagTooLong));
    let bomb = "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>";
    assert_eq!(check(&utf16(bomb)), Err(GateError::Markup));
    assert_eq!(check(&utf16("<a><!-- --></a>")), Err(GateError::Markup));
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
