//! Requests that are not the XML, or not the call, that they should be: each ends in a fault, and the node serves on.

mod bodies;

use e2e::xmlrpc::{self, CallError, Value};
use e2e::{NodeProcess, http};

use self::bodies::{call, good, no_call, no_xml, spellings};
use crate::world::noded;

fn fault(answer: Result<Value, CallError>, why: &str) -> i64 {
    match answer {
        Err(CallError::Fault { code, text }) => {
            assert!(text.chars().count() <= 200, "{why}: a long text: {text}");
            assert!(!text.is_empty() && !text.contains(".rs:"), "{why}: {text}");
            code
        }
        other => panic!("{why}: {other:?}"),
    }
}

fn node() -> NodeProcess {
    noded().file("inside.txt", "inside").start()
}

#[test]
fn what_is_no_xml_is_fault_32700() {
    let mut node = node();
    for (why, body) in no_xml() {
        let body = &body[..body.len().min(1 << 20)];
        let code = fault(xmlrpc::post(&node.url, body), why);
        assert_eq!(code, -32700, "{why}");
    }
    assert_eq!(
        xmlrpc::query(&node.url, "inside.txt"),
        Ok(b"inside".to_vec())
    );
    node.assert_healthy();
    assert!(node.meters().peak_kib <= 128 << 10);
    node.stop();
}

#[test]
fn every_encoding_and_spelling_of_a_call_is_answered() {
    let node = node();
    for (why, body) in spellings() {
        assert_eq!(
            xmlrpc::post(&node.url, &body),
            Ok(Value::text("inside")),
            "{why}"
        );
    }
    let latin1 = [
        &b"<methodCall><methodName>query</methodName><params><param><value>caf\xE9.txt"[..],
        b"</value></param></params></methodCall>",
    ]
    .concat();
    node.home().put("caf\u{e9}.txt", "coffee");
    let ask = |content_type: &str| {
        let headers = [("Content-Type", content_type)];
        http::request(&node.url, "POST", "/RPC2", &headers, &latin1)
            .unwrap()
            .text()
    };
    e2e::eventually("the header tells the encoding", || {
        ask("text/xml; charset=iso-8859-1").contains("coffee")
    });
    assert!(ask("text/xml").contains("-32700"));
    assert!(ask("text/xml; charset=klingon").contains("-32700"));
    node.stop();
}

#[test]
fn what_is_no_call_is_a_fault_of_its_kind() {
    let mut node = node();
    for (why, codes, body) in no_call() {
        let code = fault(xmlrpc::post(&node.url, &body), why);
        assert!(codes.contains(&code), "{why}: {code}");
    }
    node.assert_healthy();
    node.stop();
}

#[test]
fn wrong_parameters_are_fault_32602() {
    let node = node();
    let text = || Value::text("inside.txt");
    let list = |values: Vec<Value>| Value::List(values);
    for (method, params) in [
        ("query", vec![]),
        ("query", vec![Value::Int(1)]),
        ("query", vec![list(vec![text()])]),
        ("query", vec![Value::Map(vec![("name".to_owned(), text())])]),
        ("query", vec![text(), text()]),
        ("query", vec![text(), Value::Int(6)]),
        ("query", vec![text(), list(vec![Value::Int(1)])]),
        ("query", vec![text(), list(vec![list(vec![])])]),
        ("query", vec![text(), list(vec![]), text()]),
        ("hello", vec![]),
        ("hello", vec![Value::Int(1)]),
        ("hello", vec![Value::text("http://127.0.0.1:9/"), text()]),
        ("fetch", vec![]),
        ("fetch", vec![text()]),
        ("fetch", vec![text(), Value::Int(1)]),
        ("fetch", vec![text(), text(), text()]),
        ("system.listMethods", vec![text()]),
        ("system.methodHelp", vec![]),
        ("system.methodHelp", vec![Value::Int(1)]),
        ("system.methodSignature", vec![text(), text()]),
        ("system.multicall", vec![]),
        ("system.multicall", vec![text()]),
    ] {
        let what = format!("{method}{params:?}");
        assert_eq!(
            fault(xmlrpc::call(&node.url, method, &params), &what),
            -32602,
            "{what}"
        );
    }
    node.stop();
}

#[test]
fn bad_urls_in_hello_are_refused() {
    let node = node();
    let long = format!("http://127.0.0.1/{}", "x".repeat(300));
    for url in [
        "",
        " ",
        "127.0.0.1:9",
        "//127.0.0.1:9/",
        "ftp://127.0.0.1:9/",
        "file:///etc/passwd",
        "javascript:alert(0)",
        "http://",
        "http:///x",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:65536/",
        "http://127.0.0.1:-1/",
        "http://127.0.0.1:x/",
        "http://user@127.0.0.1:9/",
        "http://user:word@127.0.0.1:9/",
        "http://127.0.0.1:9/?x=y",
        "http://127.0.0.1:9/#x",
        "http://[::1",
        "http://256.0.0.1:9/",
        "http://0.0.0.0:9/",
        "http://[::]:9/",
        "http://169.254.169.254/",
        "http://[fe80::1]:9/",
        "http://224.0.0.1:9/",
        "http://255.255.255.255:9/",
        "http://127.0.0.1:9/a b",
        "http://127.0.0.1:9/\n",
        "http://127.0.0.1:9/\u{202e}",
        &long,
    ] {
        let answer = xmlrpc::call(&node.url, "hello", &[Value::text(url)]);
        let code = fault(answer, url);
        assert!([-32602, 200].contains(&code), "{url:?}: {code}");
    }
    let peers = node.control().must("peer.list", serde_json::json!({}));
    assert_eq!(peers, serde_json::json!([]), "a refused peer is known");
    node.stop();
}

#[test]
fn a_history_is_never_too_strange() {
    let node = node();
    let history = |entries: usize, length: usize| {
        let entry = format!("http://127.0.0.1:9/{}", "x".repeat(length));
        [
            Value::text("missing.txt"),
            Value::List(vec![Value::text(entry); entries]),
        ]
    };
    for (entries, length, codes) in [
        (0, 0, &[100][..]),
        (5, 0, &[100]),
        (6, 0, &[100]),
        (24, 0, &[100]),
        (1000, 0, &[100, -32602]),
        (1, 1000, &[100, -32602]),
        (5000, 100, &[100, -32602]),
    ] {
        let what = format!("{entries} entries of {length}");
        let code = fault(
            xmlrpc::call(&node.url, "query", &history(entries, length)),
            &what,
        );
        assert!(codes.contains(&code), "{what}: {code}");
    }
    let strange = [
        Value::text("missing.txt"),
        Value::List(vec![Value::text("no url"), Value::text("\u{202e}")]),
    ];
    let code = fault(xmlrpc::call(&node.url, "query", &strange), "no URLs");
    assert!([100, -32602].contains(&code), "{code}");
    node.stop();
}

fn entry(method: &str, params: Vec<Value>) -> Value {
    let name = ("methodName".to_owned(), Value::text(method));
    Value::Map(vec![name, ("params".to_owned(), Value::List(params))])
}

fn multicall(node: &NodeProcess, calls: Vec<Value>) -> Result<Value, CallError> {
    xmlrpc::call(&node.url, "system.multicall", &[Value::List(calls)])
}

#[test]
fn a_multicall_has_at_most_sixteen_calls() {
    let node = node();
    let query = || entry("query", vec![Value::text("inside.txt")]);
    let Ok(Value::List(results)) = multicall(&node, vec![query(); 16]) else {
        panic!("sixteen calls are allowed");
    };
    assert_eq!(results, vec![Value::List(vec![Value::text("inside")]); 16]);
    for count in [17, 1000, 2000] {
        let answer = multicall(&node, vec![query(); count]);
        assert!(
            matches!(answer, Err(CallError::Fault { .. })),
            "{count} calls"
        );
    }
    assert_eq!(multicall(&node, vec![]), Ok(Value::List(vec![])));
    node.stop();
}

#[test]
fn a_multicall_does_not_nest_and_holds_no_hello_and_no_fetch() {
    let node = node();
    let secret = node.home().secret();
    for inner in [
        entry("system.multicall", vec![Value::List(vec![])]),
        entry("hello", vec![Value::text("http://127.0.0.1:9/")]),
        entry(
            "fetch",
            vec![Value::text("inside.txt"), Value::text(secret)],
        ),
        entry("no.such", vec![]),
        entry("query", vec![]),
        Value::text("query"),
        Value::Map(vec![]),
        Value::Map(vec![("methodName".to_owned(), Value::Int(1))]),
    ] {
        let answer = multicall(
            &node,
            vec![
                inner.clone(),
                entry("query", vec![Value::text("inside.txt")]),
            ],
        );
        match answer {
            Ok(Value::List(results)) => {
                assert!(
                    results[0].get("faultCode").is_some(),
                    "{inner:?}: {results:?}"
                );
                assert_eq!(results[1], Value::List(vec![Value::text("inside")]));
            }
            Err(CallError::Fault { .. }) => {}
            other => panic!("{inner:?}: {other:?}"),
        }
    }
    assert_eq!(
        node.control().must("peer.list", serde_json::json!({})),
        serde_json::json!([])
    );
    node.stop();
}

#[test]
fn every_entry_of_a_multicall_is_counted() {
    let node = node();
    let before = node.counter("queries_received");
    let query = entry("query", vec![Value::text("inside.txt")]);
    multicall(&node, vec![query; 16]).unwrap();
    assert_eq!(node.counter("queries_received") - before, 16);
    node.stop();
}

#[test]
fn unusual_xml_that_is_right_is_understood() {
    let node = node();
    for (why, body) in [
        ("no prolog", good()),
        (
            "a prolog",
            [b"<?xml version=\"1.0\"?>\n".to_vec(), good()].concat(),
        ),
        (
            "a prolog with UTF-8",
            [
                b"<?xml version='1.0' encoding='utf-8'?>\r\n".to_vec(),
                good(),
            ]
            .concat(),
        ),
        (
            "a mark of byte order",
            [b"\xef\xbb\xbf".to_vec(), good()].concat(),
        ),
        ("no type", call("inside.txt")),
        ("references", call("<string>&#105;nside&#x2E;txt</string>")),
        (
            "white space around tags",
            String::from_utf8_lossy(&good())
                .replace('>', ">\n ")
                .replace("<string>\n ", "<string>")
                .replace("</string>\n ", "</string>")
                .replace("<methodName>\n ", "<methodName>")
                .into_bytes(),
        ),
        (
            "white space inside tags",
            String::from_utf8_lossy(&good())
                .replace("</value>", "</value  >")
                .into_bytes(),
        ),
        ("white space after", [good(), b"\r\n\r\n".to_vec()].concat()),
    ] {
        assert_eq!(
            xmlrpc::post(&node.url, &body),
            Ok(Value::text("inside")),
            "{why}"
        );
    }
    node.stop();
}

#[test]
fn a_fault_is_an_answer_with_status_200() {
    let node = node();
    for body in [b"".to_vec(), b"hello".to_vec(), good()[..40].to_vec()] {
        let answer = http::request(&node.url, "POST", "/RPC2", &[], &body).unwrap();
        assert_eq!(answer.status, 200);
        assert!(
            answer
                .header("content-type")
                .is_some_and(|t| t.starts_with("text/xml"))
        );
    }
    node.stop();
}
