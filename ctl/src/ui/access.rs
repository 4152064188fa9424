//! Access to the page: the token of the link, and the sessions that came of it.
//!
//! # Invariants
//! - A token is good for one use, and for [`TOKEN_TIME`]; there is one at a time.
//! - A session has two halves, and both are needed: the cookie, and the key that the page keeps.
//! - Comparing takes the same time whatever differs.
//! - At most [`SESSIONS_MAX`] sessions; the one that was used longest ago makes room.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use subtle::ConstantTimeEq;

/// The time that a link is good for.
const TOKEN_TIME: Duration = Duration::from_secs(600);

/// Most sessions: browsers that were opened.
const SESSIONS_MAX: usize = 8;

/// Length of random values, in bytes.
const RANDOM: usize = 32;

/// The token and the sessions.
#[derive(Default)]
pub(super) struct Access(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    token: Option<(String, Instant)>,
    sessions: Vec<Session>,
}

/// The two halves of a session.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Session {
    pub(super) cookie: String,
    pub(super) key: String,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Access(..)")
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session(..)")
    }
}

impl Access {
    /// Makes a new token in place of the old one.
    pub(super) fn new_token(&self) -> Result<String, getrandom::Error> {
        let token = random_hex()?;
        self.inner().token = Some((token.clone(), Instant::now()));
        Ok(token)
    }

    /// Returns a session for the token. It is used up by this.
    pub(super) fn exchange(&self, presented: &str, now: Instant) -> Option<Session> {
        let session = Session {
            cookie: random_hex().ok()?,
            key: random_hex().ok()?,
        };
        let mut inner = self.inner();
        let (token, made) = inner.token.as_ref()?;
        if now.saturating_duration_since(*made) > TOKEN_TIME || !same(token, presented) {
            return None;
        }
        inner.token = None;
        if inner.sessions.len() == SESSIONS_MAX {
            inner.sessions.remove(0);
        }
        inner.sessions.push(session.clone());
        Some(session)
    }

    /// Returns true if these are the halves of a session.
    pub(super) fn is_session(&self, cookie: &str, key: &str) -> bool {
        let mut inner = self.inner();
        let is_it = |session: &Session| same(&session.cookie, cookie) & same(&session.key, key);
        let Some(at) = inner.sessions.iter().position(is_it) else {
            return false;
        };
        let session = inner.sessions.remove(at);
        inner.sessions.push(session);
        true
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn same(ours: &str, theirs: &str) -> bool {
    ours.as_bytes().ct_eq(theirs.as_bytes()).into()
}

/// Returns random hex digits that nobody guesses.
pub(super) fn random_hex() -> Result<String, getrandom::Error> {
    let mut bytes = [0; RANDOM];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_once() {
        let access = Access::default();
        let token = access.new_token().unwrap();
        assert_eq!(access.exchange("", Instant::now()), None);
        assert_eq!(access.exchange(&token[1..], Instant::now()), None);
        let session = access.exchange(&token, Instant::now()).unwrap();
        assert_eq!(access.exchange(&token, Instant::now()), None);
        assert!(access.is_session(&session.cookie, &session.key));
    }

    #[test]
    fn an_old_token_and_one_that_was_replaced_are_good_for_nothing() {
        let access = Access::default();
        let first = access.new_token().unwrap();
        let second = access.new_token().unwrap();
        assert_eq!(access.exchange(&first, Instant::now()), None);
        let late = Instant::now() + TOKEN_TIME + Duration::from_secs(1);
        assert_eq!(access.exchange(&second, late), None);
    }

    #[test]
    fn both_halves_of_one_session_are_needed() {
        let access = Access::default();
        let open = || {
            let token = access.new_token().unwrap();
            access.exchange(&token, Instant::now()).unwrap()
        };
        let (one, two) = (open(), open());
        for (cookie, key) in [
            ("", ""),
            (&*one.cookie, ""),
            ("", &*one.key),
            (&*one.cookie, &*two.key),
        ] {
            assert!(!access.is_session(cookie, key));
        }
        assert!(access.is_session(&two.cookie, &two.key));
    }

    #[test]
    fn the_session_that_was_used_longest_ago_makes_room() {
        let access = Access::default();
        let open = || {
            let token = access.new_token().unwrap();
            access.exchange(&token, Instant::now()).unwrap()
        };
        let (first, second) = (open(), open());
        assert!(access.is_session(&first.cookie, &first.key));
        (2..=SESSIONS_MAX).for_each(|_| drop(open()));
        assert!(!access.is_session(&second.cookie, &second.key));
        assert!(access.is_session(&first.cookie, &first.key));
    }
}
