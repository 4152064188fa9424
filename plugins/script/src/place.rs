//! The score of a hit and its place in the file, as a script gives them.

use plugin_api::{Excerpt, FileInfo, Hit};
use plugin_host::one_line;
use rhai::{Dynamic, EvalAltResult, Map};

/// Returns the hit `file` with what `more` says: `score`, `line`, `text`.
pub(crate) fn hit(file: &FileInfo, more: &Map) -> Result<Hit, Box<EvalAltResult>> {
    let mut hit = Hit::of(file);
    let mut excerpt = Excerpt::default();
    for (key, value) in more {
        match key.as_str() {
            "score" => hit.score = Some(number(value).ok_or("the score of a hit is a number")?),
            "line" => {
                excerpt.line = Some(line(value).ok_or("the line of a hit is a number from 1")?);
            }
            "text" => {
                let text = value.read_lock::<rhai::ImmutableString>();
                excerpt.text = one_line(&text.ok_or("the text of a hit is a string")?);
            }
            _ => return Err(format!("a hit has score, line and text, not `{key}`").into()),
        }
    }
    if more.contains_key("text") {
        hit.excerpt = Some(excerpt);
    } else if excerpt.line.is_some() {
        return Err("a hit with a line has its text, too".into());
    }
    Ok(hit)
}

fn number(value: &Dynamic) -> Option<f64> {
    // Scores are small; what is lost of a great one does not matter.
    #[expect(
        clippy::cast_precision_loss,
        reason = "scores are compared, not counted"
    )]
    let whole = value.as_int().ok().map(|number| number as f64);
    whole
        .or(value.as_float().ok())
        .filter(|number| number.is_finite())
}

fn line(value: &Dynamic) -> Option<u64> {
    let line = u64::try_from(value.as_int().ok()?).ok()?;
    (line > 0).then_some(line)
}
