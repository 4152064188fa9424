//! Words in every language: the one analyser for files, names and queries.
//!
//! # Participants
//! - [`Words`] cuts a text into words and says where each one stands (`run`).
//! - [`Word`] is a word in any spelling, and compares itself with
//!   another one (`word`).
//! - `fold` makes the forms of a word, `letters` knows the scripts.
//!
//! # What is the same
//! A word has an *exact* form: compatibility characters decomposed (NFKC), without
//! case, without characters that nobody sees, with digits as ASCII. Its *folded* form
//! has no accents either, and one letter where a script has several for the same.
//! Two words with the same exact form are the same; two with the same folded form fit,
//! if their accents agree or one of them has none.
//!
//! # Invariants
//! - Canonically equivalent texts have the same words.
//! - A word is compared as a word: no byte of a file is searched for in a folded form.
//! - No I/O, and no state between two texts.

mod fold;
mod letters;
mod run;
mod word;

pub use self::{
    fold::{composed, folded},
    letters::{is_ignorable, is_letter, stands_alone},
    run::{Place, Words, begin_of_run},
    word::{FOLDED, Fit, Word},
};

/// Letters of a word that count.
pub const WORD_MAX: usize = 64;
