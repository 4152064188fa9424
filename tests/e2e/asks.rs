//! Tests of links by which people without Sixhop leave files.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::http::{self, Answer};
use e2e::{NodeOptions, NodeProcess, eventually, names};
use serde_json::{Value, json};

use crate::world::{ctl, noded};

fn with_web() -> NodeOptions {
    noded().args(["--web", "127.0.0.1:0"])
}

fn web(node: &NodeProcess) -> String {
    let status = node.control().must("node.status", json!({}));
    status["web"].as_str().unwrap().to_owned()
}

/// Makes a link with `ctl`, and returns its number, its path and the folder of its files.
fn ask(node: &NodeProcess, args: &[&str]) -> (u64, String, PathBuf) {
    let run = ctl(node.home()).args(["--json", "ask"]).args(args).run();
    let said: Value = serde_json::from_str(&run.expect_code(0).stdout).unwrap();
    let id = said["ticket"]["id"].as_u64().unwrap();
    let path = http::path(said["url"].as_str().unwrap()).to_owned();
    (id, path, said["folder"].as_str().unwrap().into())
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

/// Returns the files of a folder, hidden ones too.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return BTreeMap::new();
    };
    let entries = entries.map(|entry| entry.unwrap());
    let named = entries.map(|entry| {
        let name = entry.file_name().into_string().unwrap();
        (name, std::fs::read(entry.path()).unwrap())
    });
    named.collect()
}

fn post(base: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    http::request(base, "POST", path, headers, body).unwrap()
}

fn said(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}", answer.text()))
}

/// Begins a file, and returns the path of its upload.
fn begin(base: &str, path: &str, name: &str, size: usize) -> String {
    let answer = post(
        base,
        &format!("{path}/files?name={name}&size={size}"),
        &[],
        b"",
    );
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.header("location").unwrap().to_owned()
}

fn append(base: &str, upload: &str, offset: usize, bytes: &[u8]) -> Answer {
    post(
        base,
        upload,
        &[("Upload-Offset", &offset.to_string())],
        bytes,
    )
}

/// Sends a form with files, as a browser without a script does.
fn form(base: &str, path: &str, files: &[(&str, &[u8])]) -> Answer {
    let mut body = Vec::new();
    for (name, bytes) in files {
        let head = format!(
            "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\r\n"
        );
        body.extend(head.bytes());
        body.extend(*bytes);
        body.extend(b"\r\n");
    }
    body.extend(b"--b--\r\n");
    post(
        base,
        path,
        &[("Content-Type", "multipart/form-data; boundary=b")],
        &body,
    )
}

#[test]
fn files_of_a_form_arrive_and_are_not_shared() {
    let node = with_web().file("mine.txt", "mine").start();
    let (id, path, folder) = ask(&node, &["--into", "holiday"]);
    let base = web(&node);
    assert!(folder.ends_with("inbox/holiday"), "{}", folder.display());
    let page = http::get(&base, &path).unwrap();
    assert!(page.text().contains("type=\"file\"") && page.body.len() < 50_000);
    let sent = form(
        &base,
        &path,
        &[("a.txt", b"one"), ("", b""), ("b<i>.txt", b"two")],
    );
    assert_eq!(sent.status, 200, "{}", sent.text());
    assert!(
        sent.text().contains("b&lt;i&gt;.txt, 3 B"),
        "{}",
        sent.text()
    );
    let again = form(&base, &path, &[("a.txt", b"other"), ("A.TXT", b"more")]);
    assert_eq!(again.status, 200);
    let arrived = files(&folder);
    let names: Vec<&str> = arrived.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["A (3).TXT", "a (2).txt", "a.txt", "b<i>.txt"],
        "{}",
        again.text()
    );
    assert_eq!(arrived["a.txt"], b"one");
    let ticket = ticket(&node, id);
    assert_eq!(
        (&ticket["used"], &ticket["received"]),
        (&json!(4), &json!(15))
    );
    // Nothing of it is to be had.
    let listed = node.control().must("share.list", json!({}));
    assert_eq!(
        listed["files"].as_array().map(Vec::len),
        Some(1),
        "{listed}"
    );
    assert_eq!(http::get(&node.url, "/files/a.txt").unwrap().status, 404);
    assert_eq!(node.home().entries(), ["mine.txt"]);
    node.stop();
}

#[test]
fn a_file_goes_on_where_it_broke_off_also_after_a_kill() {
    let bytes: Vec<u8> = (0..2_000_000_u32)
        .map(|at| u8::try_from(at * 7 % 251).unwrap())
        .collect();
    let node = with_web().start();
    let (_, path, folder) = ask(&node, &[]);
    let base = web(&node);
    let upload = begin(&base, &path, "film.mp4", bytes.len());
    assert_eq!(append(&base, &upload, 5, b"x").status, 409);
    assert_eq!(
        said(&append(&base, &upload, 0, &bytes[..300_000]))["offset"],
        300_000
    );
    // A request that says more than it sends.
    let head = format!(
        "POST {upload} HTTP/1.1\r\nHost: x\r\nUpload-Offset: 300000\r\nContent-Length: 1700000\r\n\r\n"
    );
    let mut stream = http::connect(&base).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&bytes[300_000..900_000]).unwrap();
    drop(stream);
    let at = |base: &str| {
        said(&http::get(base, &upload).unwrap())["offset"]
            .as_u64()
            .unwrap()
    };
    eventually("what came is kept", || at(&base) > 500_000);
    assert!(
        files(&folder).keys().all(|name| name.starts_with('.')),
        "{:?}",
        files(&folder).keys()
    );
    let node = node.kill().start();
    let base = web(&node);
    let mut offset = usize::try_from(at(&base)).unwrap();
    assert!((500_000..=900_000).contains(&offset), "{offset}");
    while offset < bytes.len() {
        let end = bytes.len().min(offset + 400_000);
        let answer = said(&append(&base, &upload, offset, &bytes[offset..end]));
        offset = usize::try_from(answer["offset"].as_u64().unwrap()).unwrap();
        assert_eq!((offset, &answer["done"]), (end, &json!(end == bytes.len())));
    }
    assert_eq!(said(&http::get(&base, &upload).unwrap())["done"], true);
    let arrived = files(&folder);
    assert_eq!(arrived.keys().collect::<Vec<_>>(), ["film.mp4"]);
    assert!(arrived["film.mp4"] == bytes, "other bytes arrived");
    node.stop();
}

#[test]
fn a_file_whose_name_is_taken_meanwhile_arrives_under_another() {
    let node = with_web().start();
    let (first, path, folder) = ask(&node, &["--into", "holiday"]);
    let (second, other, _) = ask(&node, &["--into", "holiday"]);
    let base = web(&node);
    let mine = begin(&base, &path, "a.jpg", 6);
    let theirs = begin(&base, &other, "a.jpg", 6);
    assert_eq!(append(&base, &mine, 0, b"mi").status, 200);
    assert_eq!(append(&base, &theirs, 0, b"the").status, 200);
    assert_eq!(said(&append(&base, &mine, 2, b"ne!!"))["done"], true);
    let arrived = said(&append(&base, &theirs, 3, b"irs"));
    assert_eq!(
        (&arrived["name"], &arrived["done"]),
        (&json!("a (2).jpg"), &json!(true))
    );
    // Its owner puts a file there, too.
    let third = begin(&base, &path, "b.jpg", 4);
    assert_eq!(append(&base, &third, 0, b"12").status, 200);
    std::fs::write(folder.join("b.jpg"), "the owner's").unwrap();
    assert_eq!(said(&append(&base, &third, 2, b"34"))["name"], "b (2).jpg");
    let expected: [(&str, &[u8]); 4] = [
        ("a (2).jpg", b"theirs"),
        ("a.jpg", b"mine!!"),
        ("b (2).jpg", b"1234"),
        ("b.jpg", b"the owner's"),
    ];
    let expected = expected.map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
    assert_eq!(files(&folder), BTreeMap::from(expected));
    assert_eq!(ticket(&node, first)["used"], 2);
    assert_eq!(ticket(&node, second)["used"], 1);
    node.stop();
}

#[test]
fn limits_hold_before_the_first_byte() {
    let node = with_web().start();
    let (id, path, folder) = ask(&node, &["--max", "1000", "--uses", "2"]);
    let base = web(&node);
    let too_large = post(&base, &format!("{path}/files?name=a&size=1001"), &[], b"");
    assert_eq!(too_large.status, 413, "{}", too_large.text());
    assert!(!folder.exists(), "a folder was made for nothing");
    let upload = begin(&base, &path, "a", 600);
    assert_eq!(
        post(&base, &format!("{path}/files?name=b&size=401"), &[], b"").status,
        413
    );
    // More than it said.
    assert_eq!(append(&base, &upload, 0, &[b'x'; 601]).status, 413);
    let big = form(&base, &path, &[("big", &[b'x'; 100_000])]);
    assert_eq!(big.status, 413, "{}", big.text());
    let more = form(&base, &path, &[("more", &[b'x'; 500])]);
    assert_eq!(more.status, 413, "{}", more.text());
    assert_eq!(said(&append(&base, &upload, 0, &[b'x'; 600]))["done"], true);
    assert_eq!(form(&base, &path, &[("b", &[b'y'; 400])]).status, 200);
    assert_eq!(
        post(&base, &format!("{path}/files?name=c&size=0"), &[], b"").status,
        409
    );
    assert!(
        http::get(&base, &path)
            .unwrap()
            .text()
            .contains("takes no more files")
    );
    let ticket = ticket(&node, id);
    assert_eq!(
        (&ticket["used"], &ticket["received"]),
        (&json!(2), &json!(1_000))
    );
    eventually("what did not come is gone", || {
        files(&folder).keys().all(|name| !name.starts_with('.'))
    });
    assert_eq!(files(&folder).len(), 2);
    node.stop();
}

#[test]
fn hostile_names_are_stored_under_safe_ones() {
    let node = with_web().start();
    let (_, path, folder) = ask(&node, &["--into", "in"]);
    let base = web(&node);
    let pairs = names::LEAVING.iter().chain(names::UNUSABLE);
    let naughty = names::NAUGHTY.iter().copied().take(30);
    let hostile: Vec<&str> = pairs.map(|(_, name)| *name).chain(naughty).collect();
    assert!(hostile.len() >= 60, "{}", hostile.len());
    for name in &hostile {
        let bytes = name.as_bytes();
        let escaped: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
        let upload = begin(&base, &path, &escaped, 1);
        let answer = said(&append(&base, &upload, 0, b"x"));
        assert_eq!(answer["done"], true, "{name:?}: {answer}");
    }
    let inbox = folder.parent().unwrap();
    let folders: Vec<_> = std::fs::read_dir(inbox)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(folders, ["in"]);
    let arrived = files(&folder);
    assert_eq!(arrived.len(), hostile.len());
    assert!(
        arrived
            .keys()
            .all(|name| !name.starts_with('.') && !name.chars().any(char::is_control))
    );
    node.stop();
}

#[test]
fn a_link_that_ends_takes_nothing_and_leaves_no_parts() {
    let node = with_web().start();
    let (id, path, folder) = ask(&node, &[]);
    let base = web(&node);
    let upload = begin(&base, &path, "half", 1_000_000);
    assert_eq!(append(&base, &upload, 0, &[1; 1_000]).status, 200);
    let head = format!(
        "POST {upload} HTTP/1.1\r\nHost: x\r\nUpload-Offset: 1000\r\nContent-Length: 900000\r\n\r\n"
    );
    let mut stream = http::connect(&base).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&[2; 1_000]).unwrap();
    drop(
        ctl(node.home())
            .args(["share", "rm", &id.to_string()])
            .run()
            .expect_code(0),
    );
    let answer = http::read_answer(&mut stream, false);
    assert!(answer.map_or(true, |answer| answer.status == 410));
    eventually("no part is left", || files(&folder).is_empty());
    assert_eq!(http::get(&base, &path).unwrap().status, 404);
    assert_eq!(append(&base, &upload, 2_000, b"x").status, 404);
    node.stop();
}

#[test]
fn curl_leaves_a_file_and_a_stranger_none() {
    let node = with_web().start();
    let word = node.home().root().join("word");
    std::fs::write(&word, "open\n").unwrap();
    let word = word.display().to_string();
    let (_, path, folder) = ask(&node, &["--password-file", &word, "--into", "mail"]);
    let url = format!("{}{path}", web(&node));
    let file = node.home().root().join("letter.txt");
    std::fs::write(&file, "dear Ann").unwrap();
    let form = format!("files=@{}", file.display());
    let run = |args: &[&str]| {
        let mut curl = Command::new("curl");
        let run = curl.args([
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "--noproxy",
            "*",
        ]);
        let run = run.args(args).args(["-F", &form, &url]).output().unwrap();
        String::from_utf8(run.stdout).unwrap()
    };
    assert_eq!(run(&[]), "403");
    assert_eq!(run(&["-u", ":wrong"]), "403");
    assert_eq!(files(&folder).len(), 0);
    assert_eq!(run(&["-u", ":open"]), "200");
    assert_eq!(files(&folder)["letter.txt"], b"dear Ann");
    for path in ["/files/x", "/blobs/x", "/RPC2", "/a/", "/"] {
        let answer = post(
            &node.url,
            path,
            &[("Content-Type", "multipart/form-data; boundary=b")],
            b"--b--",
        );
        assert!(answer.status == 200 || answer.status >= 400, "{path}");
    }
    assert_eq!(node.home().entries(), Vec::<String>::new());
    node.stop();
}
