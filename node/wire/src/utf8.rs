//! UTF-8 that arrives in pieces.
//!
//! A character may be cut by the border of two pieces; at most three bytes of
//! it wait here for the rest.
//!
//! # Invariants
//! - The characters handed on do not depend on where the pieces were cut.

/// Not UTF-8, or the receiver of the text did not want it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

/// Checks a stream of bytes and hands it on as text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Utf8Stream {
    waiting: [u8; 4],
    length: usize, // of what is waiting
}

impl Utf8Stream {
    /// Hands on the text that is complete with `bytes`.
    pub(crate) fn push(
        &mut self,
        mut bytes: &[u8],
        hand_on: &mut impl FnMut(&str) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        while self.length > 0 {
            let Some((first, rest)) = bytes.split_first() else {
                return Ok(());
            };
            bytes = rest;
            self.complete(*first, hand_on)?;
        }
        match str::from_utf8(bytes) {
            Ok(text) => hand_on(text),
            Err(error) => {
                let (valid, rest) = bytes.split_at(error.valid_up_to());
                hand_on(str::from_utf8(valid).map_err(|_| Refused)?)?;
                if error.error_len().is_some() {
                    return Err(Refused);
                }
                self.keep(rest);
                Ok(())
            }
        }
    }

    /// Returns true if no character is incomplete.
    pub(crate) fn is_complete(&self) -> bool {
        self.length == 0
    }

    fn complete(
        &mut self,
        byte: u8,
        hand_on: &mut impl FnMut(&str) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        self.waiting[self.length] = byte;
        self.length += 1;
        match str::from_utf8(&self.waiting[..self.length]) {
            Ok(text) => {
                hand_on(text)?;
                self.length = 0;
                Ok(())
            }
            Err(error) if error.error_len().is_none() => Ok(()),
            Err(_) => Err(Refused),
        }
    }

    fn keep(&mut self, rest: &[u8]) {
        self.waiting[..rest.len()].copy_from_slice(rest);
        self.length = rest.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn through<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Option<String> {
        let mut stream = Utf8Stream::default();
        let mut text = String::new();
        for piece in pieces {
            let mut keep = |part: &str| {
                text.push_str(part);
                Ok(())
            };
            stream.push(piece, &mut keep).ok()?;
        }
        stream.is_complete().then_some(text)
    }

    #[test]
    fn characters_may_be_cut_anywhere() {
        let text = "aé日🦀z";
        let bytes = text.as_bytes();
        assert_eq!(through(bytes.chunks(1)).as_deref(), Some(text));
        for at in 0..bytes.len() {
            let (left, right) = bytes.split_at(at);
            assert_eq!(through([left, right]).as_deref(), Some(text));
        }
        assert_eq!(through([&bytes[..2]]), None);
    }

    proptest! {
        #[test]
        fn pieces_are_judged_like_the_whole(
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
            size in 1usize..5,
        ) {
            let whole = String::from_utf8(bytes.clone()).ok();
            prop_assert_eq!(through(bytes.chunks(size)), whole);
        }
    }
}
