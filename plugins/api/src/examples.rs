//! A test helper: runs a handler's own examples.

use crate::{FileInfo, Files, Flow, Handler, HandlerError, Sink};

/// Why the examples of a handler do not hold.
#[derive(Debug, thiserror::Error)]
pub enum ExampleError {
    /// A handler without examples explains nothing.
    #[error("the handler `{0}` has no examples")]
    None(String),
    /// The handler refused its own example.
    #[error("the example `{text}` fails: {error}")]
    Failed {
        /// The text of the example.
        text: String,
        /// What the handler said.
        error: HandlerError,
    },
    /// The handler found something else than it promises.
    #[error("the example `{text}` finds {found:?} instead of {promised:?}")]
    Different {
        /// The text of the example.
        text: String,
        /// What it found.
        found: Vec<String>,
        /// What it promises to find.
        promised: Vec<String>,
    },
}

/// Runs all examples of `handler` on shares in memory.
///
/// # Errors
/// The first example that does not hold.
pub fn check_examples(handler: &dyn Handler) -> Result<(), ExampleError> {
    if handler.examples().is_empty() {
        return Err(ExampleError::None(handler.name().to_owned()));
    }
    for example in handler.examples() {
        let files = Names(example.files);
        let mut found = Found(Vec::new());
        handler
            .answer(example.text, &files, &mut found)
            .map_err(|error| ExampleError::Failed {
                text: example.text.to_owned(),
                error,
            })?;
        if found.0 != example.finds {
            return Err(ExampleError::Different {
                text: example.text.to_owned(),
                found: found.0,
                promised: example.finds.iter().map(ToString::to_string).collect(),
            });
        }
    }
    Ok(())
}

struct Names(&'static [&'static str]);

struct Found(Vec<String>);

impl Files for Names {
    fn visit(&self, visit: &mut dyn FnMut(&FileInfo) -> Flow) -> Result<(), HandlerError> {
        let mut names = self.0.to_vec();
        names.sort_unstable();
        for name in names {
            if visit(&info(name)) == Flow::Stop {
                break;
            }
        }
        Ok(())
    }

    fn file(&self, name: &str) -> Result<Option<FileInfo>, HandlerError> {
        Ok(self.0.contains(&name).then(|| info(name)))
    }
}

impl Sink for Found {
    fn hit(&mut self, file: &FileInfo) -> Flow {
        self.0.push(file.name.clone());
        Flow::Continue
    }

    fn flow(&self) -> Flow {
        Flow::Continue
    }
}

fn info(name: &str) -> FileInfo {
    FileInfo {
        name: name.to_owned(),
        size: 0,
        modified: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Example;

    struct Fixed(&'static [Example]);

    impl Handler for Fixed {
        fn name(&self) -> &str {
            "fixed"
        }

        fn description(&self) -> &str {
            "finds the file of exactly this name"
        }

        fn examples(&self) -> &[Example] {
            self.0
        }

        fn answer(
            &self,
            text: &str,
            files: &dyn Files,
            sink: &mut dyn Sink,
        ) -> Result<(), HandlerError> {
            if let Some(file) = files.file(text)? {
                sink.hit(&file);
            }
            Ok(())
        }
    }

    const GOOD: Example = Example {
        text: "a",
        meaning: "the file a",
        files: &["b", "a"],
        finds: &["a"],
    };

    #[test]
    fn a_handler_that_keeps_its_promises_passes() {
        check_examples(&Fixed(&[GOOD])).unwrap();
    }

    #[test]
    fn a_handler_without_examples_fails() {
        assert!(matches!(
            check_examples(&Fixed(&[])),
            Err(ExampleError::None(_))
        ));
    }

    #[test]
    fn a_handler_that_finds_something_else_fails() {
        const BAD: Example = Example {
            finds: &["b"],
            ..GOOD
        };
        assert!(matches!(
            check_examples(&Fixed(&[BAD])),
            Err(ExampleError::Different { .. })
        ));
    }
}
