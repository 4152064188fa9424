//! A share in memory, and scripts made of a body.

use std::collections::BTreeMap;
use std::sync::Arc;

use plugin_api::{FileInfo, Files, Flow, Handler, HandlerError, Hit, Sink};
use plugin_script::ScriptHandler;

/// Files by their names.
pub(crate) struct Memory(pub(crate) BTreeMap<String, Vec<u8>>);

pub(crate) struct Found(pub(crate) Vec<Hit>);

impl Files for Memory {
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
        let part = |content: &Vec<u8>| {
            let from = content.len().min(usize::try_from(from).unwrap());
            content[from..content.len().min(from + most)].to_vec()
        };
        Ok(self.0.get(name).map(part))
    }
}

impl Sink for Found {
    fn hit(&mut self, hit: Hit) -> Flow {
        self.0.push(hit);
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

/// Returns a valid header and `code`.
pub(crate) fn source(prefix: &str, version: u32, code: &str) -> String {
    format!(
        "//! id: {prefix}\n//! version: {version}\n//! prefix: {prefix}\n//! description: a test\n//! example: {{\"query\": \"q\", \"files\": {{}}, \"finds\": []}}\n{code}"
    )
}

/// Returns a script whose function `answer` has `body`.
pub(crate) fn script(body: &str) -> ScriptHandler {
    let code = format!("fn answer(query) {{\n{body}\n}}");
    ScriptHandler::compile(&source("test", 1, &code)).unwrap()
}

/// Returns the names that `handler` finds for `query` among `files`.
pub(crate) fn ask(
    handler: &ScriptHandler,
    query: &str,
    files: &[(&str, &[u8])],
) -> Result<Vec<String>, HandlerError> {
    let hits = answer(handler, query, files)?;
    Ok(hits.into_iter().map(|hit| hit.file.name).collect())
}

/// Returns the hits of `handler` among `files`.
pub(crate) fn hits(
    handler: &ScriptHandler,
    files: &[(&str, &[u8])],
) -> Result<Vec<Hit>, HandlerError> {
    answer(handler, "q", files)
}

fn answer(
    handler: &ScriptHandler,
    query: &str,
    files: &[(&str, &[u8])],
) -> Result<Vec<Hit>, HandlerError> {
    let owned = files
        .iter()
        .map(|(name, content)| ((*name).to_owned(), content.to_vec()));
    let files: Arc<dyn Files> = Arc::new(Memory(owned.collect()));
    let mut found = Found(Vec::new());
    handler.answer(query, &files, &mut found)?;
    Ok(found.0)
}
