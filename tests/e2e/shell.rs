//! `ctl shell` at a terminal.

use e2e::introduce;

use crate::world::{ctl_at_terminal, noded};

#[test]
fn tab_completes_commands_options_names_and_peers() {
    let near = noded().file("here.txt", "here").start();
    let far = noded().file("notes/to day.txt", "far").start();
    introduce(&near.url, &far.url);
    let mut shell = ctl_at_terminal(near.home(), 80, &["shell"]);
    shell.expect("> ");
    shell.press("fet\t");
    shell.expect("fetch");
    shell.press(" notes/\t");
    shell.expect("'notes/to day.txt'");
    shell.press(" --repl\t");
    shell.expect("--replace");
    shell.press("\n");
    shell.expect("fetched notes/to day.txt (3 B)");
    shell.press("search her\t");
    shell.expect("here.txt");
    shell.press("\n");
    shell.expect("4 B");
    shell.press("peers rm \t");
    shell.expect(&far.url);
    shell.press("\n");
    shell.expect("is forgotten");
    shell.press("exit\n");
    let (code, text) = shell.ends();
    assert_eq!(code, 0, "{text}");
    assert!(!text.contains("panicked"), "{text}");
    near.stop();
    far.stop();
}

#[test]
fn tab_offers_nothing_once_the_node_is_gone() {
    let node = noded().start();
    let home = std::sync::Arc::clone(node.home());
    let mut shell = ctl_at_terminal(&home, 80, &["shell"]);
    shell.expect("> ");
    node.stop();
    shell.press("fetch x\t\t");
    shell.press("\n");
    shell.expect("no node");
    shell.press("\u{4}");
    assert_eq!(shell.ends().0, 0);
}
