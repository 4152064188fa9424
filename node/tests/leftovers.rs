//! Checks that nothing is left of a node that did not start, that was stopped, or that was dropped.
//!
//! The threads of the whole process are counted, so these tests have a process of their own and run one by one.
#![allow(
    clippy::disallowed_methods,
    reason = "tests arrange the directories of a node from outside"
)]
#![allow(
    clippy::unwrap_used,
    reason = "the parts of tests that are functions are tests too"
)]

use std::{collections::BTreeMap, fs, net, net::SocketAddr, time::Duration};

use node::{
    Settings,
    cli::{Mdns, NodeArgs},
    running::CONTROL_FILE,
    start,
};
use node_api::node::SandboxStatus;
use node_base::{clock::now, state::StateDir};
use tempfile::TempDir;
use tokio::{runtime::Handle, sync::Mutex, time::sleep};

/// Held by the test that runs.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Names of the threads that no node starts: of the runtime, of the process, and of the tests, which begin and end while
/// another test counts.
const OTHERS: [&str; 4] = ["tokio", "leftovers", "start_that", "node_that"];

/// Longest wait until tasks and threads have ended.
const SOON: Duration = Duration::from_secs(20);

/// Returns a home with a share, and settings on free ports that use all that a node can start.
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

/// The tasks of the runtime, and the threads of this process by their names.
#[derive(Debug)]
struct Running {
    tasks: usize,
    threads: BTreeMap<String, usize>,
}

impl Running {
    /// Counts tasks and threads that run now, without the threads of [`OTHERS`].
    fn now() -> Running {
        let mut threads = BTreeMap::new();
        for task in fs::read_dir("/proc/self/task").unwrap() {
            // A thread that has ended meanwhile has no name.
            let name = fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default();
            let name = name.trim();
            if !name.is_empty() && !OTHERS.iter().any(|other| name.starts_with(other)) {
                *threads.entry(name.to_owned()).or_default() += 1;
            }
        }
        Running {
            tasks: Handle::current().metrics().num_alive_tasks(),
            threads,
        }
    }

    /// Returns whether no more runs than `before`. A thread of the runtime that had no name of its own then is one less.
    fn is_within(&self, before: &Running) -> bool {
        let known = |name: &String| before.threads.get(name).copied().unwrap_or(0);
        let mut threads = self.threads.iter();
        self.tasks <= before.tasks && threads.all(|(name, count)| *count <= known(name))
    }
}

/// Waits until no more runs than `before`, and the ports and the state directory are free.
async fn is_gone(case: &str, settings: &Settings, before: &Running) {
    let until = now() + SOON;
    loop {
        let running = Running::now();
        if running.is_within(before) {
            break;
        }
        assert!(now() < until, "{case}: {running:?} runs after {before:?}");
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
    let _alone = ALONE.lock().await;
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
        let before = Running::now();
        let error = start(settings.clone(), SandboxStatus::default())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(says), "{case}: {error}");
        drop(taken);
        is_gone(case, &settings, &before).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_that_is_stopped_leaves_nothing() {
    let _alone = ALONE.lock().await;
    let (_home, settings) = home();
    let before = Running::now();
    let started = start(settings.clone(), SandboxStatus::default())
        .await
        .unwrap();
    let running = Running::now();
    assert!(running.tasks > before.tasks, "the test counts tasks");
    let counted = running.threads.values().sum::<usize>();
    assert!(
        counted > before.threads.values().sum(),
        "the test counts threads"
    );
    started.stop().await;
    is_gone("stop", &settings, &before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_that_is_dropped_leaves_nothing() {
    let _alone = ALONE.lock().await;
    let (_home, settings) = home();
    let before = Running::now();
    let started = start(settings.clone(), SandboxStatus::default())
        .await
        .unwrap();
    let running = Running::now();
    for thread in ["index", "scan"] {
        let known = before.threads.get(thread);
        assert!(running.threads.get(thread) > known, "{running:?}");
    }
    drop(started);
    is_gone("drop", &settings, &before).await;
}
