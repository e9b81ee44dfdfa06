//! The functions of the project, compiled before anything that may call them.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::base::diagnostic::Diagnostic;
use crate::compile::host::Invocation;
use crate::compile::introspect::Introspect;
use crate::compile::node::{CompiledNode, compile_code};
use crate::engine::session::{Engine, Session};
use crate::engine::user_functions::{Definition, Parameter, UserFunctions};
use crate::manifest::function::{FunctionDetail, Signature};
use crate::manifest::node::{Node, NodeId, ResourceType};
use crate::plan::check::sql_diagnostic;
use crate::template::RenderError;

/// All functions of the project. One that cannot be compiled is no problem before it is called or built.
pub fn functions(invocation: &Arc<Invocation>, view: &Arc<dyn Introspect>, engine: &Engine) -> UserFunctions {
    let options = engine.options();
    let mut functions = UserFunctions::new(&options.database, &options.default_schema);
    let mut seen = BTreeSet::new();
    for node in invocation.manifest.of_type(ResourceType::Function) {
        add(invocation, view, engine, node, &mut seen, &mut functions);
    }
    functions
}

/// Adds a function after those that it calls; the graph has no cycles, so this ends.
fn add(
    invocation: &Arc<Invocation>,
    view: &Arc<dyn Introspect>,
    engine: &Engine,
    node: &Arc<Node>,
    seen: &mut BTreeSet<NodeId>,
    functions: &mut UserFunctions,
) {
    let (Some(relation), Some(detail)) = (&node.relation, node.function()) else { return };
    if !seen.insert(node.id.clone()) {
        return;
    }
    for parent in node.depends_on.iter().filter_map(|id| invocation.manifest.get(id)) {
        add(invocation, view, engine, parent, seen, functions);
    }
    let added = match compiled(invocation, view, node, detail) {
        Ok(forms) => {
            let definitions: Vec<Definition> = forms.into_iter().map(|(definition, _)| definition).collect();
            engine.add_function(functions, relation, &definitions).map_err(|(_, problem)| problem.message)
        }
        Err(RenderError::Diagnostic(diagnostic)) => Err(diagnostic.message),
        Err(RenderError::NotReady(what)) => Err(what),
    };
    if let Err(why) = added {
        functions.add_broken(relation, &why);
    }
}

/// The forms of a function, its own first.
fn compiled(
    invocation: &Arc<Invocation>,
    view: &Arc<dyn Introspect>,
    node: &Arc<Node>,
    detail: &FunctionDetail,
) -> Result<Vec<(Definition, CompiledNode)>, RenderError> {
    let own = node.code.iter().map(|code| (&detail.own, code));
    let others = detail.overloads.iter().map(|overload| (&overload.signature, &overload.code));
    own.chain(others)
        .map(|(signature, code)| {
            let compiled = compile_code(invocation, view, code, Some(node), IndexMap::new())?;
            Ok((definition(signature, &compiled.sql), compiled))
        })
        .collect()
}

fn definition(signature: &Signature, body: &str) -> Definition {
    let arguments = signature.arguments.iter().map(|argument| Parameter {
        name: argument.name.clone(),
        data_type: argument.data_type.clone(),
        default: argument.default_sql(),
    });
    Definition { arguments: arguments.collect(), returns: signature.returns.data_type.clone(), body: body.to_owned() }
}

/// What is wrong with the code of a function that is built: the first problem of each form.
pub async fn check(
    invocation: &Arc<Invocation>,
    view: &Arc<dyn Introspect>,
    engine: &Engine,
    session: &Session,
    node: &Arc<Node>,
) -> Result<Vec<Diagnostic>, RenderError> {
    let (Some(relation), Some(detail)) = (&node.relation, node.function()) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (definition, compiled) in compiled(invocation, view, node, detail)? {
        let mut alone = session.functions().as_ref().clone();
        // What the planner says has a place in the code.
        let checked = session.check_function(&definition).await.and_then(|()| {
            let added = engine.add_function(&mut alone, relation, std::slice::from_ref(&definition));
            added.map_err(|(_, problem)| problem)
        });
        found.extend(checked.err().map(|problem| sql_diagnostic(node, &compiled, &problem)));
    }
    Ok(found)
}
