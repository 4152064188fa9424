//! Bodies that are not the XML, or not the call, that they should be.

/// The fault, and the body.
pub(super) type Case = (&'static str, Vec<u8>);

/// Returns XML that the gate refuses.
pub(super) fn no_xml() -> Vec<Case> {
    [unfinished(), bombs(), entities(), declarations(), bytes()].concat()
}

/// Returns bodies that are not XML, or not all of it.
fn unfinished() -> Vec<Case> {
    vec![
        ("nothing", Vec::new()),
        ("white space", b"  \r\n\t ".to_vec()),
        ("words", b"hello".to_vec()),
        (
            "JSON",
            br#"{"jsonrpc":"2.0","method":"query","params":["inside.txt"],"id":1}"#.to_vec(),
        ),
        ("a form", b"name=inside.txt&x=y".to_vec()),
        ("one bracket", b"<".to_vec()),
        ("an open tag", b"<methodCall".to_vec()),
        ("cut in the middle", good()[..60].to_vec()),
        ("cut at the end", good()[..good().len() - 1].to_vec()),
        (
            "not closed",
            call("<string>x</string>").split_off(0)[..70].to_vec(),
        ),
        ("crossed tags", call("<string>x</value></string>")),
        ("a stray closing tag", call("x</b>")),
        ("text after the end", [good(), b"more".to_vec()].concat()),
        ("two documents", [good(), good()].concat()),
    ]
}

/// Returns XML that costs more than it is worth.
fn bombs() -> Vec<Case> {
    let deep = |levels: usize| call(&"<array><data><value>".repeat(levels));
    vec![
        ("deep as the stack", deep(3000)),
        ("deep as a larger stack", deep(12_000)),
        ("deep at the limit of a body", deep(52_000)),
        ("deep in unknown tags", call(&"<a>".repeat(100_000))),
        (
            "wide",
            call(&format!(
                "<array><data>{}</data></array>",
                "<value/>".repeat(110_000)
            )),
        ),
        ("a long tag", call(&format!("<{}/>", "a".repeat(300)))),
        (
            "many attributes",
            call(&format!("<string{}>x</string>", " a=\"b\"".repeat(10_000))),
        ),
    ]
}

/// Returns bodies with entities, references and document types.
fn entities() -> Vec<Case> {
    vec![
        ("a document type", with_prolog("<!DOCTYPE methodCall>")),
        (
            "a document type after a declaration",
            with_prolog("<?xml version=\"1.0\"?><!DOCTYPE x []>"),
        ),
        (
            "an entity",
            [
                b"<!DOCTYPE x [<!ENTITY a \"b\">]>".to_vec(),
                call("<string>&a;</string>"),
            ]
            .concat(),
        ),
        ("laughs", [laughs(), call("<string>&i;</string>")].concat()),
        (
            "one large entity, often",
            [
                large_entity(),
                call(&format!("<string>{}</string>", "&a;".repeat(1000))),
            ]
            .concat(),
        ),
        (
            "an outer entity",
            [
                b"<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>".to_vec(),
                call("<string>&a;</string>"),
            ]
            .concat(),
        ),
        (
            "an outer document type",
            with_prolog("<!DOCTYPE x SYSTEM \"http://127.0.0.1:9/x.dtd\">"),
        ),
        ("an unknown entity", call("<string>&nbsp;</string>")),
        ("an entity without an end", call("<string>&amp</string>")),
        ("a reference to nothing", call("<string>&#0;</string>")),
        (
            "a reference to a control character",
            call("<string>&#1;</string>"),
        ),
        (
            "a reference to a surrogate",
            call("<string>&#xD800;</string>"),
        ),
        (
            "a reference beyond Unicode",
            call("<string>&#x110000;</string>"),
        ),
        (
            "a reference without end",
            call(&format!("<string>&#{};</string>", "0".repeat(100))),
        ),
    ]
}

/// Returns bodies with declarations, instructions and other encodings.
fn declarations() -> Vec<Case> {
    let mut latin1 = with_prolog("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>");
    latin1.extend_from_slice(b"<!-- \xe9 -->");
    vec![
        (
            "a processing instruction",
            with_prolog("<?php phpinfo(); ?>"),
        ),
        (
            "a style sheet",
            with_prolog("<?xml-stylesheet href=\"x\"?>"),
        ),
        (
            "two declarations",
            with_prolog("<?xml version=\"1.0\"?><?xml version=\"1.0\"?>"),
        ),
        (
            "a late declaration",
            with_prolog(" <!-- --><?xml version=\"1.0\"?>"),
        ),
        ("CDATA before the root", with_prolog("<![CDATA[ ]]>")),
        (
            "CDATA without end",
            call("<string><![CDATA[inside.txt</string>"),
        ),
        (
            "UTF-7 by declaration",
            with_prolog("<?xml version=\"1.0\" encoding=\"UTF-7\"?>"),
        ),
        ("a comment in Latin-1", latin1),
    ]
}

/// Returns the good call in each encoding and spelling that libraries use.
pub(super) fn spellings() -> Vec<Case> {
    let declared = |encoding: &str| {
        with_prolog(&format!(
            "<?xml version=\"1.0\" encoding=\"{encoding}\"?>\n"
        ))
    };
    vec![
        ("UTF-8", declared("utf-8")),
        ("UTF8", declared("UTF8")),
        ("US-ASCII", declared("us-ascii")),
        ("ASCII", declared("ASCII")),
        ("Latin-1", declared("ISO-8859-1")),
        ("Windows", declared("windows-1252")),
        ("UTF-16 by declaration only", declared("UTF-16")),
        ("UTF-16, little", utf16(u16::to_le_bytes)),
        ("UTF-16, big", utf16(u16::to_be_bytes)),
        ("a mark", with_prolog("\u{feff}")),
        (
            "a mark behind an empty line",
            with_prolog("\r\n\u{feff}<?xml version=\"1.0\"?>"),
        ),
        (
            "an empty line before",
            with_prolog("\r\n<?xml version=\"1.0\"?>"),
        ),
        ("CDATA", call("<string><![CDATA[inside.txt]]></string>")),
        ("some CDATA", call("in<![CDATA[side]]>.<![CDATA[]]>txt")),
        (
            "CDATA in base64",
            call("<base64><![CDATA[aW5zaWRlLnR4dA==]]></base64>"),
        ),
    ]
}

/// Returns bodies with bytes that no XML has.
fn bytes() -> Vec<Case> {
    vec![
        (
            "no UTF-8",
            [
                b"<methodCall><methodName>query</methodName><params><param><value>\xff".to_vec(),
                b"</value></param></params></methodCall>".to_vec(),
            ]
            .concat(),
        ),
        ("overlong UTF-8", call_of_bytes(b"\xc0\xafx")),
        ("a surrogate in UTF-8", call_of_bytes(b"\xed\xa0\x80")),
        ("cut UTF-8", call_of_bytes(b"\xe4\xb8")),
        ("a NUL", call_of_bytes(b"a\0b")),
        ("a control character", call_of_bytes(b"a\x08b")),
        (
            "an unpaired quote in a tag",
            call("<string a=\"x>y</string>"),
        ),
    ]
}

fn with_prolog(prolog: &str) -> Vec<u8> {
    [prolog.as_bytes(), &good()].concat()
}

fn utf16(bytes_of: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let text = format!("\u{feff}{}", String::from_utf8_lossy(&good()));
    text.encode_utf16().flat_map(bytes_of).collect()
}

/// Returns XML that is not a call that we have: the reason, the codes that fit, and the body.
pub(super) fn no_call() -> Vec<(&'static str, &'static [i64], Vec<u8>)> {
    const SHAPE: &[i64] = &[-32600, -32602, -32700];
    let method = |name: &str| {
        format!("<methodCall><methodName>{name}</methodName><params/></methodCall>").into_bytes()
    };
    vec![
        ("another root", SHAPE, b"<methodResponse/>".to_vec()),
        ("an empty call", SHAPE, b"<methodCall/>".to_vec()),
        ("HTML", SHAPE, b"<html><body/></html>".to_vec()),
        ("SOAP", SHAPE, b"<Envelope><Body><query/></Body></Envelope>".to_vec()),
        ("no name", SHAPE, b"<methodCall><params/></methodCall>".to_vec()),
        ("two names", SHAPE, b"<methodCall><methodName>query</methodName><methodName>hello</methodName></methodCall>".to_vec()),
        ("parameters first", SHAPE, b"<methodCall><params/><methodName>query</methodName></methodCall>".to_vec()),
        ("no value in a parameter", SHAPE, b"<methodCall><methodName>query</methodName><params><param/></params></methodCall>".to_vec()),
        ("an unknown type", SHAPE, call("<float>1</float>")),
        ("two types in a value", SHAPE, call("<int>1</int><int>2</int>")),
        ("a word for an int", SHAPE, call("<int>one</int>")),
        ("an int that is too large", SHAPE, call("<int>99999999999999999999</int>")),
        ("a boolean of two", SHAPE, call("<boolean>2</boolean>")),
        ("not a number", SHAPE, call("<double>NaN</double>")),
        ("an endless double", SHAPE, call("<double>1e999</double>")),
        ("broken base64", SHAPE, call("<base64>!!!</base64>")),
        ("a date of a week", SHAPE, call("<dateTime.iso8601>2015-W45-1T00:00:00</dateTime.iso8601>")),
        ("an ordinal date", SHAPE, call("<dateTime.iso8601>2015-123T00:00:00</dateTime.iso8601>")),
        ("a member without a name", SHAPE, call("<struct><member><value>x</value></member></struct>")),
        ("data without a list", SHAPE, call("<data><value>x</value></data>")),
        ("an unknown method", &[-32601], method("noSuchMethod")),
        ("a private method", &[-32601], method("_handle")),
        ("a private method of the book", &[-32601], method("_broadcast")),
        ("a dunder", &[-32601], method("__init__")),
        ("an unknown method of the system", &[-32601], method("system.shutdown")),
        ("a private method of the system", &[-32601], method("system._x")),
        ("an empty method", &[-32601, -32600], method("")),
        ("a method in other case", &[-32601], method("QUERY")),
        ("a long method", &[-32601, -32600], method(&"m".repeat(10_000))),
        ("a method with spaces", &[-32601, -32600], method(" query ")),
        ("a method with a path", &[-32601, -32600], method("../query")),
    ]
}

pub(super) fn good() -> Vec<u8> {
    call("<string>inside.txt</string>")
}

/// Returns a query whose one parameter is a value of this.
pub(super) fn call(inside: &str) -> Vec<u8> {
    call_of_bytes(inside.as_bytes())
}

fn call_of_bytes(inside: &[u8]) -> Vec<u8> {
    let open = b"<methodCall><methodName>query</methodName><params><param><value>";
    [open, inside, b"</value></param></params></methodCall>"].concat()
}

fn laughs() -> Vec<u8> {
    let mut text = "<!DOCTYPE x [<!ENTITY a \"ha\">".to_owned();
    for (name, last) in ('b'..='i').zip('a'..) {
        text += &format!("<!ENTITY {name} \"{}\">", format!("&{last};").repeat(10));
    }
    (text + "]>").into_bytes()
}

fn large_entity() -> Vec<u8> {
    format!("<!DOCTYPE x [<!ENTITY a \"{}\">]>", "a".repeat(100_000)).into_bytes()
}
