//! Lines in, lines out: reads requests, makes calls, writes answers.
//!
//! # Invariants
//! - At most [`CALLS_MAX`] calls run, and as many answers wait. While they do, nothing is read: a client that does not read
//!   its answers is not listened to.
//! - A call ends with its time, or when its client takes it back.

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use node_api::error::{ApiError, ErrorCode};
use serde_json::{Map, Value};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc::{self, Sender},
    task::{AbortHandle, JoinSet},
    time::timeout,
};

use super::{
    Tools,
    protocol::{self, Answer, Message, Request},
    tools,
};
use crate::{
    error::{CtlError, object},
    output::json_line,
};

/// Longest line that is read, in bytes.
const LINE_MAX: usize = 256 * 1024;

/// Calls that run at a time.
const CALLS_MAX: usize = 8;

/// Answers that wait for the client.
const ANSWERS_MAX: usize = 8;

/// Longest time of a call.
const CALL_TIME: Duration = Duration::from_secs(120);

/// Longest time for the last answers behind the end of the input.
const LAST_TIME: Duration = Duration::from_secs(30);

/// Longest message of an error, in characters: names in it are of others.
const MESSAGE_MAX: usize = 400;

/// Serves one client until its input ends or it reads no more.
pub(crate) async fn serve<R, W>(input: R, output: W, tools: Tools) -> Result<(), CtlError>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let (answers, waiting) = mpsc::channel(ANSWERS_MAX);
    let writer = tokio::spawn(write(output, waiting));
    let table = tools::table(tools.allows_fetch);
    let mut server = Server {
        tools: Arc::new(tools),
        table,
        answers,
        calls: JoinSet::new(),
        by_id: HashMap::new(),
    };
    let mut lines = Lines::new(input);
    let read = loop {
        let line = tokio::select! {
            line = lines.next() => line,
            Some(_) = server.calls.join_next() => {
                server.forget_ended();
                continue;
            }
            () = server.answers.closed() => break Ok(()),
        };
        match line {
            Ok(Some(line)) => server.take(line).await,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    let Server {
        answers, mut calls, ..
    } = server;
    if answers.is_closed() {
        calls.abort_all();
    }
    drop(answers);
    let last = async {
        while calls.join_next().await.is_some() {}
        writer.await
    };
    // A client that reads nothing gets nothing more.
    let _ = timeout(LAST_TIME, last).await;
    read.map_err(|error| CtlError::failed(format!("cannot read standard input: {error}")))
}

struct Server {
    tools: Arc<Tools>,
    /// The table of tools.
    table: Value,
    answers: Sender<String>,
    calls: JoinSet<()>,
    by_id: HashMap<String, AbortHandle>,
}

impl Server {
    async fn take(&mut self, line: Line) {
        let bytes = match line {
            Line::Whole(bytes) => bytes,
            Line::TooLong => return self.answer(protocol::too_long(LINE_MAX)).await,
        };
        match Message::read(&bytes) {
            Message::Nothing => {}
            Message::Refused(answer) => self.answer(answer).await,
            Message::Cancelled(id) => {
                if let Some(call) = self.by_id.remove(&id.to_string()) {
                    call.abort();
                }
            }
            Message::Request(request) => {
                let tools = &self.tools;
                match request.clone().answer(&self.table, |name| tools.has(name)) {
                    Answer::Now(answer) => self.answer(answer).await,
                    Answer::Call { name, arguments } => self.call(request, name, arguments).await,
                }
            }
        }
    }

    async fn answer(&self, answer: String) {
        // When the client is gone, the loop ends.
        drop(self.answers.send(answer).await);
    }

    async fn call(&mut self, request: Request, name: String, arguments: Map<String, Value>) {
        while self.calls.len() >= CALLS_MAX {
            self.calls.join_next().await;
        }
        self.forget_ended();
        let id = request.id.to_string();
        let (tools, answers) = (Arc::clone(&self.tools), self.answers.clone());
        let call = self.calls.spawn(async move {
            let made = timeout(CALL_TIME, tools.call(&name, arguments)).await;
            let made = made.unwrap_or_else(|_| Err(too_slow()));
            let answer = match made {
                Ok(text) => request.tool_result(&text, false),
                Err(error) => request.tool_result(&failure(&error), true),
            };
            let _ = timeout(CALL_TIME, answers.send(answer)).await;
        });
        self.by_id.insert(id, call);
    }

    fn forget_ended(&mut self) {
        self.by_id.retain(|_, call| !call.is_finished());
    }
}

fn too_slow() -> CtlError {
    let text = format!("the call took longer than {} seconds", CALL_TIME.as_secs());
    ApiError::new(ErrorCode::Deadline, text).into()
}

/// Returns the text of a failed call.
fn failure(error: &CtlError) -> String {
    let message: String = error.to_string().chars().take(MESSAGE_MAX).collect();
    let failure = object(error.code(), &message);
    json_line(&failure).unwrap_or_else(|_| "{\"error\":{\"code\":\"failed\"}}".to_owned())
}

async fn write<W: AsyncWrite + Unpin>(
    mut output: W,
    mut answers: mpsc::Receiver<String>,
) -> io::Result<()> {
    while let Some(mut answer) = answers.recv().await {
        answer.push('\n');
        output.write_all(answer.as_bytes()).await?;
        output.flush().await?;
    }
    Ok(())
}

/// A line of the client.
#[derive(Debug, Eq, PartialEq)]
enum Line {
    Whole(Vec<u8>),
    /// It was passed over.
    TooLong,
}

/// The lines of the client. What was read of one is kept when waiting for the rest is given up.
struct Lines<R> {
    input: R,
    begun: Vec<u8>,
    is_too_long: bool,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    fn new(input: R) -> Lines<R> {
        Lines {
            input,
            begun: Vec::new(),
            is_too_long: false,
        }
    }

    /// Returns the next line, without its end; none behind the last.
    async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let read = self.input.fill_buf().await?;
            if read.is_empty() {
                let is_over = self.begun.is_empty() && !self.is_too_long;
                return Ok((!is_over).then(|| self.line()));
            }
            let end = read.iter().position(|byte| *byte == b'\n');
            let part = read.get(..end.unwrap_or(read.len())).unwrap_or_default();
            if self.begun.len() + part.len() > LINE_MAX {
                self.is_too_long = true;
                self.begun = Vec::new();
            }
            if !self.is_too_long {
                self.begun.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                return Ok(Some(self.line()));
            }
        }
    }

    fn line(&mut self) -> Line {
        let begun = std::mem::take(&mut self.begun);
        if std::mem::take(&mut self.is_too_long) {
            Line::TooLong
        } else {
            Line::Whole(begun)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;
    use tokio::io::{AsyncReadExt, BufReader, DuplexStream, duplex, split};

    use super::*;
    use crate::connection::Login;

    /// Starts a server of tools without a node.
    fn served(room: usize) -> (DuplexStream, tokio::task::JoinHandle<Result<(), CtlError>>) {
        let (ours, theirs) = duplex(room);
        let login = Login {
            state: PathBuf::from("/nowhere"),
            token_file: None,
        };
        let (read, write) = split(theirs);
        let serving = serve(BufReader::new(read), write, Tools::new(login, false));
        (ours, tokio::spawn(serving))
    }

    fn call(id: usize) -> String {
        let call = json!({
            "jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": { "name": "nodes", "arguments": {} },
        });
        format!("{call}\n")
    }

    #[tokio::test]
    async fn every_request_is_answered_also_behind_the_end_of_the_input() {
        let (ours, server) = served(64 * 1024);
        let (mut read, mut write) = split(ours);
        let lines: String = (0..20).map(call).collect();
        write.write_all(lines.as_bytes()).await.unwrap();
        write.shutdown().await.unwrap();
        let mut answers = String::new();
        read.read_to_string(&mut answers).await.unwrap();
        let mut ids = Vec::new();
        for line in answers.lines() {
            let answer: Value = serde_json::from_str(line).unwrap();
            assert_eq!(
                answer["result"]["isError"], true,
                "there is no node: {answer}"
            );
            ids.push(answer["id"].as_u64().unwrap());
        }
        ids.sort_unstable();
        assert_eq!(ids, (0..20).collect::<Vec<_>>());
        server.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_client_that_never_reads_is_not_listened_to() {
        let (ours, server) = served(2_000);
        let (read, mut write) = split(ours);
        let line = call(1);
        let writing = async {
            let mut sent = 0;
            while sent < 100_000_000 {
                write.write_all(line.as_bytes()).await.unwrap();
                sent += line.len();
            }
        };
        let blocked = timeout(Duration::from_millis(500), writing).await;
        assert!(blocked.is_err(), "it took all of 100 MB");
        server.abort();
        drop(read);
    }

    #[tokio::test]
    async fn lines_are_whole_or_passed_over() {
        let long = "x".repeat(LINE_MAX + 1);
        let longest = "y".repeat(LINE_MAX);
        let text = format!("a\n\n{long}\n{longest}\nb");
        let mut lines = Lines::new(BufReader::with_capacity(1_000, text.as_bytes()));
        let mut read = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            read.push(line);
        }
        let whole = |text: &str| Line::Whole(text.as_bytes().to_vec());
        assert_eq!(
            read,
            [
                whole("a"),
                whole(""),
                Line::TooLong,
                whole(&longest),
                whole("b")
            ]
        );
    }
}
