//! Tests of names: refusals with reasons, and properties of accepted ones.

use node_wire::name::{TEMPORARY_PREFIX, composed};
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
    (r"C:\Windows\win.ini", E::Drive),
    ("z:/x", E::Drive),
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
    ("....//a", E::EmptyPart),
    ("gpj\u{61C}exe", E::Control),
    ("a\u{200E}b", E::Control),
    ("a\u{FFFE}", E::Control),
    ("re\u{301}.txt", E::NotNormal),
    (" ", E::SpaceAtEdge),
    (" a", E::SpaceAtEdge),
    ("a ", E::SpaceAtEdge),
    (".. /a", E::SpaceAtEdge),
    ("dir /a", E::SpaceAtEdge),
    ("dir/ a", E::SpaceAtEdge),
    (r"a\b", E::Backslash),
    (r"a\", E::Backslash),
    ("a\0", E::Control),
    ("a\0.txt", E::Control),
    ("a\nb", E::Control),
    ("a\rb", E::Control),
    ("a\tb", E::Control),
    ("\u{1B}[2J", E::Control),
    ("\u{1B}]0;title\u{7}", E::Control),
    ("a\u{7F}", E::Control),
    ("a\u{85}b", E::Control),
    ("a\u{9B}31m", E::Control),
    ("gpj\u{202E}exe", E::Control),
    ("a\u{2028}b", E::Control),
    ("a\u{2029}b", E::Control),
    ("a\u{2066}b", E::Control),
    ("a\u{FFFF}", E::Control),
    ("e\u{301}", E::NotNormal),
    ("A\u{30A}.txt", E::NotNormal),
    ("\u{212B}", E::NotNormal),
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
    "10:30 notes.txt",
    "a:b",
    "C:",
    "C:win.ini",
    "file.txt::$DATA",
    "dir/c:/x",
    "aux.c",
    "CON",
    "nul.tar.gz",
    "dir/COM1",
    "lpt³",
    "...",
    "a.",
    "Inc./a",
    "no\u{A0}break",
    "soft\u{AD}hyphen",
    "\u{646}\u{645}\u{6CC}\u{200C}\u{62E}\u{648}\u{627}\u{647}\u{645}.txt",
    "\u{1F468}\u{200D}\u{1F466}.jpg",
    "\u{2764}\u{FE0F}",
    "\u{1F3F4}\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
    "\u{5168}\u{3000}\u{89D2}",
];

#[test]
fn names_that_configure_a_node_are_told_in_any_place_and_case() {
    for (text, is_configuration) in [
        (".sixhopignore::$DATA", true),
        ("a/.sixhopignore.", true),
        (".sixhopignore. .", true),
        (".s\u{ad}ixhopignore", true),
        (".sixhopignore\u{200d}/x", true),
        (".sixhopignore\u{fe0f}:s", true),
        ("x:.sixhopignore", false),
        ("a.sixhopignore:b", false),
        (".sixhopignore", true),
        (".SixHopIgnore", true),
        ("a/b/.sixhopignore", true),
        (".sixhopignore/x", true),
        ("sixhopignore", false),
        (".sixhopignore.txt", false),
    ] {
        let name = ShareName::parse(text).unwrap();
        assert_eq!(name.is_configuration(), is_configuration, "{text}");
    }
}

#[test]
fn composed_names_are_in_normalization_form_c() {
    for (text, expected) in [("e\u{301}", "é"), ("\u{212B}", "Å"), ("a", "a")] {
        assert_eq!(composed(text), expected);
        assert!(ShareName::parse(&composed(text)).is_ok());
    }
}

#[test]
fn bad_names_are_refused_for_the_right_reason() {
    assert!(BAD.len() >= 50);
    for (text, reason) in BAD {
        assert_eq!(ShareName::parse(text), Err(*reason), "{text:?}");
    }
}

#[test]
fn names_that_leave_the_share_are_told_from_others() {
    for (text, reason) in BAD {
        let leaves = matches!(reason, E::Absolute | E::Drive | E::ParentPart);
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
            prop_assert!(!part.contains(['\\', '\0', '/']));
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
