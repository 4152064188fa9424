//! The rights of callers: the owner, who has the secret, and holders of named tokens.
//!
//! # Participants
//! [`Rights`] knows the secret and the [`table`] of tokens, which it keeps in `STATE/tokens`; a [`Caller`] is what it makes
//! of a request; [`Holder`] is the live part of a token, by which all that runs with it ends.
//!
//! # Invariants
//! - A token is refused from the moment on that it is removed or its time is over. What runs with it then, calls,
//!   subscriptions and connections, ends within [`GRACE`].
//! - The disk has hashes of tokens alone.
//! - The file is written under a lock of writers, so that the last one written is the newest.

mod table;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use http::HeaderMap;
use node_api::{level::Level, token::Token};
use node_base::{
    clock,
    disk::Disk,
    events::{Event, EventLog, unix_millis},
    secret::Secret,
    state::{StateDir, StateError},
    sync::lock,
    token::TokenHash,
};
use tokio::{
    select,
    sync::{Notify, Semaphore},
    time::sleep_until,
};
use tokio_util::sync::CancellationToken;

pub(super) use self::table::AddError;
use self::table::{Record, Shown, Table};
use super::guard::{self, Refused};

/// Name of the file in the state directory.
const FILE: &str = "tokens";

/// Longest such file, in bytes.
const FILE_MAX: u64 = 64 * 1024;

/// The time that calls and connections of a removed token go on, so that its last caller has an answer.
const GRACE: Duration = Duration::from_millis(250);

/// Longest time until the last use of a token is on the disk.
const SAVE_AFTER: Duration = Duration::from_secs(30);

/// Longest sleep until the next end of a token: the time of day can be set meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Connections of a token at a time.
const CONNECTIONS_MAX: usize = 16;

/// Calls of a token that run at a time.
const CALLS_MAX: usize = 16;

/// The error of tokens that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RightsError {
    /// The file cannot be read.
    #[error("the tokens cannot be read: {0}")]
    State(#[from] StateError),
    /// Others can read or change the file.
    #[error(
        "the file of tokens {path} is not private: {reason}; remove it and add the tokens again"
    )]
    NotPrivate {
        /// The file.
        path: String,
        /// The reason why it is not.
        reason: String,
    },
    /// The file has something else.
    #[error(
        "the file of tokens {path} cannot be read: {reason}; remove it and add the tokens again"
    )]
    Broken {
        /// The file.
        path: String,
        /// The first thing that is wrong.
        reason: String,
    },
}

/// The error of a change of the tokens.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChangeError {
    /// The token is not one.
    #[error(transparent)]
    Add(#[from] AddError),
    /// The file cannot be written.
    #[error("the tokens cannot be kept: {0}")]
    State(#[from] StateError),
}

/// The live part of a token.
#[derive(Debug)]
pub(super) struct Holder {
    name: String,
    may: Level,
    /// Is cancelled when it is removed or its time is over.
    ended: CancellationToken,
    /// Is cancelled when everything that runs with it has to end.
    cut: CancellationToken,
    connections: Arc<Semaphore>,
    calls: Semaphore,
}

/// The maker of a request.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// Has the secret.
    Owner,
    /// Has a token.
    Token(Arc<Holder>),
}

/// The secret and the tokens of a node. Clones are the same ones.
#[derive(Clone, Debug)]
pub struct Rights(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    secret: Secret,
    state: StateDir,
    table: Mutex<Table>,
    /// Held while the file is written.
    writing: Mutex<()>,
    /// The time by which the uses so far are to be on the disk.
    save_at: Mutex<Option<Instant>>,
    /// Tokens that were removed, and when what runs with them ends.
    ending: Mutex<Vec<(Instant, Arc<Holder>)>>,
    changed: Notify,
    used: Notify,
}

impl Holder {
    fn new(name: &str, may: Level) -> Holder {
        Holder {
            name: name.to_owned(),
            may,
            ended: CancellationToken::new(),
            cut: CancellationToken::new(),
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            calls: Semaphore::new(CALLS_MAX),
        }
    }

    /// Returns the name of the token.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns what it may do.
    pub(super) fn may(&self) -> Level {
        self.may
    }

    /// Returns the places of its connections.
    pub(super) fn connections(&self) -> &Arc<Semaphore> {
        &self.connections
    }

    /// Returns whether it was removed or its time is over.
    pub(super) fn is_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Runs a call of it, one of a limited number. `None` if the token ends before the call does.
    pub(super) async fn run<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        let placed = async {
            let _place = self.calls.acquire().await;
            if self.is_ended() {
                None
            } else {
                Some(call.await)
            }
        };
        self.cut.run_until_cancelled(placed).await.flatten()
    }

    fn end(&self) {
        self.ended.cancel();
        self.cut.cancel();
    }
}

impl Caller {
    /// Returns what it may do.
    pub(super) fn may(&self) -> Level {
        match self {
            Caller::Owner => Level::Admin,
            Caller::Token(holder) => holder.may(),
        }
    }

    /// Does what serves this caller, until its token ends.
    pub(super) async fn until_ended(&self, task: impl Future) {
        match self {
            Caller::Owner => drop(task.await),
            Caller::Token(holder) => drop(holder.cut.run_until_cancelled(task).await),
        }
    }
}

impl Rights {
    /// Reads the tokens that `state` has, beside `secret`.
    ///
    /// # Errors
    /// Errors if the file is there and cannot be used.
    pub fn load(secret: Secret, state: StateDir) -> Result<Rights, RightsError> {
        let path = state.file(FILE).display().to_string();
        let text = match state.read_private_up_to(FILE, FILE_MAX)? {
            None => None,
            Some(Ok(text)) => Some(text),
            Some(Err(not_private)) => {
                let reason = not_private.to_string();
                return Err(RightsError::NotPrivate { path, reason });
            }
        };
        let table = text.as_deref().map_or(Ok(Table::default()), table_of);
        let table = table.map_err(|reason| RightsError::Broken { path, reason })?;
        Ok(Rights(Arc::new(Inner {
            secret,
            state,
            table: Mutex::new(table),
            writing: Mutex::default(),
            save_at: Mutex::default(),
            ending: Mutex::default(),
            changed: Notify::new(),
            used: Notify::new(),
        })))
    }

    /// Returns who makes a request with these headers.
    pub(super) fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refused> {
        let presented = guard::presented(headers).ok_or(Refused::Secret)?;
        if self.0.secret.matches(presented.as_bytes()) {
            return Ok(Caller::Owner);
        }
        let hash = TokenHash::of(presented.as_bytes());
        match lock(&self.0.table).shown(&hash, now()) {
            Shown::Valid(holder) => {
                self.note_use();
                Ok(Caller::Token(holder))
            }
            Shown::Expired => Err(Refused::Expired),
            Shown::Unknown => Err(Refused::Secret),
        }
    }

    fn note_use(&self) {
        let mut save_at = lock(&self.0.save_at);
        if save_at.is_none() {
            *save_at = Some(clock::now() + SAVE_AFTER);
            self.0.used.notify_one();
        }
    }

    /// Adds a token. Blocks for the time of a small file.
    ///
    /// # Errors
    /// Errors if it is none or cannot be kept; there is no such token then.
    pub(super) fn add(
        &self,
        name: &str,
        may: Level,
        sha256: &str,
        time: Option<Duration>,
    ) -> Result<Token, ChangeError> {
        let _writing = lock(&self.0.writing);
        let created = now();
        let time = time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        let record = Record {
            name: name.to_owned(),
            may,
            sha256: sha256.to_owned(),
            created,
            expires: time.map(|time| created.saturating_add(time)),
            used: None,
        };
        let records = {
            let mut table = lock(&self.0.table);
            table.add(record, created)?;
            table.records()
        };
        if let Err(error) = self.write(&records) {
            lock(&self.0.table).remove(name);
            return Err(error.into());
        }
        self.0.changed.notify_one();
        let mut tokens = lock(&self.0.table).list(created).into_iter();
        let token = tokens.find(|token| token.name == name);
        Ok(token.expect("it was added under the lock of writers"))
    }

    /// Removes a token; says whether there was one. It is refused from then on. Blocks for the time of a small file.
    ///
    /// # Errors
    /// Errors if that cannot be kept: the token is there again when the node starts.
    pub(super) fn remove(&self, name: &str) -> Result<bool, ChangeError> {
        let _writing = lock(&self.0.writing);
        let (removed, records) = {
            let mut table = lock(&self.0.table);
            (table.remove(name), table.records())
        };
        let Some(holder) = removed else {
            return Ok(false);
        };
        holder.ended.cancel();
        lock(&self.0.ending).push((clock::now() + GRACE, holder));
        self.0.changed.notify_one();
        self.write(&records)?;
        Ok(true)
    }

    /// Lists the tokens.
    pub(super) fn list(&self) -> Vec<Token> {
        lock(&self.0.table).list(now())
    }

    /// Ends tokens in time and saves their last uses, until `stop`.
    pub(super) async fn keep(self, events: &EventLog, disk: &Disk, stop: CancellationToken) {
        let kept = async { tokio::join!(self.end_in_time(events), self.save_uses(disk)) };
        stop.run_until_cancelled(kept).await;
        self.save(disk).await;
    }

    async fn end_in_time(&self, events: &EventLog) {
        loop {
            for holder in lock(&self.0.table).expired(now()) {
                tracing::info!(token = holder.name(), "the time of a token is over");
                let name = holder.name().to_owned();
                events.emit(&Event::TokenExpired { name });
                holder.end();
            }
            let at = clock::now();
            lock(&self.0.ending).retain(|(end, holder)| {
                let is_over = *end <= at;
                if is_over {
                    holder.end();
                }
                !is_over
            });
            select! {
                () = self.0.changed.notified() => {}
                () = sleep_until(self.next_look(at).into()) => {}
            }
        }
    }

    /// Returns when a token ends next, as far as that can be told.
    fn next_look(&self, at: Instant) -> Instant {
        let next = lock(&self.0.table).next_end();
        let until = next.map(|end| Duration::from_millis(end.saturating_sub(now())));
        let look = at + until.unwrap_or(LOOK_EVERY).min(LOOK_EVERY);
        let ending = lock(&self.0.ending);
        let ending = ending.iter().map(|(end, _)| *end);
        ending.chain([look]).min().unwrap_or(look)
    }

    async fn save_uses(&self, disk: &Disk) {
        loop {
            let save_at = *lock(&self.0.save_at);
            match save_at {
                Some(at) => {
                    sleep_until(at.into()).await;
                    self.save(disk).await;
                }
                None => self.0.used.notified().await,
            }
        }
    }

    /// Brings the uses so far to the disk.
    async fn save(&self, disk: &Disk) {
        if lock(&self.0.save_at).take().is_none() {
            return;
        }
        let rights = self.clone();
        let saved = disk.run(move || {
            let _writing = lock(&rights.0.writing);
            let records = lock(&rights.0.table).records();
            rights.write(&records)
        });
        if let Ok(Err(error)) = saved.await {
            tracing::warn!(%error, "the last uses of tokens could not be saved");
        }
    }

    fn write(&self, records: &[Record]) -> Result<(), StateError> {
        let text = serde_json::to_string_pretty(records).expect("a record is plain JSON");
        self.0.state.write(FILE, &format!("{text}\n"))
    }
}

/// Reads the tokens of the text of the file.
fn table_of(text: &str) -> Result<Table, String> {
    let records: Vec<Record> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut table = Table::default();
    for record in records {
        table
            .add(record, now())
            .map_err(|error| error.to_string())?;
    }
    Ok(table)
}

/// Returns the time of day in Unix milliseconds, by which tokens end.
fn now() -> u64 {
    unix_millis(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use node_base::token::TokenText;

    use super::*;

    fn rights() -> (tempfile::TempDir, Rights) {
        let home = tempfile::tempdir().unwrap();
        let rights = load(home.path()).unwrap();
        (home, rights)
    }

    fn load(home: &std::path::Path) -> Result<Rights, RightsError> {
        let state = StateDir::open(&home.join("state")).unwrap();
        let secret = Secret::load_or_create(&state).unwrap();
        Rights::load(secret, state)
    }

    fn with(text: &str) -> HeaderMap {
        let value = format!("Bearer {text}").parse().unwrap();
        HeaderMap::from_iter([(http::header::AUTHORIZATION, value)])
    }

    #[tokio::test]
    async fn a_removed_token_ends_what_runs_with_it() {
        let (_home, rights) = rights();
        let text = TokenText::generate().unwrap();
        let hash = text.hash().to_string();
        rights.add("a", Level::Fetch, &hash, None).unwrap();
        let caller = rights.caller(&with(text.expose())).unwrap();
        let Caller::Token(holder) = caller else {
            panic!("{caller:?}");
        };
        assert_eq!((holder.name(), holder.may()), ("a", Level::Fetch));
        assert_eq!(holder.run(async { 7 }).await, Some(7));
        let (events, disk, stop) = (
            EventLog::default(),
            Disk::default(),
            CancellationToken::new(),
        );
        let running = holder.run(std::future::pending::<()>());
        let removing = async {
            assert!(rights.remove("a").unwrap());
            assert!(rights.caller(&with(text.expose())).is_err());
            assert_eq!(holder.run(async { 7 }).await, None);
        };
        let keep = rights.clone().keep(&events, &disk, stop.clone());
        let ended = async {
            let (ended, ()) = tokio::join!(running, removing);
            stop.cancel();
            ended
        };
        let (ended, ()) = tokio::join!(ended, keep);
        assert_eq!(ended, None);
        assert!(!rights.remove("a").unwrap());
    }

    #[tokio::test]
    async fn what_is_on_the_disk_is_private_and_has_no_token() {
        let (home, rights) = rights();
        let text = TokenText::generate().unwrap();
        let hash = text.hash().to_string();
        rights.add("a", Level::Read, &hash, None).unwrap();
        rights.caller(&with(text.expose())).unwrap();
        let stop = CancellationToken::new();
        stop.cancel();
        let (events, disk) = (EventLog::default(), Disk::default());
        rights.clone().keep(&events, &disk, stop).await;
        let state = StateDir::open(&home.path().join("state")).unwrap();
        let kept = state.read_private_up_to(FILE, FILE_MAX).unwrap().unwrap();
        let kept = kept.expect("it is private");
        assert!(
            !kept.contains(text.expose()) && kept.contains("\"used\""),
            "{kept}"
        );
        let again = load(home.path()).unwrap();
        assert_eq!(again.list(), rights.list());
        assert!(again.caller(&with(text.expose())).is_ok());
        state.write(FILE, "[{}]").unwrap();
        assert!(matches!(load(home.path()), Err(RightsError::Broken { .. })));
    }

    #[test]
    fn a_token_that_cannot_be_kept_is_not_there() {
        #![allow(
            clippy::disallowed_methods,
            reason = "the test stands in the way of the file"
        )]
        let (home, rights) = rights();
        std::fs::create_dir(home.path().join("state/tokens.new")).unwrap();
        let text = TokenText::generate().unwrap();
        let added = rights.add("a", Level::Read, &text.hash().to_string(), None);
        assert!(matches!(added, Err(ChangeError::State(_))));
        assert!(rights.list().is_empty());
        assert!(rights.caller(&with(text.expose())).is_err());
    }
}
