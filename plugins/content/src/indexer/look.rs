//! Looks at all files, and a comparison with the index.

use std::time::Instant;

use plugin_api::Flow;

use super::Indexing;
use crate::{
    limits::{LOOK_FACTOR, LOOK_LEAST, LOOK_TOLD, WAITING_MAX},
    store::StoreError,
};

impl Indexing<'_> {
    /// Finds the files that are new, that changed, and that are gone.
    pub(super) fn look(&mut self) -> Result<(), StoreError> {
        if !self.shared.files.are_known() {
            // They are being looked at, and a report follows. To look as well would take as long again.
            self.next_look = Instant::now() + LOOK_LEAST;
            return Ok(());
        }
        if !self.batch.files.is_empty() {
            self.commit()?;
        }
        let begun = Instant::now();
        let (mut there, mut waiting, mut are_all) = (Vec::new(), Vec::new(), true);
        let keys = self.store.keys();
        let shared = self.shared;
        let visited = shared.files.visit(&mut |file| {
            let key = keys.of(&file.name);
            there.push(key);
            if file.version == 0 || shared.known(key) != Some(file.version) {
                if waiting.len() < WAITING_MAX {
                    waiting.push(file.name.clone());
                } else {
                    are_all = false;
                }
            }
            if shared.is_stopped() {
                Flow::Stop
            } else {
                Flow::Continue
            }
        });
        self.are_more = !are_all;
        self.next_look = begun + LOOK_LEAST;
        if shared.is_stopped() {
            return Ok(());
        }
        if let Err(error) = visited {
            self.are_more = false;
            shared.note(error.to_string());
            return Ok(());
        }
        there.sort_unstable();
        for key in shared.known_without(&|key| there.binary_search(&key).is_ok()) {
            self.store.remove(key)?;
            self.batch.files.push((key, None));
        }
        shared.listed(waiting, are_all);
        let pause = if shared.is_told() {
            LOOK_TOLD
        } else {
            (begun.elapsed() * LOOK_FACTOR).max(LOOK_LEAST)
        };
        self.next_look = Instant::now() + pause;
        Ok(())
    }
}
