//! Names: what is refused and why, and what follows from being accepted.

use node_wire::name::TEMPORARY_PREFIX;
use node_wire::{NameError, ShareName};
use proptest::prelude::*;

use NameError as E;

const BAD: &[(&str, NameError)] = &[
    // Out of the share.
    ("/", E::Absolute),
    ("/etc/passwd", E::Absolute),
    ("//server/share", E::Absolute),
    (r"\\server\share\x", E::Absolute),
    (r"\\?\C:\x", E::Absolute),
    (r"\windows", E::Absolute),
    ("/\0", E::Absolute),
    ("C:", E::DriveLetter),
    ("c:secret", E::DriveLetter),
    (r"C:\Windows\win.ini", E::DriveLetter),
    ("z:/x", E::DriveLetter),
    ("..", E::ParentPart),
    ("../secret", E::ParentPart),
    ("../../../../etc/passwd", E::ParentPart),
    ("a/..", E::ParentPart),
    ("a/../b", E::ParentPart),
    ("a/../../b", E::ParentPart),
    (r"..\secret", E::ParentPart),
    (r"a\..\..\b", E::ParentPart),
    (r"a/..\b", E::ParentPart),
    ("a//../b", E::ParentPart),
    ("../\u{202E}", E::ParentPart),
    // In the share, but nothing a share can hold.
    ("", E::Empty),
    (".", E::DotPart),
    ("./a", E::DotPart),
    ("a/.", E::DotPart),
    ("a/./b", E::DotPart),
    ("a/", E::EmptyPart),
    ("a//b", E::EmptyPart),
    ("a/b//", E::EmptyPart),
    ("...", E::TrailingDot),
    ("....//a", E::TrailingDot),
    ("a.", E::TrailingDot),
    ("dir./a", E::TrailingDot),
    (" ", E::SpaceAtEdge),
    (" a", E::SpaceAtEdge),
    ("a ", E::SpaceAtEdge),
    (".. /a", E::SpaceAtEdge),
    ("dir /a", E::SpaceAtEdge),
    ("dir/ a", E::SpaceAtEdge),
    (r"a\b", E::Backslash),
    (r"a\", E::Backslash),
    ("a:b", E::DriveLetter),
    ("ab:c", E::Colon),
    ("file.txt::$DATA", E::Colon),
    ("file.txt:stream", E::Colon),
    ("dir/c:/x", E::Colon),
    ("a\0", E::NotGraphic),
    ("a\0.txt", E::NotGraphic),
    ("a\nb", E::NotGraphic),
    ("a\rb", E::NotGraphic),
    ("a\tb", E::NotGraphic),
    ("\u{1B}[2J", E::NotGraphic),
    ("\u{1B}]0;title\u{7}", E::NotGraphic),
    ("a\u{7F}", E::NotGraphic),
    ("a\u{85}b", E::NotGraphic),
    ("a\u{9B}31m", E::NotGraphic),
    ("a\u{A0}b", E::NotGraphic),
    ("soft\u{AD}hyphen", E::NotGraphic),
    ("zero\u{200B}width", E::NotGraphic),
    ("joined\u{200D}", E::NotGraphic),
    ("gpj\u{202E}exe", E::NotGraphic),
    ("a\u{2028}b", E::NotGraphic),
    ("a\u{2029}b", E::NotGraphic),
    ("a\u{2066}b", E::NotGraphic),
    ("a\u{3000}b", E::NotGraphic),
    ("\u{FEFF}a", E::NotGraphic),
    ("\u{E000}", E::NotGraphic),
    ("\u{378}", E::NotGraphic),
    ("a\u{FFFF}", E::NotGraphic),
    ("tag\u{E0041}", E::NotGraphic),
    ("e\u{301}", E::NotNormal),
    ("A\u{30A}.txt", E::NotNormal),
    ("\u{212B}", E::NotNormal),
    ("CON", E::Reserved),
    ("con", E::Reserved),
    ("nul.txt", E::Reserved),
    ("Aux.tar.gz", E::Reserved),
    ("prn", E::Reserved),
    ("COM1", E::Reserved),
    ("com0.log", E::Reserved),
    ("LPT9", E::Reserved),
    ("lpt¹", E::Reserved),
    ("COM².txt", E::Reserved),
    ("com³", E::Reserved),
    ("dir/NUL", E::Reserved),
    ("nul/a", E::Reserved),
    ("con .txt", E::Reserved),
    ("CONIN$", E::Reserved),
    (".sixhop-part-1", E::Temporary),
    (".SIXHOP-part-", E::Temporary),
    (".\u{17F}ixhop-part-x", E::Temporary),
    ("dir/.sixhop-part-x/a", E::Temporary),
];

const GOOD: &[&str] = &[
    "a",
    "test.txt",
    "a b.txt",
    "dir/sub/file.tar.gz",
    ".hidden",
    "..a",
    "a..b",
    "...a",
    "%2e%2e",
    "%2e%2e%2fetc",
    "~root",
    "$HOME",
    "-rf",
    "é.txt",
    "日本語/ファイル",
    "🦀.rs",
    "console",
    "com",
    "com10",
    "lpt",
    "nulls",
    "sixhop-part-a",
    ".sixhop-par",
    "a&b<c>\"'",
    "*?|",
    "\u{FF0E}\u{FF0E}",
];

#[test]
fn bad_names_are_refused_for_the_right_reason() {
    assert!(BAD.len() >= 60);
    for (text, reason) in BAD {
        assert_eq!(ShareName::parse(text), Err(*reason), "{text:?}");
    }
}

#[test]
fn names_that_leave_the_share_are_told_from_others() {
    for (text, reason) in BAD {
        let leaves = matches!(reason, E::Absolute | E::DriveLetter | E::ParentPart);
        assert_eq!(reason.leaves_share(), leaves, "{text:?}");
    }
}

#[test]
fn good_names_are_kept_as_they_are() {
    for text in GOOD {
        let name = ShareName::parse(text).unwrap_or_else(|e| panic!("{text:?}: {e}"));
        assert_eq!(name.as_str(), *text);
    }
}

#[test]
fn lengths_are_counted_in_bytes() {
    let full = "é".repeat(127) + "x";
    assert!(ShareName::parse(&full).is_ok());
    assert_eq!(ShareName::parse(&(full.clone() + "x")), Err(E::PartTooLong));
    let deep = vec![full.as_str(); 16].join("/");
    assert!(ShareName::parse(&deep).is_ok());
    assert_eq!(ShareName::parse(&format!("{deep}/a")), Err(E::TooLong));
    assert_eq!(
        ShareName::parse(&vec!["a"; 17].join("/")),
        Err(E::TooManyParts)
    );
    assert_eq!(ShareName::parse(&"a/".repeat(100_000)), Err(E::TooLong));
}

#[test]
fn parts_run_from_the_share_to_the_file() {
    let name = ShareName::parse("a/b/c.txt").unwrap();
    assert_eq!(name.parts().collect::<Vec<_>>(), ["a", "b", "c.txt"]);
    assert_eq!(name.parent_parts().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(name.file_name(), "c.txt");
    let name = ShareName::parse("c.txt").unwrap();
    assert_eq!(name.parent_parts().count(), 0);
    assert_eq!(name.file_name(), "c.txt");
}

#[test]
fn names_that_a_file_system_confuses_have_one_key() {
    let key = |text: &str| ShareName::parse(text).unwrap().collision_key();
    // An iota below a letter, with marks behind it.
    let marked = "COM\u{1f96}\u{65f}g";
    assert_eq!(key(marked), key(&marked.to_uppercase()));
    let same = [
        ("A.TXT", "a.txt"),
        ("É", "é"),
        ("STRASSE", "straße"),
        ("ẞ", "ß"),
        ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
        ("ſ", "S"),
        ("ǅ", "ǆ"),
        ("Ω", "ω"),
    ];
    for (left, right) in same {
        assert_eq!(key(left), key(right), "{left} {right}");
    }
    assert_ne!(key("a"), key("b"));
    assert_ne!(key("a/b"), key("ab"));
    assert_ne!(key("e"), key("é"));
}

fn name_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z0-9._ -]{1,6}",
        1 => any::<char>().prop_map(String::from),
        1 => prop_oneof![Just("/"), Just(".."), Just("\\"), Just(":"), Just("CON"), Just(TEMPORARY_PREFIX)]
            .prop_map(str::to_owned),
        1 => Just("/".to_owned()),
    ];
    proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn accepted_means_safe(text in name_like()) {
        let Ok(name) = ShareName::parse(&text) else { return Ok(()) };
        prop_assert_eq!(name.as_str(), &text);
        prop_assert_eq!(ShareName::parse(name.as_str()), Ok(name.clone()));
        let rejoined = name.parts().collect::<Vec<_>>().join("/");
        prop_assert_eq!(&rejoined, &text);
        let path = std::path::Path::new(name.as_str());
        let normal = |part| matches!(part, std::path::Component::Normal(_));
        prop_assert!(path.components().all(normal));
        prop_assert_eq!(path.components().count(), name.parts().count());
        for part in name.parts() {
            prop_assert!((1..=255).contains(&part.len()));
            prop_assert!(!part.to_lowercase().starts_with(TEMPORARY_PREFIX));
            prop_assert!(!part.contains(['\\', ':', '\0', '/']));
        }
        prop_assert_eq!(name.file_name(), name.parts().next_back().unwrap_or_default());
    }

    #[test]
    fn keys_ignore_case(text in name_like()) {
        let Ok(name) = ShareName::parse(&text) else { return Ok(()) };
        if let Ok(lower) = ShareName::parse(&text.to_lowercase()) {
            prop_assert_eq!(lower.collision_key(), name.collision_key());
        }
        if let Ok(upper) = ShareName::parse(&text.to_uppercase()) {
            prop_assert_eq!(upper.collision_key(), name.collision_key());
        }
    }

    #[test]
    fn any_text_is_judged_without_panic(text in any::<String>()) {
        let _ = ShareName::parse(&text);
    }
}

#[test]
fn the_key_of_every_single_character_ignores_its_case() {
    for c in ('\0'..=char::MAX).filter(|c| !c.is_ascii()) {
        let Ok(name) = ShareName::parse(&c.to_string()) else {
            continue;
        };
        let lower: String = c.to_lowercase().collect();
        let upper: String = c.to_uppercase().collect();
        for other in [lower, upper] {
            if let Ok(other) = ShareName::parse(&other) {
                assert_eq!(name.collision_key(), other.collision_key(), "{c:?}");
            }
        }
    }
}
