//! Tests for operators of a node: figures, health, log, rates by the time of day, `ctl doctor`.

use std::{
    collections::BTreeSet,
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use e2e::http::{self, Answer};
use e2e::xmlrpc::{self, Value as Xml};
use e2e::{NodeProcess, eventually, wait_until};
use serde_json::{Value, json};

use crate::world::{ctl, noded};

/// Most series that a node may have.
const SERIES_MAX: usize = 200;

/// Names that strangers ask for in the flood.
const NAMES: usize = 10_000;

/// Calls in one `system.multicall`.
const AT_ONCE: usize = 16;

fn control_url(node: &NodeProcess) -> String {
    format!("http://{}/", node.control_address)
}

fn ask(node: &NodeProcess, path: &str, headers: &[(&str, &str)]) -> Answer {
    http::request(&control_url(node), "GET", path, headers, b"").expect("the control port answers")
}

fn figures(node: &NodeProcess) -> String {
    let right = node.control().authorization();
    let answer = ask(node, "/metrics", &[("Authorization", &right)]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

/// Returns the series in a text of figures: names with their labels.
fn series(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a series and its value");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            series.to_owned()
        })
        .collect()
}

fn figure(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    let value = line.and_then(|value| value.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {series} in {text}"))
}

/// Has a program that knows the format read the figures, if it is here.
fn checked_by(program: &str, args: &[&str], text: &str) {
    let child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        println!("skipped: {program} is missing");
        return;
    };
    let mut stdin = child.stdin.take().expect("it is a pipe");
    stdin.write_all(text.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("No module named") {
        println!("skipped: {said}");
        return;
    }
    assert!(output.status.success(), "{program}: {said}\n{text}");
    assert!(said.is_empty(), "{program}: {said}");
}

#[test]
fn figures_need_the_secret_and_health_does_not() {
    let node = noded().file("a.txt", "text").start();
    let right = node.control().authorization();
    for path in ["/metrics", "/metrics?x=1", "/healthz/x"] {
        assert_eq!(ask(&node, path, &[]).status, 401, "{path}");
    }
    let wrong = [("Authorization", "Bearer wrong")];
    assert_eq!(ask(&node, "/metrics", &wrong).status, 401);
    let answer = ask(&node, "/metrics", &[("Authorization", &right)]);
    let content_type = answer.header("content-type");
    assert_eq!(
        content_type,
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    for (path, authorization) in [("/metrics", right.as_str()), ("/healthz", "")] {
        for stranger in [("Origin", "http://evil.example"), ("Host", "evil.example")] {
            let headers = [("Authorization", authorization), stranger];
            let headers = &headers[usize::from(authorization.is_empty())..];
            assert_ne!(ask(&node, path, headers).status, 200, "{path} {stranger:?}");
        }
    }
    let healthy = ask(&node, "/healthz", &[]);
    assert_eq!((healthy.status, healthy.text().as_str()), (200, "ok\n"));
    node.stop();
}

#[test]
fn health_fails_while_the_share_is_away() {
    let node = noded().file("a.txt", "text").start();
    let (share, aside) = (node.home().share(), node.home().root().join("aside"));
    std::fs::rename(&share, &aside).unwrap();
    eventually("the node is not healthy", || {
        ask(&node, "/healthz", &[]).status == 503
    });
    let said = ask(&node, "/healthz", &[]).text();
    assert!(!said.contains(share.to_str().unwrap()), "{said}");
    assert_eq!(figure(&figures(&node), "sixhop_share_available "), 0.0);
    let run = ctl(node.home()).args(["doctor", "--json"]).run();
    let run = run.expect_code(1);
    let found: Value = serde_json::from_str(run.stdout.lines().next().unwrap()).unwrap();
    let share_check = check(&found, "share");
    assert_eq!(share_check["state"], "failed", "{found}");
    assert!(share_check["advice"].is_string(), "{found}");
    std::fs::rename(&aside, &share).unwrap();
    eventually("the node is healthy again", || {
        ask(&node, "/healthz", &[]).status == 200
    });
    node.stop();
}

#[test]
fn series_stay_the_same_after_a_flood_of_strangers() {
    let node = noded().file("a.txt", "text").start();
    let before = figures(&node);
    let entry = |name: String| {
        let params = ("params".to_owned(), Xml::List(vec![Xml::text(&name)]));
        Xml::Map(vec![("methodName".to_owned(), Xml::text("query")), params])
    };
    for first in (0..NAMES).step_by(AT_ONCE) {
        let names = (first..first + AT_ONCE).map(|n| entry(format!("flood/{n}.txt")));
        let _ = xmlrpc::call(&node.url, "system.multicall", &[Xml::List(names.collect())]);
    }
    for n in 1..400 {
        let _ = xmlrpc::call(
            &node.url,
            "hello",
            &[Xml::text(format!("http://127.0.0.1:{n}/"))],
        );
        let _ = http::get(&node.url, &format!("/search?q=text:word{n}"));
        let _ = http::get(&node.url, &format!("/files/name-{n}"));
    }
    let after = figures(&node);
    assert_eq!(series(&before), series(&after));
    assert!(
        series(&after).len() <= SERIES_MAX,
        "{}",
        series(&after).len()
    );
    let asked = "sixhop_queries_received_total ";
    assert!(figure(&after, asked) > figure(&before, asked), "{after}");
    assert!(!after.contains("flood") && !after.contains("127.0.0.1"));
    checked_by("promtool", &["check", "metrics"], &after);
    let parser = "import sys; from prometheus_client.parser import text_string_to_metric_families as f; \
                  assert len(list(f(sys.stdin.read()))) > 40";
    checked_by("python3", &["-c", parser], &after);
    node.stop();
}

#[test]
fn level_of_the_log_changes_while_the_node_runs() {
    let node = noded().file("a.txt", "text").start();
    let level = |args: &[&str]| ctl(node.home()).args(["log-level"]).args(args).run();
    assert_eq!(level(&[]).expect_code(0).stdout, "info\n");
    let asked = "warn,node=trace";
    assert_eq!(level(&[asked]).expect_code(0).stdout, format!("{asked}\n"));
    assert_eq!(level(&[]).expect_code(0).stdout, format!("{asked}\n"));
    let run = level(&["loud"]).expect_code(2);
    assert!(run.stderr.contains("`loud` is no level"), "{}", run.stderr);
    assert_eq!(level(&[]).expect_code(0).stdout, format!("{asked}\n"));
    // A connection that breaks off is logged at `trace`, by this part of the program alone.
    let broken = "a control connection broke";
    let breaks = || http::until_close(&control_url(&node), b"no request at all\r\n\r\n");
    eventually("the log says more", || {
        drop(breaks());
        node.stderr().contains(broken)
    });
    let _ = level(&["info"]).expect_code(0);
    let said = node.stderr().matches(broken).count();
    for _ in 0..5 {
        drop(breaks());
    }
    // Its own line comes after those that are left out.
    let _ = level(&["info,node_core=debug"]).expect_code(0);
    eventually("the log goes on", || {
        node.stderr().contains("info,node_core=debug")
    });
    assert_eq!(node.stderr().matches(broken).count(), said);
    node.stop();
}

#[test]
fn log_as_json_is_one_object_a_line() {
    let node = noded()
        .args(["--log-format", "json"])
        .file("a.txt", "text")
        .start();
    let wrong = [("Authorization", "Bearer wrong\u{e9}")];
    for _ in 0..12 {
        assert_eq!(ask(&node, "/metrics", &wrong).status, 401);
    }
    eventually("the refusals are logged", || {
        node.stderr().contains("a control request is refused")
    });
    let log = node.stderr();
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines.len() > 5, "{log}");
    for line in lines {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        for key in ["timestamp", "level", "target", "message"] {
            assert!(object[key].is_string(), "{key}: {line}");
        }
    }
    node.stop();
    let refused = noded().args(["--log-format", "xml"]).refused();
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
}

/// Returns a time zone in which it is 08:00 in `seconds`, as POSIX writes one.
fn zone_of_eight_o_clock_in(seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_secs() % 86_400).unwrap();
    // POSIX counts west of Greenwich as positive.
    let west = now - (8 * 3_600 - seconds);
    let (sign, west) = if west < 0 { ("-", -west) } else { ("", west) };
    let (hours, minutes) = (west / 3_600, west / 60 % 60);
    format!("TST{sign}{hours}:{minutes:02}:{:02}", west % 60)
}

#[test]
fn rate_follows_the_time_of_day_while_a_file_is_sent() {
    let sent = vec![b'x'; 600 * 1024];
    let node = noded()
        .args(["--upload-rate", "20K; 08:00-09:00 0"])
        .env("TZ", zone_of_eight_o_clock_in(4))
        .file("a.bin", &sent)
        .start();
    assert_eq!(
        figure(
            &figures(&node),
            "sixhop_rate_limit_bytes_per_second{direction=\"upload\"} "
        ),
        20_480.0
    );
    let start = Instant::now();
    let came = http::get(&node.url, "/files/a.bin").expect("the file");
    let taken = start.elapsed();
    assert!(came.body == sent);
    // At the first rate alone it would take 30 s.
    assert!(taken < Duration::from_secs(20), "{taken:?}");
    wait_until("the new rate is told", Duration::from_secs(30), || {
        let text = figures(&node);
        let limit = "sixhop_rate_limit_bytes_per_second{direction=\"upload\"} ";
        if figure(&text, limit) == 0.0 {
            Ok(())
        } else {
            Err(text)
        }
    });
    assert!(
        node.stderr()
            .contains("the upload rate changed with the time of day")
    );
    node.stop();
    let refused = noded().args(["--upload-rate", "2M; 8-18 500K"]).refused();
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("is no time of the day"),
        "{}",
        refused.stderr
    );
}

fn check<'a>(found: &'a Value, name: &str) -> &'a Value {
    let checks = found["checks"].as_array().expect("the checks");
    let check = checks.iter().find(|check| check["name"] == name);
    check.unwrap_or_else(|| panic!("no check {name}: {found}"))
}

#[test]
fn doctor_says_what_to_do_and_fails_when_something_does() {
    let node = noded()
        .file("a.txt", "text")
        .limits("ulimit -n 256")
        .start();
    let doctor = || {
        let run = ctl(node.home()).args(["doctor", "--json"]).run();
        let found: Value = serde_json::from_str(run.stdout.lines().next().unwrap()).unwrap();
        (run, found)
    };
    let (run, found) = doctor();
    let _ = run.expect_code(0);
    for (name, state) in [
        ("node", "ok"),
        ("share", "ok"),
        ("permissions", "ok"),
        ("watching", "ok"),
        ("ignore files", "ok"),
        ("index", "ok"),
        ("open files", "warning"),
        ("clock", "ok"),
        ("ports", "ok"),
        ("reach", "warning"),
        ("peers", "warning"),
        ("encryption", "ok"),
    ] {
        let check = check(&found, name);
        assert_eq!(check["state"], state, "{check}");
        assert_eq!(check["advice"].is_string(), state != "ok", "{check}");
    }
    assert!(
        check(&found, "share space")["text"]
            .as_str()
            .unwrap()
            .contains("free")
    );
    let nobody = json!({ "url": "http://127.0.0.1:9/" });
    let _ = node.control().call("peer.add", nobody);
    let (run, found) = doctor();
    let run = run.expect_code(1);
    assert_eq!(check(&found, "peers")["state"], "failed", "{found}");
    assert!(run.stderr.contains("1 check failed"), "{}", run.stderr);
    let home = std::sync::Arc::clone(node.home());
    node.stop();
    let _ = ctl(&home).args(["doctor"]).run().expect_code(6);
}
