//! The handler `grep:`: the lines that match a regular expression.

mod lines;
mod scan;

use std::{collections::BTreeSet, ops::ControlFlow, sync::Arc};

use plugin_api::{Changes, Example, FileInfo, Files, Flow, Handler, HandlerError, Sink};

use self::scan::Scan;
use crate::{
    limits::{PATTERN_SIZE, STRANGERS_PATTERN_SIZE},
    pattern::{Needs, Pattern},
    state::{Seen, Shared},
};

/// The handler `grep:`.
pub struct Grep {
    shared: Arc<Shared>,
}

impl Grep {
    pub(crate) fn new(shared: Arc<Shared>) -> Grep {
        Grep { shared }
    }

    /// Returns names of files that may match, by the index; `None` if it cannot say.
    fn candidates(&self, seen: &Seen, needs: &Needs, sink: &dyn Sink) -> Option<BTreeSet<String>> {
        if *needs == Needs::Anything {
            return None;
        }
        let mut names = BTreeSet::new();
        let found = seen.view.as_ref()?.candidates(needs, &mut |name| {
            names.insert(name);
            match sink.flow() {
                Flow::Continue => ControlFlow::Continue(()),
                Flow::Stop => ControlFlow::Break(()),
            }
        });
        match found {
            Ok(()) => Some(names),
            Err(error) => {
                self.shared.distrust(&error);
                None
            }
        }
    }
}

impl Handler for Grep {
    fn name(&self) -> &str {
        "grep"
    }

    fn description(&self) -> &str {
        "finds the lines of text files that match a regular expression"
    }

    fn examples(&self) -> Vec<Example> {
        examples()
    }

    fn changed(&self, changes: Changes<'_>) {
        self.shared.changed(changes);
    }

    fn answer(
        &self,
        text: &str,
        files: &Arc<dyn Files>,
        sink: &mut dyn Sink,
    ) -> Result<(), HandlerError> {
        let size = if sink.is_of_stranger() {
            STRANGERS_PATTERN_SIZE
        } else {
            PATTERN_SIZE
        };
        let shared = &self.shared;
        let waits = || sink.flow() == Flow::Continue;
        let Some(_permit) = shared.scans.take_while(&waits) else {
            return Ok(());
        };
        // Compiled with a permit: before, each one that waits would hold its tables.
        let pattern = Pattern::within(text, size)?;
        let scan = Scan {
            files: files.as_ref(),
            matcher: &pattern.matcher,
            context: sink.context_lines(),
            helpers: &shared.helpers,
        };
        let is_ours = files.identity().is_some() && files.identity() == shared.files.identity();
        let seen = shared.seen();
        let names = is_ours
            .then(|| self.candidates(&seen, &pattern.needs, sink))
            .flatten();
        match names {
            Some(names) if seen.is_listed => {
                let waiting = seen.waiting.keys().filter(|name| !names.contains(*name));
                let mut all: Vec<&String> = names.iter().chain(waiting).collect();
                all.sort_unstable();
                scan.run(sink, &mut |offer| named(files.as_ref(), &all, offer))
            }
            Some(names) => scan.run(sink, &mut |offer| {
                files.visit(&mut |file| {
                    let is_there = names.contains(&file.name)
                        || !shared.is_indexed(&seen, &file.name, file.version);
                    if is_there {
                        offer(file.clone())
                    } else {
                        Flow::Continue
                    }
                })
            }),
            None => scan.run(sink, &mut |offer| {
                files.visit(&mut |file| offer(file.clone()))
            }),
        }
    }
}

/// Offers the files of these names.
fn named(
    files: &dyn Files,
    names: &[&String],
    offer: &mut dyn FnMut(FileInfo) -> Flow,
) -> Result<(), HandlerError> {
    for name in names {
        if let Some(file) = files.known(name)?
            && offer(file) == Flow::Stop
        {
            return Ok(());
        }
    }
    Ok(())
}

fn examples() -> Vec<Example> {
    let example = |text: &str, meaning: &str, finds: &[&str]| Example {
        text: text.to_owned(),
        meaning: meaning.to_owned(),
        files: vec![
            ("a.rs".to_owned(), b"fn main() {\n    run();\n}\n".to_vec()),
            (
                "b.rs".to_owned(),
                b"// Runs.\nfn run() {}\nfn rest() {}\n".to_vec(),
            ),
        ],
        finds: finds.iter().map(|name| (*name).to_owned()).collect(),
    };
    vec![
        example(r"fn main\(", "lines with this", &["a.rs"]),
        example(
            r"^fn \w+\(",
            "one hit for each line",
            &["a.rs", "b.rs", "b.rs"],
        ),
        example(
            "(?i)runs?",
            "upper and lower case alike",
            &["a.rs", "b.rs", "b.rs"],
        ),
    ]
}
