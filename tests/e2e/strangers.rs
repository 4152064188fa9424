//! Tests of strangers at the peer port: the resources that one of them can take from the others.
//!
//! Strangers call from addresses of the loopback, 127.0.0.2 and on; each is a source of its own. The honest user calls
//! from 127.0.0.1.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use e2e::{NodeProcess, eventually, http, wait_until, xmlrpc};
use serde_json::json;

use crate::world::noded;

/// Most memory of a node under attack, in KiB.
const PEAK_KIB: usize = 160 << 10;

/// Most memory that sixty slow multicalls take beside what the node had, in KiB: 1 MiB each.
const MULTICALLS_KIB: usize = 60 << 10;

/// Connections of several strangers, held until this is dropped.
struct Crowd {
    child: Child,
    stdin: Option<ChildStdin>,
    count: usize,
}

/// The work of a crowd.
struct Doing<'a> {
    /// Last number of the first address.
    first: usize,
    /// Addresses.
    sources: usize,
    /// Connections from each.
    each: usize,
    request: &'a [u8],
}

impl Crowd {
    fn start(node: &NodeProcess, doing: &Doing<'_>) -> Crowd {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/crowd.py");
        let address = http::address(&node.url);
        let mut child = Command::new("python3")
            .arg(script)
            .args([address.ip().to_string(), address.port().to_string()])
            .args([doing.first, doing.sources, doing.each, 4096].map(|n| n.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{}", xmlrpc::to_base64(doing.request)).unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        Crowd {
            child,
            stdin: Some(stdin),
            count: line.trim().parse().expect("a number"),
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        drop(self.stdin.take());
        drop(self.child.wait());
    }
}

fn get(node: &NodeProcess, path: &str) -> Vec<u8> {
    let host = http::address(&node.url);
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()
}

fn post(node: &NodeProcess, body: &str) -> Vec<u8> {
    http::bytes_of(
        &node.url,
        "POST",
        "/RPC2",
        &[("Content-Type", "text/xml")],
        body.as_bytes(),
    )
}

fn query(name: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><methodCall><methodName>query</methodName><params><param><value><string>{name}</string>\
         </value></param></params></methodCall>"
    )
}

fn multicall(names: &[String]) -> String {
    let entry = |name: &String| {
        format!(
            "<value><struct><member><name>methodName</name><value><string>query</string></value></member><member>\
             <name>params</name><value><array><data><value><string>{name}</string></value></data></array></value>\
             </member></struct></value>"
        )
    };
    let entries: String = names.iter().map(entry).collect();
    format!(
        "<?xml version=\"1.0\"?><methodCall><methodName>system.multicall</methodName><params><param><value><array><data>\
         {entries}</data></array></value></param></params></methodCall>"
    )
}

fn binary(size: usize, seed: usize) -> Vec<u8> {
    (0..size)
        .map(|at| ((at * 31 + seed * 7 + at / 251) % 253) as u8)
        .collect()
}

fn digest(node: &NodeProcess, name: &str) -> String {
    let path = format!("/files/{name}");
    wait_until("the digest is known", Duration::from_secs(60), || {
        let head = http::request(&node.url, "HEAD", &path, &[], b"")?;
        let tag = head.header("etag").ok_or("no tag")?;
        Ok(tag.trim_matches('"').to_owned())
    })
}

#[test]
fn one_address_does_not_hold_all_upload_slots() {
    let small = binary(100_000, 1);
    let node = noded()
        .args(["--upload-rate", "4M"])
        .file("long.bin", binary(24 << 20, 0))
        .file("small.bin", &small)
        .start();
    let request = get(&node, "/files/long.bin");
    let doing = |first| Doing {
        first,
        sources: 1,
        each: 120,
        request: &request,
    };
    let crowds = [2, 3].map(|first| Crowd::start(&node, &doing(first)));
    assert!(crowds.iter().all(|crowd| crowd.count > 100));
    for n in 0..25 {
        let answer = http::get(&node.url, "/files/small.bin").unwrap();
        assert_eq!(answer.status, 200, "download {n}");
        assert_eq!(answer.body, small);
    }
    drop(crowds);
    node.stop();
}

#[test]
fn two_addresses_do_not_close_the_port() {
    let mut node = noded()
        .file("long.bin", binary(24 << 20, 0))
        .file("small.txt", "for all")
        .start();
    let request = get(&node, "/files/long.bin");
    let doing = Doing {
        first: 2,
        sources: 2,
        each: 600,
        request: &request,
    };
    let crowd = Crowd::start(&node, &doing);
    assert!(node.meters().descriptors < 700, "{:?}", node.meters());
    for n in 0..80 {
        let answer = xmlrpc::query(&node.url, "small.txt");
        assert_eq!(answer, Ok(b"for all".to_vec()), "question {n}");
    }
    let meters = node.meters();
    println!("{meters:?}");
    assert!(meters.peak_kib <= PEAK_KIB, "{meters:?}");
    drop(crowd);
    node.assert_healthy();
    node.stop();
}

#[test]
fn a_thousand_hostile_connections_leave_the_others_served() {
    let mut options = noded()
        .file("long.bin", binary(40 << 20, 0))
        .file("long.txt", "a line of text\n".repeat(600_000))
        .file("small.txt", "for all");
    let names: Vec<_> = (0..16).map(|n| format!("part{n}.bin")).collect();
    for (n, name) in names.iter().enumerate() {
        options = options.file(name, binary(250_000, n));
    }
    let mut node = options.start();
    let blob = digest(&node, "long.bin");
    let host = http::address(&node.url);
    let big_head = format!(
        "GET / HTTP/1.1\r\nHost: {host}\r\nX: {}",
        "x".repeat(15_000)
    );
    let half_body = format!(
        "POST /RPC2 HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000\r\n\r\n{}",
        " ".repeat(500_000)
    );
    let requests = [
        get(&node, "/files/long.bin"),
        post(&node, &query("long.txt")),
        post(&node, &query("long.bin")),
        post(&node, &multicall(&names)),
        get(&node, &format!("/blobs/{blob}/tree")),
        get(&node, &format!("/blobs/{blob}")),
        big_head.into_bytes(),
        half_body.into_bytes(),
    ];
    let crowds: Vec<_> = (2..)
        .step_by(2)
        .zip(&requests)
        .map(|(first, request)| {
            let doing = Doing {
                first,
                sources: 2,
                each: 64,
                request,
            };
            Crowd::start(&node, &doing)
        })
        .collect();
    let start = Instant::now();
    let answer = xmlrpc::query(&node.url, "small.txt");
    assert_eq!(answer, Ok(b"for all".to_vec()));
    println!("honest answer in {:?}", start.elapsed());
    std::thread::sleep(Duration::from_secs(2));
    let meters = node.meters();
    println!("{meters:?}");
    assert!(meters.peak_kib <= PEAK_KIB, "{meters:?}");
    drop(crowds);
    node.assert_healthy();
    node.stop();
}

#[test]
fn slow_readers_of_multicalls_leave_others_theirs() {
    let names: Vec<_> = (0..16).map(|n| format!("part{n}.bin")).collect();
    let files: Vec<_> = (0..16).map(|n| binary(255_000, n)).collect();
    let mut options = noded();
    for (name, bytes) in names.iter().zip(&files) {
        options = options.file(name, bytes);
    }
    let mut node = options.start();
    eventually("the files are hashed", || {
        node.counter("files_hashed") >= 16
    });
    let before = node.meters().resident_kib;
    let request = post(&node, &multicall(&names));
    let doing = Doing {
        first: 2,
        sources: 4,
        each: 15,
        request: &request,
    };
    let crowd = Crowd::start(&node, &doing);
    assert_eq!(crowd.count, 60);
    std::thread::sleep(Duration::from_secs(2));
    let held = node.meters().peak_kib.saturating_sub(before);
    println!("60 slow multicalls: {held} KiB above {before} KiB");
    assert!(held <= MULTICALLS_KIB, "{held} KiB above {before} KiB");
    let calls = names.iter().map(|name| {
        let params = xmlrpc::Value::List(vec![xmlrpc::Value::text(name)]);
        xmlrpc::Value::Map(vec![
            ("methodName".to_owned(), xmlrpc::Value::text("query")),
            ("params".to_owned(), params),
        ])
    });
    let calls = xmlrpc::Value::List(calls.collect());
    let Ok(xmlrpc::Value::List(answers)) = xmlrpc::call(&node.url, "system.multicall", &[calls])
    else {
        panic!("the honest multicall is answered");
    };
    for (answer, bytes) in answers.iter().zip(&files) {
        let expected = xmlrpc::Value::List(vec![xmlrpc::Value::Bytes(bytes.clone())]);
        assert!(*answer == expected, "a file came otherwise");
    }
    drop(crowd);
    node.assert_healthy();
    node.stop();
}

/// Returns the processor time of a process so far.
fn processor(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

#[test]
fn a_long_text_is_looked_through_once_and_not_for_who_left() {
    let text = "a line of text, and nothing but text\n".repeat(1_400_000);
    let node = noded().file("long.txt", &text).start();
    wait_until("the node is quiet", Duration::from_secs(120), || {
        let before = processor(node.pid());
        std::thread::sleep(Duration::from_millis(500));
        let busy = processor(node.pid()) - before;
        (busy < Duration::from_millis(50))
            .then_some(())
            .ok_or_else(|| format!("{busy:?}"))
    });
    let request = post(&node, &query("long.txt"));
    let mut closed = Vec::new();
    for _ in 0..32 {
        let mut stream = http::connect(&node.url).unwrap();
        stream.write_all(&request).unwrap();
        closed.push(stream);
    }
    let (start, before) = (Instant::now(), processor(node.pid()));
    let mut first = [0; 12];
    closed[0].read_exact(&mut first).unwrap();
    println!("first byte after {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(1));
    drop(closed);
    wait_until(
        "the work ends with its clients",
        Duration::from_secs(10),
        || {
            let before = processor(node.pid());
            std::thread::sleep(Duration::from_millis(300));
            let busy = processor(node.pid()) - before;
            (busy < Duration::from_millis(60))
                .then_some(())
                .ok_or_else(|| format!("{busy:?}"))
        },
    );
    let spent = processor(node.pid()) - before;
    println!("32 closed calls took {spent:?} of the processor");
    assert!(spent < Duration::from_secs(8), "{spent:?}");
    assert!(xmlrpc::query(&node.url, "long.txt") == Ok(text.into_bytes()));
    let again = http::exchange(&node.url, &request).unwrap();
    let length = again.header("content-length").expect("it is known now");
    assert_eq!(length.parse(), Ok(again.body.len()));
    node.stop();
}

#[test]
fn refused_requests_do_not_fill_the_log() {
    let node = noded().start();
    let control = node.control();
    for _ in 0..300 {
        let refused = control.post_bare("{}", &[("Authorization", "Bearer wrong")]);
        assert_eq!(refused.unwrap().status, 401);
    }
    assert_eq!(control.must("node.status", json!({}))["peers"], 0);
    let log = node.stderr();
    let lines = log.lines().filter(|line| line.contains("is refused"));
    assert!((1..=20).contains(&lines.count()), "{log}");
    node.stop();
}
