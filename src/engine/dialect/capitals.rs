//! Columns whose names differ from what is written by capitals alone: `select customerid` of a column `CustomerID`.
//!
//! To the engine these are different names, as they are in Postgres. In `DuckDB`, `BigQuery`, Databricks and `MySQL` they
//! are one, and in Snowflake `"ID"` is what `id` means. So a column that the planner does not find is looked for without
//! regard to capitals, if that leaves exactly one.

use std::ops::ControlFlow;

use datafusion::common::{Column, DataFusionError, SchemaError, TableReference};
use datafusion::sql::sqlparser::ast::{Expr, Ident, Statement, VisitMut as _, VisitorMut};

use super::build::folded;

/// Most names that are replaced in one statement: it is planned anew for each.
const MOST: usize = 500;

/// How often names were replaced in a statement.
#[derive(Debug, Default)]
pub(crate) struct Capitals {
    replaced: usize,
}

impl Capitals {
    /// Writes a column that the planner did not find as it is called, if there is one that differs in capitals alone.
    pub(crate) fn replace(&mut self, statement: &mut Statement, error: &DataFusionError) -> bool {
        self.replaced += 1;
        if self.replaced > MOST {
            return false;
        }
        let DataFusionError::SchemaError(schema, _) = error.find_root() else { return false };
        let SchemaError::FieldNotFound { field, valid_fields } = schema.as_ref() else { return false };
        let Some(name) = only_match(field, valid_fields) else { return false };
        let start = error.diagnostic().and_then(|diagnostic| diagnostic.span).map(|span| span.start);
        let mut search = Search {
            place: start.map(|start| (start.line, start.column)),
            missing: &field.name,
            qualifier: field.relation.as_ref().map(TableReference::table),
            name,
            found: false,
        };
        let _ = statement.visit(&mut search);
        search.found
    }
}

/// The only name among those that are there which differs in capitals alone.
fn only_match<'a>(missing: &Column, valid: &'a [Column]) -> Option<&'a str> {
    let wanted = missing.name.to_lowercase();
    let of = |column: &&Column| match (&missing.relation, &column.relation) {
        (Some(wanted), Some(found)) => wanted.table() == found.table(),
        _ => true,
    };
    let mut names =
        valid.iter().filter(of).map(|column| column.name.as_str()).filter(|name| name.to_lowercase() == wanted);
    let Some(first) = names.next() else { return of_series(missing, valid) };
    (first != missing.name && names.all(|other| other == first)).then_some(first)
}

/// The column of a series, which the engine calls `value`: its name is that of the function or of the alias.
fn of_series<'a>(missing: &Column, valid: &'a [Column]) -> Option<&'a str> {
    let is_of_series = |column: &&Column| {
        column.name == "generate_series"
            || column.name == "range"
            || column.relation.as_ref().is_some_and(|relation| relation.table() == column.name)
    };
    let mut found = valid.iter().filter(is_of_series).filter(|column| match (&missing.relation, &column.relation) {
        (Some(wanted), Some(relation)) => wanted.table() == relation.table(),
        _ => true,
    });
    let only = found.next().filter(|_| missing.name == "value")?;
    found.next().is_none().then_some(only.name.as_str())
}

struct Search<'a> {
    /// Where the planner did not find the column, if it says so.
    place: Option<(u64, u64)>,
    /// Its name, as the planner compares it.
    missing: &'a str,
    qualifier: Option<&'a str>,
    /// The name that it has.
    name: &'a str,
    found: bool,
}

impl Search<'_> {
    fn rename(&mut self, path: &mut [Ident]) {
        let place = |ident: &Ident| (ident.span.start.line, ident.span.start.column);
        if self.place.is_some_and(|wanted| !path.iter().any(|ident| place(ident) == wanted)) {
            return;
        }
        // The place may be that of a longer path, `t.column.field`.
        for at in 0..path.len() {
            let is_qualified = at.checked_sub(1).and_then(|before| path.get(before));
            let fits = match (self.qualifier, is_qualified) {
                (Some(wanted), Some(found)) => folded(found) == wanted,
                (Some(_), None) => false,
                (None, before) => before.is_none(),
            };
            if let Some(ident) = path.get_mut(at)
                && fits
                && folded(ident) == self.missing
            {
                let span = ident.span;
                *ident = Ident::with_quote('"', self.name);
                ident.span = span;
                self.found = true;
                return;
            }
        }
    }
}

impl VisitorMut for Search<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(name) => self.rename(std::slice::from_mut(name)),
            Expr::CompoundIdentifier(path) => self.rename(path),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
