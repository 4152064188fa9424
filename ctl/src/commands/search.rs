//! `ctl search`: finds files.
//!
//! For a person, hits are shown as they come. Those of the first moment are
//! shown together, so that a file of several nodes near by is one line.

use std::{collections::HashMap, time::Duration};

use node_api::search::{Hit, SearchAnswer, SearchNews};
use tokio::time::{Instant, timeout_at};

use super::Context;
use crate::{
    cli::SearchArgs,
    completeness::{self, Trace},
    connection::{Connection, SearchStream},
    error::CtlError,
    output::{Output, Paint, Painted},
};

/// The time that hits are gathered after the first ones before they are shown.
const GATHER: Duration = Duration::from_millis(250);

/// Runs the command.
pub(crate) async fn run(args: SearchArgs, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let output = context.output;
    let (found, answer) = context
        .while_read(async {
            if output.is_json() {
                let answer = node.search(&args.query(), args.limit, args.reach()).await?;
                for hit in &answer.hits {
                    output.record("hit", hit)?;
                }
                let trace = Trace::wanted(args.trace);
                output.record("end", &completeness::end(&answer, trace))?;
                return Ok((answer.hits.len(), answer));
            }
            show_as_they_come(&args, &node, output).await
        })
        .await?;
    if !output.is_json() {
        completeness::tell(output, &answer, Trace::wanted(args.trace));
    }
    if found == 0 {
        let what = format!("nothing here or at the peers matches {}", args.query());
        return Err(completeness::nothing(&answer, &what));
    }
    Ok(())
}

/// Shows the hits. Says how many there were, and how complete they are.
async fn show_as_they_come(
    args: &SearchArgs,
    node: &Connection,
    output: Output,
) -> Result<(usize, SearchAnswer), CtlError> {
    let mut stream = node
        .search_stream(&args.query(), args.limit, args.reach())
        .await?;
    let mut shown = Shown::default();
    loop {
        let (hits, done) = gathered(&mut stream).await?;
        shown.show(output, &hits)?;
        if let Some(answer) = done {
            return Ok((shown.hits, answer));
        }
    }
}

/// Returns the hits that come next, with those that come soon after them.
async fn gathered(
    stream: &mut SearchStream<'_>,
) -> Result<(Vec<Hit>, Option<SearchAnswer>), CtlError> {
    let mut hits = Vec::new();
    let mut news = stream.next().await?;
    let until = Instant::now() + GATHER;
    loop {
        match news {
            SearchNews::Hits(more) => hits.extend(more),
            SearchNews::Done(answer) => return Ok((hits, Some(answer))),
            SearchNews::Failed(error) => return Err(error.into()),
        }
        match timeout_at(until, stream.next()).await {
            Ok(next) => news = next?,
            Err(_) => return Ok((hits, None)),
        }
    }
}

/// The hits that were shown so far.
#[derive(Default)]
struct Shown {
    hits: usize,
    headed: bool,
    /// True if there were hits with a place in the file.
    mixed: bool,
    /// The file, and where it is, that a person saw last.
    last: Option<(String, String)>,
}

impl Shown {
    fn show(&mut self, output: Output, hits: &[Hit]) -> Result<(), CtlError> {
        if hits.is_empty() {
            return Ok(());
        }
        self.hits += hits.len();
        let found = grouped(hits);
        self.mixed |= hits.iter().any(|hit| hit.excerpt.is_some());
        if self.mixed {
            return found
                .iter()
                .try_for_each(|found| self.show_excerpt(output, found));
        }
        let row = |found: &FileHit<'_>| {
            let size = size(output, found.hit);
            vec![found.hit.name.clone(), size, found.nodes(output)]
        };
        let rows: Vec<_> = found.iter().map(row).collect();
        let head: &[&str] = if self.headed {
            &["", "", ""]
        } else {
            &["name", "size", "node"]
        };
        self.headed = true;
        output.table(head, &rows)
    }

    /// A line for the file, unless it was the last one, and one for the place in it; a file that was found by its name has
    /// none.
    fn show_excerpt(&mut self, output: Output, found: &FileHit<'_>) -> Result<(), CtlError> {
        let hit = found.hit;
        let (size, nodes) = (size(output, hit), found.nodes(output));
        if !output.is_for_a_person() {
            let text = hit.excerpt.as_ref().map_or("", |excerpt| &excerpt.text);
            let row = vec![hit.name.clone(), size, nodes, place(hit), text.to_owned()];
            return output.table(&[], &[row]);
        }
        let file = (hit.name.clone(), nodes);
        if self.last.as_ref() != Some(&file) {
            let details = format!("{size}  {}", file.1);
            for line in Painted::heading(&file.0, &details, output.width()) {
                output.painted(&line)?;
            }
            self.last = Some(file);
        }
        output.painted(&excerpt(hit))
    }
}

/// The part of the document and the number of the line, or what else is known of the place of a hit in its file.
fn place(hit: &Hit) -> String {
    match &hit.excerpt {
        Some(excerpt) => {
            let line = excerpt.line.map(|line| line.to_string());
            let place = excerpt.place().into_iter().chain(line);
            place.collect::<Vec<_>>().join(":")
        }
        None => hit.handler.clone(),
    }
}

/// The excerpt without the space around it, what matches marked.
fn excerpt(hit: &Hit) -> Painted {
    let place = format!("  {:>5}", place(hit));
    let painted = Painted::default().with(Paint::Line, place);
    let Some(excerpt) = &hit.excerpt else {
        return painted;
    };
    let text = excerpt.text.trim_end();
    let cut = text.len() - text.trim_start().len();
    let cut = u64::try_from(cut).unwrap_or(u64::MAX);
    let marks = excerpt.marks.iter();
    let marks: Vec<_> = marks
        .map(|(start, end)| (start.saturating_sub(cut), end.saturating_sub(cut)))
        .collect();
    painted
        .with(Paint::Plain, "  ")
        .with_marks(text.trim_start(), &marks)
}

/// Returns the size, if the node that has it gave it.
fn size(output: Output, hit: &Hit) -> String {
    hit.size
        .map_or_else(|| "-".to_owned(), |size| output.size(size))
}

/// A file, and how many nodes have it beside the first.
struct FileHit<'a> {
    hit: &'a Hit,
    others: usize,
}

impl FileHit<'_> {
    fn nodes(&self, output: Output) -> String {
        let node = output.node(self.hit.node_name.as_deref(), &self.hit.node);
        match self.others {
            0 => node,
            others => format!("{node} and {others} more"),
        }
    }
}

/// Returns the hits with those of one name, content and line together, where the first is.
fn grouped(hits: &[Hit]) -> Vec<FileHit<'_>> {
    let (mut found, mut places) = (Vec::<FileHit<'_>>::new(), HashMap::new());
    for hit in hits {
        let excerpt = hit.excerpt.as_ref();
        let line = excerpt.map(|excerpt| (excerpt.place(), excerpt.line));
        let same = (hit.digest.as_ref()).map(|digest| (&hit.name, digest, line.clone()));
        if let Some(place) = same.as_ref().and_then(|same| places.get(same)) {
            let earlier: &mut FileHit<'_> = &mut found[*place];
            earlier.others += 1;
            continue;
        }
        if let Some(same) = same {
            places.insert(same, found.len());
        }
        found.push(FileHit { hit, others: 0 });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_file_at_several_nodes_is_one_line() {
        let hit = |name: &str, digest: Option<&str>, node: &str| Hit {
            name: name.to_owned(),
            size: Some(1),
            modified: None,
            digest: digest.map(str::to_owned),
            node: node.to_owned(),
            node_name: None,
            handler: "name".to_owned(),
            score: None,
            excerpt: None,
        };
        let hits = [
            hit("a", Some("1"), "x"),
            hit("b", None, "x"),
            hit("a", Some("2"), "y"),
            hit("a", Some("1"), "z"),
            hit("b", None, "y"),
        ];
        let lines: Vec<_> = grouped(&hits)
            .iter()
            .map(|found| (found.hit.node.as_str(), found.others))
            .collect();
        assert_eq!(lines, [("x", 1), ("x", 0), ("y", 0), ("y", 0)]);
    }

    #[test]
    fn an_excerpt_is_trimmed_and_its_matches_stay_marked() {
        let mut hit = Hit {
            name: "a".to_owned(),
            size: Some(1),
            modified: None,
            digest: None,
            node: "x".to_owned(),
            node_name: None,
            handler: "text".to_owned(),
            score: None,
            excerpt: Some(node_api::search::Excerpt {
                text: " \ta poem \n".to_owned(),
                marks: vec![(4, 8)],
                line: Some(7),
                ..Default::default()
            }),
        };
        let expected = "\u{1b}[32m      7\u{1b}[0m  a \u{1b}[1;31mpoem\u{1b}[0m";
        assert_eq!(excerpt(&hit).text(true), expected);
        hit.excerpt = None;
        assert_eq!(excerpt(&hit).text(false), "   text");
    }
}
