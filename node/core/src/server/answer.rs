//! Answers in the caller's dialect.

use std::{future, io, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, future::BoxFuture, stream};
use node_wire::{
    About, AnswerRate, Value,
    content::{Payload, QueryAnswerWriter, Scanned, codes_failure},
    dialect::{CODE_FAIL, Dialect},
    fault::{self, Fault},
    methods::{FETCH, HELLO, QUERY},
    response,
};

use tokio::{select, time::sleep};

use super::{
    Context,
    content::Content,
    front::Remote,
    kinds::Kind,
    policy::FetchPermit,
    raw,
    relay::Relay,
    upload::{Busy, Encoder, Sending, Upload},
};

/// The interval at which a client hears that its file is still being read.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// The answer of a method.
#[derive(Debug)]
pub(super) enum Answer {
    /// A value.
    Value(Value),
    /// A file.
    File(Box<FileAnswer>),
    /// Whole XML that is being written.
    Written(Body),
}

/// A file as the answer to `query`.
#[derive(Debug)]
pub(super) struct FileAnswer {
    content: Content,
    known: Known,
    /// The rate of the peer that sends it, if it comes from one that gives it.
    rate: Option<AnswerRate>,
    /// Its metadata beside its name and bytes.
    about: About,
    upload: Upload,
}

/// The facts about a file before its answer begins.
#[derive(Clone, Debug)]
enum Known {
    /// Its encoding, and the length of the answer.
    All(Scanned),
    /// Its encoding.
    Payload(Payload),
    /// Nothing: it is long, and was not read yet.
    Nothing(Kind),
}

/// A file that is being written.
pub(super) enum Writing {
    /// It is being read to learn its kind.
    Learning(BoxFuture<'static, io::Result<Sending>>),
    /// Its bytes are being sent.
    Sending(Box<Sending>),
}

/// The error of content that cannot be the answer to `query`.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileAnswerError {
    /// Too much is being sent already.
    #[error("too many answers are being sent")]
    Busy,
    /// It cannot be read, or has changed.
    #[error(transparent)]
    Unreadable(#[from] io::Error),
}

/// An answer or a fault.
pub(super) type Answered = Result<Answer, Fault>;

/// Returns the answer of `method` as an HTTP response.
pub(super) async fn response(dialect: Dialect, method: &str, answered: Answered) -> Response {
    match (answered, dialect) {
        (Ok(Answer::Value(value)), _) => xml(response::value(&value)),
        (Ok(Answer::File(file)), _) => file.response(dialect).await,
        (Ok(Answer::Written(body)), _) => xml(body),
        (Err(fault), Dialect::Codes) => code(method, &fault),
        (Err(fault), Dialect::Faults) => self::fault(&fault),
    }
}

/// Returns a fault as an HTTP response.
pub(super) fn fault(fault: &Fault) -> Response {
    xml(response::fault(fault))
}

/// Returns a failure in the dialect of codes. A fault without a code there stays a fault.
fn code(method: &str, fault: &Fault) -> Response {
    let has_code = matches!(
        fault.code,
        fault::UNHANDLED | fault::ACCESS_DENIED | fault::INVALID_PARAMS
    );
    match method {
        QUERY if has_code => xml(codes_failure()),
        HELLO | FETCH if has_code => xml(response::value(&Value::Int(CODE_FAIL))),
        _ => self::fault(fault),
    }
}

impl FileAnswer {
    /// Prepares an answer to `remote` with content that is here.
    ///
    /// The encoding as text or as base64, and the length of the answer, are
    /// known only when it was read once. So it is read twice; if it is not the
    /// same any more the second time, the answer is broken off. Long content is
    /// read when its answer has begun.
    ///
    /// # Errors
    /// Errors if it cannot be read, or too much is being sent already.
    pub(super) async fn of(
        context: &Context,
        (mut content, about): (Content, About),
        remote: Remote,
        _permit: &FetchPermit,
    ) -> Result<FileAnswer, FileAnswerError> {
        let upload = context.uploads.begin(remote, content.length()).await?;
        let known = match content.long_key() {
            None => match content
                .scan(&context.disk, context.uploads.memory())
                .await?
            {
                Some(scanned) => Known::All(scanned),
                None => Known::Payload(Payload::Binary),
            },
            Some(key) => {
                let kind = context.kinds.of(key);
                let scanned = kind.get().copied();
                scanned.map_or(Known::Nothing(kind), Known::All)
            }
        };
        Ok(FileAnswer {
            content,
            known,
            rate: upload.rate(),
            about,
            upload,
        })
    }

    /// Prepares an answer to `remote` with content that a peer is sending.
    ///
    /// # Errors
    /// Errors if too much is being sent already.
    pub(super) async fn of_relay(
        context: &Context,
        relay: Relay,
        remote: Remote,
        _permit: &FetchPermit,
    ) -> Result<FileAnswer, FileAnswerError> {
        let upload = context.uploads.begin_relay(remote, None).await?;
        let known = Known::Payload(relay.payload());
        let rate = [upload.rate(), relay.rate()].into_iter().flatten().min();
        let about = relay.about();
        Ok(FileAnswer {
            content: Content::of_relay(relay),
            known,
            rate,
            about,
            upload,
        })
    }

    /// Returns the body that writes the file as an entry of the answer of `system.multicall`.
    pub(super) fn entry(self) -> Writing {
        self.writing(QueryAnswerWriter::entry)
    }

    fn writing(
        self,
        writer: impl FnOnce(Payload) -> QueryAnswerWriter + Send + 'static,
    ) -> Writing {
        let (content, upload) = (self.content, self.upload);
        let payload = match self.known {
            Known::All(scanned) => scanned.payload,
            Known::Payload(payload) => payload,
            Known::Nothing(kind) => {
                return Writing::Learning(Box::pin(learned(content, kind, upload, writer)));
            }
        };
        let encoder = Encoder::behind_prelude(writer(payload));
        Writing::Sending(Box::new(upload.sending(content, encoder)))
    }

    async fn response(self, dialect: Dialect) -> Response {
        let (rate, about) = (self.rate, self.about);
        let mut response = match self.known {
            Known::All(scanned) => {
                let mut response = xml(self.body(dialect, scanned.payload).await);
                let length = QueryAnswerWriter::encoded_length(dialect, &scanned);
                let length = HeaderValue::from(length);
                response
                    .headers_mut()
                    .insert(header::CONTENT_LENGTH, length);
                response
            }
            Known::Payload(payload) => xml(self.body(dialect, payload).await),
            Known::Nothing(_) => {
                let writing = self.writing(move |payload| QueryAnswerWriter::new(dialect, payload));
                let prelude = Bytes::from_static(QueryAnswerWriter::PRELUDE.as_bytes());
                let prelude = stream::once(future::ready(Ok::<_, io::Error>(prelude)));
                let rest = stream::try_unfold(writing, Writing::next);
                xml(Body::from_stream(prelude.chain(rest)))
            }
        };
        raw::insert_rate(response.headers_mut(), rate);
        raw::insert_about(response.headers_mut(), about);
        response
    }

    async fn body(self, dialect: Dialect, payload: Payload) -> Body {
        let encoder = Encoder::query(QueryAnswerWriter::new(dialect, payload));
        self.upload.body(self.content, encoder).await
    }
}

impl Writing {
    /// Returns the next bytes of the answer. While the file is being read for the first time, that is white space
    /// now and then, which a client that is gone refuses: then all of this ends.
    ///
    /// # Errors
    /// Errors if the file cannot be read to its end.
    pub(super) async fn next(self) -> io::Result<Option<(Bytes, Writing)>> {
        let sending = match self {
            Writing::Sending(sending) => sending,
            Writing::Learning(mut learning) => {
                select! {
                    sending = &mut learning => Box::new(sending?),
                    () = sleep(TELL_EVERY) => {
                        let space = Bytes::from_static(b"\n");
                        return Ok(Some((space, Writing::Learning(learning))));
                    }
                }
            }
        };
        let next = sending.next().await?;
        Ok(next.map(|(bytes, sending)| (bytes, Writing::Sending(Box::new(sending)))))
    }
}

/// Reads long content once, unless somebody else has done so meanwhile, and begins to send it.
async fn learned(
    mut content: Content,
    kind: Kind,
    upload: Upload,
    writer: impl FnOnce(Payload) -> QueryAnswerWriter,
) -> io::Result<Sending> {
    let (disk, memory) = (upload.disk(), upload.memory().clone());
    let scan = async {
        let scanned = content.scan(&disk, &memory).await?;
        scanned.ok_or_else(|| io::Error::other("the content of a peer has no kind"))
    };
    let scanned = *kind.get_or_try_init(|| scan).await?;
    let encoder = Encoder::behind_prelude(writer(scanned.payload));
    Ok(upload.sending(content, encoder))
}

impl From<Busy> for FileAnswerError {
    fn from(_: Busy) -> FileAnswerError {
        FileAnswerError::Busy
    }
}

/// Returns XML as an HTTP response.
pub(super) fn xml(body: impl Into<Body>) -> Response {
    let mut response = body.into().into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}
