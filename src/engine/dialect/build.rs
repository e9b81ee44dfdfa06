//! Small pieces of parsed SQL, made by hand.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator, CaseWhen, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, GroupByExpr, Ident, Interval, ObjectName, ObjectNamePart, Query, Select,
    SelectFlavor, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins, UnaryOperator,
    Value, WildcardAdditionalOptions, With,
};

/// A call of a function with plain arguments.
pub(in crate::engine) fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

pub(super) fn text(text: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(text.to_owned()).into())
}

pub(super) fn number(number: &str) -> Expr {
    Expr::Value(Value::Number(number.to_owned(), false).into())
}

pub(super) fn null() -> Expr {
    Expr::Value(Value::Null.into())
}

pub(in crate::engine) fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

pub(super) fn try_cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::TryCast, expr: Box::new(expr), data_type, array: false, format: None }
}

/// An operation in brackets.
pub(super) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

pub(super) fn not(expr: Expr) -> Expr {
    Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(expr) }
}

/// Whether a cast fails for what it cannot cast.
pub(super) fn is_plain_cast(kind: &CastKind) -> bool {
    matches!(kind, CastKind::Cast | CastKind::DoubleColon)
}

/// Whether a name is a word, in any case and without quotes.
pub(super) fn is_word(name: &Ident, word: &str) -> bool {
    name.quote_style.is_none() && name.value.eq_ignore_ascii_case(word)
}

/// The name of a column that is nothing but a column.
pub(super) fn column_name(expr: &Expr) -> Option<Ident> {
    match expr {
        Expr::Identifier(name) => Some(name.clone()),
        Expr::CompoundIdentifier(parts) => parts.last().cloned(),
        Expr::Nested(inner) => column_name(inner),
        _ => None,
    }
}

/// Counts a negative start of `substring` from the end of the text (`DuckDB`, Snowflake, `BigQuery`): the engine counts it
/// from before the beginning.
pub(super) fn substring_from_end(expr: &mut Expr) {
    if let Expr::Substring { expr: text, substring_from: Some(from), .. } = expr
        && matches!(from.as_ref(), Expr::UnaryOp { op: UnaryOperator::Minus, expr } if matches!(**expr, Expr::Value(_)))
    {
        let length = call("length", vec![text.as_ref().clone()]);
        let place = binary(length, BinaryOperator::Plus, from.as_ref().clone());
        **from = binary(place, BinaryOperator::Plus, number("1"));
    }
}

/// The text of a literal.
pub(super) fn literal(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// The number of a literal.
pub(super) fn digits(expr: &Expr) -> Option<u64> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => text.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// `case when ... then ... else ... end`.
pub(super) fn case(conditions: Vec<CaseWhen>, otherwise: Expr) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions,
        else_result: Some(Box::new(otherwise)),
    }
}

/// Names the only column of `in (select max(a) from ...)`: where such a condition stands below another operator, the
/// planner takes the name of an aggregate for two columns.
pub(super) fn name_value(query: &mut Query) {
    if let SetExpr::Select(select) = query.body.as_mut()
        && let [item] = select.projection.as_mut_slice()
        && let SelectItem::UnnamedExpr(expr) = item
        && !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
    {
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::new("__karat_value") };
    }
}

/// `interval (a) day` as `a * interval '1 day'`.
pub(super) fn multiple(interval: &Interval) -> Option<Expr> {
    let unit = interval.leading_field.as_ref()?;
    if interval.last_field.is_some() {
        return None;
    }
    Some(multiple_of(interval.value.as_ref().clone(), &unit.to_string()))
}

/// `(number * interval '1 day')`.
pub(super) fn multiple_of(number: Expr, unit: &str) -> Expr {
    let one = Interval {
        value: Box::new(text(&format!("1 {unit}"))),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    };
    let number = Expr::Nested(Box::new(number));
    Expr::Nested(Box::new(binary(number, BinaryOperator::Multiply, Expr::Interval(one))))
}

/// A name as the planner compares it: in small letters, unless it stands in quotes.
pub(super) fn folded(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

/// Writes a name without quotes in small letters: those of table functions are looked up as they are written.
pub(super) fn fold_name(name: &mut ObjectName) {
    if let [ObjectNamePart::Identifier(ident)] = name.0.as_mut_slice()
        && ident.quote_style.is_none()
    {
        ident.value = ident.value.to_lowercase();
    }
}

/// `generate_series(start, end, …)` after `from` as `unnest` of the list, where the engine's table function can't: it
/// wants timestamps of another precision, and no columns.
pub(super) fn series_as_list(factor: &TableFactor) -> Option<TableFactor> {
    let TableFactor::Table { name, args: Some(args), alias, .. } = factor else { return None };
    let name = name.to_string();
    if !matches!(name.as_str(), "generate_series" | "range") {
        return None;
    }
    let args = values(&args.args)?;
    let is_of_times = matches!(args.as_slice(), [_, _, Expr::Interval(_) | Expr::Cast { .. }]);
    let is_column = |expr: &Expr| matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
    let reads = |expr: &Expr| {
        let found = ast::visit_expressions(expr, |expr| {
            if is_column(expr) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        found.is_break()
    };
    if !is_of_times && !args.iter().any(reads) {
        return None;
    }
    Some(unnested(vec![call(&name, args)], alias.clone()))
}

/// `lateral unnest(list)` as `unnest(list)`, which may read what stands before it anyway; and a column for an alias
/// that names none, as in Postgres and `BigQuery`: in `unnest(list) as x`, `x` is the value.
pub(super) fn unnest(factor: &mut TableFactor) {
    if let TableFactor::Function { lateral: true, name, args, alias, .. } = factor
        && name.to_string().eq_ignore_ascii_case("unnest")
        && let Some(lists) = values(args)
    {
        *factor = unnested(lists, alias.take());
    }
    counted(factor);
    if let TableFactor::UNNEST { array_exprs, .. } = factor {
        for list in array_exprs {
            // The planner finds the columns of other relations in a call, and not in brackets.
            if let Expr::Array(items) = list {
                *list = call("make_array", std::mem::take(&mut items.elem));
            }
        }
    }
    if let TableFactor::UNNEST { alias: Some(alias), array_exprs, with_offset: false, .. } = factor
        && alias.columns.is_empty()
        && array_exprs.len() == 1
    {
        alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
    }
}

/// `unnest(list) with ordinality` (Postgres, `DuckDB`) and `with offset as n` (`BigQuery`) as two lists, of which the
/// second one counts, from one or from zero.
fn counted(factor: &mut TableFactor) {
    let TableFactor::UNNEST { alias, array_exprs, with_offset, with_offset_alias, with_ordinality } = factor else {
        return;
    };
    let [list] = array_exprs.as_slice() else { return };
    let length = call("len", vec![list.clone()]);
    let (numbers, name) = if *with_ordinality {
        (call("generate_series", vec![number("1"), length]), Ident::new("ordinality"))
    } else if *with_offset {
        let name = with_offset_alias.take().unwrap_or_else(|| Ident::new("offset"));
        (call("range", vec![number("0"), length]), name)
    } else {
        return;
    };
    let column = |name: Ident| TableAliasColumnDef { name, data_type: None };
    let alias = alias.get_or_insert_with(|| TableAlias {
        explicit: true,
        name: Ident::new("unnest"),
        columns: Vec::new(),
        at: None,
    });
    if alias.columns.is_empty() {
        alias.columns.push(column(alias.name.clone()));
    }
    if alias.columns.len() == 1 {
        alias.columns.push(column(name));
    }
    array_exprs.push(numbers);
    (*with_offset, *with_ordinality) = (false, false);
}

/// The name that the only column of a series has: that of the alias, as in Postgres, or of the function.
pub(super) fn name_series(factor: &mut TableFactor) {
    let (name, alias) = match factor {
        TableFactor::Table { name, args: Some(_), alias, .. } => (name.to_string(), alias),
        _ => return,
    };
    if !matches!(name.as_str(), "generate_series" | "range") {
        return;
    }
    let alias = alias.get_or_insert_with(|| TableAlias {
        explicit: true,
        name: Ident::with_quote('"', name),
        columns: Vec::new(),
        at: None,
    });
    if alias.columns.is_empty() {
        alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
    }
}

fn unnested(lists: Vec<Expr>, alias: Option<TableAlias>) -> TableFactor {
    TableFactor::UNNEST {
        alias,
        array_exprs: lists,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: false,
    }
}

/// Arguments that are plain values.
fn values(args: &[FunctionArg]) -> Option<Vec<Expr>> {
    let value = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    args.iter().map(value).collect()
}

/// `select *` from one relation.
pub(super) fn all_of(relation: TableFactor) -> Select {
    Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: Vec::new(),
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection: vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())],
        exclude: None,
        into: None,
        from: vec![TableWithJoins { relation, joins: Vec::new() }],
        lateral_views: Vec::new(),
        prewhere: None,
        selection: None,
        connect_by: Vec::new(),
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    }
}

/// A query that is nothing but its body.
pub(super) fn query(with: Option<With>, body: SetExpr) -> Query {
    Query {
        with,
        body: Box::new(body),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}
