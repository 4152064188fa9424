//! What is left of a node that did not start, or that nobody stopped.
#![allow(
    clippy::disallowed_methods,
    reason = "tests arrange the directories of a node from outside"
)]

use std::{fs, net, time::Duration};

use node_base::clock::now;
use tempfile::TempDir;
use tokio::{runtime::Handle, time::sleep};

use super::*;
use crate::cli::{Mdns, NodeArgs};

/// Longest wait until tasks and threads have ended.
const SOON: Duration = Duration::from_secs(20);

/// A home with a share, and settings on free ports that use all that a node can start.
fn home() -> (TempDir, Settings) {
    let home = tempfile::tempdir().unwrap();
    for directory in ["share", "plugins"] {
        fs::create_dir(home.path().join(directory)).unwrap();
    }
    let args = NodeArgs {
        share: Some(home.path().join("share")),
        state: Some(home.path().join("state")),
        plugins: Some(home.path().join("plugins")),
        listen: Some(free_port().to_string().parse().unwrap()),
        control: Some(free_port()),
        network: Some("a test".to_owned()),
        // Nobody listens there: nothing leaves the loopback.
        dht_bootstrap: vec!["127.0.0.1:9".to_owned()],
        mdns: Some(Mdns::Off),
        ..NodeArgs::default()
    };
    let settings = Settings::resolve(args).unwrap();
    (home, settings)
}

fn free_port() -> SocketAddr {
    let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// The names of the threads of this process that are not the runtime's.
fn threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
    let mut names: Vec<String> = names
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.starts_with("tokio"))
        .collect();
    names.sort_unstable();
    names
}

/// What runs in this process: tasks of the runtime, and threads.
fn running() -> (usize, Vec<String>) {
    (Handle::current().metrics().num_alive_tasks(), threads())
}

/// Waits until no more runs than `before`, and the ports and the state directory are free.
async fn is_gone(case: &str, settings: &Settings, before: &(usize, Vec<String>)) {
    let until = now() + SOON;
    while running() != *before {
        assert!(
            now() < until,
            "{case}: {:?} runs after {before:?}",
            running()
        );
        sleep(Duration::from_millis(10)).await;
    }
    for address in [settings.node.listen, settings.control] {
        let bound = net::TcpListener::bind(address);
        assert!(bound.is_ok(), "{case}: {address} is taken");
    }
    let state = StateDir::open(&settings.state).unwrap();
    assert!(state.lock().is_ok(), "{case}: the state is taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn start_that_fails_at_a_late_step_leaves_nothing() {
    type Break = fn(&Settings) -> Option<net::TcpListener>;
    let cases: [(&str, &str, Break); 4] = [
        ("control port", "for the control connection", |settings| {
            Some(net::TcpListener::bind(settings.control).unwrap())
        }),
        ("share", "share", |settings| {
            fs::remove_dir(&settings.node.share).unwrap();
            None
        }),
        ("peer port", "cannot listen on", |settings| {
            Some(net::TcpListener::bind(settings.node.listen).unwrap())
        }),
        ("control file", "control", |settings| {
            StateDir::open(&settings.state).unwrap();
            fs::create_dir_all(settings.state.join(CONTROL_FILE).join("full")).unwrap();
            None
        }),
    ];
    for (case, says, broken) in cases {
        let (_home, settings) = home();
        let taken = broken(&settings);
        let before = running();
        let error = start(settings.clone()).await.unwrap_err().to_string();
        assert!(error.contains(says), "{case}: {error}");
        drop(taken);
        is_gone(case, &settings, &before).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_that_is_stopped_or_dropped_leaves_nothing() {
    for is_stopped in [true, false] {
        let (_home, settings) = home();
        let before = running();
        let started = start(settings.clone()).await.unwrap();
        assert!(running().0 > before.0, "the test counts tasks");
        assert!(
            running().1.len() > before.1.len(),
            "the test counts threads"
        );
        if is_stopped {
            started.stop().await;
        } else {
            drop(started);
        }
        is_gone(if is_stopped { "stop" } else { "drop" }, &settings, &before).await;
    }
}
