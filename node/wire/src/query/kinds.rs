//! Kinds of files, by the endings of their names.

/// A kind with the words for it and the endings of its files.
struct Kind {
    words: &'static [&'static str],
    endings: &'static [&'static str],
}

/// The kinds, each under the word that is shown first.
const KINDS: &[Kind] = &[
    Kind {
        words: &[
            "image", "images", "picture", "pictures", "photo", "photos", "pic",
        ],
        endings: &[
            "jpg", "jpeg", "png", "gif", "webp", "svg", "bmp", "tif", "tiff", "heic", "heif",
            "avif", "ico", "raw", "cr2", "cr3", "nef", "arw", "dng", "orf", "rw2", "psd", "xcf",
            "jxl",
        ],
    },
    Kind {
        words: &["video", "videos", "movie", "movies", "film", "films"],
        endings: &[
            "mp4", "mkv", "avi", "mov", "webm", "m4v", "mpg", "mpeg", "wmv", "flv", "3gp", "ogv",
            "mts", "m2ts", "vob",
        ],
    },
    Kind {
        words: &["audio", "music", "sound", "song", "songs"],
        endings: &[
            "mp3", "flac", "ogg", "opus", "wav", "m4a", "aac", "wma", "aiff", "aif", "mid", "midi",
            "ape", "oga", "m4b", "alac",
        ],
    },
    Kind {
        words: &["document", "documents", "doc", "docs"],
        endings: &[
            "pdf", "doc", "docx", "odt", "rtf", "xls", "xlsx", "ods", "csv", "ppt", "pptx", "odp",
            "epub", "mobi", "azw3", "djvu", "ps", "tex", "md", "txt", "html", "htm", "pages",
            "numbers", "key", "rst", "adoc", "org", "fb2",
        ],
    },
    Kind {
        words: &["text", "texts"],
        endings: &[
            "txt", "md", "rst", "adoc", "org", "log", "csv", "tsv", "tex", "text", "nfo",
        ],
    },
    Kind {
        words: &["code", "source", "program"],
        endings: &[
            "rs", "c", "h", "cc", "cpp", "cxx", "hpp", "py", "js", "ts", "jsx", "tsx", "java",
            "kt", "go", "rb", "php", "sh", "bash", "pl", "lua", "swift", "cs", "scala", "hs", "ml",
            "ex", "exs", "erl", "clj", "r", "jl", "sql", "rhai", "zig", "dart", "vue", "css",
            "scss", "html", "xml", "json", "yaml", "yml", "toml", "asm", "s", "m", "mm", "f90",
            "pas", "vb",
        ],
    },
    Kind {
        words: &["archive", "archives", "zip", "compressed"],
        endings: &[
            "zip", "tar", "gz", "tgz", "bz2", "tbz2", "xz", "txz", "zst", "7z", "rar", "lz4",
            "lzma", "iso", "dmg", "jar", "deb", "rpm", "cab", "cpio", "br",
        ],
    },
];

/// Returns the endings of a kind, in any case and number.
pub(super) fn endings(kind: &str) -> Option<&'static [&'static str]> {
    let kind = kind.to_lowercase();
    let found = KINDS
        .iter()
        .find(|known| known.words.contains(&kind.as_str()));
    found.map(|known| known.endings)
}

/// Returns the words for all kinds.
pub(super) fn names() -> String {
    let names: Vec<_> = KINDS.iter().map(|kind| kind.words[0]).collect();
    names.join(", ")
}
