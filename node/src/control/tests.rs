//! Tests of the control server: the contract against the served methods.

use std::collections::BTreeSet;

use node_api::openrpc;
use node_base::{schedule::RateSchedule, secret::Secret, state::StateDir};
use node_core::{
    handlers::Extensions,
    node::{NodeOptions, NodeSettings},
};

use super::*;

async fn owner(home: &std::path::Path) -> Owner {
    let state = StateDir::open(&home.join("state")).unwrap();
    let secret = Secret::load_or_create(&state).unwrap();
    let renewal = Renewal::new(secret.clone(), state.clone());
    let options = NodeOptions {
        settings: NodeSettings {
            share: home.to_owned(),
            listen: ([127, 0, 0, 1], 0).into(),
            url: None,
            allow_hosts: Vec::new(),
            peers: Vec::new(),
            cache_size: 0,
            upload_rate: RateSchedule::default(),
            download_rate: RateSchedule::default(),
        },
        secret,
        state,
        extensions: Extensions::default(),
        providers: None,
        network_key: None,
    };
    let node = Arc::new(Node::start(options).await.unwrap());
    Owner {
        node,
        control: ([127, 0, 0, 1], 0).into(),
        renewal,
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
    owner.node.stop().await;
}
