//! The SQL of a data test: what counts its failures, and what fetches the first of them.

use crate::manifest::config::{NodeConfig, TestSeverity};

/// How a test's failing rows become a verdict; dbt's semantics of `severity`, `warn_if`, `error_if`, `fail_calc` and
/// `limit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestPlan {
    /// Whether failures may fail the run at all.
    pub severity: TestSeverity,
    /// Condition on the failures that warns.
    pub warn_if: String,
    /// Condition on the failures that fails.
    pub error_if: String,
    /// Expression that counts.
    pub fail_calc: String,
    /// Most rows that are counted.
    pub limit: Option<u64>,
    /// Whether the failing rows are stored.
    pub store_failures: bool,
    /// Whether they are stored as a view.
    pub as_view: bool,
}

impl TestPlan {
    /// The plan of a test's configuration; the flag `--store-failures` is the default of the config.
    pub fn new(config: &NodeConfig, store_failures: bool) -> Self {
        Self {
            severity: config.severity,
            warn_if: config.warn_if.clone(),
            error_if: config.error_if.clone(),
            fail_calc: config.fail_calc.clone(),
            limit: config.limit,
            store_failures: config.store_failures.unwrap_or(store_failures),
            as_view: config.store_failures_as_view,
        }
    }

    /// The failing rows, limited.
    pub fn failing_rows(&self, sql: &str) -> String {
        match self.limit {
            Some(limit) => format!("select * from (\n{sql}\n) as dbt_internal_test limit {limit}"),
            None => sql.to_owned(),
        }
    }

    /// One row: `failures`, `should_warn`, `should_error`.
    pub fn verdict(&self, sql: &str) -> String {
        let calculation = &self.fail_calc;
        format!(
            "select cast({calculation} as bigint) as failures, {calculation} {} as should_warn, {calculation} {} as \
             should_error from (\n{}\n) as dbt_internal_test",
            self.warn_if,
            self.error_if,
            self.failing_rows(sql),
        )
    }

    /// The first failing rows, to be shown.
    pub fn sample(&self, sql: &str, rows: usize) -> String {
        format!("select * from (\n{}\n) as dbt_internal_test limit {rows}", self.failing_rows(sql))
    }
}
