//! One meaning a word.

use super::tree::SOURCES;

/// Words that say little alone, so that each may name one type in the programs at most.
const VAGUE: [&str; 7] = [
    "Asked", "Content", "Found", "News", "Places", "Source", "Wanted",
];

#[test]
fn vague_word_names_one_type_at_most() {
    for word in VAGUE {
        let defines = |code: &str| {
            ["struct", "enum", "trait", "type"]
                .iter()
                .map(|kind| definitions(code, &format!("{kind} {word}")))
                .sum::<usize>()
        };
        let sources = SOURCES
            .iter()
            .filter(|source| !source.path.iter().any(|part| part == "tests"));
        let defined: Vec<String> = sources
            .flat_map(|source| {
                let count = defines(&source.code());
                std::iter::repeat_n(source.path.display().to_string(), count)
            })
            .collect();
        assert!(
            defined.len() <= 1,
            "{word} names several types: {defined:?}"
        );
    }
}

/// Counts where `text` stands as whole words.
fn definitions(code: &str, text: &str) -> usize {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(text)
        .filter(|(at, _)| {
            let before = code[..*at].chars().next_back();
            let after = code[at + text.len()..].chars().next();
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
        .count()
}

#[test]
fn definition_is_counted_where_the_whole_word_stands() {
    assert_eq!(
        definitions("pub struct Found {} struct FoundEnd;", "struct Found"),
        1
    );
    assert_eq!(
        definitions("type Found<T> = T; enum Found {}", "type Found"),
        1
    );
    assert_eq!(definitions("mystruct Found", "struct Found"), 0);
}
