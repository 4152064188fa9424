//! `sixhop.introduce`: two nodes meet.
//!
//! It is called twice. The first answer proves who answers; the second call
//! proves who calls. See `docs/protocol/identity.md`.
//!
//! # Invariants
//! - Members that are not known are passed over.
//! - What a node says of itself is bounded: features, peers, URLs, its name.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::{call, claimed_name, text};
use crate::fault::Fault;
use crate::limits::{FEATURE_LENGTH_MAX, FEATURES_MAX, INTRODUCE_PEERS_MAX, URL_MAX};
use crate::methods::INTRODUCE;
use crate::node_id::{NodeId, Nonce, Proof};
use crate::node_name::NodeName;
use crate::request::MethodCall;
use crate::value::Value;

/// The feature of a node that speaks TLS on its port.
pub const TLS_FEATURE: &str = "tls";

/// The introduction of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// Its identity.
    pub id: NodeId,
    /// The name that it gives itself.
    pub name: Option<NodeName>,
    /// The version of the protocol that it speaks.
    pub version: i32,
    /// Its features: names of handlers and the like.
    pub features: Vec<String>,
    /// The URL that it claims; as sent, unchecked.
    pub url: String,
    /// The nonce that it drew for this meeting.
    pub nonce: Nonce,
    /// Some of its peers; as sent, unchecked.
    pub peers: Vec<String>,
}

/// The call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduce {
    /// The caller.
    pub from: Introduction,
    /// In the second call: the nonce of the first answer, and what shows that the
    /// caller is who it says.
    pub proof: Option<(Nonce, Proof)>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduced {
    /// The node that answers.
    pub from: Introduction,
    /// The proof of its identity.
    pub proof: Proof,
    /// To the second call: what the caller may show with later requests, so that
    /// it is known by them.
    pub token: Option<Nonce>,
    /// To the second call: whether the caller, and nobody else, has answered a call
    /// at a URL of its own. Older nodes do not say.
    pub reached: Option<bool>,
}

impl Introduce {
    /// Reads the parameters of a call.
    ///
    /// # Errors
    /// Fault -32602.
    pub fn from_params(params: &[Value]) -> Result<Self, Fault> {
        let [Value::Struct(members)] = params else {
            return Err(Fault::invalid_params("sixhop.introduce takes one struct"));
        };
        let answering = read_hex(members, "answering")?;
        let proof = read_hex(members, "proof")?;
        Ok(Self {
            from: Introduction::read(members)?,
            proof: match (answering, proof) {
                (Some(answering), Some(proof)) => Some((answering, proof)),
                (None, None) => None,
                _ => return Err(Fault::invalid_params("`answering` and `proof` go together")),
            },
        })
    }

    /// Returns the XML-RPC call of this message.
    #[must_use]
    pub fn to_call(&self) -> MethodCall {
        let mut members = self.from.members();
        if let Some((answering, proof)) = &self.proof {
            members.insert("answering".to_owned(), answering.to_string().into());
            members.insert("proof".to_owned(), proof.to_string().into());
        }
        call(INTRODUCE, vec![Value::Struct(members)])
    }
}

impl Introduced {
    /// Reads the value of an answer. `None` if it is not an answer to an introduction.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        let Value::Struct(members) = value else {
            return None;
        };
        Some(Self {
            from: Introduction::read(members).ok()?,
            proof: read_hex(members, "proof").ok()??,
            token: read_hex(members, "token").ok()?,
            reached: match members.get("reached") {
                Some(Value::Bool(reached)) => Some(*reached),
                _ => None,
            },
        })
    }

    /// Returns the answer as a value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut members = self.from.members();
        members.insert("proof".to_owned(), self.proof.to_string().into());
        if let Some(token) = &self.token {
            members.insert("token".to_owned(), token.to_string().into());
        }
        if let Some(reached) = self.reached {
            members.insert("reached".to_owned(), Value::Bool(reached));
        }
        Value::Struct(members)
    }
}

type Members = BTreeMap<String, Value>;

impl Introduction {
    /// Returns whether the node says that it speaks TLS.
    #[must_use]
    pub fn speaks_tls(&self) -> bool {
        self.features.iter().any(|feature| feature == TLS_FEATURE)
    }

    fn read(members: &Members) -> Result<Self, Fault> {
        let needed = |key: &str| Fault::invalid_params(&format!("`{key}` is missing"));
        let version = match members.get("version") {
            Some(Value::Int(version)) => *version,
            _ => return Err(Fault::invalid_params("`version` is no number")),
        };
        let url = members.get("url").ok_or_else(|| needed("url"))?;
        let url = text(url, "`url` is not a string")?;
        if url.len() > URL_MAX {
            return Err(Fault::invalid_params("`url` is too long"));
        }
        Ok(Self {
            id: read_hex(members, "id")?.ok_or_else(|| needed("id"))?,
            name: claimed_name(members),
            version,
            features: texts(members, "features", FEATURES_MAX, FEATURE_LENGTH_MAX)?,
            url,
            nonce: read_hex(members, "nonce")?.ok_or_else(|| needed("nonce"))?,
            peers: texts(members, "peers", INTRODUCE_PEERS_MAX, URL_MAX)?,
        })
    }

    fn members(&self) -> Members {
        let array = |texts: &[String]| {
            Value::Array(texts.iter().map(|text| text.as_str().into()).collect())
        };
        let mut members = BTreeMap::from([
            ("id".to_owned(), self.id.to_string().into()),
            ("version".to_owned(), self.version.into()),
            ("features".to_owned(), array(&self.features)),
            ("url".to_owned(), self.url.as_str().into()),
            ("nonce".to_owned(), self.nonce.to_string().into()),
            ("peers".to_owned(), array(&self.peers)),
        ]);
        if let Some(name) = &self.name {
            members.insert("name".to_owned(), name.as_str().into());
        }
        members
    }
}

fn read_hex<T: FromStr>(members: &Members, key: &str) -> Result<Option<T>, Fault>
where
    T::Err: std::fmt::Display,
{
    let Some(value) = members.get(key) else {
        return Ok(None);
    };
    let read = text(value, &format!("`{key}` is not a string"))?.parse();
    let read = read.map_err(|error| Fault::invalid_params(&format!("`{key}`: {error}")));
    read.map(Some)
}

/// Reads an array of texts; absent means empty.
fn texts(members: &Members, key: &str, most: usize, length: usize) -> Result<Vec<String>, Fault> {
    let wrong = || {
        let message = format!("`{key}` is no array of at most {most} strings of {length} bytes");
        Fault::invalid_params(&message)
    };
    let items = match members.get(key) {
        None => return Ok(Vec::new()),
        Some(Value::Array(items)) if items.len() <= most => items,
        Some(_) => return Err(wrong()),
    };
    let read = |item: &Value| text(item, "").ok().filter(|text| text.len() <= length);
    let texts: Option<_> = items.iter().map(read).collect();
    texts.ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fault::INVALID_PARAMS;
    use crate::{request, response};

    fn introduction() -> impl Strategy<Value = Introduction> {
        let texts = |most| proptest::collection::vec("[ -~é]{0,30}", 0..=most);
        (
            any::<[u8; 32]>(),
            any::<i32>(),
            texts(FEATURES_MAX),
            "[ -~]{0,256}",
            any::<[u8; 32]>(),
            texts(INTRODUCE_PEERS_MAX),
            any::<String>(),
        )
            .prop_map(
                |(id, version, features, url, nonce, peers, name)| Introduction {
                    id: NodeId(id),
                    name: NodeName::claimed(&name),
                    version,
                    features,
                    url,
                    nonce: Nonce(nonce),
                    peers,
                },
            )
    }

    proptest! {
        #[test]
        fn a_call_reads_back(
            from in introduction(),
            proof in any::<Option<([u8; 32], [u8; 32])>>(),
        ) {
            let proof = proof.map(|(nonce, half)| {
                let mut bytes = [0; 64];
                bytes[16..48].copy_from_slice(&half);
                (Nonce(nonce), Proof(bytes))
            });
            let introduce = Introduce { from, proof };
            let bytes = request::write(&introduce.to_call());
            let read = request::read(&bytes).unwrap();
            prop_assert_eq!(Introduce::from_params(&read.params), Ok(introduce));
        }

        #[test]
        fn an_answer_reads_back(
            from in introduction(),
            token in any::<Option<[u8; 32]>>(),
            reached in any::<Option<bool>>(),
        ) {
            let introduced = Introduced {
                from,
                proof: Proof([7; 64]),
                token: token.map(Nonce),
                reached,
            };
            let value = introduced.to_value();
            prop_assert_eq!(Introduced::from_value(&value), Some(introduced));
            prop_assert!(response::value(&value).len() < 16 * 1024);
        }

        #[test]
        fn nothing_that_is_sent_makes_reading_panic(
            key in "id|name|version|features|url|nonce|peers|proof|answering|token",
            text in any::<String>(),
            number in any::<i32>(),
        ) {
            let values = [
                Value::String(text),
                Value::Int(number),
                Value::Array(vec![Value::Nil]),
                Value::Struct(Members::new()),
            ];
            for value in values {
                let mut members = good().members();
                members.insert(key.clone(), value);
                let value = Value::Struct(members);
                let _ = Introduced::from_value(&value);
                let _ = Introduce::from_params(&[value]);
            }
        }
    }

    fn good() -> Introduction {
        Introduction {
            id: NodeId([1; 32]),
            name: "nas".parse().ok(),
            version: 1,
            features: vec!["name".to_owned()],
            url: "http://127.0.0.1:1/".to_owned(),
            nonce: Nonce([2; 32]),
            peers: Vec::new(),
        }
    }

    #[test]
    fn a_call_that_lacks_something_or_has_too_much_is_refused() {
        let with = |key: &str, value: Option<Value>| {
            let mut members = good().members();
            match value {
                Some(value) => drop(members.insert(key.to_owned(), value)),
                None => drop(members.remove(key)),
            }
            Introduce::from_params(&[Value::Struct(members)])
        };
        assert!(with("extra", Some(Value::Nil)).is_ok());
        for no_name in [None, Some(Value::Nil), Some(" ".into())] {
            assert_eq!(with("name", no_name).unwrap().from.name, None);
        }
        let many = |n| Value::Array(vec!["x".into(); n]);
        for wrong in [
            with("id", None),
            with("url", None),
            with("nonce", None),
            with("version", None),
            with("id", Some("12".into())),
            with("proof", Some("0".repeat(128).into())),
            with("url", Some("x".repeat(URL_MAX + 1).into())),
            with("peers", Some(many(INTRODUCE_PEERS_MAX + 1))),
            with("features", Some(many(FEATURES_MAX + 1))),
            with("features", Some(Value::Array(vec![Value::Int(1)]))),
            Introduce::from_params(&[]),
        ] {
            assert_eq!(wrong.unwrap_err().code, INVALID_PARAMS);
        }
    }
}
