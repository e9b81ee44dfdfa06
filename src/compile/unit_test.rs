//! Compiling a unit test: its model's template, with rows of the test in place of the relations that it reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::base::diagnostic::{Diagnostic, did_you_mean};
use crate::base::limits;
use crate::compile::ephemeral::cte_name;
use crate::compile::fixture;
use crate::compile::host::{CompileHost, Invocation};
use crate::compile::introspect::Introspect;
use crate::compile::node::CompiledNode;
use crate::engine::files::read_seed;
use crate::engine::types::sql_type_of;
use crate::files::properties_unit::csv_rows;
use crate::manifest::node::{Detail, Node, NodeId};
use crate::manifest::unit_test::{Fixture, FixtureRows, GivenInput, Input, Overrides, UnitTest};
use crate::template::host::{ColumnValue, HostError, SharedHost};
use crate::template::{RenderError, SourceMap};

/// What a host answers while a model is compiled for a unit test.
#[derive(Debug, Default)]
pub struct Substitutes {
    /// Name of the unit test.
    pub test: String,
    /// Names of the common table expressions that stand for nodes.
    pub inputs: BTreeMap<NodeId, String>,
    /// Name of the one that stands for the model's own table.
    pub this: Option<String>,
    /// What stands for macros, variables and the environment.
    pub overrides: Overrides,
}

impl Substitutes {
    /// The value that stands for a macro or a plain global.
    pub fn macro_value(&self, package: Option<&str>, name: &str) -> Option<Json> {
        let macros = &self.overrides.macros;
        match package {
            Some(package) => macros.get(&format!("{package}.{name}")),
            None => macros.get(name),
        }
        .cloned()
    }
}

/// Compiles the model of a unit test over the test's rows.
pub fn compile_unit_test(
    invocation: &Arc<Invocation>,
    view: &Arc<dyn Introspect>,
    node: &Arc<Node>,
    test: &UnitTest,
) -> Result<CompiledNode, RenderError> {
    let model = tested_model(invocation, node)?;
    let Some(code) = &model.code else { return Err(problem(node, format!("`{}` has no SQL", model.name))) };
    let mut substitutes =
        Substitutes { test: node.name.clone(), overrides: test.overrides.clone(), ..Substitutes::default() };
    let mut inputs = Vec::new();
    for given in &test.given {
        let (stands_for, name) = match &given.input {
            Input::This => (Arc::clone(model), model.alias().to_owned()),
            Input::Ref(call) => {
                let found = invocation.resolve_ref(&node.package, call).map_err(|error| host_problem(node, error))?;
                (Arc::clone(found), found.alias().to_owned())
            }
            Input::Source(call) => {
                let found = invocation.manifest.find_source(&call.source, &call.table);
                let Some(found) = found else {
                    return Err(problem(node, format!("there is no source table `{}.{}`", call.source, call.table)));
                };
                (Arc::clone(found), format!("{}__{}", call.source, call.table))
            }
        };
        let mut name = cte_name(&name);
        while inputs.iter().any(|(_, _, taken)| *taken == name) {
            name.push('_');
        }
        if given.input == Input::This {
            substitutes.this = Some(name.clone());
        } else {
            substitutes.inputs.insert(stands_for.id.clone(), name.clone());
        }
        inputs.push((given, stands_for, name));
    }
    let host = CompileHost::for_unit_test(invocation, view, model, substitutes);
    let shared: SharedHost = Arc::clone(&host) as _;
    let rendered =
        invocation.templates.render(code, &shared, &IndexMap::new()).map_err(|error| of_test(node, *error))?;
    let (mut expressions, mut maps) = (Vec::new(), vec![rendered.map]);
    for (given, stands_for, name) in inputs {
        let (sql, map) = match &given.fixture.rows {
            FixtureRows::Sql(code) => {
                let rows = invocation.templates.render(code, &shared, &IndexMap::new()).map_err(|error| *error)?;
                (rows.sql, rows.map)
            }
            FixtureRows::Values(rows) => {
                let columns = input_columns(invocation, view, node, given, &stands_for, rows)?;
                (given_rows(rows, &columns, given, &stands_for)?, SourceMap::default())
            }
            FixtureRows::Seed => {
                let rows = seed_rows(invocation, given, &stands_for)?;
                let columns = input_columns(invocation, view, node, given, &stands_for, &rows)?;
                (given_rows(&rows, &columns, given, &stands_for)?, SourceMap::default())
            }
        };
        expressions.push((name, sql));
        maps.push(map);
    }
    let name = format!("compiled/{}/{}.sql", node.path, node.name);
    Ok(CompiledNode::assemble(&rendered.sql, &expressions, maps, name))
}

/// The query of the rows that a unit test expects, with the columns of the model's result; and the names of the columns
/// that are compared.
pub fn expected_rows(
    expect: &Fixture,
    columns: &[ColumnValue],
    node: &Node,
) -> Result<(String, Vec<String>), Box<Diagnostic>> {
    let names = |columns: &[&ColumnValue]| columns.iter().map(|column| column.name.clone()).collect();
    match &expect.rows {
        FixtureRows::Values(rows) => {
            let wrong = |name: String| {
                let owner = format!("the result of `{}`", tested(node));
                Box::new(unknown_column(&name, columns, expect, &owner, "expected output"))
            };
            let given = fixture::given_columns(rows, columns).map_err(wrong)?;
            let sql = fixture::with_own_columns(rows, columns).map_err(wrong)?;
            Ok((sql, names(&given)))
        }
        FixtureRows::Sql(code) => Ok((code.text.to_string(), names(&columns.iter().collect::<Vec<_>>()))),
        FixtureRows::Seed => Ok((String::new(), Vec::new())),
    }
}

fn tested(node: &Node) -> &str {
    node.unit_test().map_or(node.name.as_str(), |test| test.model.as_str())
}

/// The model that a unit test is about.
pub fn tested_model<'i>(invocation: &'i Invocation, node: &Node) -> Result<&'i Arc<Node>, RenderError> {
    let model = node.depends_on.first().and_then(|id| invocation.manifest.get(id));
    model.ok_or_else(|| problem(node, format!("unit test `{}` has no model", node.name)))
}

fn problem(node: &Node, message: String) -> RenderError {
    let diagnostic = Diagnostic::error("bad-unit-test", message).at_maybe(node.location.clone(), "");
    RenderError::Diagnostic(Box::new(diagnostic))
}

/// A problem with the model's template is told with the test for which it was rendered.
fn of_test(node: &Node, error: RenderError) -> RenderError {
    match error {
        RenderError::Diagnostic(diagnostic) => {
            RenderError::Diagnostic(Box::new(diagnostic.at_maybe(node.location.clone(), "rendered for this unit test")))
        }
        RenderError::NotReady(what) => RenderError::NotReady(what),
    }
}

fn host_problem(node: &Node, error: HostError) -> RenderError {
    match error {
        HostError::NotReady(what) => RenderError::NotReady(what),
        HostError::Refused { code, message, hint } => {
            let diagnostic = Diagnostic::error(code, message).at_maybe(node.location.clone(), "");
            RenderError::Diagnostic(Box::new(match hint {
                Some(hint) => diagnostic.with_hint(hint),
                None => diagnostic,
            }))
        }
    }
}

/// The columns of what an input stands for.
fn input_columns(
    invocation: &Invocation,
    view: &Arc<dyn Introspect>,
    node: &Node,
    given: &GivenInput,
    stands_for: &Node,
    rows: &[IndexMap<String, Json>],
) -> Result<Vec<ColumnValue>, RenderError> {
    if let Some(relation) = invocation.relation_of(stands_for).filter(|_| !stands_for.is_ephemeral())
        && let Some(columns) = view.columns(&relation.key()).map_err(|error| host_problem(node, error))?
    {
        return Ok(columns);
    }
    match (&given.input, &stands_for.detail) {
        (_, Detail::Seed { path, .. }) => {
            let bytes = seed_bytes(invocation, given, path)?;
            let config = &stands_for.config;
            let read = read_seed(&bytes, path, config.delimiter, config.quote_columns, &config.column_types);
            let (schema, _) = read.map_err(|error| {
                let first = error.diagnostics().0.into_iter().next();
                first.map_or_else(
                    || problem(node, format!("the seed `{}` cannot be read", stands_for.name)),
                    |first| RenderError::Diagnostic(Box::new(first)),
                )
            })?;
            let fields = schema.fields().iter();
            Ok(fields
                .map(|field| ColumnValue { name: field.name().clone(), data_type: sql_type_of(field.data_type()) })
                .collect())
        }
        // The first build of an incremental model: its columns will be those of its query, of which only the values
        // of the rows are known here.
        (Input::This, _) => Ok(fixture::suggested_columns(rows)),
        _ => {
            let name = stands_for.display_name();
            let message = format!("unit test `{}` needs the columns of `{name}`, which is not built", node.name);
            let hint = if stands_for.is_ephemeral() {
                "give the rows of an ephemeral model with `format: sql`".to_owned()
            } else {
                format!(
                    "build it, without rows if you like: `karat build --select +{} --empty`; or give the rows with \
                     `format: sql`",
                    stands_for.name
                )
            };
            Err(RenderError::Diagnostic(Box::new(
                Diagnostic::error("not-built", message).at(given.location.clone(), "").with_hint(hint),
            )))
        }
    }
}

fn given_rows(
    rows: &[IndexMap<String, Json>],
    columns: &[ColumnValue],
    given: &GivenInput,
    stands_for: &Node,
) -> Result<String, RenderError> {
    fixture::with_all_columns(rows, columns).map_err(|name| {
        let owner = format!("`{}`", stands_for.display_name());
        let place = format!("'{}'", stands_for.name);
        RenderError::Diagnostic(Box::new(unknown_column(&name, columns, &given.fixture, &owner, &place)))
    })
}

fn unknown_column(name: &str, columns: &[ColumnValue], fixture: &Fixture, owner: &str, place: &str) -> Diagnostic {
    let message = format!("{owner} has no column `{name}`");
    let diagnostic = Diagnostic::error("bad-fixture", message)
        .at(fixture.location.clone(), "a row of this fixture has it")
        .known_as(format!("Invalid column name: '{name}' in unit test fixture for {place}."));
    let names = || columns.iter().map(|column| column.name.as_str());
    match did_you_mean(name, names()) {
        Some(near) => diagnostic.with_hint(format!("did you mean `{near}`?")),
        None => {
            let list: Vec<String> = names().map(|name| format!("`{name}`")).collect();
            diagnostic.with_hint(format!("its columns are {}", list.join(", ")))
        }
    }
}

/// The rows of a seed's file: what an input without rows stands for.
fn seed_rows(
    invocation: &Invocation,
    given: &GivenInput,
    stands_for: &Node,
) -> Result<Vec<IndexMap<String, Json>>, RenderError> {
    let Detail::Seed { path, .. } = &stands_for.detail else {
        let message = format!("the input `{}` has no rows", given.written);
        let diagnostic = Diagnostic::error("bad-fixture", message)
            .at(given.location.clone(), "")
            .with_hint("give its `rows` (`[]` for none) or a `fixture`; only a seed brings its own");
        return Err(RenderError::Diagnostic(Box::new(diagnostic)));
    };
    let bytes = seed_bytes(invocation, given, path)?;
    csv_rows(&String::from_utf8_lossy(&bytes), &given.location).map_err(RenderError::Diagnostic)
}

fn seed_bytes(invocation: &Invocation, given: &GivenInput, path: &str) -> Result<Vec<u8>, RenderError> {
    invocation.project.read_bytes(path, limits::SEED_FILE_BYTES).map_err(|error| {
        let diagnostic = crate::files::discover::unreadable(&error);
        RenderError::Diagnostic(Box::new(diagnostic.at(given.location.clone(), "read for this input")))
    })
}
