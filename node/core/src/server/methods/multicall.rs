//! `system.multicall(calls)`: several calls in one.
//!
//! The answer is written entry by entry: a call is made when the entry before it is out, and a file passes like that of a
//! `query` alone. So a multicall holds one entry, however long its files are and however slowly its client reads.
//!
//! # Invariants
//! - At most [`MULTICALLS_MAX`] are answered at a time, and one source never has them all.
//! - A file that cannot be read to its end breaks the answer off, as for `query`.

use std::{io, sync::Arc};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use node_base::bucket::source_of;
use node_overlay::Cost;
use node_wire::{
    Fault, MethodCall, Multicall, Value,
    response::{MULTICALL_HEAD, MULTICALL_TAIL, multicall_entry},
};

use super::{afford, single};
use crate::server::{
    Context,
    answer::{Answer, Answered, Writing},
    rpc::Caller,
    slots::{Slot, Slots},
};

/// Most multicalls that are answered at a time. Each holds its calls.
const MULTICALLS_MAX: usize = 64;

/// The places for multicalls.
#[derive(Clone, Debug)]
pub struct Multicalls(Slots);

/// A multicall that is being answered.
struct Replying {
    context: Arc<Context>,
    caller: Caller,
    /// The next bytes, if they are not an entry.
    ready: Option<Bytes>,
    entries: std::vec::IntoIter<Result<MethodCall, Fault>>,
    /// A file that is being written as an entry.
    file: Option<Writing>,
    is_over: bool,
    _place: Slot,
}

impl Default for Multicalls {
    fn default() -> Multicalls {
        Multicalls(Slots::shared(MULTICALLS_MAX))
    }
}

pub(super) async fn answer(context: &Arc<Context>, caller: &Caller, params: &[Value]) -> Answered {
    let multicall = Multicall::from_params(params)?;
    let source = source_of(caller.remote.ip());
    let place = context.multicalls.0.take(source).await;
    let replying = Replying {
        context: Arc::clone(context),
        caller: caller.clone(),
        ready: Some(Bytes::from_static(MULTICALL_HEAD.as_bytes())),
        entries: multicall.entries.into_iter(),
        file: None,
        is_over: false,
        _place: place.ok_or_else(Fault::busy)?,
    };
    let body = Body::from_stream(stream::try_unfold(replying, Replying::next));
    Ok(Answer::Written(body))
}

impl Replying {
    /// Returns the next bytes of the answer.
    async fn next(mut self) -> io::Result<Option<(Bytes, Replying)>> {
        if let Some(ready) = self.ready.take() {
            return Ok(Some((ready, self)));
        }
        loop {
            if let Some(file) = self.file.take()
                && let Some((bytes, file)) = file.next().await?
            {
                self.file = Some(file);
                return Ok(Some((bytes, self)));
            }
            let Some(call) = self.entries.next() else {
                break;
            };
            if let Some(entry) = self.entry(call).await {
                return Ok(Some((entry.into(), self)));
            }
        }
        if std::mem::replace(&mut self.is_over, true) {
            return Ok(None);
        }
        let tail = Bytes::from_static(MULTICALL_TAIL.as_bytes());
        Ok(Some((tail, self)))
    }

    /// Makes a call and returns its entry; `None` if the entry is a file, which is then
    /// written next.
    async fn entry(&mut self, call: Result<MethodCall, Fault>) -> Option<Vec<u8>> {
        let (context, caller) = (Arc::clone(&self.context), self.caller.clone());
        match make(context, caller, call).await {
            Ok(Answer::Value(value)) => Some(multicall_entry(Ok(value))),
            Ok(Answer::File(file)) => {
                self.file = Some(file.entry());
                None
            }
            Ok(Answer::Written(_)) => {
                let nested = Fault::invalid_request("A multicall holds no multicall");
                Some(multicall_entry(Err(&nested)))
            }
            Err(fault) => Some(multicall_entry(Err(&fault))),
        }
    }
}

async fn make(context: Arc<Context>, caller: Caller, call: Result<MethodCall, Fault>) -> Answered {
    let call = call?;
    afford(&context, &caller, Cost::Call)?;
    single(&context, &caller, &call).await
}
