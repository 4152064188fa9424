//! Conditions of a request for content (RFC 9110, 13): whether it is answered, and
//! whether its range counts.
//!
//! Participants: the server knows the state of the content and the headers; here is
//! only the decision, in the order of the standard.
//!
//! # Invariants
//! - `If-Match` and `If-Range` compare strongly, `If-None-Match` weakly.
//! - A date counts only where no tag is asked about, and only if it is one.
//! - A condition that cannot be judged holds back nothing that is right: content
//!   whose tag or date is not known does not match, and is sent whole.
//! - No I/O, no clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, header};

/// The state of content that is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validators<'a> {
    /// The strong entity tag, in its quotes, if it is known.
    pub(super) tag: Option<&'a str>,
    /// The time of the content's last change, if it is known.
    pub(super) modified: Option<SystemTime>,
}

/// The answer to a request with conditions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// The content; its range counts if `range` says so.
    Send {
        /// True if the header `Range` counts.
        range: bool,
    },
    /// Status 304: the asker has it already.
    NotModified,
    /// Status 412: the content is not the one that the asker wants.
    PreconditionFailed,
}

/// Judges the conditions of a `GET` or `HEAD` request.
pub(super) fn judge(headers: &HeaderMap, state: Validators<'_>) -> Verdict {
    if !has_wanted_state(headers, state) {
        Verdict::PreconditionFailed
    } else if has_known_state(headers, state) {
        Verdict::NotModified
    } else {
        Verdict::Send {
            range: range_counts(headers, state),
        }
    }
}

/// Checks `If-Match`, or without it `If-Unmodified-Since`.
fn has_wanted_state(headers: &HeaderMap, state: Validators<'_>) -> bool {
    if headers.contains_key(header::IF_MATCH) {
        return any_tag(headers, header::IF_MATCH, |tag| {
            tag == "*" || Some(tag) == state.tag
        });
    }
    match date(headers, header::IF_UNMODIFIED_SINCE) {
        Some(since) => state
            .modified
            .is_some_and(|modified| seconds(modified) <= seconds(since)),
        None => true,
    }
}

/// Checks `If-None-Match`, or without it `If-Modified-Since`.
fn has_known_state(headers: &HeaderMap, state: Validators<'_>) -> bool {
    if headers.contains_key(header::IF_NONE_MATCH) {
        return any_tag(headers, header::IF_NONE_MATCH, |tag| {
            tag == "*" || Some(tag.strip_prefix("W/").unwrap_or(tag)) == state.tag
        });
    }
    match (date(headers, header::IF_MODIFIED_SINCE), state.modified) {
        (Some(since), Some(modified)) => seconds(modified) <= seconds(since),
        _ => false,
    }
}

/// Checks `If-Range`: a tag or a date, of which each has to be exactly that of the content.
fn range_counts(headers: &HeaderMap, state: Validators<'_>) -> bool {
    let mut conditions = headers.get_all(header::IF_RANGE).iter();
    let Some(condition) = conditions.next() else {
        return true;
    };
    let Ok(condition) = condition.to_str().map(str::trim) else {
        return false;
    };
    if conditions.next().is_some() {
        return false;
    }
    if condition.starts_with(['"', 'W']) && !condition.starts_with("Wed") {
        return Some(condition) == state.tag;
    }
    let date = httpdate::parse_http_date(condition).ok();
    // The tag says more than the date; without one, two states of one second look alike
    // to both sides, as the standard knows.
    match (date, state.modified) {
        (Some(date), Some(modified)) => seconds(date) == seconds(modified),
        _ => false,
    }
}

/// Returns true if one of the tags in all headers of this name passes.
fn any_tag(headers: &HeaderMap, name: HeaderName, passes: impl Fn(&str) -> bool) -> bool {
    let lists = headers.get_all(name);
    let lists = lists.iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(tags).any(passes)
}

/// Returns the tags of a list. A comma inside of quotes is part of a tag.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    list.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
    .map(str::trim)
    .filter(|tag| !tag.is_empty())
}

/// Returns the date of a header that is there exactly once and is one.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    httpdate::parse_http_date(value.to_str().ok()?.trim()).ok()
}

/// Dates of HTTP have whole seconds. Before 1970 is 1970, as `Last-Modified` has it.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TAG: &str = "\"abc\"";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    const WHOLE: Verdict = Verdict::Send { range: false };
    const SEND: Verdict = Verdict::Send { range: true };
    use Verdict::{NotModified, PreconditionFailed};

    /// Returns the state of content that changed in the middle of the second [`THEN`].
    fn state() -> Validators<'static> {
        let modified = httpdate::parse_http_date(THEN).unwrap() + Duration::from_millis(500);
        Validators {
            tag: Some(TAG),
            modified: Some(modified),
        }
    }

    const UNKNOWN: Validators<'static> = Validators {
        tag: None,
        modified: None,
    };

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                value.parse().unwrap(),
            );
        }
        headers
    }

    fn check(list: &[(&str, &str)], expected: Verdict) {
        assert_eq!(judge(&headers(list), state()), expected, "{list:?}");
    }

    #[test]
    fn a_request_without_conditions_is_answered() {
        check(&[], SEND);
        assert_eq!(judge(&HeaderMap::new(), UNKNOWN), SEND);
    }

    #[test]
    fn if_match_wants_one_of_its_tags() {
        check(&[("if-match", TAG)], SEND);
        check(&[("if-match", "*")], SEND);
        check(&[("if-match", "\"x\" , \"abc\"")], SEND);
        check(&[("if-match", "\"x\""), ("if-match", TAG)], SEND);
        check(&[("if-match", "\"x,\", \"abc\"")], SEND);
        check(&[("if-match", "\"x\"")], PreconditionFailed);
        check(&[("if-match", "W/\"abc\"")], PreconditionFailed);
        check(&[("if-match", "abc")], PreconditionFailed);
        check(&[("if-match", "\"a\", bc\"")], PreconditionFailed);
        check(&[("if-match", "")], PreconditionFailed);
        // It is asked before anything else.
        check(
            &[("if-match", "\"x\""), ("if-none-match", TAG)],
            PreconditionFailed,
        );
        let unknown = judge(&headers(&[("if-match", TAG)]), UNKNOWN);
        assert_eq!(unknown, PreconditionFailed);
        assert_eq!(judge(&headers(&[("if-match", "*")]), UNKNOWN), SEND);
    }

    #[test]
    fn if_unmodified_since_wants_no_later_change() {
        check(&[("if-unmodified-since", BEFORE)], PreconditionFailed);
        check(&[("if-unmodified-since", THEN)], SEND);
        check(&[("if-unmodified-since", AFTER)], SEND);
        check(&[("if-unmodified-since", "yesterday")], SEND);
        // A tag makes the date mean nothing.
        check(&[("if-match", TAG), ("if-unmodified-since", BEFORE)], SEND);
        let unknown = judge(&headers(&[("if-unmodified-since", AFTER)]), UNKNOWN);
        assert_eq!(unknown, PreconditionFailed);
    }

    #[test]
    fn if_none_match_wants_none_of_its_tags() {
        check(&[("if-none-match", TAG)], NotModified);
        check(&[("if-none-match", "W/\"abc\"")], NotModified);
        check(&[("if-none-match", "*")], NotModified);
        check(&[("if-none-match", "\"x\", W/\"abc\"")], NotModified);
        check(&[("if-none-match", "\"x\"")], SEND);
        let unknown = judge(&headers(&[("if-none-match", TAG)]), UNKNOWN);
        assert_eq!(unknown, SEND);
    }

    #[test]
    fn if_modified_since_wants_a_later_change() {
        check(&[("if-modified-since", BEFORE)], SEND);
        check(&[("if-modified-since", THEN)], NotModified);
        check(&[("if-modified-since", AFTER)], NotModified);
        check(&[("if-modified-since", "")], SEND);
        check(
            &[("if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT")],
            NotModified,
        );
        check(
            &[("if-modified-since", "Sun Nov  6 08:49:37 1994")],
            NotModified,
        );
        check(
            &[("if-none-match", "\"x\""), ("if-modified-since", AFTER)],
            SEND,
        );
        let unknown = judge(&headers(&[("if-modified-since", AFTER)]), UNKNOWN);
        assert_eq!(unknown, SEND);
    }

    #[test]
    fn if_range_wants_exactly_this_state() {
        check(&[("if-range", TAG)], SEND);
        check(&[("if-range", THEN)], SEND);
        check(&[("if-range", "\"x\"")], WHOLE);
        check(&[("if-range", "W/\"abc\"")], WHOLE);
        check(&[("if-range", BEFORE)], WHOLE);
        check(&[("if-range", AFTER)], WHOLE);
        check(&[("if-range", "Wed, 09 Nov 1994 08:49:37 GMT")], WHOLE);
        check(&[("if-range", "nonsense")], WHOLE);
        check(&[("if-range", TAG), ("if-range", TAG)], WHOLE);
        assert_eq!(judge(&headers(&[("if-range", TAG)]), UNKNOWN), WHOLE);
        assert_eq!(judge(&headers(&[("if-range", THEN)]), UNKNOWN), WHOLE);
        let wednesday = "Wed, 09 Nov 1994 08:49:37 GMT";
        let since = Validators {
            modified: httpdate::parse_http_date(wednesday).ok(),
            ..state()
        };
        assert_eq!(judge(&headers(&[("if-range", wednesday)]), since), SEND);
    }

    #[test]
    fn a_range_is_judged_after_the_other_conditions() {
        check(
            &[("if-none-match", TAG), ("if-range", "\"x\"")],
            NotModified,
        );
        check(&[("if-match", TAG), ("if-range", "\"x\"")], WHOLE);
    }

    proptest! {
        #[test]
        fn any_headers_are_judged(
            name in prop::sample::select(vec![
                "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range",
            ]),
            value in "[ -~]{0,40}",
        ) {
            let headers = headers(&[(name, &value)]);
            let _ = judge(&headers, state());
            // Without conditions that hold, no client hears that it has what it has not.
            if !value.contains('*') {
                let verdict = judge(&headers, UNKNOWN);
                prop_assert_ne!(verdict, NotModified);
            }
        }
    }
}
