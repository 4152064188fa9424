//! Tests of the settings.

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn home() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    for directory in ["share", "other"] {
        fs::create_dir(home.path().join(directory)).unwrap();
    }
    home
}

fn args(home: &TempDir) -> NodeArgs {
    NodeArgs {
        share: Some(home.path().join("share")),
        state: Some(home.path().join("state")),
        ..NodeArgs::default()
    }
}

fn with_config(home: &TempDir, text: &str) -> NodeArgs {
    let path = home.path().join(format!("{}.toml", text.len()));
    fs::write(&path, text).unwrap();
    NodeArgs {
        config: Some(path),
        ..args(home)
    }
}

#[test]
fn defaults_are_loopback_and_the_known_ports() {
    let home = home();
    let settings = Settings::resolve(args(&home)).unwrap();
    assert_eq!(settings.node.listen, "127.0.0.1:4242".parse().unwrap());
    assert_eq!(settings.control, "127.0.0.1:4243".parse().unwrap());
    assert!(settings.node.url.is_none() && settings.node.peers.is_empty());
}

#[test]
fn an_option_wins_over_the_file_and_the_file_over_the_default() {
    let home = home();
    let config = "listen = '127.0.0.1:1'\ncontrol = '127.0.0.1:2'\npeer = ['http://a/']\n";
    let args = NodeArgs {
        listen: Some("127.0.0.1:3".parse().unwrap()),
        ..with_config(&home, config)
    };
    let settings = Settings::resolve(args).unwrap();
    assert_eq!(
        (settings.node.listen.port(), settings.control.port()),
        (3, 2)
    );
    assert_eq!(
        settings.node.peers,
        [PeerAddress::parse("http://a/").unwrap()]
    );
}

#[test]
fn a_file_of_peers_has_one_url_a_line() {
    let home = home();
    let path = home.path().join("urls.txt");
    let text = "\u{feff}http://a:1\n\n# a remark\n  http://b:2/codes # mine\r\nnonsense here\nnas\t#\nc:3#x\r\n";
    fs::write(&path, text).unwrap();
    let settings = Settings::resolve(NodeArgs {
        peers: Some(path),
        ..args(&home)
    })
    .unwrap();
    let peers = settings.node.peers.iter();
    let urls: Vec<_> = peers.map(ToString::to_string).collect();
    assert_eq!(
        urls,
        [
            "http://a:1/",
            "http://b:2/codes",
            "http://nas:4242/",
            "http://c:3/"
        ]
    );
    let [skipped] = &settings.skipped[..] else {
        panic!("{:?}", settings.skipped);
    };
    assert!(
        skipped.contains("urls.txt:5") && skipped.contains("nonsense"),
        "{skipped}"
    );
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn each_mistake_is_named_with_what_to_change() {
    let home = home();
    let good = || args(&home);
    let urls = home.path().join("urls.txt");
    fs::create_dir(&urls).unwrap();
    let missing = home.path().join("missing");
    for (args, part) in [
        (
            NodeArgs {
                share: None,
                ..good()
            },
            "--share DIR",
        ),
        (
            NodeArgs {
                share: Some(missing.clone()),
                ..good()
            },
            "--share",
        ),
        (
            NodeArgs {
                plugins: Some(missing.clone()),
                ..good()
            },
            "--plugins",
        ),
        (
            NodeArgs {
                control: Some("0.0.0.0:1".parse().unwrap()),
                ..good()
            },
            "loopback",
        ),
        (
            NodeArgs {
                url: Some("ftp://nonsense".to_owned()),
                ..good()
            },
            "--url",
        ),
        (
            NodeArgs {
                peer: vec!["http://u:p@h/".to_owned()],
                ..good()
            },
            "--peer",
        ),
        (
            NodeArgs {
                peers: Some(urls),
                ..good()
            },
            "--peers",
        ),
        (
            NodeArgs {
                peers: Some(missing.clone()),
                ..good()
            },
            "--peers",
        ),
        (
            NodeArgs {
                config: Some(missing),
                ..good()
            },
            "--config",
        ),
        (
            NodeArgs {
                state: Some(home.path().join("share/.state")),
                ..good()
            },
            "--state",
        ),
        (with_config(&home, "mdns = 'maybe'"), "maybe"),
        (with_config(&home, "network = ''"), "--network"),
        (
            with_config(&home, "dht_bootstrap = ['nowhere']"),
            "--dht-bootstrap",
        ),
        (with_config(&home, "lisen = 1"), "lisen"),
        (with_config(&home, "listen = 'here:x'"), "line 1"),
    ] {
        let error = Settings::resolve(args).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn a_state_that_leads_into_the_share_through_a_link_is_refused() {
    let home = home();
    std::os::unix::fs::symlink(home.path().join("share"), home.path().join("link")).unwrap();
    let args = NodeArgs {
        state: Some(home.path().join("link/a/b")),
        ..args(&home)
    };
    assert!(matches!(
        Settings::resolve(args),
        Err(SettingsError::InShare { .. })
    ));
}

#[test]
fn the_dht_is_unused_and_nothing_published_by_default() {
    let home = home();
    let settings = Settings::resolve(args(&home)).unwrap().meeting;
    assert!(!settings.uses_dht());
    assert_eq!((settings.network, settings.publish), (None, false));
    assert_eq!(settings.mdns, Mdns::Auto);
    let config = "mdns = 'off'\nnetwork = 'home'\npublish = true\ndht_bootstrap = ['a:1', 'b:2']\n";
    let settings = Settings::resolve(with_config(&home, config))
        .unwrap()
        .meeting;
    assert_eq!(
        (settings.network.as_deref(), settings.publish),
        (Some("home"), true)
    );
    assert_eq!(
        (settings.mdns, settings.dht_bootstrap.len()),
        (Mdns::Off, 2)
    );
}

#[test]
fn the_cache_has_a_gibibyte_unless_said_otherwise() {
    let home = home();
    let size = |args| Settings::resolve(args).unwrap().node.cache_size;
    assert_eq!(size(args(&home)), 1 << 30);
    assert_eq!(size(with_config(&home, "cache_size = '5M'")), 5 << 20);
    assert_eq!(size(with_config(&home, "cache_size = 4096")), 4096);
    let off = NodeArgs {
        cache_size: Some("0".parse().unwrap()),
        ..with_config(&home, "cache_size = '7M' ")
    };
    assert_eq!(size(off), 0);
    assert!(Settings::resolve(with_config(&home, "cache_size = 'much'")).is_err());
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn what_the_owner_keeps_and_the_share_lie_apart() {
    let home = home();
    let share = home.path().join("share");
    for directory in ["share/plugins", "share/below", "state/below"] {
        fs::create_dir_all(home.path().join(directory)).unwrap();
    }
    fs::write(share.join("file"), "").unwrap();
    std::os::unix::fs::symlink(&share, home.path().join("link")).unwrap();
    std::os::unix::fs::symlink(home.path().join("state"), home.path().join("other/s")).unwrap();
    let path = |below: &str| Some(home.path().join(below));
    let good = || args(&home);
    let cases = [
        (
            "--state",
            NodeArgs {
                state: path("share"),
                ..good()
            },
        ),
        (
            "--state",
            NodeArgs {
                state: path("share/new/deep"),
                ..good()
            },
        ),
        (
            "--state",
            NodeArgs {
                state: path("link/new"),
                ..good()
            },
        ),
        (
            "--share",
            NodeArgs {
                share: path("state/below"),
                ..good()
            },
        ),
        (
            "--share",
            NodeArgs {
                share: path("other/s/below"),
                ..good()
            },
        ),
        (
            "--plugins",
            NodeArgs {
                plugins: path("share/plugins"),
                ..good()
            },
        ),
        (
            "--plugins",
            NodeArgs {
                plugins: path("link"),
                ..good()
            },
        ),
        (
            "--network-key-file",
            NodeArgs {
                network_key_file: path("share/file"),
                ..good()
            },
        ),
        (
            "--network-key-file",
            NodeArgs {
                network_key_file: path("link/missing"),
                ..good()
            },
        ),
        (
            "--peers",
            NodeArgs {
                peers: path("share/file"),
                ..good()
            },
        ),
        (
            "--config",
            NodeArgs {
                config: path("share/file"),
                ..good()
            },
        ),
    ];
    for (option, args) in cases {
        let error = Settings::resolve(args).unwrap_err().to_string();
        assert!(error.contains(option), "{option}: {error}");
        assert!(error.contains("lies in the"), "{option}: {error}");
    }
    let beside = NodeArgs {
        state: path("share-state"),
        ..good()
    };
    assert!(Settings::resolve(beside).is_ok());
}

#[test]
fn paths_in_the_file_are_those_of_the_home_or_relative_to_it() {
    let home = home();
    fs::create_dir_all(home.path().join("sub/plugins")).unwrap();
    let path = home.path().join("sub/node.toml");
    let text = "share = '../share'\nstate = '~/of-a-node'\nplugins = 'plugins'\n\
                network_key_file = '/absolute/key'\n";
    fs::write(&path, text).unwrap();
    let settings = Settings::resolve(NodeArgs {
        config: Some(path),
        ..NodeArgs::default()
    })
    .unwrap();
    assert_eq!(settings.node.share, home.path().join("sub/../share"));
    assert_eq!(settings.plugins, Some(home.path().join("sub/plugins")));
    assert_eq!(settings.network_key_file, Some("/absolute/key".into()));
    let user = PathBuf::from(std::env::var_os("HOME").unwrap());
    assert_eq!(settings.state, user.join("of-a-node"));
}

#[test]
fn a_tilde_in_an_option_is_the_home_directory() {
    let home = home();
    let args = NodeArgs {
        state: Some("~/of-a-node".into()),
        ..args(&home)
    };
    let user = PathBuf::from(std::env::var_os("HOME").unwrap());
    let settings = Settings::resolve(args.clone()).unwrap();
    assert_eq!(settings.state, user.join("of-a-node"));
    let other = NodeArgs {
        state: Some("~root/of-a-node".into()),
        ..args
    };
    let error = Settings::resolve(other).unwrap_err().to_string();
    assert!(error.contains("whole path"), "{error}");
    let error = Settings::resolve(with_config(&home, "plugins = '~root/p'")).unwrap_err();
    assert!(error.to_string().contains("whole path"), "{error}");
}

#[test]
fn every_option_is_a_key_of_the_page_and_of_the_file() {
    use clap::CommandFactory;

    const PAGE: &str = include_str!("../../../docs/configuration.md");
    let home = home();
    let cli = crate::cli::Cli::command();
    let options = cli.get_arguments().filter_map(clap::Arg::get_long);
    let no_keys = ["config", "print-config", "help", "version"];
    for option in options.filter(|option| !no_keys.contains(option)) {
        let key = option.replace('-', "_");
        let row = format!("| `{key}` | `SIXHOP_{}` |", key.to_uppercase());
        assert!(PAGE.contains(&row), "no row {row}");
        // A value of no type that any key takes: the key is known if that is what is wrong.
        let refused = Settings::resolve(with_config(&home, &format!("{key} = 1979-05-27\n")));
        let text = refused.unwrap_err().to_string();
        assert!(!text.contains("there is no key"), "{key}: {text}");
    }
    let rows = PAGE
        .lines()
        .filter(|line| line.starts_with("| `") && line.contains("| `SIXHOP_"));
    assert!(rows.count() >= 17);
}

#[test]
fn switches_are_booleans_and_one_value_is_no_array() {
    let home = home();
    let read = |text: &str| Settings::resolve(with_config(&home, text));
    for (text, mdns) in [
        ("mdns = false", Mdns::Off),
        ("mdns = true", Mdns::On),
        ("mdns = 'auto'", Mdns::Auto),
    ] {
        assert_eq!(read(text).unwrap().meeting.mdns, mdns, "{text}");
    }
    let text = "cache_size = false\nupload_rate = '2M'\ndownload_rate = 4096\npublish = 'on'\npeer = 'http://a/'\n";
    let settings = read(text).unwrap();
    assert_eq!(
        (settings.node.cache_size, settings.node.upload_rate),
        (0, RateSchedule::always(2 << 20))
    );
    assert_eq!(
        (settings.node.download_rate, settings.meeting.publish),
        (RateSchedule::always(4096), true)
    );
    assert_eq!(settings.node.peers.len(), 1);
    for (text, part) in [
        ("cache_size = true", "100M"),
        ("upload_rate = 'fast'", "size"),
        ("upload_rate = '2M; 8 500K'", "08:00-18:00"),
        ("log_format = 'xml'", "xml"),
        ("publish = 'maybe'", "maybe"),
        ("peer = 1", "peer"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

/// Pieces of which hostile files of settings are made.
const PIECES: &str = r#"[a-z_]{1,9}|listen|peer|upload_rate|mdns|sandbox|share|'|"|=|\[|\]|\{|\}|#|,|\n|\r|[0-9]{1,25}|http://|@|/|:|\.|\\|\PC"#;

proptest! {
    /// `PROPTEST_CASES` has it run longer.
    #[test]
    fn any_configuration_is_read_or_refused_in_one_sentence(
        pieces in prop::collection::vec(PIECES, 0..40),
    ) {
        let home = home();
        if let Err(error) = Settings::resolve(with_config(&home, &pieces.concat())) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn any_file_of_peers_gives_urls_and_told_lines(
        pieces in prop::collection::vec(PIECES, 0..40), bytes in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let home = home();
        let path = home.path().join("urls.txt");
        let text = [pieces.concat().as_bytes(), &bytes].concat();
        fs::write(&path, &text).unwrap();
        let settings = Settings::resolve(NodeArgs { peers: Some(path), ..args(&home) }).unwrap();
        let lines = String::from_utf8_lossy(&text).lines().count();
        prop_assert!(settings.node.peers.len() + settings.skipped.len() <= lines);
        for line in &settings.skipped {
            prop_assert!(!line.contains(['\n', '\u{1b}']), "{:?}", line);
        }
    }
}
