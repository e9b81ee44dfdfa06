//! Layer 2: tables at rest. Staging files, publishing a run as one, the log of an environment, locks, recovery.
//!
//! Every stored table is a Delta table in a folder of the warehouse; every environment has a log of numbered entries
//! (`_karat/env/<name>/`), each of which pins one version of each of its relations. A [`Catalog`] is the newest entry.
//!
//! The life of a table's content:
//!
//! 1. [`Warehouse::write_files`] stages data files in the table's folder. No reader sees them.
//! 2. [`Warehouse::publish`] makes all staged files durable, commits each table to its Delta log as the difference
//!    between what the log says and what is wanted, and then creates the next entry of the environment's log.
//! 3. [`Warehouse::recover`] mends, at the start of the next run, what a crash between two of these steps left.
//!
//! The module knows nothing about nodes, SQL or plans. It is the only one that names the Delta library.

mod catalog;
mod copy;
mod delta;
mod error;
mod foreign;
mod local;
mod lock;
mod maintain;
mod publish;
mod schema;
mod statistics;
mod table;
mod warehouse;
mod write;

#[cfg(test)]
mod tests;

pub use catalog::{
    Catalog, Common, Entry, Outcome, PublishedRelation, PublishedTable, PublishedView, RunRecord, Verdict,
};
pub use error::StoreError;
pub use foreign::foreign_table;
pub use lock::{EnvLock, HolderInfo};
pub use maintain::{Damage, Orphan, OrphanKind};
pub use publish::{Change, Foreign, KeepChange, Operation, Published, Recovered, RunInfo, TableChange, ViewChange};
pub use schema::{ColumnProblem, storable_schema, storable_type};
pub use statistics::{ColumnStatistics, FileStatistics};
pub use table::{DataFile, TableDocs, TableVersion};
pub use warehouse::{Durability, FailAction, FailPoint, Failpoint, Warehouse, WarehouseOptions};
pub use write::{Codec, WriteRequest};
