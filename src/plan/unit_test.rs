//! The queries of a unit test once the columns of its model's result are known.

use arrow::datatypes::Schema;

use crate::base::diagnostic::Diagnostic;
use crate::base::ident::quote;
use crate::compile::unit_test::expected_rows;
use crate::engine::types::sql_type_of;
use crate::manifest::node::Node;
use crate::manifest::unit_test::UnitTest;
use crate::template::host::ColumnValue;

/// What is compared: dbt compares the columns that the expected rows name, those of a query all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Names of the compared columns.
    pub columns: Vec<String>,
    /// The rows that the model gives.
    pub actual: String,
    /// The rows that it must give, with the same types.
    pub expected: String,
}

/// The comparison of a unit test whose compiled model gives columns of these types.
pub fn comparison(node: &Node, test: &UnitTest, sql: &str, result: &Schema) -> Result<Comparison, Box<Diagnostic>> {
    let columns: Vec<ColumnValue> = result
        .fields()
        .iter()
        .map(|field| ColumnValue { name: field.name().clone(), data_type: sql_type_of(field.data_type()) })
        .collect();
    let (rows, names) = expected_rows(&test.expect, &columns, node)?;
    let list: Vec<String> = names.iter().map(|name| quote(name)).collect();
    let list = list.join(", ");
    Ok(Comparison {
        columns: names,
        actual: format!("select {list} from (\n{sql}\n) as dbt_internal_unit_test_actual"),
        expected: format!("select {list} from (\n{rows}\n) as dbt_internal_unit_test_expected"),
    })
}
