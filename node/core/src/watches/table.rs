//! The watches of the owner, and what was told of them.
//!
//! A state machine without I/O. Every change is a [`Record`]: it is decided on here, written down, and then applied, so
//! that a node that was killed goes on with what it had told.
//!
//! # Invariants
//! - A watch tells of each content once, by its digest, whoever tells of it, and however often.
//! - At most [`WATCHES_MAX`] stand; one knows at most [`KNOWN_MAX`] contents, and all together [`KNOWN_MAX_OF_ALL`]. A watch
//!   that knows so many is full: it tells of nothing more rather than twice.
//! - A watch of which [`WAITING_MAX`] matches wait for a reader does not ask.
//! - A node that tells of [`FALSE_MAX`] files that do not match, or of more than [`OF_ONE_MAX`] contents, is not asked any
//!   more in this run.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use node_api::{
    search::Hit,
    watch::{WATCHES_MAX, WatchMatch},
};
use node_wire::{ShareName, Watched};

use super::record::{ContentKey, Place, Record};

/// Most contents that one watch knows.
pub(super) const KNOWN_MAX: usize = 262_144;

/// Most contents that all watches know.
const KNOWN_MAX_OF_ALL: usize = 1_048_576;

/// Matches that wait for a reader, before a watch asks no more.
pub(super) const WAITING_MAX: usize = 4_096;

/// Most contents that one node tells of one watch in one run.
pub(super) const OF_ONE_MAX: usize = 100_000;

/// Most files of one node that do not match what they are told for.
pub(super) const FALSE_MAX: usize = 32;

/// Most nodes whose places are kept of one watch.
const PLACES_MAX: usize = 256;

/// The watches.
#[derive(Debug, Default)]
pub(super) struct Table {
    watches: BTreeMap<u64, Entry>,
    next_id: u64,
    /// Contents that are known, of all watches.
    known: usize,
}

/// A query that stands.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) query: String,
    pub(super) new_only: bool,
    pub(super) fetches: bool,
    pub(super) created: u64,
    /// The number of the next match.
    pub(super) next: u64,
    taken: u64,
    fetched: u64,
    known: HashSet<ContentKey>,
    /// Matches that were not taken, or not given to the fetches.
    kept: VecDeque<WatchMatch>,
    places: BTreeMap<String, Place>,
    nodes: HashMap<String, Behaviour>,
}

/// The behaviour of a node in this run.
#[derive(Clone, Copy, Debug, Default)]
struct Behaviour {
    contents: usize,
    false_hits: usize,
    fault: Option<Misbehaviour>,
}

/// The reason why a node is not asked any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Misbehaviour {
    /// It told of files that do not match.
    #[error("it told of files that do not match the query")]
    False,
    /// It told of too much.
    #[error("it told of more than {OF_ONE_MAX} files")]
    TooMuch,
}

/// The news of a node about one watch.
pub(super) struct News<'a> {
    /// The node, by its id or its URL.
    pub(super) node: &'a str,
    /// Its URL: before its id was proved, its place was kept under that.
    pub(super) url: &'a str,
    /// What it was asked.
    pub(super) asked: &'a Watched,
    /// Its place now: a cursor, and the last name while it looks at everything. Without a cursor it has no changes.
    pub(super) cursor: Option<String>,
    pub(super) after: Option<String>,
    /// True if it looks at everything.
    pub(super) is_again: bool,
    /// True if it could not look at everything.
    pub(super) is_partial: bool,
    /// The files, as the owner gets them; `None` for one that is not true.
    pub(super) hits: Vec<Option<Hit>>,
    /// The time of now, Unix milliseconds.
    pub(super) time: u64,
}

/// What follows from news.
#[derive(Debug, Default)]
pub(super) struct Decision {
    pub(super) records: Vec<Record>,
    pub(super) matches: Vec<WatchMatch>,
    /// True if anything was told that was not known.
    pub(super) is_new: bool,
    pub(super) fault: Option<Misbehaviour>,
}

/// The error of a watch that cannot be added or removed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum TableError {
    #[error("there are {WATCHES_MAX} watches already; remove one of them first")]
    Full,
    #[error("there is no watch {0}")]
    Unknown(u64),
    #[error("the watch {0} fetches what it finds; stop that first")]
    Fetches(u64),
}

impl Table {
    /// Returns the table after these changes.
    pub(super) fn of(records: &[Record]) -> Table {
        let mut table = Table::default();
        for record in records {
            table.apply(record);
        }
        table
    }

    pub(super) fn get(&self, id: u64) -> Result<&Entry, TableError> {
        self.watches.get(&id).ok_or(TableError::Unknown(id))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.watches.iter().map(|(id, entry)| (*id, entry))
    }

    /// Decides on a query that is to stand: its number, and the change, if it does not stand already.
    pub(super) fn add(
        &self,
        query: &str,
        new_only: bool,
        created: u64,
    ) -> Result<(u64, Option<Record>), TableError> {
        if let Some((id, _)) = self.iter().find(|(_, entry)| entry.query == query) {
            return Ok((id, None));
        }
        if self.watches.len() >= WATCHES_MAX {
            return Err(TableError::Full);
        }
        let id = self.next_id.max(1);
        let added = Record::Added {
            id,
            query: query.to_owned(),
            new_only,
            fetches: false,
            created,
            next: 1,
            taken: 0,
            fetched: 0,
        };
        Ok((id, Some(added)))
    }

    /// Decides on the end of a watch.
    pub(super) fn remove(&self, id: u64) -> Result<Record, TableError> {
        if self.get(id)?.fetches {
            return Err(TableError::Fetches(id));
        }
        Ok(Record::Removed { id })
    }

    /// Decides on whether a watch fetches.
    pub(super) fn fetch(&self, id: u64, on: bool) -> Result<Vec<Record>, TableError> {
        let entry = self.get(id)?;
        let mut records = Vec::new();
        if entry.fetches != on {
            records.push(Record::Fetches { id, on });
        }
        Ok(records)
    }

    /// Decides on matches that a reader has taken.
    pub(super) fn take(&self, id: u64, number: u64) -> Result<Option<Record>, TableError> {
        let entry = self.get(id)?;
        let number = number.min(entry.next.saturating_sub(1));
        Ok((number > entry.taken).then_some(Record::Taken { id, number }))
    }

    /// Returns the matches behind a number, or behind those that were taken.
    pub(super) fn page(
        &self,
        id: u64,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<WatchMatch>, TableError> {
        let entry = self.get(id)?;
        let after = after.unwrap_or(0).max(entry.taken);
        let kept = entry.kept.iter().filter(|found| found.number > after);
        Ok(kept.take(limit).cloned().collect())
    }

    /// Returns a match that is to be fetched: the number of its watch, and the match.
    pub(super) fn to_fetch(&self) -> Option<(u64, WatchMatch)> {
        self.iter()
            .filter(|(_, entry)| entry.fetches)
            .find_map(|(id, entry)| {
                let mut kept = entry.kept.iter();
                let next = kept.find(|found| found.number > entry.fetched)?;
                Some((id, next.clone()))
            })
    }

    /// Returns the watches that ask now.
    pub(super) fn asking(&self) -> Vec<u64> {
        let asking = self.iter().filter(|(_, entry)| self.may_ask(entry));
        asking.map(|(id, _)| id).collect()
    }

    /// Returns what a node is asked now: each watch, and its place there. Those in `looks` look at everything again.
    pub(super) fn questions(&self, node: &str, url: &str, looks: &[u64]) -> Vec<(u64, Watched)> {
        let asking = self.iter().filter(|(_, entry)| self.may_ask(entry));
        let asking = asking.filter(|(_, entry)| entry.fault_of(node).is_none());
        asking
            .map(|(id, entry)| {
                let place = entry.place_of(node, url).cloned().unwrap_or_default();
                let is_anew = looks.contains(&id);
                let watched = Watched {
                    query: entry.query.clone(),
                    cursor: place.cursor.filter(|_| !is_anew),
                    after: place.after.filter(|_| !is_anew),
                };
                (id, watched)
            })
            .collect()
    }

    /// Returns the watches of which a node could not look at everything.
    pub(super) fn partial(&self, node: &str) -> Vec<u64> {
        let partial = self.iter().filter(|(_, entry)| {
            let place = entry.places.get(node);
            place.is_some_and(|place| place.is_partial && place.after.is_none())
        });
        partial.map(|(id, _)| id).collect()
    }

    /// Returns the reason why a node is not asked for a watch any more.
    pub(super) fn fault(&self, id: u64, node: &str) -> Option<Misbehaviour> {
        self.watches.get(&id)?.fault_of(node)
    }

    fn may_ask(&self, entry: &Entry) -> bool {
        !self.is_full(entry) && entry.kept.len() < WAITING_MAX
    }

    /// Returns whether a watch can tell of no more.
    pub(super) fn is_full(&self, entry: &Entry) -> bool {
        entry.known.len() >= KNOWN_MAX || self.known >= KNOWN_MAX_OF_ALL
    }

    /// Decides on what a node tells of a watch.
    pub(super) fn decide(&mut self, id: u64, news: News<'_>) -> Decision {
        let mut left = KNOWN_MAX_OF_ALL.saturating_sub(self.known);
        let Some(entry) = self.watches.get_mut(&id) else {
            return Decision::default();
        };
        left = left.min(KNOWN_MAX.saturating_sub(entry.known.len()));
        let before = entry.place_of(news.node, news.url).cloned();
        let is_first = before.as_ref().is_none_or(|place| place.is_first);
        let behaviour = entry.nodes.entry(news.node.to_owned()).or_default();
        if behaviour.fault.is_some() {
            return Decision::default();
        }
        let mut decision = Decision::default();
        let mut fresh = HashSet::new();
        let mut number = entry.next;
        let is_told = !(entry.new_only && is_first);
        for hit in news.hits {
            let content = hit
                .as_ref()
                .and_then(|hit| ContentKey::of(hit.digest.as_deref()?));
            let (Some(hit), Some(content)) = (hit, content) else {
                behaviour.false_hits += 1;
                continue;
            };
            if entry.known.contains(&content) || left == 0 || !fresh.insert(content) {
                continue;
            }
            left -= 1;
            behaviour.contents += 1;
            if is_told {
                let found = WatchMatch {
                    number,
                    time: news.time,
                    hit,
                };
                number += 1;
                decision.records.push(Record::of_match(id, &found));
                decision.matches.push(found);
            } else {
                decision.records.push(Record::Known { id, content });
            }
        }
        behaviour.judge();
        decision.fault = behaviour.fault;
        decision.is_new = !fresh.is_empty();
        let goes_on = news.asked.after.is_some() && !news.is_again;
        let looks = news.asked.cursor.is_none() || goes_on || news.is_again;
        let was_partial = before.is_some_and(|place| place.is_partial);
        let place = Place {
            is_first: is_first && news.after.is_some(),
            is_partial: news.is_partial || (was_partial && (goes_on || !looks)),
            cursor: news.cursor,
            after: news.after,
        };
        if entry.places.get(news.node) != Some(&place) {
            let node = news.node.to_owned();
            decision.records.push(Record::Place { id, node, place });
        }
        decision
    }

    /// Makes a change.
    pub(super) fn apply(&mut self, record: &Record) {
        match record {
            Record::Added {
                id,
                query,
                new_only,
                fetches,
                created,
                next,
                taken,
                fetched,
            } => {
                self.next_id = self.next_id.max(id + 1);
                let entry = Entry {
                    query: query.clone(),
                    new_only: *new_only,
                    fetches: *fetches,
                    created: *created,
                    next: *next,
                    taken: *taken,
                    fetched: *fetched,
                    known: HashSet::new(),
                    kept: VecDeque::new(),
                    places: BTreeMap::new(),
                    nodes: HashMap::new(),
                };
                self.watches.insert(*id, entry);
            }
            Record::Removed { id } => {
                let removed = self.watches.remove(id);
                self.known -= removed.map_or(0, |entry| entry.known.len());
            }
            Record::Next { id } => self.next_id = self.next_id.max(*id),
            Record::Fetches { id, .. }
            | Record::Known { id, .. }
            | Record::Matched { id, .. }
            | Record::Place { id, .. }
            | Record::Taken { id, .. }
            | Record::Fetched { id, .. } => {
                let Some(entry) = self.watches.get_mut(id) else {
                    return;
                };
                let before = entry.known.len();
                entry.apply(record);
                self.known += entry.known.len() - before;
            }
        }
    }

    /// Returns the fewest changes that make this table.
    pub(super) fn records(&self) -> Vec<Record> {
        let mut records = vec![Record::Next { id: self.next_id }];
        for (id, entry) in self.iter() {
            entry.write(id, &mut records);
        }
        records
    }
}

impl Entry {
    /// Returns the number of matches that no reader has taken.
    pub(super) fn waiting(&self) -> usize {
        let untaken = self.kept.iter().rev();
        untaken
            .take_while(|found| found.number > self.taken)
            .count()
    }

    fn place_of(&self, node: &str, url: &str) -> Option<&Place> {
        self.places.get(node).or_else(|| self.places.get(url))
    }

    fn fault_of(&self, node: &str) -> Option<Misbehaviour> {
        self.nodes.get(node)?.fault
    }

    fn apply(&mut self, record: &Record) {
        match record {
            Record::Fetches { on, .. } => {
                self.fetches = *on;
                // What was taken before is not fetched.
                self.fetched = self.fetched.max(self.taken);
                self.forget_taken();
            }
            Record::Known { content, .. } => {
                self.known.insert(*content);
            }
            Record::Matched {
                number, time, hit, ..
            } => {
                self.known
                    .extend(hit.digest.as_deref().and_then(ContentKey::of));
                self.next = self.next.max(number + 1);
                self.kept.push_back(WatchMatch {
                    number: *number,
                    time: *time,
                    hit: Hit::clone(hit),
                });
            }
            Record::Place { node, place, .. } => {
                if self.places.len() >= PLACES_MAX && !self.places.contains_key(node) {
                    self.places.pop_first();
                }
                self.places.insert(node.clone(), place.clone());
            }
            Record::Taken { number, .. } => {
                self.taken = self.taken.max(*number);
                self.forget_taken();
            }
            Record::Fetched { number, .. } => {
                self.fetched = self.fetched.max(*number);
                self.forget_taken();
            }
            Record::Added { .. } | Record::Removed { .. } | Record::Next { .. } => {}
        }
    }

    /// Forgets the matches of which nothing but the content is needed.
    fn forget_taken(&mut self) {
        let done = if self.fetches {
            self.taken.min(self.fetched)
        } else {
            self.taken
        };
        while self.kept.front().is_some_and(|found| found.number <= done) {
            self.kept.pop_front();
        }
    }

    fn write(&self, id: u64, records: &mut Vec<Record>) {
        records.push(Record::Added {
            id,
            query: self.query.clone(),
            new_only: self.new_only,
            fetches: self.fetches,
            created: self.created,
            next: self.next,
            taken: self.taken,
            fetched: self.fetched,
        });
        let of_kept = |found: &WatchMatch| ContentKey::of(found.hit.digest.as_deref()?);
        let kept: HashSet<ContentKey> = self.kept.iter().filter_map(of_kept).collect();
        let gone = self.known.iter().filter(|content| !kept.contains(content));
        records.extend(gone.map(|content| Record::Known {
            id,
            content: *content,
        }));
        records.extend(self.kept.iter().map(|found| Record::of_match(id, found)));
        records.extend(self.places.iter().map(|(node, place)| Record::Place {
            id,
            node: node.clone(),
            place: place.clone(),
        }));
    }
}

impl Behaviour {
    fn judge(&mut self) {
        if self.false_hits >= FALSE_MAX {
            self.fault = Some(Misbehaviour::False);
        } else if self.contents > OF_ONE_MAX {
            self.fault = Some(Misbehaviour::TooMuch);
        }
    }
}

/// Returns whether a name that a node told may be one of a share.
pub(super) fn is_name(name: &str) -> bool {
    ShareName::parse(name).is_ok()
}

#[cfg(test)]
mod tests;
