//! The handler `grep:`: the lines that match a regular expression.

mod lines;
mod scan;

use std::{collections::BTreeSet, sync::Arc};

use plugin_api::{
    Asker, Changes, Example, FileInfo, Files, Flow, Gap, GapReason, Handler, HandlerError, Sink,
};

use self::scan::{Scan, Target};
use crate::{
    blocks::{Candidates, Parts},
    limits::{PATTERN_SIZE, STRANGERS_PATTERN_SIZE},
    pattern::{Needs, Pattern},
    state::{Seen, Shared},
};

/// The answer of the index to a pattern.
struct Narrowed {
    /// The parts of files that may match.
    candidates: Candidates,
    /// Texts with a NUL.
    with_nul: BTreeSet<String>,
}

/// The handler `grep:`.
pub struct Grep {
    shared: Arc<Shared>,
}

impl Grep {
    pub(crate) fn new(shared: Arc<Shared>) -> Grep {
        Grep { shared }
    }

    /// Returns what the index says; `None` if it cannot say anything.
    fn narrowed(&self, seen: &Seen, needs: &Needs, sink: &dyn Sink) -> Option<Narrowed> {
        if *needs == Needs::Anything {
            return None;
        }
        let view = seen.view.as_ref()?;
        let candidates = view.candidates(needs, &|| sink.flow() == Flow::Continue);
        match candidates.and_then(|candidates| Ok((candidates, view.with_nul()?))) {
            Ok((candidates, with_nul)) => Some(Narrowed {
                candidates,
                with_nul,
            }),
            Err(error) => {
                self.shared.distrust(&error);
                None
            }
        }
    }

    /// Reports the texts with a NUL that are not looked into: lines behind it would not be found in them either.
    fn report_with_nul(
        &self,
        narrowed: &Narrowed,
        seen: &Seen,
        files: &dyn Files,
        sink: &mut dyn Sink,
    ) -> Result<(), HandlerError> {
        for name in &narrowed.with_nul {
            if narrowed.candidates.parts(name).is_none()
                && let Some(file) = files.known(name)?
                && self.shared.is_indexed(seen, name, file.version)
            {
                sink.partial(Gap::of(name, GapReason::Binary));
            }
        }
        Ok(())
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
        let size = match sink.asker() {
            Asker::Owner => PATTERN_SIZE,
            Asker::Stranger => STRANGERS_PATTERN_SIZE,
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
        let narrowed = is_ours
            .then(|| self.narrowed(&seen, &pattern.needs, sink))
            .flatten();
        if let Some(narrowed) = &narrowed {
            self.report_with_nul(narrowed, &seen, files.as_ref(), sink)?;
        }
        let candidates = narrowed.map(|narrowed| narrowed.candidates);
        // Lines around a match, and the ends of the text, may be outside its block.
        let is_by_block = sink.context_lines() == 0 && pattern.is_of_lines;
        let target = |file: &FileInfo, parts: &Parts| Target {
            parts: if is_by_block {
                parts.of_version(file.version)
            } else {
                Parts::Whole
            },
            file: file.clone(),
        };
        match candidates {
            Some(mut candidates) if seen.is_listed => {
                let waiting = seen.waiting.keys();
                waiting.for_each(|name| candidates.add_whole(name));
                scan.run(sink, &mut |offer| {
                    for (name, parts) in candidates.iter() {
                        if let Some(file) = files.known(name)?
                            && offer(target(&file, parts)) == Flow::Stop
                        {
                            break;
                        }
                    }
                    Ok(())
                })
            }
            Some(candidates) => scan.run(sink, &mut |offer| {
                files.visit(&mut |file| match candidates.parts(&file.name) {
                    Some(parts) => offer(target(file, parts)),
                    None if shared.is_indexed(&seen, &file.name, file.version) => Flow::Continue,
                    None => offer(target(file, &Parts::Whole)),
                })
            }),
            None => scan.run(sink, &mut |offer| {
                files.visit(&mut |file| offer(target(file, &Parts::Whole)))
            }),
        }
    }
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
