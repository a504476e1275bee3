//! A compressed tar archive, written piece by piece. Between two files it can be ended and gone on with: what follows is put
//! behind it byte by byte, which both formats allow (RFC 8878 §3.1).

use std::io::Write;

use tar::{Builder, EntryType, Header};
use zstd::stream::write::Encoder;

/// How long a block of a tar archive is, in bytes.
const BLOCK: u64 = 512;

/// A tar archive in the making; what is ready is taken out by whoever writes it.
pub(super) struct Tar {
    encoder: Encoder<'static, Vec<u8>>,
}

impl std::fmt::Debug for Tar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tar")
    }
}

impl Tar {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self { encoder: Encoder::new(Vec::new(), 0)? })
    }

    /// A file of this length begins; exactly so many bytes follow.
    pub(super) fn begin(&mut self, path: &str, length: u64, modified: u64) -> std::io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_mtime(modified);
        self.entry(header, path, length)
    }

    /// A folder.
    pub(super) fn folder(&mut self, path: &str) -> std::io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Directory);
        header.set_mode(0o755);
        self.entry(header, &format!("{path}/"), 0)
    }

    fn entry(&mut self, mut header: Header, path: &str, length: u64) -> std::io::Result<()> {
        header.set_size(0);
        // The library knows how names are written that are too long for a header. With a length of 0 it asks for no content.
        let mut builder = Builder::new(Vec::new());
        builder.append_data(&mut header, path, std::io::empty())?;
        let mut written = std::mem::take(builder.get_mut());
        let own = written.len().checked_sub(BLOCK as usize).ok_or(std::io::ErrorKind::InvalidData)?;
        let mut last = Header::new_old();
        last.as_mut_bytes().copy_from_slice(&written[own..]);
        last.set_size(length);
        last.set_cksum();
        written.truncate(own);
        self.encoder.write_all(&written)?;
        self.encoder.write_all(last.as_bytes())
    }

    pub(super) fn content(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.encoder.write_all(bytes)
    }

    /// The file that began with this length is whole.
    pub(super) fn end(&mut self, length: u64) -> std::io::Result<()> {
        let rest = (BLOCK - length % BLOCK) % BLOCK;
        self.encoder.write_all(&vec![0; rest as usize])
    }

    /// What is ready to be written.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.encoder.get_mut())
    }

    /// Ends what is compressed here, so that it can be gone on with later; all that is left to be written.
    pub(super) fn pause(&mut self) -> std::io::Result<Vec<u8>> {
        let next = Self::new()?;
        std::mem::replace(self, next).encoder.finish()
    }

    /// The end of the archive; all that is left to be written.
    pub(super) fn finish(mut self) -> std::io::Result<Vec<u8>> {
        self.encoder.write_all(&[0; 2 * BLOCK as usize])?;
        self.encoder.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_is_paused_and_gone_on_with_is_one_archive() {
        let long = format!("{}/ü.bin", "folder".repeat(40));
        let mut tar = Tar::new().unwrap();
        tar.folder("plans").unwrap();
        tar.begin("plans/a.txt", 3, 7).unwrap();
        tar.content(b"abc").unwrap();
        tar.end(3).unwrap();
        let mut whole = tar.pause().unwrap();
        tar.begin(&long, 1024, 0).unwrap();
        tar.content(&[7; 1024]).unwrap();
        tar.end(1024).unwrap();
        whole.extend(tar.take());
        whole.extend(tar.finish().unwrap());
        let mut archive = tar::Archive::new(zstd::Decoder::new(whole.as_slice()).unwrap());
        let read: Vec<(String, u64, Vec<u8>)> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                (entry.path().unwrap().to_str().unwrap().to_owned(), entry.header().mtime().unwrap(), content)
            })
            .collect();
        assert_eq!(
            read,
            [
                ("plans/".to_owned(), 0, Vec::new()),
                ("plans/a.txt".to_owned(), 7, b"abc".to_vec()),
                (long, 0, vec![7; 1024]),
            ]
        );
    }
}
