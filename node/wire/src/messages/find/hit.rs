//! A file that a node has, and its match.

use std::collections::BTreeMap;

use super::{FindExcerpt, number, read_number, text};
use crate::about::About;
use crate::digest::Digest;
use crate::limits::NAME_MAX;
use crate::value::Value;

/// A file that a node has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FindHit {
    /// Its name; as sent, unchecked. Empty for content without a name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its digest, once it is known.
    pub digest: Option<Digest>,
    /// While it is not known: how many bytes the node has read for digests since its
    /// start. A node where this grows is at work.
    pub hashed: Option<u64>,
    /// The time of its last change, Unix milliseconds.
    pub modified: Option<u64>,
    /// True if its owner may run it.
    pub executable: bool,
    /// The score that the handler there gave it; more is better.
    pub score: Option<f64>,
    /// The place in it that fits.
    pub excerpt: Option<FindExcerpt>,
}

impl FindHit {
    /// Returns the metadata of the file beside its name and bytes.
    #[must_use]
    pub fn about(&self) -> About {
        About {
            modified: self.modified,
            executable: self.executable,
        }
    }

    pub(in super::super) fn to_value(&self) -> Value {
        let mut members = BTreeMap::from([
            ("name".to_owned(), Value::String(self.name.clone())),
            ("size".to_owned(), number(self.size)),
        ]);
        if let Some(digest) = self.digest {
            members.insert("digest".to_owned(), Value::String(digest.to_hex()));
        }
        if let Some(hashed) = self.hashed {
            members.insert("hashed".to_owned(), number(hashed));
        }
        if let Some(modified) = self.modified {
            members.insert("modified".to_owned(), number(modified));
        }
        if self.executable {
            members.insert("executable".to_owned(), Value::Bool(true));
        }
        if let Some(score) = self.score {
            members.insert("score".to_owned(), Value::Double(score));
        }
        if let Some(excerpt) = &self.excerpt {
            members.insert("excerpt".to_owned(), excerpt.to_value());
        }
        Value::Struct(members)
    }

    pub(in super::super) fn from_value(value: &Value) -> Option<FindHit> {
        let Value::Struct(members) = value else {
            return None;
        };
        let digest = match members.get("digest") {
            None => None,
            Some(digest) => Some(Digest::from_hex(&text(digest, "").ok()?).ok()?),
        };
        let excerpt = match members.get("excerpt") {
            None => None,
            Some(excerpt) => Some(FindExcerpt::from_value(excerpt)?),
        };
        Some(FindHit {
            name: text(members.get("name")?, "")
                .ok()
                .filter(|name| name.len() <= NAME_MAX)?,
            size: read_number(members.get("size")?)?,
            digest,
            hashed: members.get("hashed").and_then(read_number),
            modified: members.get("modified").and_then(read_number),
            executable: matches!(members.get("executable"), Some(Value::Bool(true))),
            score: members.get("score").and_then(Value::as_f64),
            excerpt,
        })
    }
}

#[cfg(test)]
pub(in super::super) mod tests {
    use proptest::prelude::*;

    use super::super::excerpt::tests::any_excerpt;
    use super::*;

    pub(in super::super::super) fn any_hit() -> impl Strategy<Value = FindHit> {
        (
            "[ -~é]{0,40}",
            0..1u64 << 62,
            any::<Option<[u8; 32]>>(),
            proptest::option::of(0..1u64 << 50),
            proptest::option::of(0..1u64 << 50),
            any::<bool>(),
            proptest::option::of(-1e9..1e9_f64),
            proptest::option::of(any_excerpt()),
        )
            .prop_map(
                |(name, size, digest, hashed, modified, executable, score, excerpt)| FindHit {
                    name,
                    size,
                    digest: digest.map(Digest::from_bytes),
                    hashed,
                    modified,
                    executable,
                    score,
                    excerpt,
                },
            )
    }
}
