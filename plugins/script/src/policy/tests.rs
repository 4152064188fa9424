//! Tests of the decisions of a policy, and that it always makes one.

use std::{fs, net::IpAddr, os::unix::fs::PermissionsExt, path::Path};

use plugin_api::{PolicySource, Rules, What};

use super::*;

fn policy(source: &str) -> ScriptPolicy {
    ScriptPolicy::compile(source).unwrap()
}

fn from(address: &str) -> IpAddr {
    address.parse().unwrap()
}

fn query(text: &str, address: &str) -> QueryAsked {
    QueryAsked {
        handler: "name".to_owned(),
        text: text.to_owned(),
        from: from(address),
        id: String::new(),
        groups: Vec::new(),
        peer: "http://peer.example/".to_owned(),
    }
}

fn fetch(name: &str, address: &str) -> FetchAsked {
    FetchAsked {
        name: name.to_owned(),
        size: Some(7),
        digest: String::new(),
        from: from(address),
        id: "ab".repeat(32),
        groups: Vec::new(),
        peer: String::new(),
        what: What::Content,
    }
}

fn hit(name: &str) -> RankAsked {
    RankAsked {
        name: name.to_owned(),
        ..RankAsked::default()
    }
}

#[test]
fn a_policy_decides_from_what_it_is_told() {
    let policy = policy(
        r#"
        fn allow_query(q) { q.handler == "name" && q.text != "no" && q.peer.contains("peer") }
        fn allow_fetch(f) {
            if f.name.starts_with("private/") { return within(f.from, "192.168.0.0/16"); }
            f.size < 10 && f.what == "content"
        }"#,
    );
    assert_eq!(policy.allows_query(&query("yes", "10.0.0.1")), Ok(true));
    assert_eq!(policy.allows_query(&query("no", "10.0.0.1")), Ok(false));
    assert_eq!(policy.allows_fetch(&fetch("a", "10.0.0.1")), Ok(true));
    assert_eq!(
        policy.allows_fetch(&fetch("private/a", "10.0.0.1")),
        Ok(false)
    );
    assert_eq!(
        policy.allows_fetch(&fetch("private/a", "::ffff:192.168.1.1")),
        Ok(true)
    );
}

#[test]
fn a_policy_knows_the_id_that_a_connection_shows() {
    let id = "ab".repeat(32);
    let source =
        format!("fn allow_fetch(f) {{ f.id == \"{id}\" }} fn allow_query(q) {{ q.id == \"\" }}");
    let policy = policy(&source);
    assert_eq!(policy.allows_fetch(&fetch("a", "10.0.0.1")), Ok(true));
    assert_eq!(policy.allows_query(&query("a", "10.0.0.1")), Ok(true));
}

#[test]
fn what_a_policy_does_not_have_is_allowed() {
    let policy = policy("fn allow_query(q) { false }");
    assert_eq!(policy.allows_fetch(&fetch("a", "10.0.0.1")), Ok(true));
    assert!(!policy.has(Rule::Rank));
}

#[test]
fn what_is_no_decision_is_a_failure() {
    for body in [
        "loop {}",
        "throw \"no\"",
        "1",
        "\"true\"",
        "()",
        "let x = f.name; x.y.z",
        "sleep(1)",
        "timestamp()",
        "allow_fetch(f)",
        "let s = \"x\"; loop { s += s; }",
        "let a = []; loop { a.push(f); }",
        "try { loop {} } catch { true }",
        "f.size > no_such_variable",
        "within(f.name, \"10.0.0.0/8\")",
        "eval(\"true\")",
    ] {
        let Ok(policy) = ScriptPolicy::compile(&format!("fn allow_fetch(f) {{ {body} }}")) else {
            continue;
        };
        let begun = Instant::now();
        assert!(
            policy.allows_fetch(&fetch("a", "10.0.0.1")).is_err(),
            "{body}"
        );
        assert!(begun.elapsed() < Duration::from_secs(1), "{body}");
    }
}

#[test]
fn a_misspelt_property_is_an_error_and_no_permission() {
    let guard = policy("fn allow_fetch(f) { f.nmae != \"secret\" }");
    assert!(guard.allows_fetch(&fetch("secret", "10.0.0.1")).is_err());
    let ranking = policy("fn rank(hit) { if hit.scroe == () { 1 } else { 2 } }");
    assert!(ranking.rank(&[hit("a")]).is_err());
}

#[test]
fn nothing_is_kept_between_two_decisions() {
    let policy = policy("fn allow_fetch(f) { let seen = is_def_var(\"x\"); let x = 1; !seen }");
    for _ in 0..3 {
        assert_eq!(policy.allows_fetch(&fetch("a", "10.0.0.1")), Ok(true));
    }
}

#[test]
fn what_would_guard_nothing_does_not_compile() {
    for (source, says) in [
        ("", "there is none of"),
        ("fn helper(x) { x }", "there is none of"),
        ("fn allow_fetsch(f) { false }", "allow_fetsch"),
        (
            "fn rank(h) { 1 } fn allow_queries(q) { false }",
            "allow_queries",
        ),
        ("fn allow_query() { false }", "one parameter"),
        ("fn allow_query(q, r) { false }", "one parameter"),
        ("fn allow_query(q) { false", "line 1"),
        ("import \"x\" as x; fn allow_query(q) { true }", "import"),
        (
            "//! example: {\"call\": \"x\", \"gives\": 1}\nfn rank(h) { 1 }",
            "line 1",
        ),
        (
            "//! example: {\"call\": \"rank\", \"with\": {\"owner\": 1}, \"gives\": 1}\nfn rank(h) { 1 }",
            "owner",
        ),
    ] {
        let error = ScriptPolicy::compile(source).unwrap_err().to_string();
        assert!(error.contains(says), "{source}: {error}");
    }
}

#[test]
fn hits_are_worth_a_number_or_nothing() {
    let policy = policy(
        r#"fn rank(hit) {
            if hit.name == "bad" { return (); }
            if hit.name == "worse" { return false; }
            if hit.here { 2.5 } else { hit.name.len() }
        }"#,
    );
    let mut hits = vec![hit("four"), hit("bad"), hit("worse"), hit("here")];
    hits[3].here = true;
    assert_eq!(
        policy.rank(&hits),
        Ok(vec![Some(4.0), None, None, Some(2.5)])
    );
}

#[test]
fn a_rank_that_is_no_number_fails_for_all() {
    for body in [
        "\"x\"",
        "true",
        "0.0 / 0.0",
        "loop {}",
        "if h.name == \"b\" { throw 1 } else { 1 }",
    ] {
        let policy = policy(&format!("fn rank(h) {{ {body} }}"));
        assert!(policy.rank(&[hit("a"), hit("b")]).is_err(), "{body}");
    }
}

#[test]
fn hits_are_refused_by_themselves_and_after_failures_all_are() {
    let guard = policy("fn allow_fetch(f) { if f.name == \"x\" { loop {} } f.name != \"no\" }");
    let ask = |names: &[&str], most| {
        let mut hits = names.iter().map(|name| fetch(name, "10.0.0.1"));
        guard.allows_hits(&mut hits, most)
    };
    assert_eq!(ask(&["a", "no", "b", "c"], 2).allowed, [true, false, true]);
    let asked = ask(&["a", "x", "b"], 9);
    assert_eq!(asked.allowed, [true, false, true]);
    assert!(asked.failure.is_some());
    assert_eq!(ask(&["x", "x", "x", "a"], 9).allowed, [false; 3]);
}

#[test]
fn examples_are_promises() {
    let source = r#"//! Who may have what.
//! example: {"call": "allow_fetch", "with": {"name": "private/a"}, "gives": false}
//! example: {"call": "allow_fetch", "with": {"name": "a", "from": "127.0.0.1"}, "gives": true}
//! example: {"call": "rank", "with": {"name": "a"}, "gives": 2}
//! example: {"call": "rank", "with": {"name": "b"}, "gives": null}
fn allow_fetch(f) { !f.name.starts_with("private/") }
fn rank(hit) { if hit.name == "a" { 2 } }"#;
    assert_eq!(policy(source).check_examples().unwrap(), 4);
    let broken = source.replace("\"a\", \"from\"", "\"private/\", \"from\"");
    let error = policy(&broken).check_examples().unwrap_err().to_string();
    assert_eq!(error, "line 3: allow_fetch gives false instead of true");
    let without = policy("fn rank(hit) { 1 }");
    assert!(without.check_examples().is_err());
}

/// Puts the file in its place, as an owner's editor does.
fn put(directory: &Path, text: &str) {
    let new = directory.join(".new");
    fs::write(&new, text).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).unwrap();
    fs::rename(&new, directory.join(POLICY_FILE)).unwrap();
}

fn followed() -> (tempfile::TempDir, PolicyFile) {
    let home = tempfile::tempdir().unwrap();
    let file = PolicyFile::new(home.path().to_owned());
    (home, file)
}

const OPEN: &str = "fn allow_fetch(f) { true }";

#[test]
fn without_a_file_or_a_directory_there_are_no_rules() {
    let (home, file) = followed();
    assert_eq!(file.refresh(), None);
    assert!(matches!(file.rules(), Rules::None) && file.state().is_none());
    let nowhere = PolicyFile::new(home.path().join("nowhere"));
    assert_eq!(nowhere.refresh(), None);
    assert!(matches!(nowhere.rules(), Rules::None));
}

#[test]
fn an_invalid_first_version_closes_and_a_valid_one_holds() {
    let (home, file) = followed();
    put(home.path(), "fn allow_fetch(f) {");
    assert!(file.refresh().unwrap().contains("everything is refused"));
    assert!(matches!(file.rules(), Rules::Closed));
    assert_eq!(file.refresh(), None, "it is said once");
    put(home.path(), OPEN);
    assert_eq!(file.refresh().unwrap(), "holds, with allow_fetch");
    assert!(matches!(file.rules(), Rules::Policy(_)));
}

#[test]
fn a_bad_new_version_leaves_the_old_one() {
    let (home, file) = followed();
    put(home.path(), OPEN);
    file.refresh();
    for bad in ["fn allow_fetch(f) {", "", "fn allow_all(f) { false }"] {
        put(home.path(), bad);
        assert!(
            file.refresh()
                .unwrap()
                .contains("the version before it holds"),
            "{bad}"
        );
        assert!(matches!(file.rules(), Rules::Policy(_)), "{bad}");
        assert!(file.state().unwrap().problem.is_some());
    }
}

#[test]
fn a_file_that_is_gone_holds_for_one_more_look() {
    let (home, file) = followed();
    put(home.path(), OPEN);
    file.refresh();
    fs::remove_file(home.path().join(POLICY_FILE)).unwrap();
    assert_eq!(file.refresh(), None);
    assert!(matches!(file.rules(), Rules::Policy(_)));
    assert!(file.refresh().unwrap().contains("removed"));
    assert!(matches!(file.rules(), Rules::None));
}

#[test]
fn a_file_writable_by_others_or_a_link_closes() {
    let (home, file) = followed();
    let path = home.path().join(POLICY_FILE);
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    put(home.path(), OPEN);
    mode(&path, 0o666).unwrap();
    assert!(file.refresh().unwrap().contains("chmod"));
    assert!(matches!(file.rules(), Rules::Closed));
    mode(&path, 0o644).unwrap();
    mode(home.path(), 0o777).unwrap();
    assert!(file.refresh().unwrap().contains("the directory"));
    assert!(matches!(file.rules(), Rules::Closed));
    mode(home.path(), 0o755).unwrap();
    fs::rename(&path, home.path().join("real")).unwrap();
    std::os::unix::fs::symlink(home.path().join("real"), &path).unwrap();
    assert!(file.refresh().unwrap().contains("no regular file"));
    assert!(matches!(file.rules(), Rules::Closed));
    fs::remove_file(&path).unwrap();
    put(home.path(), OPEN);
    file.refresh();
    assert!(matches!(file.rules(), Rules::Policy(_)));
}

#[test]
fn a_policy_knows_groups_and_nothing_that_it_does_not_name() {
    let policy = ScriptPolicy::compile(
        "fn allow_fetch(f) { \"friends\" in f.groups && f[\"fr\" + \"om\"] == \"\" }",
    )
    .unwrap();
    let expected = Reads {
        groups: true,
        ..Reads::default()
    };
    assert_eq!(policy.reads(), expected);
    let mut asked = fetch("a", "192.0.2.1");
    assert_eq!(policy.allows_fetch(&asked), Ok(false));
    asked.groups = vec!["family".to_owned(), "friends".to_owned()];
    assert_eq!(policy.allows_fetch(&asked), Ok(true));
}
