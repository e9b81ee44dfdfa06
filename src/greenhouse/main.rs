//! `greenhouse`: synthetic data of a plant shop, for the flagship project, for tests and for benchmarks.
//!
//! It shares nothing with the library of karat and does not link its engine: it writes files that any loader can
//! read. Start reading at `first_load.rs` and `journey.rs`; `shop.rs` and `visit.rs` say how the shop behaves, and
//! `profiles/clean.yml` how often.
//!
//! Three rules keep it repeatable: a thing's key and attributes follow from the seed and the thing's number alone, so
//! nothing is looked up; rows are made in blocks that any thread can make, and written in the order of the blocks; and
//! a batch is written aside and put in its place when it is whole.

mod batch;
mod columns;
mod delta;
mod dirt;
mod disk;
mod drift;
mod encode;
mod failure;
mod first_load;
mod goods;
mod ids;
mod journey;
mod manifest;
mod numbers;
mod options;
mod output;
mod partition;
mod people;
mod pipeline;
mod printer;
mod profile;
mod random;
mod run;
mod shop;
mod spoil;
mod tables;
mod time;
mod visit;
mod words;

use std::process::ExitCode;

use clap::Parser as _;

use crate::options::CommandLine;

fn main() -> ExitCode {
    match run::run(&CommandLine::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            printer::failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
