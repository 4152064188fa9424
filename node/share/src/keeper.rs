//! The keeper: makes the catalogue right, and keeps it so.
//!
//! # Participants
//! [`Keeper`] runs on a thread of its own. It looks where a hint points
//! ([`look`]), and, in a [`sweep`], at one directory after the other: at the
//! start, when hints were lost, and again and again for changes without a hint.
//!
//! # Invariants
//! - What the disk says counts. A lost, late or wrong hint costs time, never a
//!   wrong answer for longer than the next sweep.
//! - A warm start lists only directories that changed; then a slow sweep looks
//!   at every file, and takes half of one processor at most.
//! - Hints come before sweeps: a change is known soon even while all is looked
//!   at.
//! - After changes everything is looked at once more, soon if that is quick. So also a file is known as it is that was
//!   written through a name which came and went unseen.
//! - If not everything can be watched, sweeps come more often, and the status
//!   says why.
//! - The directory itself is looked at every [`ROOT_EVERY`]: one that is gone,
//!   another or unreadable is noticed and said, and taken up when it is back.

mod ahead;
mod elsewhere;
mod lister;
mod look;
mod rescan;
mod sweep;
#[cfg(test)]
mod tests;
mod voice;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::rescan::{Rescan, Rescanned, TooManyRescans};
use self::{
    elsewhere::Elsewhere,
    look::Look,
    rescan::{Asked, Rescans},
    sweep::{Depth, Sweep},
    voice::Voice,
};
use super::{
    Catalogue,
    catalogue::{self, ChangeSet, Saved},
    root::RootNews,
    watcher::{Batch, Hints, System, WatchError, Watcher, Watching},
};
use node_base::{clock::now, events::EventLog, state::StateDir, sync::lock};
use node_wire::name::ShareName;

/// Time in which hints that belong together are waited for.
const TOGETHER: Duration = Duration::from_millis(20);

/// The interval at which the directory itself is checked.
const ROOT_EVERY: Duration = Duration::from_secs(1);

/// Pause between two sweeps if everything is watched.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// Pause between two sweeps if not.
const SWEEP_UNWATCHED: Duration = Duration::from_secs(20);

/// Shortest pause before a sweep after changes. A name that came and went between two looks may have been one of
/// another file, through which that was written; no watcher tells which.
const SWEEP_AFTER_CHANGES: Duration = Duration::from_secs(1);

/// The same as a multiple of the time that the sweep before took: it takes one per cent of one processor at most.
const REST_AFTER_CHANGES: u32 = 100;

/// A sweep pauses for this many times the time that the one before took.
const SWEEP_REST: u32 = 20;

/// The interval at which files with too young stamps are checked again.
const YOUNG_EVERY: Duration = Duration::from_millis(50);

/// Pause before a directory that could not be read is tried again; doubles up to
/// [`UNREADABLE_PAUSE_MAX`].
const UNREADABLE_PAUSE: Duration = Duration::from_secs(1);

/// Longest such pause.
const UNREADABLE_PAUSE_MAX: Duration = Duration::from_secs(60);

/// The interval at which a changed catalogue is saved.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// Pause after a panic, which the thread of the library below may have had.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// Time that one step of a sweep takes, about.
const STEP: Duration = Duration::from_millis(20);

/// The same during the first look, when no answer comes from the catalogue yet.
const FIRST_STEP: Duration = Duration::from_millis(200);

/// The status of the keeper.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct KeeperStatus {
    /// The reason why not every change is noticed at once; nothing if it is.
    pub unwatched: Option<String>,
}

/// Keeps a catalogue right.
pub struct Keeper {
    catalogue: Arc<Catalogue>,
    state: Option<StateDir>,
    watching: Box<dyn Watching>,
    hints: Arc<Hints>,
    status: Mutex<KeeperStatus>,
    events: Arc<EventLog>,
    rescans: Rescans,
    /// True if the directories were scanned since the start.
    looked: watch::Sender<bool>,
}

/// The state of the keeper's thread.
struct Running<'k> {
    keeper: &'k Keeper,
    watcher: Option<Box<dyn Watcher>>,
    sweep: Option<Sweep>,
    voice: Voice<'k>,
    elsewhere: Elsewhere,
    /// True if there are directories that no watcher covers.
    is_blind: bool,
    /// True if changes were reported after the last sweep began.
    has_changed: bool,
    /// The callers that wait for the sweep to end.
    rescans: Vec<Asked>,
    root_looked: Instant,
    swept: Instant,
    sweep_took: Duration,
    /// The time when directories that could not be read are tried again, and the pause before.
    unreadable_next: Instant,
    unreadable_pause: Duration,
    saved: Instant,
}

impl Keeper {
    /// Creates a keeper of `catalogue`, which is saved in `state`.
    #[must_use]
    pub fn new(catalogue: Arc<Catalogue>, state: StateDir, events: Arc<EventLog>) -> Arc<Keeper> {
        Keeper::with(catalogue, Some(state), events, Box::new(System))
    }

    /// Creates a keeper that saves nothing and has no watcher.
    #[cfg(test)]
    pub(super) fn without_state(catalogue: Arc<Catalogue>) -> Arc<Keeper> {
        let watching = Box::new(tests::Memory::default());
        Keeper::with(catalogue, None, Arc::default(), watching)
    }

    fn with(
        catalogue: Arc<Catalogue>,
        state: Option<StateDir>,
        events: Arc<EventLog>,
        watching: Box<dyn Watching>,
    ) -> Arc<Keeper> {
        let hints = Arc::default();
        catalogue.hint_at(&hints);
        Arc::new(Keeper {
            catalogue,
            state,
            watching,
            hints,
            status: Mutex::default(),
            events,
            rescans: Rescans::default(),
            looked: watch::Sender::new(false),
        })
    }

    /// Waits until the directories were looked at once since the start.
    pub async fn looked(&self) {
        // The sender lives as long as this.
        let _ = self.looked.subscribe().wait_for(|looked| *looked).await;
    }

    /// Returns the status of the keeper.
    #[must_use]
    pub fn status(&self) -> KeeperStatus {
        lock(&self.status).clone()
    }

    /// Has the file `name` looked at soon. Does not block.
    pub fn look_at(&self, name: &str) {
        self.hints.name(name);
    }

    /// Has the file or directory `name`, or everything, looked at now. Wait for the
    /// answer.
    ///
    /// # Errors
    /// Errors if too many wait already.
    pub fn rescan(&self, name: Option<&ShareName>) -> Result<Rescan, TooManyRescans> {
        let rescan = self.rescans.ask(name)?;
        self.hints.wake();
        Ok(rescan)
    }

    /// Has the shared directory itself looked at soon. Does not block.
    pub fn look_at_root(&self) {
        self.hints.root();
    }

    /// Ends [`Keeper::run`] when `cancel` says so.
    pub async fn stop_when(self: Arc<Self>, cancel: CancellationToken) {
        cancel.cancelled().await;
        self.hints.stop();
    }

    /// Looks at everything once. Blocks.
    #[cfg(test)]
    pub(super) fn look_once(&self) {
        let mut running = Running::new(self);
        running.begin_sweep(Depth::Changed, true);
        while running.sweep.is_some() {
            running.turn();
        }
    }

    /// Keeps the catalogue right until it is stopped; then saves it. Blocks.
    pub fn run(&self) {
        self.load();
        let mut running = Running::new(self);
        running.watch_anew();
        running.look_at_mounts();
        running.begin_sweep(Depth::Changed, true);
        if self.catalogue.share().trouble().is_some() {
            self.hints.root();
        }
        while !self.hints.is_stopped() {
            if catch_unwind(AssertUnwindSafe(|| running.turn())).is_err() {
                tracing::error!("looking at the share panicked; it is looked at anew");
                self.hints.pause(AFTER_PANIC);
                running = Running::new(self);
                running.watch_anew();
                running.begin_sweep(Depth::Files, true);
            }
        }
        self.save();
    }

    fn load(&self) {
        let Some(state) = &self.state else {
            return;
        };
        let share = self.catalogue.share();
        if share.trouble().is_some() {
            return;
        }
        let root = share.root.description();
        match catalogue::load(state, &root) {
            Ok(Some(saved)) => self.catalogue.begin_with(saved),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "the saved catalogue is not used; the share is looked at anew");
                if let Err(error) = catalogue::remove(state) {
                    tracing::warn!(%error, "it cannot be removed either");
                }
            }
        }
    }

    fn save(&self) {
        let Some(state) = &self.state else {
            return;
        };
        if !self.catalogue.is_complete() {
            return;
        }
        let saved = {
            let mut work = self.catalogue.work();
            if !std::mem::take(&mut work.is_unsaved) {
                return;
            }
            Saved {
                view: self.catalogue.view(),
                folders: work.folders.clone(),
            }
        };
        let root = self.catalogue.share().root.description();
        if let Err(error) = catalogue::save(state, &root, &saved) {
            tracing::warn!(%error, "the catalogue cannot be saved");
        }
    }
}

impl<'k> Running<'k> {
    fn new(keeper: &'k Keeper) -> Running<'k> {
        let now = now();
        Running {
            keeper,
            watcher: None,
            sweep: None,
            voice: Voice::new(&keeper.events),
            elsewhere: Elsewhere::new(),
            is_blind: false,
            has_changed: false,
            rescans: Vec::new(),
            root_looked: now,
            swept: now,
            sweep_took: Duration::ZERO,
            unreadable_next: now,
            unreadable_pause: Duration::ZERO,
            saved: now,
        }
    }

    /// Does the next job, or waits a little.
    fn turn(&mut self) {
        let hints = &self.keeper.hints;
        hints.wait(self.rest());
        let mut batch = hints.take();
        if !batch.names.is_empty() && self.sweep.is_none() {
            hints.pause(TOGETHER);
            batch.append(hints.take());
        }
        if hints.is_stopped() {
            return;
        }
        let is_there = self.look_at_root(batch.root);
        let asked = self.keeper.rescans.take();
        if is_there {
            self.look_at_hints(&batch);
            self.rescan(asked);
            self.look_elsewhere();
            self.look_at_young();
            self.look_at_stale();
            self.look_at_unreadable();
            self.step();
        }
        self.voice
            .ignore_troubles(self.keeper.catalogue.share().ignore_troubles());
        self.voice.speak();
        if now() >= self.saved + SAVE_EVERY {
            self.keeper.save();
            self.saved = now();
        }
    }

    /// Returns the time until something is to be done without a hint.
    fn rest(&self) -> Duration {
        match &self.sweep {
            Some(sweep) => sweep.rest,
            None if self.is_waiting() => YOUNG_EVERY,
            None if self.voice.has_more() => voice::SPEAK_EVERY,
            None => ROOT_EVERY,
        }
    }

    /// Returns whether files are to be looked at again soon.
    fn is_waiting(&self) -> bool {
        let work = self.keeper.catalogue.work();
        work.young.is_waiting() || work.links.are_stale()
    }

    /// Looks at the directory itself if it is time. Says whether it is there.
    fn look_at_root(&mut self, hinted: bool) -> bool {
        let share = Arc::clone(self.keeper.catalogue.share());
        if hinted || now() >= self.root_looked + ROOT_EVERY {
            self.root_looked = now();
            let news = share.root.look();
            self.root_news(&news);
            if hinted && news == RootNews::Same && share.trouble().is_none() {
                // Something about it changed, its permissions maybe.
                let looked = self.look(|look| look.alone(""));
                self.take_in(looked);
            }
        }
        share.trouble().is_none()
    }

    fn root_news(&mut self, news: &RootNews) {
        match news {
            RootNews::Same => return,
            RootNews::Away(_) => {
                let looked = self.look(|look| look.forget(""));
                self.take_in(looked);
                self.sweep = None;
                self.keeper.catalogue.work().folders.clear();
                self.keeper.catalogue.confirm();
                self.keeper.looked.send_replace(true);
            }
            RootNews::Back | RootNews::Replaced => {
                self.watch_anew();
                self.begin_sweep(Depth::Files, true);
            }
        }
        self.keeper.catalogue.doubt();
        self.voice.root(news, self.keeper.catalogue.share().path());
    }

    /// Begins to watch from the start.
    fn watch_anew(&mut self) {
        self.watcher = None;
        for folder in self.keeper.catalogue.work().folders.values_mut() {
            folder.watched = false;
        }
        let root = self.keeper.catalogue.share().path();
        let begun = self.keeper.watching.begin(root, &self.keeper.hints);
        lock(&self.keeper.status).unwatched = None;
        self.is_blind = false;
        match begun {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(error) => self.unwatched(&error),
        }
    }

    /// Notes that not everything is watched, and says it once.
    fn unwatched(&mut self, error: &WatchError) {
        let is_place = matches!(error, WatchError::Silent { .. } | WatchError::Links);
        self.is_blind |= !is_place;
        let said = error.to_string();
        let mut status = lock(&self.keeper.status);
        if status.unwatched.as_ref() != Some(&said) {
            self.voice.unwatched(&said);
            status.unwatched = Some(said);
        }
    }

    /// Notes that everything is watched, if it is.
    fn watched(&mut self) {
        let unreadable = self.keeper.catalogue.unreadable();
        let is_closed = |name: &String| unreadable.iter().any(|(closed, _)| closed == name);
        let work = self.keeper.catalogue.work();
        let mut folders = work.folders.iter();
        let is_told = self.watcher.is_some()
            && folders.all(|(name, folder)| folder.watched || is_closed(name));
        self.is_blind &= !is_told;
        if is_told && self.elsewhere.tells_all() && !work.links.are_more() {
            lock(&self.keeper.status).unwatched = None;
        }
    }

    fn begin_sweep(&mut self, depth: Depth, is_urgent: bool) {
        // One that was to look at all files at once still does.
        let goes_on = self.sweep.as_ref().filter(|sweep| sweep.is_urgent);
        let depth = goes_on.map_or(depth, |sweep| depth.max(sweep.depth));
        self.sweep = Some(Sweep::new(depth, is_urgent));
        self.has_changed &= depth != Depth::Files;
        self.know_root();
    }

    /// Has every file below some directories looked at.
    fn begin_sweep_within(&mut self, within: Vec<String>, is_urgent: bool) {
        if self.sweep.is_some() {
            return self.begin_sweep(Depth::Files, true);
        }
        self.sweep = Some(Sweep::within(within, is_urgent));
        self.know_root();
    }

    fn know_root(&self) {
        self.keeper
            .catalogue
            .work()
            .folders
            .entry(String::new())
            .or_default();
    }

    fn look_at_hints(&mut self, batch: &Batch) {
        if batch.everything {
            tracing::debug!("hints were lost; everything is looked at");
            self.begin_sweep(Depth::Files, true);
        } else if !batch.names.is_empty() {
            self.has_changed = true;
            let looked = self.look(|look| look.names(&batch.names));
            self.take_in(looked);
        }
    }

    /// Looks again at the files that were too young.
    fn look_at_young(&mut self) {
        let catalogue = Arc::clone(&self.keeper.catalogue);
        let ripe = catalogue.work().young.ripen(now());
        if !ripe.is_empty() {
            let looked = self.look(|look| look.files(&ripe));
            catalogue.work().young.looked();
            self.take_in(looked);
        }
    }

    /// Looks again at files that changed under other names during the last look.
    fn look_at_stale(&mut self) {
        let are_stale = self.keeper.catalogue.work().links.are_stale();
        if are_stale {
            let looked = self.look(|_| {});
            self.take_in(looked);
        }
    }

    /// Tries the directories again that could not be read, after growing pauses.
    #[allow(
        clippy::redundant_closure_for_method_calls,
        reason = "a method of a borrowed look is not general enough"
    )]
    fn look_at_unreadable(&mut self) {
        if self.keeper.catalogue.unreadable().is_empty() {
            self.unreadable_pause = Duration::ZERO;
            return;
        }
        if self.unreadable_pause.is_zero() {
            self.unreadable_pause = UNREADABLE_PAUSE;
            self.unreadable_next = now() + UNREADABLE_PAUSE;
        } else if now() >= self.unreadable_next {
            let looked = self.look(|look| look.unreadable_again());
            self.take_in(looked);
            self.unreadable_pause = (self.unreadable_pause * 2).min(UNREADABLE_PAUSE_MAX);
            self.unreadable_next = now() + self.unreadable_pause;
        }
    }

    /// Returns the pause between the last sweep and the next one.
    fn sweep_pause(&self) -> Duration {
        let has_left_out = {
            let work = self.keeper.catalogue.work();
            work.young.has_left_out(YOUNG_EVERY, now())
        };
        let pause = if has_left_out {
            Duration::ZERO
        } else if self.is_blind {
            SWEEP_UNWATCHED
        } else if self.has_changed {
            let rest = self.sweep_took * REST_AFTER_CHANGES;
            rest.clamp(SWEEP_AFTER_CHANGES, SWEEP_EVERY)
        } else {
            SWEEP_EVERY
        };
        pause.max(self.sweep_took * SWEEP_REST)
    }

    /// Goes on with the sweep, or begins the next one.
    fn step(&mut self) {
        let Some(mut sweep) = self.sweep.take() else {
            if now() >= self.swept + self.sweep_pause() {
                if self.watcher.is_none() {
                    self.watch_anew();
                }
                self.begin_sweep(Depth::Files, false);
            }
            return;
        };
        let most = self.step_length();
        let looked = self.look(|look| sweep.step(look, most));
        self.take_in(looked);
        if !sweep.is_done() {
            self.sweep = Some(sweep);
            return;
        }
        self.rescanned();
        if !sweep.is_whole() {
            return;
        }
        self.swept = now();
        self.sweep_took = sweep.took;
        self.keeper.catalogue.work().young.swept(sweep.begun);
        self.watched();
        if sweep.depth == Depth::Changed || !*self.keeper.looked.borrow() {
            let was_complete = self.keeper.catalogue.is_complete();
            self.keeper.catalogue.confirm();
            self.keeper.looked.send_replace(true);
            let (files, skipped) = (
                self.keeper.catalogue.count(),
                self.keeper.catalogue.skipped(),
            );
            tracing::info!(files, skipped, "the share was looked at");
            if skipped > 0 {
                tracing::info!(
                    skipped,
                    "some files are not shared because of their names or kinds: ctl ls --skipped"
                );
            }
            if was_complete && sweep.depth == Depth::Changed {
                // Files that changed in their place show only one by one.
                self.begin_sweep(Depth::Files, false);
            } else {
                self.keeper.catalogue.spread(&ChangeSet {
                    everything: true,
                    ..ChangeSet::default()
                });
                self.keeper.save();
            }
        }
    }

    /// Returns the time that one step of a sweep takes, about.
    fn step_length(&self) -> Duration {
        if self.keeper.catalogue.is_complete() {
            STEP
        } else {
            FIRST_STEP
        }
    }

    /// Asks the disk something that changes nothing.
    fn look_quietly<T>(&mut self, work: impl FnOnce(&mut Look<'_>) -> T) -> T {
        let mut look = Look::begin(&self.keeper.catalogue, None);
        let answer = work(&mut look);
        look.end();
        answer
    }

    /// Looks at the disk, and notes the files there.
    fn look(&mut self, work: impl FnOnce(&mut Look<'_>)) -> Looked {
        let mut look = Look::begin(&self.keeper.catalogue, self.watcher.as_deref_mut());
        work(&mut look);
        look.end()
    }

    fn take_in(&mut self, looked: Looked) {
        if let Some(error) = looked.unwatched {
            self.unwatched(&error);
        }
        if let Some(error) = looked.root_failed {
            let news = self.keeper.catalogue.share().root.leave(&error.to_string());
            self.root_news(&news);
        }
        if looked.is_unfinished {
            self.begin_sweep(Depth::Changed, true);
        }
        for news in &looked.news {
            self.keeper.catalogue.spread(news);
            self.voice.changed(news);
            for asked in &mut self.rescans {
                asked.count(news);
            }
        }
    }
}

/// The result of a look.
#[derive(Debug, Default)]
struct Looked {
    news: Vec<ChangeSet>,
    /// The reason why a directory is not watched.
    unwatched: Option<WatchError>,
    /// True if there were more directories than time.
    is_unfinished: bool,
    /// The reason why the shared directory itself cannot be read.
    root_failed: Option<std::io::Error>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper")
            .field("catalogue", &self.catalogue)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
