//! Constraints are checked on the staged table: what breaks one is never published.

use std::collections::BTreeMap;

use crate::base::diagnostic::Diagnostic;
use crate::base::limits;
use crate::execute::failure::Failure;
use crate::execute::run::Run;
use crate::execute::table::{described, first_count};
use crate::execute::writer::Writer;
use crate::manifest::node::Node;
use crate::plan::constraints::{Broken, ConstraintCheck, RESULT, checks, counts};
use crate::plan::contract::nullable;
use crate::plan::steps::column_names;
use crate::store::TableVersion;

/// Most columns of a row that are shown.
const SHOWN_COLUMNS: usize = 6;

/// Refuses a table with rows that break a constraint of its contract. All broken constraints are told.
pub async fn enforce(run: &Run, writer: &Writer<'_>, node: &Node, version: &TableVersion) -> Result<(), Failure> {
    let columns = column_names(&version.schema);
    let checks = checks(node, &columns, &|target| run.invocation.key_target(node, target));
    if checks.is_empty() {
        return Ok(());
    }
    // What the contract promises of nulls is what is to be found out.
    let unchecked = TableVersion { schema: nullable(&version.schema), ..version.clone() };
    writer.put_version(RESULT, &unchecked, None)?;
    let conditions: Vec<&str> = checks.iter().filter_map(condition).collect();
    let mut broken: BTreeMap<usize, u64> = BTreeMap::new();
    if !conditions.is_empty() {
        let answer = writer.query(&counts(&conditions)).await?;
        let with_condition = checks.iter().enumerate().filter(|(_, check)| condition(check).is_some());
        broken.extend(with_condition.enumerate().map(|(column, (index, _))| (index, first_count(&answer, column))));
    }
    for (index, check) in checks.iter().enumerate() {
        if let Broken::Query { sql, .. } = &check.rows {
            let answer = writer.query(&format!("select count(*) as n from ({sql}) as broken")).await?;
            broken.insert(index, first_count(&answer, 0));
        }
    }
    let mut diagnostics = Vec::new();
    for (index, count) in broken.into_iter().filter(|(_, count)| *count > 0) {
        let Some(check) = checks.get(index) else { continue };
        diagnostics.push(violation(writer, node, check, &columns, count).await?);
    }
    if diagnostics.is_empty() { Ok(()) } else { Err(Failure { diagnostics, exhausted: false }) }
}

fn condition(check: &ConstraintCheck) -> Option<&str> {
    match &check.rows {
        Broken::Where(condition) => Some(condition),
        Broken::Query { .. } => None,
    }
}

async fn violation(
    writer: &Writer<'_>,
    node: &Node,
    check: &ConstraintCheck,
    columns: &[String],
    count: u64,
) -> Result<Diagnostic, Failure> {
    let shown: Vec<String> = columns.iter().take(SHOWN_COLUMNS).cloned().collect();
    let (sql, names) = check.examples(&shown, limits::SHOWN_FAILURES);
    let found = writer.query(&sql).await?;
    let things = match (&check.rows, count) {
        (Broken::Where(_), 1) => "row",
        (Broken::Where(_), _) => "rows",
        (Broken::Query { .. }, 1) => "key",
        (Broken::Query { .. }, _) => "keys",
    };
    let message = format!("constraint failed: {} of `{}`: {count} {things}", check.what, node.display_name());
    let place = check.constraint.location.clone().or_else(|| node.location.clone());
    let mut diagnostic = Diagnostic::error("constraint-failed", message).at_maybe(place, "");
    diagnostic.notes = found.iter().flat_map(|batch| described(batch, &names)).collect();
    Ok(diagnostic.with_hint("nothing of it is published; mend the query or its input, or loosen the constraint"))
}
