//! The news of queries that stand: files that changed, or all files, a page at a time.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use node_wire::{
    Fault, FindHit, FoundEnd, ShareName, WatchTold, Watched,
    limits::{FIND_PAGE_MAX, FIND_PAGE_TEXT_MAX},
    query::{self, CONTENTS_HANDLER},
};
use plugin_api::Hit;

use super::{CALM, OwnWatches, journal};
use crate::{
    clock::now,
    events::unix_millis,
    handlers::{self, QueryError, to_find},
    server::{
        Context,
        methods::{digest_of, long},
        policy::{Asker, FileAsked},
    },
    sync::lock,
};

/// Time for the matches of one query.
const TIME: Duration = Duration::from_secs(5);

/// Most files of which a query is answered when everything is looked at.
const FILES_MAX: usize = 200_000;

/// Time for reading files that have no digest yet.
const DIGESTS_TIME: Duration = Duration::from_millis(500);

/// A query that stands, and how far it was told.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    query: String,
    place: Place,
    /// True if the place of the caller was forgotten.
    is_again: bool,
    /// True if the place is another one than the caller knows.
    has_moved: bool,
}

/// A place in the changes of the share.
#[derive(Clone, Debug)]
enum Place {
    /// Nothing was told yet.
    Start,
    /// All files are looked at, and were up to this name; the journal counts from `from` on.
    Looking { from: u64, after: String },
    /// All changes before this one were told.
    At(u64),
}

/// The matches of one look.
struct Matches {
    hits: Vec<Hit>,
    end: FoundEnd,
}

/// The room that is left in one answer.
struct Room {
    hits: usize,
    text: usize,
}

impl Standing {
    /// Reads a query and its place, as the caller sends them.
    pub(super) fn read(watches: &OwnWatches, watched: Watched) -> Standing {
        let place = watched.cursor.as_deref().and_then(|cursor| {
            let (run, at) = cursor.split_once('.')?;
            let is_ours = u64::from_str_radix(run, 16) == Ok(watches.run);
            at.parse().ok().filter(|_| is_ours)
        });
        let is_again = watched.cursor.is_some() && place.is_none();
        Standing {
            query: watched.query,
            place: match (place, watched.after) {
                (None, _) => Place::Start,
                (Some(from), Some(after)) => Place::Looking { from, after },
                (Some(at), None) => Place::At(at),
            },
            is_again,
            has_moved: false,
        }
    }

    /// Returns the place for the next call, if it is another one than that of the last.
    pub(super) fn moved(&self, watches: &OwnWatches, number: usize) -> Option<WatchTold> {
        match self.place {
            Place::At(at) if self.has_moved => Some(WatchTold {
                watch: number,
                cursor: watches.cursor(at),
                ..WatchTold::default()
            }),
            _ => None,
        }
    }

    /// Returns whether there are changes that it was not told of.
    pub(super) fn is_behind(&self, watches: &OwnWatches) -> bool {
        match self.place {
            Place::Start | Place::Looking { .. } => true,
            Place::At(at) => at < lock(&watches.journal).end(),
        }
    }

    /// Takes a look: at what changed, or at the next page of everything. `None` if there is nothing to tell.
    async fn look(
        &mut self,
        context: &Arc<Context>,
        asker: Option<&Asker>,
        room: &mut Room,
    ) -> Result<Option<WatchTold>, Fault> {
        if let Place::At(at) = self.place {
            let changed = lock(&context.watches.journal).since(at, room.hits);
            match changed {
                None => (self.place, self.is_again) = (Place::Start, true),
                Some(changed) if changed.names.is_empty() => return Ok(None),
                Some(changed) => {
                    self.place = Place::At(changed.place);
                    self.has_moved = true;
                    return self.look_at(context, asker, changed.names, room).await;
                }
            }
        }
        self.look_at_all(context, asker, room).await.map(Some)
    }

    /// Tells of changed files that match.
    async fn look_at(
        &self,
        context: &Arc<Context>,
        asker: Option<&Asker>,
        names: BTreeSet<String>,
        room: &mut Room,
    ) -> Result<Option<WatchTold>, Fault> {
        let Some(query) = allowed(context, asker, &self.query).await else {
            return Ok(None);
        };
        let found = matches(context, asker, query, Some(names)).await?;
        let end = found.end;
        let hits = tell_of(context, asker, found.hits, CALM, room).await?;
        if hits.is_empty() && end == FoundEnd::Complete {
            return Ok(None);
        }
        Ok(Some(self.told(context, hits, end)))
    }

    /// Tells of the next page of all files that match.
    async fn look_at_all(
        &mut self,
        context: &Arc<Context>,
        asker: Option<&Asker>,
        room: &mut Room,
    ) -> Result<WatchTold, Fault> {
        let (from, after) = match &self.place {
            Place::Looking { from, after } => (*from, Some(after.clone())),
            Place::Start | Place::At(_) => (lock(&context.watches.journal).end(), None),
        };
        let found = match allowed(context, asker, &self.query).await {
            Some(query) => matches(context, asker, query, None).await?,
            // A refusal sounds like an answer without hits.
            None => Matches {
                hits: Vec::new(),
                end: FoundEnd::Complete,
            },
        };
        let behind = |hit: &Hit| after.as_ref().is_some_and(|after| hit.file.name <= *after);
        let mut hits: Vec<Hit> = found.hits.into_iter().skip_while(behind).collect();
        let is_cut = hits.len() > room.hits;
        hits.truncate(room.hits);
        let last = hits.last().map(|hit| hit.file.name.clone());
        self.place = match last.filter(|_| is_cut) {
            Some(after) => Place::Looking { from, after },
            None => Place::At(from),
        };
        self.has_moved = true;
        let hits = tell_of(context, asker, hits, Duration::ZERO, room).await?;
        Ok(self.told(context, hits, found.end))
    }

    fn told(&self, context: &Context, hits: Vec<FindHit>, end: FoundEnd) -> WatchTold {
        let (at, after) = match &self.place {
            Place::Start => (0, None),
            Place::At(at) => (*at, None),
            Place::Looking { from, after } => (*from, Some(after.clone())),
        };
        WatchTold {
            watch: 0,
            hits,
            cursor: context.watches.cursor(at),
            after,
            again: self.is_again,
            end,
        }
    }
}

impl OwnWatches {
    fn cursor(&self, at: u64) -> String {
        format!("{:016x}.{at}", self.run)
    }
}

/// Returns the news of some queries: of none, if nothing that matches changed. `asker` is nobody for the owner.
///
/// # Errors
/// Errors if the files cannot be looked at.
pub(super) async fn tell(
    context: &Arc<Context>,
    asker: Option<&Asker>,
    watches: &mut [Standing],
) -> Result<Vec<WatchTold>, Fault> {
    let mut room = Room {
        hits: FIND_PAGE_MAX,
        text: FIND_PAGE_TEXT_MAX,
    };
    let mut told = Vec::new();
    for (number, standing) in watches.iter_mut().enumerate() {
        if room.hits == 0 {
            break;
        }
        if let Some(news) = standing.look(context, asker, &mut room).await? {
            told.push(WatchTold {
                watch: number,
                ..news
            });
        }
    }
    Ok(told)
}

/// Returns the query as the policy lets the asker have it answered.
async fn allowed(context: &Context, asker: Option<&Asker>, text: &str) -> Option<String> {
    let Some(asker) = asker else {
        return Some(text.to_owned());
    };
    let policy = &context.policy;
    policy
        .query(asker, query::handler_of(text), query::text_of(text))
        .await?;
    let asks_contents = query::asks_contents(text);
    if asks_contents {
        let contents = policy.query(asker, CONTENTS_HANDLER, query::text_of(text));
        if contents.await.is_none() {
            return Some(query::of_names(text));
        }
    }
    Some(text.to_owned())
}

/// Returns the files that match a query, sorted by name, each once: among `names`, or among all.
async fn matches(
    context: &Arc<Context>,
    asker: Option<&Asker>,
    query: String,
    names: Option<BTreeSet<String>>,
) -> Result<Matches, Fault> {
    let bounds = handlers::Bounds {
        limit: FILES_MAX,
        excerpts: usize::MAX,
        bytes: usize::MAX,
        deadline: now() + TIME,
        asker: match asker {
            Some(_) => handlers::Asker::Stranger,
            None => handlers::Asker::Owner,
        },
    };
    let reader = Arc::clone(context);
    let answered = long(context, move || {
        reader
            .handlers
            .meant(&reader.files(), &query, names.as_ref(), bounds)
    });
    match answered.await? {
        Ok(answer) => {
            let mut hits = answer.hits;
            hits.sort_by(|a, b| a.file.name.cmp(&b.file.name));
            hits.dedup_by(|a, b| a.file.name == b.file.name);
            let end = match answer.end {
                FoundEnd::Complete => FoundEnd::Complete,
                _ => FoundEnd::Partial,
            };
            Ok(Matches { hits, end })
        }
        // Without that handler nothing matches; it may come later.
        Err(error @ (QueryError::NoHandler { .. } | QueryError::Handler(_))) => {
            tracing::debug!(%error, "a watch is not answered");
            Ok(Matches {
                hits: Vec::new(),
                end: FoundEnd::Partial,
            })
        }
        Err(error) => Err(Fault::invalid_params(&error.for_stranger())),
    }
}

/// Returns those of the hits that the asker may hear of, whose digests are known, and that did not change for `rest`. The
/// others are told of later.
async fn tell_of(
    context: &Arc<Context>,
    asker: Option<&Asker>,
    hits: Vec<Hit>,
    rest: Duration,
    room: &mut Room,
) -> Result<Vec<FindHit>, Fault> {
    let hits = match asker {
        Some(asker) => {
            let wanted = |hit: &Hit| FileAsked {
                name: hit.file.name.clone(),
                size: Some(hit.file.size),
            };
            let most = hits.len();
            context.policy.hits(asker, hits, most, wanted).await.hits
        }
        None => hits,
    };
    if hits.is_empty() {
        return Ok(Vec::new());
    }
    let reader = Arc::clone(context);
    let described = long(context, move || {
        let until = now() + DIGESTS_TIME;
        hits.into_iter()
            .map(|hit| describe(&reader, hit, rest, until))
            .collect::<Vec<_>>()
    });
    let mut told = Vec::new();
    for described in described.await? {
        match described {
            Ok(hit) => told.push(room.with_excerpt(hit)),
            Err(name) => {
                if let Ok(parsed) = ShareName::parse(&name) {
                    context.digests.read_soon(&parsed);
                }
                lock(&context.watches.journal).put_off(name, journal::PAUSE, now());
            }
        }
    }
    room.hits = room.hits.saturating_sub(told.len());
    Ok(told)
}

/// Describes a hit, or gives its name if its digest is not known yet, or it is being written. Blocks.
fn describe(
    context: &Context,
    hit: Hit,
    rest: Duration,
    until: Instant,
) -> Result<FindHit, String> {
    let age = hit.file.modified.map(|modified| modified.elapsed());
    let is_being_written = age.is_some_and(|age| age.is_ok_and(|age| age < rest));
    let digest = digest_of(context, &hit.file, until);
    let Some(digest) = digest.filter(|_| !is_being_written) else {
        return Err(hit.file.name);
    };
    Ok(FindHit {
        digest: Some(digest),
        name: hit.file.name,
        size: hit.file.size,
        modified: hit.file.modified.map(unix_millis),
        score: hit.score.filter(|score| score.is_finite()),
        excerpt: hit.excerpt.map(to_find),
        ..FindHit::default()
    })
}

impl Room {
    /// Returns the hit, without its excerpt if there is no room for that.
    fn with_excerpt(&mut self, hit: FindHit) -> FindHit {
        let length = hit.excerpt.as_ref().map_or(0, |excerpt| excerpt.text_len());
        let length = length + hit.name.len();
        let fits = length <= self.text;
        self.text = self.text.saturating_sub(length);
        FindHit {
            excerpt: hit.excerpt.filter(|_| fits),
            ..hit
        }
    }
}
