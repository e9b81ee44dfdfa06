//! Functions of other databases that are an expression over functions which are there, and other names of these.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, DataType, DuplicateTreatment, ExactNumberInfo, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArguments, Ident, LambdaFunction, LambdaFunctionParameter, LambdaSyntax, ObjectNamePart,
    OneOrManyWithParens, TimezoneInfo, Value,
};

use super::build::{self, binary, call, cast, digits, is_word, literal, text, try_cast};
use super::{Spelling, forms, spelling, templates};
use crate::engine::syntax::{LAMBDA, OVER_LISTS};

/// Other names of functions: the name, and the function that is meant.
pub const RENAMED: &[(&str, &str)] = &[
    ("startswith", "starts_with"),
    ("prefix", "starts_with"),
    ("endswith", "ends_with"),
    ("suffix", "ends_with"),
    ("lcase", "lower"),
    ("ucase", "upper"),
    ("mid", "substr"),
    ("char", "chr"),
    ("unicode", "ascii"),
    ("ord", "ascii"),
    ("strlen", "octet_length"),
    ("editdistance", "levenshtein"),
    ("regexp_matches", "regexp_like"),
    ("regexp_contains", "regexp_like"),
    ("md5_hex", "md5"),
    ("sha1_hex", "sha1"),
    ("ceiling", "ceil"),
    ("truncate", "trunc"),
    ("gen_random_uuid", "uuid"),
    ("generate_uuid", "uuid"),
    ("uuid_string", "uuid"),
    ("systimestamp", "getdate"),
    ("weekday", "dayofweek"),
    ("timestampdiff", "datediff"),
    ("current_localtimestamp", "localtimestamp"),
    ("get_current_timestamp", "now"),
    ("transaction_timestamp", "now"),
    ("clock_timestamp", "now"),
    ("current_datetime", "localtimestamp"),
    ("timeadd", "dateadd"),
    ("timediff", "datediff"),
    ("time_from_parts", "make_time"),
    ("yearofweek", "isoyear"),
    ("dayofweek_iso", "dayofweekiso"),
    ("array_flatten", "flatten"),
    ("object_keys", "json_object_keys"),
    ("to_object", "parse_json"),
    ("json_query", "json_extract"),
    ("json_extract_array", "json_get_array"),
    ("json_query_array", "json_get_array"),
    ("hex_encode", "hex"),
    ("size", "cardinality"),
    ("sequence", "generate_series"),
    ("greatest_ignore_nulls", "greatest"),
    ("least_ignore_nulls", "least"),
    ("statement_timestamp", "now"),
    ("arbitrary", "any_value"),
    ("list_min", "array_min"),
    ("row_to_json", "to_json"),
    ("array_to_json", "to_json"),
    ("to_jsonb", "to_json"),
    ("to_json_string", "to_json"),
    ("json_build_object", "json_object"),
    ("jsonb_build_object", "json_object"),
    ("json_build_array", "json_array"),
    ("jsonb_build_array", "json_array"),
    ("jsonb_object_keys", "json_object_keys"),
    ("datefromparts", "date_from_parts"),
    ("timestampfromparts", "timestamp_from_parts"),
    ("timestamp_ntz_from_parts", "timestamp_from_parts"),
    ("array_construct", "make_array"),
    ("list_value", "make_array"),
    ("generate_array", "generate_series"),
    ("json_extract_scalar", "json_extract_string"),
    ("json_value", "json_extract_string"),
    ("get_json_object", "json_extract_string"),
    ("variance", "var_samp"),
    ("approx_count_distinct", "approx_distinct"),
    ("approx_quantile", "approx_percentile_cont"),
    ("approx_percentile", "approx_percentile_cont"),
    ("logical_and", "bool_and"),
    ("every", "bool_and"),
    ("logical_or", "bool_or"),
    ("list", "array_agg"),
    ("first", "first_value"),
    ("last", "last_value"),
];

/// Functions that are written as an expression.
pub const CALLS: &[Spelling] = &[
    spelling(
        "decode(value, search, result, ..., otherwise)",
        "the result of the first search that equals the value, where null equals null (Snowflake)",
        "select decode(null, 1, 'a', null, 'b', 'c')",
        "b",
    ),
    spelling(
        "div0null(a, b)",
        "`div0`, and zero for a null divisor, too (Snowflake)",
        "select div0null(1, null)",
        "0.000000",
    ),
    spelling(
        "safe_divide(a, b)",
        "the quotient as a float, null by zero (BigQuery)",
        "select safe_divide(1, 0)",
        "NULL",
    ),
    spelling(
        "epoch(time)",
        "the seconds since 1970 as a float (DuckDB)",
        "select epoch(timestamp '1970-01-01 00:00:01.5')",
        "1.5",
    ),
    spelling(
        "date_part('dayofweek', time), date_trunc('isoweek', time)",
        "the parts `dayofweek`, `dayofweekiso`, `dayofyear`, `isoweek`, `weekiso`, `weekofyear`, `epoch_second` by their names in Postgres: `dow`, `isodow`, `doy`, `week`, `epoch` (DuckDB, Snowflake)",
        "select date_part('dayofyear', date '2024-02-01')",
        "32",
    ),
    spelling(
        "coalesce(day, '2099-12-31')",
        "a date or time written as text at the end of `coalesce` has the type of what stands before it (DuckDB, Postgres)",
        "select coalesce(cast(null as date), '2099-12-31') + interval '1 day'",
        "2100-01-01",
    ),
    spelling(
        "to_number(text [, precision, scale]), to_decimal, to_numeric",
        "a decimal, by itself without digits after the point (Snowflake)",
        "select to_number('12.345', 10, 2)",
        "12.35",
    ),
    spelling(
        "try_to_number(text [, precision, scale])",
        "the same, null for what is no number",
        "select try_to_number('x')",
        "NULL",
    ),
    spelling("to_double(value), try_to_double(value)", "a float (Snowflake)", "select to_double('1.5')", "1.5"),
    spelling(
        "try_to_boolean(text)",
        "a boolean, null for what is none (Snowflake)",
        "select try_to_boolean('x')",
        "NULL",
    ),
    spelling("to_varchar(value)", "the value as text (Snowflake)", "select to_varchar(12)", "12"),
    spelling(
        "to_char(time, 'YYYY-MM-DD'), to_varchar",
        "`strftime` by a format of Snowflake or Postgres: YYYY, YY, MM, MON, MONTH, DD, DY, HH24, HH12, MI, SS, FF, AM",
        "select to_char(date '2024-02-29', 'DD.MM.YYYY')",
        "29.02.2024",
    ),
    spelling(
        "to_date(text, 'YYYY-MM-DD'), to_timestamp",
        "the text read by such a format; percent codes do as well",
        "select to_date('29.02.2024', 'DD.MM.YYYY')",
        "2024-02-29",
    ),
    spelling(
        "try_to_date(text [, format])",
        "a date, null for a text that is none (Snowflake)",
        "select try_to_date('2024-02-30')",
        "NULL",
    ),
    spelling(
        "parse_date(format, text), parse_timestamp, parse_datetime",
        "`strptime` (BigQuery)",
        "select parse_date('%d.%m.%Y', '29.02.2024')",
        "2024-02-29",
    ),
    spelling(
        "format_date(format, value), format_timestamp, format_datetime",
        "`strftime` (BigQuery)",
        "select format_date('%d.%m.%Y', date '2024-02-29')",
        "29.02.2024",
    ),
    spelling(
        "strftime(format, value)",
        "`strftime(value, format)` (DuckDB)",
        "select strftime('%d.%m.%Y', date '2024-02-29')",
        "29.02.2024",
    ),
    spelling(
        "to_days(number), to_years, to_months, to_weeks, to_hours, to_minutes, to_seconds",
        "an interval of so many days and so on (DuckDB)",
        "select date '2024-02-28' + to_days(2)",
        "2024-03-01",
    ),
    spelling(
        "date_sub(value, interval), timestamp_sub, timestamp_add, datetime_sub, datetime_add",
        "the interval later or earlier (BigQuery)",
        "select date_sub(date '2024-03-31', interval 1 month)",
        "2024-02-29",
    ),
    spelling(
        "date_trunc(value, month), timestamp_trunc, datetime_trunc",
        "`date_trunc('month', value)` (BigQuery); not for `week`, which begins on Sunday there",
        "select timestamp_trunc(timestamp '2024-02-29 10:11:12', month)",
        "2024-02-01T00:00:00",
    ),
    spelling(
        "date_diff(end, start, month)",
        "`datediff('month', start, end)` (BigQuery); not for `week`, which begins on Sunday there",
        "select date_diff(date '2024-03-01', date '2024-01-31', month)",
        "2",
    ),
    spelling(
        "date(value), datetime(value)",
        "a cast; `date(2024, 2, 29)` is `make_date`",
        "select date('2024-02-29')",
        "2024-02-29",
    ),
    spelling(
        "sha256(text), sha224, sha384, sha512, sha2(text [, bits])",
        "the hash as hexadecimal digits (DuckDB, Snowflake); `encode(sha256(text), 'hex')` and `to_hex(sha256(text))` are the same",
        "select left(sha256('a'), 8)",
        "ca978112",
    ),
    spelling(
        "struct_pack(a := 1), struct_extract(value, 'a')",
        "`named_struct` and `get_field` (DuckDB)",
        "select struct_extract(struct_pack(a := 61), 'a')",
        "61",
    ),
    spelling(
        "list_aggregate(list, 'sum'), list_count, list_unique, list_first, list_last, list_string_agg",
        "the aggregate over the items (DuckDB)",
        "select list_aggregate([1, 2, 3], 'max')",
        "3",
    ),
    spelling(
        "list_sort(list), list_reverse_sort",
        "sorted with nulls at the end (DuckDB)",
        "select list_sort([3, null, 1])[3] is null",
        "true",
    ),
    spelling(
        "quantile_cont(value, [0.25, 0.75])",
        "a list with a quantile for each fraction; also `quantile_disc`, `percentile_cont`, `percentile_disc` (DuckDB)",
        "select quantile_disc(a, [0.25, 0.75]) from (values (1), (2), (3), (4)) as t(a)",
        "[1, 3]",
    ),
    spelling(
        "json_group_array(value), json_agg, json_group_object(key, value), json_object_agg, object_agg",
        "JSON of the values of all rows (DuckDB, Postgres, Snowflake)",
        "select json_group_object(k, v) from (values ('a', 1)) as t(k, v)",
        r#"{"a":1}"#,
    ),
    spelling(
        "json_exists(json, path), json_valid(text)",
        "whether there is a value, and whether a text is JSON (DuckDB)",
        r#"select json_exists('{"a": 1}', '$.b')"#,
        "false",
    ),
    spelling(
        "regexp_split_to_table(text, pattern), generate_subscripts(list, 1)",
        "`unnest` of the list (Postgres, DuckDB)",
        "select regexp_split_to_table('a,b', ',')",
        "a; b",
    ),
    spelling(
        "extract(decade from a), century, millennium, yearweek",
        "long parts of a date; also as functions (DuckDB, Postgres)",
        "select extract(century from date '2024-01-20')",
        "21",
    ),
    spelling(
        "sum(a = 'x'), avg(a > 1)",
        "how many rows, or which share of them, meet a condition (DuckDB)",
        "select sum(a > 1) from (values (1), (2), (3)) as t(a)",
        "2",
    ),
    spelling("xor(a, b)", "exclusive or of two integers (DuckDB)", "select xor(5, 3)", "6"),
    spelling("isinf(a), isfinite(a)", "whether a float is infinite, or a number", "select isinf(1.5)", "false"),
    spelling(
        "epoch_ns(time)",
        "the nanoseconds since 1970 (DuckDB)",
        "select epoch_ns(timestamp '1970-01-01 00:00:01')",
        "1000000000",
    ),
    spelling("to_base64(value), base64(value)", "`encode(value, 'base64pad')`", "select to_base64('a')", "YQ=="),
    spelling("from_base64(text)", "`decode(text, 'base64pad')`", "select arrow_cast(from_base64('YQ=='), 'Utf8')", "a"),
    spelling(
        "json_extract_path_text(json, 'a.b')",
        "`json_extract_string(json, '$.a.b')` (Snowflake); with several keys each is one step (Postgres)",
        r#"select json_extract_path_text('{"a": {"b": "x"}}', 'a.b')"#,
        "x",
    ),
];

/// The unit of `DuckDB`'s functions that make an interval.
fn unit_of(name: &str) -> Option<&'static str> {
    const UNITS: [(&str, &str); 7] = [
        ("to_years", "year"),
        ("to_months", "month"),
        ("to_weeks", "week"),
        ("to_days", "day"),
        ("to_hours", "hour"),
        ("to_minutes", "minute"),
        ("to_seconds", "second"),
    ];
    UNITS.iter().find(|(other, _)| *other == name).map(|(_, unit)| *unit)
}

/// Digests that the engine gives as bytes.
const DIGESTS: [&str; 4] = ["sha224", "sha256", "sha384", "sha512"];
/// Date parts that may stand without quotes behind a value.
const PARTS: [&str; 10] =
    ["year", "isoyear", "quarter", "month", "day", "hour", "minute", "second", "millisecond", "microsecond"];

/// Other names of date parts in text.
const PART_NAMES: [(&str, &str); 11] = [
    ("dayofweek", "dow"),
    ("day_of_week", "dow"),
    ("weekday", "dow"),
    ("dayofweekiso", "isodow"),
    ("dayofweek_iso", "isodow"),
    ("dayofyear", "doy"),
    ("day_of_year", "doy"),
    ("isoweek", "week"),
    ("weekiso", "week"),
    ("weekofyear", "week"),
    ("epoch_second", "epoch"),
];

/// The name that the engine has for a date part in text, if it has another one.
fn renamed_part(written: &Expr) -> Option<Expr> {
    let written = literal(written)?.trim().to_ascii_lowercase();
    let name = written.strip_suffix('s').filter(|name| name.starts_with("epoch")).unwrap_or(&written);
    PART_NAMES.iter().find(|(other, _)| *other == name).map(|(_, known)| text(known))
}

/// Whether a text can be read as a date or a point in time.
fn is_moment(text: &str) -> bool {
    let mut parts = text.trim().splitn(3, '-');
    let is_number = |part: Option<&str>, digits| {
        part.is_some_and(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    is_number(parts.next(), 4)
        && is_number(parts.next(), 2)
        && parts.next().is_some_and(|rest| is_number(rest.get(..2), 2))
}

/// Arguments, if all are plain.
pub(super) fn arguments(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    if function.over.is_some() || function.filter.is_some() || !list.clauses.is_empty() {
        return None;
    }
    list.args
        .iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect()
}

/// Why a call is refused.
pub(super) enum Refusal {
    /// A format that is not understood.
    Format(String),
    /// A function that takes a lambda.
    Lambda(String),
}

/// Writes the lambdas of a function over lists as the planner knows them, and gives the function the engine's name.
fn lambdas(function: &mut Function) -> Result<bool, Refusal> {
    let FunctionArguments::List(list) = &mut function.args else { return Ok(false) };
    let mut found = false;
    for arg in list.args.iter_mut().skip(1) {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg else { continue };
        if let Some(lambda) = lambda(expr) {
            *expr = Expr::Lambda(lambda);
            found = true;
        }
    }
    let [ObjectNamePart::Identifier(ident)] = function.name.0.as_mut_slice() else { return Ok(false) };
    if found && let Some((written, known)) = OVER_LISTS.iter().find(|(name, _)| is_word(ident, name)) {
        if *known == "list_reduce" {
            return Err(Refusal::Lambda((*written).to_owned()));
        }
        (*known).clone_into(&mut ident.value);
    }
    Ok(found)
}

/// The lambda that a call of [`LAMBDA`] stands for.
fn lambda(expr: &Expr) -> Option<LambdaFunction> {
    let Expr::Function(function) = expr else { return None };
    let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else { return None };
    if name.value != LAMBDA {
        return None;
    }
    let mut arguments = arguments(function)?;
    let body = Box::new(arguments.pop()?);
    let params = arguments
        .into_iter()
        .map(|argument| match argument {
            Expr::Identifier(name) => Some(LambdaFunctionParameter { name, data_type: None }),
            _ => None,
        })
        .collect::<Option<Vec<_>>>()?;
    Some(LambdaFunction { params: OneOrManyWithParens::Many(params), body, syntax: LambdaSyntax::Arrow })
}

/// Whether a call counts different rows of several columns.
pub(super) fn counts_pairs(function: &Function) -> bool {
    match &function.args {
        FunctionArguments::List(list) => {
            function.name.to_string().eq_ignore_ascii_case("count")
                && list.duplicate_treatment == Some(DuplicateTreatment::Distinct)
                && list.args.len() > 1
        }
        _ => false,
    }
}

/// What a call means, if the planner does not know it.
pub(super) fn rewrite(function: &mut Function) -> Result<Option<Expr>, Refusal> {
    if lambdas(function)? {
        return Ok(None);
    }
    let [ObjectNamePart::Identifier(ident)] = function.name.0.as_mut_slice() else { return Ok(None) };
    let name = ident.value.to_ascii_lowercase();
    if let Some((_, known)) = RENAMED.iter().find(|(other, _)| *other == name) {
        let span = ident.span;
        *ident = Ident::new(*known);
        ident.span = span;
        without_case_flag(function);
        return Ok(None);
    }
    if name == "regexp_like" {
        without_case_flag(function);
    }
    if let Some(form) = forms::rewrite(function, &name) {
        return Ok(Some(form));
    }
    let Some(args) = arguments(function) else { return Ok(None) };
    let made = times(&name, &args)?;
    let made = made.or_else(|| values(&name, &args)).or_else(|| texts(&name, &args));
    Ok(made.or_else(|| templates::written(&name, &args)))
}

/// Takes the flag `c` out of the flags of `regexp_like`: that letters differ by case is how it is anyway.
fn without_case_flag(function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else { return };
    if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(flags)))) = list.args.get_mut(2)
        && let Value::SingleQuotedString(flags) = &mut flags.value
    {
        flags.retain(|flag| flag != 'c');
    }
}

fn decimal(precision: u64, scale: u64) -> Option<DataType> {
    Some(DataType::Decimal(ExactNumberInfo::PrecisionAndScale(precision, i64::try_from(scale).ok()?)))
}

const DOUBLE: DataType = DataType::Double(ExactNumberInfo::None);

/// Choices and numbers.
fn values(name: &str, args: &[Expr]) -> Option<Expr> {
    match (name, args) {
        ("decode", [value, rest @ ..]) if rest.len() >= 2 => {
            let (pairs, otherwise) = rest.as_chunks::<2>();
            let conditions = pairs
                .iter()
                .map(|[search, result]| CaseWhen {
                    condition: Expr::IsNotDistinctFrom(Box::new(value.clone()), Box::new(search.clone())),
                    result: result.clone(),
                })
                .collect();
            Some(build::case(conditions, otherwise.first().cloned().unwrap_or_else(build::null)))
        }
        // The engine's `coalesce` finds no type for a date and a text; a choice between them reads the text.
        ("coalesce", [rest @ .., last]) if !rest.is_empty() && literal(last).is_some_and(is_moment) => {
            let conditions = rest
                .iter()
                .map(|value| CaseWhen { condition: Expr::IsNotNull(Box::new(value.clone())), result: value.clone() })
                .collect();
            Some(build::case(conditions, last.clone()))
        }
        ("div0null", [a, b]) => {
            let divisor = call("coalesce", vec![b.clone(), build::number("0")]);
            Some(call("div0", vec![a.clone(), divisor]))
        }
        ("safe_divide", [a, b]) => {
            let divisor = call("nullif", vec![cast(b.clone(), DOUBLE), cast(build::number("0"), DOUBLE)]);
            Some(Expr::Nested(Box::new(binary(cast(a.clone(), DOUBLE), BinaryOperator::Divide, divisor))))
        }
        ("to_number" | "to_decimal" | "to_numeric", [value, size @ ..]) => Some(cast(value.clone(), size_of(size)?)),
        ("try_to_number" | "try_to_decimal" | "try_to_numeric", [value, size @ ..]) => {
            Some(try_cast(value.clone(), size_of(size)?))
        }
        ("to_double", [value]) => Some(cast(value.clone(), DOUBLE)),
        ("try_to_double", [value]) => Some(try_cast(value.clone(), DOUBLE)),
        ("try_to_boolean", [value]) => Some(try_cast(value.clone(), DataType::Boolean)),
        ("to_varchar" | "to_char", [value]) => Some(cast(value.clone(), DataType::Varchar(None))),
        _ => None,
    }
}

/// The decimal of a precision and a scale, if these are literals.
fn size_of(size: &[Expr]) -> Option<DataType> {
    match size {
        [] => decimal(38, 0),
        [precision] => decimal(digits(precision)?, 0),
        [precision, scale] => decimal(digits(precision)?, digits(scale)?),
        _ => None,
    }
}

fn naive() -> DataType {
    DataType::Timestamp(None, TimezoneInfo::None)
}

fn zoned() -> DataType {
    DataType::Timestamp(None, TimezoneInfo::WithTimeZone)
}

/// The bare name of a date part.
fn part(expr: &Expr) -> Option<Expr> {
    let Expr::Identifier(name) = expr else { return None };
    if is_word(name, "isoweek") {
        return Some(text("week"));
    }
    PARTS.iter().any(|part| is_word(name, part)).then(|| text(&name.value.to_ascii_lowercase()))
}

/// Whether an argument can be a value with a date, and is not the name of a part.
fn is_value(expr: &Expr) -> bool {
    part(expr).is_none() && literal(expr).is_none()
}

/// Dates and times.
fn times(name: &str, args: &[Expr]) -> Result<Option<Expr>, Refusal> {
    let read = |function: &str, value: &Expr, format: &Expr, data_type: Option<DataType>| {
        let moment = call(function, vec![value.clone(), format_of(format)?]);
        Ok(Some(match data_type {
            Some(data_type) => cast(moment, data_type),
            None => moment,
        }))
    };
    let foreign = |format: &Expr| literal(format).is_some_and(|format| !format.contains('%'));
    Ok(match (name, args) {
        ("epoch", [value]) => Some(call("date_part", vec![text("epoch"), value.clone()])),
        ("date_part" | "datepart" | "date_trunc", [unit, value]) if renamed_part(unit).is_some() => {
            renamed_part(unit).map(|unit| call(name, vec![unit, value.clone()]))
        }
        ("to_varchar" | "to_char", [value, format]) if foreign(format) || name == "to_varchar" => {
            return Ok(Some(call("strftime", vec![value.clone(), format_of(format)?])));
        }
        ("to_date", [value, format]) if foreign(format) => {
            return read("strptime", value, format, Some(DataType::Date));
        }
        ("to_timestamp", [value, format]) if foreign(format) => return read("strptime", value, format, Some(zoned())),
        ("try_to_date", [value]) => Some(try_cast(value.clone(), DataType::Date)),
        ("try_to_date", [value, format]) => return read("try_strptime", value, format, Some(DataType::Date)),
        ("try_to_timestamp" | "try_to_timestamp_ntz", [value, format]) => {
            return read("try_strptime", value, format, None);
        }
        ("parse_date", [format, value]) => return read("strptime", value, format, Some(DataType::Date)),
        ("parse_timestamp", [format, value]) => return read("strptime", value, format, Some(zoned())),
        ("to_timestamp_ntz", [value, format]) | ("parse_datetime", [format, value]) => {
            return read("strptime", value, format, None);
        }
        ("strftime", [format, value])
            if literal(format).is_some_and(|text| text.contains('%')) && literal(value).is_none() =>
        {
            Some(call("strftime", vec![value.clone(), format.clone()]))
        }
        (name, [number]) if unit_of(name).is_some() => {
            unit_of(name).map(|unit| build::multiple_of(number.clone(), unit))
        }
        ("format_date" | "format_timestamp" | "format_datetime", [format, value]) => {
            Some(call("strftime", vec![value.clone(), format.clone()]))
        }
        ("date_sub" | "timestamp_sub" | "datetime_sub", [value, interval @ Expr::Interval(_)]) => {
            Some(Expr::Nested(Box::new(binary(value.clone(), BinaryOperator::Minus, interval.clone()))))
        }
        ("timestamp_add" | "datetime_add", [value, interval @ Expr::Interval(_)]) => {
            Some(Expr::Nested(Box::new(binary(value.clone(), BinaryOperator::Plus, interval.clone()))))
        }
        ("date_trunc" | "timestamp_trunc" | "datetime_trunc", [value, unit]) if is_value(value) => {
            part(unit).map(|unit| call("date_trunc", vec![unit, value.clone()]))
        }
        ("date_diff", [end, start, unit]) if is_value(end) => {
            part(unit).map(|unit| call("datediff", vec![unit, start.clone(), end.clone()]))
        }
        ("timestamp_diff", [end, start, unit]) => {
            part(unit).map(|unit| call("datesub", vec![unit, start.clone(), end.clone()]))
        }
        ("datetime_diff", [end, start, unit]) => {
            part(unit).map(|unit| call("datediff", vec![unit, start.clone(), end.clone()]))
        }
        ("date", [value]) => Some(cast(value.clone(), DataType::Date)),
        ("date", [_, _, _]) => Some(call("make_date", args.to_vec())),
        ("datetime", [value]) => Some(cast(value.clone(), naive())),
        _ => None,
    })
}

/// A format in percent codes; one that is not a literal has to be in them.
fn format_of(format: &Expr) -> Result<Expr, Refusal> {
    match literal(format) {
        Some(codes) if !codes.contains('%') => {
            translated(codes).map(|codes| text(&codes)).ok_or_else(|| Refusal::Format(codes.to_owned()))
        }
        _ => Ok(format.clone()),
    }
}

/// A format of Snowflake or Postgres in percent codes.
fn translated(format: &str) -> Option<String> {
    const ELEMENTS: [(&str, &str); 30] = [
        // The fill mode of Postgres is about blanks behind names, of which there are none here.
        ("fmmonth", "%B"),
        ("fmmon", "%b"),
        ("fmday", "%A"),
        ("fmdy", "%a"),
        ("yyyy", "%Y"),
        ("yy", "%y"),
        ("month", "%B"),
        ("mmmm", "%B"),
        ("mon", "%b"),
        ("mm", "%m"),
        ("ddd", "%j"),
        ("day", "%A"),
        ("dd", "%d"),
        ("dy", "%a"),
        ("hh24", "%H"),
        ("hh12", "%I"),
        ("hh", "%H"),
        ("mi", "%M"),
        ("ss", "%S"),
        ("ff9", "%n"),
        ("ff6", "%f"),
        ("ff3", "%g"),
        ("ff", "%n"),
        ("us", "%f"),
        ("ms", "%g"),
        ("am", "%p"),
        ("pm", "%p"),
        ("iyyy", "%G"),
        ("iw", "%V"),
        ("tzh:tzm", "%:z"),
    ];
    let mut codes = String::new();
    let mut rest = format;
    while let Some(character) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (kept, after) = quoted.split_once('"')?;
            codes.push_str(kept);
            rest = after;
            continue;
        }
        let lower = rest.to_ascii_lowercase();
        if let Some((element, code)) = ELEMENTS.iter().find(|(element, _)| lower.starts_with(element)) {
            codes.push_str(code);
            rest = rest.get(element.len()..)?;
        } else if character.is_alphabetic() && character != 'T' && character != 'Z' {
            return None;
        } else {
            codes.push(character);
            rest = rest.get(character.len_utf8()..)?;
        }
    }
    Some(codes)
}

/// Texts, digests and JSON.
fn texts(name: &str, args: &[Expr]) -> Option<Expr> {
    match (name, args) {
        (digest, [value]) if DIGESTS.contains(&digest) => Some(hexadecimal(digest, value)),
        ("sha2" | "sha2_hex", [value]) => Some(hexadecimal("sha256", value)),
        ("sha2" | "sha2_hex", [value, bits]) => {
            let digest = format!("sha{}", digits(bits)?);
            DIGESTS.contains(&digest.as_str()).then(|| hexadecimal(&digest, value))
        }
        // The digest below was just made hexadecimal.
        ("to_hex", [value]) => raw_digest(value).is_some().then(|| value.clone()),
        ("encode", [value, form]) => raw_digest(value).map(|digest| call("encode", vec![digest, form.clone()])),
        ("to_base64" | "base64" | "base64_encode", [value]) => {
            let value = raw_digest(value).unwrap_or_else(|| value.clone());
            Some(call("encode", vec![value, text("base64pad")]))
        }
        ("from_base64", [value]) => Some(call("decode", vec![value.clone(), text("base64pad")])),
        ("json_extract_path_text" | "jsonb_extract_path_text", [json, path]) => {
            let path = format!("$.{}", literal(path)?);
            Some(call("json_extract_string", vec![json.clone(), text(&path)]))
        }
        ("json_extract_path" | "jsonb_extract_path", [_, _, ..]) => Some(call("json_get_json", args.to_vec())),
        ("json_extract_path_text" | "jsonb_extract_path_text", [_, _, ..]) => Some(call("json_as_text", args.to_vec())),
        _ => None,
    }
}

fn hexadecimal(digest: &str, value: &Expr) -> Expr {
    call("encode", vec![call(digest, vec![value.clone()]), text("hex")])
}

/// The digest that [`hexadecimal`] has made hexadecimal.
fn raw_digest(expr: &Expr) -> Option<Expr> {
    let Expr::Function(function) = expr else { return None };
    let args = arguments(function)?;
    let [Expr::Function(inner), form] = args.as_slice() else { return None };
    let is_digest = DIGESTS.contains(&inner.name.to_string().as_str());
    let is_hex = function.name.to_string() == "encode" && literal(form) == Some("hex");
    (is_digest && is_hex).then(|| Expr::Function(inner.clone()))
}
