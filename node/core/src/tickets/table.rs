//! The table of tickets: a state machine without a clock and without a disk.
//!
//! # Claims
//! A ticket with a number of uses gives each of them to a *claim*: the right of one taker to all bytes of the content,
//! by as many ranges as it needs. A claim counts once, when the last of its bytes is about to leave. It ends when it
//! has been left alone for a time; if it has not counted by then, its use is free again.
//!
//! # Invariants
//! - The claims that counted and those that still may are never more than the uses.
//! - A ticket that was removed or whose time is over is found by nobody.
//! - A range counts as sent when the caller says so, which it does before the last byte of the range leaves. A taker
//!   that goes on in the midst of a range has what is before.

mod uploads;

use std::{collections::BTreeMap, ops::Range};

use node_api::ticket::{NAMES_MAX, TICKETS_MAX, Ticket, TicketKind, USES_MAX};
use node_base::token::TokenHash;
use serde::{Deserialize, Serialize};

use self::uploads::Upload;
pub(crate) use self::uploads::{AskError, NewUpload};
use super::parts::{PARTS_MAX, Parts};

/// The time in which a claim begins to be used, in milliseconds.
pub(crate) const START_TIME: u64 = 20 * 1000;

/// The time for which a claim may be left alone, in milliseconds.
pub(crate) const IDLE_TIME: u64 = 30 * 60 * 1000;

/// The time for which a claim that counted still gives what did not arrive, in milliseconds.
pub(crate) const AFTER_TIME: u64 = 10 * 60 * 1000;

/// Most claims of a ticket at a time.
const CLAIMS_MAX: usize = 256;

/// What a ticket gives or takes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goods {
    /// It gives these files and folders.
    Share(Vec<String>),
    /// It takes files.
    Ask(Ask),
}

/// What a ticket takes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Ask {
    /// The folder of the inbox.
    pub(crate) into: String,
    /// Most bytes in all.
    pub(crate) max_bytes: u64,
    /// Bytes that arrived.
    #[serde(default)]
    pub(crate) received: u64,
}

/// A ticket as it is kept on the disk. Times are Unix milliseconds.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Record {
    pub(crate) id: u64,
    /// The hash of its text, in hex, as are the hashes below.
    sha256: String,
    pub(crate) goods: Goods,
    created: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) uses: Option<u32>,
    #[serde(default)]
    pub(crate) used: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    claims: Vec<Claim>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    uploads: Vec<Upload>,
    /// True once its end was told.
    #[serde(skip)]
    is_ended: bool,
}

/// The right of one taker.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Claim {
    sha256: String,
    /// When it was made, or last used.
    touched: u64,
    /// The content that it is about, once that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<Claimed>,
    /// When it counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counted: Option<u64>,
    /// Answers that are being sent.
    #[serde(skip)]
    running: u32,
}

/// The content of a claim, and what of it is gone.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Claimed {
    size: u64,
    tag: String,
    sent: Parts,
    /// Ranges that were begun and not sent to their ends.
    begun: Vec<Range<u64>>,
}

/// A ticket to be added.
#[derive(Clone, Debug)]
pub struct NewRecord {
    /// The hash of its text.
    pub sha256: String,
    /// How often it may be used.
    pub uses: Option<u32>,
    /// When it ends, in milliseconds from now.
    pub time: Option<u64>,
    /// The hash of its password.
    pub password: Option<String>,
}

/// The reason why a ticket is not added.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AddError {
    /// A hash is none.
    #[error("{0}")]
    Hash(#[from] node_base::token::BadTokenHash),
    /// The same text is in use.
    #[error("another link has the same text; make a new one")]
    Same,
    /// There are too many.
    #[error("a node keeps at most {TICKETS_MAX} links; remove one with `ctl share rm ID`")]
    Full,
    /// A number of uses that cannot be.
    #[error("a link has 1 to {USES_MAX} uses")]
    Uses,
    /// There is nothing to give, or too much.
    #[error("a link gives 1 to {NAMES_MAX} files and folders; share a folder that has them all")]
    Names,
}

/// The ticket of a text that somebody showed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Shown {
    /// It is this one.
    Valid(u64),
    /// Its time is over.
    Expired,
    /// There is none.
    Unknown,
}

/// The reason why there is no claim.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ClaimError {
    /// The ticket is gone.
    #[error("this link is of no use any more")]
    Gone,
    /// All uses are complete.
    #[error("this link was used as often as it could be")]
    UsedUp,
    /// All uses are taken, and not all are complete.
    #[error("everything that this link gives is being downloaded by others; try again later")]
    Taken,
    /// The claim ended.
    #[error("this download was left alone for too long; begin it again")]
    Ended,
    /// The content is another one than that of which the taker has a part.
    #[error("the content changed since this download began; begin it again")]
    Changed,
    /// Too many ranges.
    #[error("this download is in too many parts; begin it again")]
    TooManyParts,
}

/// A range of content that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) size: u64,
    /// Another one for other content.
    pub(crate) tag: String,
    pub(crate) range: Range<u64>,
}

/// All tickets of a node.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Table {
    last_id: u64,
    tickets: BTreeMap<u64, Record>,
}

impl Table {
    /// Prepares what was read from the disk for use: claims that were being sent are as if they were left alone just now.
    pub(crate) fn taken_up(mut self, now: u64) -> Table {
        for ticket in self.tickets.values_mut() {
            ticket.is_ended = ticket.is_over(now);
            for claim in ticket.claims.iter_mut().filter(|claim| claim.of.is_some()) {
                claim.touched = now;
            }
        }
        self
    }

    /// Adds a ticket. `goods` makes what it gives or takes of its number.
    pub(crate) fn add(
        &mut self,
        new: NewRecord,
        now: u64,
        goods: impl FnOnce(u64) -> Goods,
    ) -> Result<u64, AddError> {
        let hash: TokenHash = new.sha256.parse()?;
        if let Some(password) = &new.password {
            let _: TokenHash = password.parse()?;
        }
        if new.uses.is_some_and(|uses| uses == 0 || uses > USES_MAX) {
            return Err(AddError::Uses);
        }
        if self.tickets.len() >= TICKETS_MAX {
            return Err(AddError::Full);
        }
        let is_same = |ticket: &Record| ticket.hash().is_some_and(|known| known.matches(&hash));
        if self.tickets.values().any(is_same) {
            return Err(AddError::Same);
        }
        let id = self.last_id + 1;
        let goods = goods(id);
        if let Goods::Share(names) = &goods
            && (names.is_empty() || names.len() > NAMES_MAX)
        {
            return Err(AddError::Names);
        }
        self.last_id = id;
        let record = Record {
            id,
            sha256: hash.to_string(),
            goods,
            created: now,
            expires: new.time.map(|time| now.saturating_add(time)),
            uses: new.uses,
            used: 0,
            password: new.password,
            claims: Vec::new(),
            uploads: Vec::new(),
            is_ended: false,
        };
        self.tickets.insert(id, record);
        Ok(id)
    }

    /// Removes a ticket.
    pub(crate) fn remove(&mut self, id: u64) -> Option<Record> {
        self.tickets.remove(&id)
    }

    /// Puts back a ticket whose removal could not be kept.
    pub(crate) fn put_back(&mut self, ticket: Record) {
        self.tickets.insert(ticket.id, ticket);
    }

    /// Finds the ticket of a text that was shown.
    pub(crate) fn shown(&self, presented: &TokenHash, now: u64) -> Shown {
        // All are compared, so that the time tells nothing.
        let mut found = None;
        for ticket in self.tickets.values() {
            if ticket.hash().is_some_and(|hash| hash.matches(presented)) {
                found = Some(ticket);
            }
        }
        match found {
            Some(ticket) if ticket.is_over(now) => Shown::Expired,
            Some(ticket) => Shown::Valid(ticket.id),
            None => Shown::Unknown,
        }
    }

    /// Returns a ticket whose time is not over.
    pub(crate) fn get(&self, id: u64, now: u64) -> Option<&Record> {
        self.tickets.get(&id).filter(|ticket| !ticket.is_over(now))
    }

    /// Returns such a ticket, to change it.
    pub(crate) fn get_mut(&mut self, id: u64, now: u64) -> Option<&mut Record> {
        let ticket = self.tickets.get_mut(&id);
        ticket.filter(|ticket| !ticket.is_over(now))
    }

    /// Returns the tickets whose time is over and that were not returned before.
    pub(crate) fn expired(&mut self, now: u64) -> Vec<u64> {
        let over = self.tickets.values_mut();
        let over = over.filter(|ticket| ticket.is_over(now) && !ticket.is_ended);
        over.map(|ticket| {
            ticket.is_ended = true;
            ticket.id
        })
        .collect()
    }

    /// Returns the time when the next ticket ends.
    pub(crate) fn next_end(&self) -> Option<u64> {
        let running = self.tickets.values().filter(|ticket| !ticket.is_ended);
        running.filter_map(|ticket| ticket.expires).min()
    }

    /// Returns the number of claims of all.
    pub(crate) fn claims(&self) -> usize {
        self.tickets
            .values()
            .map(|ticket| ticket.claims.len())
            .sum()
    }

    /// Describes all, by their numbers.
    pub(crate) fn list(&self, now: u64) -> Vec<Ticket> {
        let tickets = self.tickets.values();
        tickets.map(|ticket| ticket.describe(now)).collect()
    }
}

impl Record {
    fn hash(&self) -> Option<TokenHash> {
        self.sha256.parse().ok()
    }

    fn is_over(&self, now: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Returns the hash of its password, if it has one.
    pub(crate) fn password(&self) -> Option<TokenHash> {
        self.password.as_ref()?.parse().ok()
    }

    /// Returns the folder of the inbox that its files go to.
    pub(crate) fn folder(&self) -> Option<String> {
        match &self.goods {
            Goods::Ask(ask) => Some(ask.into.clone()),
            Goods::Share(_) => None,
        }
    }

    /// Returns whether it was used as often as it can be.
    pub(crate) fn is_used_up(&self) -> bool {
        self.uses.is_some_and(|uses| self.used >= uses)
    }

    pub(crate) fn describe(&self, now: u64) -> Ticket {
        let (kind, names, ask) = match &self.goods {
            Goods::Share(names) => (TicketKind::Share, names.clone(), None),
            Goods::Ask(ask) => (TicketKind::Ask, vec![ask.into.clone()], Some(ask)),
        };
        let running = self.claims.iter().filter(|claim| claim.may_count(now));
        Ticket {
            id: self.id,
            kind,
            names,
            created: self.created,
            expires: self.expires,
            expired: self.is_over(now),
            uses: self.uses,
            used: self.used,
            running: u32::try_from(running.count()).unwrap_or(u32::MAX),
            password: self.password.is_some(),
            max_bytes: ask.map(|ask| ask.max_bytes),
            received: ask.map_or(0, |ask| ask.received),
        }
    }

    /// Makes a claim, by the hash of its text.
    ///
    /// # Errors
    /// Errors if no use is left for it.
    pub(crate) fn claim(&mut self, hash: &TokenHash, now: u64) -> Result<(), ClaimError> {
        self.claims.retain(|claim| !claim.is_over(now));
        if self.is_used_up() {
            return Err(ClaimError::UsedUp);
        }
        let open = self.claims.iter().filter(|claim| claim.counted.is_none());
        let taken = u64::from(self.used) + open.count() as u64;
        let is_taken = self.uses.is_some_and(|uses| taken >= u64::from(uses));
        if is_taken || self.claims.len() >= CLAIMS_MAX {
            return Err(ClaimError::Taken);
        }
        self.claims.push(Claim {
            sha256: hash.to_string(),
            touched: now,
            of: None,
            counted: None,
            running: 0,
        });
        Ok(())
    }

    fn claimed(&mut self, hash: &TokenHash, now: u64) -> Result<&mut Claim, ClaimError> {
        let is_used_up = self.is_used_up();
        let mut claims = self.claims.iter_mut();
        let claim = claims.find(|claim| claim.matches(hash) && !claim.is_over(now));
        claim.ok_or(if is_used_up {
            ClaimError::UsedUp
        } else {
            ClaimError::Ended
        })
    }

    /// Returns whether there is such a claim, which has not ended.
    ///
    /// # Errors
    /// Errors if there is none.
    pub(crate) fn has_claim(&mut self, hash: &TokenHash, now: u64) -> Result<(), ClaimError> {
        self.claimed(hash, now).map(drop)
    }

    /// Notes that a range is about to be sent for a claim. [`Record::over`] has to follow.
    ///
    /// # Errors
    /// Errors if the claim has ended, or its content is in too many parts.
    pub(crate) fn begin(
        &mut self,
        hash: &TokenHash,
        item: &Item,
        now: u64,
    ) -> Result<(), ClaimError> {
        let claim = self.claimed(hash, now)?;
        let is_other = |of: &Claimed| of.size != item.size || of.tag != item.tag;
        // A taker that goes on would put two contents together.
        if item.range.start > 0 && claim.of.as_ref().is_some_and(is_other) {
            return Err(ClaimError::Changed);
        }
        if claim.of.as_ref().is_none_or(is_other) {
            claim.of = Some(Claimed {
                size: item.size,
                tag: item.tag.clone(),
                sent: Parts::default(),
                begun: Vec::new(),
            });
        }
        let of = claim.of.as_mut().expect("it was set just now");
        if of.begun.len() + of.sent.count() >= PARTS_MAX {
            return Err(ClaimError::TooManyParts);
        }
        let start = item.range.start;
        let before = of
            .begun
            .iter()
            .filter(|range| range.start <= start && start <= range.end);
        // What the taker has of a range that was cut.
        if let Some(cut) = before.map(|range| range.start).max() {
            of.sent.add(cut..start);
        }
        let sent = &of.sent;
        of.begun
            .retain(|range| !sent.has(range) && *range != item.range);
        of.begun.push(item.range.clone());
        claim.touched = now;
        claim.running += 1;
        Ok(())
    }

    /// Notes that all of a range is about to be gone. Returns whether the claim counted by that.
    ///
    /// # Errors
    /// Errors if the claim is gone.
    pub(crate) fn sent(
        &mut self,
        hash: &TokenHash,
        range: &Range<u64>,
        now: u64,
    ) -> Result<bool, ClaimError> {
        let claim = self.claimed(hash, now)?;
        claim.touched = now;
        let Some(of) = &mut claim.of else {
            return Err(ClaimError::Ended);
        };
        of.sent.add(range.clone());
        let sent = &of.sent;
        of.begun.retain(|begun| !sent.has(begun));
        let is_new = claim.counted.is_none() && of.sent.has(&(0..of.size));
        if is_new {
            claim.counted = Some(now);
            self.used = self.used.saturating_add(1);
        }
        Ok(is_new)
    }

    /// Notes that an answer to a claim is over, however it ended.
    pub(crate) fn over(&mut self, hash: &TokenHash, now: u64) {
        let mut claims = self.claims.iter_mut();
        if let Some(claim) = claims.find(|claim| claim.matches(hash)) {
            claim.running = claim.running.saturating_sub(1);
            claim.touched = now;
        }
    }
}

impl Claim {
    fn matches(&self, hash: &TokenHash) -> bool {
        let known: Result<TokenHash, _> = self.sha256.parse();
        known.is_ok_and(|known| known.matches(hash))
    }

    fn is_over(&self, now: u64) -> bool {
        let (since, time) = match (self.counted, &self.of) {
            (Some(counted), _) => (counted, AFTER_TIME),
            (None, Some(_)) => (self.touched, IDLE_TIME),
            (None, None) => (self.touched, START_TIME),
        };
        self.running == 0 && since.saturating_add(time) <= now
    }

    fn may_count(&self, now: u64) -> bool {
        self.counted.is_none() && !self.is_over(now)
    }
}

#[cfg(test)]
mod tests;
