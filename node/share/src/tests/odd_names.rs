//! Tests of names as people write them, and of entries that are not shared.

use super::*;
use crate::{Catalogue, Keeper};

const NFC: &str = "re\u{301}sume\u{301}";

fn composed(text: &str) -> String {
    node_wire::name::composed(text).into_owned()
}

fn skipped(share: &Arc<Share>) -> Vec<(String, SkipReason)> {
    let catalogue = Catalogue::new(share);
    Keeper::without_state(Arc::clone(&catalogue)).look_once();
    let (skipped, more) = catalogue.skipped_after(None, 100).unwrap();
    assert!(!more);
    assert_eq!(catalogue.skipped(), skipped.len() as u64);
    // Pages of one are the same list.
    let (mut paged, mut after) = (Vec::new(), None::<String>);
    while let (page, true) | (page, false) = catalogue.skipped_after(after.as_deref(), 1).unwrap()
        && let Some(last) = page.last()
    {
        after = Some(last.name.clone());
        paged.extend(page);
    }
    assert_eq!(paged, skipped);
    skipped
        .into_iter()
        .map(|entry| (entry.name, entry.reason))
        .collect()
}

#[test]
fn a_decomposed_name_is_shared_under_its_composed_form() {
    let home = home();
    let on_disk = format!("{NFC}/a/{NFC}.txt");
    fs::create_dir_all(home.path(&format!("{NFC}/a"))).unwrap();
    fs::write(home.path(&on_disk), "text").unwrap();
    let shared = composed(&on_disk);
    assert_eq!(home.names(), [shared.as_str()]);
    let mut read = String::new();
    let mut open = home.share.read(&name(&shared)).unwrap();
    io::Read::read_to_string(&mut open.file, &mut read).unwrap();
    assert_eq!(read, "text");
    assert_eq!(home.share.describe(&name(&shared)).unwrap().size, 4);
    assert_eq!(home.skipped(), 0);
    // It is there for those who store as well.
    assert!(matches!(
        store(&home.share, &shared, b"1", Replace::Never),
        Err(ShareError::Exists(_))
    ));
    store(&home.share, &shared, b"new", Replace::Existing).unwrap();
    assert_eq!(fs::read(home.path(&on_disk)).unwrap(), b"new");
    let beside = composed(&format!("{NFC}/beside"));
    store(&home.share, &beside, b"1", Replace::Never).unwrap();
    assert!(home.path(&format!("{NFC}/beside")).exists());
    assert_eq!(fs::read_dir(home.path("")).unwrap().count(), 1);
}

#[test]
fn a_name_that_is_made_or_goes_is_found_or_not_at_once() {
    let home = home();
    let shared = name(&composed(NFC));
    for _ in 0..20 {
        assert!(home.share.read(&shared).is_err());
        fs::write(home.path(NFC), "1").unwrap();
        assert!(home.share.read(&shared).is_ok());
        fs::remove_file(home.path(NFC)).unwrap();
    }
}

#[test]
fn of_two_names_that_are_one_the_composed_one_is_shared() {
    let home = home();
    let shared = composed(NFC);
    fs::write(home.path(NFC), "decomposed").unwrap();
    fs::write(home.path(&shared), "composed").unwrap();
    assert_eq!(home.names(), [shared.as_str()]);
    assert_eq!(home.share.describe(&name(&shared)).unwrap().size, 8);
    let share = Arc::new(Share::open(home.share.path()).unwrap());
    assert_eq!(
        skipped(&share),
        [(NFC.to_owned(), SkipReason::SameName(shared))]
    );
}

#[test]
fn an_ignore_file_holds_in_a_directory_with_a_decomposed_name() {
    let home = home();
    fs::create_dir(home.path(NFC)).unwrap();
    fs::write(home.path(&format!("{NFC}/.sixhopignore")), "secret\n").unwrap();
    fs::write(home.path(&format!("{NFC}/secret")), "1").unwrap();
    fs::write(home.path(&format!("{NFC}/open")), "1").unwrap();
    assert_eq!(home.names(), [composed(&format!("{NFC}/open"))]);
    let secret = name(&composed(&format!("{NFC}/secret")));
    assert!(home.share.read(&secret).is_err());
}

#[test]
fn odd_names_are_shared_and_stored() {
    let home = home();
    let odd = [
        "10:30 notes.txt",
        "aux.c",
        "CON",
        "Inc.",
        "...",
        "no\u{a0}break",
        "soft\u{ad}hyphen",
        "\u{1f468}\u{200d}\u{1f466}.jpg",
        "\u{646}\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}",
        "\u{2764}\u{fe0f}",
    ];
    for text in odd {
        store(&home.share, text, text.as_bytes(), Replace::Never).unwrap();
        assert_eq!(fs::read(home.path(text)).unwrap(), text.as_bytes());
    }
    // Names that begin with a dot are stored, and hidden.
    let mut shared: Vec<&str> = odd.into_iter().filter(|name| *name != "...").collect();
    shared.sort_unstable();
    assert_eq!(home.names(), shared);
}

/// A hundred names that people, programs and attackers make: each is shared as it stands.
const HOSTILE: &[&str] = &[
    "-rf",
    "--",
    "-",
    "--help",
    "-e x",
    "~",
    "~root",
    "$HOME",
    "${PATH}",
    "$(id)",
    "`id`",
    "%s%n",
    "%00",
    "%2e%2e",
    "%2f",
    "a%0ab",
    "&amp;",
    "<script>",
    "a<b>c",
    "a>b",
    "a|b",
    "a;b",
    "a&b",
    "a&&b",
    "a||b",
    "'a'",
    "\"a\"",
    "a\"b",
    "it's",
    "a b",
    " a",
    "a ",
    "  ",
    " ",
    "a  b",
    "a,b",
    "a=b",
    "a:b",
    "C:",
    "c:a.txt",
    "a::$DATA",
    "nul",
    "NUL.txt",
    "com1",
    "LPT9.log",
    "prn",
    "a?b",
    "a*b",
    "*",
    "?",
    "**",
    "[",
    "]",
    "[a]",
    "[!a]",
    "{a,b}",
    "{}",
    "(a)",
    "^a$",
    "a.b.c",
    "a..b",
    "a...",
    "a.",
    "#a",
    "!a",
    "a#b",
    "@a",
    "a@b",
    "a+b",
    "=1+1",
    "+1",
    "1e5",
    "0x00",
    "null",
    "undefined",
    "true",
    "NaN",
    "OR",
    "AND",
    "name:x",
    "text:x",
    "size:>1",
    "ext:rs",
    "grep:x",
    "blake3:0",
    "http:",
    "a.torrent",
    "Thumbs",
    "\u{202f}a",
    "a\u{3000}b",
    "\u{fb01}le",
    "\u{212b}ngstr\u{f6}m",
    "\u{130}stanbul",
    "\u{df}",
    "\u{1f3f3}\u{fe0f}\u{200d}\u{1f308}",
    "\u{5d0}\u{5d1}",
    "\u{644}\u{627}",
    "\u{e01}\u{e33}",
    "\u{ac00}",
    "\u{4e00}\u{fe00}",
    "\u{10ffff}",
    "\u{e000}",
    "\u{0301}a",
    "\u{1d11e}",
];

#[test]
fn hostile_names_are_shared_or_listed_with_the_reason() {
    let home = home();
    assert!(HOSTILE.len() >= 100);
    for text in HOSTILE {
        fs::write(home.path(text), text).unwrap();
        let below = format!("in {}", text.trim());
        fs::create_dir_all(home.path(&below)).unwrap();
        fs::write(home.path(&format!("{below}/{text}")), text).unwrap();
    }
    let (shared, share) = (
        home.names(),
        Arc::new(Share::open(home.share.path()).unwrap()),
    );
    let listed: Vec<String> = skipped(&share).into_iter().map(|(name, _)| name).collect();
    for text in HOSTILE {
        let whole = composed(text);
        let is_shared = shared.contains(&whole);
        assert!(
            is_shared != listed.contains(&(*text).to_owned()),
            "{text:?}"
        );
        if is_shared {
            let mut read = String::new();
            let mut open = home.share.read(&name(&whole)).unwrap();
            io::Read::read_to_string(&mut open.file, &mut read).unwrap();
            assert_eq!(read, *text);
        }
    }
    // Of these only what cannot be a name in the share, for a reason, is left out.
    let left_out: Vec<&str> = HOSTILE
        .iter()
        .copied()
        .filter(|text| !shared.contains(&composed(text)))
        .collect();
    assert!(left_out.len() < 8, "{left_out:?}");
}

#[test]
fn what_is_not_shared_is_listed_with_the_reason() {
    use std::os::unix::ffi::OsStrExt;
    let home = home();
    for directory in ["a", ".ssh", ".git"] {
        fs::create_dir(home.path(directory)).unwrap();
    }
    for file in ["shared", ".env", "a/.env", "a\\b", ".ssh/id_rsa", "x.log"] {
        fs::write(home.path(file), "1").unwrap();
    }
    fs::write(home.path(".sixhopignore"), "*.log\n").unwrap();
    fs::write(home.path("").join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
    symlink("shared", home.path("a/link")).unwrap();
    let share = Arc::new(Share::open(home.share.path()).unwrap());
    use SkipReason as R;
    let expected = [
        (".env", R::Hidden),
        (".ssh/", R::Hidden),
        ("a\\b", R::Name(node_wire::NameError::Backslash)),
        ("\u{fffd}", R::NotUnicode),
        ("a/.env", R::Hidden),
        ("a/link", R::Link),
    ];
    assert_eq!(
        skipped(&share),
        expected.map(|(name, reason)| (name.to_owned(), reason))
    );
}

#[test]
fn what_configures_a_node_is_never_stored() {
    let home = home();
    for text in [".sixhopignore", "a/.SixHopIgnore", ".sixhopignore/x"] {
        for replace in [Replace::Never, Replace::Existing] {
            assert!(matches!(
                store(&home.share, text, b"!*\n", replace),
                Err(ShareError::Configuration(_))
            ));
        }
    }
    assert_eq!(fs::read_dir(home.path("")).unwrap().count(), 0);
}
