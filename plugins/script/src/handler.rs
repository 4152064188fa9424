//! A script that answers queries.

use std::sync::Arc;

use plugin_api::{Asker, Example, Files, Flow, Handler, HandlerError, Sink};
use plugin_host::{Answers, Header, PROBLEM_MAX, Plugin, Strikes};
use rhai::{AST, Dynamic, Scope};

use crate::{ScriptError, background, capability::Call, header, sandbox};

/// The function of a script that is called.
const ANSWER: &str = "answer";

/// A script that compiled.
pub struct ScriptHandler {
    header: Header,
    ast: AST,
    answers: Answers,
    strikes: Strikes,
}

impl ScriptHandler {
    /// Compiles `source`.
    ///
    /// # Errors
    /// [`ScriptError`], with the line where there is one.
    pub fn compile(source: &str) -> Result<ScriptHandler, ScriptError> {
        ScriptHandler::compile_for(source, &Answers::default())
    }

    pub(crate) fn compile_for(
        source: &str,
        answers: &Answers,
    ) -> Result<ScriptHandler, ScriptError> {
        let header = header::parse(source)?;
        let ast = sandbox::compiler()
            .compile(source)
            .map_err(|error| ScriptError::Compile(error.to_string()))?;
        let can_answer = ast
            .iter_functions()
            .any(|function| function.name == ANSWER && function.params.len() == 1);
        if !can_answer {
            return Err(ScriptError::NoAnswer);
        }
        Ok(ScriptHandler {
            strikes: Strikes::new(&header.prefix),
            header,
            ast,
            answers: answers.clone(),
        })
    }

    fn run(&self, text: &str, call: &Arc<Call>, asker: Asker) -> Result<(), HandlerError> {
        let engine = sandbox::build(call);
        let called =
            engine.call_fn::<Dynamic>(&mut Scope::new(), &self.ast, ANSWER, (text.to_owned(),));
        match (called, call.refused()) {
            (_, Some(problem)) => Err(HandlerError::BadQuery {
                text: text.chars().take(80).collect(),
                problem: problem.chars().take(PROBLEM_MAX).collect(),
            }),
            (Err(error), None) => Err(self.strikes.failed_for(asker, &error.to_string())),
            (Ok(_), None) => {
                self.strikes.worked();
                Ok(())
            }
        }
    }
}

impl Handler for ScriptHandler {
    fn name(&self) -> &str {
        &self.header.prefix
    }

    fn description(&self) -> &str {
        &self.header.description
    }

    fn examples(&self) -> Vec<Example> {
        self.header.examples.clone()
    }

    fn answer(
        &self,
        text: &str,
        files: &Arc<dyn Files>,
        sink: &mut dyn Sink,
    ) -> Result<(), HandlerError> {
        let asker = sink.asker();
        let _permit = self.strikes.admit(&self.answers, asker)?;
        let answered = background::run(|| {
            let call = Call::new(files);
            self.run(text, &call, asker).map(|()| call.hits())
        });
        let hits =
            answered.map_err(|error| self.strikes.error(&format!("no thread: {error}")))??;
        for hit in hits {
            if sink.hit(hit) == Flow::Stop {
                break;
            }
        }
        Ok(())
    }
}

impl Plugin for ScriptHandler {
    fn header(&self) -> &Header {
        &self.header
    }

    fn strikes(&self) -> &Strikes {
        &self.strikes
    }
}

impl std::fmt::Debug for ScriptHandler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptHandler")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}
