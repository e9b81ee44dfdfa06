//! The integration tests, in one binary.

mod commands;
mod commands_output;
mod data_tests;
mod errors;
mod errors_files;
mod flagship;
mod functions;
mod greenhouse;
mod greenhouse_forms;
mod greenhouse_rates;
mod greenhouse_rules;
mod hooks;
mod incremental;
mod proof_flagship;
mod proof_kill;
mod proof_schema_change;
mod proof_strategies;
mod proof_together;
mod publication;
mod robustness;
mod shop;
mod snapshots;
mod snapshots_random;
mod support;
mod tidy;
mod types;
