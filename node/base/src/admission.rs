//! The connections that a listener of the owner's holds: those that have shown the
//! secret, and strangers.
//!
//! Anybody on this machine can open connections to a port of the loopback, say
//! half of something, and wait. So strangers and the owner have places of their
//! own: a new stranger takes the place of the one that came first, and a connection that has
//! shown the secret is never put out by one that has not.
//!
//! # Invariants
//! - At most `strangers` and `owners` connections are held.
//! - A connection is a stranger until it is proved.

use std::collections::BTreeMap;

/// The connections of a listener; `K` ends one.
#[derive(Debug)]
pub struct Admission<K> {
    limits: AdmissionLimits,
    last: u64,
    strangers: BTreeMap<u64, K>,
    owners: BTreeMap<u64, K>,
}

/// Most connections of each kind.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionLimits {
    /// Connections that have shown nothing yet.
    pub strangers: usize,
    /// Connections that have shown the secret.
    pub owners: usize,
}

/// There are as many connections of the owner's as may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Full;

impl<K> Admission<K> {
    /// Holds nothing yet.
    #[must_use]
    pub fn new(limits: AdmissionLimits) -> Admission<K> {
        Admission {
            limits,
            last: 0,
            strangers: BTreeMap::new(),
            owners: BTreeMap::new(),
        }
    }

    /// Holds a new connection, which `end` ends. Returns its number, and the `end` of the
    /// stranger that makes room for it, if one does.
    pub fn admit(&mut self, end: K) -> (u64, Option<K>) {
        let displaced = if self.strangers.len() >= self.limits.strangers {
            self.strangers.pop_first().map(|(_, end)| end)
        } else {
            None
        };
        self.last += 1;
        self.strangers.insert(self.last, end);
        (self.last, displaced)
    }

    /// Notes that the connection has shown the secret.
    ///
    /// # Errors
    /// Errors if the owner has no place left; it is then as before.
    pub fn prove(&mut self, id: u64) -> Result<(), Full> {
        if self.owners.contains_key(&id) {
            return Ok(());
        }
        if self.owners.len() >= self.limits.owners {
            return Err(Full);
        }
        if let Some(end) = self.strangers.remove(&id) {
            self.owners.insert(id, end);
        }
        Ok(())
    }

    /// Removes a connection that is closed.
    pub fn remove(&mut self, id: u64) {
        if self.strangers.remove(&id).is_none() {
            self.owners.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: AdmissionLimits = AdmissionLimits {
        strangers: 3,
        owners: 2,
    };

    #[test]
    fn the_stranger_that_came_first_makes_room() {
        let mut admission = Admission::new(LIMITS);
        for n in 1..=3 {
            assert_eq!(admission.admit(n), (n, None));
        }
        admission.prove(1).unwrap();
        assert_eq!(admission.admit(4), (4, None));
        assert_eq!(admission.admit(5), (5, Some(2)));
        admission.remove(3);
        assert_eq!(admission.admit(6), (6, None));
        assert_eq!(admission.admit(7), (7, Some(4)));
    }

    #[test]
    fn the_owner_has_so_many_places_and_no_more() {
        let mut admission = Admission::new(LIMITS);
        for n in 1..=3 {
            admission.admit(n);
        }
        assert_eq!(admission.prove(1), Ok(()));
        assert_eq!(admission.prove(2), Ok(()));
        assert_eq!(admission.prove(2), Ok(()), "a second request of it");
        assert_eq!(admission.prove(3), Err(Full));
        admission.remove(1);
        assert_eq!(admission.prove(3), Ok(()));
    }

    proptest! {
        #[test]
        fn limits_hold_and_owners_stay(steps in prop::collection::vec((0..3_u8, 0..40_u64), 0..200)) {
            let mut admission = Admission::new(LIMITS);
            let mut owners = Vec::new();
            for (step, id) in steps {
                match step {
                    0 => drop(admission.admit(())),
                    1 => {
                        let known = admission.strangers.contains_key(&id);
                        if admission.prove(id).is_ok() && known {
                            owners.push(id);
                        }
                    }
                    _ => {
                        admission.remove(id);
                        owners.retain(|owner| *owner != id);
                    }
                }
                prop_assert!(admission.strangers.len() <= LIMITS.strangers);
                prop_assert!(admission.owners.len() <= LIMITS.owners);
                prop_assert!(owners.iter().all(|owner| admission.owners.contains_key(owner)));
            }
        }
    }
}
