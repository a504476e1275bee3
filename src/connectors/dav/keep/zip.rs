//! A zip archive, written piece by piece. Its table of contents stands at its end, so it cannot be gone on with once its
//! writer is gone: who is interrupted begins anew.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

/// Where the library writes to; what is there is taken out by whoever writes the archive.
#[derive(Clone, Debug, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A zip archive in the making.
pub(super) struct Zip {
    writer: ZipWriter<StreamWriter<Sink>>,
    sink: Sink,
}

impl std::fmt::Debug for Zip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Zip")
    }
}

impl Zip {
    pub(super) fn new() -> Self {
        let sink = Sink::default();
        Self { writer: ZipWriter::new_stream(sink.clone()), sink }
    }

    /// A file begins.
    pub(super) fn begin(&mut self, path: &str) -> std::io::Result<()> {
        // Nobody knows before how long it is: beyond 4 GiB a file needs the larger fields.
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).large_file(true);
        self.writer.start_file(path, options).map_err(std::io::Error::other)
    }

    /// A folder.
    pub(super) fn folder(&mut self, path: &str) -> std::io::Result<()> {
        self.writer.add_directory(path, SimpleFileOptions::default()).map_err(std::io::Error::other)
    }

    pub(super) fn content(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.writer.write_all(bytes)
    }

    /// What is ready to be written.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.sink.take()
    }

    /// The end of the archive; all that is left to be written.
    pub(super) fn finish(self) -> std::io::Result<Vec<u8>> {
        self.writer.finish().map_err(std::io::Error::other)?;
        Ok(self.sink.take())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_is_written_piece_by_piece_reads_back() {
        let mut zip = Zip::new();
        let mut whole = Vec::new();
        zip.folder("plans").unwrap();
        zip.begin("plans/ü.txt").unwrap();
        for _ in 0..100 {
            zip.content(&[7; 10_000]).unwrap();
            whole.extend(zip.take());
        }
        zip.begin("empty").unwrap();
        whole.extend(zip.finish().unwrap());
        let mut read = zip::ZipArchive::new(std::io::Cursor::new(whole)).unwrap();
        let names: Vec<String> = read.file_names().map(|name| name.unwrap().into_owned()).collect();
        assert_eq!(names, ["plans/", "plans/ü.txt", "empty"]);
        let mut content = Vec::new();
        read.by_name("plans/ü.txt").unwrap().read_to_end(&mut content).unwrap();
        assert_eq!(content, vec![7; 1_000_000]);
    }
}
