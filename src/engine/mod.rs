//! Layer 3: the query engine. One DataFusion runtime per invocation, configured once; sessions that resolve relations
//! through whatever the caller gives them; the guard in front; errors with their place in the SQL.
//!
//! Nothing here knows models or Delta: a [`session::RelationSource`] answers what a name means.

pub mod dialect;
pub mod functions;

mod correlated;
mod distinct;
pub mod error;
pub mod files;
pub mod guard;
mod guarded;
mod information;
mod membership;
pub mod memory;
mod moments;
pub mod neighbors;
mod numbers;
mod operands;
mod pool;
pub mod session;
pub mod statement;
mod syntax;
pub mod table;
mod texts;
pub mod types;
pub mod user_functions;
pub mod view;
mod wording;
