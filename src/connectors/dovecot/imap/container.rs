//! The bytes of an archive: tar, compressed by zstd. A frame of zstd ends wherever a file of the archive ends; frames, and the
//! entries of tar, one after the other are one archive.

use std::io::{self, Write as _};

use tar::{Builder, EntryType, Header};
use zstd::stream::write::Encoder;

/// How hard it compresses: mail is written once and read hardly ever.
const LEVEL: i32 = 1;

/// Entries of tar begin at multiples of this.
const BLOCK: u64 = 512;

/// An archive in the making. What has been made so far is read with [`Container::made`], and then [`Container::clear`]ed: the
/// room for it is used again.
pub(super) struct Container {
    heads: Builder<Vec<u8>>,
    encoder: Encoder<'static, Vec<u8>>,
}

impl Container {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { heads: Builder::new(Vec::new()), encoder: encoder()? })
    }

    /// A folder.
    pub(super) fn folder(&mut self, path: &str) -> io::Result<()> {
        self.head(path, EntryType::Directory, 0, 0)
    }

    /// The beginning of a file; as many bytes follow, and then [`Container::end_file`].
    pub(super) fn file(&mut self, path: &str, bytes: u64, modified: u64) -> io::Result<()> {
        self.head(path, EntryType::Regular, bytes, modified)
    }

    fn head(&mut self, path: &str, kind: EntryType, bytes: u64, modified: u64) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(if kind == EntryType::Directory { 0o700 } else { 0o600 });
        header.set_size(bytes);
        header.set_mtime(modified);
        // Long names are told as GNU's tar does.
        self.heads.append_data(&mut header, path, io::empty())?;
        let head = std::mem::take(self.heads.get_mut());
        self.encoder.write_all(&head)
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.encoder.write_all(bytes)
    }

    /// What fills the last block of a file of this length.
    pub(super) fn end_file(&mut self, bytes: u64) -> io::Result<()> {
        let open = bytes % BLOCK;
        if open == 0 {
            return Ok(());
        }
        let fill = [0; BLOCK as usize];
        self.encoder.write_all(fill.get(usize::try_from(open).unwrap_or(0)..).unwrap_or_default())
    }

    /// The bytes that are made by now.
    pub(super) fn made(&self) -> &[u8] {
        self.encoder.get_ref()
    }

    /// They are written.
    pub(super) fn clear(&mut self) {
        self.encoder.get_mut().clear();
    }

    /// Ends the frame: what is taken out now can be gone on behind.
    pub(super) fn end_frame(&mut self) -> io::Result<Vec<u8>> {
        std::mem::replace(&mut self.encoder, encoder()?).finish()
    }

    /// The end of the archive (two empty blocks), and the bytes that are left.
    pub(super) fn end(mut self) -> io::Result<Vec<u8>> {
        self.encoder.write_all(&[0; 2 * BLOCK as usize])?;
        self.encoder.finish()
    }
}

fn encoder() -> io::Result<Encoder<'static, Vec<u8>>> {
    Encoder::new(Vec::new(), LEVEL)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_was_ended_in_the_middle_is_one_archive() {
        let long = format!("Maildir/.{}/cur/1.mail", "x".repeat(180));
        let mut whole = Vec::new();
        let mut first = Container::new().unwrap();
        first.folder("Maildir/cur").unwrap();
        first.file("Maildir/cur/1", 3, 1_700_000_000).unwrap();
        first.bytes(b"one").unwrap();
        first.end_file(3).unwrap();
        whole.extend(first.made());
        first.clear();
        whole.extend(first.end_frame().unwrap());
        // Somebody else goes on.
        let mut second = Container::new().unwrap();
        second.file(&long, 512, 5).unwrap();
        second.bytes(&[b'x'; 512]).unwrap();
        second.end_file(512).unwrap();
        whole.extend(second.end().unwrap());
        let text = zstd::decode_all(whole.as_slice()).unwrap();
        let mut archive = tar::Archive::new(text.as_slice());
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            let path = entry.path().unwrap().display().to_string();
            found.push((path, content.len(), entry.header().mtime().unwrap()));
        }
        let expected =
            [("Maildir/cur".to_owned(), 0, 0), ("Maildir/cur/1".to_owned(), 3, 1_700_000_000), (long, 512, 5)];
        assert_eq!(found, expected);
    }
}
