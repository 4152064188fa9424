//! Tests of links: files for people without Sixhop, by a page of the web port.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use e2e::http::{self, Answer};
use e2e::{NodeOptions, NodeProcess, eventually, wait_until};
use serde_json::{Value, json};

use crate::world::{ctl, noded};

/// The time in which what runs by a link ends; the documentation says one second.
const ENDS: Duration = Duration::from_secs(1);

const PATIENCE: Duration = Duration::from_secs(120);

fn with_web() -> NodeOptions {
    noded().args(["--web", "127.0.0.1:0"])
}

/// Returns the URL of the web port.
fn web(node: &NodeProcess) -> String {
    let status = node.control().must("node.status", json!({}));
    let url = status["web"].as_str();
    url.unwrap_or_else(|| panic!("no web port: {status}"))
        .to_owned()
}

/// Makes a link with `ctl`, and returns its number and its path.
fn link(node: &NodeProcess, args: &[&str]) -> (u64, String) {
    let run = ctl(node.home())
        .args(["--json", "share", "add"])
        .args(args)
        .run();
    let said: Value = serde_json::from_str(&run.expect_code(0).stdout).unwrap();
    let url = said["url"].as_str().unwrap();
    assert!(url.starts_with(&web(node)), "{url}");
    (
        said["ticket"]["id"].as_u64().unwrap(),
        http::path(url).to_owned(),
    )
}

fn ticket(node: &NodeProcess, id: u64) -> Value {
    let tickets = node.control().must("ticket.list", json!({}));
    let tickets = tickets.as_array().unwrap();
    tickets
        .iter()
        .find(|ticket| ticket["id"] == id)
        .cloned()
        .unwrap_or_default()
}

fn get(base: &str, path: &str) -> Answer {
    http::get(base, path).unwrap()
}

fn range_of(base: &str, path: &str, range: &str) -> Answer {
    http::request(base, "GET", path, &[("Range", range)], b"").unwrap()
}

/// Makes a claim, and returns the path of its content.
fn claim(base: &str, path: &str) -> String {
    let answer = http::request(base, "POST", &format!("{path}/claim"), &[], b"").unwrap();
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer.header("location").unwrap().to_owned()
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count)
        .map(|at| u8::try_from(at * 31 % 251).unwrap())
        .collect()
}

#[test]
fn pages_heads_and_previews_take_nothing() {
    let node = with_web().file("plan.pdf", bytes(100_000)).start();
    let (id, path) = link(&node, &["plan.pdf", "--uses", "1"]);
    let base = web(&node);
    for agent in ["TelegramBot", "WhatsApp/2", "Slackbot", "curl/8"] {
        for method in ["GET", "HEAD"] {
            let headers = [("User-Agent", agent)];
            let answer = http::request(&base, method, &path, &headers, b"").unwrap();
            assert_eq!(answer.status, 200, "{method} of {agent}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
            assert!(answer.header("x-robots-tag").unwrap().contains("noindex"));
        }
    }
    let content = claim(&base, &path);
    let head = http::request(&base, "HEAD", &content, &[], b"").unwrap();
    assert_eq!(head.header("content-length"), Some("100000"));
    assert_eq!(range_of(&base, &content, "bytes=99999-").status, 206);
    assert_eq!(ticket(&node, id)["used"], 0);
    // Others wait meanwhile.
    let other = http::request(&base, "POST", &format!("{path}/claim"), &[], b"").unwrap();
    assert_eq!(
        (other.status, other.header("retry-after")),
        (409, Some("30"))
    );
    assert_eq!(get(&base, &content).body, bytes(100_000));
    assert_eq!(ticket(&node, id)["used"], 1);
    assert_eq!(get(&base, &path).status, 410);
    let more = http::request(&base, "POST", &format!("{path}/claim"), &[], b"").unwrap();
    assert_eq!(more.status, 410);
    node.stop();
}

#[test]
fn a_file_that_is_gone_takes_no_use_of_its_link() {
    let node = with_web().file("a.txt", "all of it").start();
    let (id, path) = link(&node, &["a.txt", "--uses", "2"]);
    let base = web(&node);
    let claimed = claim(&base, &path);
    std::fs::remove_file(node.home().share().join("a.txt")).unwrap();
    wait_until("the file is gone", PATIENCE, || {
        let answer = get(&base, &claimed);
        (answer.status == 404)
            .then_some(())
            .ok_or_else(|| answer.text())
    });
    assert_eq!(ticket(&node, id)["used"], 0);
    node.home().put("a.txt", "all of it");
    wait_until("the link has a file again", PATIENCE, || {
        let page = get(&base, &path).text();
        let has = page.contains("Download");
        has.then_some(()).ok_or(page)
    });
    assert_eq!(get(&base, &claim(&base, &path)).body, b"all of it");
    assert_eq!(ticket(&node, id)["used"], 1);
    node.stop();
}

#[test]
fn a_download_goes_on_after_the_node_was_killed() {
    let node = with_web().file("big.bin", bytes(3_000_000)).start();
    let (id, path) = link(&node, &["big.bin", "--uses", "1"]);
    let content = claim(&web(&node), &path);
    let first = range_of(&web(&node), &content, "bytes=0-999999");
    assert_eq!(
        first.header("content-range"),
        Some("bytes 0-999999/3000000")
    );
    let mut stream = http::connect(&web(&node)).unwrap();
    let request = format!("GET {content} HTTP/1.1\r\nHost: x\r\nRange: bytes=1000000-\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream.read_exact(&mut [0; 10_000]).unwrap();
    let node = node.kill().start();
    assert_eq!(ticket(&node, id)["used"], 0);
    let base = web(&node);
    let rest = range_of(&base, &content, "bytes=1005000-");
    assert_eq!(rest.body, bytes(3_000_000)[1_005_000..]);
    assert_eq!(ticket(&node, id)["used"], 1);
    // The tail may have been lost on the way: it is given for a while.
    assert_eq!(range_of(&base, &content, "bytes=2999990-").body.len(), 10);
    assert_eq!(ticket(&node, id)["used"], 1);
    node.stop();
}

/// One who wants the file of a link, and is cut now and then.
fn take(base: &Mutex<String>, path: &str, size: usize, number: usize) -> bool {
    let started = Instant::now();
    let base = || lock(base).clone();
    let (mut content, mut has) = (None, Vec::new());
    while has.len() < size {
        assert!(
            started.elapsed() < PATIENCE,
            "taker {number} waits for too long"
        );
        let Some(claimed) = &content else {
            let asked = http::request(&base(), "POST", &format!("{path}/claim"), &[], b"");
            match asked.map(|answer| (answer.status, answer.header("location").map(str::to_owned)))
            {
                Ok((303, location)) => content = location,
                Ok((410, _)) => return false,
                _ => std::thread::yield_now(),
            }
            continue;
        };
        let range = format!("bytes={}-", has.len());
        let cut = !(number * 7_919 + has.len()).is_multiple_of(3);
        match part(&base(), claimed, &range, cut) {
            Ok((206, body)) => has.extend(body),
            Ok((410, _)) => content = None,
            _ => std::thread::yield_now(),
        }
    }
    assert!(has == bytes(size), "taker {number} has other bytes");
    true
}

/// Reads the answer to a request for a range, or its first half.
fn part(base: &str, path: &str, range: &str, cut: bool) -> Result<(u16, Vec<u8>), String> {
    if !cut {
        let answer = http::request(base, "GET", path, &[("Range", range)], b"")?;
        return Ok((answer.status, answer.body));
    }
    let mut stream = http::connect(base)?;
    let request = http::bytes_of(base, "GET", path, &[("Range", range)], b"");
    stream
        .write_all(&request)
        .map_err(|error| error.to_string())?;
    let mut some = vec![0; 40_000];
    let mut read = 0;
    while read < some.len() {
        match stream.read(&mut some[read..]) {
            Ok(0) | Err(_) => break,
            Ok(more) => read += more,
        }
    }
    let text = &some[..read];
    let end = text.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.ok_or("no whole head")? + 4;
    let status = String::from_utf8_lossy(&text[9..12]).parse();
    Ok((status.map_err(|_| "no status")?, text[end..].to_vec()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn of_many_takers_exactly_as_many_complete_as_there_are_uses() {
    const SIZE: usize = 150_000;
    const USES: usize = 5;
    let mut node = with_web().file("f.bin", bytes(SIZE)).start();
    let (id, path) = link(&node, &["f.bin", "--uses", &USES.to_string()]);
    let base = Arc::new(Mutex::new(web(&node)));
    let complete = Arc::new(AtomicUsize::new(0));
    let takers: Vec<_> = (0..60)
        .map(|number| {
            let (base, path, complete) = (Arc::clone(&base), path.clone(), Arc::clone(&complete));
            std::thread::spawn(move || {
                let has = take(&base, &path, SIZE, number);
                complete.fetch_add(usize::from(has), Ordering::Relaxed);
            })
        })
        .collect();
    for _ in 0..4 {
        node = node.kill().start();
        *lock(&base) = web(&node);
    }
    for taker in takers {
        taker.join().unwrap();
    }
    assert_eq!(complete.load(Ordering::Relaxed), USES);
    assert_eq!(ticket(&node, id)["used"], USES);
    node.stop();
}

#[test]
fn a_removed_link_ends_its_downloads_and_an_expired_one_gives_nothing() {
    let node = with_web().file("small.txt", "small").start();
    let sparse = std::fs::File::create(node.home().share().join("long.bin")).unwrap();
    sparse.set_len(2 << 30).unwrap();
    drop(node.control().must("share.rescan", json!({})));
    let (id, path) = link(&node, &["long.bin"]);
    let base = web(&node);
    let mut stream = http::connect(&base).unwrap();
    let request = format!("GET {path}/files/long.bin HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream.read_exact(&mut vec![0; 100_000]).unwrap();
    drop(
        ctl(node.home())
            .args(["share", "rm", &id.to_string()])
            .run()
            .expect_code(0),
    );
    let mut piece = vec![0; 1 << 20];
    let mut left = 0_u64;
    while let Ok(read @ 1..) = stream.read(&mut piece) {
        left += read as u64;
    }
    assert!(
        left < 1 << 30,
        "{left} bytes came after the link was removed"
    );
    assert_eq!(get(&base, &path).status, 404);

    let (_, path) = link(&node, &["small.txt", "--expires", "2s"]);
    let started = Instant::now();
    assert_eq!(
        get(&base, &format!("{path}/files/small.txt")).text(),
        "small"
    );
    eventually("the link ends", || get(&base, &path).status == 410);
    assert!(
        started.elapsed() + ENDS >= Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(get(&base, &format!("{path}/files/small.txt")).status, 410);
    node.stop();
}

#[test]
fn a_password_is_asked_for_and_wrong_ones_are_limited() {
    let node = with_web().file("a.txt", "secret").start();
    node.home().root();
    let word = node.home().root().join("word");
    std::fs::write(&word, "open sesame\n").unwrap();
    let word = word.display().to_string();
    let (_, path) = link(&node, &["a.txt", "--password-file", &word]);
    let base = web(&node);
    let content = format!("{path}/files/a.txt");
    let page = get(&base, &path);
    assert_eq!(page.status, 403);
    assert!(page.text().contains("type=\"password\""));
    assert_eq!(get(&base, &content).status, 403);
    let form = format!("{path}/password");
    let right = http::request(&base, "POST", &form, &[], b"password=open+sesame").unwrap();
    assert_eq!(
        (right.status, right.header("location")),
        (303, Some(path.as_str()))
    );
    let cookie = right.header("set-cookie").unwrap();
    assert!(
        cookie.contains("HttpOnly") && !cookie.contains("sesame"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let basic = "Basic Om9wZW4gc2VzYW1l";
    for header in [("Cookie", cookie.as_str()), ("Authorization", basic)] {
        let answer = http::request(&base, "GET", &content, &[header], b"").unwrap();
        assert_eq!(answer.text(), "secret", "{header:?}");
    }
    let statuses: Vec<u16> = (0..8)
        .map(|at| {
            let form = format!("password={at}");
            let wrong = http::request(
                &base,
                "POST",
                &format!("{path}/password"),
                &[],
                form.as_bytes(),
            );
            wrong.unwrap().status
        })
        .collect();
    assert!(statuses[0] == 403 && statuses[7] == 429, "{statuses:?}");
    // Now the right one waits too, and the cookie does not.
    let right = http::request(&base, "POST", &form, &[], b"password=open+sesame").unwrap();
    assert_eq!(right.status, 429);
    let answer = http::request(&base, "GET", &content, &[("Cookie", &cookie)], b"").unwrap();
    assert_eq!(answer.text(), "secret");
    node.stop();
}

/// Returns the files of a ZIP as Python reads them, by name, in hex.
fn unzipped(node: &NodeProcess, zip: &[u8]) -> Value {
    let file = node.home().root().join("trip.zip");
    std::fs::write(&file, zip).unwrap();
    let script = "import sys, zipfile, json\n\
z = zipfile.ZipFile(sys.argv[1])\n\
assert z.testzip() is None\n\
print(json.dumps({i.filename: z.read(i).hex() for i in z.infolist()}))\n";
    let mut python = Command::new("python3");
    let run = python.args(["-c", script]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("{run:?}"))
}

#[test]
fn a_folder_is_one_zip_with_ranges() {
    let node = with_web()
        .file("trip/one.jpg", bytes(400_000))
        .file("trip/\u{e9}t\u{e9}/two <b>&.txt", "two")
        .file("trip/empty", "")
        .file("other.txt", "other")
        .start();
    let (id, path) = link(&node, &["trip", "--uses", "1"]);
    let (_, open) = link(&node, &["trip/"]);
    let base = web(&node);
    let page = get(&base, &open).text();
    assert!(page.contains("two &lt;b&gt;&amp;.txt"), "{page}");
    let one = get(
        &base,
        &format!("{open}/files/trip/%C3%A9t%C3%A9/two%20%3Cb%3E&.txt"),
    );
    assert_eq!(one.text(), "two");
    for outside in [
        "other.txt",
        "trip/../other.txt",
        "trip",
        "trip/%2e%2e/other.txt",
        "%2fetc/passwd",
    ] {
        let answer = get(&base, &format!("{open}/files/{outside}"));
        assert_eq!(answer.status, 404, "{outside}");
    }
    let content = claim(&base, &path);
    assert!(content.ends_with("/trip.zip"), "{content}");
    let head = http::request(&base, "HEAD", &content, &[], b"").unwrap();
    let begin = range_of(&base, &content, "bytes=0-299999");
    assert_eq!(begin.header("etag"), head.header("etag"));
    let rest = range_of(&base, &content, "bytes=300000-");
    let zip = [begin.body, rest.body].concat();
    assert_eq!(
        head.header("content-length"),
        Some(zip.len().to_string().as_str())
    );
    assert_eq!(ticket(&node, id)["used"], 1);
    let whole = get(&base, &format!("{open}/all/trip.zip"));
    assert!(whole.body == zip, "a ZIP in ranges is another one");
    let files = unzipped(&node, &zip);
    let names: BTreeSet<&str> = files
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let expected = [
        "trip/empty",
        "trip/one.jpg",
        "trip/\u{e9}t\u{e9}/two <b>&.txt",
    ];
    assert_eq!(names, BTreeSet::from(expected));
    assert_eq!(files["trip/\u{e9}t\u{e9}/two <b>&.txt"], "74776f");
    let hex: String = bytes(400_000)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert!(files["trip/one.jpg"] == hex, "the ZIP has other bytes");
    node.stop();
}

#[test]
fn content_is_an_attachment_that_no_browser_shows() {
    let svg = "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";
    let node = with_web()
        .file("a.svg", svg)
        .file("a.html", "<script>alert(1)</script>")
        .start();
    let (_, path) = link(&node, &["a.svg", "a.html"]);
    let base = web(&node);
    for name in ["a.svg", "a.html"] {
        let answer = get(&base, &format!("{path}/files/{name}"));
        assert_eq!(
            answer.header("content-type"),
            Some("application/octet-stream")
        );
        assert!(
            answer
                .header("content-disposition")
                .unwrap()
                .starts_with("attachment")
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("sandbox;"), "{policy}");
    }
    let page = get(&base, &path);
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("script-src"),
        "{policy}"
    );
    assert!(page.body.len() < 50_000 && !page.text().contains("<script"));
    node.stop();
}

#[test]
fn links_survive_a_restart_and_no_text_of_them_is_kept() {
    let node = with_web().file("a.txt", "a").start();
    let run = ctl(node.home())
        .args(["share", "add", "a.txt"])
        .run()
        .expect_code(0);
    let url = run.stdout.trim().to_owned();
    let text = url.rsplit('/').next().unwrap().to_owned();
    assert_eq!((run.stdout.lines().count(), text.len()), (1, 32), "{url}");
    let path = http::path(&url).to_owned();
    let node = node.stop_for_restart().start();
    assert_eq!(get(&web(&node), &path).status, 200);
    let kept = node.home().state().join("tickets");
    let mode = std::fs::metadata(&kept).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!std::fs::read_to_string(kept).unwrap().contains(&text));
    assert!(!node.stderr().contains(&text), "{}", node.stderr());
    let listed = ctl(node.home()).args(["share", "ls"]).run().expect_code(0);
    assert!(listed.stdout.contains("a.txt") && !listed.stdout.contains(&text));
    let changed = format!(
        "{}{}",
        &path[..path.len() - 1],
        if path.ends_with('a') { 'b' } else { 'a' }
    );
    for wrong in [
        changed.as_str(),
        "/s/",
        "/s/x",
        "/s/%00",
        "/a/x",
        "/s/../../etc/passwd",
    ] {
        assert_eq!(get(&web(&node), wrong).status, 404, "{wrong}");
    }
    drop(
        ctl(node.home())
            .args(["share", "rm", "1"])
            .run()
            .expect_code(0),
    );
    drop(
        ctl(node.home())
            .args(["share", "rm", "1"])
            .run()
            .expect_code(3),
    );
    assert_eq!(get(&web(&node), &path).status, 404);
    node.stop();
}

#[test]
fn a_node_without_a_port_for_links_makes_none() {
    let node = noded().file("a.txt", "a").start();
    let run = ctl(node.home())
        .args(["share", "add", "a.txt"])
        .run()
        .expect_code(2);
    assert!(run.stderr.contains("--web"), "{}", run.stderr);
    assert!(!node.home().state().join("tickets").exists());
    node.stop();
    let node = with_web().start();
    let run = ctl(node.home())
        .args(["share", "add", "none.txt"])
        .run()
        .expect_code(3);
    assert!(run.stderr.contains("none.txt"), "{}", run.stderr);
    let refused = ctl(node.home())
        .args(["share", "add", "/etc/hosts"])
        .run()
        .expect_code(2);
    assert!(
        refused.stderr.contains("not in the shared directory"),
        "{}",
        refused.stderr
    );
    node.stop();
}

#[test]
fn the_web_port_does_nothing_that_the_peer_port_does() {
    let node = with_web().file("a.txt", "a").start();
    let base = web(&node);
    for path in ["/files/a.txt", "/search?q=a", "/blobs/00", "/RPC2"] {
        assert_eq!(get(&base, path).status, 404, "{path}");
    }
    let call = b"<?xml version='1.0'?><methodCall><methodName>hello</methodName></methodCall>";
    let answer = http::request(&base, "POST", "/RPC2", &[], call).unwrap();
    assert_eq!(answer.status, 404);
    assert_eq!(get(&base, "/").status, 200);
    assert_eq!(
        get(&base, "/robots.txt").text(),
        "User-agent: *\nDisallow: /\n"
    );
    wait_until("the peer port answers", PATIENCE, || {
        http::get(&node.url, "/files/a.txt")
    });
    node.stop();
}
