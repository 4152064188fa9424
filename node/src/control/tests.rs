//! Tests of the control server: the contract against the served methods.

use std::collections::BTreeSet;

use node_api::openrpc;
use node_base::{secret::Secret, state::StateDir};
use node_core::node::{NodeOptions, NodeSettings};

use super::*;

async fn owner(home: &std::path::Path) -> Owner {
    let state = StateDir::open(&home.join("state")).unwrap();
    let secret = Secret::load_or_create(&state).unwrap();
    let rights = Rights::load(secret.clone(), state.clone()).unwrap();
    let renewal = Renewal::new(secret.clone(), state.clone());
    let settings = NodeSettings::new(home.to_owned(), ([127, 0, 0, 1], 0).into());
    let options = NodeOptions::new(settings, state, secret);
    let node = Arc::new(Node::start(options).await.unwrap());
    Owner {
        node,
        control: ([127, 0, 0, 1], 0).into(),
        sandbox: SandboxStatus::default(),
        renewal,
        rights,
        stop_asked: CancellationToken::new(),
    }
}

#[tokio::test]
async fn the_document_lists_exactly_what_is_served() {
    let home = tempfile::tempdir().unwrap();
    let owner = owner(home.path()).await;
    let served = owner.clone().methods();
    let served: BTreeSet<&str> = served
        .method_names()
        .filter(|name| *name != openrpc::DISCOVER && !name.ends_with(".unsubscribe"))
        .collect();
    let documented: BTreeSet<&str> = openrpc::method_names().into_iter().collect();
    assert_eq!(served, documented);
    let levels = openrpc::levels();
    let all = owner.clone().methods();
    let all: BTreeSet<&str> = all.method_names().collect();
    let levelled: BTreeSet<&str> = levels.keys().map(String::as_str).collect();
    assert_eq!(all, levelled, "each method has a level");
    owner.node.stop().await;
}
