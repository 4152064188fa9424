//! The tools `search` and `grep`.

use node_api::search::{Excerpt, Hit, SearchAnswer, SearchEnd, SearchNews, SearchReach, TraceStep};
use node_wire::query;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{GoneOn, Network, PageRequest, object_of};
use crate::{
    commands::grep::{filter, literally},
    error::CtlError,
    mcp::{
        Tools,
        kept::Finding,
        page::{Item, Room},
    },
};

/// Hits that are gathered unless the caller says otherwise.
const LIMIT: u32 = 1_000;

/// Most hits that are gathered.
const LIMIT_MAX: u32 = 10_000;

/// Most lines around a hit.
const CONTEXT_MAX: u32 = 10;

/// Longest text of a line, in characters.
const TEXT_MAX: usize = 240;

/// Characters of a long line before what matches.
const BEFORE: usize = 60;

/// Most nodes and files that are named because something is missing of them.
const NAMED_MAX: usize = 4;

/// Longest name of such a node or file, in characters.
const NAME_MAX: usize = 80;

/// The arguments of `search`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct SearchArguments {
    query: Option<String>,
    limit: Option<u32>,
    max_bytes: Option<usize>,
    cursor: Option<String>,
}

/// The arguments of `grep`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct GrepArguments {
    pattern: Option<String>,
    #[serde(default)]
    ignore_case: bool,
    #[serde(default)]
    fixed: bool,
    filters: Option<String>,
    #[serde(default)]
    context: u32,
    limit: Option<u32>,
    max_bytes: Option<usize>,
    cursor: Option<String>,
}

/// Finds files by name and by words in them.
pub(in crate::mcp) async fn search(
    tools: &Tools,
    asked: SearchArguments,
) -> Result<String, CtlError> {
    let room = Room::of(asked.max_bytes)?;
    let wanted = PageRequest {
        room,
        cursor: asked.cursor.as_deref(),
    };
    if let GoneOn::Page(page) = tools.go_on(wanted)? {
        return Ok(page);
    }
    let query = asked.query.filter(|query| !query.trim().is_empty());
    let query = query.ok_or_else(|| CtlError::usage("give a query"))?;
    let limit = limit(asked.limit)?;
    let node = tools.connect()?;
    let network = Network::of(&node).await?;
    let answer = node
        .search(&query, Some(limit), SearchReach::Normal)
        .await?;
    let hits = answer.hits.iter();
    let items = hits.map(|hit| item(hit, &network, true)).collect();
    tools.show(finding(items, &answer), room)
}

/// Finds lines by a regular expression.
pub(in crate::mcp) async fn grep(tools: &Tools, asked: GrepArguments) -> Result<String, CtlError> {
    let room = Room::of(asked.max_bytes)?;
    let wanted = PageRequest {
        room,
        cursor: asked.cursor.as_deref(),
    };
    if let GoneOn::Page(page) = tools.go_on(wanted)? {
        return Ok(page);
    }
    let query = grep_query(&asked)?;
    let limit = limit(asked.limit)?;
    let node = tools.connect()?;
    let network = Network::of(&node).await?;
    let mut stream = node
        .search_stream(&query, Some(limit), SearchReach::Normal)
        .await?;
    // Lines are cut as they come: what is held does not grow with their length.
    let mut found = Vec::new();
    let answer = loop {
        match stream.next().await? {
            SearchNews::Hits(hits) => {
                let hits = hits.iter();
                found.extend(hits.map(|hit| (place(hit, &network), item(hit, &network, false))));
            }
            SearchNews::Done(answer) => break answer,
            SearchNews::Failed(error) => return Err(error.into()),
        }
    };
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    let items = found.into_iter().map(|(_, item)| item).collect();
    tools.show(finding(items, &answer), room)
}

/// The order of lines: those of this network first, each file together. The parts of a document come in their order.
fn place(hit: &Hit, network: &Network) -> (bool, String, String, u64) {
    let excerpt = hit.excerpt.as_ref();
    let line = excerpt.filter(|excerpt| excerpt.place().is_none());
    let line = line.and_then(|excerpt| excerpt.line);
    let is_other = !network.is_own(&hit.node);
    (
        is_other,
        hit.node.clone(),
        hit.name.clone(),
        line.unwrap_or(0),
    )
}

fn limit(asked: Option<u32>) -> Result<u32, CtlError> {
    match asked.unwrap_or(LIMIT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        _ => Err(CtlError::usage(format!("limit is from 1 to {LIMIT_MAX}"))),
    }
}

fn grep_query(asked: &GrepArguments) -> Result<String, CtlError> {
    let pattern = asked.pattern.as_deref().filter(|text| !text.is_empty());
    let pattern = pattern.ok_or_else(|| CtlError::usage("give a pattern"))?;
    if asked.context > CONTEXT_MAX {
        return Err(CtlError::usage(format!("context is at most {CONTEXT_MAX}")));
    }
    let pattern = if asked.fixed {
        literally(pattern)
    } else {
        pattern.to_owned()
    };
    let flags = if asked.ignore_case { "(?i)" } else { "" };
    let mut query = format!("grep:{}", query::quoted(&format!("{flags}{pattern}")));
    if asked.context > 0 {
        query += &format!(" context:{}", asked.context);
    }
    for word in asked
        .filters
        .as_deref()
        .unwrap_or_default()
        .split_whitespace()
    {
        query += " ";
        query += &filter(word)?;
    }
    Ok(query)
}

fn finding(items: Vec<Item>, answer: &SearchAnswer) -> Finding {
    Finding {
        what: "hits",
        items,
        about: about(answer),
        beyond: None,
    }
}

/// Returns an item for a hit. The sizes of files are of use to choose among them.
fn item(hit: &Hit, network: &Network, with_size: bool) -> Item {
    let mut of = json!({
        "name": hit.name,
        "node": hit.node,
        "own": network.is_own(&hit.node),
    });
    if let Some(name) = &hit.node_name {
        of["node_name"] = json!(name);
    }
    if with_size && let Some(size) = hit.size {
        of["size"] = json!(size);
    }
    if let Some(digest) = &hit.digest {
        of["digest"] = json!(digest);
    }
    if let Some(place) = hit.excerpt.as_ref().and_then(Excerpt::place) {
        of["part"] = json!(place);
    }
    Item {
        of: object_of(of),
        lines: hit.excerpt.as_ref().map(lines).unwrap_or_default(),
    }
}

/// Returns the lines of an excerpt, as ripgrep writes them: `12:` what matches, `11-` what is around.
fn lines(excerpt: &Excerpt) -> Vec<String> {
    let mark = excerpt.marks.first().map_or(0, |(begin, _)| *begin);
    let text = around(&excerpt.text, usize::try_from(mark).unwrap_or(0));
    let Some(line) = excerpt.line else {
        return vec![text];
    };
    let before = excerpt.before.iter().rev().enumerate().map(|(at, text)| {
        let line = line.saturating_sub(at as u64 + 1);
        format!("{line}-{}", around(text, 0))
    });
    let mut lines: Vec<String> = before.collect();
    lines.reverse();
    lines.push(format!("{line}:{text}"));
    let after = excerpt.after.iter().enumerate().map(|(at, text)| {
        let line = line.saturating_add(at as u64 + 1);
        format!("{line}-{}", around(text, 0))
    });
    lines.extend(after);
    lines
}

/// Returns a part of a long line around byte `mark`, and a short line whole.
fn around(text: &str, mark: usize) -> String {
    let text = text.trim_end_matches(['\n', '\r']);
    if text.chars().count() <= TEXT_MAX {
        return text.to_owned();
    }
    let before = text.char_indices().take_while(|(at, _)| *at < mark).count();
    let skip = before.saturating_sub(BEFORE);
    let part: String = text.chars().skip(skip).take(TEXT_MAX).collect();
    let begin = if skip > 0 { "…" } else { "" };
    let is_end = skip + TEXT_MAX >= text.chars().count();
    format!("{begin}{part}{}", if is_end { "" } else { "…" })
}

/// Returns what an answer says about itself.
fn about(answer: &SearchAnswer) -> Map<String, Value> {
    let silent: Vec<&TraceStep> = (answer.trace.iter())
        .filter(|step| !matches!(step.end, SearchEnd::Complete | SearchEnd::Limit))
        .collect();
    let is_complete = answer.end == SearchEnd::Complete
        && answer.timed_out == 0
        && answer.unreachable == 0
        && silent.is_empty();
    let mut about = json!({
        "asked": answer.asked,
        "answered": answer.answered,
        "complete": is_complete,
    });
    if !is_complete {
        about["end"] = json!(answer.end);
    }
    if answer.end == SearchEnd::Limit {
        about["note"] = json!("more may match: narrow it, or raise limit");
    }
    if !silent.is_empty() {
        let named = silent.iter().take(NAMED_MAX);
        let named = named.map(|step| json!({ "node": begin(&step.node), "why": step.end }));
        about["no_answer"] = named.collect();
        let more = silent.len().saturating_sub(NAMED_MAX);
        if more > 0 {
            about["no_answer_more"] = json!(more);
        }
    }
    if answer.unreachable > 0 {
        about["unreachable"] = json!(answer.unreachable);
    }
    if !answer.gaps.is_empty() {
        let named = answer.gaps.iter().take(NAMED_MAX).map(|gap| {
            let name = gap.name.as_deref().unwrap_or("some files");
            json!({ "name": begin(name), "why": gap.reason })
        });
        about["not_read"] = named.collect();
    }
    object_of(about)
}

fn begin(text: &str) -> String {
    text.chars().take(NAME_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(arguments: Value) -> GrepArguments {
        serde_json::from_value(arguments).unwrap()
    }

    #[test]
    fn a_pattern_becomes_a_query() {
        for (arguments, expected) in [
            (json!({ "pattern": "fn \"a\\b" }), r#"grep:"fn \"a\\b""#),
            (
                json!({ "pattern": "a[0]", "fixed": true, "ignore_case": true }),
                r#"grep:"(?i)a\\[0\\]""#,
            ),
            (
                json!({ "pattern": "a", "filters": "ext:rs  after:7d", "context": 2 }),
                r#"grep:"a" context:2 ext:rs after:7d"#,
            ),
        ] {
            assert_eq!(grep_query(&asked(arguments)).unwrap(), expected);
        }
        for wrong in [
            json!({}),
            json!({ "pattern": "" }),
            json!({ "pattern": "a", "context": 11 }),
            json!({ "pattern": "a", "filters": "x" }),
            json!({ "pattern": "a", "filters": "ext:rs text:b" }),
        ] {
            assert_eq!(grep_query(&asked(wrong)).unwrap_err().exit_code(), 2);
        }
    }

    #[test]
    fn lines_around_a_hit_have_their_numbers() {
        let excerpt = Excerpt {
            text: "hit\n".to_owned(),
            line: Some(5),
            before: vec!["three".to_owned(), "four".to_owned()],
            after: vec!["six".to_owned()],
            ..Excerpt::default()
        };
        assert_eq!(lines(&excerpt), ["3-three", "4-four", "5:hit", "6-six"]);
    }

    #[test]
    fn a_long_line_is_shown_around_what_matches() {
        let long = format!("{}MATCH{}", "é".repeat(500), "x".repeat(500));
        let part = around(&long, 1_000);
        assert!(part.contains("MATCH") && part.starts_with('…') && part.ends_with('…'));
        assert!(part.chars().count() <= TEXT_MAX + 2);
        assert_eq!(around("short\r\n", 3), "short");
        assert!(around(&long, 999).contains("MATCH"), "inside a character");
    }
}
