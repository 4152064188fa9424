//! Namespace `cache`: content that passed through and is kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::namespace;

/// A cached blob.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct CacheBlob {
    /// BLAKE3 digest of its bytes, hex.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
    /// Number of requests for it since the node started.
    pub hits: u64,
    /// The time when it was kept or asked for last, Unix milliseconds.
    pub used: u64,
}

/// The blobs that were removed.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct CacheCleared {
    /// Number of blobs.
    pub blobs: u64,
    /// Bytes of their content.
    pub bytes: u64,
}

namespace! {
    /// Content that passed through and is kept.
    "cache" => Cache {
        /// Lists the cached blobs, those that were used last first. There are at most 65536.
        Read fn "list" list() -> [Vec<CacheBlob>];
        /// Removes all cached blobs.
        Admin fn "clear" clear() -> [CacheCleared];
    }
}
