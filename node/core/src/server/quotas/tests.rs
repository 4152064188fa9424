//! Quotas alone, and at the service of the peer port, with requests that come from
//! other addresses than those of this machine.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    sync::Arc,
};

use axum::{Router, body::Body, extract::Request, http::Method};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use node_base::{bucket::Quota, clock::now};
use node_overlay::{ADDRESS, Cost, KnownFrom, NODE, STRANGER};
use node_wire::{
    Digest, Fault, FindHit, Introduce, Introduced, Introduction, MethodCall, Value, fault,
    limits::MULTICALL_MAX,
    methods::{self, PROTOCOL_VERSION},
    node_id::{Party, Role, statement},
    peer_url::PeerUrl,
    request, response, through,
};
use tempfile::TempDir;
use tower::ServiceExt;

use super::*;
use crate::{
    client::SERVER_NAME,
    handlers::Extensions,
    identity::{NodeKey, random_nonce},
    node::{Node, NodeOptions, NodeSettings},
    secret::Secret,
    server::routes,
    state::StateDir,
};

/// The service of a node, as the front hands requests to it.
struct Service {
    node: Node,
    router: Router,
    _homes: [TempDir; 2],
}

/// The result of a request.
enum Got {
    Answer(Result<Value, Fault>),
    /// Status 429, with the seconds to wait.
    TooMany(u64),
}

/// A sender of requests.
#[derive(Clone, Copy)]
struct Sender {
    address: [u8; 4],
    token: Option<Nonce>,
}

impl Sender {
    fn at(last: u8) -> Sender {
        Sender {
            address: [198, 51, 100, last],
            token: None,
        }
    }
}

impl Service {
    /// Runs a test against a service, and stops its node however that ends: a runtime
    /// waits for ever for a node that was not stopped.
    async fn test(test: impl AsyncFnOnce(&Service)) {
        let service = Service::start().await;
        let tested = AssertUnwindSafe(test(&service)).catch_unwind().await;
        service.node.stop().await;
        if let Err(panic) = tested {
            resume_unwind(panic);
        }
    }

    async fn start() -> Service {
        let homes = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let state = StateDir::open(&homes[0].path().join("state")).unwrap();
        let secret = Secret::load_or_create(&state).unwrap();
        let settings = NodeSettings::new(homes[1].path().to_owned(), ([127, 0, 0, 1], 0).into());
        let options = NodeOptions {
            extensions: Extensions {
                handlers: vec![Arc::new(plugin_filename::Filename)],
                ..Extensions::default()
            },
            ..NodeOptions::new(settings, state, secret)
        };
        let node = Node::start(options).await.unwrap();
        // What comes back in a second comes back when the test says so.
        tokio::time::pause();
        Service {
            router: routes::router(Arc::clone(&node.context)),
            node,
            _homes: homes,
        }
    }

    async fn send(&self, from: Sender, method: Method, path: &str, body: Vec<u8>) -> Response {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_LENGTH, body.len());
        if let Some(token) = from.token {
            request = request.header(TOKEN_HEADER, token.to_string());
        }
        let mut request = request.body(Body::from(body)).unwrap();
        request
            .extensions_mut()
            .insert(Remote::plain((from.address, 4_242).into()));
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn call(&self, from: Sender, call: &MethodCall) -> Got {
        let response = self.send(from, Method::POST, "/RPC2", request::write(call));
        let response = response.await;
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            return Got::TooMany(seconds(&response));
        }
        assert_eq!(response.status(), StatusCode::OK);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Got::Answer(response::read(&body).unwrap())
    }

    async fn value(&self, from: Sender, call: &MethodCall) -> Value {
        match self.call(from, call).await {
            Got::Answer(answer) => answer.unwrap(),
            Got::TooMany(seconds) => panic!("too many, for {seconds} s"),
        }
    }

    async fn is_answered(&self, from: Sender) -> bool {
        let call = call(methods::LIST_METHODS, Vec::new());
        matches!(self.call(from, &call).await, Got::Answer(Ok(_)))
    }

    /// Returns the same sender, after it has proved a new identity.
    async fn proved(&self, from: Sender) -> Sender {
        let key = NodeKey::random();
        let url = PeerUrl::parse("http://192.0.2.9:4242/").unwrap();
        let introduction = Introduction {
            id: key.id(),
            name: None,
            version: PROTOCOL_VERSION,
            features: Vec::new(),
            url: url.as_str().to_owned(),
            nonce: random_nonce(),
            peers: Vec::new(),
        };
        let first = Introduce {
            from: introduction.clone(),
            proof: None,
        };
        let answer = self.value(from, &first.to_call()).await;
        let theirs = Introduced::from_value(&answer).unwrap().from;
        let caller = Party {
            id: key.id(),
            url: &url,
            nonce: introduction.nonce,
        };
        let answerer = Party {
            id: theirs.id,
            url: self.node.url(),
            nonce: theirs.nonce,
        };
        let proof = key.sign(&statement(Role::Caller, caller, answerer));
        let second = Introduce {
            from: introduction,
            proof: Some((theirs.nonce, proof)),
        };
        let answer = self.value(from, &second.to_call()).await;
        let token = Introduced::from_value(&answer).unwrap().token;
        assert!(token.is_some());
        Sender { token, ..from }
    }

    /// Has as much done as there is to get. Gives what it cost, and how many parts of
    /// requests were refused.
    async fn exhaust(&self, from: Sender) -> (u32, usize) {
        let entry = || {
            let cursor = Value::from("0".to_owned());
            let params = [("cursor".to_owned(), cursor)];
            let params = Value::Array(vec![Value::Struct(params.into())]);
            let name = Value::from(methods::MORE.to_owned());
            Value::Struct(
                [
                    ("methodName".to_owned(), name),
                    ("params".to_owned(), params),
                ]
                .into(),
            )
        };
        let entries = (0..MULTICALL_MAX).map(|_| entry()).collect();
        let many = call(methods::MULTICALL, vec![Value::Array(entries)]);
        let part = Cost::Call.tokens() + Cost::Search.tokens();
        let (mut tokens, mut refused) = (0, 0);
        while let Got::Answer(answer) = self.call(from, &many).await {
            let Ok(Value::Array(results)) = answer else {
                panic!("{answer:?}");
            };
            tokens += Cost::Call.tokens();
            for result in results {
                if result.get("faultCode") == Some(&Value::Int(fault::BUSY)) {
                    refused += 1;
                } else {
                    tokens += part;
                }
            }
        }
        (tokens, refused)
    }

    fn over_quota(&self) -> u64 {
        self.node.context.counters.requests_over_quota.get()
    }
}

fn call(method: &str, params: Vec<Value>) -> MethodCall {
    MethodCall {
        method: method.to_owned(),
        params,
    }
}

fn seconds(response: &Response) -> u64 {
    let seconds = &response.headers()[header::RETRY_AFTER];
    seconds.to_str().unwrap().parse().unwrap()
}

/// Holds what was got against a quota since `begun`; what a refused part has begun to
/// take is not counted.
fn assert_is_quota(tokens: u32, quota: Quota, begun: std::time::Instant) {
    let refilled = (now() - begun).as_nanos() / quota.refill.as_nanos();
    let most = u128::from(quota.burst) + refilled;
    assert!(u128::from(tokens) <= most, "{tokens} of {most}");
    let parts = u32::try_from(MULTICALL_MAX).unwrap() * Cost::Search.tokens();
    assert!(tokens + parts >= quota.burst, "{tokens} of {}", quota.burst);
}

#[tokio::test]
async fn an_address_that_asks_too_much_is_refused_and_no_other() {
    Service::test(async |service| {
        let begun = now();
        let (tokens, refused) = service.exhaust(Sender::at(1)).await;
        assert_is_quota(tokens, STRANGER, begun);
        assert!(refused > 0, "the end of a request is refused with a fault");
        assert!(service.over_quota() > refused as u64);
        let search = service.send(Sender::at(1), Method::GET, "/search?q=a", Vec::new());
        let search = search.await;
        assert_eq!(search.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(seconds(&search), 1);
        assert!(service.is_answered(Sender::at(2)).await);
        assert!(!service.is_answered(Sender::at(1)).await);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(service.is_answered(Sender::at(1)).await);
        let here = Sender {
            address: [127, 0, 0, 1],
            token: None,
        };
        assert!(service.is_answered(here).await);
    })
    .await;
}

#[tokio::test]
async fn an_id_has_a_quota_of_its_own_and_takes_it_along() {
    Service::test(async |service| {
        let known = service.proved(Sender::at(1)).await;
        let begun = now();
        service.exhaust(Sender::at(1)).await;
        assert!(service.is_answered(known).await);
        let (tokens, _) = service.exhaust(known).await;
        assert_is_quota(tokens + 1, NODE, begun);
        let elsewhere = Sender {
            token: known.token,
            ..Sender::at(2)
        };
        let (tokens, _) = service.exhaust(elsewhere).await;
        let refilled = (now() - begun).as_nanos() / NODE.refill.as_nanos();
        assert!(u128::from(tokens) <= refilled, "{tokens} of {refilled}");
        assert!(service.is_answered(Sender::at(2)).await);
    })
    .await;
}

#[tokio::test]
async fn many_ids_at_one_address_have_no_more_than_the_address() {
    Service::test(async |service| {
        let mut ids = Vec::new();
        for _ in 0..5 {
            ids.push(service.proved(Sender::at(1)).await);
        }
        let (begun, mut all) = (now(), 0);
        for id in &ids {
            all += service.exhaust(*id).await.0;
        }
        let refilled = (now() - begun).as_nanos() / ADDRESS.refill.as_nanos();
        let most = u128::from(ADDRESS.burst) + refilled;
        assert!(u128::from(all) <= most, "{all} of {most}");
        assert!(all > NODE.burst, "an address has room for more than one");
        let neighbour = service.proved(Sender::at(2)).await;
        assert!(service.is_answered(neighbour).await);
    })
    .await;
}

#[tokio::test]
async fn a_tree_that_is_passed_on_waits_for_a_slot() {
    Service::test(async |service| {
        tokio::time::resume();
        let holder = Service::start().await;
        tokio::time::resume();
        let (context, url) = (&service.node.context, holder.node.url().clone());
        context.overlay.add(&url, KnownFrom::Owner);
        context.overlay.introduce(&url).await.unwrap();
        let digest = Digest::from_bytes([7; 32]);
        // Its tree is longer than what needs no slot.
        let hit = FindHit {
            name: "a".to_owned(),
            size: 1 << 30,
            digest: Some(digest),
            ..FindHit::default()
        };
        context.passing.note(&url, &[hit]);
        let ask = async || {
            let request = Request::get(format!("/blobs/{digest}/tree"));
            let request = request.header(through::HEADER, url.as_str());
            let mut request = request.body(Body::empty()).unwrap();
            let from = Remote::plain((Sender::at(1).address, 4_242).into());
            request.extensions_mut().insert(from);
            service.router.clone().oneshot(request).await.unwrap()
        };
        assert_eq!(ask().await.status(), StatusCode::NOT_FOUND, "it is gone");
        tokio::time::pause();
        let mut taken = Vec::new();
        for last in 0..=u8::MAX {
            let from = Remote::plain(([192, 0, 2, last], 4_242).into());
            taken.push(context.uploads.begin(from, None).await.unwrap());
        }
        let busy = ask().await;
        assert_eq!(busy.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(busy.headers()[header::SERVER], SERVER_NAME);
        drop(taken);
        tokio::time::resume();
        assert_eq!(ask().await.status(), StatusCode::NOT_FOUND);
        holder.node.stop().await;
    })
    .await;
}
