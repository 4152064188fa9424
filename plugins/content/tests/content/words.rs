//! Words and phrases, ranked.

use plugin_api::Index;

use crate::world::{Found, Indexed, World, at, excerpt};

fn library() -> (tempfile::TempDir, Indexed) {
    let home = tempfile::tempdir().unwrap();
    let world = World::of(&[
        ("deep/fox.md", b"# Foxes\n\nA fox is a fox is a fox.\n"),
        (
            "long.txt",
            format!("fox\n{}", "word after word\n".repeat(500)).as_bytes(),
        ),
        ("phrase.txt", b"The quick\nbrown fox, they say.\n"),
        (
            "program.rs",
            b"struct HttpRequest;\nfn parse_http_request() {}\n",
        ),
    ]);
    let indexed = Indexed::open(home.path(), &world).caught_up();
    (home, indexed)
}

#[test]
fn the_best_files_come_first_with_their_best_lines() {
    let (_home, indexed) = library();
    assert_eq!(
        indexed.words("fox"),
        at(&[("deep/fox.md", 3), ("phrase.txt", 2), ("long.txt", 1)])
    );
    let found = indexed.ask("text", "fox", Found::default()).unwrap();
    let scores: Vec<_> = found.hits.iter().map(|hit| hit.score.unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    let best = excerpt(&found.hits[0]);
    let marked: Vec<_> = best
        .marks
        .iter()
        .map(|mark| &best.text[mark.clone()])
        .collect();
    assert_eq!(marked, ["fox", "fox", "fox"]);
}

#[test]
fn phrases_and_exclusions_are_held_against_the_text() {
    let (_home, indexed) = library();
    assert_eq!(
        indexed.words("\"quick brown fox\""),
        at(&[("phrase.txt", 1)])
    );
    assert_eq!(indexed.words("\"brown quick\""), at(&[]));
    assert_eq!(indexed.words("fox -word -they"), at(&[("deep/fox.md", 3)]));
    assert_eq!(indexed.words("request"), at(&[("program.rs", 1)]));
    assert_eq!(indexed.words("http_request"), at(&[("program.rs", 1)]));
    assert_eq!(indexed.words("HTTPREQUEST"), at(&[("program.rs", 1)]));
}

#[test]
fn files_that_are_not_indexed_yet_stand_where_they_belong() {
    let (_home, indexed) = library();
    indexed.world.put("best.txt", b"fox fox fox fox\n");
    indexed.world.put(
        "worst.txt",
        format!("fox {}", "and more ".repeat(5_000)).as_bytes(),
    );
    let names = ["best.txt", "worst.txt"].map(str::to_owned);
    for wait in [false, true] {
        if wait {
            while !indexed.content.status().is_complete {
                std::thread::yield_now();
            }
        } else {
            indexed.tell(plugin_api::Changes::Names(&names));
        }
        let found = indexed.words("fox");
        assert_eq!(found.first().unwrap().0, "best.txt");
        assert_eq!(found.last().unwrap().0, "worst.txt");
        assert_eq!(found.len(), 5);
    }
}

#[test]
fn a_long_file_shows_the_first_line_with_the_word_anywhere() {
    let home = tempfile::tempdir().unwrap();
    let filler = "word after word\n".repeat(10_000);
    let world = World::of(&[
        ("begin.txt", format!("one\nfox\n{filler}fox\n").as_bytes()),
        ("end.txt", format!("{filler}the last fox").as_bytes()),
        (
            "line.txt",
            format!("{} fox", "x ".repeat(80_000)).as_bytes(),
        ),
    ]);
    let indexed = Indexed::open(home.path(), &world).caught_up();
    let mut found = indexed.words("fox");
    found.sort();
    assert_eq!(
        found,
        at(&[("begin.txt", 2), ("end.txt", 10_001), ("line.txt", 1)])
    );
    // What is left out is looked for in the whole file.
    assert_eq!(indexed.words("fox -last"), indexed.words("fox -the"));
    assert_eq!(indexed.words("fox -last").len(), 2);
}

#[test]
fn a_limit_takes_the_best() {
    let (_home, indexed) = library();
    let one = Found {
        limit: 1,
        ..Found::default()
    };
    let found = indexed.ask("text", "fox", one).unwrap();
    assert_eq!(found.hits[0].file.name, "deep/fox.md");
    assert_eq!(found.hits.len(), 1);
}
