//! Files with a seal: a checksum at the end, so that damage is found.
//!
//! A sealed file is its content and 16 bytes: CRC-32 of the content, its length,
//! and [`MAGIC`]. Whatever single bit is flipped, and wherever the file is cut,
//! [`verify`] finds it.

use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt,
};

use crc32fast::Hasher;

/// Bytes of the seal.
pub(super) const SEAL: usize = 16;

const MAGIC: [u8; 4] = *b"sx1.";

/// Bytes that are checked at a time.
const CHUNK: usize = 256 * 1024;

/// Writes a sealed file.
#[derive(Debug)]
pub(super) struct Sealing {
    file: File,
    checksum: Hasher,
    length: u64,
}

impl Sealing {
    pub(super) fn new(file: File) -> Sealing {
        Sealing {
            file,
            checksum: Hasher::new(),
            length: 0,
        }
    }

    /// Writes the seal and brings all to the disk.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let seal = seal(&self.checksum, self.length);
        self.file.write_all(&seal)?;
        self.file.sync_data()
    }
}

impl Write for Sealing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.checksum.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn seal(checksum: &Hasher, length: u64) -> [u8; SEAL] {
    let mut seal = [0; SEAL];
    seal[..4].copy_from_slice(&checksum.clone().finalize().to_le_bytes());
    seal[4..12].copy_from_slice(&length.to_le_bytes());
    seal[12..].copy_from_slice(&MAGIC);
    seal
}

/// Returns the length of the content, by the length of the file.
pub(super) fn length(file: &File) -> io::Result<u64> {
    let length = file.metadata()?.len().checked_sub(SEAL as u64);
    length.ok_or_else(|| damaged("it is too short"))
}

/// Checks that the content is as it was written.
pub(super) fn verify(file: &File) -> io::Result<()> {
    let length = length(file)?;
    let (mut checksum, mut at) = (Hasher::new(), 0);
    let mut chunk = vec![0; CHUNK];
    while at < length {
        let left = usize::try_from(length - at).unwrap_or(CHUNK).min(CHUNK);
        file.read_exact_at(&mut chunk[..left], at)?;
        checksum.update(&chunk[..left]);
        at += left as u64;
    }
    let mut found = [0; SEAL];
    file.read_exact_at(&mut found, length)?;
    if found == seal(&checksum, length) {
        Ok(())
    } else {
        Err(damaged("its checksum is wrong"))
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests damage files")]

    use super::*;

    fn sealed(content: &[u8]) -> Vec<u8> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        let mut sealing = Sealing::new(File::create(&path).unwrap());
        sealing.write_all(content).unwrap();
        sealing.finish().unwrap();
        std::fs::read(path).unwrap()
    }

    fn is_sound(bytes: &[u8]) -> bool {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        verify(&file).is_ok()
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let whole = sealed(b"some content that is to stay as it is");
        assert!(is_sound(&whole));
        for at in 0..whole.len() {
            assert!(!is_sound(&whole[..at]), "cut at {at}");
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                assert!(!is_sound(&flipped), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn an_empty_file_has_a_seal_too() {
        assert!(is_sound(&sealed(b"")));
        assert!(!is_sound(b""));
    }
}
