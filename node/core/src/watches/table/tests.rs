//! Tests of the table: what is told once, what is kept, and what ends the asking, over random kills.

use proptest::prelude::*;

use super::*;

fn hit(content: u64) -> Hit {
    Hit {
        name: format!("{content}.txt"),
        size: Some(content),
        modified: None,
        digest: Some(format!("{content:064x}").chars().rev().collect()),
        node: "http://127.0.0.1:1/".to_owned(),
        node_name: None,
        handler: "name".to_owned(),
        score: None,
        excerpt: None,
    }
}

fn news<'a>(node: &'a str, asked: &'a Watched, contents: &[u64], cursor: &str) -> News<'a> {
    News {
        node,
        url: "http://127.0.0.1:1/",
        asked,
        cursor: Some(cursor.to_owned()),
        after: None,
        is_again: false,
        is_partial: false,
        hits: contents.iter().map(|content| Some(hit(*content))).collect(),
        time: 1,
    }
}

fn with_watch(new_only: bool) -> Table {
    let mut table = Table::default();
    let (_, added) = table.add("*.txt", new_only, 1).unwrap();
    table.apply(&added.unwrap());
    table
}

/// Has a node tell of contents, and returns the numbers of the matches.
fn told(table: &mut Table, node: &str, contents: &[u64]) -> Vec<u64> {
    let asked = table.questions(node, node, &[]);
    let Some((id, asked)) = asked.first() else {
        return Vec::new();
    };
    let decision = table.decide(*id, news(node, asked, contents, "1"));
    decision
        .records
        .iter()
        .for_each(|record| table.apply(record));
    decision.matches.iter().map(|found| found.number).collect()
}

#[test]
fn content_is_told_once_whoever_tells_of_it() {
    let mut table = with_watch(false);
    assert_eq!(told(&mut table, "a", &[7, 8, 7]), [1, 2]);
    assert_eq!(told(&mut table, "b", &[8, 9]), [3]);
    assert_eq!(told(&mut table, "a", &[7, 8, 9]), [0; 0]);
}

#[test]
fn new_only_tells_of_what_comes_after_the_first_look_at_a_node() {
    let mut table = with_watch(true);
    assert_eq!(told(&mut table, "a", &[1, 2]), [0; 0]);
    assert_eq!(told(&mut table, "a", &[2, 3]), [1]);
    assert_eq!(told(&mut table, "b", &[3, 4]), [0; 0]);
    assert_eq!(told(&mut table, "b", &[4, 5]), [2]);
}

#[test]
fn place_is_kept_when_the_id_of_a_node_is_proved() {
    let mut table = with_watch(true);
    let url = "http://127.0.0.1:1/";
    assert_eq!(told(&mut table, url, &[1]), [0; 0]);
    let (id, asked) = table.questions("id", url, &[]).remove(0);
    assert_eq!(asked.cursor.as_deref(), Some("1"));
    let decision = table.decide(id, news("id", &asked, &[1, 2], "2"));
    assert_eq!(decision.matches.len(), 1, "it was no first look");
}

#[test]
fn first_look_of_many_pages_tells_of_nothing_before_the_last() {
    let mut table = with_watch(true);
    for (page, is_last) in [(1, false), (2, false), (3, true)] {
        let (id, asked) = table.questions("a", "a", &[]).remove(0);
        assert_eq!(asked.after.is_some(), page > 1);
        let news = News {
            after: (!is_last).then(|| page.to_string()),
            ..news("a", &asked, &[page], "1")
        };
        let decision = table.decide(id, news);
        assert!(decision.matches.is_empty());
        decision
            .records
            .iter()
            .for_each(|record| table.apply(record));
    }
    assert_eq!(told(&mut table, "a", &[3, 4]), [1]);
}

#[test]
fn partial_look_is_known_until_a_complete_one() {
    let mut table = with_watch(false);
    let look = |table: &mut Table, is_partial, looks: &[u64]| {
        let (id, asked) = table.questions("a", "a", looks).remove(0);
        let news = News {
            is_partial,
            ..news("a", &asked, &[], "1")
        };
        let decision = table.decide(id, news);
        decision
            .records
            .iter()
            .for_each(|record| table.apply(record));
    };
    look(&mut table, true, &[]);
    assert_eq!(table.partial("a"), [1]);
    // Changes alone do not make up for it.
    look(&mut table, false, &[]);
    assert_eq!(table.partial("a"), [1]);
    assert_eq!(table.questions("a", "a", &[1])[0].1.cursor, None);
    look(&mut table, false, &[1]);
    assert_eq!(table.partial("a"), [0; 0]);
}

#[test]
fn matches_wait_until_they_are_taken() {
    let mut table = with_watch(false);
    told(&mut table, "a", &[1, 2, 3]);
    let numbers = |table: &Table, after| {
        let page = table.page(1, after, 10).unwrap();
        page.iter().map(|found| found.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&table, None), [1, 2, 3]);
    let taken = table.take(1, 2).unwrap().unwrap();
    table.apply(&taken);
    assert_eq!(numbers(&table, None), [3]);
    assert_eq!(numbers(&table, Some(3)), [0; 0]);
    assert_eq!(table.take(1, 2), Ok(None));
    let most = table.take(1, u64::MAX).unwrap().unwrap();
    assert_eq!(most, Record::Taken { id: 1, number: 3 });
    assert_eq!(table.take(2, 1), Err(TableError::Unknown(2)));
}

#[test]
fn reader_that_takes_nothing_stops_the_asking() {
    let mut table = with_watch(false);
    let mut content = 0;
    while !table.asking().is_empty() {
        let contents: Vec<u64> = (content..content + 256).collect();
        told(&mut table, "a", &contents);
        content += 256;
        assert!(content <= WAITING_MAX as u64 + 256);
    }
    let taken = table.take(1, 300).unwrap().unwrap();
    table.apply(&taken);
    assert_eq!(table.asking(), [1]);
}

#[test]
fn million_false_tellings_end_the_asking_and_not_the_honest_node() {
    let mut table = with_watch(false);
    let mut told_of = 0;
    for round in 0_u64.. {
        let contents: Vec<u64> = (round * 256..(round + 1) * 256).map(|n| n + 10).collect();
        told_of += told(&mut table, "liar", &contents).len();
        let taken = table.take(1, u64::MAX).unwrap();
        taken.iter().for_each(|record| table.apply(record));
        if table.questions("liar", "liar", &[]).is_empty() {
            break;
        }
        assert!(round < 4_000, "a liar is asked for ever");
    }
    assert_eq!(table.fault(1, "liar"), Some(Misbehaviour::TooMuch));
    assert!(told_of <= OF_ONE_MAX + 256);
    assert_eq!(told(&mut table, "honest", &[1]).len(), 1);
}

#[test]
fn files_that_do_not_match_end_the_asking_of_that_node() {
    let mut table = with_watch(false);
    let (id, asked) = table.questions("liar", "liar", &[]).remove(0);
    let news = News {
        hits: vec![None; FALSE_MAX],
        ..news("liar", &asked, &[], "1")
    };
    assert_eq!(table.decide(id, news).fault, Some(Misbehaviour::False));
    assert!(table.questions("liar", "liar", &[]).is_empty());
    assert_eq!(told(&mut table, "honest", &[1]), [1]);
}

#[test]
fn watch_that_fetches_is_not_removed_and_numbers_are_not_used_again() {
    let mut table = with_watch(false);
    for record in table.fetch(1, true).unwrap() {
        table.apply(&record);
    }
    assert_eq!(table.remove(1), Err(TableError::Fetches(1)));
    for record in table.fetch(1, false).unwrap() {
        table.apply(&record);
    }
    let removed = table.remove(1).unwrap();
    table.apply(&removed);
    let table = Table::of(&table.records());
    assert_eq!(table.add("*.txt", false, 1).unwrap().0, 2);
}

#[test]
fn what_fetches_is_kept_until_it_was_given_to_the_fetches() {
    let mut table = with_watch(false);
    told(&mut table, "a", &[1]);
    let taken = table.take(1, 1).unwrap().unwrap();
    table.apply(&taken);
    for record in table.fetch(1, true).unwrap() {
        table.apply(&record);
    }
    assert_eq!(
        table.to_fetch(),
        None,
        "what was taken before is not fetched"
    );
    told(&mut table, "a", &[2, 3]);
    let taken = table.take(1, 3).unwrap().unwrap();
    table.apply(&taken);
    let mut table = Table::of(&table.records());
    for number in [2, 3] {
        assert_eq!(table.to_fetch().unwrap().1.number, number);
        table.apply(&Record::Fetched { id: 1, number });
    }
    assert_eq!(table.to_fetch(), None);
}

#[test]
fn same_query_is_the_same_watch_and_there_are_not_too_many() {
    let mut table = with_watch(false);
    assert_eq!(table.add("*.txt", true, 2), Ok((1, None)));
    for n in 1..WATCHES_MAX {
        let (_, added) = table.add(&n.to_string(), false, 1).unwrap();
        table.apply(&added.unwrap());
    }
    assert_eq!(table.add("one more", false, 1), Err(TableError::Full));
}

/// Something that happens to the watches.
#[derive(Clone, Debug)]
enum Step {
    /// A node tells of contents: those from a number on.
    Tell(u8, u64, u8),
    /// The holder is restarted, so that it tells of everything again.
    Again(u8),
    /// A reader takes some.
    Take(u8),
    /// The node is killed: what is not written is lost, and the last changes may not be.
    Kill(u8),
    /// The file is written anew.
    Rewrite,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_u8, 0..40_u64, 1..6_u8).prop_map(|(node, from, count)| Step::Tell(node, from, count)),
        1 => (0..3_u8).prop_map(Step::Again),
        2 => (0..6_u8).prop_map(Step::Take),
        1 => (0..4_u8).prop_map(Step::Kill),
        1 => Just(Step::Rewrite),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Over kills of either side, each content gets one number, and each that was told of is got by the reader.
    #[test]
    fn each_content_is_told_once_over_kills(steps in proptest::collection::vec(step(), 1..120)) {
        let mut table = with_watch(false);
        let mut log = table.records();
        let mut seen: BTreeMap<u64, String> = BTreeMap::new();
        for step in steps {
            let mut lost = 0;
            let records = match step {
                Step::Tell(node, from, count) => {
                    let node = node.to_string();
                    let (id, asked) = table.questions(&node, &node, &[]).remove(0);
                    let contents: Vec<u64> = (from..from + u64::from(count)).collect();
                    table.decide(id, news(&node, &asked, &contents, "1")).records
                }
                Step::Again(node) => {
                    let node = node.to_string();
                    let (id, asked) = table.questions(&node, &node, &[1]).remove(0);
                    let contents: Vec<u64> = (0..45).collect();
                    let news = News { is_again: true, ..news(&node, &asked, &contents, "2") };
                    table.decide(id, news).records
                }
                Step::Take(count) => {
                    let page = table.page(1, None, usize::from(count)).unwrap();
                    for found in &page {
                        let digest = found.hit.digest.clone().unwrap();
                        let other = seen.insert(found.number, digest.clone());
                        prop_assert!(other.is_none_or(|other| other == digest));
                    }
                    let last = page.last().map_or(0, |found| found.number);
                    table.take(1, last).unwrap().into_iter().collect()
                }
                Step::Kill(unwritten) => {
                    lost = usize::from(unwritten);
                    Vec::new()
                }
                Step::Rewrite => {
                    log = table.records();
                    Vec::new()
                }
            };
            log.extend(records.iter().cloned());
            records.iter().for_each(|record| table.apply(record));
            if lost > 0 {
                // Changes that were written count; a kill before that leaves the table as it was.
                table = Table::of(&log);
            }
            let digests: HashSet<&String> = seen.values().collect();
            prop_assert_eq!(digests.len(), seen.len(), "a content has two numbers");
        }
        let rest = table.page(1, None, usize::MAX).unwrap();
        for found in rest {
            seen.insert(found.number, found.hit.digest.unwrap());
        }
        let digests: HashSet<&String> = seen.values().collect();
        prop_assert_eq!(digests.len(), seen.len());
        prop_assert_eq!(seen.len() as u64, table.get(1).unwrap().next - 1);
    }
}
