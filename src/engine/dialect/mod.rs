//! The SQL of other databases: what DuckDB, Postgres, Snowflake and BigQuery write and the engine's planner does not
//! know, rewritten in the parsed statement before it is planned.
//!
//! Everything that is rewritten keeps the places of its names, so that errors point into the user's SQL. What cannot be
//! had is refused here with what to write instead, above all where the planner would pass over it in silence. The
//! tables that decide are also what the reference page is made of: [`SYNTAX`], [`calls::RENAMED`], [`calls::CALLS`] and
//! [`refused`].

mod arithmetic;
mod arrows;
pub(super) mod build;
pub mod calls;
pub(crate) mod capitals;
mod distinct_from;
mod fields;
mod forms;
pub(crate) mod lateral;
mod pivot;
pub mod refused;
mod repeated;
mod star;
pub mod templates;
mod truth;
mod tuples;
pub(crate) mod twice;
mod types;
pub(crate) mod using;

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, DateTimeField, ExactNumberInfo, Expr, JoinOperator, JsonPath, JsonPathElem, LimitClause,
    OrderByKind, OrderByOptions, Query, Select, SelectFlavor, SelectItem, SetExpr, SetOperator, Statement, TableFactor,
    TableWithJoins, TimezoneInfo, TopQuantity, UnaryOperator, Value, VisitMut as _, VisitorMut,
    WildcardAdditionalOptions,
};

use crate::engine::error::SqlProblem;

pub(crate) use arithmetic::{Division, Multiples};
pub(crate) use star::Stars;
pub(crate) use truth::Truths;

/// A spelling of another database with what it means here and an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spelling {
    /// How it is written.
    pub written: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// A query that shows it.
    pub example: &'static str,
    /// The first column of the query's result, rows separated by `; `.
    pub result: &'static str,
}

const fn spelling(
    written: &'static str,
    meaning: &'static str,
    example: &'static str,
    result: &'static str,
) -> Spelling {
    Spelling { written, meaning, example, result }
}

/// The syntax that is supplied.
pub const SYNTAX: &[Spelling] = &[
    spelling("from t", "`select * from t` (DuckDB)", "from (values (1), (2)) as t(a)", "1; 2"),
    spelling(
        "select * rename (a as b)",
        "all columns, some under another name (Snowflake, DuckDB); also `t.* rename (...)`",
        "select b from (select * rename (a as b) from (values (1)) as t(a))",
        "1",
    ),
    spelling(
        "order by all",
        "by all columns of the result, from the left (DuckDB)",
        "select * from (values (2, 1), (1, 2)) as t(a, b) order by all",
        "1; 2",
    ),
    spelling(
        "select a + 1 as b, b * 2 as c",
        "a name of the select list may be used further on in the list and in `where`, unless a column has that name \
         (Snowflake, DuckDB, Redshift)",
        "select b * 2 as c, a + 1 as b, b * 10 as d from (select 1 as a, 7 as b)",
        "14",
    ),
    spelling(
        "t semi join u, t anti join u",
        "`left semi join` and `left anti join` (DuckDB)",
        "select a from (values (1), (2)) as t(a) anti join (values (1)) as u(b) on a = b",
        "2",
    ),
    spelling("a // b", "the quotient without its fraction; null by zero (DuckDB)", "select 7 // 2", "3"),
    spelling(
        "array_agg(a) within group (order by b)",
        "`array_agg(a order by b)` (Snowflake)",
        "select array_agg(a) within group (order by a desc) from (values (1), (2)) as t(a)",
        "[2, 1]",
    ),
    spelling(
        "extract(dayofyear from a)",
        "`extract(doy from a)`",
        "select extract(dayofyear from date '2024-02-01')",
        "32",
    ),
    spelling(
        "(a = 'x') > 0",
        "a boolean compared with a number counts as one or zero (DuckDB)",
        "select (a = 'x') > 0 from (values ('x')) as t(a)",
        "true",
    ),
    spelling(
        "3 * interval '1 day', interval '1 day' / 2, interval (a) day",
        "a multiple or a part of an interval (Postgres, DuckDB)",
        "select date '2024-01-01' + interval (a) day from (values (2)) as t(a)",
        "2024-01-03",
    ),
    spelling(
        "from generate_series(start, end, interval '1 day')",
        "`unnest(generate_series(...))`; also `range` (DuckDB, Postgres)",
        "select count(*) from generate_series(timestamp '2024-01-01', timestamp '2024-01-03', interval '1 day') as s(t)",
        "3",
    ),
    spelling(
        "a at time zone 'Europe/Berlin'",
        "`timezone('Europe/Berlin', a)`: the instant of a wall time, the wall time of an instant (Postgres, DuckDB)",
        "select timestamp '2024-07-01 12:00:00' at time zone 'Europe/Berlin'",
        "2024-07-01T10:00:00Z",
    ),
    spelling("minus", "`except` (Snowflake)", "select 1 minus select 2", "1"),
    spelling("select top 1 a", "`limit 1`", "select top 1 a from (values (1), (2)) as t(a) order by a desc", "2"),
    spelling(
        "fetch first 1 rows only",
        "`limit 1`",
        "select a from (values (1), (2)) as t(a) order by a desc fetch first 1 rows only",
        "2",
    ),
    spelling(
        "a like any ('x%', 'y%')",
        "one of the patterns fits; also `ilike`",
        "select 'yes' like any ('x%', 'y%')",
        "true",
    ),
    spelling("a in unnest(list)", "whether the list has the value (BigQuery)", "select 2 in unnest([1, 2])", "true"),
    spelling(
        "j:a.b[0]",
        "what is at a path of JSON, as text: `json_extract_string` (Snowflake)",
        r#"select j:a.b[0]::int from (select '{"a": {"b": [7]}}' as j)"#,
        "7",
    ),
    spelling(
        "number(10, 2), bignumeric, hugeint",
        "`decimal`; `number` alone is decimal(38, 0), `bignumeric` alone decimal(76, 38)",
        "select cast('1.25' as number(10, 2))",
        "1.25",
    ),
    spelling("int64, byteint, serial", "the integer of that size", "select cast('7' as int64)", "7"),
    spelling("ubigint, uinteger, usmallint, utinyint", "unsigned integers", "select cast('7' as ubigint)", "7"),
    spelling("float64, float32", "`double` and `real`", "select cast('1.5' as float64)", "1.5"),
    spelling("bytes, blob", "`bytea`", "select cast('a' as bytes)", "61"),
    spelling(
        "timestamp_ntz, timestamp_ltz, timestamp_tz",
        "`timestamp` and `timestamp with time zone`",
        "select cast('2024-02-29 10:00:00' as timestamp_ntz(9))",
        "2024-02-29T10:00:00",
    ),
    spelling(
        "variant, object, json, jsonb, uuid, bpchar, nvarchar, character varying",
        "`text`: JSON is text here",
        r#"select cast('{"a": 1}' as variant)"#,
        r#"{"a": 1}"#,
    ),
    spelling(
        "timestamp '2024-02-29 10:00:00-5'",
        "an offset of one digit is hours (Postgres, DuckDB)",
        "select timestamptz '2024-02-29 10:00:00-5' = timestamptz '2024-02-29 10:00:00-05:00'",
        "true",
    ),
    spelling(
        "s.a, (s).a, s.a.b",
        "fields of structs; the column has the last name",
        "select ({'a': {'b': 61}}).a.b",
        "61",
    ),
    spelling(
        "unnest(list) as x",
        "`x` is the value (Postgres, BigQuery); `lateral` before it is allowed",
        "select x from (values (1, [61])) t(id, a), lateral unnest(t.a) as x",
        "61",
    ),
    spelling(
        "lateral (select …), (select … where a.x <= b.x limit 1)",
        "subqueries read columns of the query around them in every shape",
        "select l.n from (values (61)) t(id), lateral (select t.id as n limit 1) as l",
        "61",
    ),
    spelling(
        "a ** b, a ^ b",
        "`power(a, b)` as a float (DuckDB, Postgres); of targets whose database reads it so, `^` is exclusive or \
         (BigQuery, Databricks, MySQL)",
        "select 2 * 3 ** 2",
        "18.0",
    ),
    spelling("1_000", "`1000` (DuckDB, Postgres)", "select 1_000 + 1", "1001"),
    spelling("a notnull, a isnull", "`a is not null`, `a is null` (DuckDB, Postgres)", "select 1 isnull", "false"),
    spelling("a ^@ b", "`starts_with(a, b)` (DuckDB, Postgres)", "select 'abc' ^@ 'ab'", "true"),
    spelling(
        "sum(a) filter (a > 1)",
        "`filter (where a > 1)` (DuckDB)",
        "select sum(a) filter (a > 1) from (values (1), (2), (3)) as t(a)",
        "5",
    ),
    spelling(
        "with t as materialized (...), as not materialized",
        "`with t as (...)`: the engine decides what it keeps (Postgres, DuckDB)",
        "with t as materialized (select 61 as a) select a from t",
        "61",
    ),
    spelling(
        "list_transform(list, x -> x + 1), list_filter(list, lambda x: x > 1)",
        "lambdas over the items of a list; also `list_apply`, `transform`, `any_match` (DuckDB, Databricks, Trino)",
        "select list_transform([1, 2], lambda x: x + 1)",
        "[2, 3]",
    ),
    spelling(
        "[x + 1 for x in list if x > 1]",
        "the same as a comprehension (DuckDB)",
        "select [x + 1 for x in [1, 2] if x > 1]",
        "[3]",
    ),
    spelling(
        "select customerid",
        "a column that is called `CustomerID`, or the other way around, if no other name differs in capitals alone",
        "select CUSTOMERID from (select 61 as \"CustomerId\")",
        "61",
    ),
    spelling(
        "(a, b) in (select x, y from u)",
        "rows that are compared with those of a subquery; also `not in`",
        "select a from (values (1, 2), (61, 4)) as t(a, b) where (a, b) not in (select 1, 2)",
        "61",
    ),
    spelling(
        "unnest(list) with ordinality, with offset as n",
        "the items with their numbers from one (Postgres, DuckDB), or from zero (BigQuery)",
        "select n from unnest([5, 6]) with ordinality as t(x, n)",
        "1; 2",
    ),
    spelling("from range(3)", "the column is called `range`, or as the alias is", "select range from range(2)", "0; 1"),
    spelling(
        "from t pivot (sum(v) for y in (2023, 2024 as now))",
        "one column for each value, which are written out, by all other columns (DuckDB, Snowflake, Databricks)",
        "select now from (values ('a', 2024, 61)) as t(g, y, v) pivot (sum(v) for y in (2023, 2024 as now))",
        "61",
    ),
    spelling(
        "from t unpivot (v for name in (jan, feb))",
        "one row for each of the columns, without nulls unless `include nulls` is written",
        "select name from (select 1 as id, 2 as jan, 3 as feb) unpivot (v for name in (jan, feb))",
        "jan; feb",
    ),
    spelling(
        "intersect all, except all",
        "count equal rows",
        "select a from (values (3), (1), (1)) as t(a) except all select 1",
        "1; 3",
    ),
    spelling("~a", "the bits turned around", "select ~5", "-6"),
    spelling(
        "cast(2.5 as integer)",
        "numbers and their texts are rounded: floats half to even, others half away from zero (DuckDB)",
        "select cast(2.5 as integer)",
        "3",
    ),
    spelling(
        "select a, b, a",
        "a column that is there twice without a name of its own has a number (DuckDB)",
        "select a_1 from (select a, b, a from (values (1, 2)) as t(a, b))",
        "1",
    ),
    spelling("cast(1.5 as boolean)", "a decimal is true unless it is zero", "select cast(0.0 as boolean)", "false"),
];

/// Rewrites a parsed statement, or says what of it cannot be had.
pub fn adapt(sql: &str, statement: &mut Statement) -> Result<(), SqlProblem> {
    match statement.visit(&mut Adapter { sql }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(problem) => Err(*problem),
    }
}

struct Adapter<'a> {
    sql: &'a str,
}

impl Adapter<'_> {
    fn refuse(&self, written: &str, word: &str) -> ControlFlow<Box<SqlProblem>> {
        ControlFlow::Break(Box::new(refused::problem(self.sql, written, word)))
    }

    /// Gives joins the names that the planner knows.
    fn joins(&self, tables: &mut TableWithJoins) -> ControlFlow<Box<SqlProblem>> {
        for join in &mut tables.joins {
            match &mut join.join_operator {
                JoinOperator::Semi(condition) => join.join_operator = JoinOperator::LeftSemi(condition.clone()),
                JoinOperator::Anti(condition) => join.join_operator = JoinOperator::LeftAnti(condition.clone()),
                JoinOperator::AsOf { .. } => return self.refuse("asof join", "asof"),
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }
}

impl VisitorMut for Adapter<'_> {
    type Break = Box<SqlProblem>;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        set_operators(&mut query.body);
        limit(query);
        if let Some(options) = orders_by_all(query) {
            star::order_by_all(query, options);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        fields::order_by_name(query);
        twice::order_by_columns(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        if select.flavor == SelectFlavor::FromFirstNoSelect {
            select.flavor = SelectFlavor::Standard;
            select.projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
        }
        fields::name(select);
        for condition in [&mut select.selection, &mut select.having].into_iter().flatten() {
            tuples::conditions(condition);
        }
        for item in &mut select.projection {
            let options = match item {
                SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => options,
                SelectItem::UnnamedExpr(expr) => {
                    // The cast becomes a call, which would give the column another name.
                    if let Expr::Cast { expr: inner, data_type: DataType::Boolean | DataType::Bool, .. } = expr
                        && let Some(alias) = build::column_name(inner)
                    {
                        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                    }
                    continue;
                }
                _ => continue,
            };
            if options.opt_ilike.is_some() {
                return self.refuse("select * ilike '...'", "ilike");
            }
        }
        for tables in &mut select.from {
            self.joins(tables)?;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        star::rename(select);
        twice::number(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        match factor {
            TableFactor::NestedJoin { table_with_joins, .. } => self.joins(table_with_joins),
            TableFactor::Pivot { .. } if !pivot::is_supported(factor) => self.refuse("pivot", "pivot"),
            TableFactor::Unpivot { .. } if !pivot::is_supported(factor) => self.refuse("unpivot", "unpivot"),
            TableFactor::MatchRecognize { .. } => self.refuse("match_recognize", "match_recognize"),
            TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => {
                let word = if self.sql.to_ascii_lowercase().contains("tablesample") { "tablesample" } else { "sample" };
                self.refuse("tablesample", word)
            }
            TableFactor::Table { name, .. } | TableFactor::Function { name, .. }
                if name.to_string().eq_ignore_ascii_case("flatten") =>
            {
                self.refuse("lateral flatten(...)", "flatten")
            }
            TableFactor::TableFunction { expr: Expr::Function(function), .. } => {
                let name = function.name.to_string().to_ascii_lowercase();
                match name.as_str() {
                    "flatten" => self.refuse("lateral flatten(...)", "flatten"),
                    "generator" => self.refuse("table(generator(...))", "generator"),
                    _ => ControlFlow::Continue(()),
                }
            }
            TableFactor::Table { name, args: Some(_), .. } => {
                build::fold_name(name);
                build::name_series(factor);
                if let Some(unnest) = build::series_as_list(factor) {
                    *factor = unnest;
                }
                ControlFlow::Continue(())
            }
            TableFactor::Function { .. } | TableFactor::UNNEST { .. } => {
                build::unnest(factor);
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        arrows::bind(expr);
        distinct_from::regroup(expr);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        fields::access(expr);
        arrows::path(expr);
        build::substring_from_end(expr);
        match expr {
            Expr::Function(function) if calls::counts_pairs(function) => {
                return self.refuse("count(distinct a, b)", "count");
            }
            Expr::Function(function) => match calls::rewrite(function) {
                Ok(Some(other)) => *expr = other,
                Ok(None) => {}
                Err(calls::Refusal::Format(format)) => {
                    let message = format!("the format `{format}` is not understood");
                    let problem = SqlProblem::new("unsupported-sql", message)
                        .hint("write it in percent codes, such as `%Y-%m-%d`, for `strftime` and `strptime`");
                    return ControlFlow::Break(Box::new(problem.at_word(self.sql, &format)));
                }
                Err(calls::Refusal::Lambda(name)) => {
                    let message = format!("`{name}` with a lambda is not supported");
                    let mut problem = SqlProblem::new("unsupported-sql", message).at_word(self.sql, &name);
                    problem.hint = refused::function("list_reduce").map(str::to_owned);
                    return ControlFlow::Break(Box::new(problem));
                }
            },
            Expr::Value(value) => {
                // An exponent makes a float (SQL:2016, 5.3).
                if let Value::Number(number, false) = &value.value
                    && number.contains(['e', 'E'])
                {
                    *expr = build::cast(build::text(number), DataType::Double(ExactNumberInfo::None));
                }
            }
            Expr::TypedString(typed) => {
                types::adapt(&mut typed.data_type);
                types::complete_offset(&typed.data_type, &mut typed.value.value);
            }
            Expr::Cast { expr: inner, data_type, kind, .. } => {
                arrows::cast_value(inner, data_type);
                types::adapt(data_type);
                if let Expr::Value(written) = inner.as_mut() {
                    types::complete_offset(data_type, &mut written.value);
                }
                let is_boolean = matches!(data_type, DataType::Boolean | DataType::Bool);
                if is_boolean && build::is_plain_cast(kind) {
                    *expr = build::call("to_boolean", vec![(**inner).clone()]);
                }
            }
            Expr::BinaryOp { left, op: BinaryOperator::DuckIntegerDivide, right } => {
                let divisor = build::call("nullif", vec![(**right).clone(), build::number("0")]);
                *expr = build::call("div", vec![(**left).clone(), divisor]);
            }
            Expr::UnaryOp { op: UnaryOperator::BitwiseNot, expr: inner } => {
                let below = build::binary((**inner).clone(), BinaryOperator::Plus, build::number("1"));
                let below = Expr::Nested(Box::new(below));
                *expr = Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(below) };
            }
            Expr::BinaryOp { left, op: BinaryOperator::Custom(op), right } if op == "^@" => {
                *expr = build::call("starts_with", vec![(**left).clone(), (**right).clone()]);
            }
            Expr::Interval(interval) if !matches!(interval.value.as_ref(), Expr::Value(_)) => {
                if let Some(multiple) = build::multiple(interval) {
                    *expr = multiple;
                }
            }
            Expr::AtTimeZone { timestamp, time_zone } => {
                *expr = build::call("timezone", vec![(**time_zone).clone(), (**timestamp).clone()]);
            }
            Expr::InUnnest { expr: value, array_expr, negated } => {
                let has = build::call("array_has", vec![(**array_expr).clone(), (**value).clone()]);
                *expr = if *negated { build::not(has) } else { has };
            }
            Expr::JsonAccess { value, path } => {
                if let Some(path) = json_path(path) {
                    *expr = build::call("json_extract_string", vec![(**value).clone(), build::text(&path)]);
                }
            }
            Expr::InSubquery { expr: value, subquery, negated } if matches!(value.as_ref(), Expr::Tuple(_)) => {
                if let Expr::Tuple(values) = value.as_ref() {
                    *expr = tuples::in_subquery(values, subquery, *negated);
                }
            }
            Expr::InSubquery { subquery, .. } => build::name_value(subquery),
            Expr::Extract { field, expr: inner, .. } => match field {
                DateTimeField::DayOfWeek => return self.refuse("extract(dayofweek from a)", "dayofweek"),
                DateTimeField::DayOfYear => *field = DateTimeField::Doy,
                DateTimeField::IsoWeek => *field = DateTimeField::Week(None),
                DateTimeField::Date => *expr = build::cast((**inner).clone(), DataType::Date),
                DateTimeField::Time => *expr = build::cast((**inner).clone(), DataType::Time(None, TimezoneInfo::None)),
                _ => {
                    if let Some(part) = forms::long_part(&field.to_string().to_ascii_lowercase(), inner) {
                        *expr = part;
                    }
                }
            },
            Expr::RLike { .. } => return self.refuse("a rlike b", "rlike"),
            Expr::Like { any: true, .. } | Expr::ILike { any: true, .. } => {
                if let Some(any) = any_pattern(expr) {
                    *expr = any;
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Writes `minus` as `except`.
fn set_operators(body: &mut SetExpr) {
    if let SetExpr::SetOperation { op, left, right, .. } = body {
        if *op == SetOperator::Minus {
            *op = SetOperator::Except;
        }
        set_operators(left);
        set_operators(right);
    }
}

/// Writes `top` and `fetch first` as `limit`.
fn limit(query: &mut Query) {
    if query.limit_clause.is_some_and_limit() {
        return;
    }
    let mut most = None;
    if let Some(fetch) = &query.fetch
        && !fetch.with_ties
        && !fetch.percent
    {
        most = Some(fetch.quantity.clone().unwrap_or_else(|| build::number("1")));
        query.fetch = None;
    } else if let SetExpr::Select(select) = query.body.as_mut()
        && let Some(top) = &select.top
        && !top.with_ties
        && !top.percent
    {
        most = match &top.quantity {
            Some(TopQuantity::Expr(expr)) => Some(expr.clone()),
            Some(TopQuantity::Constant(rows)) => Some(build::number(&rows.to_string())),
            None => None,
        };
        if most.is_some() {
            select.top = None;
        }
    }
    if most.is_none() {
        return;
    }
    let offset = match query.limit_clause.take() {
        Some(LimitClause::LimitOffset { offset, .. }) => offset,
        _ => None,
    };
    query.limit_clause = Some(LimitClause::LimitOffset { limit: most, offset, limit_by: Vec::new() });
}

/// Whether a clause limits the rows, and does not only skip some.
trait Limits {
    fn is_some_and_limit(&self) -> bool;
}

impl Limits for Option<LimitClause> {
    fn is_some_and_limit(&self) -> bool {
        match self {
            Some(LimitClause::LimitOffset { limit, .. }) => limit.is_some(),
            Some(LimitClause::OffsetCommaLimit { .. }) => true,
            None => false,
        }
    }
}

/// The options of `order by all`, which some parsers read as a column.
fn orders_by_all(query: &Query) -> Option<OrderByOptions> {
    match &query.order_by.as_ref()?.kind {
        OrderByKind::All(options) => Some(*options),
        OrderByKind::Expressions(items) => match items.as_slice() {
            [item] => match &item.expr {
                Expr::Identifier(name) if build::is_word(name, "all") => Some(item.options),
                _ => None,
            },
            _ => None,
        },
    }
}

/// `a.b[0]` as `$.a.b[0]`, if all of it is known now.
fn json_path(path: &JsonPath) -> Option<String> {
    let mut text = "$".to_owned();
    for step in &path.path {
        match step {
            JsonPathElem::Dot { key, .. } if key.contains(['.', '[', '"']) => text.push_str(&format!(".\"{key}\"")),
            JsonPathElem::Dot { key, .. } => text.push_str(&format!(".{key}")),
            JsonPathElem::Bracket { key } | JsonPathElem::ColonBracket { key } => match key {
                Expr::Value(value) => match &value.value {
                    Value::Number(number, _) => text.push_str(&format!("[{number}]")),
                    Value::SingleQuotedString(key) => text.push_str(&format!(".\"{key}\"")),
                    _ => return None,
                },
                _ => return None,
            },
        }
    }
    Some(text)
}

/// `a like any (x, y)` as `a like x or a like y`.
fn any_pattern(expr: &Expr) -> Option<Expr> {
    let (Expr::Like { negated, pattern, .. } | Expr::ILike { negated, pattern, .. }) = expr else { return None };
    let patterns: Vec<&Expr> = match pattern.as_ref() {
        Expr::Tuple(patterns) => patterns.iter().collect(),
        Expr::Nested(pattern) => match pattern.as_ref() {
            Expr::Array(list) => list.elem.iter().collect(),
            pattern => vec![pattern],
        },
        Expr::Array(list) => list.elem.iter().collect(),
        _ => return None,
    };
    let one = |new: &Expr| {
        let mut one = expr.clone();
        if let Expr::Like { any, negated, pattern, .. } | Expr::ILike { any, negated, pattern, .. } = &mut one {
            (*any, *negated) = (false, false);
            **pattern = new.clone();
        }
        one
    };
    let all = patterns.into_iter().map(one).reduce(|left, right| build::binary(left, BinaryOperator::Or, right))?;
    let all = Expr::Nested(Box::new(all));
    Some(if *negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(all) } } else { all })
}
