//! `ctl mcp`: the tools of the node for programs that act for people.

use std::{
    io::{IsTerminal, stdin},
    path::Path,
};

use node_api::{error::ErrorCode, level::Level};
use serde_json::json;
use tokio::io::BufReader;

use super::{
    Context,
    token::{self, NewToken},
};
use crate::{
    cli::{McpAction, McpArgs},
    connection::{Connection, Login},
    error::CtlError,
    mcp::{
        self, Tools,
        install::{self, Client, SKILL},
    },
};

/// Runs the command.
pub(crate) async fn run(args: McpArgs, context: &Context) -> Result<(), CtlError> {
    match args.action {
        None => serve(args.allow_fetch, context).await,
        Some(McpAction::Install { client }) => {
            enter(client.client(), args.allow_fetch, context).await
        }
        Some(McpAction::Skill) => context.output.lines(SKILL.trim_end()),
    }
}

async fn serve(allows_fetch: bool, context: &Context) -> Result<(), CtlError> {
    if stdin().is_terminal() {
        let text = "this speaks with programs, by lines of JSON; `ctl mcp install claude` tells one about it";
        context.output.note(text);
    }
    let tools = Tools::new(context.login()?, allows_fetch);
    let input = BufReader::new(tokio::io::stdin());
    let serving = mcp::serve(input, tokio::io::stdout(), tools);
    match context.patience.bound(serving).await {
        Err(CtlError::Interrupted) => Ok(()), // the way to end it
        ended => ended,
    }
}

/// Gives a client a token and an entry in its configuration.
async fn enter(client: Client, allows_fetch: bool, context: &Context) -> Result<(), CtlError> {
    let login = context.login()?;
    let file = install::token_file(client)?;
    let may = if allows_fetch {
        Level::Fetch
    } else {
        Level::Read
    };
    let new = NewToken {
        name: client.name(),
        may,
        expires: None,
    };
    give_token(&new, &file, &login, context).await?;
    let command = install::command(&login.state, &file, allows_fetch)?;
    client.enter(&command)?;
    let name = client.name();
    if context.output.is_json() {
        let entry = json!({ "client": name, "token": name, "file": file, "command": command });
        return context.output.json(&entry);
    }
    context.output.line(&format!(
        "{name} has the tools of this node; `ctl token rm {name}` takes the right back"
    ))
}

/// Makes the token of a client and its file, unless they are there.
async fn give_token(
    new: &NewToken<'_>,
    file: &Path,
    login: &Login,
    context: &Context,
) -> Result<(), CtlError> {
    let node = context.connect()?;
    let tokens = context.patience.bound(node.tokens()).await?;
    let there = tokens
        .iter()
        .find(|token| token.name == new.name && !token.expired);
    let name = new.name;
    match there {
        Some(token) if token.may != new.may => {
            return Err(CtlError::usage(format!(
                "the token {name} may {}; remove it with `ctl token rm {name}`, and run this again",
                token.may.name()
            )));
        }
        Some(_) => {
            let of_client = Login {
                token_file: Some(file.to_owned()),
                ..login.clone()
            };
            let works = async { Connection::find(&of_client)?.status().await };
            return context.patience.bound(works).await.map(drop).map_err(|error| {
                match error.code() {
                    ErrorCode::Denied | ErrorCode::NotFound => CtlError::usage(format!(
                        "there is a token {name}, and its text is not in {}; remove it with `ctl token rm {name}`, and run this again",
                        file.display()
                    )),
                    _ => error,
                }
            });
        }
        None => {}
    }
    install::forget(file)?;
    let text = token::generate()?;
    token::write(file, &text)?;
    token::make(new, &text, context).await.map(drop)
}
