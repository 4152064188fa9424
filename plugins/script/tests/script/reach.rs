//! Tests of the files that scripts reach and of their hits.

use plugin_api::HandlerError;
use plugin_host::Plugin;

use crate::world::{ask, hits, script};

#[test]
fn the_examples_of_the_shipped_scripts_hold() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/handlers");
    let mut tested = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rhai") {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        assert!(source.lines().count() < 40, "{} is long", path.display());
        let handler = plugin_script::ScriptHandler::compile(&source).unwrap();
        plugin_api::check_examples(&handler).unwrap();
        tested += 1;
    }
    assert!(tested >= 3);
}

#[test]
fn a_script_sees_names_sizes_and_contents() {
    let files: &[(&str, &[u8])] = &[
        ("a/Large.TXT", b"0123456789"),
        ("b.txt", b"say hello"),
        ("c.bin", &[0, 0xff, 7]),
    ];
    let finds = |body: &str| ask(&script(body), "hello", files).unwrap();
    let each = |condition: &str| {
        finds(&format!(
            "for f in files() {{ if {condition} {{ hit(f); }} }}"
        ))
    };
    assert_eq!(each("f.size > 9"), ["a/Large.TXT"]);
    assert_eq!(each("f.extension == \"txt\""), ["a/Large.TXT", "b.txt"]);
    assert_eq!(each("f.text().contains(query)"), ["b.txt"]);
    assert_eq!(each("f.text(-2) == \"89\""), ["a/Large.TXT"]);
    assert_eq!(each("f.bytes(1, 1) == blob(1, 0xff)"), ["c.bin"]);
    assert_eq!(
        each("f.name.starts_with(\"c\") && f.modified == ()"),
        ["c.bin"]
    );
}

#[test]
fn a_query_that_makes_no_sense_is_refused_and_no_failure() {
    let handler = script("refuse(\"say a number\");");
    for _ in 0..5 {
        let refused = ask(&handler, "x", &[]);
        assert!(
            matches!(&refused, Err(HandlerError::BadQuery { problem, .. }) if problem == "say a number"),
            "{refused:?}"
        );
    }
    assert!(!handler.strikes().is_disabled());
}

#[test]
fn a_script_with_three_failures_in_a_row_is_not_called() {
    let handler = script("if query == \"bad\" { throw \"no\"; }");
    for query in ["bad", "bad", "good", "bad", "bad"] {
        assert_eq!(ask(&handler, query, &[]).is_err(), query == "bad");
        assert!(!handler.strikes().is_disabled());
    }
    assert!(ask(&handler, "bad", &[]).is_err());
    assert!(handler.strikes().is_disabled());
    let off = ask(&handler, "good", &[]).unwrap_err();
    assert!(off.to_string().contains("switched off"), "{off}");
    assert!(
        handler
            .strikes()
            .last()
            .is_some_and(|why| why.contains("no"))
    );
}

#[test]
fn a_hit_may_have_a_score_and_a_line() {
    let files: &[(&str, &[u8])] = &[("a.txt", b"x")];
    let found = |more: &str| {
        hits(
            &script(&format!("for f in files() {{ hit(f{more}); }}")),
            files,
        )
    };
    let plain = found("").unwrap().remove(0);
    assert_eq!((plain.score, plain.excerpt), (None, None));
    let hit = found(", #{score: 2, line: 3, text: \"a\\nb\"}")
        .unwrap()
        .remove(0);
    let excerpt = hit.excerpt.unwrap();
    assert_eq!((hit.score, excerpt.line), (Some(2.0), Some(3)));
    assert_eq!(excerpt.text, "a");
    let scored = found(", #{score: 0.5}").unwrap().remove(0);
    assert_eq!((scored.score, scored.excerpt), (Some(0.5), None));
    for wrong in [
        "#{score: \"high\"}",
        "#{score: 0.0 / 0.0}",
        "#{line: 0, text: \"\"}",
        "#{line: 1}",
        "#{text: 1}",
        "#{path: \"/\"}",
        "1",
    ] {
        assert!(found(&format!(", {wrong}")).is_err(), "{wrong}");
    }
}
