//! Enforced contracts: the columns of a model's query are those that its properties declare.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::base::diagnostic::Diagnostic;
use crate::engine::types::{data_type_of, sql_type_of};
use crate::manifest::constraint::ConstraintKind;
use crate::manifest::node::{Column, Node, ResourceType};
use crate::plan::steps;

/// A column that is not as declared: name, type of the query, declared type, what is wrong.
type Mismatch = [String; 4];

/// What an enforced contract finds wrong with the columns of a result.
pub fn contract_problem(node: &Node, schema: &Schema) -> Option<Diagnostic> {
    if !has_contract(node) {
        return None;
    }
    let mut mismatches: Vec<Mismatch> = Vec::new();
    for field in schema.fields() {
        let found = sql_type_of(field.data_type());
        let declared = node.columns.values().find(|column| column.name.eq_ignore_ascii_case(field.name()));
        let (declared, problem) = match declared {
            None => (String::new(), Some("missing in contract".to_owned())),
            Some(column) => (column.data_type.clone().unwrap_or_default(), type_problem(column, field)),
        };
        mismatches.extend(problem.map(|problem| [field.name().clone(), found, declared, problem]));
    }
    for column in node.columns.values() {
        if !schema.fields().iter().any(|field| field.name().eq_ignore_ascii_case(&column.name)) {
            let declared = column.data_type.clone().unwrap_or_default();
            mismatches.push([column.name.clone(), String::new(), declared, "missing in definition".to_owned()]);
        }
    }
    if mismatches.is_empty() {
        return None;
    }
    let message = format!("the columns of `{}` do not meet its contract", node.display_name());
    let diagnostic = Diagnostic::error("contract", message).at_maybe(node.location.clone(), "");
    Some(
        diagnostic
            .with_note(table(&mismatches))
            .with_hint("change the query or the declared columns until names and types are the same"),
    )
}

/// Whether a node's columns are held to what is declared. A snapshot has columns of its own.
pub fn has_contract(node: &Node) -> bool {
    node.config.contract_enforced && node.resource_type != ResourceType::Snapshot
}

fn type_problem(column: &Column, field: &Field) -> Option<String> {
    let Some(declared) = &column.data_type else { return Some("no data type in contract".to_owned()) };
    match data_type_of(declared) {
        Ok(wanted) => match steps::storable_type(&wanted) {
            Some(stored) if is_kept(&stored, field.data_type()) => None,
            _ => Some("data type mismatch".to_owned()),
        },
        Err(error) => Some(error.to_string()),
    }
}

/// Whether a column of a type keeps the promise of another one. Integers of any size keep that of any other: a literal
/// is an integer of 64 bits here, and of 32 elsewhere. They are stored as declared, and one that does not fit is an
/// error.
fn is_kept(declared: &DataType, found: &DataType) -> bool {
    declared == found || (declared.is_integer() && found.is_integer())
}

/// The mismatches as a table with dbt's columns.
fn table(mismatches: &[Mismatch]) -> String {
    let head = ["column_name", "definition_type", "contract_type", "mismatch_reason"].map(str::to_owned);
    let widths: Vec<usize> = (0..head.len())
        .map(|at| std::iter::once(&head).chain(mismatches).map(|row| row[at].chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &Mismatch| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("| {} |", cells.join(" | "))
    };
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut lines = vec![line(&head), format!("| {} |", rule.join(" | "))];
    lines.extend(mismatches.iter().map(line));
    lines.join("\n")
}

/// Warns of documented columns that a relation does not have, if their descriptions are to be stored with it.
pub fn lost_comments(node: &Node, schema: &Schema) -> Option<Diagnostic> {
    if !node.config.persist_column_docs {
        return None;
    }
    let is_there = |column: &Column| schema.fields().iter().any(|field| column.is_called(field.name()));
    let lost: Vec<&str> =
        node.columns.values().filter(|column| !is_there(column)).map(|column| column.name.as_str()).collect();
    if lost.is_empty() {
        return None;
    }
    let list: Vec<String> = lost.iter().map(|name| format!("`{name}`")).collect();
    let message =
        format!("`{}` does not have all columns that are documented: {}", node.display_name(), list.join(", "));
    let phrase = format!(
        "The following columns are specified in the schema but are not present in the database: {}",
        lost.join(", ")
    );
    Some(Diagnostic::warning("unmatched-properties", message).at_maybe(node.location.clone(), "").known_as(phrase))
}

/// The columns of a table with a contract: in the order of the contract, as under dbt, and with its types.
pub fn ordered(node: &Node, schema: &SchemaRef) -> SchemaRef {
    if !has_contract(node) {
        return Arc::clone(schema);
    }
    let declared = |name: &String| node.columns.values().position(|column| column.name.eq_ignore_ascii_case(name));
    let typed = |field: &Arc<Field>| {
        let column = declared(field.name()).and_then(|at| node.columns.get_index(at)).map(|(_, column)| column);
        let wanted = column.and_then(|column| data_type_of(column.data_type.as_ref()?).ok());
        match wanted.as_ref().and_then(steps::storable_type).filter(|wanted| is_kept(wanted, field.data_type())) {
            Some(wanted) => Arc::new(field.as_ref().clone().with_data_type(wanted)),
            None => Arc::clone(field),
        }
    };
    let mut fields: Vec<Arc<Field>> = schema.fields().iter().map(typed).collect();
    fields.sort_by_key(|field| declared(field.name()).unwrap_or(usize::MAX));
    Arc::new(Schema::new(fields))
}

/// The columns as stored: nullable, except where an enforced contract says that there is no null.
pub fn stored(node: &Node, schema: &SchemaRef) -> SchemaRef {
    if !has_contract(node) {
        return Arc::clone(schema);
    }
    let constraints = || {
        let of_model = node.model().map(|model| model.constraints.as_slice()).unwrap_or_default();
        node.columns.values().flat_map(|column| &column.constraints).chain(of_model)
    };
    let not_null = |name: &str| {
        constraints().any(|constraint| {
            matches!(constraint.kind, ConstraintKind::NotNull | ConstraintKind::PrimaryKey)
                && constraint.columns.iter().any(|column| column.eq_ignore_ascii_case(name))
        })
    };
    let as_stored = |field: &Arc<Field>| field.as_ref().clone().with_nullable(!not_null(field.name()));
    Arc::new(Schema::new(schema.fields().iter().map(as_stored).collect::<Vec<_>>()))
}

/// The same columns, each of which may be null: what is true of rows before they are checked.
pub fn nullable(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
