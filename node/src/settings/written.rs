//! Values of the configuration file that may be written in more than one way.
//!
//! A switch is `true` or `false` wherever that means something, and one value needs no array.

use serde::{Deserialize, Deserializer, de};

use crate::cli::{Mdns, ReadDocuments};
use node_base::size::Size;

/// `true`, `false`, or a word.
#[derive(Deserialize)]
#[serde(untagged)]
enum Switch {
    Set(bool),
    Word(String),
}

/// A number of bytes, a size with a unit, or whether there is a limit at all.
#[derive(Deserialize)]
#[serde(untagged)]
enum Limit {
    Set(bool),
    Bytes(u64),
    Text(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// Reads the setting of mDNS: a word, or true or false.
pub(super) fn mdns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Mdns>, D::Error> {
    match Switch::deserialize(deserializer)? {
        Switch::Set(true) => Ok(Some(Mdns::On)),
        Switch::Set(false) => Ok(Some(Mdns::Off)),
        Switch::Word(word) => match word.as_str() {
            "auto" => Ok(Some(Mdns::Auto)),
            "on" => Ok(Some(Mdns::On)),
            "off" => Ok(Some(Mdns::Off)),
            _ => Err(de::Error::custom(format!(
                "`{word}` is none of \"auto\", \"on\", \"off\", true and false"
            ))),
        },
    }
}

/// Reads the setting of documents: a switch.
pub(super) fn documents<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<ReadDocuments>, D::Error> {
    let read = |set| match set {
        true => ReadDocuments::On,
        false => ReadDocuments::Off,
    };
    Ok(switch(deserializer)?.map(read))
}

/// Reads a switch: true, false, `on` or `off`.
pub(super) fn switch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    match Switch::deserialize(deserializer)? {
        Switch::Set(set) => Ok(Some(set)),
        Switch::Word(word) => match word.as_str() {
            "on" => Ok(Some(true)),
            "off" => Ok(Some(false)),
            _ => Err(de::Error::custom(format!(
                "`{word}` is neither true nor false"
            ))),
        },
    }
}

/// Reads a number of bytes; `false` is none.
pub(super) fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Size>, D::Error> {
    match Limit::deserialize(deserializer)? {
        Limit::Set(false) => Ok(Some(Size::of(0))),
        Limit::Set(true) => Err(de::Error::custom("give a size, such as \"100M\", or false")),
        Limit::Bytes(bytes) => Ok(Some(Size::of(bytes))),
        Limit::Text(text) => text.parse().map(Some).map_err(de::Error::custom),
    }
}

/// Reads several texts, or one.
pub(super) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match OneOrMore::deserialize(deserializer)? {
        OneOrMore::One(text) => vec![text],
        OneOrMore::More(texts) => texts,
    })
}
