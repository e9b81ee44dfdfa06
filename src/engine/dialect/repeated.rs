//! `intersect all` and `except all`: as many equal rows as both sides have, or as one has more than the other.
//!
//! The engine keeps or drops all rows that are equal. Here equal rows are numbered on both sides, so that no two are
//! equal any more; the columns must be known for that.

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, SelectItem, SetExpr, SetOperator, SetQuantifier, TableAlias, TableAliasColumnDef, TableFactor,
    WindowSpec, WindowType,
};

use super::build;

/// The relation of the rows.
const ROWS: &str = "__karat_rows";
/// The column with their numbers.
const NUMBER: &str = "__karat_number";

/// Whether it is one of these operations.
pub(super) fn is_counted(body: &SetExpr) -> bool {
    matches!(
        body,
        SetExpr::SetOperation {
            op: SetOperator::Except | SetOperator::Intersect,
            set_quantifier: SetQuantifier::All,
            ..
        }
    )
}

/// One side as a relation.
pub(super) fn side(body: &SetExpr) -> TableFactor {
    relation(body, Vec::new())
}

/// The operation over numbered rows, if it is one of these, with the columns of its left side.
pub(super) fn written(body: &SetExpr, columns: &[String]) -> Option<SetExpr> {
    let SetExpr::SetOperation { op, left, right, .. } = body else { return None };
    let names: Vec<Ident> = columns.iter().map(|name| Ident::with_quote('"', name)).collect();
    let operation = SetExpr::SetOperation {
        op: *op,
        set_quantifier: SetQuantifier::None,
        left: Box::new(numbered(left, &names)),
        right: Box::new(numbered(right, &names)),
    };
    let mut select = build::all_of(relation(&operation, Vec::new()));
    select.projection = names.into_iter().map(|name| SelectItem::UnnamedExpr(Expr::Identifier(name))).collect();
    Some(SetExpr::Select(Box::new(select)))
}

fn relation(body: &SetExpr, columns: Vec<Ident>) -> TableFactor {
    let columns = columns.into_iter().map(|name| TableAliasColumnDef { name, data_type: None }).collect();
    TableFactor::Derived {
        lateral: false,
        subquery: Box::new(build::query(None, body.clone())),
        alias: Some(TableAlias { explicit: true, name: Ident::with_quote('"', ROWS), columns, at: None }),
        sample: None,
    }
}

/// The rows of a side, of which equal ones are counted from one.
fn numbered(body: &SetExpr, names: &[Ident]) -> SetExpr {
    let mut call = build::call("row_number", Vec::new());
    if let Expr::Function(function) = &mut call {
        function.over = Some(WindowType::WindowSpec(WindowSpec {
            window_name: None,
            partition_by: names.iter().cloned().map(Expr::Identifier).collect(),
            order_by: Vec::new(),
            window_frame: None,
        }));
    }
    let mut select = build::all_of(relation(body, names.to_vec()));
    select.projection.push(SelectItem::ExprWithAlias { expr: call, alias: Ident::with_quote('"', NUMBER) });
    SetExpr::Select(Box::new(select))
}
