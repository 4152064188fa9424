//! The list of all known digests.

use std::collections::BTreeSet;

use node_wire::Digest;
use redb::{ReadableDatabase, ReadableMultimapTable};

use super::{NAMES, Store};
use node_base::sync::lock;

impl Store {
    /// Digests of files, at most `most`, each once.
    pub(in crate::digests) fn digests(&self, most: usize) -> Vec<Digest> {
        let mut digests = lock(&self.unsaved)
            .files
            .values()
            .map(|new| new.known.digest)
            .take(most)
            .collect::<BTreeSet<_>>();
        let saved = self.read(|database| {
            let table = database.begin_read()?.open_multimap_table(NAMES)?;
            let mut saved = Vec::new();
            for entry in table.iter()?.take(most) {
                saved.extend(<[u8; 32]>::try_from(entry?.0.value()).map(Digest::from_bytes));
            }
            Ok(saved)
        });
        digests.extend(saved.unwrap_or_default());
        digests.into_iter().take(most).collect()
    }
}
