//! The figures of a node for Prometheus and others that read its text format, version 0.0.4.
//!
//! # Invariants
//! - Each series and each label value stands here or in [`Counters`](node_base::counters::Counters): whatever peers send,
//!   there are no more of them.
//! - No name of a file, peer or query is in it.
//!
//! The library `prometheus-client` writes `OpenMetrics` alone, which `promtool check metrics` does not read.

use std::fmt::{Display, Write};

use node_api::fetch::FetchState;
use node_api::peer::PeerState;
use node_base::{
    counters::Count,
    events::unix_millis,
    platform::usage::{self, Usage},
};
use node_core::node::Node;

use super::{Owner, peer};

/// The type of the text.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Returns all figures of a node.
pub(super) async fn text(owner: &Owner) -> String {
    let node = &owner.node;
    let used = node.disk().run(usage::of_process).await.unwrap_or_default();
    let mut text = Exposition::default();
    about(&mut text, node, used);
    share(&mut text, node);
    network(&mut text, node);
    for count in node.counters().all() {
        text.counter(&count);
    }
    text.0
}

fn about(text: &mut Exposition, node: &Node, used: Usage) {
    let version = [("version", env!("CARGO_PKG_VERSION"), 1)];
    text.gauge_by("build_info", "Version of the program.", &version);
    let started = unix_millis(node.started()) / 1_000;
    text.gauge("start_time_seconds", "Unix time of the start.", started);
    for (name, what, value) in [
        (
            "open_files",
            "Files and sockets that are open.",
            used.open_files,
        ),
        (
            "open_files_max",
            "Files and sockets that may be open.",
            used.open_files_max,
        ),
        (
            "resident_memory_bytes",
            "Memory that the process takes.",
            used.resident,
        ),
    ] {
        if let Some(value) = value {
            text.gauge(name, what, value);
        }
    }
    let limits = [
        ("direction", "upload", node.upload_limit().unwrap_or(0)),
        ("direction", "download", node.download_limit().unwrap_or(0)),
    ];
    text.gauge_by(
        "rate_limit_bytes_per_second",
        "Most bytes a second of content; 0 is no limit.",
        &limits,
    );
}

fn share(text: &mut Exposition, node: &Node) {
    let catalogue = node.catalogue();
    let is = u64::from;
    for (name, what, value) in [
        (
            "share_available",
            "Whether the shared directory can be read.",
            is(node.share().trouble().is_none()),
        ),
        (
            "share_known",
            "Whether all shared files are known.",
            is(catalogue.is_complete()),
        ),
        (
            "share_watched",
            "Whether every change is noticed at once.",
            is(node.unwatched().is_none()),
        ),
        ("share_files", "Files that are shared.", catalogue.count()),
        (
            "share_unreadable",
            "Entries that cannot be read now and are tried again.",
            catalogue.unreadable().len() as u64,
        ),
        (
            "cache_bytes",
            "Bytes that cached content takes on the disk.",
            node.cache().bytes(),
        ),
        (
            "handlers",
            "Handlers that answer queries.",
            node.handlers().names().len() as u64,
        ),
    ] {
        text.gauge(name, what, value);
    }
    let Some(index) = node.handlers().index().map(|index| index.status()) else {
        return;
    };
    for (name, what, value) in [
        (
            "index_files",
            "Files in the index of contents.",
            index.files,
        ),
        (
            "index_waiting",
            "Files that wait to be read for the index.",
            index.waiting,
        ),
        (
            "index_bytes",
            "Bytes that the index takes on the disk.",
            index.bytes,
        ),
    ] {
        text.gauge(name, what, value);
    }
}

fn network(text: &mut Exposition, node: &Node) {
    let peers = node.overlay().list();
    let of_state = |state| {
        peers
            .iter()
            .filter(|peer| peer::state(peer) == state)
            .count() as u64
    };
    let states = [
        ("state", "new", of_state(PeerState::New)),
        ("state", "up", of_state(PeerState::Up)),
        ("state", "failing", of_state(PeerState::Failing)),
    ];
    text.gauge_by("peers", "Known peers.", &states);
    let fetches = node.transfers().list();
    let of_state = |state| fetches.iter().filter(|fetch| fetch.state == state).count() as u64;
    let states = [
        ("state", "queued", of_state(FetchState::Queued)),
        ("state", "searching", of_state(FetchState::Searching)),
        ("state", "waiting", of_state(FetchState::Waiting)),
        ("state", "receiving", of_state(FetchState::Receiving)),
        ("state", "committing", of_state(FetchState::Committing)),
        ("state", "done", of_state(FetchState::Done)),
        ("state", "failed", of_state(FetchState::Failed)),
        ("state", "cancelled", of_state(FetchState::Cancelled)),
    ];
    text.gauge_by(
        "fetches",
        "Fetches that run and the last that ended.",
        &states,
    );
}

/// A label with its value, and the figure of that series.
type Labelled<'a> = (&'a str, &'a str, u64);

/// Text in the format of Prometheus.
#[derive(Debug, Default)]
struct Exposition(String);

impl Exposition {
    fn gauge(&mut self, name: &str, what: &str, value: u64) {
        self.family(name, "gauge", what);
        self.sample(name, "", value);
    }

    fn gauge_by(&mut self, name: &str, what: &str, series: &[Labelled<'_>]) {
        self.family(name, "gauge", what);
        for (label, of, value) in series {
            self.sample(name, &format!("{{{label}=\"{of}\"}}"), value);
        }
    }

    fn counter(&mut self, count: &Count) {
        let name = format!("{}_total", count.name);
        self.family(&name, "counter", count.text);
        self.sample(&name, "", count.value);
    }

    fn family(&mut self, name: &str, kind: &str, what: &str) {
        let what = what.replace('\\', "\\\\").replace('\n', " ");
        self.line(format_args!("# HELP sixhop_{name} {what}"));
        self.line(format_args!("# TYPE sixhop_{name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        self.line(format_args!("sixhop_{name}{labels} {value}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("a text takes every line");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_says_what_it_is_before_its_series() {
        let mut text = Exposition::default();
        text.gauge("files", "Files\nhere.", 3);
        text.gauge_by(
            "peers",
            "Peers.",
            &[("state", "up", 1), ("state", "new", 0)],
        );
        text.counter(&Count {
            name: "calls",
            text: r"Calls \ all.",
            value: u64::MAX,
        });
        assert_eq!(
            text.0,
            "# HELP sixhop_files Files here.\n\
             # TYPE sixhop_files gauge\n\
             sixhop_files 3\n\
             # HELP sixhop_peers Peers.\n\
             # TYPE sixhop_peers gauge\n\
             sixhop_peers{state=\"up\"} 1\n\
             sixhop_peers{state=\"new\"} 0\n\
             # HELP sixhop_calls_total Calls \\\\ all.\n\
             # TYPE sixhop_calls_total counter\n\
             sixhop_calls_total 18446744073709551615\n"
        );
    }
}
