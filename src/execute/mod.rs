//! Layer 6: runs a plan: who runs when, one node from start to end, publication of all at once.
//!
//! A node that fails, fails alone: its errors and panics stop at [`scheduler`]. Nothing that is written here is visible
//! before [`publication`] asks the store for it.

pub mod changes;
pub mod clone;
mod constraints;
mod custom;
pub mod failure;
mod microbatch;
pub mod node;
pub mod publication;
pub mod result;
pub mod run;
pub mod scheduler;
pub mod snapshot;
pub mod statement;
pub mod table;
pub mod test;
pub mod turns;
mod unit_test;
pub mod writer;
