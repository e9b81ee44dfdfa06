//! Bytes of files: opens an object as a blocking reader, decompresses it, and takes a byte order mark away.
//!
//! Everything here blocks and belongs on a blocking thread. Local files are read directly; other stores are bridged
//! from their stream of bytes.

use std::io::{BufRead as _, BufReader, Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::{GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt as _};
use tokio::runtime::Handle;

use super::error::ExternalError;
use crate::base::source::SourceFile;

/// Bytes read ahead per file.
const BUFFER_BYTES: usize = 256 << 10;

/// Most bytes of a line that are read to show it.
const SHOWN_BYTES: u64 = 4096;

/// One file of a source.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) meta: ObjectMeta,
    /// The path that is shown.
    pub(super) shown: String,
}

/// How files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    /// By the extension of each file.
    Auto,
    /// All files in the same way.
    Fixed(FileCompressionType),
}

impl Compression {
    /// Reads the value of the option `compression`.
    pub(super) fn parse(value: &str) -> Result<Self, ExternalError> {
        Ok(match value.to_ascii_lowercase().as_str() {
            "auto" | "auto_detect" => Self::Auto,
            "none" | "uncompressed" => Self::Fixed(FileCompressionType::UNCOMPRESSED),
            "gzip" | "gz" => Self::Fixed(FileCompressionType::GZIP),
            "zstd" | "zst" => Self::Fixed(FileCompressionType::ZSTD),
            "bzip2" | "bz2" => Self::Fixed(FileCompressionType::BZIP2),
            "xz" => Self::Fixed(FileCompressionType::XZ),
            _ => {
                return Err(ExternalError::Option {
                    name: "compression".to_owned(),
                    value: value.to_owned(),
                    expected: "auto, none, gzip, zstd, bzip2 or xz".to_owned(),
                });
            }
        })
    }

    fn of(self, path: &str) -> FileCompressionType {
        match self {
            Self::Fixed(compression) => compression,
            Self::Auto => match path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "gz" | "gzip" => FileCompressionType::GZIP,
                "zst" | "zstd" => FileCompressionType::ZSTD,
                "bz2" => FileCompressionType::BZIP2,
                "xz" => FileCompressionType::XZ,
                _ => FileCompressionType::UNCOMPRESSED,
            },
        }
    }
}

/// Text of a file, from behind its byte order mark.
pub(super) type TextReader = BufReader<Box<dyn Read + Send>>;

impl Input {
    pub(super) fn access(&self, action: &'static str) -> impl Fn(object_store::Error) -> ExternalError + '_ {
        move |source| ExternalError::Access { action, path: self.shown.clone(), source: Box::new(source) }
    }

    pub(super) fn read_error(&self, source: std::io::Error) -> ExternalError {
        // A decoder reports a damaged stream as an error of the read.
        if matches!(source.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput)
            || source.kind() == std::io::ErrorKind::UnexpectedEof
        {
            return self.damaged("a complete compressed file", source.to_string());
        }
        ExternalError::Access { action: "read", path: self.shown.clone(), source: Box::new(source) }
    }

    pub(super) fn damaged(&self, format: &'static str, detail: impl Into<String>) -> ExternalError {
        ExternalError::Damaged { path: self.shown.clone(), format, detail: detail.into() }
    }

    /// The file's raw bytes as a blocking reader.
    pub(super) fn open(&self, handle: &Handle) -> Result<Box<dyn Read + Send>, ExternalError> {
        let result = handle.block_on(self.store.get(&self.meta.location)).map_err(self.access("read"))?;
        if result.meta.size != self.meta.size {
            return Err(ExternalError::Changed { path: self.shown.clone() });
        }
        Ok(match result.payload {
            GetResultPayload::File(file, _) => Box::new(file),
            GetResultPayload::Stream(stream) => {
                Box::new(StreamReader { handle: handle.clone(), stream, current: Bytes::new() })
            }
        })
    }

    /// One line of the file (from 1), for showing it in a message; the file is read up to it once more.
    pub(super) fn line(&self, handle: &Handle, compression: Compression, line: u64) -> Option<Arc<SourceFile>> {
        let mut reader = self.open_text(handle, compression).ok()?;
        for _ in 1..line {
            reader.skip_until(b'\n').ok()?;
        }
        let mut bytes = Vec::new();
        (&mut reader).take(SHOWN_BYTES).read_until(b'\n', &mut bytes).ok()?;
        Some(excerpt(&self.shown, &bytes, line))
    }

    /// The file's text: decompressed, without a byte order mark.
    pub(super) fn open_text(&self, handle: &Handle, compression: Compression) -> Result<TextReader, ExternalError> {
        let raw = BufReader::with_capacity(BUFFER_BYTES, self.open(handle)?);
        let mut plain = compression
            .of(self.meta.location.as_ref())
            .convert_read(raw)
            .map_err(|error| self.damaged("a compressed file", error.to_string()))?;
        let mut start = Vec::with_capacity(3);
        (&mut plain).take(3).read_to_end(&mut start).map_err(|error| self.read_error(error))?;
        let start = without_mark(&start)
            .map_err(|detail| ExternalError::Encoding { path: self.shown.clone(), line: 1, detail })?
            .to_vec();
        Ok(BufReader::with_capacity(BUFFER_BYTES, Box::new(Read::chain(Cursor::new(start), plain))))
    }
}

/// A line of a data file as a part of a source file: its beginning, if it is long.
pub(super) fn excerpt(path: &str, line: &[u8], number: u64) -> Arc<SourceFile> {
    const SHOWN: usize = 120;
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\n', '\r']);
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    SourceFile::part(path, shown, usize::try_from(number).unwrap_or(usize::MAX))
}

/// Reads a file's content with a library that may panic on a damaged one: that must not take the run down.
pub(super) fn guarded<T>(path: &str, read: impl FnOnce() -> Result<T, ExternalError>) -> Result<T, ExternalError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(ExternalError::Damaged {
            path: path.to_owned(),
            format: "of its format",
            detail: "the reader could not make sense of its content".to_owned(),
        })
    })
}

/// Bytes without a UTF-8 byte order mark; a mark of UTF-16 is refused.
pub(super) fn without_mark(start: &[u8]) -> Result<&[u8], String> {
    if start.starts_with(&[0xFF, 0xFE]) || start.starts_with(&[0xFE, 0xFF]) {
        return Err("the byte order mark says UTF-16".to_owned());
    }
    Ok(start.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(start))
}

/// Lets a blocking thread read a stream of bytes.
struct StreamReader {
    handle: Handle,
    stream: BoxStream<'static, object_store::Result<Bytes>>,
    current: Bytes,
}

impl Read for StreamReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while !self.current.has_remaining() {
            match self.handle.block_on(self.stream.next()) {
                None => return Ok(0),
                Some(chunk) => self.current = chunk.map_err(std::io::Error::other)?,
            }
        }
        let size = buffer.len().min(self.current.remaining());
        self.current.copy_to_slice(&mut buffer[..size]);
        Ok(size)
    }
}
