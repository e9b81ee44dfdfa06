//! One unit test: the model's rows and the expected ones are compared as bags, whatever their order.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::base::diagnostic::Diagnostic;
use crate::compile::node::CompiledNode;
use crate::engine::error::SqlProblem;
use crate::engine::session::Variant;
use crate::execute::failure::Failure;
use crate::execute::result::{NodeResult, Status};
use crate::execute::run::Run;
use crate::manifest::node::Node;
use crate::plan::unit_test::comparison;

/// A row as text; `None` is null.
type Row = Vec<Option<String>>;

/// Runs a unit test.
pub async fn check(
    run: &Arc<Run>,
    node: &Arc<Node>,
    compiled: &CompiledNode,
    result: &mut NodeResult,
) -> Result<(), Failure> {
    let Some(test) = node.unit_test() else { return Ok(()) };
    let session = |variant| run.view.session(variant);
    let of_sql = |problem: SqlProblem| Failure::of_sql(node, compiled, &problem);
    let plan = session(Variant::Normal).plan(&compiled.sql).await.map_err(of_sql)?;
    let comparison = comparison(node, test, &compiled.sql, plan.schema().as_arrow())
        .map_err(|diagnostic| Failure::from(*diagnostic))?;
    let of_expectation = |problem: &SqlProblem| Failure::from(expectation_problem(node, problem));
    let actual = run.query(&session, &comparison.actual).await.map_err(|problem| {
        // The compiled SQL is planned on its own above, so a place in the query around it says nothing.
        of_sql(SqlProblem { range: None, ..problem })
    })?;
    let expected = run.query(&session, &comparison.expected).await.map_err(|problem| of_expectation(&problem))?;
    let types: Vec<DataType> = comparison
        .columns
        .iter()
        .map(|name| {
            plan.schema().as_arrow().field_with_name(name).map_or(DataType::Utf8, |field| field.data_type().clone())
        })
        .collect();
    let text = |batches: &[RecordBatch]| {
        rows(batches, &types).map_err(|error| of_expectation(&SqlProblem::new("sql-error", error)))
    };
    let differences = differences(text(&expected)?, text(&actual)?);
    result.failures = Some(0);
    result.status = Status::Pass;
    if !differences.is_empty() {
        result.status = Status::Fail;
        // As under dbt, a unit test that fails is one failure, however many rows differ.
        result.failures = Some(1);
        result.message = Some(message(&comparison.columns, &differences));
        result.failing_rows = table(&comparison.columns, &differences);
    }
    Ok(())
}

fn expectation_problem(node: &Node, problem: &SqlProblem) -> Diagnostic {
    let message = format!("the expected rows of unit test `{}` cannot be read: {}", node.name, problem.message);
    let place = node.unit_test().map(|test| test.expect.location.clone()).or_else(|| node.location.clone());
    Diagnostic::error("bad-fixture", message)
        .at_maybe(place, "")
        .with_hint("each value must be one of its column's type")
}

/// Rows as texts, after their columns took these types.
fn rows(batches: &[RecordBatch], types: &[DataType]) -> Result<Vec<Row>, String> {
    let options = FormatOptions::new();
    // A value that is none of its column's type must not become null, which could be what the model gives.
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<ArrayRef> = batch
            .columns()
            .iter()
            .zip(types)
            .map(|(column, wanted)| cast_with_options(column, wanted, &strict).map_err(|error| error.to_string()))
            .collect::<Result<_, _>>()?;
        let formatters: Vec<ArrayFormatter<'_>> = columns
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).map_err(|error| error.to_string()))
            .collect::<Result<_, _>>()?;
        for row in 0..batch.num_rows() {
            let cells = columns.iter().zip(&formatters);
            rows.push(cells.map(|(column, text)| column.is_valid(row).then(|| text.value(row).to_string())).collect());
        }
    }
    Ok(rows)
}

/// How a row differs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Difference {
    /// Expected, and the model does not give it.
    Missing(Row),
    /// Given by the model, and not expected.
    Unexpected(Row),
    /// An expected row and the one that is most like it.
    Changed(Row, Row),
}

/// What two bags of rows do not have in common. Rows that agree in most of their columns are shown as one.
fn differences(mut expected: Vec<Row>, mut actual: Vec<Row>) -> Vec<Difference> {
    expected.sort();
    actual.sort();
    let (mut missing, mut unexpected) = (Vec::new(), Vec::new());
    let (mut left, mut right) = (expected.into_iter().peekable(), actual.into_iter().peekable());
    loop {
        match (left.peek(), right.peek()) {
            (Some(one), Some(other)) if one == other => {
                left.next();
                right.next();
            }
            (Some(one), Some(other)) if one < other => missing.extend(left.next()),
            (Some(_), None) => missing.extend(left.next()),
            (_, Some(_)) => unexpected.extend(right.next()),
            (None, None) => break,
        }
    }
    let mut found = Vec::new();
    for row in missing {
        let alike = |other: &Row| row.iter().zip(other).filter(|(one, other)| one == other).count();
        let nearest = (0..unexpected.len()).max_by_key(|index| (unexpected.get(*index).map(alike), usize::MAX - index));
        let enough = |other: &Row| alike(other) > 0 && 2 * alike(other) >= row.len() || row.len() == 1;
        match nearest.filter(|index| unexpected.get(*index).is_some_and(enough)) {
            Some(index) => found.push(Difference::Changed(row, unexpected.remove(index))),
            None => found.push(Difference::Missing(row)),
        }
    }
    found.extend(unexpected.into_iter().map(Difference::Unexpected));
    found
}

/// A cell for people: null is told from a text, and blanks at the ends can be seen.
fn shown(cell: Option<&String>) -> String {
    let Some(text) = cell else { return "NULL".to_owned() };
    let hidden = text.is_empty() || text.trim() != text || text == "NULL" || text.chars().any(char::is_control);
    if hidden { format!("{text:?}") } else { text.clone() }
}

/// The cells of a difference behind its sign; signs are those of dbt's diffs.
fn line(difference: &Difference) -> Vec<String> {
    let (sign, cells): (&str, Vec<String>) = match difference {
        Difference::Missing(row) => ("---", row.iter().map(|cell| shown(cell.as_ref())).collect()),
        Difference::Unexpected(row) => ("+++", row.iter().map(|cell| shown(cell.as_ref())).collect()),
        Difference::Changed(row, other) => {
            let cells = row.iter().zip(other).map(|(one, other)| {
                let (before, after) = (shown(one.as_ref()), shown(other.as_ref()));
                if one == other { before } else { format!("{before}→{after}") }
            });
            ("→", cells.collect())
        }
    };
    let mut line = vec![sign.to_owned()];
    line.extend(cells);
    line
}

/// Signs of rows: `---` is missing, `+++` is unexpected, `→` leads from what is expected to what is given.
fn message(columns: &[String], differences: &[Difference]) -> String {
    let mut text = format!("actual differs from expected\n\n@@,{}", columns.join(","));
    for difference in differences {
        text.push('\n');
        text.push_str(&line(difference).join(","));
    }
    text
}

fn table(columns: &[String], differences: &[Difference]) -> Option<RecordBatch> {
    let lines: Vec<Vec<String>> = differences.iter().map(line).collect();
    let names = std::iter::once("@@").chain(columns.iter().map(String::as_str));
    let fields: Vec<Field> = names.map(|name| Field::new(name, DataType::Utf8, false)).collect();
    let arrays = (0..fields.len()).map(|index| {
        let cells = lines.iter().map(|line| line.get(index).map_or("", String::as_str));
        Arc::new(StringArray::from_iter_values(cells)) as ArrayRef
    });
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays.collect()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Row {
        cells.iter().map(|cell| (*cell != "null").then(|| (*cell).to_owned())).collect()
    }

    #[test]
    fn bags_are_compared_whatever_their_order() {
        let (a, b) = (row(&["1", "x"]), row(&["2", "null"]));
        assert_eq!(differences(vec![a.clone(), b.clone()], vec![b.clone(), a.clone()]), []);
        assert_eq!(differences(vec![a.clone(), a.clone()], vec![a.clone()]), [Difference::Missing(a.clone())]);
        let changed = row(&["1", " x"]);
        let found = differences(vec![a.clone()], vec![changed.clone(), b.clone()]);
        assert_eq!(found, [Difference::Changed(a, changed), Difference::Unexpected(b)]);
        let text: Vec<String> = found.iter().map(|one| line(one).join(",")).collect();
        assert_eq!(text, ["→,1,x→\" x\"", "+++,2,NULL"]);
    }
}
