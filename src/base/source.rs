//! Texts of the user's project and positions in them.
//!
//! A [`SourceFile`] is shared by everything that was made from it, so that any later stage can still show the line
//! a problem comes from.

use std::ops::Range;
use std::sync::Arc;

/// One text file of the project (or one text given on the command line, with a path such as `--inline`).
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Path relative to the project folder, with `/` as separator.
    pub path: String,
    /// The whole text, or a part of it.
    pub text: String,
    /// The line of the file that the text begins with: 1 unless it is a part.
    pub first_line: usize,
}

/// A place in a text: line and column, both counted from 1; the column counts characters, not bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl SourceFile {
    /// Makes a shared source file.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Self::part(path, text, 1)
    }

    /// Makes a source file of a part of a text, which begins at a line of its file.
    pub fn part(path: impl Into<String>, text: impl Into<String>, first_line: usize) -> Arc<Self> {
        Arc::new(Self { path: path.into(), text: text.into(), first_line })
    }

    /// The position of a byte offset; an offset past the end means the end.
    pub fn position(&self, offset: usize) -> Position {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.text[..end];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Position {
            line: before.bytes().filter(|byte| *byte == b'\n').count() + self.first_line,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// The byte offset of a position; a position outside the text means the nearest place in it.
    pub fn offset(&self, position: Position) -> usize {
        let mut start = 0;
        for _ in self.first_line..position.line {
            match self.text[start..].find('\n') {
                Some(at) => start += at + 1,
                None => return self.text.len(),
            }
        }
        let line = self.text[start..].split('\n').next().unwrap_or("");
        let within = line.char_indices().nth(position.column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
        start + within
    }

    /// The byte range of a whole line (from 1) without its line break and without the blanks around it.
    pub fn line_range(&self, line: usize) -> Range<usize> {
        let start = self.offset(Position { line, column: 1 });
        let text = self.text[start..].split('\n').next().unwrap_or("");
        let lead = text.len() - text.trim_start().len();
        start + lead..start + lead + text.trim().len()
    }
}

/// A range of bytes in a file of the project: what a diagnostic points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub file: Arc<SourceFile>,
    /// The bytes of its text.
    pub range: Range<usize>,
}

impl Location {
    /// A location from a file and a byte range.
    pub fn new(file: &Arc<SourceFile>, range: Range<usize>) -> Self {
        // A range that ends within a character could not be shown.
        let (start, end) = (file.text.floor_char_boundary(range.start), file.text.ceil_char_boundary(range.end));
        Self { file: Arc::clone(file), range: start..end.max(start) }
    }

    /// The location of a whole file, which points at its beginning.
    pub fn of_file(file: &Arc<SourceFile>) -> Self {
        Self::new(file, 0..0)
    }

    /// Where the range starts.
    pub fn start(&self) -> Position {
        self.file.position(self.range.start)
    }
}
