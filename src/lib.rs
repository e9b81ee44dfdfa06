#![doc = include_str!("../ARCHITECTURE.md")]

pub mod base;

pub mod files;
pub mod manifest;
pub mod template;

pub mod deps;
pub mod graph;
pub mod parse;
pub mod state;
pub mod store;

pub mod engine;
pub mod select;

pub mod compile;
pub mod plan;

pub mod execute;
pub mod record;

pub mod docs;

pub mod cli;
