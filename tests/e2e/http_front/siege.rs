//! The frame of every attack: an honest client meanwhile, the meters before and after.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::scope;
use std::time::Duration;

use e2e::{NodeProcess, wait_until, xmlrpc};
use serde_json::json;

use crate::world::noded;

const PEAK_KIB: usize = 128 << 10;
const NAME: &str = "honest.txt";
const CONTENT: &str = "for honest clients";

/// Runs an attack against a fresh node.
pub(super) fn under_siege(attack: impl FnOnce(&NodeProcess)) {
    siege_of(noded().file(NAME, CONTENT).start(), attack);
}

/// Runs an attack against this node, which must share the honest file.
pub(super) fn siege_of(mut node: NodeProcess, attack: impl FnOnce(&NodeProcess)) {
    warm_up(&node);
    let before = node.meters();
    let honest = Honest::start(&node.url);
    attack(&node);
    honest.finish();
    before.wait_for_return(node.pid());
    let peak = node.meters().peak_kib;
    println!("before {before:?}, peak {peak} KiB");
    assert!(peak <= PEAK_KIB, "the node held {peak} KiB");
    node.assert_healthy();
    node.stop();
}

/// Starts a node as [`under_siege`] does, but in a special way.
pub(super) fn besieged(options: e2e::NodeOptions) -> NodeProcess {
    options.file(NAME, CONTENT).start()
}

/// Lets the node make the threads that it keeps, and read its files.
fn warm_up(node: &NodeProcess) {
    wait_until("the files are indexed", Duration::from_secs(30), || {
        let status = node.control().must("node.status", json!({}));
        let index = &status["index"];
        (index["complete"] == true && index["files"] != 0)
            .then_some(())
            .ok_or_else(|| index.to_string())
    });
    scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| xmlrpc::query(&node.url, NAME));
        }
    });
    let answer = xmlrpc::query(&node.url, NAME);
    assert_eq!(answer, Ok(CONTENT.as_bytes().to_vec()));
}

/// The honest client, killed at drop.
struct Honest {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Honest {
    fn start(url: &str) -> Honest {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/honest_client.py");
        let mut child = Command::new("python3")
            .arg(script)
            .args([url, NAME, CONTENT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let stdout = child.stdout.take().expect("standard output is a pipe");
        let mut honest = Honest {
            child,
            said: BufReader::new(stdout),
        };
        let mut line = String::new();
        honest
            .said
            .read_line(&mut line)
            .expect("the client says that it asks");
        assert_eq!(line.trim(), "asking");
        honest
    }

    /// Checks that it was served all the time.
    fn finish(mut self) {
        drop(self.child.stdin.take());
        let mut summary = String::new();
        self.said
            .read_to_string(&mut summary)
            .expect("the client sums up");
        println!("honest client: {summary}");
        let numbers: Vec<u64> = summary
            .split(' ')
            .map_while(|word| word.parse().ok())
            .collect();
        let [good, bad, _longest] = numbers[..] else {
            panic!("the honest client said {summary:?}");
        };
        assert!(good > 0 && bad == 0, "the honest client: {summary}");
    }
}

impl Drop for Honest {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
