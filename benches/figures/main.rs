//! Measures the real programs as child processes, and prints a table and JSON. See `benches/README.md`.

#![expect(clippy::disallowed_methods, reason = "a program of its own, which measures and writes scratch folders")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "prints its table")]

mod child;
mod floor;
mod projects;
mod report;
mod scenarios;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::scenarios::{Bench, Scenario};

/// Whatever went wrong, in words.
pub type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// Measures karat, and peers where environment variables name them: CPU seconds, wall time, peak memory.
#[derive(Debug, Parser)]
#[command(name = "cargo bench --", max_term_width = 100)]
struct CommandLine {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    work: Option<Work>,
}

/// What to measure.
#[derive(Debug, Args)]
struct Options {
    /// Small sizes, for trying the programs: a minute or two
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// The largest sizes: 10,000 models and 10 million events as well
    #[arg(long)]
    full: bool,
    /// Measure these scenarios only; may be repeated
    #[arg(long, value_name = "SCENARIO")]
    only: Vec<Scenario>,
    /// Write the figures to this file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Passed by cargo, without meaning here.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Work that the bench does in a child process of its own, so that it's measured like the others.
#[derive(Debug, Subcommand)]
enum Work {
    /// Make a Parquet file with rows
    #[command(hide = true)]
    Make { file: PathBuf, rows: u64 },
    /// Copy a Parquet file as raw DataFusion does
    #[command(hide = true)]
    Copy { from: PathBuf, to: PathBuf },
}

fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    let done = match command_line.work {
        Some(Work::Make { file, rows }) => floor::make(&file, rows).map(|()| true),
        Some(Work::Copy { from, to }) => floor::copy(&from, &to).map(|()| true),
        None => measure(&command_line.options),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}

/// Runs the scenarios, prints what they measured, and says whether all of them ran.
fn measure(options: &Options) -> Result<bool> {
    let size = match (options.quick, options.full) {
        (true, _) => scenarios::QUICK,
        (_, true) => scenarios::FULL,
        _ => scenarios::USUAL,
    };
    let mut bench = Bench::new(size)?;
    let mut whole = true;
    for scenario in Scenario::ALL {
        if !options.only.is_empty() && !options.only.contains(&scenario) {
            continue;
        }
        eprintln!("{} ...", scenario.name());
        // The figures of the other scenarios are worth having all the same.
        if let Err(error) = bench.run(scenario) {
            eprintln!("error: {}: {error}", scenario.name());
            whole = false;
        }
    }
    print!("{}", report::table(&bench.figures, &bench.skipped));
    if let Some(path) = &options.json {
        std::fs::write(path, report::json(&bench.figures, &bench.skipped)?)?;
    }
    Ok(whole)
}
