//! Requests: the types of XML-RPC, strictness, and reading back.

use node_wire::fault::{INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR};
use node_wire::limits::METHOD_NAME_MAX;
use node_wire::value::recheck;
use node_wire::{MethodCall, Value, request};
use proptest::prelude::*;

use super::values::{legal_text, value};

/// Returns a request with one parameter, given as XML.
fn with_param(value: &str) -> Vec<u8> {
    format!(
        "<methodCall><methodName>m</methodName><params><param>{value}</param></params></methodCall>"
    )
    .into_bytes()
}

fn param(value: &str) -> Result<Value, i32> {
    let mut call = request::read(&with_param(value)).map_err(|fault| fault.code)?;
    assert_eq!(call.params.len(), 1);
    Ok(call.params.remove(0))
}

fn code(body: &str) -> i32 {
    request::read(body.as_bytes()).unwrap_err().code
}

#[test]
fn every_type_is_read() {
    let table = [
        ("<value><int>-7</int></value>", Value::Int(-7)),
        ("<value><i4> 42\n</i4></value>", Value::Int(42)),
        (
            "<value><i8>9000000000</i8></value>",
            Value::Int64(9_000_000_000),
        ),
        ("<value><boolean>1</boolean></value>", Value::Bool(true)),
        (
            "<value><double>-1.5e2</double></value>",
            Value::Double(-150.0),
        ),
        ("<value><string>a</string></value>", "a".into()),
        ("<value>\n <string/>\n</value>", "".into()),
        (
            "<value><base64>aGk=\n</base64></value>",
            Value::Base64(b"hi".into()),
        ),
        ("<value><base64/></value>", Value::Base64(vec![])),
        ("<value><nil/></value>", Value::Nil),
        (
            "<value><array><data/></array></value>",
            Value::Array(vec![]),
        ),
        ("<value><struct/></value>", Value::Struct([].into())),
        ("<value/>", "".into()),
    ];
    for (xml, expected) in table {
        assert_eq!(param(xml), Ok(expected), "{xml}");
    }
}

#[test]
fn a_value_without_a_type_is_a_string_with_its_white_space() {
    assert_eq!(param("<value> a b </value>"), Ok(" a b ".into()));
    assert_eq!(param("<value>  </value>"), Ok("  ".into()));
    assert_eq!(
        param("<value><string>\r\n </string></value>"),
        Ok("\r\n ".into())
    );
}

#[test]
fn references_are_replaced() {
    let xml = "<value>&lt;&gt;&amp;&quot;&apos;&#13;&#xe9;x</value>";
    assert_eq!(param(xml), Ok("<>&\"'\réx".into()));
    for bad in [
        "&nbsp;",
        "&#0;",
        "&#1;",
        "&#xFFFE;",
        "&#xD800;",
        "&#x110000;",
        "&",
        "&lt",
        "&;",
    ] {
        assert_eq!(
            param(&format!("<value>{bad}</value>")),
            Err(PARSE_ERROR),
            "{bad}"
        );
    }
}

#[test]
fn dates_are_read_in_two_forms_only() {
    let date = |text: &str| {
        param(&format!(
            "<value><dateTime.iso8601>{text}</dateTime.iso8601></value>"
        ))
    };
    let read = date("19980717T14:08:55").unwrap();
    assert_eq!(recheck(&read), Ok(()));
    assert_eq!(date("1998-07-17T14:08:55"), Ok(read));
    for bad in [
        "",
        "2015-W45-1T10:00:00",
        "2015123T10:00:00",
        "19980717T14:08:55Z",
        "19980717T14:08:55 tail",
        "19981317T14:08:55",
        "99999999T99:99:99",
    ] {
        assert_eq!(date(bad), Err(INVALID_REQUEST), "{bad}");
    }
}

#[test]
fn wrong_values_are_not_a_call() {
    for xml in [
        "<value><int></int></value>",
        "<value><int>1.0</int></value>",
        "<value><int>2147483648</int></value>",
        "<value><i8>9223372036854775808</i8></value>",
        "<value><boolean>true</boolean></value>",
        "<value><double>NaN</double></value>",
        "<value><double>inf</double></value>",
        "<value><double>1e999</double></value>",
        "<value><base64>aGk</base64></value>",
        "<value><base64>a*k=</base64></value>",
        "<value><nil>x</nil></value>",
        "<value><int>1</int><int>2</int></value>",
        "<value>a<int>1</int></value>",
        "<value><int>1</int>a</value>",
        "<value><float>1</float></value>",
        "<value><value>1</value></value>",
        "<value><array></array></value>",
        "<value><array><data/><data/></array></value>",
        "<value><array><data><int>1</int></data></array></value>",
        "<value><struct><member><name>a</name></member></struct></value>",
        "<value><struct><member><value/><name>a</name></member></struct></value>",
        "<value><struct><member><name>a</name><value/></member>\
         <member><name>a</name><value/></member></struct></value>",
        "<int>1</int>",
        "",
        "<value/><value/>",
    ] {
        assert_eq!(param(xml), Err(INVALID_REQUEST), "{xml}");
    }
}

#[test]
fn wrong_documents_are_told_from_wrong_calls() {
    let call = "<methodCall><methodName>m</methodName></methodCall>";
    assert_eq!(request::read(call.as_bytes()).unwrap().params, []);
    assert_eq!(code(""), PARSE_ERROR);
    assert_eq!(code("hello"), PARSE_ERROR);
    assert_eq!(code("<methodCall>"), PARSE_ERROR);
    assert_eq!(code(&format!("{call}x")), PARSE_ERROR);
    assert_eq!(code(&format!("{call}{call}")), PARSE_ERROR);
    assert_eq!(code(&format!("<!DOCTYPE a>{call}")), PARSE_ERROR);
    assert_eq!(code("<methodResponse/>"), INVALID_REQUEST);
    assert_eq!(code("<methodCall/>"), INVALID_REQUEST);
    assert_eq!(
        code("<methodCall>x<methodName>m</methodName></methodCall>"),
        INVALID_REQUEST
    );
    assert_eq!(
        code("<methodCall><methodName/></methodCall>"),
        INVALID_REQUEST
    );
    assert_eq!(code("<methodCall><params/></methodCall>"), INVALID_REQUEST);
    let twice = "<methodCall><methodName>m</methodName><params/><params/></methodCall>";
    assert_eq!(code(twice), INVALID_REQUEST);
}

#[test]
fn a_method_name_that_is_too_long_is_no_method_of_ours() {
    let body = |length| {
        let name = "m".repeat(length);
        format!("<methodCall><methodName>{name}</methodName></methodCall>")
    };
    assert!(request::read(body(METHOD_NAME_MAX).as_bytes()).is_ok());
    assert_eq!(code(&body(METHOD_NAME_MAX + 1)), METHOD_NOT_FOUND);
}

#[test]
fn deep_values_are_read_on_a_small_stack() {
    let nest = |levels: usize| {
        let open = "<value><array><data>".repeat(levels);
        let close = "</data></array></value>".repeat(levels);
        with_param(&format!("{open}{close}"))
    };
    let reader = std::thread::Builder::new().stack_size(256 * 1024);
    let read = reader.spawn(move || (request::read(&nest(20)), request::read(&nest(50_000))));
    let (shallow, deep) = read.unwrap().join().unwrap();
    assert!(shallow.is_ok());
    assert_eq!(deep.unwrap_err().code, PARSE_ERROR);
}

proptest! {
    #[test]
    fn calls_read_back(method in "[a-zA-Z0-9_.:/<&é]{1,40}", params in proptest::collection::vec(value(), 0..4)) {
        let call = MethodCall { method, params };
        let read = request::read(&request::write(&call));
        prop_assert_eq!(read, Ok(call));
    }

    #[test]
    fn strings_read_back_byte_for_byte(text in legal_text()) {
        let call = MethodCall { method: "m".to_owned(), params: vec![text.as_str().into()] };
        let read = request::read(&request::write(&call)).unwrap();
        prop_assert_eq!(read.params[0].as_str(), Some(text.as_str()));
    }

    #[test]
    fn any_string_at_all_is_written_as_xml_that_passes(text in any::<String>()) {
        let call = MethodCall { method: "m".to_owned(), params: vec![text.into()] };
        prop_assert!(request::read(&request::write(&call)).is_ok());
    }
}
