//! `ctl token`: gives others a right at the node, and takes it back.
//!
//! # Invariants
//! - The text of a token is printed once, or written to a new file that the owner alone can read. The node gets its hash.
#![allow(
    clippy::disallowed_methods,
    reason = "writes to the path that the person at the machine gave, not below a share"
)]

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use node_api::{
    error::{ApiError, ErrorCode},
    level::Level,
    token::Token,
};
use node_base::token::TokenText;
use serde_json::json;

use super::Context;
use crate::{
    cli::TokenAction,
    error::CtlError,
    output::{Output, escaped},
};

/// Permissions of the file of a token.
const PRIVATE: u32 = 0o600;

/// A token to be made.
pub(crate) struct NewToken<'a> {
    pub(crate) name: &'a str,
    pub(crate) may: Level,
    pub(crate) expires: Option<Duration>,
}

/// Runs the command.
pub(crate) async fn run(action: Option<TokenAction>, context: &Context) -> Result<(), CtlError> {
    match action {
        None | Some(TokenAction::Ls) => list(context).await,
        Some(TokenAction::Add {
            name,
            may,
            expires,
            to,
        }) => {
            let new = NewToken {
                name: &name,
                may: may.level(),
                expires,
            };
            add(&new, to, context).await
        }
        Some(TokenAction::Rm { name }) => remove(&name, context).await,
    }
}

async fn list(context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let tokens = context.patience.bound(node.tokens()).await?;
    let output = context.output;
    if output.is_json() {
        return output.json(&json!({ "tokens": tokens }));
    }
    let rows: Vec<_> = tokens.iter().map(|token| row(token, output)).collect();
    output.table(&["name", "may", "last use", "ends"], &rows)?;
    if tokens.is_empty() {
        output.note("there is no token; make one with `ctl token add NAME --may read`");
    }
    Ok(())
}

fn row(token: &Token, output: Output) -> Vec<String> {
    let time = |time: Option<u64>| time.map_or_else(|| "-".to_owned(), |time| output.moment(time));
    let ends = match (token.expired, token.expires) {
        (true, _) => "expired".to_owned(),
        (false, expires) => expires.map_or_else(|| "never".to_owned(), crate::output::timestamp),
    };
    vec![
        token.name.clone(),
        token.may.name().to_owned(),
        time(token.used),
        ends,
    ]
}

async fn add(new: &NewToken<'_>, to: Option<PathBuf>, context: &Context) -> Result<(), CtlError> {
    let output = context.output;
    let text = generate()?;
    if let Some(file) = &to {
        write(file, &text)?;
    }
    let added = make(new, &text, context).await;
    let token = added.inspect_err(|_| {
        if let Some(file) = &to {
            // It is of no use without the node.
            drop(std::fs::remove_file(file));
        }
    })?;
    match (&to, output.is_json()) {
        (Some(file), true) => output.json(&json!({ "token": token, "file": file })),
        (None, true) => output.json(&json!({ "token": token, "text": text.expose() })),
        (Some(file), false) => output.line(&format!(
            "the token {} is in {}",
            escaped(&token.name),
            file.display()
        )),
        (None, false) => {
            output.line(text.expose())?;
            output.note("keep it in a file that you alone can read: it is not shown again");
            Ok(())
        }
    }
}

/// Makes the text of a token.
pub(crate) fn generate() -> Result<TokenText, CtlError> {
    let text = TokenText::generate();
    text.map_err(|error| CtlError::failed(format!("the system gives no random bytes: {error}")))
}

/// Makes the token known to the node.
pub(crate) async fn make(
    new: &NewToken<'_>,
    text: &TokenText,
    context: &Context,
) -> Result<Token, CtlError> {
    let node = context.connect()?;
    let hash = text.hash();
    let added = node.token_add(new.name, new.may, &hash, new.expires);
    context.patience.bound(added).await
}

/// Writes the text of a token to a new file, which its owner alone can read.
pub(crate) fn write(file: &Path, text: &TokenText) -> Result<(), CtlError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(PRIVATE);
    let written = options.open(file).and_then(|mut opened| {
        opened.write_all(format!("{}\n", text.expose()).as_bytes())?;
        opened.sync_all()
    });
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => ApiError::new(
            ErrorCode::Exists,
            format!("{} exists already; give another file", file.display()),
        )
        .into(),
        _ => CtlError::file("write", file, error),
    })
}

async fn remove(name: &str, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let removed = context.patience.bound(node.token_remove(name)).await?;
    if context.output.is_json() {
        return context.output.json(&json!({ "removed": removed }));
    }
    let name = escaped(name);
    if !removed {
        return Err(CtlError::not_found(format!(
            "there is no token {name}; `ctl token ls` lists the tokens"
        )));
    }
    context
        .output
        .line(&format!("the token {name} gives no right any more"))
}
