//! Documents: what is in them is found from another node, with its place; one that is made to do harm costs itself only.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use e2e::{Home, NodeProcess, eventually, introduce, wait_until};
use serde_json::{Value, json};

use crate::world::{ctl, noded, noded_program};

/// Longest wait for a few documents.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes the ZIP of some files, stored as they are.
fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    for (name, text) in files {
        let place = u32::try_from(zip.len()).unwrap().to_le_bytes();
        let size = u32::try_from(text.len()).unwrap().to_le_bytes();
        let length = u16::try_from(name.len()).unwrap().to_le_bytes();
        let sum = checksum(text.as_bytes()).to_le_bytes();
        // Version 2.0, no flags, stored, no time.
        let head = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0][..],
            &sum,
            &size,
            &size,
            &length,
        ]
        .concat();
        zip.extend(
            [
                b"PK\x03\x04",
                &head[..],
                &[0, 0],
                name.as_bytes(),
                text.as_bytes(),
            ]
            .concat(),
        );
        directory.extend(
            [
                b"PK\x01\x02\x14\x00",
                &head[..],
                &[0; 12],
                &place,
                name.as_bytes(),
            ]
            .concat(),
        );
    }
    let count = u16::try_from(files.len()).unwrap().to_le_bytes();
    let size = u32::try_from(directory.len()).unwrap().to_le_bytes();
    let place = u32::try_from(zip.len()).unwrap().to_le_bytes();
    let end = [
        b"PK\x05\x06\0\0\0\0",
        &count[..],
        &count,
        &size,
        &place,
        &[0, 0],
    ]
    .concat();
    [zip, directory, end].concat()
}

/// Returns the CRC-32 of some bytes.
fn checksum(bytes: &[u8]) -> u32 {
    let bit = |sum: u32, _| (sum >> 1) ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 };
    let byte = |sum: u32, byte: &u8| (0..8).fold(sum ^ u32::from(*byte), bit);
    !bytes.iter().fold(!0, byte)
}

fn docx(text: &str) -> Vec<u8> {
    let body = format!(
        "<w:document><w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:body></w:document>"
    );
    zipped(&[
        ("[Content_Types].xml", "<Types/>"),
        ("word/document.xml", &body),
    ])
}

fn epub(title: &str, text: &str) -> Vec<u8> {
    let chapter = format!("<html><body><h1>{title}</h1><p>{text}</p></body></html>");
    zipped(&[
        ("mimetype", "application/epub+zip"),
        (
            "META-INF/container.xml",
            r#"<container><rootfile full-path="b.opf"/></container>"#,
        ),
        (
            "b.opf",
            r#"<package><item id="a" href="a.xhtml"/><itemref idref="a"/></package>"#,
        ),
        ("a.xhtml", &chapter),
    ])
}

/// Makes a PDF with one line a page.
fn pdf(pages: &[&str]) -> Vec<u8> {
    let page = |n: usize| 4 + 2 * n;
    let kids: String = (0..pages.len())
        .map(|n| format!("{} 0 R ", page(n)))
        .collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!(
            "<< /Type /Pages /Kids [{kids}] /Count {} /MediaBox [0 0 612 792] >>",
            pages.len()
        ),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
            .to_owned(),
    ];
    for (n, text) in pages.iter().enumerate() {
        let content = format!("BT /F1 12 Tf 72 700 Td ({text}) Tj ET");
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /Resources << /Font << /F1 3 0 R >> >> /Contents {} 0 R >>",
            page(n) + 1
        ));
        objects.push(format!(
            "<< /Length {} >>\nstream\n{content}\nendstream",
            content.len()
        ));
    }
    let (mut file, mut places) = ("%PDF-1.4\n".to_owned(), String::new());
    for (n, object) in objects.iter().enumerate() {
        places += &format!("{:010} 00000 n \n", file.len());
        file += &format!("{} 0 obj\n{object}\nendobj\n", n + 1);
    }
    let (count, start) = (objects.len() + 1, file.len());
    file += &format!("xref\n0 {count}\n0000000000 65535 f \n{places}");
    file += &format!("trailer << /Size {count} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n");
    file.into_bytes()
}

/// Makes a DOCX of some kilobytes that unpacks to 300 MiB.
fn bomb(home: &Home) -> Vec<u8> {
    let path = home.root().join("bomb.docx");
    let script = "import sys, zipfile\n\
                  with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as z:\n\
                  \x20with z.open('word/document.xml', 'w') as f:\n\
                  \x20\x20for _ in range(300): f.write(b' ' * (1 << 20))\n";
    let made = Command::new("python3")
        .args(["-c", script])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    fs::read(path).unwrap()
}

fn documents(node: &NodeProcess) -> Value {
    node.control().must("node.status", json!({}))["index"]["documents"].clone()
}

/// Waits until so many documents are read, or found to be unreadable, and in the index.
fn all_read(node: &NodeProcess, count: u64) -> Value {
    wait_until("all documents are read", PATIENCE, || {
        let index = node.control().must("node.status", json!({}))["index"].clone();
        let documents = &index["documents"];
        let number = |name: &str| documents[name].as_u64().unwrap_or_default();
        let is_known = number("read") + number("unreadable") == count && number("waiting") == 0;
        (is_known && index["complete"] == json!(true))
            .then(|| documents.clone())
            .ok_or_else(|| index.to_string())
    })
}

fn hits(node: &NodeProcess, query: &str) -> Vec<Value> {
    let answer = node
        .control()
        .must("search.query", json!({ "query": query }));
    answer["hits"].as_array().unwrap().clone()
}

/// Waits until a query finds one file, and returns its hit.
fn found(node: &NodeProcess, query: &str) -> Value {
    wait_until(query, PATIENCE, || match &hits(node, query)[..] {
        [hit] => Ok(hit.clone()),
        hits => Err(format!("{hits:?}")),
    })
}

#[test]
fn words_in_documents_are_found_from_another_node_with_their_place() {
    let (holder, asker) = holder_and_asker();
    let excerpt = |query: &str| found(&asker, query)["excerpt"].clone();
    let is_at = |query: &str, place: &str, name: Value, line: u64| {
        let hit = excerpt(query);
        assert_eq!(
            (&hit[place], &hit["line"]),
            (&name, &json!(line)),
            "{query}"
        );
        hit["text"].clone()
    };
    let text = is_at("text:carpenter", "part", json!("document"), 1);
    assert_eq!(text, "The walrus & the carpenter");
    is_at("text:second", "page", json!(2), 1);
    is_at("third", "chapter", json!("Down the Hole"), 2);
    let text = is_at("text:été", "part", json!("text"), 1);
    assert_eq!(text, "été and a fourth walrus");
    is_at("text:crêpe", "none", Value::Null, 2);
    assert_eq!(hits(&asker, "text:walrus").len(), 4);

    let lines = ctl(asker.home()).args(["grep", "wal.us"]).run();
    let lines = lines.expect_code(0).stdout;
    let peer = holder.url.trim_start_matches("http://");
    let peer = peer.trim_end_matches('/');
    let mut lines: Vec<String> = lines.lines().map(|line| line.replace(peer, "P")).collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "P:letter.docx:document:1:The walrus & the carpenter",
            "P:novel.epub:Down the Hole:2:the third walrus",
            "P:page.html:text:1:été and a fourth walrus",
            "P:report.pdf:2:1:A second walrus",
        ]
    );
    // As ripgrep finds it, where a file is text as it stands.
    let raw = excerpt("grep:<b>wal");
    assert_eq!((&raw["line"], raw.get("part")), (&json!(1), None));
}

#[test]
fn a_document_that_was_fetched_is_found_here_as_well() {
    let (_holder, asker) = holder_and_asker();
    found(&asker, "text:second");
    let fetched = ctl(asker.home()).args(["fetch", "report.pdf"]).run();
    let _ = fetched.expect_code(0);
    assert_eq!(asker.home().read("report.pdf"), Some(report()));
    eventually("both nodes have it", || {
        hits(&asker, "text:second").len() == 2
    });
}

#[test]
fn a_watch_tells_of_words_in_a_document_that_comes() {
    let (holder, asker) = holder_and_asker();
    let query = json!({ "query": "text:oyster ext:docx" });
    let watch = asker.control().must("watch.add", query);
    wait_until("the holder holds the watch", PATIENCE, || {
        let list = asker.control().must("watch.list", json!({}));
        let text = list.to_string();
        text.contains("\"held\"").then_some(()).ok_or(text)
    });
    let put = |name: &str, text: &str| holder.home().put(name, docx(text));
    put("clam.docx", "A clam was there");
    put("oyster.docx", "An oyster came up");
    let next = json!({ "id": watch["id"], "after": 0, "seconds": 1 });
    let found = wait_until("the watch tells", PATIENCE, || {
        let page = asker.control().must("watch.next", next.clone());
        let found = page["matches"][0].clone();
        if found.is_null() {
            Err(page.to_string())
        } else {
            Ok(found)
        }
    });
    assert_eq!(found["name"], "oyster.docx", "{found}");
    asker.stop();
    holder.stop();
}

fn report() -> Vec<u8> {
    pdf(&["Nothing here", "A second walrus"])
}

/// Returns a node with documents that are read, and one that knows it.
fn holder_and_asker() -> (NodeProcess, NodeProcess) {
    let holder = noded()
        .file("letter.docx", docx("The walrus &amp; the carpenter"))
        .file("report.pdf", report())
        .file("recette.txt", b"un gla\xe7on\nune cr\xeape au caf\xe9\n")
        .file("novel.epub", epub("Down the Hole", "the third walrus"))
        .file(
            "page.html",
            "<html><p>&eacute;t&eacute; and a fourth <b>wal</b>rus</p></html>",
        )
        .start();
    let asker = noded().start();
    introduce(&asker.url, &holder.url);
    let read = all_read(&holder, 5);
    assert_eq!((&read["read"], &read["unreadable"]), (&json!(5), &json!(0)));
    (holder, asker)
}

#[test]
fn a_document_that_changes_or_goes_is_found_as_it_is_now() {
    let node = noded().file("a.docx", docx("first version")).start();
    found(&node, "text:first");
    node.home().put("a.docx", docx("second version"));
    found(&node, "text:second");
    eventually("the old text is gone", || {
        hits(&node, "text:first").is_empty()
    });
    let before = documents(&node)["bytes"].as_u64().unwrap();
    node.home().put("copy of a.docx", docx("second version"));
    eventually("the copy is found", || {
        hits(&node, "text:second").len() == 2
    });
    assert_eq!(
        documents(&node)["bytes"],
        json!(before),
        "one text for both"
    );
    let node = node.stop_for_restart().start();
    eventually("both are found again", || {
        hits(&node, "text:second").len() == 2
    });
    fs::remove_file(node.home().share().join("a.docx")).unwrap();
    eventually("one is left", || hits(&node, "text:second").len() == 1);
    eventually("one is listed", || documents(&node)["read"] == json!(1));
    fs::remove_file(node.home().share().join("copy of a.docx")).unwrap();
    let texts = node.home().state().join("documents/texts");
    eventually("no text is left", || {
        fs::read_dir(&texts).unwrap().count() == 0
    });
}

#[test]
fn harmful_documents_cost_themselves_only_and_are_named() {
    let home = Home::new();
    let mut broken = pdf(&["x"]);
    broken.truncate(60);
    let node = noded()
        .file("bomb.docx", bomb(&home))
        .file("broken.pdf", broken)
        .file("zip.docx", b"PK\x03\x04 and nothing that is a ZIP")
        .file("good.docx", docx("an honest walrus"))
        .file("plain.txt", "a plain walrus\n")
        .start();
    let read = all_read(&node, 4);
    assert_eq!(
        (&read["read"], &read["unreadable"]),
        (&json!(1), &json!(3)),
        "{read}"
    );
    assert_eq!(hits(&node, "text:walrus").len(), 2);
    let skipped = node.control().must("share.skipped", json!({}));
    let told = |entry: &Value| (entry["name"].clone(), entry["reason"].clone());
    let told: Vec<_> = skipped["skipped"]
        .as_array()
        .unwrap()
        .iter()
        .map(told)
        .collect();
    let reason = |reason: &str| json!(format!("it is shared, and its text is not found: {reason}"));
    assert_eq!(
        told,
        [
            (
                json!("bomb.docx"),
                reason("it unpacks to more than 128 MiB")
            ),
            (json!("broken.pdf"), reason("it is damaged")),
            (json!("zip.docx"), reason("it is damaged")),
        ]
    );
    let status = ctl(node.home())
        .args(["status"])
        .run()
        .expect_code(0)
        .stdout;
    assert!(
        status.contains("1 read; 3 unreadable, see `ctl ls --skipped`"),
        "{status}"
    );
    let paged = node.control().must("share.skipped", json!({ "limit": 2 }));
    let rest = node.control().must(
        "share.skipped",
        json!({ "limit": 2, "after": paged["next"] }),
    );
    assert_eq!(rest["skipped"][0]["name"], "zip.docx");
    assert_eq!(rest["next"], Value::Null);
    // Not read again before it changes.
    let node = node.stop_for_restart().start();
    assert_eq!(all_read(&node, 4)["unreadable"], json!(3));
    node.home().put("zip.docx", docx("mended"));
    found(&node, "text:mended");
}

#[test]
fn an_owner_switches_documents_off_and_on() {
    let node = noded()
        .args(["--documents", "off"])
        .file("a.docx", docx("a walrus"))
        .file("b.txt", "a second one\n")
        .start();
    found(&node, "text:second");
    assert_eq!(documents(&node), Value::Null);
    assert_eq!(hits(&node, "text:walrus"), Vec::<Value>::new());
    let home = std::sync::Arc::clone(node.home());
    node.stop();
    let node = noded().at(&home).start();
    found(&node, "text:walrus");
}

/// Returns the target of each open file of a process.
fn open_files(process: u32) -> Vec<PathBuf> {
    let open = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    // One may be closed meanwhile.
    let targets = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.collect()
}

#[test]
fn a_worker_has_its_document_and_a_pipe_and_no_rights() {
    let home = Home::new();
    let mut worker = Command::new(noded_program())
        .arg("read-document")
        .env("SIXHOP_SHARE", home.share())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let process = worker.id();
    let file = |name: &str| fs::read_to_string(format!("/proc/{process}/{name}")).unwrap();
    // It waits for its document then.
    eventually("the last layer is on", || {
        file("status").contains("\nSeccomp:\t2")
    });
    assert!(file("status").contains("\nNoNewPrivs:\t1"));
    assert!(file("status").contains("\nThreads:\t1"));
    for limit in [
        "Max open files            0",
        "Max file size             0",
        "Max processes             0",
        "Max cpu time              10",
    ] {
        assert!(
            file("limits").contains(limit),
            "{limit}\n{}",
            file("limits")
        );
    }
    for target in open_files(process) {
        let is_pipe = target.to_string_lossy().starts_with("pipe:");
        assert!(
            is_pipe || target == Path::new("/dev/null"),
            "{}",
            target.display()
        );
    }
    drop(worker.stdin.take());
    let output = worker.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(
        output.stdout,
        [b'f', 1, 0, 0, 0, 2],
        "what is no document is damaged"
    );
}

#[test]
fn a_node_gives_its_worker_no_environment() {
    let words = "<p>some words of a long page</p>\n".repeat(500_000);
    let node = noded()
        .env("SIXHOP_TEST_SECRET", "not for workers")
        .file("long.html", format!("<html>{words}"))
        .start();
    let node_process = node.pid().to_string();
    let is_worker = |process: &u32| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:\t"));
        let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        parent == Some(node_process.as_str()) && line.ends_with(b"\0read-document\0")
    };
    let worker = wait_until("a worker runs", PATIENCE, || {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        numbers.find(is_worker).ok_or_else(|| "none".to_owned())
    });
    let environment = fs::read(format!("/proc/{worker}/environ")).unwrap();
    assert_eq!(environment, b"");
    let share = node.home().share().canonicalize().unwrap();
    let is_known = |target: &PathBuf| {
        target == &share.join("long.html")
            || target == Path::new("/dev/null")
            || target.to_string_lossy().starts_with("pipe:")
    };
    // Its libraries are open for a moment when it starts.
    eventually("nothing else is open", || {
        let open = open_files(worker);
        open.len() > 2 && open.iter().all(is_known)
    });
    let killed = Command::new("kill")
        .args(["-9", &worker.to_string()])
        .status();
    assert!(killed.unwrap().success());
    // Who kills a worker does no harm to its document.
    let read = all_read(&node, 1);
    assert_eq!((&read["read"], &read["unreadable"]), (&json!(1), &json!(0)));
}

#[test]
fn documents_are_read_in_the_tightest_sandbox() {
    let node = noded()
        .args(["--sandbox", "files"])
        .file("a.docx", docx("a walrus"))
        .start();
    found(&node, "text:walrus");
}

#[test]
fn a_policy_decides_about_a_text_as_about_its_document() {
    let options = noded()
        .file("public.docx", docx("a public walrus"))
        .file("private/secret.docx", docx("a secret walrus"));
    let plugins = options.home().root().join("plugins");
    fs::create_dir_all(&plugins).unwrap();
    fs::set_permissions(&plugins, fs::Permissions::from_mode(0o755)).unwrap();
    let policy = plugins.join("policy.rhai");
    fs::write(
        &policy,
        "fn allow_fetch(f) { !f.name.starts_with(\"private/\") }\n",
    )
    .unwrap();
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o644)).unwrap();
    let holder = options
        .args(["--plugins", &plugins.display().to_string()])
        .start();
    let asker = noded().start();
    introduce(&asker.url, &holder.url);
    all_read(&holder, 2);
    assert_eq!(hits(&holder, "text:walrus").len(), 2, "the owner sees all");
    for query in ["text:walrus", "grep:walrus", "walrus"] {
        assert_eq!(found(&asker, query)["name"], "public.docx", "{query}");
    }
    assert_eq!(hits(&asker, "text:secret"), Vec::<Value>::new());
}
