//! Layer 8: documentation. A project, what is published of it and how its nodes ended become texts: one HTML page, and
//! the lineage as Mermaid, DOT, JSON or Markdown.
//!
//! Nothing here reads, runs or writes: the command line hands in what is known and puts the texts in their place. What
//! a project says reaches a page as a text node or through [`markdown`], never as markup of its own.

pub mod lineage;
pub mod lineage_text;
pub mod markdown;
pub mod page;
pub mod site;
