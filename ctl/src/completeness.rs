//! The completeness of the answer to a search, in words.

use node_api::search::{GapReason, SearchAnswer, SearchEnd, SearchGap, TraceStep};
use serde_json::{Value, json};

use crate::{
    error::CtlError,
    output::{Output, escaped, plural},
};

/// Shows each node that was asked, if that is wanted, and the completeness of the answer.
pub(crate) fn tell(output: Output, answer: &SearchAnswer, trace: Trace) {
    if trace == Trace::Show {
        for step in &answer.trace {
            output.note(&way(step));
        }
    }
    output.note(&line(answer));
}

/// Returns the last line of a stream of hits: how complete they are, and the trace if it is wanted.
pub(crate) fn end(answer: &SearchAnswer, trace: Trace) -> Value {
    let mut end = json!(answer);
    if let Value::Object(members) = &mut end {
        members.remove("hits");
        if trace == Trace::Hide {
            members.remove("trace");
        }
    }
    end
}

/// The choice to list each node that was asked, or not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Trace {
    Show,
    Hide,
}

impl Trace {
    /// Returns the choice of `--trace`.
    pub(crate) fn wanted(given: bool) -> Trace {
        if given { Trace::Show } else { Trace::Hide }
    }
}

/// Returns the meaning of an answer without hits: there is nothing, or nobody knows.
pub(crate) fn nothing(answer: &SearchAnswer, what: &str) -> CtlError {
    let away = away(answer.unreachable);
    let why = match answer.end {
        SearchEnd::Partial => {
            let why = uncovered(answer);
            return CtlError::incomplete(format!("{what}, but {why}"));
        }
        SearchEnd::Failed => "not every node could answer",
        SearchEnd::Deadline => "the time was up",
        SearchEnd::Complete | SearchEnd::Limit | SearchEnd::Budget
            if answer.answered < answer.asked =>
        {
            "not every node answered"
        }
        SearchEnd::Complete | SearchEnd::Limit | SearchEnd::Budget if answer.unreachable > 0 => {
            &away
        }
        SearchEnd::Complete | SearchEnd::Limit | SearchEnd::Budget => {
            return CtlError::not_found(what);
        }
    };
    CtlError::incomplete(format!("{what}, but {why}"))
}

/// Describes nodes that cannot be reached.
pub(crate) fn away(unreachable: u32) -> String {
    let nodes = if unreachable == 1 { "node" } else { "nodes" };
    format!("{unreachable} {nodes} that may have it cannot be reached from here")
}

fn way(step: &TraceStep) -> String {
    let end = json!(step.end);
    let why = json!(step.why);
    let why = match (why.as_str(), &step.named_by) {
        (None, _) => String::new(),
        (Some(why), None) => format!(" ({why})"),
        (Some(why), Some(by)) => {
            let hops = plural(step.hops, "hop", "hops");
            format!(" ({why}, {hops}, by {by})")
        }
    };
    let name = step.node_name.as_ref().map(|name| format!("{name} "));
    format!(
        "{}{}{why} {}: {} in {} ms, {}",
        name.unwrap_or_default(),
        step.node,
        step.handler,
        plural(step.hits, "hit", "hits"),
        step.milliseconds,
        end.as_str().unwrap_or("-")
    )
}

fn line(answer: &SearchAnswer) -> String {
    let mut counts = format!(
        "asked {}, answered {}, timed out {}",
        answer.asked, answer.answered, answer.timed_out
    );
    if answer.passed_over > 0 {
        counts.push_str(&format!(", passed over {}, see --sure", answer.passed_over));
    }
    if answer.unreachable > 0 {
        counts.push_str(&format!(", {}", away(answer.unreachable)));
    }
    if answer.left_chapter_out {
        counts.push_str(", did not ask chapter peers, see --sure");
    }
    match answer.end {
        SearchEnd::Complete => counts,
        SearchEnd::Limit => format!("{counts}; there may be more, see --limit"),
        SearchEnd::Deadline => format!("{counts}; stopped by the deadline"),
        SearchEnd::Budget => format!("{counts}; there are more nodes than a search asks"),
        SearchEnd::Failed => format!("{counts}; failed in part"),
        SearchEnd::Partial => {
            format!("{counts}; {}", uncovered(answer))
        }
    }
}

/// Most names that are said.
const NAMES_MAX: usize = 5;

/// Returns the names of the gaps in an answer.
fn uncovered(answer: &SearchAnswer) -> String {
    if answer.gaps.is_empty() {
        return "some files could not be looked at to their end: they are still being read, cannot be read, or are text that goes on in binary".to_owned();
    }
    let some = answer.gaps.iter().take(NAMES_MAX).map(gap);
    let more = answer.gaps.len().saturating_sub(NAMES_MAX);
    let more = (more > 0).then(|| format!("{more} more"));
    let all: Vec<String> = some.chain(more).collect();
    format!("not looked at to the end: {}", all.join(", "))
}

fn gap(gap: &SearchGap) -> String {
    let why = match gap.reason {
        GapReason::Unread => "not read yet",
        GapReason::Unreadable => "cannot be read now",
        GapReason::Changing => "changes while it is read",
        GapReason::Binary => "text that goes on in binary",
        GapReason::LongLine => "a line is too long",
    };
    match &gap.name {
        Some(name) => format!("{} ({why})", escaped(name)),
        None => format!("some files ({why})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_found_in_a_part_is_not_nothing() {
        let code = |end, answered| {
            let answer = SearchAnswer {
                end,
                answered,
                ..answer()
            };
            nothing(&answer, "nothing").code().exit_code()
        };
        assert_eq!(code(SearchEnd::Complete, 3), 3);
        assert_eq!(code(SearchEnd::Complete, 2), 7);
        assert_eq!(code(SearchEnd::Partial, 3), 7);
        assert_eq!(code(SearchEnd::Deadline, 3), 7);
    }

    fn answer() -> SearchAnswer {
        SearchAnswer {
            hits: Vec::new(),
            end: SearchEnd::Complete,
            asked: 3,
            answered: 2,
            timed_out: 1,
            passed_over: 0,
            left_chapter_out: false,
            unreachable: 0,
            gaps: Vec::new(),
            trace: Vec::new(),
        }
    }

    #[test]
    fn an_answer_names_what_it_does_not_cover() {
        let gap = |name: Option<&str>, reason| SearchGap {
            node: String::new(),
            name: name.map(str::to_owned),
            reason,
        };
        let mut answer = answer();
        answer.end = SearchEnd::Partial;
        answer.gaps = vec![
            gap(Some("big.log"), GapReason::Binary),
            gap(None, GapReason::Unread),
        ];
        let said = line(&answer);
        assert!(
            said.ends_with("big.log (text that goes on in binary), some files (not read yet)"),
            "{said}"
        );
        answer.gaps = vec![gap(Some("a"), GapReason::Unreadable); NAMES_MAX + 2];
        assert!(line(&answer).ends_with(", 2 more"));
    }

    #[test]
    fn an_answer_says_how_complete_it_is() {
        let mut answer = answer();
        assert_eq!(line(&answer), "asked 3, answered 2, timed out 1");
        answer.passed_over = 4;
        assert!(line(&answer).ends_with("passed over 4, see --sure"));
        answer.left_chapter_out = true;
        assert!(line(&answer).ends_with("did not ask chapter peers, see --sure"));
        answer.end = SearchEnd::Budget;
        assert!(line(&answer).ends_with("more nodes than a search asks"));
        answer.end = SearchEnd::Limit;
        assert!(line(&answer).ends_with("see --limit"));
    }
}
