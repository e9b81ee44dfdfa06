//! Functions of other databases that are an expression over their arguments, written down as SQL.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::LazyLock;

use datafusion::sql::sqlparser::ast::{Expr, visit_expressions_mut};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

/// A call, and what it is over its parameters. What is written out is planned as it stands: it names functions of the
/// engine and of the pack alone, and `^` is exclusive or.
pub const TEMPLATES: &[(&str, &str)] = &[
    ("booland(a, b)", "(a and b)"),
    ("boolor(a, b)", "(a or b)"),
    ("bool_xor(a, b)", "(a <> b)"),
    ("square(a)", "(a * a)"),
    ("bitand(a, b)", "(a & b)"),
    ("bitor(a, b)", "(a | b)"),
    ("bitxor(a, b)", "(a ^ b)"),
    ("space(n)", "repeat(' ', n)"),
    ("string(a)", "cast(a as text)"),
    ("collate(a, b)", "a"),
    ("is_null_value(a)", "(a = 'null')"),
    ("as_integer(a)", "cast(a as bigint)"),
    ("as_double(a)", "cast(a as double)"),
    ("as_varchar(a)", "cast(a as text)"),
    ("as_char(a)", "cast(a as text)"),
    ("try_divide(a, b)", "(a / nullif(b, 0))"),
    ("base64_decode_string(a)", "arrow_cast(decode(a, 'base64pad'), 'Utf8')"),
    ("to_timestamp_tz(a)", "cast(a as timestamp(6) with time zone)"),
    ("to_timestamp_ltz(a)", "cast(a as timestamp(6) with time zone)"),
    ("parse_numeric(a)", "cast(a as decimal(38, 9))"),
    ("unix_date(a)", "datediff('day', date '1970-01-01', a)"),
    ("date_from_unix_date(n)", "dateadd('day', n, date '1970-01-01')"),
    ("current_timestamp(n)", "now()"),
    ("localtimestamp(n)", "localtimestamp()"),
    ("collect_list(a)", "array_agg(a) filter (where a is not null)"),
    ("collect_set(a)", "array_agg(distinct a) filter (where a is not null)"),
    ("sort_array(a)", "array_sort(a, 'ASC', 'NULLS FIRST')"),
    ("favg(a)", "avg(cast(a as double))"),
    ("fsum(a)", "sum(cast(a as double))"),
    ("geomean(a)", "exp(avg(ln(cast(a as double))))"),
    ("sem(a)", "(stddev_pop(a) / sqrt(count(a)))"),
    ("fdiv(a, b)", "floor(cast(a as double) / b)"),
    ("fmod(a, b)", "(a - b * floor(cast(a as double) / b))"),
    ("divide(a, b)", "div(a, b)"),
    ("multiply(a, b)", "(a * b)"),
    ("bit_count(a)", "length(replace(bin(a), '0', ''))"),
    (
        "haversine(a, b, c, d)",
        "(2 * 6371 * asin(sqrt(power(sin(radians(c - a) / 2), 2) \
         + cos(radians(a)) * cos(radians(c)) * power(sin(radians(d - b) / 2), 2))))",
    ),
];

/// Templates by name and number of parameters: the parameters, and the expression over them.
type Templates = BTreeMap<(String, usize), (Vec<String>, Expr)>;

static PARSED: LazyLock<Templates> = LazyLock::new(|| {
    let template = |(call, expression): &(&str, &str)| {
        let (name, parameters) = call.strip_suffix(')')?.split_once('(')?;
        let parameters: Vec<String> = parameters.split(", ").map(str::to_owned).collect();
        let expr = Parser::new(&GenericDialect {}).try_with_sql(expression).ok()?.parse_expr().ok()?;
        Some(((name.to_owned(), parameters.len()), (parameters, expr)))
    };
    TEMPLATES.iter().filter_map(template).collect()
});

/// What a call means, if there is a template for it.
pub(super) fn written(name: &str, args: &[Expr]) -> Option<Expr> {
    let (parameters, expr) = PARSED.get(&(name.to_owned(), args.len()))?;
    let mut expr = expr.clone();
    let values: BTreeMap<&str, &Expr> = parameters.iter().map(String::as_str).zip(args).collect();
    let _: ControlFlow<()> = visit_expressions_mut(&mut expr, |expr| {
        if let Expr::Identifier(parameter) = &*expr
            && let Some(value) = values.get(parameter.value.as_str())
        {
            *expr = Expr::Nested(Box::new((*value).clone()));
        }
        ControlFlow::Continue(())
    });
    Some(expr)
}

#[cfg(test)]
mod tests {
    use super::{PARSED, TEMPLATES};

    #[test]
    fn all_templates_are_read() {
        assert_eq!(PARSED.len(), TEMPLATES.len());
    }
}
