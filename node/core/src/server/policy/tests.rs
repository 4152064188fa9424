//! The gate: open without a policy, shut without a decision.
#![allow(
    clippy::disallowed_methods,
    reason = "tests make policies as their owners do: by path"
)]

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt};

use tempfile::TempDir;

use super::*;
use crate::server::front::Remote;

/// A gate with this policy, if there is one.
fn gate(source: Option<&str>) -> (TempDir, PolicyGate) {
    counting(source, &Arc::default())
}

/// The same, which counts there.
fn counting(source: Option<&str>, counters: &Arc<Counters>) -> (TempDir, PolicyGate) {
    let home = tempfile::tempdir().unwrap();
    if let Some(source) = source {
        let path = home.path().join(plugin_script::POLICY_FILE);
        fs::write(&path, source).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let directory = Some(home.path().to_owned());
    let gate = PolicyGate::new(directory, Arc::clone(counters), Arc::default());
    gate.file().unwrap().refresh();
    (home, gate)
}

fn asker(address: &str) -> Asker {
    Asker::at(Remote(SocketAddr::new(address.parse().unwrap(), 1)))
}

fn wanted(name: &&'static str) -> Wanted {
    Wanted {
        name: (*name).to_owned(),
        size: Some(1),
    }
}

/// What the owner is told to be wrong.
fn failure(gate: &PolicyGate) -> Option<String> {
    let state = gate.state().unwrap();
    state.problem.or(state.failure)
}

async fn may_have(gate: &PolicyGate, name: &'static str) -> bool {
    let names = vec![wanted(&name)];
    gate.fetch(&asker("192.0.2.7"), None, names).await.is_some()
}

#[tokio::test]
async fn without_a_policy_everything_is_allowed() {
    let nothing = PolicyGate::new(None, Arc::default(), Arc::default());
    for gate in [&nothing, &gate(None).1] {
        assert!(may_have(gate, "a").await);
        assert!(gate.query(&asker("192.0.2.7"), "name", "a").await.is_some());
        assert!(!gate.guards_fetch());
        assert!(gate.rank(Vec::new()).await.is_none());
    }
}

#[tokio::test]
async fn a_policy_decides_who_may_have_what() {
    let source = "fn allow_fetch(f) { f.name != \"no\" } fn allow_query(q) { q.from == \"192.0.2.7\" && q.peer == \"\" }";
    let (_home, gate) = gate(Some(source));
    assert!(may_have(&gate, "yes").await && !may_have(&gate, "no").await);
    let mapped = asker("::ffff:192.0.2.7");
    assert!(gate.query(&mapped, "name", "a").await.is_some());
    let named = mapped.with_history(&["http://a/".to_owned(), "http://b/".to_owned()]);
    assert!(gate.query(&named, "name", "a").await.is_none());
    let permitted = gate
        .hits(&named, vec!["a", "no", "b", "c"], 2, wanted)
        .await;
    assert_eq!((permitted.hits, permitted.is_whole), (vec!["a", "b"], true));
    assert_eq!(failure(&gate), None);
}

#[tokio::test]
async fn content_is_given_if_one_of_its_names_may_be() {
    let (_home, gate) = gate(Some(
        "fn allow_fetch(f) { f.name == \"b\" && f.digest == \"d\" }",
    ));
    let names = |names: &[&'static str]| names.iter().map(wanted).collect::<Vec<_>>();
    let ask = async |list: &[&'static str]| {
        let digest = Some("d".to_owned());
        gate.fetch(&asker("192.0.2.7"), digest, names(list)).await
    };
    assert!(ask(&["a", "b"]).await.is_some());
    assert!(ask(&["a"]).await.is_none());
    assert!(
        ask(&[]).await.is_none(),
        "content without a name has none that may be given"
    );
}

#[tokio::test]
async fn what_a_stranger_may_not_have_in_every_way_is_not_public() {
    let digest = Digest::from_bytes([7; 32]);
    let is_public = async |source: Option<&str>, names: &[&'static str]| {
        let (_home, gate) = gate(source);
        let names = names.iter().map(wanted).collect();
        gate.is_public(&digest, names).await
    };
    assert!(is_public(None, &["a"]).await);
    let hiding = Some("fn allow_fetch(f) { f.name != \"no\" }");
    assert!(is_public(hiding, &["yes"]).await && is_public(hiding, &["no", "yes"]).await);
    assert!(!is_public(hiding, &["no"]).await && !is_public(hiding, &[]).await);
    for refusing in [
        "fn allow_query(q) { q.handler != \"digest\" }",
        "fn allow_fetch(f) { f.what != \"hit\" }",
        "fn allow_fetch(f) { f.what != \"content\" }",
        "fn allow_fetch(f) { f.digest == \"\" }",
        "fn allow_fetch(f) { within(f.from, \"192.0.2.0/24\") }",
        "fn allow_fetch(f) { within(f.from, \"10.0.0.0/8\") || f.from == \"127.0.0.1\" }",
        "fn allow_fetch(f) { f.peer != \"\" }",
        "fn allow_fetch(f) { loop {} }",
        "fn allow_fetch(f) { 1 }",
        "fn allow_fetch(f) {",
    ] {
        assert!(!is_public(Some(refusing), &["a"]).await, "{refusing}");
    }
    let blocking = "fn allow_fetch(f) { !within(f.from, \"10.0.0.0/8\") }";
    assert!(is_public(Some(blocking), &["a"]).await);
}

#[tokio::test]
async fn to_ask_what_is_public_refuses_nobody() {
    let counters = Arc::default();
    let (_home, gate) = counting(Some("fn allow_fetch(f) { false }"), &counters);
    let names = vec![wanted(&"a")];
    assert!(!gate.is_public(&Digest::from_bytes([7; 32]), names).await);
    assert_eq!(counters.policy_refusals.get(), 0);
    assert!(!may_have(&gate, "a").await);
    assert_eq!(counters.policy_refusals.get(), 1);
}

#[tokio::test]
async fn no_decision_is_no() {
    for source in [
        "fn allow_fetch(f) {",
        "fn allow_fetch(f) { loop {} }",
        "fn allow_fetch(f) { 1 }",
    ] {
        let (_home, gate) = gate(Some(source));
        assert!(gate.guards_fetch());
        assert!(!may_have(&gate, "a").await, "{source}");
        let permitted = gate.hits(&asker("192.0.2.7"), vec!["a"], 9, wanted).await;
        assert_eq!(permitted.hits, Vec::<&str>::new(), "{source}");
        assert!(failure(&gate).is_some(), "{source}");
    }
}

#[tokio::test]
async fn without_a_turn_in_time_it_is_no() {
    let (_home, gate) = gate(Some("fn allow_fetch(f) { true }"));
    let taken = gate.turns.take("192.0.2.1".parse().unwrap()).await;
    let other = gate.turns.take("192.0.2.1".parse().unwrap()).await;
    assert!(!may_have(&gate, "a").await);
    drop((taken, other));
    assert!(may_have(&gate, "a").await);
}

#[tokio::test]
async fn a_rank_that_fails_changes_nothing() {
    let hits = || {
        vec![plugin_script::RankAsked {
            size: Some(3),
            ..plugin_script::RankAsked::default()
        }]
    };
    let (_home, ranking) = gate(Some("fn rank(hit) { hit.size }"));
    assert_eq!(ranking.rank(hits()).await, Some(vec![Some(3.0)]));
    assert!(!ranking.guards_fetch());
    let (_home, failing) = gate(Some("fn rank(hit) { loop {} }"));
    assert_eq!(failing.rank(hits()).await, None);
    assert!(failure(&failing).is_some());
}
