//! The only place of this program that prints: a short table to standard error, and what was asked for as data to
//! standard output.

#![expect(clippy::print_stderr, reason = "this is the one place that prints")]

use std::io::{self, Write as _};

use crate::failure::Failure;
use crate::manifest::Manifest;

/// Prints what was written: a line for each table.
pub fn summary(manifest: &Manifest, landing: &str, seconds: f64) {
    let mut lines = vec![["table", "rows", "first", "last", "quantity", "order total", "files"].map(str::to_owned)];
    for (table, summary) in manifest.summaries() {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        lines.push([
            table.name().to_owned(),
            summary.rows.to_string(),
            text(&summary.first_time),
            text(&summary.last_time),
            summary.sum_quantity.map(|sum| sum.to_string()).unwrap_or_default(),
            text(&summary.sum_order_total),
            summary.files.len().to_string(),
        ]);
    }
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    eprintln!(
        "{} {} into {landing}, loaded {}",
        manifest.verb,
        manifest.batch,
        crate::time::instant_text::text(manifest.loaded)
    );
    for line in &lines {
        let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 | 2 | 3 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        eprintln!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    if !manifest.defects.is_empty() {
        let defects = manifest.defects.iter().map(|(kind, count)| format!("{kind} {count}"));
        eprintln!("  defects: {}", defects.collect::<Vec<_>>().join(", "));
    }
    eprintln!("  {seconds:.1} s");
}

/// Prints data for machines. That the reader has gone away is no failure.
pub fn data(text: &str) {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).ok();
}

/// Prints something to know.
pub fn warning(message: &str) {
    eprintln!("warning: {message}");
}

/// Prints why nothing was done.
pub fn failure(failure: &Failure) {
    eprintln!("error: {failure}");
}
