//! Models whose materialization the project has written: a macro that says statements.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use crate::compile::host::CompileHost;
use crate::compile::node::CompiledNode;
use crate::engine::view::Fresh;
use crate::execute::failure::Failure;
use crate::execute::result::{NodeResult, RowCounts};
use crate::execute::run::Run;
use crate::manifest::config::Hook;
use crate::manifest::node::Node;
use crate::template::host::SharedHost;

/// Runs the macro of a node's materialization. It sees `sql`, `pre_hooks` and `post_hooks` as under dbt.
pub fn materialize(
    run: &Arc<Run>,
    node: &Arc<Node>,
    compiled: &CompiledNode,
    result: &mut NodeResult,
) -> Result<(), Failure> {
    let globals = IndexMap::from([
        ("sql".to_owned(), json!(compiled.sql)),
        ("compiled_code".to_owned(), json!(compiled.sql)),
        ("pre_hooks".to_owned(), hooks(&node.config.pre_hook)),
        ("post_hooks".to_owned(), hooks(&node.config.post_hook)),
    ]);
    let host: SharedHost = CompileHost::new(&run.invocation, &run.introspect(node), Some(node), globals);
    run.invocation.templates.materialize(node.materialized(), &host).map_err(|error| Failure::from(*error))?;
    let made = node.relation.as_ref().and_then(|relation| run.view.fresh(&relation.key()));
    if let Some(Fresh::Staged(version)) = made {
        let total = version.rows();
        result.rows = Some(RowCounts { inserted: total, updated: 0, deleted: 0, total });
    }
    Ok(())
}

fn hooks(hooks: &[Hook]) -> Json {
    let hook =
        |(index, hook): (usize, &Hook)| json!({ "sql": hook.sql, "transaction": hook.transaction, "index": index });
    hooks.iter().enumerate().map(hook).collect()
}
