//! One data test: count the failures, judge them, fetch the first of them.

use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _};
use arrow::compute::concat_batches;
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;

use crate::base::diagnostic::Diagnostic;
use crate::base::limits;
use crate::compile::node::CompiledNode;
use crate::engine::session::Variant;
use crate::engine::view::Fresh;
use crate::execute::failure::Failure;
use crate::execute::result::{NodeResult, Status};
use crate::execute::run::Run;
use crate::execute::writer::Writer;
use crate::manifest::config::TestSeverity;
use crate::manifest::node::Node;
use crate::plan::test::TestPlan;

/// Runs a data test.
pub async fn check(
    run: &Arc<Run>,
    node: &Arc<Node>,
    compiled: &CompiledNode,
    plan: &TestPlan,
    result: &mut NodeResult,
) -> Result<(), Failure> {
    let verdict = verdict(run, node, compiled, plan).await?;
    let plural = if verdict.failures == 1 { "result" } else { "results" };
    (result.status, result.message) = match plan.severity {
        TestSeverity::Error if verdict.should_error => {
            (Status::Fail, Some(format!("Got {} {plural}, configured to fail if {}", verdict.failures, plan.error_if)))
        }
        _ if verdict.should_warn && run.invocation.warn_error => {
            let why = format!("Got {} {plural}, configured to warn if {}", verdict.failures, plan.warn_if);
            (Status::Fail, Some(format!("{why}, and warnings are errors")))
        }
        _ if verdict.should_warn => {
            (Status::Warn, Some(format!("Got {} {plural}, configured to warn if {}", verdict.failures, plan.warn_if)))
        }
        _ => (Status::Pass, None),
    };
    // As under dbt, what a test counts and lets pass is no failure.
    result.failures = Some(if result.status == Status::Pass { 0 } else { verdict.failures });
    if result.status != Status::Pass {
        let sql = plan.sample(&compiled.sql, limits::SHOWN_FAILURES);
        // The verdict stands whether or not the rows can be shown.
        let _turn = run.turn(Variant::Ordered).await;
        if let Ok(batches) = run.view.session(Variant::Ordered).query(&sql).await
            && let Some(first) = batches.first()
        {
            result.failing_rows = concat_batches(&first.schema(), &batches).ok();
        }
    }
    if plan.store_failures
        && let Some(relation) = &node.relation
    {
        let writer = Writer::new(run, node, relation.clone());
        let sql = plan.failing_rows(&compiled.sql);
        let schema = writer.result_schema(compiled, &sql).await?;
        if plan.as_view && !(result.status == Status::Fail && reads_staged(run, node)) {
            run.view.put(relation.key(), Fresh::View { sql, schema });
        } else {
            let files = writer.write_own(compiled, &sql, &schema).await?;
            run.view.put(relation.key(), Fresh::Staged(Arc::new(writer.version(schema, files))));
        }
        result.failures_relation = Some(relation.short_name());
    }
    Ok(())
}

/// Whether a test reads what this run has made. If it fails, that is never visible, so a view of it would show other
/// rows or none: the failing rows are stored themselves then.
fn reads_staged(run: &Run, node: &Node) -> bool {
    node.depends_on.iter().filter_map(|id| run.invocation.manifest.get(id)).any(|parent| {
        let fresh = parent.relation.as_ref().and_then(|relation| run.view.fresh(&relation.key()));
        fresh.is_some() || parent.is_ephemeral() && reads_staged(run, parent)
    })
}

struct Verdict {
    failures: u64,
    should_warn: bool,
    should_error: bool,
}

async fn verdict(run: &Run, node: &Node, compiled: &CompiledNode, plan: &TestPlan) -> Result<Verdict, Failure> {
    let session = |variant| run.view.session(variant);
    let batches = match run.query(&session, &plan.verdict(&compiled.sql)).await {
        Ok(batches) => batches,
        // Planning the test's own query tells whether it is to blame, and where.
        Err(problem) => {
            return Err(match session(Variant::Normal).plan(&compiled.sql).await {
                Ok(_) => Failure::of_config(node, &problem),
                Err(own) => Failure::of_sql(node, compiled, &own),
            });
        }
    };
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let row = batches.iter().find(|batch| batch.num_rows() > 0).filter(|_| rows == 1);
    let Some(failures) = row.and_then(failures) else { return Err(without_count(node, plan, rows)) };
    let truth = |name: &str| {
        let column = row?.column_by_name(name)?.as_boolean_opt()?;
        (!column.is_null(0)).then(|| column.value(0))
    };
    Ok(Verdict {
        failures,
        should_warn: truth("should_warn").unwrap_or(false),
        should_error: truth("should_error").unwrap_or(false),
    })
}

/// `fail_calc` must give one number. Null is what sums and maxima give where no row fails, and dbt takes it as little.
fn without_count(node: &Node, plan: &TestPlan, rows: usize) -> Failure {
    let found = if rows == 1 { "null".to_owned() } else { format!("{rows} rows") };
    let message = format!("`fail_calc` of the test `{}` must give one number, and gave {found}", node.name);
    let diagnostic = Diagnostic::error("test-not-counted", message).at_maybe(node.location.clone(), "");
    Failure::new(match rows {
        1 => diagnostic.with_hint(format!("write `coalesce({}, 0)`", plan.fail_calc)),
        _ => diagnostic.with_hint("aggregate the failing rows, as in `count(*)` or `sum(failures)`"),
    })
}

fn failures(batch: &RecordBatch) -> Option<u64> {
    let column = batch.column_by_name("failures")?.as_primitive_opt::<Int64Type>()?;
    (!column.is_null(0)).then(|| u64::try_from(column.value(0)).unwrap_or(0))
}
