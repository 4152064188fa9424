//! Tests that answers about a file match its content, however it was changed.

mod model;
mod mounts;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use e2e::{NodeProcess, http, python, wait_until, xmlrpc};
use serde_json::{Value, json};

use crate::world::{ctl, noded};

/// Longest time until a change is known; much less when the machine is idle.
const SOON: Duration = Duration::from_secs(30);

/// Two contents of the same length.
const OLD: &str = "the weather was bright in the harbour\n";
const NEW: &str = "the weather was gloomy in the harbour\n";

/// A file system in memory, mounted below a share.
struct Mount(PathBuf);

impl Mount {
    /// Mounts one. Nothing if this process may not.
    fn new(at: &Path) -> Option<Mount> {
        fs::create_dir_all(at).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "none"])
            .arg(at)
            .output();
        let is_mounted = mount.is_ok_and(|mount| mount.status.success());
        if !is_mounted {
            println!("skipped: nothing can be mounted here");
        }
        is_mounted.then(|| Mount(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
    }
}

fn found(node: &NodeProcess, query: &str) -> Vec<String> {
    let answer = node
        .control()
        .must("search.query", json!({ "query": query }));
    let hits = answer["hits"].as_array().expect("a list of hits").iter();
    let name = |hit: &Value| hit["name"].as_str().unwrap_or_default().to_owned();
    hits.map(name).collect()
}

/// Returns the digest that the node says a file has, by its description.
fn described(node: &NodeProcess, name: &str) -> Option<String> {
    let answer = node.control().must("share.stat", json!({ "name": name }));
    answer["digest"].as_str().map(str::to_owned)
}

/// Returns the digest of `text`, as a node of its own computes it.
fn digest(node: &NodeProcess, name: &str) -> String {
    let answer = http::get(&node.url, &format!("/files/{name}")).expect("the file");
    let tag = answer.header("etag").expect("its digest");
    tag.trim_matches('"').to_owned()
}

/// Waits until the file has the new text and nothing says that it has the old one.
fn wait_for_text(node: &NodeProcess, name: &str, old_digest: &str) {
    wait_until("the new text is known", SOON, || {
        let blob = http::get(&node.url, &format!("/blobs/{old_digest}")).unwrap();
        assert!(
            blob.status != 200 || blob.body == OLD.as_bytes(),
            "the old digest leads to other bytes: {:?}",
            blob.text()
        );
        let seen = (
            found(node, "text:gloomy").contains(&name.to_owned()),
            found(node, "grep:bright").contains(&name.to_owned()),
            found(node, "text:bright").contains(&name.to_owned()),
            blob.status,
            described(node, name).is_some_and(|digest| digest != old_digest),
        );
        let expected = (true, false, false, 404, true);
        (seen == expected).then_some(()).ok_or(format!("{seen:?}"))
    });
    let answer = http::get(&node.url, &format!("/files/{}", name.replace(' ', "%20")));
    assert_eq!(answer.unwrap().text(), NEW);
}

/// Ways to change a file that leave its size and its time as they were.
const TRICKS: [(&str, &str); 6] = [
    (
        "archive",
        "import io,os,sys,tarfile
p,t,m=sys.argv[1],sys.argv[2].encode(),float(sys.argv[3])
a=tarfile.TarInfo(os.path.basename(p)); a.size=len(t); a.mtime=int(m)
b=io.BytesIO(); w=tarfile.open(fileobj=b,mode='w'); w.addfile(a,io.BytesIO(t)); w.close(); b.seek(0)
tarfile.open(fileobj=b).extractall(os.path.dirname(p),filter='data')
os.utime(p,ns=(int(sys.argv[4]),int(sys.argv[4])))",
    ),
    (
        "copy with its time",
        "import os,shutil,sys
o=sys.argv[5]; open(o,'w').write(sys.argv[2]); os.utime(o,ns=(int(sys.argv[4]),int(sys.argv[4]))); shutil.copyfile(o,sys.argv[1]); shutil.copystat(o,sys.argv[1])",
    ),
    (
        "in place",
        "import os,sys
f=open(sys.argv[1],'r+'); f.write(sys.argv[2]); f.close(); os.utime(sys.argv[1],ns=(int(sys.argv[4]),int(sys.argv[4])))",
    ),
    (
        "another file in its place",
        "import os,sys
o=sys.argv[5]; open(o,'w').write(sys.argv[2]); os.utime(o,ns=(int(sys.argv[4]),int(sys.argv[4]))); os.rename(o,sys.argv[1])",
    ),
    (
        "mapped",
        "import mmap,os,sys
f=open(sys.argv[1],'r+b'); m=mmap.mmap(f.fileno(),0); m[:]=sys.argv[2].encode(); m.close(); f.close()",
    ),
    (
        "mapped, and the time set back",
        "import mmap,os,sys
f=open(sys.argv[1],'r+b'); m=mmap.mmap(f.fileno(),0); m[:]=sys.argv[2].encode(); m.close(); f.close(); os.utime(sys.argv[1],ns=(int(sys.argv[4]),int(sys.argv[4])))",
    ),
];

/// Gives the file other bytes of the same length.
fn play(trick: &str, path: &Path, text: &str) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let since = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let beside = path.with_extension("new-part~");
    let args = [
        path.to_str().unwrap(),
        text,
        &since.as_secs_f64().to_string(),
        &since.as_nanos().to_string(),
        beside.to_str().unwrap(),
    ];
    python(trick, &args);
    // Some disks show a mapped write by the time.
    if trick.contains("utime") || trick.contains("copystat") {
        assert_eq!(fs::metadata(path).unwrap().modified().unwrap(), modified);
    }
    assert_eq!(fs::read_to_string(path).unwrap(), text);
}

/// Plays every trick on a file of its own in the directory `below`.
fn tricks_are_seen_through(node: &NodeProcess, below: &str) {
    let name = |number: usize| format!("{below}note {number}.txt");
    let path = |number: usize| node.home().share().join(name(number));
    let old: Vec<String> = (0..TRICKS.len())
        .map(|number| {
            wait_until("the digest is known", SOON, || {
                described(node, &name(number)).ok_or_else(|| "none".to_owned())
            })
        })
        .collect();
    wait_until("all is indexed", SOON, || {
        let count = found(node, "text:bright").len();
        (count >= TRICKS.len())
            .then_some(())
            .ok_or(count.to_string())
    });
    // What is written in the moment in which it was seen is another case.
    std::thread::sleep(Duration::from_millis(300));
    for (number, (_, trick)) in TRICKS.iter().enumerate() {
        play(trick, &path(number), NEW);
    }
    for (number, (what, _)) in TRICKS.iter().enumerate() {
        println!("{below}: {what}");
        wait_for_text(node, &name(number), &old[number]);
    }
}

fn with_notes(below: &[&str]) -> e2e::NodeOptions {
    let options = noded();
    for below in below {
        for number in 0..TRICKS.len() {
            let name = format!("{below}note {number}.txt");
            options.home().put(&name, OLD);
            let file = File::options()
                .write(true)
                .open(options.home().share().join(&name));
            let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
            file.unwrap().set_modified(long_ago).unwrap();
        }
    }
    options
}

#[test]
fn new_bytes_of_the_same_size_and_time_are_seen() {
    let node = with_notes(&["disk/"]).start();
    tricks_are_seen_through(&node, "disk/");
    node.stop();
}

#[test]
fn new_bytes_on_a_disk_that_shows_no_mapped_write_are_seen() {
    let options = noded();
    let Some(_mount) = Mount::new(&options.home().share().join("ram")) else {
        return;
    };
    for number in 0..TRICKS.len() {
        options.home().put(&format!("ram/note {number}.txt"), OLD);
    }
    let node = options.start();
    tricks_are_seen_through(&node, "ram/");
    node.stop();
}

#[test]
fn new_bytes_that_came_while_the_node_was_down_are_seen() {
    let node = with_notes(&[""]).start();
    let old = wait_until("the digest is known", SOON, || {
        described(&node, "note 2.txt").ok_or_else(|| "none".to_owned())
    });
    wait_until("all is indexed", SOON, || {
        let count = found(&node, "text:bright").len();
        (count == TRICKS.len())
            .then_some(())
            .ok_or(count.to_string())
    });
    std::thread::sleep(Duration::from_millis(300));
    let options = node.stop_for_restart();
    for number in [0, 1, 2, 3] {
        let path = options.home().share().join(format!("note {number}.txt"));
        play(TRICKS[number].1, &path, NEW);
    }
    let node = options.start();
    let blob = http::get(&node.url, &format!("/blobs/{old}")).unwrap();
    assert!(
        blob.status == 404 || blob.body == OLD.as_bytes(),
        "{}",
        blob.text()
    );
    wait_until("the new text is known", SOON, || {
        let (new, old) = (found(&node, "text:gloomy"), found(&node, "text:bright"));
        (new.len() == 4 && old.len() == 2)
            .then_some(())
            .ok_or(format!("{new:?} {old:?}"))
    });
    for number in [0, 1, 2, 3] {
        assert_ne!(digest(&node, &format!("note%20{number}.txt")), old);
    }
    node.stop();
}

#[test]
fn bytes_that_changed_without_a_sign_are_given_to_nobody() {
    let options = noded();
    let Some(_mount) = Mount::new(&options.home().share().join("ram")) else {
        return;
    };
    let long = "x".repeat(700_000);
    options.home().put("ram/long.txt", &long);
    options.home().put("ram/short.txt", OLD);
    let holder = options.start();
    let share = holder.home().share();
    let names = ["ram/long.txt", "ram/short.txt"];
    let old = names.map(|name| digest(&holder, name));
    // A program that keeps the files mapped and changes them: nothing reports it.
    let program = "import mmap,sys
for p in sys.argv[1:]:
    f=open(p,'r+b'); m=mmap.mmap(f.fileno(),0); m[5:6]=b'#'; globals()['k'+p]=(f,m)
print('written',flush=True); sys.stdin.read()";
    let mut writer = Command::new("python3")
        .args(["-c", program])
        .args(names.map(|name| share.join(name)))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = writer.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
    let asker = noded().start();
    e2e::introduce(&asker.url, &holder.url);
    for (name, old) in names.iter().zip(&old) {
        let now = fs::read(share.join(name)).unwrap();
        // Who asks first hears of the old digest, and gets the new bytes all the same.
        let fetched = ctl(asker.home()).args(["fetch", name]).run();
        assert_eq!(fetched.code, 0, "{name}: {}", fetched.stderr);
        assert!(asker.home().read(name) == Some(now.clone()), "{name}");
        let blob = http::get(&holder.url, &format!("/blobs/{old}")).unwrap();
        assert_eq!(blob.status, 404, "{name}");
        let file = http::get(&holder.url, &format!("/files/{name}")).unwrap();
        assert_eq!((file.status, file.body == now), (200, true), "{name}");
        assert_ne!(file.header("etag"), Some(format!("\"{old}\"").as_str()));
        assert!(xmlrpc::query(&holder.url, name).is_ok());
    }
    drop(writer.stdin.take());
    writer.wait().unwrap();
    asker.stop();
    holder.stop();
}

#[test]
fn a_file_of_tomorrow_is_indexed_and_read_once() {
    let options = noded().file("photo notes.txt", OLD);
    let path = options.home().share().join("photo notes.txt");
    let tomorrow = SystemTime::now() + Duration::from_secs(200_000);
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(tomorrow).unwrap();
    let node = options.start();
    wait_until("it is indexed", SOON, || {
        let status = node.control().must("node.status", json!({}));
        let index = &status["index"];
        (index["files"] == 1 && index["complete"] == true)
            .then_some(())
            .ok_or(index.to_string())
    });
    assert_eq!(found(&node, "text:bright"), ["photo notes.txt"]);
    wait_until("its digest is known", SOON, || {
        described(&node, "photo notes.txt").ok_or_else(|| "none".to_owned())
    });
    let read = node.counter("files_hashed");
    for _ in 0..5 {
        digest(&node, "photo%20notes.txt");
    }
    assert_eq!(node.counter("files_hashed"), read);
    node.stop();
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}

/// Returns a node that obeys the permissions of files, also if root runs it.
fn obedient() -> e2e::NodeOptions {
    let without = "exec setpriv --bounding-set=-dac_override,-dac_read_search \"$0\" \"$@\"";
    if is_root() {
        noded().limits(without)
    } else {
        noded()
    }
}

fn chmod(node: &NodeProcess, name: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    let path = node.home().share().join(name);
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_cannot_be_read_is_said_and_searched_when_it_can() {
    let node = obedient()
        .file("open.txt", OLD)
        .file("locked.txt", OLD)
        .file("closed/inside.txt", OLD)
        .start();
    wait_until("all is indexed", SOON, || {
        let count = found(&node, "text:bright").len();
        (count == 3).then_some(()).ok_or(count.to_string())
    });
    fs::write(node.home().share().join("locked.txt"), NEW).unwrap();
    chmod(&node, "locked.txt", 0);
    chmod(&node, "closed", 0);
    for query in ["text:weather", "grep:weather"] {
        wait_until("it is said", SOON, || {
            let query = json!({ "query": query });
            let answer = node.control().must("search.query", query);
            let gaps = answer["gaps"].as_array().cloned().unwrap_or_default();
            let name = |gap: &Value| gap["name"].as_str().unwrap_or_default().to_owned();
            let mut names: Vec<String> = gaps.iter().map(name).collect();
            names.sort();
            (names == ["closed/", "locked.txt"] && answer["end"] == "partial")
                .then_some(())
                .ok_or(answer.to_string())
        });
    }
    wait_until("the status names both", SOON, || {
        let status = ctl(node.home()).args(["status"]).run().expect_code(0);
        let names = |name: &str| status.stdout.contains(&format!("unreadable {name}: "));
        (names("closed/") && names("locked.txt"))
            .then_some(())
            .ok_or(status.stdout.clone())
    });
    let nothing = ctl(node.home()).args(["search", "text:gloomy"]).run();
    assert_eq!(nothing.code, 7, "{}", nothing.stderr);
    assert!(
        nothing.stderr.contains("locked.txt (cannot be read now)"),
        "{}",
        nothing.stderr
    );
    chmod(&node, "locked.txt", 0o644);
    chmod(&node, "closed", 0o755);
    wait_until("all is searched", SOON, || {
        let answer = node
            .control()
            .must("search.query", json!({ "query": "text:weather" }));
        let hits = answer["hits"].as_array().map_or(0, Vec::len);
        (hits == 3 && answer["end"] == "complete")
            .then_some(())
            .ok_or(answer.to_string())
    });
    assert_eq!(found(&node, "text:gloomy"), ["locked.txt"]);
    let status = node.control().must("node.status", json!({}));
    assert!(status["unreadable"].is_null(), "{status}");
    node.stop();
}

#[test]
fn a_write_through_another_name_of_a_file_is_seen_soon() {
    let options = noded().file("a/one.txt", OLD).file("mine.txt", OLD);
    let share = options.home().share();
    let outside = options.home().root().join("outside-name.txt");
    fs::hard_link(share.join("a/one.txt"), share.join("two.txt")).unwrap();
    fs::hard_link(share.join("mine.txt"), &outside).unwrap();
    let node = options.start();
    wait_until("all is indexed", SOON, || {
        let count = found(&node, "text:bright").len();
        (count == 3).then_some(()).ok_or(count.to_string())
    });
    fs::write(share.join("two.txt"), NEW).unwrap();
    fs::write(&outside, NEW).unwrap();
    wait_until("all names have the new text", SOON, || {
        let (new, old) = (found(&node, "text:gloomy"), found(&node, "text:bright"));
        (new.len() == 3 && old.is_empty())
            .then_some(())
            .ok_or(format!("{new:?} {old:?}"))
    });
    node.stop();
}

#[test]
fn a_disk_mounted_in_the_share_is_seen_with_its_writes() {
    let node = noded()
        .file("usb/below.txt", "text below the disk\n")
        .start();
    let listed = |expected: &[&str]| {
        wait_until("the listing is right", SOON, || {
            let listing = node.control().must("share.list", json!({}));
            let files = listing["files"].as_array().unwrap().iter();
            let names: Vec<_> = files.map(|file| file["name"].as_str().unwrap()).collect();
            (names == expected)
                .then_some(())
                .ok_or(format!("{names:?}"))
        });
    };
    listed(&["usb/below.txt"]);
    let Some(mount) = Mount::new(&node.home().share().join("usb")) else {
        return node.stop();
    };
    listed(&[]);
    node.home().put("usb/dir/on the disk.txt", OLD);
    listed(&["usb/dir/on the disk.txt"]);
    wait_until("it is searched", SOON, || {
        let found = found(&node, "text:bright");
        (found == ["usb/dir/on the disk.txt"])
            .then_some(())
            .ok_or(format!("{found:?}"))
    });
    drop(mount);
    listed(&["usb/below.txt"]);
    node.stop();
}

#[test]
fn a_rescan_says_what_was_new() {
    let node = noded().file("notes/a.txt", OLD).start();
    let run = |args: &[&str]| ctl(node.home()).args(args).run();
    let nothing = run(&["rescan"]);
    assert_eq!(
        (nothing.code, nothing.stdout.as_str()),
        (0, "0 new, 0 changed, 0 gone\n")
    );
    // A file that is named is read again whatever shows.
    let one = run(&["rescan", "notes/a.txt"]);
    assert_eq!(
        (one.code, one.stdout.as_str()),
        (0, "0 new, 1 changed, 0 gone\n")
    );
    let folder = run(&["rescan", "notes/", "--json"]);
    let answer: Value = serde_json::from_str(&folder.stdout).unwrap();
    assert_eq!(answer, json!({ "added": 0, "changed": 0, "removed": 0 }));
    let absent = run(&["rescan", "nothing.txt"]);
    assert_eq!(absent.code, 3, "{}", absent.stderr);
    let outside = run(&["rescan", "../outside.txt"]);
    assert_eq!(outside.code, 2, "{}", outside.stderr);
    node.stop();
}
