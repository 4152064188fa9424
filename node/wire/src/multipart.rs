//! `multipart/form-data`, as browsers and curl send files (RFC 7578): bytes in, parts out.
//!
//! # Invariants
//! - What is kept is the head of a part, or less than a delimiter: content passes as it comes.
//! - Nothing here waits; it is a state machine over bytes.

/// Longest head of a part, in bytes.
const HEAD_MAX: usize = 8 * 1024;

/// Longest boundary, in bytes.
const BOUNDARY_MAX: usize = 70;

/// Most parts of one body.
const PARTS_MAX: usize = 1_000;

/// The error of a body that is no form.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MultipartError {
    /// The form does not read.
    #[error("malformed form: {0}")]
    Malformed(&'static str),
    /// There are too many parts.
    #[error("the form has more than {PARTS_MAX} parts")]
    TooManyParts,
}

/// A step in a form.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// A part begins.
    Part {
        /// The name of its file, if it has one. It is whatever the sender wrote.
        file: Option<String>,
    },
    /// Bytes of the part.
    Bytes(Vec<u8>),
    /// The part is whole.
    PartEnd,
    /// The form is whole.
    End,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Preamble,
    /// Behind a delimiter.
    Delimited,
    Head,
    Content,
    End,
}

/// Reads the body of a form.
#[derive(Debug)]
pub struct Multipart {
    delimiter: Vec<u8>,
    buffer: Vec<u8>,
    state: State,
    parts: usize,
}

impl Multipart {
    /// Creates the reader for a body of this `Content-Type`; `None` if it is another kind of body.
    #[must_use]
    pub fn of(content_type: &str) -> Option<Multipart> {
        let (kind, parameters) = content_type.split_once(';')?;
        if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
            return None;
        }
        let mut parameters = parameters
            .split(';')
            .filter_map(|one| one.trim().split_once('='));
        let (_, boundary) = parameters.find(|(key, _)| key.eq_ignore_ascii_case("boundary"))?;
        let boundary = boundary.trim_matches('"');
        let is_right = (1..=BOUNDARY_MAX).contains(&boundary.len());
        is_right.then(|| Multipart {
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            // The first delimiter stands at the begin of a line, too.
            buffer: b"\r\n".to_vec(),
            state: State::Preamble,
            parts: 0,
        })
    }

    /// Takes the next bytes of the body.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.state != State::End {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Returns the next step; `None` until more bytes come.
    ///
    /// # Errors
    /// Errors if the body is no form.
    pub fn step(&mut self) -> Result<Option<Step>, MultipartError> {
        loop {
            match self.state {
                State::Preamble => match self.find() {
                    Some(at) => {
                        self.pass(at + self.delimiter.len());
                        self.state = State::Delimited;
                    }
                    None => {
                        self.pass(self.buffer.len().saturating_sub(self.delimiter.len()));
                        return Ok(None);
                    }
                },
                State::Delimited => {
                    let Some(behind) = self.buffer.first_chunk::<2>().copied() else {
                        return Ok(None);
                    };
                    self.pass(2);
                    match &behind {
                        b"\r\n" => self.state = State::Head,
                        b"--" => {
                            self.state = State::End;
                            return Ok(Some(Step::End));
                        }
                        _ => return Err(MultipartError::Malformed("a wrong delimiter")),
                    }
                }
                State::Head => return self.head(),
                State::Content => return Ok(self.content()),
                State::End => return Ok(None),
            }
        }
    }

    fn head(&mut self) -> Result<Option<Step>, MultipartError> {
        let end = self
            .buffer
            .windows(4)
            .position(|bytes| bytes == b"\r\n\r\n");
        let Some(end) = end else {
            let is_long = self.buffer.len() > HEAD_MAX;
            return if is_long {
                Err(MultipartError::Malformed("the head of a part is too long"))
            } else {
                Ok(None)
            };
        };
        if end > HEAD_MAX {
            return Err(MultipartError::Malformed("the head of a part is too long"));
        }
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return Err(MultipartError::TooManyParts);
        }
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.pass(end + 4);
        self.state = State::Content;
        Ok(Some(Step::Part {
            file: file_name(&head),
        }))
    }

    fn content(&mut self) -> Option<Step> {
        if let Some(at) = self.find() {
            if at > 0 {
                return Some(Step::Bytes(self.take(at)));
            }
            self.pass(self.delimiter.len());
            self.state = State::Delimited;
            return Some(Step::PartEnd);
        }
        let whole = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
        (whole > 0).then(|| Step::Bytes(self.take(whole)))
    }

    fn find(&self) -> Option<usize> {
        let delimiter = self.delimiter.as_slice();
        self.buffer
            .windows(delimiter.len())
            .position(|bytes| bytes == delimiter)
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(count);
        std::mem::replace(&mut self.buffer, rest)
    }

    fn pass(&mut self, count: usize) {
        self.buffer.drain(..count);
    }
}

/// Returns the name of the file in the head of a part.
fn file_name(head: &str) -> Option<String> {
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let (_, disposition) =
        lines.find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"))?;
    let at = disposition.find("filename=")?;
    let value = disposition[at..].split_once('=')?.1;
    let name = match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap_or_default(),
        None => value.split(';').next().unwrap_or_default().trim(),
    };
    // What browsers escape in a quoted name.
    Some(
        name.replace("%22", "\"")
            .replace("%0D", "")
            .replace("%0A", ""),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Files with their names, and whether the form ended.
    type Form = (Vec<(Option<String>, Vec<u8>)>, bool);

    /// Reads a body in pieces of these sizes, and returns its files, and whether it ended.
    fn read(body: &[u8], sizes: &[usize]) -> Result<Form, MultipartError> {
        let mut form = Multipart::of("multipart/form-data; boundary=xx").unwrap();
        let (mut files, mut rest, mut is_whole) = (Vec::new(), body, false);
        for size in sizes.iter().chain(std::iter::repeat(&7)) {
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            form.push(piece);
            rest = after;
            while let Some(step) = form.step()? {
                match step {
                    Step::Part { file } => files.push((file, Vec::new())),
                    Step::Bytes(bytes) => files.last_mut().unwrap().1.extend(bytes),
                    Step::PartEnd => {}
                    Step::End => is_whole = true,
                }
            }
            if rest.is_empty() {
                break;
            }
        }
        Ok((files, is_whole))
    }

    fn body(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, bytes) in files {
            body.extend(format!("--xx\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\nContent-Type: image/png\r\n\r\n").bytes());
            body.extend(*bytes);
            body.extend(b"\r\n");
        }
        body.extend(b"--xx--\r\n");
        body
    }

    #[test]
    fn a_form_of_a_browser_reads() {
        let body = body(&[
            ("a \u{e9}.txt", b"one\r\n--x"),
            ("", b""),
            ("%22q%22", b"two"),
        ]);
        let (files, is_whole) = read(&body, &[]).unwrap();
        let expected = [
            ("a \u{e9}.txt", &b"one\r\n--x"[..]),
            ("", b""),
            ("\"q\"", b"two"),
        ];
        let expected = expected.map(|(name, bytes)| (Some(name.to_owned()), bytes.to_vec()));
        assert!(is_whole);
        assert_eq!(files, expected);
        let field = b"--xx\r\ncontent-disposition: form-data; name=a\r\n\r\nv\r\n--xx--";
        assert_eq!(
            read(field, &[]).unwrap(),
            (vec![(None, b"v".to_vec())], true)
        );
    }

    #[test]
    fn what_is_no_form_is_refused_or_never_ends() {
        for other in [
            "",
            "text/plain",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/mixed; boundary=x",
        ] {
            assert!(Multipart::of(other).is_none(), "{other}");
        }
        assert!(read(b"--xxyz\r\n", &[]).is_err());
        let long = [b"--xx\r\n".to_vec(), vec![b'h'; HEAD_MAX + 10]].concat();
        assert!(read(&long, &[]).is_err());
        for cut in [
            &b"--xx\r\n\r\nabc"[..],
            b"--xx\r\n\r\nabc\r\n--x",
            b"no form at all",
        ] {
            assert!(!read(cut, &[]).unwrap().1);
        }
    }

    proptest! {
        #[test]
        fn a_form_reads_the_same_however_it_is_cut(
            files in prop::collection::vec(prop::collection::vec(prop::sample::select(b"-x\r\nab".to_vec()), 0..40), 0..5),
            sizes in prop::collection::vec(1..30_usize, 0..60),
        ) {
            prop_assume!(files.iter().all(|bytes| !bytes.windows(4).any(|part| part == b"--xx")));
            let named: Vec<(&str, &[u8])> = files.iter().map(|bytes| ("n", bytes.as_slice())).collect();
            let (read, is_whole) = read(&body(&named), &sizes).unwrap();
            prop_assert!(is_whole);
            let read: Vec<Vec<u8>> = read.into_iter().map(|(_, bytes)| bytes).collect();
            prop_assert_eq!(read, files);
        }

        #[test]
        fn any_bytes_are_judged_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&[b"--xx\r\n".to_vec(), bytes].concat(), &[]);
        }
    }
}
