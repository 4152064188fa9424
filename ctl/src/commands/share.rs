//! `ctl share`: links by which people without Sixhop take files.
//!
//! # Invariants
//! - The text of a link is printed once. The node gets its hash.
//! - A password comes from a file, and the node gets its hash with the text of the link.
#![allow(
    clippy::disallowed_methods,
    reason = "reads the file of a password, and looks where paths lead that the person at the machine gave"
)]

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    path::Path,
};

use node_api::ticket::{NewTicket, Ticket, TicketKind};
use node_base::{home::expanded, link::LinkText, size::shown};
use serde_json::json;

use super::Context;
use crate::{
    cli::{LinkLimits, ShareAction},
    connection::NewLink,
    error::CtlError,
    output::{Output, escaped},
    qr::Qr,
};

/// Longest password, in bytes.
const PASSWORD_MAX: u64 = 200;

/// Runs the command.
pub(crate) async fn run(action: Option<ShareAction>, context: &Context) -> Result<(), CtlError> {
    match action {
        None | Some(ShareAction::Ls) => list(context).await,
        Some(ShareAction::Add { paths, limits }) => add(&paths, &limits, context).await,
        Some(ShareAction::Rm { id }) => remove(id, context).await,
    }
}

async fn add(paths: &[String], limits: &LinkLimits, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let (link, new) = new_link(limits)?;
    let status = context.patience.bound(node.status()).await?;
    let names = paths
        .iter()
        .map(|path| name_of(path, Path::new(&status.share)));
    let names = names.collect::<Result<Vec<_>, CtlError>>()?;
    let added = context
        .patience
        .bound(node.ticket_share(names, new))
        .await?;
    tell(&added, &link, context.output)
}

/// Makes the text of a link, and what the node gets of it.
pub(crate) fn new_link(limits: &LinkLimits) -> Result<(LinkText, NewLink), CtlError> {
    let link = LinkText::generate()
        .map_err(|error| CtlError::failed(format!("the system gives no random bytes: {error}")))?;
    let password = limits
        .password_file
        .as_deref()
        .map(password_in)
        .transpose()?;
    let new = NewLink {
        hash: link.hash().to_string(),
        uses: limits.uses,
        time: limits.expires,
        password: password.map(|password| link.password(&password).to_string()),
    };
    Ok((link, new))
}

/// Prints a link that was added.
pub(crate) fn tell(added: &NewTicket, link: &LinkText, output: Output) -> Result<(), CtlError> {
    let url = format!("{}{}", added.url, link.expose());
    if output.is_json() {
        let mut said = json!({ "ticket": added.ticket, "url": url });
        if let Some(folder) = &added.folder {
            said["folder"] = json!(folder);
        }
        return output.json(&said);
    }
    if let Some(reach) = &added.reach {
        output.note(&escaped(reach));
    }
    output.line(&escaped(&url))?;
    if let Some(blocks) = Qr::of(&url).map(|qr| qr.to_blocks())
        && output.has_room_for(&blocks)
    {
        output.lines(&blocks)?;
    }
    if let Some(folder) = &added.folder {
        output.note(&format!("files go to {}", escaped(folder)));
    }
    output.note(&format!(
        "it is link {}, and is not shown again; `ctl share rm {}` ends it",
        added.ticket.id, added.ticket.id
    ));
    Ok(())
}

/// Returns the password in a file: its first line.
fn password_in(file: &Path) -> Result<String, CtlError> {
    let file = expanded(file).map_err(|error| CtlError::usage(error.to_string()))?;
    let failed = |error| CtlError::file("read", &file, error);
    let opened = File::open(&file).map_err(failed)?;
    let mut line = String::new();
    let mut reader = BufReader::new(opened.take(PASSWORD_MAX + 2));
    reader.read_line(&mut line).map_err(failed)?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() || password.len() as u64 > PASSWORD_MAX {
        return Err(CtlError::usage(format!(
            "{}: the first line is to be a password of 1 to {PASSWORD_MAX} bytes",
            file.display()
        )));
    }
    Ok(password.to_owned())
}

/// Returns the name in the share that was typed, or that a typed path leads to.
fn name_of(typed: &str, share: &Path) -> Result<String, CtlError> {
    let is_path = ["/", "./", "../", "~"]
        .iter()
        .any(|begin| typed.starts_with(begin));
    if !is_path && typed != "." && typed != ".." {
        return Ok(typed.to_owned());
    }
    let path = expanded(Path::new(typed)).map_err(|error| CtlError::usage(error.to_string()))?;
    let found = fs::canonicalize(&path).map_err(|error| CtlError::file("find", &path, error))?;
    let share = fs::canonicalize(share).unwrap_or_else(|_| share.to_owned());
    let inside = found.strip_prefix(&share).ok().and_then(Path::to_str);
    match inside {
        Some("") => Err(CtlError::usage(
            "that is the whole share; name the files and folders in it that the link gives"
                .to_owned(),
        )),
        Some(name) => Ok(name.to_owned()),
        None => Err(CtlError::usage(format!(
            "{} is not in the shared directory {}; put it there first",
            path.display(),
            share.display()
        ))),
    }
}

async fn list(context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let tickets = context.patience.bound(node.tickets()).await?;
    let output = context.output;
    if output.is_json() {
        return output.json(&json!({ "tickets": tickets }));
    }
    let rows: Vec<_> = tickets.iter().map(row).collect();
    output.table(&["id", "files", "used", "running", "ends"], &rows)?;
    if tickets.is_empty() {
        output.note("there is no link; make one with `ctl share add PATH`");
    }
    Ok(())
}

fn row(ticket: &Ticket) -> Vec<String> {
    let names: Vec<String> = ticket.names.iter().map(|name| escaped(name)).collect();
    let names = names.join(", ");
    let files = match ticket.kind {
        TicketKind::Share => names,
        TicketKind::Ask => format!("into {names}, {} so far", shown(ticket.received)),
    };
    let password = if ticket.password {
        ", with a password"
    } else {
        ""
    };
    let uses = ticket
        .uses
        .map_or_else(|| "no limit".to_owned(), |uses| uses.to_string());
    let ends = match (ticket.expired, ticket.expires) {
        (true, _) => "expired".to_owned(),
        (false, expires) => expires.map_or_else(|| "never".to_owned(), crate::output::timestamp),
    };
    vec![
        ticket.id.to_string(),
        format!("{files}{password}"),
        format!("{} of {uses}", ticket.used),
        ticket.running.to_string(),
        ends,
    ]
}

async fn remove(id: u64, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let removed = context.patience.bound(node.ticket_remove(id)).await?;
    if context.output.is_json() {
        return context.output.json(&json!({ "removed": removed }));
    }
    if !removed {
        return Err(CtlError::not_found(format!(
            "there is no link {id}; `ctl share ls` lists the links"
        )));
    }
    context
        .output
        .line(&format!("link {id} gives nothing any more"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_the_shared_directory_is_a_name() {
        let home = tempfile::tempdir().unwrap();
        let share = home.path().join("share");
        fs::create_dir_all(share.join("photos")).unwrap();
        let name = |typed: &Path| name_of(&typed.display().to_string(), &share);
        assert_eq!(name(&share.join("photos")).unwrap(), "photos");
        assert_eq!(name(&share.join("photos/../photos/")).unwrap(), "photos");
        assert_eq!(name(Path::new("no/path at all")).unwrap(), "no/path at all");
        for outside in [home.path(), &share, &share.join("none"), Path::new("..")] {
            assert!(name(outside).is_err(), "{}", outside.display());
        }
    }

    #[test]
    fn a_password_is_the_first_line_of_its_file() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("word");
        for (text, password) in [("open\n", "open"), ("a b\r\nmore\n", "a b")] {
            fs::write(&file, text).unwrap();
            assert_eq!(password_in(&file).unwrap(), password);
        }
        for text in ["", "\nx\n", &"x".repeat(201)] {
            fs::write(&file, text).unwrap();
            assert!(password_in(&file).is_err());
        }
        assert!(password_in(&home.path().join("none")).is_err());
    }
}
