//! What templates see of the project.

use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::manifest::node::Node;

/// How templates see nodes: in the shapes that artifacts have. Those are said in a layer above this one, so whoever
/// makes an [`Invocation`](crate::compile::host::Invocation) brings them, and each is made only for a template that asks.
#[derive(Clone)]
pub struct Shapes {
    /// `model`.
    pub model: Arc<dyn Fn(&Node) -> Json + Send + Sync>,
    /// `graph`.
    pub graph: Arc<dyn Fn() -> Json + Send + Sync>,
}

impl fmt::Debug for Shapes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shapes").finish_non_exhaustive()
    }
}
