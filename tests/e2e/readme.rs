//! The commands of the README are run as they stand there.

use crate::reader::{Reader, lines_in};
use crate::world::{ctl, noded, repository};

fn readme() -> String {
    std::fs::read_to_string(repository().join("README.md")).expect("there is a README")
}

#[test]
fn the_commands_work_one_after_another() {
    let peer = noded()
        .file("photos/sea/1.jpg", "a picture")
        .file("notes.txt", "notes")
        .start();
    let mut reader = Reader::new(&peer);
    let commands = lines_in(&readme(), "sh");
    let builds = |line: &String| line.starts_with("cargo ") || line.starts_with("export ");
    for line in commands.iter().filter(|line| !builds(line)) {
        reader.obey(line);
    }
    assert!(reader.has_node(), "the README starts no node");
    assert_eq!(
        std::fs::read(reader.home.root().join("notes.txt")).unwrap(),
        b"notes"
    );
    peer.stop();
}

#[test]
fn the_first_two_commands_are_the_tour_and_the_tests() {
    let commands = lines_in(&readme(), "sh");
    assert_eq!(
        commands[0],
        "cargo run --release -p ctl -- run scripts/tour.rhai"
    );
    assert_eq!(commands[1], "cargo test --workspace");
    assert!(repository().join("scripts/tour.rhai").exists());
}

#[test]
fn the_versions_of_rust_agree() {
    let manifest = std::fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = \""))
        .unwrap();
    let version = version.trim_end_matches('"');
    assert!(
        readme().contains(&format!("Rust {version}")),
        "the README does not say Rust {version}"
    );
}

#[test]
fn the_script_of_the_readme_runs() {
    let (near, far) = (noded().start(), noded().file("notes.txt", "notes").start());
    e2e::introduce(&near.url, &far.url);
    let readme = readme();
    let script = readme
        .split("```rust\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let file = near.home().root().join("readme.rhai");
    std::fs::write(&file, script.expect("the README has a script")).unwrap();
    let _ = ctl(near.home())
        .args(["run".as_ref(), file.as_os_str()])
        .run()
        .expect_code(0);
    assert_eq!(
        near.home().read("notes.txt").as_deref(),
        Some(&b"notes"[..])
    );
    near.stop();
    far.stop();
}
