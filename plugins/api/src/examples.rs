//! A test helper: runs a handler's own examples.

use std::{collections::BTreeMap, sync::Arc};

use crate::{FileInfo, Files, Flow, Handler, HandlerError, Hit, Sink};

/// The error of examples that do not hold.
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
        /// The error of the handler.
        error: HandlerError,
    },
    /// The handler found something else than it promises.
    #[error("the example `{text}` finds {found:?} instead of {promised:?}")]
    Different {
        /// The text of the example.
        text: String,
        /// The names that it found.
        found: Vec<String>,
        /// The names that it promises to find.
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
        let files: Arc<dyn Files> = Arc::new(InMemory(example.files.into_iter().collect()));
        let mut found = CollectedNames(Vec::new());
        handler
            .answer(&example.text, &files, &mut found)
            .map_err(|error| ExampleError::Failed {
                text: example.text.clone(),
                error,
            })?;
        if found.0 != example.finds {
            return Err(ExampleError::Different {
                text: example.text,
                found: found.0,
                promised: example.finds,
            });
        }
    }
    Ok(())
}

/// The share of an example.
struct InMemory(BTreeMap<String, Vec<u8>>);

struct CollectedNames(Vec<String>);

impl Files for InMemory {
    fn visit(&self, visit: &mut dyn FnMut(&FileInfo) -> Flow) -> Result<(), HandlerError> {
        for (name, content) in &self.0 {
            if visit(&info(name, content)) == Flow::Stop {
                break;
            }
        }
        Ok(())
    }

    fn file(&self, name: &str) -> Result<Option<FileInfo>, HandlerError> {
        Ok(self.0.get(name).map(|content| info(name, content)))
    }

    fn read(&self, name: &str, from: u64, most: usize) -> Result<Option<Vec<u8>>, HandlerError> {
        Ok(self.0.get(name).map(|content| {
            let from = usize::try_from(from).unwrap_or(usize::MAX);
            let rest = content.get(from..).unwrap_or_default();
            rest[..rest.len().min(most)].to_vec()
        }))
    }
}

impl Sink for CollectedNames {
    fn hit(&mut self, hit: Hit) -> Flow {
        self.0.push(hit.file.name);
        Flow::Continue
    }

    fn flow(&self) -> Flow {
        Flow::Continue
    }
}

fn info(name: &str, content: &[u8]) -> FileInfo {
    FileInfo {
        name: name.to_owned(),
        size: content.len() as u64,
        modified: None,
        version: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Example;

    struct Fixed(Vec<Example>);

    impl Handler for Fixed {
        fn name(&self) -> &str {
            "fixed"
        }

        fn description(&self) -> &str {
            "finds the file of exactly this name"
        }

        fn examples(&self) -> Vec<Example> {
            self.0.clone()
        }

        fn answer(
            &self,
            text: &str,
            files: &Arc<dyn Files>,
            sink: &mut dyn Sink,
        ) -> Result<(), HandlerError> {
            if let Some(file) = files.file(text)? {
                sink.hit(Hit::of(&file));
            }
            Ok(())
        }
    }

    fn promising(finds: &str) -> Fixed {
        let example = Example::of_names("a", "the file a", &["b", "a"], &[finds]);
        Fixed(vec![example])
    }

    #[test]
    fn a_handler_that_keeps_its_promises_passes() {
        check_examples(&promising("a")).unwrap();
    }

    #[test]
    fn a_handler_without_examples_fails() {
        assert!(matches!(
            check_examples(&Fixed(Vec::new())),
            Err(ExampleError::None(_))
        ));
    }

    #[test]
    fn a_handler_that_finds_something_else_fails() {
        assert!(matches!(
            check_examples(&promising("b")),
            Err(ExampleError::Different { .. })
        ));
    }
}
