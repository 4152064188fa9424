//! Answers that are taken while they are given.

use plugin_api::{Example, FileInfo, Files, Handler, HandlerError, Sink};

use super::*;
use crate::handlers::Asker;
use crate::threads::Threads;

/// Gives as many hits as the query says; fails behind them if the query asks for it.
struct Numbers;

struct Nothing;

impl Files for Nothing {
    fn visit(&self, _: &mut dyn FnMut(&FileInfo) -> Flow) -> Result<(), HandlerError> {
        Ok(())
    }

    fn file(&self, _: &str) -> Result<Option<FileInfo>, HandlerError> {
        Ok(None)
    }

    fn read(&self, _: &str, _: u64, _: usize) -> Result<Option<Vec<u8>>, HandlerError> {
        Ok(None)
    }
}

impl Handler for Numbers {
    fn name(&self) -> &str {
        "numbers"
    }

    fn description(&self) -> &str {
        "for tests"
    }

    fn examples(&self) -> Vec<Example> {
        Vec::new()
    }

    fn answer(
        &self,
        text: &str,
        _: &Arc<dyn Files>,
        sink: &mut dyn Sink,
    ) -> Result<(), HandlerError> {
        let (count, what) = text.split_once(' ').unwrap_or((text, ""));
        for n in 0..count.parse().unwrap() {
            if sink.hit(hit(n)) == Flow::Stop {
                return Ok(());
            }
        }
        match what {
            "fail" => Err(HandlerError::Files("broken".to_owned())),
            "panic" => panic!("as the test wants it"),
            _ => Ok(()),
        }
    }
}

fn hit(n: usize) -> Hit {
    Hit::of(&FileInfo {
        name: n.to_string(),
        size: 0,
        modified: None,
        version: 1,
    })
}

fn begin(text: &str, limit: usize) -> LiveAnswer {
    let asked = HandlerQuery {
        handler: Arc::new(Numbers),
        text: text.to_owned(),
        files: Arc::new(Nothing),
        context: 0,
    };
    let wanted = Bounds {
        limit,
        excerpts: limit,
        bytes: usize::MAX,
        deadline: soon(),
        asker: Asker::Owner,
    };
    let place = Threads::new("answer", 1).try_place().unwrap();
    LiveAnswer::begin(asked, wanted, place).unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

const MOST: PageMost = PageMost {
    hits: 100,
    text: 1_000,
};

/// Returns all hits, and how the answer ended.
async fn all(live: &LiveAnswer) -> (Vec<String>, Result<FoundEnd, String>) {
    let mut names = Vec::new();
    loop {
        let page = match live.next(MOST, soon()).await {
            Ok(page) => page,
            Err(error) => return (names, Err(error.to_string())),
        };
        assert!(page.hits.len() <= MOST.hits);
        names.extend(page.hits.into_iter().map(|hit| hit.file.name));
        if let Some(end) = page.end {
            return (names, Ok(end));
        }
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| n.to_string()).collect()
}

#[tokio::test]
async fn more_hits_than_the_buffer_holds_come_in_order() {
    let count = 10 * BUFFER_MAX;
    let (found, end) = all(&begin(&count.to_string(), usize::MAX)).await;
    assert_eq!((found, end), (names(count), Ok(FoundEnd::Complete)));
}

#[tokio::test]
async fn an_answer_ends_at_its_limit() {
    assert_eq!(all(&begin("9", 3)).await, (names(3), Ok(FoundEnd::Limit)));
}

#[tokio::test]
async fn an_error_comes_behind_the_hits_before_it() {
    let (found, end) = all(&begin("2 fail", 9)).await;
    assert_eq!(found, names(2));
    assert!(end.unwrap_err().contains("broken"));
}

#[tokio::test]
async fn a_handler_that_panics_is_an_error() {
    let (found, end) = all(&begin("2 panic", 9)).await;
    assert_eq!(found, names(2));
    assert!(end.unwrap_err().contains("numbers"));
}

#[tokio::test]
async fn a_dropped_answer_lets_its_thread_go() {
    let live = begin(&(2 * BUFFER_MAX).to_string(), usize::MAX);
    let shared = Arc::clone(&live.shared);
    drop(live);
    let over = async {
        while !shared.is_over() {
            shared.news.notified().await;
        }
    };
    timeout_at(soon().into(), over).await.unwrap();
}

#[tokio::test]
async fn answer_nobody_takes_keeps_its_place_until_it_is_dropped() {
    let threads = Threads::new("answer", 1);
    let asked = HandlerQuery {
        handler: Arc::new(Numbers),
        text: (2 * BUFFER_MAX).to_string(),
        files: Arc::new(Nothing),
        context: 0,
    };
    let wanted = Bounds {
        limit: usize::MAX,
        excerpts: 0,
        bytes: usize::MAX,
        deadline: soon(),
        asker: Asker::Owner,
    };
    let live = LiveAnswer::begin(asked, wanted, threads.try_place().unwrap()).unwrap();
    live.next(MOST, soon()).await.unwrap();
    assert!(threads.try_place().is_none());
    drop(live);
    timeout_at(soon().into(), threads.place()).await.unwrap();
}
