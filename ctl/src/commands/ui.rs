//! `ctl ui`: a page to look at, in the browser.

use std::io::{IsTerminal, stdin};

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    select,
    signal::unix::{SignalKind, signal},
};

use super::Context;
use crate::{
    cli::UiArgs,
    error::CtlError,
    output::Output,
    ui::{Opening, Served},
};

/// Runs the command, until a signal or the end of the terminal.
pub(crate) async fn run(args: UiArgs, context: &Context) -> Result<(), CtlError> {
    let served = Served::start(context.login()?, args.port).await?;
    let ended = until_ended(&args, context, &served).await;
    served.stop().await;
    match ended {
        Err(CtlError::Interrupted) => Ok(()), // the way to end it
        ended => ended,
    }
}

async fn until_ended(args: &UiArgs, context: &Context, served: &Served) -> Result<(), CtlError> {
    let mut hang_up = signal(SignalKind::hangup())
        .map_err(|error| CtlError::failed(format!("cannot listen for signals: {error}")))?;
    let output = context.output;
    let link = served.link()?;
    show(output, &link)?;
    if !args.no_open && served.open(&link) == Opening::Failed {
        output.note("no browser could be opened; open the address yourself");
    }
    output.note("Ctrl-C ends it.");
    context
        .patience
        .bound(async {
            select! {
                _ = hang_up.recv() => Ok(()),
                shown = new_links(output, served) => shown,
            }
        })
        .await
}

/// Shows a new link whenever Enter is pressed: each one is good for one browser.
async fn new_links(output: Output, served: &Served) -> Result<(), CtlError> {
    if !stdin().is_terminal() {
        return std::future::pending().await;
    }
    output.note("Enter shows an address for another browser.");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(_)) = lines.next_line().await {
        show(output, &served.link()?)?;
    }
    Ok(()) // the end of the terminal
}

fn show(output: Output, link: &str) -> Result<(), CtlError> {
    if output.is_json() {
        return output.json(&json!({ "url": link }));
    }
    output.line(link)
}
