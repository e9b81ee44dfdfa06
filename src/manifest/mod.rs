//! The nouns: what a project consists of after parsing. Data only; nothing here reads, renders or runs.
//!
//! `parse` makes a [`manifest::Manifest`]; everything later only looks at it.

pub mod config;
pub mod constraint;
pub mod function;
pub mod group;
#[expect(clippy::module_inception, reason = "the manifest is the main noun of the module")]
pub mod manifest;
pub mod microbatch;
pub mod node;
pub mod relation;
pub mod sample;
pub mod semantic;
pub mod source;
pub mod unit_test;
pub mod version;
