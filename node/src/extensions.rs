//! Chooses the handlers of a node.
//!
//! `name:`, `text:` and `grep:` are compiled in; the plugin directory adds scripts and programs, and may hold the owner's
//! policy. A new handler in Rust is one line in [`built_in`].

use std::{path::PathBuf, sync::Arc};

use node_base::state::StateDir;
use node_core::handlers::{Extensions, OpenIndex};
use plugin_api::{Handler, Index, PluginDirectory, PolicySource};
use plugin_content::ContentIndex;
use plugin_documents::{Documents, Program};
use plugin_filename::Filename;
use plugin_host::Answers;
use plugin_process::Programs;
use plugin_script::{PolicyFile, Scripts};

/// Directory of the index in the state directory.
const INDEX: &str = "index";

/// Directory of the texts of documents in the state directory.
const DOCUMENTS: &str = "documents";

/// Returns the handlers of every node, and those of the plugin directory if there is one. `reader` reads documents; without
/// one they are files like others.
pub(crate) fn chosen(
    state: &StateDir,
    plugins: Option<PathBuf>,
    reader: Option<Program>,
) -> Extensions {
    let (directories, policy) = plugins.map(of_directory).unzip();
    Extensions {
        handlers: built_in(),
        index: Some(index(state, reader)),
        directories: directories.unwrap_or_default(),
        policy,
    }
}

/// Returns the handlers that keep nothing about files.
fn built_in() -> Vec<Arc<dyn Handler>> {
    vec![
        Arc::new(Filename), // name:
    ]
}

/// Opens the index of `text:` and `grep:`.
fn index(state: &StateDir, reader: Option<Program>) -> OpenIndex {
    let (directory, texts) = (state.file(INDEX), state.file(DOCUMENTS));
    Box::new(move |files, caught_up| {
        let open = |files| {
            let content = ContentIndex::open(directory, files, caught_up)?;
            Ok(Arc::new(content) as Arc<dyn Index>)
        };
        match reader {
            Some(reader) => {
                let documents = Documents::open(&texts, files, reader, open)?;
                Ok(Arc::new(documents) as Arc<dyn Index>)
            }
            None => open(files),
        }
    })
}

/// Follows the scripts, the programs and the policy of the plugin directory.
fn of_directory(directory: PathBuf) -> (Vec<Arc<dyn PluginDirectory>>, Arc<dyn PolicySource>) {
    let answers = Answers::of_machine();
    let scripts = Scripts::new(directory.clone()).with_answers(answers.clone());
    let programs = Programs::new(directory.clone()).with_answers(answers);
    let handlers: Vec<Arc<dyn PluginDirectory>> = vec![Arc::new(scripts), Arc::new(programs)];
    (handlers, Arc::new(PolicyFile::new(directory)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_handlers_are_unique_and_can_be_typed() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(home.path()).unwrap();
        let share: Arc<dyn plugin_api::Files> = Arc::new(Nothing);
        let chosen = chosen(&state, None, None);
        let open = chosen.index.expect("every node has an index");
        let index = open(share, Box::new(|_| ())).unwrap();
        let names: Vec<String> = chosen
            .handlers
            .into_iter()
            .chain(index.handlers())
            .map(|handler| handler.name().to_owned())
            .collect();
        index.stop();
        assert_eq!(names, ["name", "text", "grep"]);
        assert_eq!(names[0], node_wire::query::DEFAULT_HANDLER);
    }

    #[test]
    fn examples_of_built_in_handlers_hold() {
        for handler in built_in() {
            plugin_api::check_examples(handler.as_ref()).unwrap();
        }
    }

    /// A share without files.
    struct Nothing;

    impl plugin_api::Files for Nothing {
        fn visit(
            &self,
            _visit: &mut dyn FnMut(&plugin_api::FileInfo) -> plugin_api::Flow,
        ) -> Result<(), plugin_api::HandlerError> {
            Ok(())
        }

        fn file(
            &self,
            _name: &str,
        ) -> Result<Option<plugin_api::FileInfo>, plugin_api::HandlerError> {
            Ok(None)
        }

        fn read(
            &self,
            _name: &str,
            _from: u64,
            _most: usize,
        ) -> Result<Option<Vec<u8>>, plugin_api::HandlerError> {
            Ok(None)
        }
    }
}
