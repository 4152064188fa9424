//! `ctl plugin`: lists the handlers of the node and its policy, and checks and tests scripts and programs before they become some.

use std::{fs, path::Path};

use node_api::{
    error::{ApiError, ErrorCode},
    plugin::{Plugin, PluginState},
};
use plugin_api::Handler;
use plugin_host::{Header, Plugin as _};
use plugin_process::Program;
use plugin_script::{POLICY_FILE, SOURCE_MAX, ScriptHandler, ScriptPolicy};
use serde_json::json;

use super::Context;
use crate::{
    cli::PluginAction,
    error::CtlError,
    output::{escaped, plural},
};

/// Runs the command.
pub(crate) async fn run(action: PluginAction, context: &Context) -> Result<(), CtlError> {
    match action {
        PluginAction::Ls => list(context).await,
        PluginAction::Check { files } => each(&files, context, &Candidate::check),
        PluginAction::Test { files } => each(&files, context, &Candidate::test),
    }
}

async fn list(context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let plugins = context.patience.bound(node.plugins()).await?;
    let output = context.output;
    if output.is_json() {
        return output.json(&json!({ "plugins": plugins }));
    }
    let rows: Vec<_> = plugins.iter().map(row).collect();
    output.table(&["prefix", "state", "from", "finds"], &rows)?;
    for plugin in &plugins {
        if let (Some(file), Some(problem)) = (&plugin.file, &plugin.problem) {
            output.line(&escaped(&format!("{file}: {problem}")))?;
        }
    }
    Ok(())
}

fn row(plugin: &Plugin) -> Vec<String> {
    let state = match plugin.state {
        PluginState::Ready => "ready",
        PluginState::Disabled => "disabled",
        PluginState::Broken => "broken",
    };
    let prefix = plugin.prefix.as_ref().map(|prefix| format!("{prefix}:"));
    let from = match (&plugin.file, plugin.version) {
        (None, _) if !plugin.peers.is_empty() => match plugin.peers.as_slice() {
            [peer] => peer.clone(),
            peers => format!("{} peers", peers.len()),
        },
        (Some(file), Some(version)) => format!("{file} (version {version})"),
        (Some(file), None) => file.clone(),
        (None, _) => "built in".to_owned(),
    };
    vec![
        prefix.unwrap_or_else(|| "-".to_owned()),
        state.to_owned(),
        from,
        plugin.description.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}

/// The kind of plugin that a file would be in a plugin directory.
enum Candidate {
    Script(ScriptHandler),
    Program(Box<Program>),
    Policy(ScriptPolicy),
}

/// Does one thing with each file, says how it went, and fails if one did.
fn each(
    files: &[std::path::PathBuf],
    context: &Context,
    work: &dyn Fn(&Candidate) -> Result<String, String>,
) -> Result<(), CtlError> {
    let mut failed = 0;
    for file in files {
        let done = Candidate::read(file).and_then(|candidate| work(&candidate));
        failed += usize::from(done.is_err());
        let shown = file.display().to_string();
        let (ok, text) = match done {
            Ok(text) => (true, text),
            Err(text) => (false, text),
        };
        if context.output.is_json() {
            context
                .output
                .json(&json!({ "file": shown, "ok": ok, "text": text }))?;
        } else {
            context.output.line(&escaped(&format!("{shown}: {text}")))?;
        }
    }
    if failed == 0 {
        return Ok(());
    }
    let files = plural(files.len() as u64, "file", "files");
    let problem = format!("{failed} of {files}: not right");
    Err(ApiError::new(ErrorCode::Failed, problem).into())
}

impl Candidate {
    /// Starts or compiles it.
    fn read(file: &Path) -> Result<Candidate, String> {
        if plugin_process::is_program(file) {
            let started = Program::start(file).map_err(|error| error.to_string());
            return started.map(|program| Candidate::Program(Box::new(program)));
        }
        let source = read(file)?;
        let compiled = if file.file_name().is_some_and(|name| name == POLICY_FILE) {
            ScriptPolicy::compile(&source).map(Candidate::Policy)
        } else {
            ScriptHandler::compile(&source).map(Candidate::Script)
        };
        compiled.map_err(|error| error.to_string())
    }

    fn check(&self) -> Result<String, String> {
        let (does, header) = match self {
            Candidate::Script(script) => ("compiles", script.header()),
            Candidate::Program(program) => ("introduces itself", program.header()),
            Candidate::Policy(policy) => {
                let names: Vec<_> = policy.rules().iter().map(|rule| rule.name()).collect();
                return Ok(format!("compiles; a policy with {}", names.join(", ")));
            }
        };
        let Header {
            id,
            version,
            prefix,
            ..
        } = header;
        Ok(format!(
            "{does}; {id} version {version} would answer `{prefix}:`"
        ))
    }

    fn test(&self) -> Result<String, String> {
        let handler: &dyn Handler = match self {
            Candidate::Script(script) => script,
            Candidate::Program(program) => program.as_ref(),
            Candidate::Policy(policy) => {
                let examples = policy.check_examples().map_err(|error| error.to_string())?;
                return Ok(hold(examples));
            }
        };
        plugin_api::check_examples(handler).map_err(|error| error.to_string())?;
        Ok(hold(handler.examples().len()))
    }
}

fn hold(examples: usize) -> String {
    plural(examples as u64, "example holds", "examples hold")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a script is named by the person at the machine"
)]
fn read(path: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("it cannot be read: {error}");
    if fs::metadata(path).map_err(failed)?.len() > SOURCE_MAX as u64 {
        return Err(format!("it is longer than {SOURCE_MAX} bytes"));
    }
    fs::read_to_string(path).map_err(failed)
}
