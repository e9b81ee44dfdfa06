//! The figures as a table for people and as JSON for programs.

use std::fmt::Write as _;

use serde::Serialize;

use crate::Result;
use crate::child::Cost;

/// What is counted besides the whole, and how much of it is wanted at most.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    /// The figure.
    pub value: f64,
    /// What it is, such as `ms CPU/model`.
    pub unit: &'static str,
    /// At most this is wanted.
    pub aim: Option<f64>,
}

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Figure {
    /// What was done, with its size.
    pub what: String,
    /// The program that did it.
    pub tool: String,
    /// What it took.
    pub cost: Cost,
    /// The figure that is compared with an aim.
    pub measure: Option<Measure>,
}

impl Figure {
    fn verdict(&self) -> &'static str {
        match self.measure {
            Some(Measure { value, aim: Some(aim), .. }) if value > aim => "over",
            Some(Measure { aim: Some(_), .. }) => "ok",
            _ => "",
        }
    }
}

/// Bytes of a mebibyte, exactly representable.
const MIB: f64 = 1_048_576.0;

#[expect(clippy::cast_precision_loss, reason = "bytes of memory are far below 2^53")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

/// The table.
pub fn table(figures: &[Figure], skipped: &[String]) -> String {
    let mut text = String::from(
        "| what | tool | CPU s | wall s | peak MiB | figure | aim | |\n|---|---|---:|---:|---:|---:|---:|---|\n",
    );
    for figure in figures {
        let value = figure.measure.map_or_else(String::new, |measure| format!("{:.3} {}", measure.value, measure.unit));
        let aim = figure.measure.and_then(|measure| measure.aim).map_or_else(String::new, |aim| aim.to_string());
        let Cost { cpu, wall, memory } = figure.cost;
        let memory = mebibytes(memory);
        let _ = writeln!(
            text,
            "| {} | {} | {cpu:.2} | {wall:.2} | {memory:.0} | {value} | {aim} | {} |",
            figure.what,
            figure.tool,
            figure.verdict()
        );
    }
    for line in skipped {
        let _ = writeln!(text, "\nskipped: {line}");
    }
    text
}

#[derive(Serialize)]
struct Line<'a> {
    what: &'a str,
    tool: &'a str,
    cpu_seconds: f64,
    wall_seconds: f64,
    peak_bytes: u64,
    value: Option<f64>,
    unit: Option<&'static str>,
    aim: Option<f64>,
    verdict: &'static str,
}

#[derive(Serialize)]
struct Document<'a> {
    karat: &'static str,
    processors: usize,
    figures: Vec<Line<'a>>,
    skipped: &'a [String],
}

/// The figures as a JSON document.
pub fn json(figures: &[Figure], skipped: &[String]) -> Result<String> {
    let figures = figures.iter().map(|figure| Line {
        what: &figure.what,
        tool: &figure.tool,
        cpu_seconds: figure.cost.cpu,
        wall_seconds: figure.cost.wall,
        peak_bytes: figure.cost.memory,
        value: figure.measure.map(|measure| measure.value),
        unit: figure.measure.map(|measure| measure.unit),
        aim: figure.measure.and_then(|measure| measure.aim),
        verdict: figure.verdict(),
    });
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let document = Document { karat: env!("CARGO_PKG_VERSION"), processors, figures: figures.collect(), skipped };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}
