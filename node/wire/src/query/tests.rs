//! Tests of the meaning of queries, and of the places of their errors.

use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;

use super::*;

fn parse(query: &str) -> Result<ParsedQuery, SyntaxError> {
    ParsedQuery::parse(query, UNIX_EPOCH + Duration::from_secs(1_000_000))
}

/// Returns handler and text.
fn read(query: &str, quotes: Quotes) -> (String, String) {
    let query = parse(query).unwrap();
    (query.handler().to_owned(), query.text(quotes))
}

fn passes(query: &ParsedQuery, name: &str, size: u64, seconds: u64) -> bool {
    let modified = UNIX_EPOCH + Duration::from_secs(seconds);
    query.filters().admits(name, size, Some(modified))
}

#[test]
fn a_prefix_chooses_the_handler_and_the_rest_is_text_as_it_is() {
    for (query, handler, text) in [
        ("a  b", "name", "a  b"),
        ("", "name", ""),
        ("text:a:b", "text", "a:b"),
        ("grep: fn \\w+\\(", "grep", "fn \\w+\\("),
        ("12\" disk.txt", "name", "12\" disk.txt"),
        ("a b:c", "name", "a b:c"),
        ("10:30 notes.txt", "name", "10:30 notes.txt"),
        ("TEXT:a", "text", "a"),
        (
            "text:std::vec localhost:80",
            "text",
            "std::vec localhost:80",
        ),
        ("grep:foo:bar", "grep", "foo:bar"),
        ("text:\"foo:bar\"", "text", "foo:bar"),
        ("über:x", "name", "über:x"),
        (":x", "name", ":x"),
    ] {
        assert_eq!(
            read(query, Quotes::Remove),
            (handler.to_owned(), text.to_owned()),
            "{query}"
        );
    }
}

#[test]
fn filters_are_taken_out_wherever_they_stand() {
    for query in [
        "text:a ext:md b size:>1K",
        "text:ext:md a b size:>1K",
        "text: size:>1K a ext:md b",
    ] {
        let parsed = parse(query).unwrap();
        assert_eq!(parsed.text(Quotes::Keep), "a b", "{query}");
        assert!(passes(&parsed, "x/a.MD", 1025, 0));
        assert!(!passes(&parsed, "x/a.MD", 1024, 0));
        assert!(!passes(&parsed, "x/a.txt", 1025, 0));
    }
    let without_prefix = parse("ext:md").unwrap();
    assert_eq!(without_prefix.handler(), "name");
    assert!(!without_prefix.filters().is_empty());
}

#[test]
fn quoted_parts_are_text_whatever_is_in_them() {
    for (query, kept, removed) in [
        (r#"text:"a b" c"#, r#""a b" c"#, "a b c"),
        (r#"text:c "ext:md""#, r#"c "ext:md""#, "c ext:md"),
        (r#"text:-"a b" c"#, r#"-"a b" c"#, "-a b c"),
        (r#"text:"\\ \" \n""#, r#""\\ \" \\n""#, r#"\ " \n"#),
        (r#"text:" a " ext:md"#, r#"" a ""#, " a "),
    ] {
        assert_eq!(read(query, Quotes::Keep).1, kept, "{query}");
        assert_eq!(read(query, Quotes::Remove).1, removed, "{query}");
    }
}

#[test]
fn sizes_are_ranges() {
    for (filter, inside, outside) in [
        ("size:5", vec![5], vec![4, 6]),
        (
            "Size:1M",
            vec![600_000, 1_500_000],
            vec![500_000, 1_600_000],
        ),
        ("size:>5", vec![6], vec![5]),
        ("size:>=5", vec![5], vec![4]),
        ("size:<5", vec![4, 0], vec![5]),
        ("size:<=5", vec![5], vec![6]),
        ("size:1..2K", vec![1, 2048], vec![0, 2049]),
        ("size:>1 size:<4", vec![2, 3], vec![1, 4]),
    ] {
        let query = parse(filter).unwrap();
        let admits = |size: &u64| passes(&query, "a", *size, 0);
        assert!(inside.iter().all(admits), "{filter}");
        assert!(!outside.iter().any(admits), "{filter}");
    }
}

#[test]
fn days_include_their_start_and_a_file_needs_a_time() {
    let query = parse("after:1970-01-02 before:1970-01-03").unwrap();
    let day = 24 * 3_600;
    let admits = |seconds| passes(&query, "a", 1, seconds);
    assert!(admits(day) && admits(2 * day - 1));
    assert!(!admits(day - 1) && !admits(2 * day));
    assert!(!query.filters().admits("a", 1, None));
}

#[test]
fn an_extension_needs_a_stem_and_has_no_case() {
    let query = parse("ext:.GZ,tar.xz").unwrap();
    for (name, admitted) in [
        ("a.gz", true),
        ("d.gz/a.TAR.XZ", true),
        ("a.xz", false),
        (".gz", false),
        ("a.gz/b", false),
        ("agz", false),
    ] {
        assert_eq!(passes(&query, name, 1, 0), admitted, "{name}");
    }
}

#[test]
fn an_error_says_at_which_character() {
    for (query, at) in [
        ("é size:lots", 3),
        ("text:\"a", 6),
        ("text:a \"b\"c", 8),
        ("a ext:", 3),
        ("a after:lately", 3),
        ("a size:<0", 3),
        ("grep:a context:11", 8),
        ("a before:1960", 3),
    ] {
        match parse(query) {
            Err(SyntaxError::Part { at: found, .. }) => assert_eq!(found, at, "{query}"),
            other => panic!("{query}: {other:?}"),
        }
    }
    assert_eq!(parse(&"x".repeat(QUERY_MAX + 1)), Err(SyntaxError::TooLong));
}

#[test]
fn filters_alone_list_and_leave_out() {
    let query = parse("EXT:jpg,png -ext:png kind:photo").unwrap();
    assert_eq!(
        (query.handler(), query.text(Quotes::Keep).as_str()),
        ("name", "**")
    );
    let admits = |name: &str| passes(&query, name, 1, 0);
    assert!(admits("a.JPG") && !admits("a.png") && !admits("a.gif"));
    assert!(!parse("").unwrap().is_list() && !parse("text:ext:md").unwrap().is_list());
    let query = parse("report -kind:archive").unwrap();
    assert!(!passes(&query, "report.zip", 1, 0));
    assert!(passes(&query, "report.txt", 1, 0));
}

#[test]
fn a_filter_that_there_is_not_is_named_with_the_nearest() {
    for (query, place, said) in [
        ("cat type:image", 5, "kind:"),
        ("cat siez:>1M", 5, "`size:`"),
        ("text:cat colour:red", 10, "there are ext:"),
        ("cat befor:2026", 5, "`before:`"),
        ("cat -size:1M", 5, "minus"),
        ("cat kind:cats", 5, "image"),
    ] {
        match parse(query) {
            Err(SyntaxError::Part { at, problem }) => {
                assert_eq!(at, place, "{query}");
                assert!(problem.contains(said), "{query}: {problem}");
            }
            other => panic!("{query}: {other:?}"),
        }
    }
}

#[test]
fn words_and_beginnings_of_words_ask_contents_too() {
    for (query, is_asked) in [
        ("poem", true),
        ("poem*", true),
        ("naï* sea", true),
        ("\"*.txt\"", true),
        ("*.txt", false),
        ("p*m", false),
        ("poem.*", false),
        ("p?em", false),
        ("**", false),
        ("a/poem*", false),
        ("name:poem*", false),
    ] {
        assert_eq!(asks_contents(query), is_asked, "{query}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_query_or_has_an_error_inside_it(query in "\\PC{0,60}|[a-z:\"\\\\ ><.-]{0,40}") {
        if let Err(SyntaxError::Part { at, .. }) = parse(&query) {
            prop_assert!((1..=query.chars().count()).contains(&at));
        }
    }

    #[test]
    fn a_quoted_text_comes_out_as_it_went_in(text in "\\PC{1,40}|[a-z:\"\\\\ ]{1,30}") {
        let query = parse(&format!("grep:{} ext:md", quoted(&text))).unwrap();
        prop_assert_eq!(&query.text(Quotes::Remove), &text);
        prop_assert_eq!(query.text(Quotes::Keep), quoted(&text));
    }
}
