//! Tests of the table: claims of many takers, who are cut and go on, at a node that is killed.

use node_base::token::TokenHash;
use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_700_000_000_000;

fn hash(number: usize) -> TokenHash {
    TokenHash::of(&number.to_le_bytes())
}

fn new(uses: Option<u32>, time: Option<u64>) -> NewRecord {
    NewRecord {
        sha256: hash(usize::MAX).to_string(),
        uses,
        time,
        password: None,
    }
}

fn table(uses: Option<u32>) -> (Table, u64) {
    let mut table = Table::default();
    let id = table.add(new(uses, None), NOW, |_| Goods::Share(vec!["a".to_owned()]));
    (table, id.unwrap())
}

fn item(range: Range<u64>) -> Item {
    Item {
        size: 100,
        tag: "a".to_owned(),
        range,
    }
}

#[test]
fn a_claim_counts_once_when_all_its_bytes_are_sent() {
    let (mut table, id) = table(Some(1));
    let ticket = table.get_mut(id, NOW).unwrap();
    ticket.claim(&hash(1), NOW).unwrap();
    assert_eq!(ticket.claim(&hash(2), NOW), Err(ClaimError::Taken));
    // The last bytes first: that is not all.
    ticket.begin(&hash(1), &item(90..100), NOW).unwrap();
    assert_eq!(ticket.sent(&hash(1), &(90..100), NOW), Ok(false));
    ticket.over(&hash(1), NOW);
    ticket.begin(&hash(1), &item(0..90), NOW).unwrap();
    assert_eq!(ticket.used, 0);
    assert_eq!(ticket.sent(&hash(1), &(0..90), NOW), Ok(true));
    assert_eq!(ticket.sent(&hash(1), &(0..90), NOW), Ok(false));
    ticket.over(&hash(1), NOW);
    assert_eq!(ticket.used, 1);
    assert_eq!(ticket.claim(&hash(2), NOW), Err(ClaimError::UsedUp));
    // What did not arrive is still given, and that for a while.
    assert_eq!(ticket.begin(&hash(1), &item(80..100), NOW), Ok(()));
    ticket.over(&hash(1), NOW);
    let later = NOW + AFTER_TIME;
    assert_eq!(
        ticket.begin(&hash(1), &item(80..100), later),
        Err(ClaimError::UsedUp)
    );
}

#[test]
fn a_claim_that_is_left_alone_gives_its_use_back() {
    let (mut table, id) = table(Some(1));
    let ticket = table.get_mut(id, NOW).unwrap();
    ticket.claim(&hash(1), NOW).unwrap();
    let later = NOW + START_TIME;
    assert_eq!(
        ticket.begin(&hash(1), &item(0..100), later),
        Err(ClaimError::Ended)
    );
    ticket.claim(&hash(2), later).unwrap();
    ticket.begin(&hash(2), &item(0..100), later).unwrap();
    // While it is being sent it does not end.
    let much_later = later + 10 * IDLE_TIME;
    assert_eq!(ticket.claim(&hash(3), much_later), Err(ClaimError::Taken));
    ticket.over(&hash(2), much_later);
    assert_eq!(ticket.claim(&hash(3), much_later), Err(ClaimError::Taken));
    assert_eq!(ticket.claim(&hash(3), much_later + IDLE_TIME), Ok(()));
}

#[test]
fn other_content_begins_a_claim_anew() {
    let (mut table, id) = table(Some(1));
    let ticket = table.get_mut(id, NOW).unwrap();
    ticket.claim(&hash(1), NOW).unwrap();
    ticket.begin(&hash(1), &item(0..50), NOW).unwrap();
    ticket.sent(&hash(1), &(0..50), NOW).unwrap();
    let other = Item {
        tag: "b".to_owned(),
        ..item(50..100)
    };
    // Who went on would have half of each.
    let goes_on = ticket.begin(&hash(1), &other, NOW);
    assert_eq!(goes_on, Err(ClaimError::Changed));
    let first = Item {
        range: 0..50,
        ..other.clone()
    };
    ticket.begin(&hash(1), &first, NOW).unwrap();
    assert_eq!(ticket.sent(&hash(1), &(0..50), NOW), Ok(false));
    ticket.begin(&hash(1), &other, NOW).unwrap();
    assert_eq!(ticket.sent(&hash(1), &(50..100), NOW), Ok(true));
}

#[test]
fn a_claim_has_a_limited_number_of_parts() {
    let (mut table, id) = table(Some(1));
    let ticket = table.get_mut(id, NOW).unwrap();
    ticket.claim(&hash(1), NOW).unwrap();
    let begun = (0..100).map(|at| {
        let item = Item {
            size: 1_000,
            ..item(at * 10..at * 10 + 5)
        };
        ticket.begin(&hash(1), &item, NOW)
    });
    let refused = begun.filter(|begun| *begun == Err(ClaimError::TooManyParts));
    assert_eq!(refused.count(), 100 - PARTS_MAX);
}

#[test]
fn a_ticket_ends_to_the_millisecond_and_is_found_by_its_text_alone() {
    let mut table = Table::default();
    let added = table.add(new(None, Some(1_000)), NOW, |id| {
        Goods::Share(vec![id.to_string()])
    });
    let id = added.unwrap();
    let text = hash(usize::MAX);
    assert_eq!(table.shown(&text, NOW + 999), Shown::Valid(id));
    assert_eq!(table.shown(&text, NOW + 1_000), Shown::Expired);
    assert_eq!(table.next_end(), Some(NOW + 1_000));
    assert_eq!(table.expired(NOW + 999), Vec::<u64>::new());
    assert_eq!(table.expired(NOW + 1_000), vec![id]);
    assert_eq!(table.expired(NOW + 1_001), Vec::<u64>::new());
    assert_eq!(table.next_end(), None);
    assert!(table.get(id, NOW + 1_000).is_none());
    for number in 0..100_000 {
        assert_eq!(table.shown(&hash(number), NOW), Shown::Unknown);
    }
    assert!(table.remove(id).is_some() && table.remove(id).is_none());
    assert_eq!(table.shown(&text, NOW), Shown::Unknown);
}

#[test]
fn what_is_no_ticket_is_not_added() {
    let mut table = Table::default();
    let share = |_| Goods::Share(vec!["a".to_owned()]);
    let bad = |change: fn(&mut NewRecord)| {
        let mut record = new(None, None);
        change(&mut record);
        record
    };
    for record in [
        bad(|record| record.sha256 = "x".to_owned()),
        bad(|record| record.password = Some("x".to_owned())),
        bad(|record| record.uses = Some(0)),
        bad(|record| record.uses = Some(USES_MAX + 1)),
    ] {
        assert!(table.add(record, NOW, share).is_err());
    }
    let none = table.add(new(None, None), NOW, |_| Goods::Share(Vec::new()));
    assert_eq!(none, Err(AddError::Names));
    assert_eq!(table.add(new(None, None), NOW, share), Ok(1));
    assert_eq!(table.add(new(None, None), NOW, share), Err(AddError::Same));
}

/// One who takes the content of 100 bytes, perhaps in two halves at a time.
#[derive(Clone, Debug)]
struct Taker {
    claim: Option<usize>,
    /// What has arrived, of each half.
    has: [u64; 2],
    /// Answers on their way: what of them has left.
    running: [Option<Running>; 2],
    in_halves: bool,
}

#[derive(Clone, Debug)]
struct Running {
    range: Range<u64>,
    at: u64,
}

impl Taker {
    /// Returns the bytes of a part.
    fn part(&self, part: usize) -> Range<u64> {
        match (self.in_halves, part) {
            (true, 0) => 0..50,
            (true, _) => 50..100,
            (false, 0) => 0..100,
            (false, _) => 100..100,
        }
    }

    fn is_complete(&self) -> bool {
        (0..2).all(|part| self.has[part] == self.part(part).end - self.part(part).start)
    }
}

/// The node: its table, and what of it is on the disk.
struct Node {
    table: Table,
    saved: Table,
    id: u64,
    claims: usize,
}

impl Node {
    fn ticket(&mut self, now: u64) -> &mut Record {
        self.table.get_mut(self.id, now).unwrap()
    }

    /// Brings the table to the disk, as the node does before it answers.
    fn save(&mut self) {
        let text = serde_json::to_string(&self.table).unwrap();
        self.saved = serde_json::from_str(&text).unwrap();
    }

    fn killed(&mut self, now: u64) {
        self.table = self.saved.clone().taken_up(now);
    }
}

/// One step of one taker. `luck` decides what happens to it.
fn step(node: &mut Node, taker: &mut Taker, luck: u8, now: u64) {
    let Some(claim) = taker.claim else {
        node.claims += 1;
        let claim = node.claims;
        if node.ticket(now).claim(&hash(claim), now).is_ok() {
            node.save();
            // The answer may be lost: the claim is never used then.
            taker.claim = (luck > 20).then_some(claim);
            taker.has = [0, 0];
        }
        return;
    };
    let part = usize::from(luck % 2 == 1);
    let bytes = taker.part(part);
    let position = bytes.start + taker.has[part];
    match taker.running[part].take() {
        None if position < bytes.end => {
            let range = position..bytes.end;
            match node
                .ticket(now)
                .begin(&hash(claim), &item(range.clone()), now)
            {
                Ok(()) => {
                    node.save();
                    let at = range.start;
                    taker.running[part] = Some(Running { range, at });
                }
                // It begins with another claim.
                Err(_) => taker.claim = None,
            }
        }
        None => {}
        // Cut: what has left may not have arrived.
        Some(running) if luck < 90 => {
            let left = running.at - bytes.start;
            taker.has[part] = taker.has[part].max(left.saturating_sub(u64::from(luck % 7)));
            node.ticket(now).over(&hash(claim), now);
        }
        Some(mut running) => {
            running.at = (running.at + u64::from(luck % 50) + 1).min(running.range.end);
            if running.at < running.range.end {
                taker.running[part] = Some(running);
                return;
            }
            let sent = node.ticket(now).sent(&hash(claim), &running.range, now);
            if sent.is_ok() {
                node.save();
                // The last bytes may be lost after that.
                let lost = u64::from(luck.is_multiple_of(5)) * 3;
                let has = running.range.end - bytes.start - lost;
                taker.has[part] = taker.has[part].max(has);
            }
            node.ticket(now).over(&hash(claim), now);
        }
    }
}

fn race(uses: u32, takers: usize, schedule: &[(u16, u8)]) {
    let (table, id) = table(Some(uses));
    let mut node = Node {
        saved: table.clone(),
        table,
        id,
        claims: 0,
    };
    let mut takers: Vec<Taker> = (0..takers)
        .map(|number| Taker {
            claim: None,
            has: [0, 0],
            running: [None, None],
            in_halves: number % 3 == 0,
        })
        .collect();
    let mut now = NOW;
    // The schedule of the test, and then chance, until nothing is left to do.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let turns = (0..40_000).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let [luck, who @ .., _, _, _, _, _] = state.to_be_bytes();
        (u16::from_be_bytes(who), luck)
    });
    let mut turns_after = 0;
    for (who, luck) in schedule.iter().copied().chain(turns) {
        // Takers come back before a claim that counted ends.
        now += u64::from(luck % 3) * 10;
        if who % 997 == 3 {
            node.killed(now);
            for taker in &mut takers {
                taker.running = [None, None];
            }
            continue;
        }
        let count = takers.len();
        let taker = &mut takers[usize::from(who) % count];
        if !taker.is_complete() {
            step(&mut node, taker, luck, now);
        }
        let complete = takers.iter().filter(|taker| taker.is_complete()).count();
        assert!(complete <= uses as usize, "{complete} of {uses}");
        assert!(complete <= node.ticket(now).used as usize);
        // Some more try in vain.
        turns_after += u32::from(complete == uses as usize);
        if turns_after > 1_000 {
            break;
        }
    }
    let complete = takers.iter().filter(|taker| taker.is_complete()).count();
    assert_eq!(complete, (uses as usize).min(takers.len()));
    assert_eq!(node.ticket(now).used as usize, complete);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn of_many_takers_exactly_as_many_complete_as_there_are_uses(
        uses in 1..8_u32,
        takers in 8..201_usize,
        schedule in prop::collection::vec(any::<(u16, u8)>(), 0..3_000),
    ) {
        race(uses, takers, &schedule);
    }
}
