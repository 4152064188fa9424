//! The catalogue in the state directory, so that a start reads only what
//! changed.
//!
//! ```text
//! MAGIC, then frames: length of the payload (4 bytes), digest, payload
//! the root, chunks of files, chunks of folders, the end with both counts
//! ```
//!
//! # Invariants
//! - Every byte is covered by a digest, and the end says how much there is: a
//!   file that was cut or flipped anywhere is not used at all.
//! - A file of another directory is not used.

use std::{
    collections::BTreeMap,
    io::{self, BufReader, Read, Write},
    sync::Arc,
};

use super::{
    chunk::{Chunk, ChunkBuilder, File, Meta},
    view::View,
};
use crate::{
    Stamp,
    folders::{Folder, FolderStamp, Folders},
};
use node_base::state::{StateDir, StateError};
use node_wire::pieces::TreeHasher;

/// File of the catalogue.
const FILE: &str = "catalogue";

const MAGIC: &[u8] = b"sixhop catalogue 3\n";

/// Longest payload of a frame, in bytes.
const FRAME_MAX: usize = 32 << 20;

/// Folders in one frame.
const FOLDERS: usize = 4_096;

/// The reason why a saved catalogue is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SavedError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("it is damaged")]
    Damaged,
    #[error("it is of another directory")]
    OtherRoot,
}

type Result<T> = std::result::Result<T, SavedError>;

/// The saved part of the catalogue.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) view: Arc<View>,
    pub(crate) folders: Folders,
}

/// Saves the files and the folders of the directory that `root` names.
pub(crate) fn save(state: &StateDir, root: &str, saved: &Saved) -> Result<()> {
    state.write_with(FILE, |out| {
        out.write_all(MAGIC)?;
        let mut frames = Frames { out, number: 0 };
        frames.write(root.as_bytes())?;
        for chunk in saved.view.chunks() {
            frames.write(&encode_chunk(chunk))?;
        }
        let folders: Vec<_> = saved.folders.iter().collect();
        for folders in folders.chunks(FOLDERS) {
            frames.write(&encode_folders(folders))?;
        }
        let mut end = Bytes::of(b'e');
        end.number(saved.view.len() as u64);
        end.number(saved.folders.len() as u64);
        frames.write(&end.0)
    })?;
    Ok(())
}

/// Loads the catalogue that was saved of the directory `root`; nothing if none was.
pub(crate) fn load(state: &StateDir, root: &str) -> Result<Option<Saved>> {
    let Some(file) = state.open_file(FILE)? else {
        return Ok(None);
    };
    let mut input = BufReader::with_capacity(1 << 20, file);
    let mut magic = [0; MAGIC.len()];
    read_exact(&mut input, &mut magic)?;
    if magic != MAGIC {
        return Err(SavedError::Damaged);
    }
    let mut loading = Loading::default();
    if next_frame(&mut input, &mut loading)? != root.as_bytes() {
        return Err(SavedError::OtherRoot);
    }
    loop {
        let payload = next_frame(&mut input, &mut loading)?;
        let mut reader = Reader(&payload);
        match reader.byte()? {
            b'c' => loading.chunk(&mut reader)?,
            b'f' => loading.folders(&mut reader)?,
            b'e' => return loading.end(&mut reader).map(Some),
            _ => return Err(SavedError::Damaged),
        }
    }
}

/// Removes the saved catalogue.
pub(crate) fn remove(state: &StateDir) -> Result<()> {
    Ok(state.remove(FILE)?)
}

/// Writes frames.
struct Frames<'o> {
    out: &'o mut dyn Write,
    number: u64,
}

impl Frames<'_> {
    fn write(&mut self, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&digest(self.number, payload))?;
        self.out.write_all(payload)?;
        self.number += 1;
        Ok(())
    }
}

/// Returns the digest of the frame of this number.
fn digest(number: u64, payload: &[u8]) -> [u8; 32] {
    let mut hasher = TreeHasher::default();
    hasher.push(&number.to_le_bytes());
    hasher.push(payload);
    *hasher.finish().digest().as_bytes()
}

fn next_frame(input: &mut impl Read, loading: &mut Loading) -> Result<Vec<u8>> {
    let (mut length, mut expected) = ([0; 4], [0; 32]);
    read_exact(input, &mut length)?;
    read_exact(input, &mut expected)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > FRAME_MAX {
        return Err(SavedError::Damaged);
    }
    let mut payload = vec![0; length];
    read_exact(input, &mut payload)?;
    if digest(loading.frames, &payload) != expected {
        return Err(SavedError::Damaged);
    }
    loading.frames += 1;
    Ok(payload)
}

fn read_exact(input: &mut impl Read, bytes: &mut [u8]) -> Result<()> {
    input.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => SavedError::Damaged,
        _ => SavedError::Io(error),
    })
}

/// A payload that is being written.
struct Bytes(Vec<u8>);

impl Bytes {
    fn of(kind: u8) -> Bytes {
        Bytes(vec![kind])
    }

    fn number(&mut self, number: u64) {
        self.0.extend(number.to_le_bytes());
    }

    /// Writes at most 65,535 bytes: a name, or the name of a directory.
    fn text(&mut self, text: &str) {
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        self.0.extend(length.to_le_bytes());
        self.0.extend(text.as_bytes());
    }
}

/// A payload that is being read.
struct Reader<'p>(&'p [u8]);

impl<'p> Reader<'p> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk().ok_or(SavedError::Damaged)?;
        self.0 = rest;
        Ok(*array)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn number(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn signed(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    fn text(&mut self) -> Result<&'p str> {
        let length = u16::from_le_bytes(self.array()?) as usize;
        let (text, rest) = self.0.split_at_checked(length).ok_or(SavedError::Damaged)?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| SavedError::Damaged)
    }
}

fn encode_chunk(chunk: &Chunk) -> Vec<u8> {
    let mut bytes = Bytes::of(b'c');
    let mut before = "";
    for file in chunk.files() {
        // The directory of the file before is not repeated.
        bytes.0.push(u8::from(file.directory != before));
        if file.directory != before {
            bytes.text(file.directory);
            before = file.directory;
        }
        bytes.text(file.last);
        let Meta { stamp, settled } = file.meta;
        bytes.number(stamp.size);
        bytes.number(stamp.inode);
        bytes.number(stamp.modified.cast_unsigned());
        bytes.number(stamp.changed.cast_unsigned());
        bytes.0.extend(stamp.told.to_le_bytes());
        bytes.0.push(u8::from(settled));
    }
    bytes.0
}

fn encode_folders(folders: &[(&String, &Folder)]) -> Vec<u8> {
    let mut bytes = Bytes::of(b'f');
    for (name, folder) in folders {
        bytes.text(name);
        bytes.number(folder.skipped);
        bytes.number(folder.rules);
        bytes.0.push(u8::from(folder.stamp.is_some()));
        if let Some(stamp) = folder.stamp {
            bytes.number(stamp.inode);
            bytes.number(stamp.modified.cast_unsigned());
            bytes.number(stamp.changed.cast_unsigned());
        }
    }
    bytes.0
}

/// A catalogue that is being read.
#[derive(Default)]
struct Loading {
    frames: u64,
    chunks: Vec<Arc<Chunk>>,
    folders: BTreeMap<String, Folder>,
}

impl Loading {
    fn chunk(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let mut builder = ChunkBuilder::default();
        let mut directory = "";
        while !reader.0.is_empty() {
            if reader.byte()? != 0 {
                directory = reader.text()?;
            }
            let file = File {
                directory,
                last: reader.text()?,
                meta: Meta {
                    stamp: Stamp {
                        size: reader.number()?,
                        inode: reader.number()?,
                        modified: reader.signed()?,
                        changed: reader.signed()?,
                        told: u32::from_le_bytes(reader.array()?),
                    },
                    settled: reader.byte()? != 0,
                },
            };
            builder.push(&file);
        }
        self.chunks.extend(builder.finish());
        Ok(())
    }

    fn folders(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        while !reader.0.is_empty() {
            let name = reader.text()?.to_owned();
            let (skipped, rules) = (reader.number()?, reader.number()?);
            let stamp = if reader.byte()? == 0 {
                None
            } else {
                Some(FolderStamp {
                    inode: reader.number()?,
                    modified: reader.signed()?,
                    changed: reader.signed()?,
                })
            };
            let folder = Folder {
                stamp,
                skipped,
                rules,
                watched: false,
            };
            self.folders.insert(name, folder);
        }
        Ok(())
    }

    fn end(self, reader: &mut Reader<'_>) -> Result<Saved> {
        let view = View::of_chunks(self.chunks);
        let counts = (reader.number()?, reader.number()?);
        if counts != (view.len() as u64, self.folders.len() as u64) {
            return Err(SavedError::Damaged);
        }
        Ok(Saved {
            view: Arc::new(view),
            folders: self.folders,
        })
    }
}
