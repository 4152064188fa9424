//! The commands, one file each.
//!
//! A command takes what was said, calls the node, and writes the result. It neither finds the node nor decides what
//! an error means.

pub(crate) mod ask;
pub(crate) mod cache;
pub(crate) mod call;
pub(crate) mod cat;
pub(crate) mod complete;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod fetch;
pub(crate) mod grep;
pub(crate) mod group;
pub(crate) mod hello;
pub(crate) mod invite;
pub(crate) mod log_level;
pub(crate) mod ls;
pub(crate) mod man;
pub(crate) mod mcp;
pub(crate) mod peers;
pub(crate) mod plugin;
pub(crate) mod renew_secret;
pub(crate) mod rescan;
pub(crate) mod run;
pub(crate) mod search;
pub(crate) mod share;
pub(crate) mod shell;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod token;
pub(crate) mod transfers;
pub(crate) mod ui;
#[cfg(feature = "embedded")]
pub(crate) mod up;
mod watch;
pub(crate) mod welcome;

use std::path::PathBuf;

use node_base::home::expanded;
use tokio::runtime::Handle;

use crate::{
    cli::{Command, GlobalArgs},
    connection::{Connection, Login, default_state},
    error::CtlError,
    output::{ColorWhen, Output},
    patience::Patience,
};

/// Carries out a command: one that was given to `ctl`, or one that was typed in its shell. Blocks.
pub(crate) fn execute(
    command: Command,
    context: &Context,
    runtime: &Handle,
) -> Result<(), CtlError> {
    match command {
        Command::Fetch(args) => runtime.block_on(fetch::run(args, context)),
        Command::Cat(args) => runtime.block_on(cat::run(args, context)),
        Command::Transfers(args) => runtime.block_on(transfers::run(args.action, context)),
        Command::Search(args) => runtime.block_on(search::run(args, context)),
        Command::Watch(args) => runtime.block_on(watch::run(args, context)),
        Command::Grep(args) => runtime.block_on(grep::run(args, context)),
        Command::Hello(args) => runtime.block_on(hello::run(args, context)),
        Command::Invite(_) => runtime.block_on(invite::run(context)),
        Command::Peers(args) => runtime.block_on(peers::run(args.action, context)),
        Command::Group(args) => runtime.block_on(group::run(args.action, context)),
        Command::Ls(args) => runtime.block_on(ls::run(args, context)),
        Command::Rescan(args) => runtime.block_on(rescan::run(args, context)),
        Command::Status(args) => runtime.block_on(status::run(args, context)),
        Command::Doctor(_) => runtime.block_on(doctor::run(context)),
        Command::LogLevel(args) => runtime.block_on(log_level::run(args, context)),
        Command::Token(args) => runtime.block_on(token::run(args.action, context)),
        Command::Share(args) => runtime.block_on(share::run(args.action, context)),
        Command::Ask(args) => runtime.block_on(ask::run(args, context)),
        Command::Stop(_) => runtime.block_on(stop::run(context)),
        Command::RenewSecret(_) => runtime.block_on(renew_secret::run(context)),
        Command::Events(args) => runtime.block_on(events::run(args, context)),
        Command::Cache(args) => runtime.block_on(cache::run(args.action, context)),
        Command::Plugin(args) => runtime.block_on(plugin::run(args.action, context)),
        Command::Ui(args) => runtime.block_on(ui::run(args, context)),
        Command::Mcp(args) => runtime.block_on(mcp::run(args, context)),
        Command::Call(args) => runtime.block_on(call::run(args, context)),
        Command::Run(args) => run::run(args, context, runtime),
        Command::Shell(args) => shell::run(&args, context, runtime),
        Command::Completions(args) => completions::run(&args, context.output),
        Command::Complete(args) => complete::run(&args, context, runtime),
        Command::Man(args) => man::run(&args),
        #[cfg(feature = "embedded")]
        Command::Up(_) => Err(CtlError::usage(
            "up is a program of its own: type `ctl up` in another terminal",
        )),
    }
}

/// The options about the node that a line of the shell has itself, and not the environment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Typed {
    pub(crate) state: bool,
    pub(crate) token_file: bool,
}

/// The context of every command.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    state: Option<PathBuf>,
    token_file: Option<PathBuf>,
    pub(crate) output: Output,
    pub(crate) patience: Patience,
    /// True if it runs at the prompt of the shell, whose standard output is that of the chapter's client.
    pub(crate) at_prompt: bool,
}

impl Context {
    /// Creates the context that the options of every command describe.
    pub(crate) fn new(global: &GlobalArgs, patience: Patience) -> Context {
        Context {
            state: global.state.clone(),
            token_file: global.token_file.clone(),
            output: global.output(),
            patience,
            at_prompt: false,
        }
    }

    /// Returns the state directory of the owner's node.
    pub(crate) fn state(&self) -> Result<PathBuf, CtlError> {
        if let Some(given) = &self.state {
            return expanded(given).map_err(|error| CtlError::usage(error.to_string()));
        }
        #[cfg(feature = "embedded")]
        {
            let configured = node::settings::configured_state();
            let configured = configured.map_err(|error| CtlError::usage(error.to_string()))?;
            if let Some(state) = configured {
                return Ok(state);
            }
        }
        default_state()
    }

    /// Connects to the owner's node.
    pub(crate) fn connect(&self) -> Result<Connection, CtlError> {
        Connection::find(&self.login()?)
    }

    /// Returns the node to talk to, and the right to show there.
    pub(crate) fn login(&self) -> Result<Login, CtlError> {
        let token_file = self.token_file.as_deref().map(expanded).transpose();
        Ok(Login {
            state: self.state()?,
            token_file: token_file.map_err(|error| CtlError::usage(error.to_string()))?,
        })
    }

    /// Returns the state directory, if one was given.
    #[cfg(feature = "embedded")]
    pub(crate) fn given_state(&self) -> Option<PathBuf> {
        self.state.clone()
    }

    /// Returns the same context for the owner of a node with another state directory.
    #[cfg(feature = "embedded")]
    pub(crate) fn at(&self, state: &std::path::Path) -> Context {
        Context {
            state: Some(state.to_owned()),
            token_file: None,
            ..self.clone()
        }
    }

    /// Returns the same context with the options of one line of the shell.
    pub(crate) fn with_options(&self, global: &GlobalArgs, typed: Typed) -> Context {
        let given = global.output();
        let mut context = self.with_patience(self.patience.clone().with_timeout(global.timeout));
        if global.json {
            context.output.format = given.format;
        }
        if global.quiet {
            context.output.verbosity = given.verbosity;
        }
        if global.color != ColorWhen::Auto {
            context.output.color = global.color;
        }
        if typed.state {
            context.state.clone_from(&global.state);
        }
        if typed.token_file {
            context.token_file.clone_from(&global.token_file);
        }
        context
    }

    /// Waits for work that writes results as they come: no longer than patience lasts, and than somebody reads them.
    pub(crate) async fn while_read<T>(
        &self,
        work: impl Future<Output = Result<T, CtlError>>,
    ) -> Result<T, CtlError> {
        tokio::select! {
            done = self.patience.bound(work) => done,
            () = Output::closed() => Err(CtlError::OutputClosed),
        }
    }

    /// Returns the same context with other patience.
    pub(crate) fn with_patience(&self, patience: Patience) -> Context {
        Context {
            patience,
            ..self.clone()
        }
    }
}
