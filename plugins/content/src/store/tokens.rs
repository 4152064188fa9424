//! Tokenizers of tantivy for the words and the trigrams of a field.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, PoisonError},
};

use plugin_words::{Word, Words};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use crate::{limits::IN_FLIGHT_MAX, trigrams::TERM};

/// Text on its way into the index, so that it does not fill the memory.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    bytes: Mutex<usize>,
    less: Condvar,
}

/// The wait before the thread checks that the index takes text at all.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(500);

impl InFlight {
    /// Counts `bytes` more, when there is room; at the latest after a while.
    /// Says whether there was room.
    pub(super) fn enter(&self, bytes: usize) -> bool {
        let in_flight = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = |in_flight: &mut usize| *in_flight > 0 && *in_flight + bytes > IN_FLIGHT_MAX;
        let waited = self.less.wait_timeout_while(in_flight, PATIENCE, is_full);
        let (mut in_flight, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return false;
        }
        *in_flight += bytes;
        true
    }

    fn leave(&self, bytes: usize) {
        let mut in_flight = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        *in_flight = in_flight.saturating_sub(bytes);
        self.less.notify_one();
    }
}

/// Takes words from a text.
#[derive(Clone, Debug, Default)]
pub(super) struct WordTokenizer(pub(super) Arc<InFlight>);

pub(super) struct WordStream<'a> {
    words: Words<'a>,
    word: Word,
    /// Other terms of the last word.
    others: VecDeque<String>,
    token: Token,
    length: usize,
    in_flight: Arc<InFlight>,
}

impl Tokenizer for WordTokenizer {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        WordStream {
            words: Words::of(text),
            word: Word::default(),
            others: VecDeque::new(),
            token: Token::default(),
            length: text.len(),
            in_flight: Arc::clone(&self.0),
        }
    }
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        if let Some(other) = self.others.pop_front() {
            self.token.text = other;
            return true;
        }
        let place = self.words.next(&mut self.word);
        self.token.position = self.token.position.wrapping_add(1);
        self.token.text.clear();
        self.token.text.push_str(self.word.exact());
        self.others.extend(self.word.other_terms());
        place.is_some()
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

impl Drop for WordStream<'_> {
    fn drop(&mut self) {
        self.in_flight.leave(self.length);
    }
}

/// Takes terms of trigrams from a row of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TrigramTokenizer;

pub(super) struct TrigramStream<'a> {
    rest: &'a str,
    token: Token,
}

impl Tokenizer for TrigramTokenizer {
    type TokenStream<'a> = TrigramStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> TrigramStream<'a> {
        TrigramStream {
            rest: text,
            token: Token::default(),
        }
    }
}

impl TokenStream for TrigramStream<'_> {
    fn advance(&mut self) -> bool {
        let length = TERM.min(self.rest.len());
        let (term, rest) = self.rest.split_at(length);
        self.rest = rest;
        self.token.text.clear();
        self.token.text.push_str(term);
        self.token.position = self.token.position.wrapping_add(1);
        length > 0
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}
