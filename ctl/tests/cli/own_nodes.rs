//! Nodes inside `ctl`: `up`, `shell --share` and `node(…)` in scripts.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::Child,
};

use tempfile::TempDir;

use crate::{
    errors::interrupt,
    program::{Ended, Program},
};

/// A node in a process of its own, killed at drop.
pub(crate) struct Up {
    home: TempDir,
    child: Child,
    pub(crate) url: String,
}

impl Up {
    /// Starts a node that shares these files.
    pub(crate) fn start(files: &[(&str, &str)]) -> Up {
        let home = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = home.path().join("share").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::create_dir_all(home.path().join("share")).unwrap();
        let share = home.path().join("share");
        let args = [
            "up",
            "--listen",
            "127.0.0.1:0",
            "--control",
            "127.0.0.1:0",
            "--share",
        ];
        let mut child = Program::new(args.into_iter().chain([share.to_str().unwrap()]))
            .state(&home.path().join("state"))
            .spawn();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut ready)
            .unwrap();
        let url = ready
            .strip_prefix("ready url=")
            .and_then(|rest| rest.split(' ').next())
            .unwrap();
        let url = url.to_owned();
        Up { home, child, url }
    }

    /// Returns a run of `ctl` for this node.
    pub(crate) fn ctl<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Program {
        Program::new(args).state(&self.home.path().join("state"))
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(text: &str) -> Ended {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("test.rhai");
    fs::write(&file, text).unwrap();
    Program::new(["run", file.to_str().unwrap()]).run()
}

#[test]
fn up_is_a_node_that_ctl_finds_and_that_an_interrupt_ends() {
    let mut up = Up::start(&[("a.txt", "hello")]);
    let ended = up.ctl(["search", "a.txt"]).run().exits(0);
    assert_eq!(ended.stdout, format!("a.txt\t5\t{}\n", up.url));
    interrupt(up.child.id());
    assert_eq!(up.child.wait().unwrap().code(), Some(0));
    up.ctl(["status"]).run().exits(6);
}

#[test]
fn the_tour_ends_with_the_file_fetched_over_two_hops() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/tour.rhai");
    let ended = Program::new(["run", script]).run().exits(0);
    for part in [
        "It was found over two hops, and came from http://127.0.0.1:",
        "| Dear Ann,",
        "That was the tour.",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {ended:?}");
    }
    assert_eq!(ended.stderr, "");
}

#[test]
fn nodes_of_a_script_have_the_same_verbs() {
    let text = r#"
        let a = node();
        let b = node(#{peers: [a.url()]});
        a.put("dir/x.txt", "content");
        print(b.hello(a.url()).state);
        print(b.peers().len());
        print(b.fetch("dir/x.txt").bytes);
        print(b.ls()[0].name);
        print(b.ls(a.url())[0].name);
        print(b.search("x.txt")[0].size);
        print(b.call("share.stat", #{name: "dir/x.txt"}).size);
        print(b.text("dir/x.txt"));
        print(b.status().share == b.share());
        a.stop();
        try { a.status() } catch (e) { print(e.code) }"#;
    let ended = run(text).exits(0);
    assert_eq!(
        ended.stdout,
        "up\n1\n7\ndir/x.txt\ndir/x.txt\n7\n7\ncontent\ntrue\nnetwork\n"
    );
}

#[test]
fn a_node_that_cannot_start_is_an_error_of_the_script() {
    let ended = run("node(#{share: \"/nonexistent\"});").exits(2);
    assert!(
        ended.stderr.contains("test.rhai:1:1: --share /nonexistent"),
        "{ended:?}"
    );
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!("node(#{{listen: \"{}\"}});", taken.local_addr().unwrap());
    run(&text).exits(1);
}

#[test]
fn a_script_shares_a_directory_of_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mine.txt"), "mine").unwrap();
    let text = format!(
        "let n = node(#{{share: {:?}}}); print(n.ls()[0].name);",
        dir.path()
    );
    assert_eq!(run(&text).exits(0).stdout, "mine.txt\n");
    assert!(dir.path().join("mine.txt").exists());
}

fn chapter<'a>(share: &'a Path, peers: &'a Path) -> [&'a str; 8] {
    let (share, peers) = (share.to_str().unwrap(), peers.to_str().unwrap());
    [
        "shell",
        "-q",
        "--share",
        share,
        "--peers",
        peers,
        "--listen",
        "127.0.0.1:0",
    ]
}

#[test]
fn the_shell_brings_its_own_node_as_the_chapter_s_client_does() {
    let other = Up::start(&[("bar.txt", "from the other")]);
    let home = tempfile::tempdir().unwrap();
    let peers = home.path().join("urls.txt");
    let share = home.path().join("files");
    fs::create_dir(&share).unwrap();
    fs::write(&peers, format!("{}\n", other.url)).unwrap();
    let input = "fetch fooo\nfetch bar.txt\n";
    let ended = Program::new(chapter(&share, &peers))
        .input(input)
        .run()
        .exits(0);
    assert_eq!(ended.stdout, "> Couldn't find the file fooo\n> > \n");
    assert_eq!(
        fs::read_to_string(share.join("bar.txt")).unwrap(),
        "from the other"
    );
}

#[test]
fn a_missing_file_of_peers_is_a_matter_of_usage() {
    let home = tempfile::tempdir().unwrap();
    let ended = Program::new(chapter(home.path(), Path::new("/nonexistent.txt")))
        .run()
        .exits(2);
    assert!(ended.stderr.contains("/nonexistent.txt"), "{ended:?}");
    assert_eq!(ended.stdout, "");
}

#[test]
fn a_script_that_is_interrupted_takes_its_nodes_along() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("test.rhai");
    fs::write(&file, "let n = node(); print(n.share()); sleep(1000);").unwrap();
    let mut child = Program::new(["run", file.to_str().unwrap()]).spawn();
    let mut share = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut share)
        .unwrap();
    assert!(Path::new(share.trim()).exists());
    interrupt(child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!Path::new(share.trim()).exists());
}
