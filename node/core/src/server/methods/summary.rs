//! `sixhop.summary(struct)`: the summary of this node, in few bytes.
//!
//! With a version that the caller has, the answer waits for another one, and tells of
//! the filters only what changed.
//!
//! # What the policy hides
//! With a policy that guards content or queries, each asker gets a summary of the names that
//! it may have and may ask for, with the request not to pass it on. One summary serves an
//! audience: all askers whom the policy cannot tell apart. If there are more than
//! [`SHARED_MAX`] files, or [`GUARDED_MAX`] for a policy that tells single nodes apart, or the
//! policy cannot decide on all of them in time, there are no filters: then nobody is kept from asking.

use std::{sync::Arc, time::Duration};

use node_wire::{
    Filter, Near, Summarize, Summary, Told, Value,
    filter::hash,
    limits::{FIND_PEERS_MAX, SUMMARY_HANDLERS_MAX, SUMMARY_TEXT_MAX},
};
use plugin_api::{Flow, Policy};
use tokio::time::timeout_at;

use super::find::{long, name_peers};
use crate::{
    clock::now,
    server::{
        Context,
        answer::{Answer, Answered},
        policy::{Asker, Audience, FileAsked},
        rpc::Caller,
        summary::{Filters, Gathered},
    },
};

/// Most files of a summary that a policy decides on for single nodes.
const GUARDED_MAX: usize = 500;

/// Most files of a summary that a policy decides on for all of an audience.
const SHARED_MAX: usize = 20_000;

/// The interval at which a waiting caller has the unfiltered rest checked again.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A summary without its own filters, and these.
struct Made {
    summary: Summary,
    filters: Arc<Filters>,
}

pub(super) async fn answer(context: &Arc<Context>, caller: &Caller, params: &[Value]) -> Answered {
    context.counters.summaries_received.one();
    let wanted = Summarize::from_params(params)?;
    let asker = Asker::at(caller.remote);
    let until = now() + Duration::from_millis(wanted.wait.into());
    let mut changes = context.summary.follow();
    let place = context.summary.place_to_wait();
    loop {
        changes.mark_unchanged();
        let made = make(context, &asker, wanted.in_full).await?;
        let is_same = wanted.version.as_ref() == Some(&made.summary.version);
        if !is_same {
            return Ok(Answer::Value(made.told(context, &wanted).to_value()));
        }
        if place.is_none() || now() >= until || context.summary.is_closed() {
            let same = Summary {
                version: made.summary.version,
                is_same: true,
                ..Summary::default()
            };
            return Ok(Answer::Value(same.to_value()));
        }
        // To ask a policy about everything takes time.
        let look = if made.summary.is_public {
            until.min(now() + LOOK_EVERY)
        } else {
            until
        };
        // Whatever ends the wait: the summary is made again.
        let _ = timeout_at(look.into(), changes.changed()).await;
    }
}

/// Returns the summary for an asker, with whole filters.
async fn make(
    context: &Arc<Context>,
    asker: &Asker,
    in_full: bool,
) -> Result<Made, node_wire::Fault> {
    let is_public = !context.policy.guards_fetch() && !context.policy.guards_query();
    let (number, filters) = if is_public {
        context.summary.now()
    } else {
        (0, guarded(context, asker).await?)
    };
    let mut found = node_wire::Found::default();
    name_peers(context, &mut found, &[]);
    let mut summary = Summary {
        handlers: handlers(context, asker).await,
        peers: found.peers,
        nodes: found.nodes,
        has_digests: filters.has_digests,
        is_public,
        ..Summary::default()
    };
    if in_full {
        for (peer, files) in context.overlay.near().into_iter().take(FIND_PEERS_MAX) {
            if let Some(id) = context.overlay.id_at(&peer) {
                summary.nodes.add(&peer, id);
            }
            summary.near.push(Near {
                peer: peer.as_str().to_owned(),
                files,
            });
        }
    }
    let own = [&filters.files, &filters.grams];
    let own = own.into_iter().filter(|_| !is_public).flatten();
    let rest = of_rest(&summary, own);
    let run = context.summary.run;
    summary.version = format!("{run:016x}.{number}.{rest:016x}");
    Ok(Made { summary, filters })
}

impl Made {
    /// Returns the part of the summary that a caller with the given version lacks.
    fn told(self, context: &Context, wanted: &Summarize) -> Summary {
        let known = wanted.version.as_deref().and_then(|version| {
            let (run, rest) = version.split_once('.')?;
            let (number, _) = rest.split_once('.')?;
            let is_ours = u64::from_str_radix(run, 16) == Ok(context.summary.run);
            number.parse::<u64>().ok().filter(|_| is_ours)
        });
        let known = known.filter(|_| self.summary.is_public);
        let before = known.and_then(|number| context.summary.before(number));
        let before = before.as_deref();
        let tell = |new: &Option<Filter>, old: Option<&Filter>| {
            let new = new.as_ref()?;
            let change = old.and_then(|old| old.change_to(new));
            Some(match change {
                Some(change) => Told::Change(new.keys(), change),
                None => Told::Whole(new.clone()),
            })
        };
        let files = before.and_then(|before| before.files.as_ref());
        let grams = before.and_then(|before| before.grams.as_ref());
        Summary {
            files: tell(&self.filters.files, files),
            grams: if wanted.in_full {
                tell(&self.filters.grams, grams)
            } else {
                None
            },
            ..self.summary
        }
    }
}

/// Returns a number for everything that is not in the numbered filters.
fn of_rest<'a>(summary: &Summary, own: impl Iterator<Item = &'a Filter>) -> u64 {
    let near = summary.near.iter();
    let near = near.map(|near| (&near.peer, near.files.fingerprint()));
    let near: Vec<_> = near.collect();
    let own: Vec<_> = own.map(Filter::fingerprint).collect();
    hash(&format!(
        "{:?} {:?} {:?} {near:?} {own:?} {}",
        summary.handlers, summary.peers, summary.nodes, summary.has_digests
    ))
}

/// Returns the handlers that the asker may ask.
async fn handlers(context: &Arc<Context>, asker: &Asker) -> Vec<String> {
    let mut names = context.handlers.names();
    names.retain(|name| name.len() <= SUMMARY_TEXT_MAX);
    names.truncate(SUMMARY_HANDLERS_MAX);
    let asked = names.iter().map(|name| (name.clone(), String::new()));
    let allowed = context.policy.would_answer(asker, asked.collect()).await;
    let names = names.into_iter().zip(allowed);
    names
        .filter_map(|(name, is_allowed)| is_allowed.then_some(name))
        .collect()
}

/// Returns the filters of the files that the asker may have: those of its audience, if they
/// are kept.
async fn guarded(context: &Arc<Context>, asker: &Asker) -> Result<Arc<Filters>, node_wire::Fault> {
    let Some((policy, audience)) = context.policy.audience(asker) else {
        return Ok(Arc::default());
    };
    let is_shared = audience.is_shared();
    if let Some(filters) = kept(context, &audience, &policy) {
        return Ok(filters);
    }
    // Others of the audience wait, and find what was made; it is made even if nobody waits.
    let turn = if is_shared {
        Some(
            Arc::clone(&context.summary.audiences.turn)
                .lock_owned()
                .await,
        )
    } else {
        None
    };
    let maker = Arc::clone(context);
    let making = context.keepers.spawn(async move {
        let _turn = turn;
        if let Some(filters) = kept(&maker, &audience, &policy) {
            return Ok(filters);
        }
        let changes = maker.summary.changes();
        let most = if is_shared { SHARED_MAX } else { GUARDED_MAX };
        let made = Arc::new(decided(&maker, &audience.member(), most).await?);
        let filters = Arc::clone(&made);
        maker
            .summary
            .audiences
            .keep(audience, policy, changes, made);
        Ok(filters)
    });
    making
        .await
        .unwrap_or_else(|_| Err(node_wire::Fault::busy()))
}

fn kept(context: &Context, audience: &Audience, policy: &Arc<dyn Policy>) -> Option<Arc<Filters>> {
    let changes = context.summary.changes();
    context.summary.audiences.of(audience, policy, changes)
}

/// Has the policy decide on the files, if they are at most so many.
async fn decided(
    context: &Arc<Context>,
    asker: &Asker,
    most: usize,
) -> Result<Filters, node_wire::Fault> {
    let reader = Arc::clone(context);
    let files = long(context, move || names(&reader, most)).await?;
    let Some(files) = files else {
        return Ok(Filters::default());
    };
    let Some(allowed) = context.policy.to_tell(asker, files).await else {
        return Ok(Filters::default());
    };
    let reader = Arc::clone(context);
    long(context, move || {
        let mut gathered = Gathered::default();
        for file in allowed {
            gathered.add(&file.name, reader.digests.known_of(&file.name));
        }
        // Nobody is to learn from a digest that is not there whether a file is.
        Filters {
            has_digests: false,
            ..gathered.filters()
        }
    })
    .await
}

/// Returns the names in the share, if they are known and at most so many.
fn names(context: &Context, most: usize) -> Option<Vec<FileAsked>> {
    if !context.catalogue.is_complete() {
        return None;
    }
    let mut files = Vec::new();
    let seen = context.catalogue.search("", &[], &mut |file| {
        files.push(FileAsked {
            name: file.name.clone(),
            size: Some(file.size),
        });
        if files.len() > most {
            Flow::Stop
        } else {
            Flow::Continue
        }
    });
    (seen.is_ok() && files.len() <= most).then_some(files)
}
