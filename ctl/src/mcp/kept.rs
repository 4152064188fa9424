//! Findings that did not fit into an answer, kept for the next one: all pages are of one look, and together the whole.

use std::{collections::VecDeque, sync::Arc};

use serde_json::{Map, Value};

use super::page::Item;
use crate::error::CtlError;

/// Most findings that are kept.
const FINDINGS_MAX: usize = 16;

/// Most items that are kept, over all findings.
const ITEMS_MAX: usize = 100_000;

/// All that a call found.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    /// Name of its items in answers.
    pub(super) what: &'static str,
    pub(super) items: Vec<Item>,
    /// Facts about all pages, such as the nodes that did not answer.
    pub(super) about: Map<String, Value>,
    /// The name of the last file, if there are more than were gathered.
    pub(super) beyond: Option<String>,
}

/// The findings of which a part was not shown yet. Each has a number.
#[derive(Debug, Default)]
pub(super) struct Kept {
    last: u64,
    findings: VecDeque<(u64, Arc<Finding>)>,
}

impl Kept {
    /// Keeps a finding; the oldest ones make room. Returns its number.
    pub(super) fn keep(&mut self, finding: Arc<Finding>) -> u64 {
        self.last += 1;
        self.findings.push_back((self.last, finding));
        let items = |kept: &Kept| -> usize {
            let items = kept.findings.iter().map(|(_, finding)| finding.items.len());
            items.sum()
        };
        while self.findings.len() > FINDINGS_MAX
            || (self.findings.len() > 1 && items(self) > ITEMS_MAX)
        {
            self.findings.pop_front();
        }
        self.last
    }

    /// Returns the finding of a cursor, its number, and the place in it, which may be behind its items.
    pub(super) fn at(&self, cursor: &str) -> Result<(u64, Arc<Finding>, usize), CtlError> {
        let parts = cursor
            .strip_prefix('k')
            .and_then(|rest| rest.split_once('.'));
        let parts = parts.and_then(|(number, place)| {
            Some((number.parse::<u64>().ok()?, place.parse::<usize>().ok()?))
        });
        let (number, place) =
            parts.ok_or_else(|| CtlError::usage("this is no cursor of an answer"))?;
        let mut findings = self.findings.iter();
        let found = findings.find(|(of, _)| *of == number);
        let (_, finding) = found
            .ok_or_else(|| CtlError::not_found("this cursor is too old; call again without it"))?;
        Ok((number, Arc::clone(finding), place))
    }
}

/// Returns the cursor for a place in a finding.
pub(super) fn cursor(number: u64, place: usize) -> String {
    format!("k{number}.{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(items: usize) -> Arc<Finding> {
        let item = Item {
            of: Map::new(),
            lines: Vec::new(),
        };
        Arc::new(Finding {
            what: "hits",
            items: vec![item; items],
            about: Map::new(),
            beyond: None,
        })
    }

    #[test]
    fn old_findings_make_room() {
        let mut kept = Kept::default();
        let first = kept.keep(finding(1));
        assert_eq!(kept.at(&cursor(first, 7)).unwrap().2, 7);
        for _ in 0..FINDINGS_MAX {
            kept.keep(finding(1));
        }
        assert_eq!(kept.at(&cursor(first, 0)).unwrap_err().exit_code(), 3);
        let large = kept.keep(finding(ITEMS_MAX + 1));
        assert_eq!(
            kept.findings.len(),
            1,
            "the last one is kept, however large"
        );
        assert!(kept.at(&cursor(large, 0)).is_ok());
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in [
            "",
            "k",
            "k1",
            "k1.",
            "k.1",
            "x1.1",
            "k1.-1",
            "k1.1.1",
            "k99999999999999999999.1",
        ] {
            let code = Kept::default().at(text).unwrap_err().exit_code();
            assert_eq!(code, 2, "{text}");
        }
    }
}
