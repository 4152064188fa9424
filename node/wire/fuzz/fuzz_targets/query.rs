//! The language of queries: an error is inside the query, what was read reads back, and quotes keep what is in them.

#![no_main]

use std::time::{Duration, SystemTime};

use libfuzzer_sys::fuzz_target;
use node_wire::query::{
    CONTEXT_MAX, NameText, ParsedQuery, QUERY_MAX, Quotes, SyntaxError, asks_contents, handler_of,
    of_names, quoted, text_of,
};

fuzz_target!(|text: &str| {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    assert_eq!(of_names(&of_names(text)), of_names(text));
    assert!(text.ends_with(text_of(text)));
    let parsed = match ParsedQuery::parse(text, now) {
        Ok(parsed) => parsed,
        Err(SyntaxError::Part { at, .. }) => {
            return assert!((1..=text.chars().count()).contains(&at));
        }
        Err(SyntaxError::TooLong) => return assert!(text.len() > QUERY_MAX),
    };
    assert_eq!(parsed.handler(), handler_of(text));
    assert!(parsed.context() <= CONTEXT_MAX);
    assert_eq!(parsed.asks_contents(), asks_contents(text));
    let _ = (parsed.is_pattern(), parsed.is_file_name(), parsed.is_list());
    let _ = parsed.filters().admits("a/b.txt", 5, Some(now));
    if let Some(name) = parsed.name() {
        assert_eq!(parsed.name().as_ref(), Some(&name));
    }
    let plain = parsed.text(Quotes::Remove);
    let _ = NameText::of(&plain, true);
    if plain.is_empty() || plain.len() > QUERY_MAX / 4 {
        return;
    }
    let again = ParsedQuery::parse(&format!("grep:{}", quoted(&plain)), now);
    assert_eq!(again.map(|again| again.text(Quotes::Remove)), Ok(plain));
});
