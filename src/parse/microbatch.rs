//! Microbatch models and what they read.

use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::manifest::manifest::Manifest;

/// Warns of microbatch models whose batches would all read everything.
pub(super) fn check_inputs(manifest: &Manifest, diagnostics: &mut Diagnostics) {
    for node in manifest.nodes.values().filter(|node| node.config.microbatch.is_some()) {
        let mut parents = node.depends_on.iter().filter_map(|id| manifest.get(id));
        if parents.any(|parent| parent.config.event_time.is_some()) {
            continue;
        }
        let message = format!("no parent of the microbatch model `{}` has an `event_time`", node.name);
        diagnostics.push(
            Diagnostic::warning("microbatch-reads-all", message)
                .at_maybe(node.location.clone(), "each batch reads all rows of its parents")
                .with_hint("set `event_time` on what it reads"),
        );
    }
}
