//! `ctl watch`: shows what matches a query, now and as it comes.
//!
//! The node keeps the watch and what it has told; this command takes the matches from it. A match counts as taken when it
//! was shown and its command has ended, so that the next `ctl watch` of the same query goes on behind it.

mod program;

use std::time::Duration;

use node_api::{
    error::ErrorCode,
    watch::{Watch, WatchHolder, WatchMatch, WatchState},
};
use serde_json::json;
use tokio::time::sleep;

use self::program::Program;
use super::Context;
use crate::{
    cli::WatchArgs,
    connection::Connection,
    error::CtlError,
    output::{Output, escaped, plural},
};

/// Matches that are taken at a time.
const PAGE: u32 = 100;

/// Seconds that one call waits for matches.
const SECONDS: u32 = 20;

/// Seconds that the first call waits. Then `ctl` says which nodes are asked, and how.
const FIRST_SECONDS: u32 = 2;

/// The pause before a node that does not answer any more is looked for again.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs the command.
pub(crate) async fn run(args: WatchArgs, context: &Context) -> Result<(), CtlError> {
    if args.list {
        return list(context).await;
    }
    if let Some(id) = args.remove {
        return remove(id, context).await;
    }
    let node = context.connect()?;
    let watch = context.patience.bound(begin(&args, &node)).await?;
    let mut follower = Follower {
        watch,
        program: args
            .exec
            .as_deref()
            .map(|text| Program::new(text, context.output.is_json())),
        left: args.count.unwrap_or(u64::MAX),
        seen: 0,
        failed: 0,
        output: context.output,
        node,
    };
    let followed = context.while_read(follower.follow(context)).await;
    follower.taken().await;
    followed?;
    follower.end()
}

/// Has the query stand.
async fn begin(args: &WatchArgs, node: &Connection) -> Result<Watch, CtlError> {
    let watch = node.watch_add(&args.query(), args.new_only).await?;
    if args.fetch && !watch.fetches {
        return node.watch_fetch(watch.id, true).await;
    }
    Ok(watch)
}

/// Takes the matches of a watch.
struct Follower {
    node: Connection,
    watch: Watch,
    program: Option<Program>,
    /// Matches that are still wanted.
    left: u64,
    /// The number of the last match that was shown, 0 if none was.
    seen: u64,
    /// Commands that failed.
    failed: u64,
    output: Output,
}

impl Follower {
    async fn follow(&mut self, context: &Context) -> Result<(), CtlError> {
        let mut seconds = FIRST_SECONDS;
        while self.left > 0 {
            match self.turn(seconds).await {
                Ok(()) => seconds = SECONDS,
                Err(error) if error.code() == ErrorCode::Network => {
                    self.find_again(context, &error).await;
                }
                Err(error) => return Err(error),
            }
            if seconds == SECONDS && self.watch.holders.is_empty() {
                self.tell_reach().await?;
            }
        }
        Ok(())
    }

    /// Takes the next matches, if there are any.
    async fn turn(&mut self, seconds: u32) -> Result<(), CtlError> {
        let most = if self.program.is_some() { 1 } else { PAGE };
        let limit = u32::try_from(self.left).unwrap_or(most).min(most);
        let page = self.node.watch_next(self.watch.id, limit, seconds).await?;
        for found in &page.matches {
            self.show(found)?;
            if let Some(program) = &self.program {
                let ended = program.run(&self.watch.query, found).await;
                if let Err(error) = ended {
                    self.failed += 1;
                    self.output.note(&error.to_string());
                }
            }
            self.seen = found.number;
            self.left = self.left.saturating_sub(1);
        }
        if page.matches.is_empty() && page.full {
            return Err(CtlError::failed(
                "the watch has told of as many files as it can tell apart; remove it, and watch for less",
            ));
        }
        if !page.matches.is_empty() {
            self.node.watch_taken(self.watch.id, self.seen).await?;
        }
        Ok(())
    }

    fn show(&self, found: &WatchMatch) -> Result<(), CtlError> {
        if self.output.is_json() {
            return self.output.record("match", found);
        }
        let hit = &found.hit;
        let size = hit
            .size
            .map_or_else(|| "-".to_owned(), |size| self.output.size(size));
        let node = self.output.node(hit.node_name.as_deref(), &hit.node);
        self.output
            .line(&format!("{}  {size}  {node}", escaped(&hit.name)))?;
        let Some(excerpt) = &hit.excerpt else {
            return Ok(());
        };
        let line = excerpt
            .line
            .map(|line| format!("{line}:"))
            .unwrap_or_default();
        self.output
            .line(&format!("    {line} {}", escaped(excerpt.text.trim())))
    }

    /// Waits until the node answers again, and has the query stand there, if it is another one.
    async fn find_again(&mut self, context: &Context, error: &CtlError) {
        self.output
            .note(&format!("waiting for the node to be back: {error}"));
        loop {
            sleep(PAUSE).await;
            let Ok(node) = context.connect() else {
                continue;
            };
            let again = node.watch_add(&self.watch.query, self.watch.new_only);
            if let Ok(watch) = again.await {
                (self.node, self.watch) = (node, watch);
                return;
            }
        }
    }

    /// Tells once which nodes are asked, and how.
    async fn tell_reach(&mut self) -> Result<(), CtlError> {
        let id = self.watch.id;
        let list = self.node.watches().await?;
        let Some(watch) = list.into_iter().find(|watch| watch.id == id) else {
            return Err(CtlError::not_found(format!("the watch {id} was removed")));
        };
        if self.output.is_json() {
            self.output.record("watch", &watch)?;
        } else {
            reach(&watch).iter().for_each(|line| self.output.note(line));
        }
        self.watch = watch;
        Ok(())
    }

    /// Has the node forget what was shown, also if the command was interrupted before it could say so.
    async fn taken(&self) {
        if self.seen > 0 {
            // Without an answer the last matches are shown again.
            let _ = self.node.watch_taken(self.watch.id, self.seen).await;
        }
    }

    fn end(&self) -> Result<(), CtlError> {
        if self.output.is_json() {
            self.output
                .record("end", &json!({ "watch": self.watch.id, "last": self.seen }))?;
        }
        if self.failed > 0 {
            let failed = plural(self.failed, "command", "commands");
            return Err(CtlError::failed(format!("{failed} failed")));
        }
        Ok(())
    }
}

/// Says which nodes are asked, and how.
fn reach(watch: &Watch) -> Vec<String> {
    let held = watch
        .holders
        .iter()
        .filter(|holder| holder.state == WatchState::Held);
    let mut lines = vec![format!(
        "{} at once of what comes",
        plural(held.count() as u64, "node tells", "nodes tell")
    )];
    let others = watch
        .holders
        .iter()
        .filter(|holder| holder.state != WatchState::Held);
    lines.extend(others.map(other));
    if watch.left_out > 0 {
        let left = plural(watch.left_out, "peer is", "peers are");
        lines.push(format!(
            "{left} not asked: not there, of the chapter, or not met"
        ));
    }
    lines
}

/// Says how a node is asked that does not tell at once.
fn other(holder: &WatchHolder) -> String {
    let node = escaped(holder.node_name.as_deref().unwrap_or(&holder.node));
    let every = holder.every.unwrap_or(1);
    let error = holder.error.as_deref().map(escaped).unwrap_or_default();
    match holder.state {
        WatchState::Held => format!("{node} tells at once"),
        WatchState::Asked => format!("{node} cannot hold a watch and is asked again in {every} s"),
        WatchState::Failing => format!("{node} is asked again in {every} s: {error}"),
        WatchState::Dropped => format!("{node} is not asked any more: {error}"),
    }
}

async fn list(context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let watches = context.patience.bound(node.watches()).await?;
    let output = context.output;
    if output.is_json() {
        return output.json(&json!({ "watches": watches }));
    }
    let rows: Vec<_> = watches.iter().map(row).collect();
    output.table(&["id", "query", "told", "not taken", "nodes", ""], &rows)?;
    if watches.is_empty() {
        output.note("no query stands; `ctl watch QUERY` begins one");
    }
    Ok(())
}

fn row(watch: &Watch) -> Vec<String> {
    let held = watch
        .holders
        .iter()
        .filter(|holder| holder.state == WatchState::Held);
    let kind = match (watch.fetches, watch.new_only, watch.full) {
        (_, _, true) => "full",
        (true, ..) => "fetches",
        (_, true, _) => "new only",
        _ => "",
    };
    vec![
        watch.id.to_string(),
        watch.query.clone(),
        watch.matches.to_string(),
        watch.waiting.to_string(),
        format!("{} of {}", held.count(), watch.holders.len()),
        kind.to_owned(),
    ]
}

async fn remove(id: u64, context: &Context) -> Result<(), CtlError> {
    let node = context.connect()?;
    let removed = context.patience.bound(async {
        let watches = node.watches().await?;
        if watches.iter().any(|watch| watch.id == id && watch.fetches) {
            node.watch_fetch(id, false).await?;
        }
        node.watch_remove(id).await
    });
    let removed = removed.await?;
    if context.output.is_json() {
        return context.output.json(&json!({ "removed": removed }));
    }
    if !removed {
        return Err(CtlError::not_found(format!(
            "there is no watch {id}; `ctl watch --list` lists them"
        )));
    }
    context.output.line(&format!("the watch {id} has ended"))
}
