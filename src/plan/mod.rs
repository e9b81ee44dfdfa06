//! Layer 5: what will be done, as a value: one step per selected node, with its intent and the reason.
//!
//! The plan is checked as a whole before anything is read: every query is planned against the columns that its parents
//! will have. What `--dry-run` would print and what `execute` runs is the same [`run_plan::RunPlan`].

pub mod algebra;
pub mod check;
pub mod constraints;
pub mod contract;
pub mod functions;
pub mod incremental;
pub mod microbatch;
pub mod rehearsal;
pub mod run_plan;
pub mod snapshot;
pub mod statement;
pub mod steps;
pub mod test;
pub mod unit_test;
