//! Layer 4: a node and a view of the warehouse become SQL, with the way back to the template.
//!
//! Ephemeral models are inlined here. Nothing is run, unless a template itself asks for data through
//! [`introspect::Introspect`].

pub mod context;
pub mod ephemeral;
pub mod fixture;
pub mod host;
pub mod introspect;
pub mod node;
pub mod query_comment;
pub mod unit_test;
