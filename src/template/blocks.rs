//! dbt's blocks that stand on their own in a file: snapshots, generic tests, docs.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use regex::Regex;

use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::base::source::{Location, SourceFile};
use crate::template::syntax::{Base, Origin, scan_blocks};

/// The kinds of block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    /// `{% snapshot name %}`.
    Snapshot,
    /// `{% test name(model, …) %}` or `{% data_test … %}`.
    Test,
    /// `{% materialization name, … %}`.
    Materialization,
    /// `{% docs name %}`.
    Docs,
}

/// A block found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its kind.
    pub kind: BlockKind,
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub name_range: Range<usize>,
    /// What follows the name in the opening tag, such as `(model, column_name)`.
    pub header: String,
    /// The opening tag.
    pub head: Range<usize>,
    /// From the opening to the closing tag.
    pub range: Range<usize>,
    /// Between the tags: the template of a snapshot, the text of a docs block.
    pub body: Range<usize>,
}

impl Block {
    /// Whether it is a snapshot.
    pub fn is_snapshot(&self) -> bool {
        self.kind == BlockKind::Snapshot
    }

    /// Whether it is a docs block.
    pub fn is_docs(&self) -> bool {
        self.kind == BlockKind::Docs
    }
}

/// Finds the snapshots, tests and materializations of a `.sql` file, or the docs blocks of any other file.
pub fn extract_blocks(file: &Arc<SourceFile>) -> (Vec<Block>, Diagnostics) {
    let is_sql = file.path.rsplit('.').next().is_some_and(|ending| ending.eq_ignore_ascii_case("sql"));
    if is_sql { template_blocks(file) } else { docs_blocks(file) }
}

fn template_blocks(file: &Arc<SourceFile>) -> (Vec<Block>, Diagnostics) {
    let origin = Origin { file: Arc::clone(file), base: Base::Offset(0), built_in: false };
    let (scanned, problems) = scan_blocks(&file.text, &origin, &["snapshot", "test", "data_test", "materialization"]);
    let mut diagnostics = Diagnostics(problems);
    let mut blocks = Vec::new();
    for block in scanned {
        let kind = match block.keyword.as_str() {
            "snapshot" => BlockKind::Snapshot,
            "materialization" => BlockKind::Materialization,
            _ => BlockKind::Test,
        };
        let Some((name, name_range)) =
            block.header.first().and_then(|token| Some((token.name.clone()?, token.range.clone())))
        else {
            let message = format!("the `{}` block has no name", block.keyword);
            let start = block.range.start;
            let location = Location::new(file, start..block.body.start.max(start));
            diagnostics.push(Diagnostic::error("jinja-syntax", message).at(location, ""));
            continue;
        };
        let end = block.header.last().map_or(name_range.end, |token| token.range.end);
        let head = block.range.start..block.body.start;
        let header = file.text.get(name_range.end..end).unwrap_or_default().trim().to_owned();
        blocks.push(Block { kind, name, name_range, header, head, range: block.range, body: block.body });
    }
    (blocks, diagnostics)
}

/// Docs blocks are not Jinja inside: their text is taken as it is, up to the next closing tag.
fn docs_blocks(file: &Arc<SourceFile>) -> (Vec<Block>, Diagnostics) {
    #[expect(clippy::unwrap_used, reason = "the patterns are constant; a test uses both")]
    static OPENING: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\{%[-+]?\s*docs\s+(\w+)\s*[-+]?%\}").unwrap());
    #[expect(clippy::unwrap_used, reason = "the patterns are constant; a test uses both")]
    static CLOSING: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\{%[-+]?\s*enddocs\s*[-+]?%\}").unwrap());
    let mut blocks = Vec::new();
    let mut diagnostics = Diagnostics::default();
    let mut start = 0;
    while let Some(captures) = OPENING.captures_at(&file.text, start) {
        let (Some(opening), Some(name)) = (captures.get(0), captures.get(1)) else { break };
        let Some(closing) = CLOSING.find_at(&file.text, opening.end()) else {
            diagnostics.push(
                Diagnostic::error("jinja-syntax", "`{% docs %}` is never closed")
                    .at(Location::new(file, opening.range()), "opened here")
                    .with_hint("add `{% enddocs %}`"),
            );
            break;
        };
        blocks.push(Block {
            kind: BlockKind::Docs,
            name: name.as_str().to_owned(),
            name_range: name.range(),
            header: String::new(),
            head: opening.range(),
            range: opening.start()..closing.end(),
            body: opening.end()..closing.start(),
        });
        start = closing.end();
    }
    (blocks, diagnostics)
}
