//! Queries for names, with their hits.

use plugin_api::Example;

pub(crate) fn examples() -> Vec<Example> {
    [words(), globs()].concat()
}

fn words() -> Vec<Example> {
    vec![
        Example::of_names(
            "notes.txt",
            "the file of this name, then files of this name in directories",
            &["a/notes.txt", "notes.txt", "notes.txt.bak"],
            &["notes.txt", "a/notes.txt"],
        ),
        Example::of_names(
            "notes",
            "files that have the word, if none has this name; whole words first",
            &["a/notebook.txt", "b/my-notes.txt", "notes.txt"],
            &["notes.txt", "b/my-notes.txt"],
        ),
        Example::of_names(
            "summer holiday",
            "files that have all words, anywhere in the name",
            &["holiday/summer.jpg", "holidays in summer.txt", "summer.jpg"],
            &["holiday/summer.jpg", "holidays in summer.txt"],
        ),
        Example::of_names(
            "sumer holliday",
            "a word may be misspelt if nothing fits as it is",
            &["holiday/summer.jpg", "winter.jpg"],
            &["holiday/summer.jpg"],
        ),
    ]
}

fn globs() -> Vec<Example> {
    vec![
        Example::of_names(
            "*.jpg",
            "files whose name ends like this, in any directory",
            &["a.jpg", "photos/b.jpg", "photos/c.png"],
            &["a.jpg", "photos/b.jpg"],
        ),
        Example::of_names(
            "song [live].mp3",
            "a name as it stands comes before a glob",
            &["song [live].mp3", "song l.mp3"],
            &["song [live].mp3"],
        ),
        Example::of_names(
            "\"data{1}.csv\"",
            "a quoted name is no glob",
            &["data1.csv", "data{1}.csv"],
            &["data{1}.csv"],
        ),
        Example::of_names(
            "*.PNG",
            "a glob heeds no case; what is written as it is comes first",
            &["a.png", "b.PNG"],
            &["b.PNG", "a.png"],
        ),
        Example::of_names(
            "track [01",
            "what is no glob is words",
            &["Track 01.mp3", "b.mp3"],
            &["Track 01.mp3"],
        ),
        Example::of_names(
            "cafe",
            "accents are another spelling of the same",
            &["a/Café.txt", "b/cave.txt"],
            &["a/Café.txt"],
        ),
        Example::of_names(
            "photos/*",
            "files in one directory",
            &["a.jpg", "photos/b.jpg", "photos/old/c.jpg"],
            &["photos/b.jpg"],
        ),
        Example::of_names(
            "photos/**",
            "files in a directory and below",
            &["a.jpg", "photos/b.jpg", "photos/old/c.jpg"],
            &["photos/b.jpg", "photos/old/c.jpg"],
        ),
        Example::of_names(
            "*.{txt,md}",
            "one of several endings",
            &["a.md", "b.rs", "c.txt"],
            &["a.md", "c.txt"],
        ),
    ]
}
