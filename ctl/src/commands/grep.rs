//! `ctl grep`: finds lines, here and at the peers.

mod lines;

use node_api::search::{SearchAnswer, SearchNews, SearchReach};

use self::lines::{Layout, Row, Shown};
use super::Context;
use crate::{
    cli::GrepArgs,
    completeness::{self, Trace},
    connection::Connection,
    error::CtlError,
    output::Output,
};

/// Most lines that are shown if nobody says otherwise.
const LIMIT: u32 = 10_000;

/// Most lines that are counted, or gone through for names, if nobody says otherwise.
const COUNTED: u32 = 1_000_000;

/// Runs the command.
pub(crate) async fn run(args: GrepArgs, context: &Context) -> Result<(), CtlError> {
    let query = query(&args)?;
    let node = context.connect()?;
    let output = context.output;
    let shown = show_as_they_come(&args, &query, &node, output);
    let (found, answer) = context.while_read(shown).await?;
    if output.is_json() {
        output.record(
            "end",
            &completeness::end(&answer, Trace::wanted(args.trace)),
        )?;
    } else {
        completeness::tell(output, &answer, Trace::wanted(args.trace));
    }
    if found == 0 {
        let patterns = patterns(&args).0.join(" or ");
        let what = format!("no line here or at the peers matches {patterns}");
        return Err(completeness::nothing(&answer, &what));
    }
    Ok(())
}

async fn show_as_they_come(
    args: &GrepArgs,
    query: &str,
    node: &Connection,
    output: Output,
) -> Result<(usize, SearchAnswer), CtlError> {
    let all = if args.count || args.files_with_matches {
        COUNTED
    } else {
        LIMIT
    };
    let limit = args.limit.unwrap_or(all);
    let mut stream = node
        .search_stream(query, Some(limit), SearchReach::Normal)
        .await?;
    let (mut shown, mut found) = (Shown::of(args), 0);
    let mut layout = Layout::of(output);
    loop {
        match stream.next().await? {
            SearchNews::Hits(hits) => {
                found += hits.len();
                for hit in &hits {
                    if output.is_json() {
                        output.record("hit", hit)?;
                    } else {
                        print(output, &mut layout, shown.hit(hit))?;
                    }
                }
            }
            SearchNews::Done(answer) => {
                print(output, &mut layout, shown.end())?;
                return Ok((found, answer));
            }
            SearchNews::Failed(error) => return Err(error.into()),
        }
    }
}

fn print(output: Output, layout: &mut Layout, rows: Vec<Row>) -> Result<(), CtlError> {
    let lines = rows.into_iter().flat_map(|row| layout.lines(row));
    lines.into_iter().try_for_each(|line| output.painted(&line))
}

/// Returns the patterns, and the filters beside them.
fn patterns(args: &GrepArgs) -> (&[String], &[String]) {
    match args.words.split_first() {
        Some((pattern, filters)) if args.patterns.is_empty() => {
            (std::slice::from_ref(pattern), filters)
        }
        _ => (&args.patterns, &args.words),
    }
}

/// Returns the query that says the same.
pub(crate) fn query(args: &GrepArgs) -> Result<String, CtlError> {
    refused(args)?;
    let (patterns, filters) = patterns(args);
    if patterns.is_empty() {
        return Err(CtlError::usage("no pattern; give one, or several with -e"));
    }
    let quoted = pattern(args, patterns)
        .replace('\\', "\\\\")
        .replace('"', "\\\"");
    let mut query = format!("grep:\"{quoted}\"");
    let (before, after) = around(args);
    if before.max(after) > 0 {
        query += &format!(" context:{}", before.max(after));
    }
    let globs = args.glob.iter().map(|glob| filter_of(glob));
    for filter in globs.chain(filters.iter().map(|word| filter(word))) {
        query += " ";
        query += &filter?;
    }
    Ok(query)
}

/// Says the way where a flag of ripgrep has none here.
fn refused(args: &GrepArgs) -> Result<(), CtlError> {
    let way = |flag: &str, why: &str, way: &str| {
        Err(CtlError::usage(format!(
            "ctl grep has no {flag}: {why}; {way}"
        )))
    };
    if args.invert_match {
        let why = "nearly every line of every share would match";
        return way("-v", why, "fetch the file and run `rg -v PATTERN FILE`");
    }
    if args.multiline {
        let why = "a match is within one line";
        return way("-U", why, "fetch the file and run `rg -U PATTERN FILE`");
    }
    if args.pcre2 {
        let why = "patterns are those of the Rust crate regex";
        return way("-P", why, "fetch the file and run `rg -P PATTERN FILE`");
    }
    Ok(())
}

/// Returns one regular expression for the patterns and flags, as ripgrep makes it.
fn pattern(args: &GrepArgs, patterns: &[String]) -> String {
    let each = patterns.iter().map(|pattern| {
        if args.fixed_strings {
            literally(pattern)
        } else {
            pattern.clone()
        }
    });
    let each: Vec<_> = each.collect();
    let is_small = args.smart_case && is_small(&each);
    let mut pattern = match each.as_slice() {
        [one] => one.clone(),
        several => {
            let several: Vec<_> = several.iter().map(|one| format!("(?:{one})")).collect();
            several.join("|")
        }
    };
    if args.line_regexp {
        pattern = format!("^(?:{pattern})$");
    } else if args.word_regexp {
        // What is before a sign that begins a pattern may be anything but a letter.
        pattern = format!(r"\b{{start-half}}(?:{pattern})\b{{end-half}}");
    }
    let flags = [(args.ignore_case || is_small, "(?i)"), (args.crlf, "(?R)")];
    let flags: String = flags
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, flag)| *flag)
        .collect();
    format!("{flags}{pattern}")
}

/// Returns true if patterns have letters and none of them is a capital, escapes and names of
/// groups and flags left out.
fn is_small(patterns: &[String]) -> bool {
    let mut has_letter = false;
    for pattern in patterns {
        let mut letters = pattern.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => escape(&mut letters),
                '(' if letters.peek() == Some(&'?') => {
                    while letters.next_if(|c| !matches!(c, ':' | ')' | '>')).is_some() {}
                }
                _ if letter.is_uppercase() => return false,
                _ => has_letter |= letter.is_alphanumeric(),
            }
        }
    }
    has_letter
}

/// Goes behind an escape.
fn escape(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    let name = letters.next();
    if matches!(name, Some('p' | 'P' | 'x' | 'u' | 'U' | 'b')) && letters.peek() == Some(&'{') {
        while letters.next().is_some_and(|c| c != '}') {}
    } else if matches!(name, Some('p' | 'P')) {
        letters.next();
    }
}

/// Returns the filter that leaves the same files as a glob of ripgrep.
fn filter_of(glob: &str) -> Result<String, CtlError> {
    let (sign, inside) = match glob.strip_prefix('!') {
        Some(inside) => ("-", inside),
        None => ("", glob),
    };
    let ending = inside
        .strip_prefix("**/")
        .unwrap_or(inside)
        .strip_prefix("*.");
    let list = ending.map(|ending| {
        let braces = ending
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        braces.unwrap_or(ending)
    });
    let is_ending = |c: char| c.is_alphanumeric() || ".,_-+".contains(c);
    match list.filter(|list| !list.is_empty() && list.chars().all(is_ending)) {
        Some(list) => Ok(format!("{sign}ext:{list}")),
        None => Err(CtlError::usage(format!(
            "-g takes endings of names, like '*.rs', '*.{{md,txt}}' or '!*.log'; for `{glob}` show only lines of such names: ctl grep PATTERN | grep NAME"
        ))),
    }
}

/// Returns a filter; the node decides whether it is valid.
pub(crate) fn filter(word: &str) -> Result<String, CtlError> {
    let keys = ["ext:", "size:", "after:", "before:", "kind:"];
    let lower = word.to_ascii_lowercase();
    let lower = lower.strip_prefix('-').unwrap_or(&lower);
    if keys.iter().any(|key| lower.starts_with(key)) && !word.contains(char::is_whitespace) {
        return Ok(word.to_owned());
    }
    Err(CtlError::usage(format!(
        "`{word}` is no filter; filters are ext: size: after: before: and kind:; quote the pattern if it has spaces, and give several with -e"
    )))
}

/// Returns the numbers of lines before and behind a hit.
fn around(args: &GrepArgs) -> (usize, usize) {
    let before = args.before_context.unwrap_or(args.context);
    (before, args.after_context.unwrap_or(args.context))
}

/// Returns a regular expression for exactly this text.
pub(crate) fn literally(text: &str) -> String {
    let special = |c: &char| r"\.+*?()|[]{}^$#&-~".contains(*c);
    let escape = |c: char| special(&c).then_some('\\').into_iter().chain([c]);
    text.chars().flat_map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &[&str]) -> Result<String, CtlError> {
        use clap::Parser;
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            args: GrepArgs,
        }
        let line = std::iter::once("grep").chain(line.iter().copied());
        query(&Line::try_parse_from(line).unwrap().args)
    }

    #[test]
    fn flags_are_what_they_are_to_ripgrep() {
        for (line, expected) in [
            (&[r#"a "b\"#][..], r#"grep:"a \"b\\""#),
            (
                &["-w", "-F", "C++"],
                r#"grep:"\\b{start-half}(?:C\\+\\+)\\b{end-half}""#,
            ),
            (
                &["-e", "a", "-e", "-b", "ext:rs"],
                r#"grep:"(?:a)|(?:-b)" ext:rs"#,
            ),
            (&["-x", "a|b"], r#"grep:"^(?:a|b)$""#),
            (&["-S", r"\Sab\pL"], r#"grep:"(?i)\\Sab\\pL""#),
            (&["-S", "aB"], r#"grep:"aB""#),
            (&["-S", r"(?P<Name>a)"], r#"grep:"(?i)(?P<Name>a)""#),
            (&["--crlf", "a$"], r#"grep:"(?R)a$""#),
            (&["-A", "2", "-B", "1", "a"], r#"grep:"a" context:2"#),
            (
                &["-g", "*.rs", "-g", "!*.{md,txt}", "a"],
                r#"grep:"a" ext:rs -ext:md,txt"#,
            ),
            (
                &["-n", "-i", "a", "ext:rs", "Size:1M"],
                r#"grep:"(?i)a" ext:rs Size:1M"#,
            ),
        ] {
            assert_eq!(parsed(line).unwrap(), expected, "{line:?}");
        }
    }

    #[test]
    fn a_flag_that_there_is_not_names_the_way() {
        for (line, way) in [
            (&["-v", "a"][..], "rg -v"),
            (&["-U", "a"], "rg -U"),
            (&["-P", "a"], "rg -P"),
            (&["-g", "src/**", "a"], "endings"),
            (&["a", "b"], "-e"),
            (&[], "no pattern"),
        ] {
            let error = parsed(line).unwrap_err();
            assert_eq!(error.code().exit_code(), 2, "{line:?}");
            assert!(error.to_string().contains(way), "{error}");
        }
    }
}
