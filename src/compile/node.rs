//! Compiling one node.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::base::diagnostic::Diagnostic;
use crate::base::source::{Location, SourceFile};
use crate::compile::ephemeral::{Assembled, cte_name, inline, trim_statement};
use crate::compile::host::{CompileHost, Invocation};
use crate::compile::introspect::Introspect;
use crate::compile::unit_test::compile_unit_test;
use crate::manifest::microbatch::Batch;
use crate::manifest::node::{Code, Detail, Node, NodeId};
use crate::template::host::SharedHost;
use crate::template::{Place, RenderError, SourceMap};

/// A node's SQL after Jinja.
#[derive(Debug, Clone)]
pub struct CompiledNode {
    /// The SQL with ephemeral models inlined.
    pub sql: String,
    /// The ephemeral models that were inlined, in order, each with its query as it is compiled by itself.
    pub ephemeral: Vec<(NodeId, String)>,
    assembled: Assembled,
    maps: Vec<SourceMap>,
    compiled_file: Arc<SourceFile>,
}

impl CompiledNode {
    /// A query behind common table expressions; the first of the maps is the query's, the others are theirs.
    pub(super) fn assemble(query: &str, expressions: &[(String, String)], maps: Vec<SourceMap>, name: String) -> Self {
        let assembled = inline(query, expressions);
        let sql = trim_statement(&assembled.sql).to_owned();
        let compiled_file = SourceFile::new(name, sql.clone());
        Self { compiled_file, sql, ephemeral: Vec::new(), assembled, maps }
    }

    /// A query that is no template.
    pub fn verbatim(sql: &str, name: &str) -> Self {
        Self::assemble(sql, &[], Vec::new(), name.to_owned())
    }

    /// Where in the user's files a range of the SQL comes from.
    pub fn locate(&self, range: &Range<usize>) -> Option<Place> {
        let (origin, inner) = self.assembled.locate(range)?;
        self.maps.get(origin)?.locate(inner)
    }

    /// Adds the place of a problem with the SQL to a diagnostic: in the template if it is known, else in the compiled
    /// SQL.
    pub fn point(
        &self,
        diagnostic: Diagnostic,
        range: Option<&Range<usize>>,
        fallback: Option<Location>,
    ) -> Diagnostic {
        let remark = if diagnostic.labels.is_empty() { "" } else { "read here" };
        let Some(range) = range else { return diagnostic.at_maybe(fallback, remark) };
        match self.locate(range) {
            Some(mut place) => {
                // A text that was made up (the call of a generic test) stands nowhere itself; its node does.
                if place.location.range == (0..0)
                    && let Some(fallback) = fallback
                {
                    place.location = fallback;
                }
                place.label(diagnostic, "")
            }
            None => diagnostic.at(Location::new(&self.compiled_file, range.clone()), "in the compiled SQL"),
        }
    }
}

/// Compiles a node: renders its template and inlines the ephemeral models that it uses.
pub fn compile(
    invocation: &Arc<Invocation>,
    view: &Arc<dyn Introspect>,
    node: &Arc<Node>,
    extra: IndexMap<String, Json>,
) -> Result<CompiledNode, RenderError> {
    if let Detail::UnitTest(test) = &node.detail {
        return compile_unit_test(invocation, view, node, test);
    }
    let Some(code) = &node.code else {
        return Err(without_code(node));
    };
    compile_code(invocation, view, code, Some(node), extra)
}

fn without_code(node: &Node) -> RenderError {
    RenderError::Diagnostic(Box::new(Diagnostic::error("no-code", format!("`{}` has no SQL", node.name))))
}

/// Compiles a text that may belong to no node: a hook, an operation.
pub fn compile_code(
    invocation: &Arc<Invocation>,
    view: &Arc<dyn Introspect>,
    code: &Code,
    node: Option<&Arc<Node>>,
    extra: IndexMap<String, Json>,
) -> Result<CompiledNode, RenderError> {
    let name = node.map_or_else(|| code.file.path.clone(), |node| format!("compiled/{}", node.path));
    compile_with(&CompileHost::new(invocation, view, node, extra), invocation, view, code, name)
}

/// Compiles a query of the command line: `show --inline`, `compile --inline`.
pub fn compile_inline(
    invocation: &Arc<Invocation>,
    view: &Arc<dyn Introspect>,
    code: &Code,
) -> Result<CompiledNode, RenderError> {
    compile_with(&CompileHost::for_inline(invocation, view), invocation, view, code, code.file.path.clone())
}

/// Compiles a hook of a node. Hooks of a microbatch model run with a batch.
pub fn compile_hook(
    invocation: &Arc<Invocation>,
    view: &Arc<dyn Introspect>,
    code: &Code,
    node: &Arc<Node>,
    batch: Option<Batch>,
    extra: IndexMap<String, Json>,
) -> Result<CompiledNode, RenderError> {
    let host = match batch {
        Some(batch) => CompileHost::for_batch(invocation, view, node, batch, extra),
        None => CompileHost::new(invocation, view, Some(node), extra),
    };
    compile_with(&host, invocation, view, code, format!("compiled/{}", node.path))
}

/// Compiles one batch of a microbatch model: its parents are the rows of the batch's window.
pub fn compile_batch(
    invocation: &Arc<Invocation>,
    view: &Arc<dyn Introspect>,
    model: &Arc<Node>,
    batch: Batch,
) -> Result<CompiledNode, RenderError> {
    let host = CompileHost::for_batch(invocation, view, model, batch, IndexMap::new());
    match &model.code {
        Some(code) => compile_with(&host, invocation, view, code, format!("compiled/{}", model.path)),
        None => Err(without_code(model)),
    }
}

fn compile_with(
    host: &Arc<CompileHost>,
    invocation: &Arc<Invocation>,
    view: &Arc<dyn Introspect>,
    code: &Code,
    name: String,
) -> Result<CompiledNode, RenderError> {
    let shared: SharedHost = Arc::clone(host) as _;
    let rendered = invocation.templates.render(code, &shared, &IndexMap::new()).map_err(|error| *error)?;
    let mut expressions =
        Expressions { invocation, view, done: BTreeSet::new(), order: Vec::new(), maps: vec![rendered.map] };
    for id in host.used_ephemeral() {
        expressions.add(&id)?;
    }
    let ephemeral = expressions.queries();
    let (_, order): (Vec<Used>, Vec<(String, String)>) = expressions.order.into_iter().unzip();
    Ok(CompiledNode { ephemeral, ..CompiledNode::assemble(&rendered.sql, &order, expressions.maps, name) })
}

/// An ephemeral model, and those that it uses itself.
struct Used {
    id: NodeId,
    uses: Vec<NodeId>,
}

/// The ephemeral models of a query, each after those that it uses itself.
struct Expressions<'a> {
    invocation: &'a Arc<Invocation>,
    view: &'a Arc<dyn Introspect>,
    done: BTreeSet<NodeId>,
    order: Vec<(Used, (String, String))>,
    maps: Vec<SourceMap>,
}

impl Expressions<'_> {
    fn add(&mut self, id: &NodeId) -> Result<(), RenderError> {
        // The graph has no cycles, so this ends.
        if !self.done.insert(id.clone()) {
            return Ok(());
        }
        let Some(node) = self.invocation.manifest.get(id) else { return Ok(()) };
        let Some(code) = &node.code else { return Ok(()) };
        let host = CompileHost::new(self.invocation, self.view, Some(node), IndexMap::new());
        let shared: SharedHost = Arc::clone(&host) as _;
        let rendered = self.invocation.templates.render(code, &shared, &IndexMap::new()).map_err(|error| *error)?;
        let uses = host.used_ephemeral();
        for used in &uses {
            self.add(used)?;
        }
        let used = Used { id: id.clone(), uses: uses.into_iter().collect() };
        self.order.push((used, (cte_name(node.alias()), rendered.sql)));
        self.maps.push(rendered.map);
        Ok(())
    }

    /// Each model's query, behind the expressions that it uses.
    fn queries(&self) -> Vec<(NodeId, String)> {
        let mut needed: BTreeMap<&NodeId, BTreeSet<&NodeId>> = BTreeMap::new();
        let mut queries = Vec::with_capacity(self.order.len());
        for (used, (_, sql)) in &self.order {
            let mut all: BTreeSet<&NodeId> = used.uses.iter().collect();
            all.extend(used.uses.iter().filter_map(|id| needed.get(id)).flatten().copied().collect::<Vec<_>>());
            let before = self.order.iter().filter(|(other, _)| all.contains(&other.id));
            let before: Vec<(String, String)> = before.map(|(_, expression)| expression.clone()).collect();
            queries.push((used.id.clone(), trim_statement(&inline(sql, &before).sql).to_owned()));
            needed.insert(&used.id, all);
        }
        queries
    }
}
