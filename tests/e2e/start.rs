//! Tests of `noded`: it starts, refuses to start, and ends.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use e2e::http::address;
use e2e::{NodeProcess, Refusal, xmlrpc};
use serde_json::json;

use crate::world::noded;

/// Checks that a refusal is one sentence that helps.
fn one_sentence(refusal: &Refusal, words: &[&str]) {
    assert!(refusal.code.is_some_and(|c| c != 0), "{refusal:?}");
    let lines: Vec<&str> = refusal
        .stderr
        .lines()
        .filter(|l| !l.trim().is_empty())
        .collect();
    assert!((1..=3).contains(&lines.len()), "{}", refusal.stderr);
    for word in words {
        assert!(
            refusal.stderr.contains(word),
            "no {word:?} in {}",
            refusal.stderr
        );
    }
    assert!(!refusal.stderr.contains("panicked"), "{}", refusal.stderr);
}

#[test]
fn a_wrong_option_is_named() {
    let refusal = noded().args(["--shaer", "x"]).refused();
    assert_eq!(refusal.code, Some(2));
    assert!(refusal.stderr.contains("--shaer"), "{}", refusal.stderr);
}

#[test]
fn a_secret_is_never_an_argument() {
    let refusal = noded().args(["--secret", "x"]).refused();
    assert_eq!(refusal.code, Some(2));
}

#[test]
fn a_share_that_is_not_there_is_named() {
    let options = noded();
    std::fs::remove_dir(options.home().share()).unwrap();
    let share = options.home().share().to_string_lossy().into_owned();
    one_sentence(&options.refused(), &[&share]);
}

#[test]
fn a_share_that_is_a_file_is_named() {
    let options = noded();
    std::fs::remove_dir(options.home().share()).unwrap();
    std::fs::write(options.home().share(), "a file").unwrap();
    let share = options.home().share().to_string_lossy().into_owned();
    one_sentence(&options.refused(), &[&share]);
}

#[test]
fn a_share_that_cannot_be_read_is_named() {
    let options = noded();
    let share = options.home().share();
    std::fs::set_permissions(&share, std::fs::Permissions::from_mode(0o000)).unwrap();
    // A user who may read everything cannot see this.
    if std::fs::read_dir(&share).is_err() {
        one_sentence(&options.refused(), &[&share.to_string_lossy()]);
    }
}

#[test]
fn a_port_in_use_is_named() {
    let node = noded().start();
    let taken = address(&node.url).to_string();
    one_sentence(&noded().listen(&*taken).refused(), &[&taken]);
    one_sentence(
        &noded().control(&*node.control_address).refused(),
        &[&node.control_address],
    );
    node.stop();
}

#[test]
fn a_bad_address_is_named() {
    for bad in [
        "no.such.host.invalid",
        "nowhere:x",
        "127.0.0.1:99999",
        "http://127.0.0.1:0/",
    ] {
        let refusal = noded().listen(bad).refused();
        assert!(refusal.stderr.contains(bad), "{bad}: {}", refusal.stderr);
    }
}

#[test]
fn a_bad_url_is_named() {
    for bad in [
        "no where",
        "ftp://127.0.0.1/",
        "http://user:word@127.0.0.1:9/",
        "http://127.0.0.1:99999/",
    ] {
        for option in ["--url", "--peer"] {
            let refusal = noded().args([option, bad]).refused();
            assert!(refusal.code.is_some_and(|c| c != 0), "{option} {bad}");
            let shown = refusal.stderr.contains(bad) || bad.contains("word");
            assert!(
                shown && refusal.stderr.contains(&option[2..]),
                "{option} {bad}: {}",
                refusal.stderr
            );
        }
    }
}

#[test]
fn a_password_in_a_url_is_not_shown() {
    for option in ["--url", "--peer"] {
        let refusal = noded()
            .args([option, "http://user:word@127.0.0.1:9/"])
            .refused();
        assert!(!refusal.stderr.contains("word@"), "{}", refusal.stderr);
    }
}

#[test]
fn a_secret_that_others_can_read_is_refused() {
    let options = noded().start().stop_for_restart();
    let secret = options.home().state().join("secret");
    let mode = std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "{mode:o}");
    for mode in [0o644, 0o640, 0o604, 0o666] {
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).unwrap();
        let refusal = options.clone().refused();
        one_sentence(&refusal, &[&secret.to_string_lossy(), "600"]);
    }
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    options.start().stop();
}

#[test]
fn an_empty_secret_is_refused() {
    let options = noded().start().stop_for_restart();
    let secret = options.home().state().join("secret");
    for text in ["", "\n", "short"] {
        std::fs::write(&secret, text).unwrap();
        one_sentence(&options.clone().refused(), &[&secret.to_string_lossy()]);
    }
}

#[test]
fn a_secret_has_256_bits_and_is_another_each_time() {
    let secrets: Vec<String> = (0..3)
        .map(|_| {
            let node = noded().start();
            let secret = node.home().secret();
            node.stop();
            secret
        })
        .collect();
    // 256 bits are 64 hexadecimal digits, or 43 of base64.
    assert!(secrets.iter().all(|s| s.len() >= 43), "too short");
    assert!(
        secrets[0] != secrets[1] && secrets[1] != secrets[2],
        "the same twice"
    );
}

#[test]
fn a_secret_stays_over_restarts() {
    let node = noded().start();
    let secret = node.home().secret();
    let again = node.stop_for_restart().start();
    assert!(again.home().secret() == secret, "another secret");
    again.stop();
}

#[test]
fn a_missing_file_of_settings_is_named() {
    let refusal = noded().args(["--config", "/no/such/file.toml"]).refused();
    one_sentence(&refusal, &["/no/such/file.toml"]);
    let refusal = noded().args(["--peers", "/no/such/urls.txt"]).refused();
    one_sentence(&refusal, &["/no/such/urls.txt"]);
}

#[test]
fn a_wrong_file_of_settings_is_named_with_its_key() {
    for (text, word) in [
        ("no toml at all [", "settings.toml"),
        ("shaer = \"x\"", "shaer"),
        ("listen = 7", "listen"),
    ] {
        let options = noded();
        let file = options.home().root().join("settings.toml");
        std::fs::write(&file, text).unwrap();
        let refusal = options
            .args(["--config".as_ref(), file.as_os_str()])
            .refused();
        assert!(refusal.code.is_some_and(|c| c != 0));
        assert!(refusal.stderr.contains(word), "{text}: {}", refusal.stderr);
    }
}

#[test]
fn a_bad_line_in_the_file_of_peers_is_said_and_passed_over() {
    let options = noded();
    let file = options.home().root().join("urls.txt");
    let text = "\u{feff}http://127.0.0.1:9/ # one\nno URL\n127.0.0.1:10\n# nothing\n";
    std::fs::write(&file, text).unwrap();
    let node = options.args(["--peers".as_ref(), file.as_os_str()]).start();
    let peers = node.control().must("peer.list", json!({}));
    let urls: Vec<_> = peers
        .as_array()
        .unwrap()
        .iter()
        .map(|peer| &peer["url"])
        .collect();
    assert_eq!(urls, ["http://127.0.0.1:10/", "http://127.0.0.1:9/"]);
    let said = node.stderr();
    assert!(
        said.contains("urls.txt:2") && said.contains("no URL"),
        "{said}"
    );
    node.stop();
}

#[test]
fn addresses_are_read_as_people_write_them() {
    for (listen, url) in [
        ("localhost:0", "http://127.0.0.1:"),
        ("127.0.0.1:0", "http://127.0.0.1:"),
    ] {
        let node = noded().listen(listen).start();
        assert!(node.url.starts_with(url), "{listen}: {}", node.url);
        node.stop();
    }
}

#[test]
fn a_node_on_all_addresses_is_known_by_the_one_that_leads_to_it() {
    for listen in ["0.0.0.0:0", ":0"] {
        let node = noded().listen(listen).file("a.txt", "all").start();
        let port = node
            .url
            .rsplit(':')
            .next()
            .unwrap()
            .trim_end_matches('/')
            .to_owned();
        let here = format!("http://127.0.0.1:{port}/");
        let other = noded().start();
        // The owner adds it by the address under which the other one can call it back.
        node.control().must("peer.add", json!({"url": other.url}));
        e2e::eventually("the other one has met it", || {
            let peers = other.control().must("peer.list", json!({}));
            peers.as_array().unwrap().iter().any(|peer| {
                peer["url"] == json!(here) && !peer["id"].is_null() && peer["state"] == json!("up")
            })
        });
        assert_eq!(xmlrpc::query(&other.url, "a.txt"), Ok(b"all".to_vec()));
        for own in [
            format!("localhost:{port}"),
            here.clone(),
            format!("127.0.0.2:{port}"),
        ] {
            let refused = node
                .control()
                .call("peer.add", json!({"url": own}))
                .unwrap_err();
            assert!(
                format!("{refused:?}").contains("this node itself"),
                "{refused:?}"
            );
        }
        other.stop();
        node.stop();
    }
}

#[test]
fn one_node_under_several_urls_is_one_peer() {
    let node = noded().start();
    let other = noded().file("a.txt", "all").start();
    let port = other
        .url
        .rsplit(':')
        .next()
        .unwrap()
        .trim_end_matches('/')
        .to_owned();
    for url in [
        other.url.clone(),
        format!("http://localhost:{port}/"),
        format!("localhost:{port}"),
        format!("http://127.0.0.1:{port}/some/path"),
        format!("http://127.1:{port}/RPC2"),
    ] {
        let peer = node.control().must("peer.add", json!({"url": url}));
        assert_eq!(peer["state"], json!("up"), "{url}: {peer}");
        let peers = node.control().must("peer.list", json!({}));
        assert_eq!(peers.as_array().unwrap().len(), 1, "{url}: {peers}");
    }
    other.stop();
    node.stop();
}

#[test]
fn a_flag_is_before_a_variable_is_before_the_file() {
    let value = |options: e2e::NodeOptions| {
        let node = options.start();
        let url = node.url.clone();
        node.stop();
        url
    };
    let with_file = || {
        let options = noded();
        let file = options.home().root().join("settings.toml");
        std::fs::write(&file, "url = \"http://127.0.0.1:1111/\"\n").unwrap();
        options.args(["--config".as_ref(), file.as_os_str()])
    };
    assert_eq!(value(with_file()), "http://127.0.0.1:1111/");
    let with_variable = || with_file().env("SIXHOP_URL", "http://127.0.0.1:2222/");
    assert_eq!(value(with_variable()), "http://127.0.0.1:2222/");
    let with_flag = with_variable().args(["--url", "http://127.0.0.1:3333/"]);
    assert_eq!(value(with_flag), "http://127.0.0.1:3333/");
}

#[test]
fn a_node_starts_again_at_once_on_the_same_port() {
    let mut node = noded().file("a.txt", "a").start();
    let (listen, control) = (address(&node.url).to_string(), node.control_address.clone());
    for round in 0..10 {
        // An open connection leaves the port in TIME_WAIT.
        let held = e2e::http::connect(&node.url).unwrap();
        assert_eq!(xmlrpc::query(&node.url, "a.txt"), Ok(b"a".to_vec()));
        let options = if round % 2 == 0 {
            node.stop_for_restart()
        } else {
            node.kill()
        };
        node = options.listen(&*listen).control(&*control).start();
        drop(held);
    }
    assert_eq!(xmlrpc::query(&node.url, "a.txt"), Ok(b"a".to_vec()));
    node.stop();
}

#[test]
fn two_nodes_do_not_share_a_state() {
    let node = noded().start();
    let refusal = noded().at(node.home()).refused();
    assert!(refusal.code.is_some_and(|c| c != 0));
    node.stop();
}

#[test]
fn every_start_is_ready_soon_and_every_stop_is_clean() {
    let mut options = noded().file("a.txt", "a");
    let start = Instant::now();
    for round in 0..20 {
        let node = options.start();
        if round % 3 == 0 {
            options = node.kill();
        } else {
            options = node.stop_for_restart();
        }
    }
    assert!(
        start.elapsed() < Duration::from_secs(40),
        "{:?} for 20 rounds",
        start.elapsed()
    );
}

#[test]
fn an_interrupt_ends_it_too() {
    let node = noded().start();
    let state = node.home().state();
    node.signal("INT");
    e2e::eventually("the address of control is gone", || {
        !state.join("control").exists() || !alive(&node)
    });
    e2e::eventually("the node has ended", || !alive(&node));
}

fn alive(node: &NodeProcess) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", node.pid())).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[test]
fn standard_output_has_the_ready_line_only_and_help_helps() {
    let run = |args: &[&str]| {
        let output = std::process::Command::new(crate::world::noded_program())
            .args(args)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let (code, help) = run(&["--help"]);
    assert_eq!(code, Some(0));
    for option in [
        "--share",
        "--listen",
        "--url",
        "--control",
        "--state",
        "--peer",
        "--peers",
        "--config",
        "SIXHOP_SHARE",
    ] {
        assert!(help.contains(option), "{option} is not in the help");
    }
    let (code, version) = run(&["--version"]);
    assert_eq!(code, Some(0));
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
}

/// Values from the network and from files are written to the log in one line each, escaped.
#[test]
fn the_log_has_no_control_characters_and_no_secret() {
    let node = noded()
        .env("SIXHOP_LOG", "trace")
        .env("RUST_LOG", "trace")
        .start();
    let evil = "evil\u{1b}[31m\r\n\u{202e}\u{9b}ready url=http://x/\n";
    drop(xmlrpc::query(&node.url, evil));
    drop(xmlrpc::call(&node.url, evil, &[xmlrpc::Value::text(evil)]));
    drop(xmlrpc::call(
        &node.url,
        "hello",
        &[xmlrpc::Value::text(evil)],
    ));
    let secret = node.home().secret();
    for guess in ["wrong", &secret] {
        let params = [
            xmlrpc::Value::text("missing.txt"),
            xmlrpc::Value::text(guess),
        ];
        drop(xmlrpc::call(&node.url, "fetch", &params));
    }
    node.control().must("node.status", serde_json::json!({}));
    let log = node.stderr();
    let strange = log
        .chars()
        .find(|c| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c));
    assert_eq!(strange, None, "{log:?}");
    // The rest, the secret among it, is checked at the end of every node.
    node.stop();
}

#[test]
fn the_secret_is_in_no_argument_and_no_environment() {
    let node = noded().start();
    let secret = node.home().secret();
    for file in ["cmdline", "environ"] {
        let bytes = std::fs::read(format!("/proc/{}/{file}", node.pid())).unwrap();
        assert!(
            !String::from_utf8_lossy(&bytes).contains(&secret),
            "it is in {file}"
        );
    }
    node.stop();
}
