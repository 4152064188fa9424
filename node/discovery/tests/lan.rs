//! Two nodes that meet by mDNS, over the loopback interface.

use std::{
    net::{IpAddr, Ipv4Addr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use node_discovery::{Lan, LanOptions, LanScope};
use node_wire::peer_url::PeerUrl;
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Returns a port that nobody uses now.
fn free_port() -> u16 {
    let socket = UdpSocket::bind((LOOPBACK, 0)).expect("the loopback has free ports");
    let address = socket.local_addr().expect("a bound socket has an address");
    address.port()
}

fn lan(mdns_port: u16, port: u16, path: &str) -> (Lan, UnboundedReceiver<PeerUrl>) {
    let (met, heard) = unbounded_channel();
    let options = LanOptions {
        scope: LanScope::Address(LOOPBACK),
        port,
        path: path.to_owned(),
        mdns_port,
    };
    let lan = Lan::start(
        &options,
        Arc::new(move |url: &PeerUrl| drop(met.send(url.clone()))),
    );
    (lan.expect("mDNS starts on the loopback"), heard)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_hear_of_each_other_and_stop_in_time() {
    let mdns_port = free_port();
    let cancel = CancellationToken::new();
    let (one, mut heard_by_one) = lan(mdns_port, 4_001, "/");
    let (two, mut heard_by_two) = lan(mdns_port, 4_002, "/below");
    let tasks = [
        tokio::spawn(one.run(cancel.clone())),
        tokio::spawn(two.run(cancel.clone())),
    ];
    let wait = Duration::from_secs(20);
    let by_one = timeout(wait, heard_by_one.recv()).await.unwrap().unwrap();
    let by_two = timeout(wait, heard_by_two.recv()).await.unwrap().unwrap();
    assert_eq!(by_one.as_str(), "http://127.0.0.1:4002/below");
    assert_eq!(by_two.as_str(), "http://127.0.0.1:4001/");
    cancel.cancel();
    for task in tasks {
        timeout(Duration::from_secs(5), task)
            .await
            .unwrap()
            .unwrap();
    }
    assert!(heard_by_one.recv().await.is_none() && heard_by_two.recv().await.is_none());
}
