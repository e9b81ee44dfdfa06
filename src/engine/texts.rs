//! Timestamps that become text, by a cast or because they meet text, have the form of Postgres and `DuckDB`.
//!
//! Arrow puts a `T` between date and time. Keys that are hashed from the text of a timestamp would be others than those
//! of the database that a project comes from. The other way around, Arrow wants all digits of a time that is read from
//! text, where databases take `2024-1-5` and `2024-01-05 03:04`.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{DFSchema, Result as EngineResult};
use datafusion::logical_expr::expr::{Cast, ScalarFunction, TryCast};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable as _, LogicalPlan, ScalarUDF};
use datafusion::optimizer::AnalyzerRule;

use crate::engine::functions::{regular_time, timestamp_text};

/// Puts [`timestamp_text`] in the place of such casts, and [`regular_time`] into casts of text to times, after the
/// engine's own rules have added theirs.
#[derive(Debug)]
pub(crate) struct TimesAsText {
    function: Arc<ScalarUDF>,
    regular: Arc<ScalarUDF>,
}

impl TimesAsText {
    pub(crate) fn new() -> Self {
        Self { function: Arc::new(timestamp_text()), regular: Arc::new(regular_time()) }
    }

    fn rewritten(&self, expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
        let (Expr::Cast(Cast { expr: inner, field }) | Expr::TryCast(TryCast { expr: inner, field })) = &expr else {
            return Transformed::no(expr);
        };
        let wanted = field.data_type();
        if matches!(wanted, DataType::Timestamp(_, _) | DataType::Date32 | DataType::Time64(_)) {
            return self.with_regular_text(expr, schema);
        }
        let is_text = matches!(wanted, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        // What has no type here is of a query further out.
        if !is_text || !matches!(inner.get_type(schema), Ok(DataType::Timestamp(_, _))) {
            return Transformed::no(expr);
        }
        let call = ScalarFunction::new_udf(Arc::clone(&self.function), vec![inner.as_ref().clone()]);
        let text = Expr::ScalarFunction(call);
        Transformed::yes(match wanted {
            DataType::Utf8 => text,
            other => Expr::Cast(Cast::new(Box::new(text), other.clone())),
        })
    }

    fn with_regular_text(&self, mut expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
        let (Expr::Cast(Cast { expr: inner, .. }) | Expr::TryCast(TryCast { expr: inner, .. })) = &mut expr else {
            return Transformed::no(expr);
        };
        let is_regular =
            matches!(inner.as_ref(), Expr::ScalarFunction(call) if call.func.name() == self.regular.name());
        if is_regular || !matches!(inner.get_type(schema), Ok(found) if found.is_string()) {
            return Transformed::no(expr);
        }
        let text = Expr::Cast(Cast::new(Box::new(std::mem::take(inner.as_mut())), DataType::Utf8View));
        **inner = Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&self.regular), vec![text]));
        Transformed::yes(expr)
    }
}

impl AnalyzerRule for TimesAsText {
    fn name(&self) -> &'static str {
        "times_as_text"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> EngineResult<LogicalPlan> {
        let changed = plan.transform_up_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let changed = expr.transform_up(|expr| Ok(self.rewritten(expr, &schema)))?;
                Ok(if changed.transformed { changed.update_data(|expr| name.restore(expr)) } else { changed })
            })
        })?;
        if changed.transformed { changed.data.recompute_schema() } else { Ok(changed.data) }
    }
}
