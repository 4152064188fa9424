//! Jupyter notebooks: the sources of the cells, and what they printed.

use plugin_api::Place;
use serde::Deserialize;

use crate::{
    output::{Output, ReadError},
    reason::Reason,
};

#[derive(Deserialize)]
struct Notebook {
    cells: Vec<Cell>,
}

#[derive(Deserialize)]
struct Cell {
    #[serde(default)]
    source: Lines,
    #[serde(default)]
    outputs: Vec<Printed>,
}

/// What a cell printed; pictures are left out.
#[derive(Deserialize)]
struct Printed {
    #[serde(default)]
    text: Lines,
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
struct Data {
    #[serde(default, rename = "text/plain")]
    text: Lines,
}

/// A text, whole or in lines.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lines {
    Whole(String),
    Parts(Vec<String>),
}

impl Default for Lines {
    fn default() -> Lines {
        Lines::Parts(Vec::new())
    }
}

impl Lines {
    fn give(&self, output: &mut Output<'_>) -> Result<(), ReadError> {
        match self {
            Lines::Whole(text) => output.text(text)?,
            Lines::Parts(parts) => parts.iter().try_for_each(|part| output.text(part))?,
        }
        output.end_line()
    }
}

/// Reads a notebook.
pub(super) fn read(bytes: &[u8], output: &mut Output<'_>) -> Result<(), ReadError> {
    let notebook: Notebook = serde_json::from_slice(bytes).map_err(|_| Reason::Damaged)?;
    for (number, cell) in (1..).zip(&notebook.cells) {
        output.part(Place::Part(format!("cell {number}")))?;
        cell.source.give(output)?;
        for printed in &cell.outputs {
            printed.text.give(output)?;
            printed.data.text.give(output)?;
        }
    }
    Ok(())
}
