//! Functions of `DuckDB` and Postgres that are another form of what the engine has: structs, lists, aggregates that end as
//! JSON or as several numbers, rows made of a text, long parts of dates.

use datafusion::sql::sqlparser::ast::{
    Array, BinaryOperator, DataType, ExactNumberInfo, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgOperator, FunctionArguments, Ident, ObjectName, ObjectNamePart, UnaryOperator, Value,
};

use super::build::{self, binary, call, cast, literal, number, text};
use super::calls::arguments;

/// The aggregates of `list_aggregate(list, 'name')`, and the functions over lists that they are.
const LIST_AGGREGATES: [(&str, &str); 9] = [
    ("sum", "list_sum"),
    ("avg", "list_avg"),
    ("mean", "list_avg"),
    ("min", "array_min"),
    ("max", "array_max"),
    ("count", "list_count"),
    ("string_agg", "list_string_agg"),
    ("first", "list_first"),
    ("last", "list_last"),
];

/// What a call means, if it is one of these forms.
pub(super) fn rewrite(function: &mut Function, name: &str) -> Option<Expr> {
    match name {
        "struct_pack" => return struct_pack(function),
        "json_group_array" | "json_agg" | "jsonb_agg" => {
            return Some(call("to_json", vec![Expr::Function(renamed(function, "array_agg", None))]));
        }
        "json_group_object" | "json_object_agg" | "jsonb_object_agg" | "object_agg" => {
            let [keys, values] = plain(function)?.try_into().ok()?;
            let of = |value: Expr| Expr::Function(renamed(function, "array_agg", Some(vec![value])));
            return Some(call("json_object_of", vec![of(keys), of(values)]));
        }
        "sum" | "avg" | "mean" => {
            if let FunctionArguments::List(list) = &mut function.args
                && let [FunctionArg::Unnamed(FunctionArgExpr::Expr(value))] = list.args.as_mut_slice()
                && is_truth(value)
            {
                *value = cast(std::mem::replace(value, build::null()), DataType::BigInt(None));
            }
            return None;
        }
        "ratio_to_report" if function.over.is_some() => {
            let [value] = plain(function)?.try_into().ok()?;
            let total = Expr::Function(renamed(function, "sum", None));
            return Some(Expr::Nested(Box::new(binary(cast(value, DOUBLE), BinaryOperator::Divide, total))));
        }
        "percentile_cont" | "quantile_cont" | "percentile_disc" | "quantile_disc" | "quantile" => {
            return several_quantiles(function, name);
        }
        "string_agg" => {
            if let FunctionArguments::List(list) = &mut function.args
                && list.args.len() == 1
            {
                list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(text(","))));
            }
            return None;
        }
        _ => {}
    }
    let args = arguments(function)?;
    lists(name, &args).or_else(|| rows(name, &args)).or_else(|| parts(name, &args)).or_else(|| json(name, &args))
}

/// The arguments of an aggregate, whatever stands behind them.
fn plain(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let expr = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    list.args.iter().map(expr).collect()
}

/// The same call of another function, with `filter`, `order by` and `over`.
fn renamed(function: &Function, name: &str, args: Option<Vec<Expr>>) -> Function {
    let mut other = function.clone();
    other.name = ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]);
    if let (Some(args), FunctionArguments::List(list)) = (args, &mut other.args) {
        list.args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    }
    other
}

/// `struct_pack(a := 1)` as `named_struct('a', 1)`.
fn struct_pack(function: &Function) -> Option<Expr> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let mut args = Vec::with_capacity(list.args.len() * 2);
    for arg in &list.args {
        let (name, value) = match arg {
            FunctionArg::Named {
                name,
                arg: FunctionArgExpr::Expr(value),
                operator: FunctionArgOperator::Assignment | FunctionArgOperator::RightArrow,
            } => (name.value.clone(), value),
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => (build::column_name(value)?.value, value),
            _ => return None,
        };
        args.push(text(&name));
        args.push(value.clone());
    }
    Some(call("named_struct", args))
}

/// `quantile_cont(a, [0.25, 0.5])` as a list of two calls.
fn several_quantiles(function: &mut Function, name: &str) -> Option<Expr> {
    let args = plain(function)?;
    let (list, before): (&Array, Vec<Expr>) = match args.as_slice() {
        [Expr::Array(list)] => (list, Vec::new()),
        [value, Expr::Array(list)] => (list, vec![value.clone()]),
        _ => return None,
    };
    let one = |fraction: &Expr| {
        let args = before.iter().cloned().chain([fraction.clone()]).collect();
        Expr::Function(renamed(function, name, Some(args)))
    };
    Some(Expr::Array(Array { elem: list.elem.iter().map(one).collect(), named: false }))
}

/// Whether an expression is seen to be a condition, which counts as one or zero.
fn is_truth(expr: &Expr) -> bool {
    use BinaryOperator::{And, Eq, Gt, GtEq, Lt, LtEq, NotEq, Or};
    match expr {
        Expr::Nested(inner) => is_truth(inner),
        Expr::UnaryOp { op: UnaryOperator::Not, .. }
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::InList { .. }
        | Expr::Between { .. }
        | Expr::Like { .. }
        | Expr::ILike { .. }
        | Expr::BinaryOp { op: And | Eq | Gt | GtEq | Lt | LtEq | NotEq | Or, .. } => true,
        _ => false,
    }
}

fn lists(name: &str, args: &[Expr]) -> Option<Expr> {
    let sorted = |list: &Expr, order: Expr, nulls: &str| call("array_sort", vec![list.clone(), order, text(nulls)]);
    Some(match (name, args) {
        ("list_aggregate" | "list_aggr" | "array_aggregate" | "array_aggr", [list, aggregate, rest @ ..]) => {
            let wanted = literal(aggregate)?.to_ascii_lowercase();
            let (_, known) = LIST_AGGREGATES.iter().find(|(name, _)| *name == wanted)?;
            let args: Vec<Expr> = [list.clone()].into_iter().chain(rest.iter().cloned()).collect();
            return lists(known, &args).or_else(|| Some(call(known, args)));
        }
        ("list_count", [list]) => call("len", vec![call("array_compact", vec![list.clone()])]),
        ("list_unique" | "array_unique", [list]) => {
            call("len", vec![call("array_distinct", vec![call("array_compact", vec![list.clone()])])])
        }
        ("list_string_agg", [list]) => call("array_to_string", vec![list.clone(), text(",")]),
        ("list_string_agg", [list, separator]) => call("array_to_string", vec![list.clone(), separator.clone()]),
        ("list_first", [list]) => call("array_element", vec![list.clone(), number("1")]),
        ("list_last", [list]) => call("array_element", vec![list.clone(), number("-1")]),
        ("list_sort" | "array_sort", [list]) => sorted(list, text("ASC"), "NULLS LAST"),
        ("list_sort", [list, order]) => sorted(list, order.clone(), "NULLS LAST"),
        ("list_reverse_sort" | "array_reverse_sort", [list]) => sorted(list, text("DESC"), "NULLS LAST"),
        ("struct_extract", [value, name]) if literal(name).is_some() => {
            call("get_field", vec![value.clone(), name.clone()])
        }
        _ => return None,
    })
}

fn rows(name: &str, args: &[Expr]) -> Option<Expr> {
    Some(match (name, args) {
        ("regexp_split_to_table", [value, pattern]) => {
            call("unnest", vec![call("regexp_split_to_array", vec![value.clone(), pattern.clone()])])
        }
        ("string_split_to_table", [value, separator]) => {
            call("unnest", vec![call("string_split", vec![value.clone(), separator.clone()])])
        }
        ("generate_subscripts", [list, Expr::Value(dimension)]) if matches!(&dimension.value, Value::Number(digits, _) if digits == "1") => {
            call("unnest", vec![call("generate_series", vec![number("1"), call("len", vec![list.clone()])])])
        }
        _ => return None,
    })
}

const DOUBLE: DataType = DataType::Double(ExactNumberInfo::None);

fn parts(name: &str, args: &[Expr]) -> Option<Expr> {
    Some(match (name, args) {
        ("date_part" | "datepart", [part, value]) => {
            return long_part(&literal(part)?.to_ascii_lowercase(), value);
        }
        ("decade" | "century" | "millennium" | "yearweek", [value]) => return long_part(name, value),
        ("date_sub", [_, _, _]) => call("datesub", args.to_vec()),
        ("age", [start]) => call("age", vec![cast(call("now", Vec::new()), DataType::Date), start.clone()]),
        ("epoch_ns", [value]) => Expr::Nested(Box::new(binary(
            call("epoch_us", vec![value.clone()]),
            BinaryOperator::Multiply,
            number("1000"),
        ))),
        ("xor", [a, b]) => Expr::Nested(Box::new(binary(a.clone(), BinaryOperator::BitwiseXor, b.clone()))),
        ("isinf" | "isfinite", [value]) => {
            let size = call("abs", vec![cast(value.clone(), DOUBLE)]);
            let op = if name == "isinf" { BinaryOperator::Eq } else { BinaryOperator::Lt };
            Expr::Nested(Box::new(binary(size, op, cast(text("infinity"), DOUBLE))))
        }
        _ => return None,
    })
}

/// A part of a date that the engine does not know by its name.
pub(super) fn long_part(part: &str, value: &Expr) -> Option<Expr> {
    let year = call("year", vec![value.clone()]);
    let periods = |years: &str, before: &str| {
        let counted = Expr::Nested(Box::new(binary(year.clone(), BinaryOperator::Plus, number(before))));
        call("div", vec![counted, number(years)])
    };
    Some(match part {
        "decade" => periods("10", "0"),
        "century" => periods("100", "99"),
        "millennium" | "millenium" => periods("1000", "999"),
        "yearweek" => {
            let years = binary(call("isoyear", vec![value.clone()]), BinaryOperator::Multiply, number("100"));
            Expr::Nested(Box::new(binary(years, BinaryOperator::Plus, call("week", vec![value.clone()]))))
        }
        _ => return None,
    })
}

fn json(name: &str, args: &[Expr]) -> Option<Expr> {
    let is_path = |path: &Expr| literal(path).is_some_and(|path| path.starts_with(['$', '/']));
    Some(match (name, args) {
        ("json_array_length" | "jsonb_array_length", [json]) => call("json_length", vec![json.clone()]),
        ("json_array_length" | "json_length", [json, path]) if is_path(path) => {
            call("json_length", vec![call("json_extract", vec![json.clone(), path.clone()])])
        }
        ("json_array_length", [_, _, ..]) => call("json_length", args.to_vec()),
        ("json_exists", [_, _]) => Expr::IsNotNull(Box::new(call("json_extract", args.to_vec()))),
        ("json_valid" | "is_json", [value]) => {
            let parsed = Expr::IsNotNull(Box::new(call("try_parse_json", vec![value.clone()])));
            call("iff", vec![Expr::IsNull(Box::new(value.clone())), build::null(), parsed])
        }
        ("json_type", [_, _]) => call("json_type", vec![call("json_extract", args.to_vec())]),
        ("json_keys", [json]) => call("json_object_keys", vec![json.clone()]),
        ("json_keys", [json, path]) if is_path(path) => {
            call("json_object_keys", vec![call("json_extract", vec![json.clone(), path.clone()])])
        }
        _ => return None,
    })
}
