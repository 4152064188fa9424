//! The plan of one download: the pieces that each holder is asked for.
//!
//! # Participants
//! A *holder* is a peer that has the content; a *span* is a run of pieces that
//! one holder was asked for.
//!
//! # How it decides
//! A holder is asked for about [`SPAN_TIME`] worth of pieces at the speed it
//! has shown, over one connection until its first answer begins, and over
//! [`LANES_EACH`] from then on, unless that says that it limits its uploads. When no piece is left to ask for, who is idle takes over the
//! second half of the longest span of the others, or its last piece too, so
//! that one slow holder does not hold the end up.
//!
//! # Invariants
//! - Each piece is done, free, or in a span.
//! - A holder that sent a wrong piece is out; one that breaks off
//!   [`STRIKES_MAX`] times without a right piece in between is out.
//! - A holder that is busy is not asked before the time that it named, and is
//!   never out for that.
//! - No I/O and no clock; time is a parameter.

use std::{
    collections::BTreeMap,
    ops::Range,
    time::{Duration, Instant},
};

/// Time that one span is to take.
const SPAN_TIME: Duration = Duration::from_secs(1);

/// Pieces of the first span of a holder.
const SPAN_FIRST: u64 = 4;

/// Most pieces of a span.
pub(super) const SPAN_MAX: u64 = 64;

/// Failures in a row after which a holder is not asked any more.
const STRIKES_MAX: u32 = 3;

/// Shortest rest of a span of which the same holder may take the second half
/// over another connection.
const SPLIT_OWN_MIN: u64 = 8;

/// Most spans of one holder at a time, each over a connection of its own.
const LANES_EACH: usize = 2;

/// The same of a holder that limits its uploads: more connections bring nothing.
const LANES_LIMITED: usize = 1;

/// A holder, as the plan numbers it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct HolderId(usize);

/// A span, as the plan numbers it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct SpanId(u64);

/// The pieces that a holder is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Span {
    pub(super) id: SpanId,
    pub(super) pieces: Range<u64>,
}

/// The plan of one download.
#[derive(Debug)]
pub(super) struct Plan {
    done: Vec<bool>,
    left: u64,
    /// Pieces that nobody is asked for: start to end.
    free: BTreeMap<u64, u64>,
    spans: BTreeMap<SpanId, SpanAsked>,
    holders: Vec<Holder>,
    last_span: u64,
}

/// The pieces that a holder was asked for and has not delivered yet.
#[derive(Debug)]
struct SpanAsked {
    holder: HolderId,
    rest: Range<u64>,
    since: Instant,
    delivered: u64,
}

#[derive(Debug, Default)]
struct Holder {
    /// Pieces a second, over one connection.
    speed: Option<f64>,
    strikes: u32,
    out: bool,
    /// True if it limits its uploads, by its last answer; `None` before the first one.
    limited: Option<bool>,
    busy_until: Option<Instant>,
}

impl Holder {
    fn lanes(&self) -> usize {
        match self.limited {
            Some(false) => LANES_EACH,
            Some(true) | None => LANES_LIMITED,
        }
    }

    fn is_busy(&self, now: Instant) -> bool {
        self.busy_until.is_some_and(|until| now < until)
    }
}

impl Plan {
    /// Creates a plan for pieces of which some are there already.
    pub(super) fn new(done: Vec<bool>) -> Plan {
        let mut plan = Plan {
            left: done.iter().filter(|&&done| !done).count() as u64,
            done,
            free: BTreeMap::new(),
            spans: BTreeMap::new(),
            holders: Vec::new(),
            last_span: 0,
        };
        plan.release(0..plan.done.len() as u64);
        plan
    }

    /// Adds a holder.
    pub(super) fn add(&mut self) -> HolderId {
        self.holders.push(Holder::default());
        HolderId(self.holders.len() - 1)
    }

    /// Returns true if all pieces are there.
    pub(super) fn is_whole(&self) -> bool {
        self.left == 0
    }

    /// Returns true if this holder may be asked.
    pub(super) fn is_usable(&self, holder: HolderId) -> bool {
        !self.holders[holder.0].out
    }

    /// Returns the pieces to ask `holder` for now, if there are any.
    pub(super) fn next(&mut self, holder: HolderId, now: Instant) -> Option<Span> {
        let asked = self.spans.values();
        let lanes = asked.filter(|asked| asked.holder == holder).count();
        let state = &self.holders[holder.0];
        if state.out || state.is_busy(now) || lanes >= state.lanes() {
            return None;
        }
        let pieces = self.take_free(holder).or_else(|| self.take_over(holder))?;
        self.last_span += 1;
        let id = SpanId(self.last_span);
        let asked = SpanAsked {
            holder,
            rest: pieces.clone(),
            since: now,
            delivered: 0,
        };
        self.spans.insert(id, asked);
        Some(Span { id, pieces })
    }

    /// Returns true if `piece`, the next one of a span, is still wanted from it.
    pub(super) fn wants(&self, span: SpanId, piece: u64) -> bool {
        !self.is_done(piece)
            && self
                .spans
                .get(&span)
                .is_some_and(|asked| asked.rest.contains(&piece))
    }

    /// Notes that a right piece came. Returns true if it is the first of its kind.
    pub(super) fn right(&mut self, span: SpanId, piece: u64) -> bool {
        if let Some(asked) = self.spans.get_mut(&span) {
            asked.rest.start = asked.rest.start.max(piece + 1).min(asked.rest.end);
            asked.delivered += 1;
            self.holders[asked.holder.0].strikes = 0;
        }
        let Some(done) = usize::try_from(piece)
            .ok()
            .and_then(|piece| self.done.get_mut(piece))
        else {
            return false;
        };
        let first = !std::mem::replace(done, true);
        self.left -= u64::from(first);
        // Who was asked for it too need not bring it any more.
        for asked in self.spans.values_mut() {
            if asked.rest.start == piece && !asked.rest.is_empty() {
                asked.rest.start += 1;
            }
        }
        first
    }

    /// Ends a span. Its missing pieces are free again.
    pub(super) fn ended(&mut self, span: SpanId, now: Instant) {
        let Some(asked) = self.spans.remove(&span) else {
            return;
        };
        let seconds = now.saturating_duration_since(asked.since).as_secs_f64();
        if asked.delivered > 0 && seconds > 0.0 {
            #[expect(clippy::cast_precision_loss, reason = "a few pieces at most")]
            let seen = asked.delivered as f64 / seconds;
            let speed = &mut self.holders[asked.holder.0].speed;
            *speed = Some(speed.map_or(seen, |before| (before + seen) / 2.0));
        }
        self.release(asked.rest);
    }

    /// Notes that an answer of a holder began, and whether it limits its uploads.
    pub(super) fn heard(&mut self, holder: HolderId, limited: bool) {
        let holder = &mut self.holders[holder.0];
        (holder.limited, holder.busy_until) = (Some(limited), None);
    }

    /// Notes that a holder is busy and wants to be asked again at `until`.
    pub(super) fn busy(&mut self, holder: HolderId, until: Instant) {
        self.holders[holder.0].busy_until = Some(until);
    }

    /// Returns when the first of the busy holders may be asked again.
    pub(super) fn look_again_at(&self, now: Instant) -> Option<Instant> {
        let holders = self.holders.iter().filter(|holder| !holder.out);
        let busy = holders.filter_map(|holder| holder.busy_until);
        busy.filter(|until| *until > now).min()
    }

    /// Notes that a holder broke off. Returns true if it is out.
    pub(super) fn broke_off(&mut self, holder: HolderId) -> bool {
        let holder = &mut self.holders[holder.0];
        holder.strikes += 1;
        holder.out |= holder.strikes >= STRIKES_MAX;
        holder.out
    }

    /// Excludes a holder that sent a wrong piece.
    pub(super) fn lied(&mut self, holder: HolderId) {
        self.holders[holder.0].out = true;
    }

    fn is_done(&self, piece: u64) -> bool {
        usize::try_from(piece)
            .ok()
            .and_then(|piece| self.done.get(piece))
            .is_none_or(|&done| done)
    }

    fn take_free(&mut self, holder: HolderId) -> Option<Range<u64>> {
        let (start, end) = self.free.pop_first()?;
        let taken = start..end.min(start + self.length(holder));
        if taken.end < end {
            self.free.insert(taken.end, end);
        }
        Some(taken)
    }

    /// Pieces to ask a holder for at a time.
    fn length(&self, holder: HolderId) -> u64 {
        let Some(speed) = self.holders[holder.0].speed else {
            return SPAN_FIRST;
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float becomes the nearest number there is"
        )]
        let pieces = (speed * SPAN_TIME.as_secs_f64()) as u64;
        pieces.clamp(1, SPAN_MAX)
    }

    /// Takes a part of the longest rest that another connection has.
    fn take_over(&mut self, holder: HolderId) -> Option<Range<u64>> {
        let rest = |asked: &SpanAsked| asked.rest.end - asked.rest.start;
        let doubled = |asked: &SpanAsked, spans: &BTreeMap<SpanId, SpanAsked>| {
            spans
                .values()
                .filter(|other| {
                    other.rest.start < asked.rest.end && asked.rest.start < other.rest.end
                })
                .count()
                > 1
        };
        let victim = self
            .spans
            .iter()
            .filter(|(_, asked)| {
                if asked.holder == holder {
                    rest(asked) >= SPLIT_OWN_MIN
                } else {
                    rest(asked) > 1 || (rest(asked) == 1 && !doubled(asked, &self.spans))
                }
            })
            .max_by_key(|(_, asked)| rest(asked))
            .map(|(id, _)| *id)?;
        let asked = self.spans.get_mut(&victim)?;
        if rest(asked) == 1 {
            return Some(asked.rest.clone());
        }
        let middle = asked.rest.start + rest(asked).div_ceil(2);
        let taken = middle..asked.rest.end;
        asked.rest.end = middle;
        Some(taken)
    }

    /// Makes the pieces of `range` free that are not done and in no span.
    fn release(&mut self, range: Range<u64>) {
        for piece in range {
            let held = self.spans.values().any(|asked| asked.rest.contains(&piece));
            if !self.is_done(piece) && !held {
                self.free_piece(piece);
            }
        }
    }

    fn free_piece(&mut self, piece: u64) {
        let mut end = piece + 1;
        if let Some(behind) = self.free.remove(&end) {
            end = behind;
        }
        if let Some((_, before)) = self.free.range_mut(..piece).next_back()
            && *before == piece
        {
            *before = end;
        } else {
            self.free.insert(piece, end);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn deliver(plan: &mut Plan, span: &Span) {
        for piece in span.pieces.clone() {
            if plan.wants(span.id, piece) {
                plan.right(span.id, piece);
            }
        }
    }

    #[test]
    fn one_holder_delivers_all_pieces_in_order() {
        let mut plan = Plan::new(vec![false; 100]);
        let holder = plan.add();
        let mut now = Instant::now();
        let mut next = 0;
        while let Some(span) = plan.next(holder, now) {
            assert_eq!(span.pieces.start, next);
            next = span.pieces.end;
            deliver(&mut plan, &span);
            now += Duration::from_millis(100);
            plan.ended(span.id, now);
        }
        assert!(plan.is_whole());
        assert_eq!(next, 100);
    }

    #[test]
    fn spans_follow_the_speed_of_a_holder() {
        let mut plan = Plan::new(vec![false; 10_000]);
        let (fast, slow) = (plan.add(), plan.add());
        let now = Instant::now();
        for (holder, took) in [(fast, 10), (slow, 2_000)] {
            let span = plan.next(holder, now).unwrap();
            assert_eq!(span.pieces.end - span.pieces.start, SPAN_FIRST);
            deliver(&mut plan, &span);
            plan.ended(span.id, now + Duration::from_millis(took));
        }
        let length = |span: Span| span.pieces.end - span.pieces.start;
        assert_eq!(length(plan.next(fast, now).unwrap()), SPAN_MAX);
        assert_eq!(length(plan.next(slow, now).unwrap()), 2);
    }

    #[test]
    fn an_idle_holder_takes_half_the_rest_and_then_the_last_piece() {
        let mut plan = Plan::new(vec![false; 4]);
        let (one, two) = (plan.add(), plan.add());
        let now = Instant::now();
        let first = plan.next(one, now).unwrap();
        assert_eq!(first.pieces, 0..4);
        assert_eq!(plan.next(two, now).unwrap().pieces, 2..4);
        assert!(!plan.wants(first.id, 2));
        let mut plan = Plan::new(vec![false]);
        let (one, two, three) = (plan.add(), plan.add(), plan.add());
        let slow = plan.next(one, now).unwrap();
        let quick = plan.next(two, now).unwrap();
        assert_eq!(plan.next(three, now), None, "two are enough");
        assert!(plan.right(quick.id, 0));
        assert!(plan.is_whole());
        plan.ended(quick.id, now);
        assert_eq!(plan.next(two, now), None, "nobody is asked for it again");
        assert!(!plan.right(slow.id, 0));
    }

    #[test]
    fn a_liar_is_out_at_once_and_a_broken_holder_after_three() {
        let mut plan = Plan::new(vec![false; 100]);
        let (liar, broken) = (plan.add(), plan.add());
        let now = Instant::now();
        plan.lied(liar);
        assert_eq!(plan.next(liar, now), None);
        for last in [false, false] {
            assert_eq!(plan.broke_off(broken), last);
        }
        let span = plan.next(broken, now).unwrap();
        plan.right(span.id, span.pieces.start);
        for last in [false, false, true] {
            assert_eq!(plan.broke_off(broken), last);
        }
        plan.ended(span.id, now);
        assert_eq!(plan.next(broken, now), None);
    }

    #[test]
    fn what_a_span_did_not_bring_is_asked_for_again() {
        let mut plan = Plan::new(vec![false, true, false, false, false]);
        let (one, two) = (plan.add(), plan.add());
        let now = Instant::now();
        let span = plan.next(one, now).unwrap();
        assert_eq!(span.pieces, 0..1);
        plan.ended(span.id, now);
        plan.lied(one);
        plan.heard(two, false);
        assert_eq!(plan.next(two, now).unwrap().pieces, 0..1);
        assert_eq!(plan.next(two, now).unwrap().pieces, 2..5);
    }

    #[test]
    fn a_limited_holder_has_one_span_and_others_have_two() {
        let mut plan = Plan::new(vec![false; 100]);
        let (limited, open) = (plan.add(), plan.add());
        let now = Instant::now();
        let first = [limited, open].map(|holder| plan.next(holder, now).unwrap().id);
        assert_eq!(plan.next(open, now), None, "nothing is known of it yet");
        plan.heard(limited, true);
        plan.heard(open, false);
        assert_eq!(plan.next(limited, now), None);
        let second = plan.next(open, now).unwrap();
        assert_eq!(plan.next(open, now), None);
        // It begins to limit: one of its spans ends without another one.
        plan.heard(open, true);
        plan.ended(second.id, now);
        assert_eq!(plan.next(open, now), None);
        plan.ended(first[1], now);
        assert!(plan.next(open, now).is_some());
    }

    #[test]
    fn a_busy_holder_is_asked_at_its_time_and_never_out() {
        let mut plan = Plan::new(vec![false; 100]);
        let (busy, gone) = (plan.add(), plan.add());
        let mut now = Instant::now();
        for _ in 0..2 * STRIKES_MAX {
            let span = plan.next(busy, now).unwrap();
            let until = now + Duration::from_secs(7);
            plan.busy(busy, until);
            plan.ended(span.id, now);
            assert_eq!(plan.next(busy, now), None);
            assert_eq!(plan.next(gone, now).unwrap().pieces.start, 0);
            plan.ended(SpanId(plan.last_span), now);
            assert!(plan.is_usable(busy));
            assert_eq!(plan.look_again_at(now), Some(until));
            now = until;
        }
        plan.busy(gone, now + Duration::from_secs(1));
        plan.lied(gone);
        assert_eq!(
            plan.look_again_at(now),
            None,
            "nobody is busy who may be asked"
        );
    }

    proptest! {
        #[test]
        fn every_piece_arrives_whatever_the_holders_do(
            done in proptest::collection::vec(any::<bool>(), 1..200),
            moves in proptest::collection::vec((0..4_usize, 0..8_u8, 0..3_000_u64), 0..400),
        ) {
            let mut plan = Plan::new(done);
            let holders: Vec<_> = (0..4).map(|_| plan.add()).collect();
            let mut now = Instant::now();
            let mut open: Vec<(HolderId, Span)> = Vec::new();
            for (who, what, later) in moves {
                now += Duration::from_millis(later);
                let holder = holders[who];
                match what {
                    0 | 1 => open.extend(plan.next(holder, now).map(|span| (holder, span))),
                    2 => {
                        if let Some((_, span)) = open.get(who) {
                            let piece = span.pieces.start + later % (span.pieces.end - span.pieces.start);
                            if plan.wants(span.id, piece) {
                                // A holder sends the pieces of a span in order.
                                for piece in span.pieces.start..=piece {
                                    plan.right(span.id, piece);
                                }
                            }
                        }
                    }
                    3 => {
                        if who < open.len() {
                            plan.ended(open.swap_remove(who).1.id, now);
                        }
                    }
                    4 => drop(plan.broke_off(holder)),
                    5 => plan.heard(holder, later % 2 == 0),
                    6 => plan.busy(holder, now + Duration::from_millis(later)),
                    // At least one holder stays honest.
                    _ => if who > 0 { plan.lied(holder) },
                }
            }
            for (_, span) in open {
                plan.ended(span.id, now);
            }
            let honest = plan.add();
            while let Some(span) = plan.next(honest, now) {
                deliver(&mut plan, &span);
                now += Duration::from_millis(10);
                plan.ended(span.id, now);
            }
            prop_assert!(plan.is_whole());
            prop_assert!(plan.done.iter().all(|&done| done));
        }
    }
}
