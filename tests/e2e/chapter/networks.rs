//! Chains and rings of nodes of ours and peers of the book.

use std::time::{Duration, Instant};

use e2e::{chain, introduce, ring, xmlrpc};

use crate::world::{Kind, Member, connected, noded};

/// Contents that a careless peer changes on the way; the binary ones stand in `between_nodes`.
const TEXTS: &[(&str, &[u8])] = &[
    ("text", b"This is a test\n"),
    ("empty", b""),
    (
        "world",
        "Gr\u{fc}\u{df}e, \u{4e16}\u{754c} \u{1f980} <&>]]>\n".as_bytes(),
    ),
    ("lines", b"one\r\ntwo\rthree\n\r"),
];

/// One file: its holders, the members that want it, and its content.
struct Wish {
    from: usize,
    to: usize,
    name: String,
    bytes: &'static [u8],
}

/// Returns a wish for a file of each content for each pair of members; nobody else wants it.
fn wishes(members: usize) -> Vec<Wish> {
    let pairs = (0..members).flat_map(|from| (0..members).map(move |to| (from, to)));
    pairs
        .filter(|(from, to)| from != to)
        .flat_map(|(from, to)| {
            TEXTS.iter().map(move |&(kind, bytes)| Wish {
                from,
                to,
                name: format!("{kind}-from-{from}-to-{to}.txt"),
                bytes,
            })
        })
        .collect()
}

/// Starts a network and lets everyone query and fetch everything from everyone.
fn everyone_gets_everything(kinds: &[Kind], closed: bool) {
    let wishes = wishes(kinds.len());
    let files_of = |at: usize| -> Vec<(String, &[u8])> {
        let its = wishes.iter().filter(|w| w.from == at);
        its.map(|w| (w.name.clone(), w.bytes)).collect()
    };
    let members: Vec<Member> = kinds
        .iter()
        .enumerate()
        .map(|(at, kind)| Member::start(*kind, &files_of(at)))
        .collect();
    connected(&members, closed);
    for wish in &wishes {
        let member = &members[wish.to];
        let answer = xmlrpc::query(member.url(), &wish.name);
        assert_eq!(
            answer.as_deref(),
            Ok(seen_by_a_client(member, wish.bytes).as_slice()),
            "query {}",
            wish.name
        );
    }
    for wish in &wishes {
        let member = &members[wish.to];
        assert_eq!(member.fetch(&wish.name), Ok(()), "fetch {}", wish.name);
        assert_eq!(
            member.home().read(&wish.name).as_deref(),
            Some(wish.bytes),
            "stored {}",
            wish.name
        );
    }
    for member in members {
        if let Member::Ours(node) = member {
            node.stop();
        }
    }
}

/// Returns the content as a client reads it: of a book peer it has a line feed in place of a carriage return.
fn seen_by_a_client(member: &Member, bytes: &[u8]) -> Vec<u8> {
    if !member.is_book() {
        return bytes.to_vec();
    }
    let text = std::str::from_utf8(bytes).expect("the contents are text");
    text.replace("\r\n", "\n").replace('\r', "\n").into_bytes()
}

#[test]
fn a_chain_of_all_kinds() {
    everyone_gets_everything(
        &[
            Kind::Codes,
            Kind::Ours,
            Kind::Ours,
            Kind::Faults,
            Kind::Ours,
        ],
        false,
    );
}

#[test]
fn a_ring_of_all_kinds() {
    everyone_gets_everything(
        &[
            Kind::Codes,
            Kind::Ours,
            Kind::Ours,
            Kind::Faults,
            Kind::Ours,
        ],
        true,
    );
}

#[test]
fn a_chain_of_the_second_dialect_ends_in_ours() {
    everyone_gets_everything(&[Kind::Ours, Kind::Faults, Kind::Ours], false);
}

#[test]
fn a_chain_of_the_first_dialect_ends_in_ours() {
    everyone_gets_everything(&[Kind::Ours, Kind::Codes, Kind::Ours], false);
}

/// Peers of the book answer one call at a time and wait for ever. Two of them that are asked at once, and know each other,
/// would wait for each other.
#[test]
fn neighbours_of_the_book_do_not_wait_for_each_other() {
    for kind in [Kind::Codes, Kind::Faults] {
        let members = [
            Member::start(Kind::Ours, &[]),
            Member::start(kind, &[]),
            Member::start(kind, &[]),
        ];
        connected(&members, true);
        for round in 0..5 {
            let start = Instant::now();
            let name = format!("missing-{round}.txt");
            let answer = xmlrpc::query(members[0].url(), &name);
            assert_eq!(answer.map_err(|e| e.code()), Err(Some(100)));
            assert!(
                start.elapsed() < Duration::from_secs(5),
                "{:?}",
                start.elapsed()
            );
        }
        for book in &members[1..] {
            let answer = xmlrpc::query(book.url(), "missing.txt");
            assert_eq!(answer.map_err(|e| e.code()), Err(Some(100)));
        }
    }
}

/// Returns binary contents.
fn binaries() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("all.bin", (0..=255).collect()),
        ("zero.bin", vec![0]),
        ("control.txt", b"a\x01b\x1fc\x7f".to_vec()),
        ("cut.txt", "gr\u{fc}n".as_bytes()[..3].to_vec()),
        ("fffe.txt", "\u{fffe}\u{ffff}".as_bytes().to_vec()),
        ("mark.txt", "\u{feff}text".as_bytes().to_vec()),
        ("space.txt", b" \t\n ".to_vec()),
        ("late.bin", [vec![b'a'; 300_000], vec![0xff]].concat()),
        (
            "large.txt",
            "a line of text, <&>\r\n".repeat(150_000).into_bytes(),
        ),
    ]
}

#[test]
fn binary_files_pass_whole_between_nodes() {
    for links in [chain, ring] {
        let far = binaries()
            .iter()
            .fold(noded(), |n, (name, bytes)| n.file(name, bytes))
            .start();
        let (near, middle) = (noded().start(), noded().start());
        links(&[&near.url, &middle.url, &far.url]);
        for (name, bytes) in binaries() {
            let answer = xmlrpc::query(&near.url, name);
            assert!(answer == Ok(bytes.clone()), "query {name}: other bytes");
            let params = [
                xmlrpc::Value::text(name),
                xmlrpc::Value::text(near.home().secret()),
            ];
            assert_eq!(
                xmlrpc::call(&near.url, "fetch", &params),
                Ok(xmlrpc::Value::Int(0))
            );
            assert!(
                near.home().read(name) == Some(bytes),
                "fetch {name}: other bytes"
            );
        }
        [near, middle, far]
            .into_iter()
            .for_each(e2e::NodeProcess::stop);
    }
}

#[test]
fn a_query_goes_five_steps_and_no_further() {
    let nodes: Vec<_> = (0..7)
        .map(|at| {
            noded()
                .file(&format!("{at}.txt"), format!("of {at}"))
                .start()
        })
        .collect();
    let urls: Vec<&str> = nodes.iter().map(|node| node.url.as_str()).collect();
    chain(&urls);
    assert_eq!(xmlrpc::query(urls[0], "5.txt"), Ok(b"of 5".to_vec()));
    let beyond = xmlrpc::query(urls[0], "6.txt");
    assert_eq!(beyond.map_err(|e| e.code()), Err(Some(100)));
    nodes.into_iter().for_each(e2e::NodeProcess::stop);
}

#[test]
fn in_a_mixed_network_a_fetch_of_ours_goes_further_than_a_query() {
    let kinds = [[Kind::Ours; 7].as_slice(), &[Kind::Codes, Kind::Faults]].concat();
    let name = |at: usize| format!("{at}.txt");
    let text = |at: usize| format!("of {at}");
    let members: Vec<Member> = kinds
        .iter()
        .enumerate()
        .map(|(at, kind)| Member::start(*kind, &[(name(at), text(at).as_bytes())]))
        .collect();
    // Seven of ours in a line; beside the third and the fifth of them is a peer of the book.
    connected(&members[..7], false);
    let (codes, faults) = (7, 8);
    for (book, neighbour) in [(codes, 2), (faults, 4)] {
        introduce(members[book].url(), members[neighbour].url());
        introduce(members[neighbour].url(), members[book].url());
    }
    // First, because nodes keep what passes through them.
    let beyond = xmlrpc::query(members[0].url(), &name(6));
    assert_eq!(beyond.map_err(|e| e.code()), Err(Some(100)));
    assert_eq!(members[0].fetch(&name(6)), Ok(()));
    assert_eq!(members[0].home().read(&name(6)), Some(text(6).into_bytes()));
    for (from, to) in [(0, codes), (0, faults), (codes, 6), (faults, 0), (6, codes)] {
        let answer = xmlrpc::query(members[from].url(), &name(to));
        assert_eq!(answer, Ok(text(to).into_bytes()), "{to} from {from}");
    }
    for member in members {
        if let Member::Ours(node) = member {
            node.stop();
        }
    }
}

/// Returns the answer to a search at a node of ours.
fn search(member: &Member, query: &str, reach: &str) -> serde_json::Value {
    let Member::Ours(node) = member else {
        panic!("a peer of the book has no control connection")
    };
    let params = serde_json::json!({ "query": query, "reach": reach });
    node.control().must("search.query", params)
}

#[test]
fn a_sure_search_finds_names_at_book_peers_and_behind_others() {
    let file = |name: &str| [(name.to_owned(), b"of a book".as_slice())];
    let members = [
        Member::start(Kind::Ours, &[]),
        Member::start(Kind::Codes, &file("near.txt")),
        Member::start(Kind::Ours, &[]),
        Member::start(Kind::Faults, &file("far.txt")),
    ];
    let [near, codes, middle, faults] = &members;
    for (one, other) in [(near, codes), (near, middle), (middle, faults)] {
        one.meet(other);
        other.meet(one);
    }
    for (name, holder) in [("near.txt", codes), ("far.txt", middle)] {
        let normal = search(near, name, "normal");
        assert_eq!(normal["hits"], serde_json::json!([]), "{normal}");
        assert_eq!(normal["left_chapter_out"], true, "{normal}");
        let sure = search(near, name, "sure");
        let hits = sure["hits"].as_array().expect("a list of hits");
        assert_eq!(hits.len(), 1, "{sure}");
        assert_eq!(hits[0]["name"], name);
        let node = hits[0]["node"].as_str().expect("a URL");
        assert_eq!(
            node.trim_end_matches('/'),
            holder.url().trim_end_matches('/')
        );
        assert_eq!(hits[0]["size"], serde_json::Value::Null);
        assert_eq!(sure["left_chapter_out"], false);
        assert!(sure["trace"].to_string().contains(r#""why":"query""#));
        assert_eq!(near.home().read(name), None, "a search stores nothing");
    }
    for query in ["*.txt", "text:book", "near.txt size:>0"] {
        let sure = search(near, query, "sure");
        assert_eq!(sure["hits"], serde_json::json!([]), "{sure}");
        assert_eq!(sure["left_chapter_out"], false, "{query} can't be asked");
    }
    let missing = search(near, "missing.txt", "sure");
    assert_eq!(missing["hits"], serde_json::json!([]), "{missing}");
    assert_eq!(
        (&missing["asked"], &missing["end"]),
        (&3.into(), &"complete".into())
    );
    for member in members {
        if let Member::Ours(node) = member {
            node.stop();
        }
    }
}
