//! The first step for a stranger's document, as it arrives: it is decoded, its CDATA
//! sections become text, and the extensions of Apache XML-RPC become plain.
//!
//! After that every reader meets UTF-8 with plain text and tags: the gate for whole
//! documents, and `query_answer` for those that are read piece by piece.
//!
//! # Invariants
//! - What comes out is at most [`GROWTH_MAX`] times as long as what was pushed.
//! - Any cutting of the same bytes into chunks gives the same text and the same error.

use crate::apache::ApacheReader;
use crate::cdata::{self, CdataEscaper};
use crate::encoding::{self, Charset, Decoder};
use crate::gate::GateError;

/// Most bytes that one byte becomes. Only ASCII grows in a section, and only what is
/// not ASCII grows when it is decoded.
pub const GROWTH_MAX: usize = if cdata::GROWTH_MAX > encoding::GROWTH_MAX {
    cdata::GROWTH_MAX
} else {
    encoding::GROWTH_MAX
};

/// Takes in one document.
#[derive(Debug)]
pub(crate) struct Intake {
    decoder: Decoder,
    cdata: CdataEscaper,
    apache: ApacheReader,
    decoded: Vec<u8>, // what is between two steps, empty between pushes; kept for its memory
    escaped: Vec<u8>,
}

impl Intake {
    /// Creates a document that came with this `charset`.
    pub(crate) fn new(charset: Charset) -> Self {
        Self {
            decoder: Decoder::new(charset),
            cdata: CdataEscaper::default(),
            apache: ApacheReader::default(),
            decoded: Vec::new(),
            escaped: Vec::new(),
        }
    }

    /// Appends what the next bytes become to `out`. What stands before an error is
    /// appended too.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), GateError> {
        self.decoded.clear();
        let decoded = self.decoder.push(bytes, &mut self.decoded);
        self.pass_on(out)?;
        decoded
    }

    /// Appends the bytes that were kept back, after the last bytes.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), GateError> {
        self.decoded.clear();
        let decoded = self.decoder.finish(&mut self.decoded);
        self.pass_on(out)?;
        self.escaped.clear();
        self.cdata.finish(&mut self.escaped);
        self.apache.push(&self.escaped, out);
        self.apache.finish(out);
        decoded
    }

    /// Appends what the decoded bytes become.
    fn pass_on(&mut self, out: &mut Vec<u8>) -> Result<(), GateError> {
        self.escaped.clear();
        let escaped = self.cdata.push(&self.decoded, &mut self.escaped);
        self.apache.push(&self.escaped, out);
        escaped
    }
}

/// Takes in a whole document.
pub(crate) fn whole(bytes: &[u8], charset: Charset) -> Result<Vec<u8>, GateError> {
    let mut intake = Intake::new(charset);
    let mut out = Vec::with_capacity(bytes.len());
    intake.push(bytes, &mut out)?;
    intake.finish(&mut out)?;
    Ok(out)
}
