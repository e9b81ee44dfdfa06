//! Golden tests of the SQL function pack.
//!
//! The expected values of `DUCKDB` were computed with DuckDB 2.0.0 (`set timezone = 'UTC'`) from the same expression, and
//! are written here as this engine displays them. Those of `OWN` have no such counterpart: functions with Snowflake's
//! meaning (`div0`, `iff`, `dateadd`, weeks that count Mondays), those that no engine has (`local_to_utc`, `parse_utc`,
//! `is_utc_text`, `div_round`, `hash`), and places where the pack differs from DuckDB on purpose.

#![expect(clippy::unwrap_used, reason = "tests")]

use datafusion::arrow::array::RecordBatch;
use datafusion::common::config::Dialect;
use datafusion::error::Result;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use karat::engine::functions;

use crate::support::cell;

fn context() -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(2);
    let settings = config.options_mut();
    settings.execution.time_zone = Some("UTC".to_owned());
    settings.sql_parser.parse_float_as_decimal = true;
    settings.sql_parser.map_string_types_to_utf8view = false;
    let mut context = SessionContext::new_with_config(config);
    functions::register_all(&mut context).unwrap();
    context
}

async fn run(context: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>> {
    let state = context.state();
    let mut statement = state.sql_to_statement(sql, &Dialect::Generic)?;
    if let Statement::Statement(statement) = &mut statement {
        functions::adapt(statement);
    }
    let plan = state.statement_to_plan(statement).await?;
    context.execute_logical_plan(plan).await?.collect().await
}

/// The values of the first column, or the first line of the error.
async fn values(context: &SessionContext, sql: &str) -> Vec<String> {
    let batches = match run(context, sql).await {
        Ok(batches) => batches,
        Err(error) => return vec![format!("error: {}", error.strip_backtrace().lines().next().unwrap_or_default())],
    };
    let mut values = Vec::new();
    for batch in &batches {
        let column = batch.column(0);
        for row in 0..batch.num_rows() {
            values.push(cell(column, row));
        }
    }
    values
}

/// Compares each expression or query with its value, and reports all differences at once.
async fn check(cases: &[(&str, &str)]) {
    let context = context();
    let mut wrong = Vec::new();
    for (sql, expected) in cases {
        let query = if sql.starts_with("select ") || sql.starts_with("with ") {
            (*sql).to_owned()
        } else {
            format!("select {sql} as value")
        };
        let found = values(&context, &query).await.join("; ");
        let matches = match expected.strip_prefix("error: ") {
            Some(part) => found.starts_with("error: ") && found.contains(part),
            None => found == *expected,
        };
        if !matches {
            wrong.push(format!("{sql}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const DUCKDB: &[(&str, &str)] = &[
    ("date_diff('year', date '2023-12-31', date '2024-01-01')", "1"),
    ("date_diff('year', date '2024-01-01', date '2023-12-31')", "-1"),
    ("date_diff('quarter', date '2024-03-31', date '2024-04-01')", "1"),
    ("date_diff('month', date '2024-01-31', date '2024-02-29')", "1"),
    ("date_diff('month', date '2024-03-01', date '2024-01-31')", "-2"),
    ("date_diff('day', timestamp '2024-02-28 23:59:59', timestamp '2024-03-01 00:00:00')", "2"),
    ("date_diff('day', timestamp '1969-12-31 23:00:00', timestamp '1970-01-01 01:00:00')", "1"),
    ("date_diff('hour', timestamp '2024-01-01 00:59:59', timestamp '2024-01-01 01:00:00')", "1"),
    ("date_diff('hour', timestamp '1969-12-31 22:30:00', timestamp '1970-01-01 01:10:00')", "3"),
    ("date_diff('minute', timestamp '2024-01-01 00:00:59', timestamp '2024-01-01 00:02:00')", "2"),
    ("date_diff('second', timestamp '1969-12-31 23:59:59.5', timestamp '1970-01-01 00:00:00.4')", "1"),
    ("date_diff('millisecond', timestamp '2024-01-01 00:00:00.0009', timestamp '2024-01-01 00:00:00.001')", "1"),
    ("date_diff('microsecond', date '2024-01-01', timestamp '2024-01-01 00:00:01')", "1000000"),
    ("date_diff('decade', date '1999-12-31', date '2000-01-01')", "1"),
    ("date_diff('day', date '2024-01-01', null)", "NULL"),
    ("last_day(date '2023-02-10')", "2023-02-28"),
    ("last_day(timestamp '2024-12-31 23:59:59')", "2024-12-31"),
    ("last_day(date '1900-02-01')", "1900-02-28"),
    ("year(date '0999-12-31')", "999"),
    ("quarter(date '2024-12-31')", "4"),
    ("week(date '2021-01-03')", "53"),
    ("isoyear(date '2021-01-03')", "2020"),
    ("dayofweek(date '2024-02-25')", "0"),
    ("isodow(date '2024-02-25')", "7"),
    ("dayofyear(date '2023-12-31')", "365"),
    ("hour(timestamp '1969-12-31 23:59:58.7')", "23"),
    ("second(timestamp '1969-12-31 23:59:58.7')", "58"),
    ("second(timestamp '2024-01-01 00:00:59.999')", "59"),
    ("strftime(timestamp '2024-02-29 13:04:05.678901', '%Y-%m-%d %H:%M:%S.%f')", "2024-02-29 13:04:05.678901"),
    ("strftime(timestamp '2024-02-29 13:04:05.678901', '%g %n')", "678 678901000"),
    ("strftime(timestamp '2024-02-29 13:04:05', '%c|%x|%X')", "2024-02-29 13:04:05|2024-02-29|13:04:05"),
    ("strftime(timestamp '2024-12-30 13:04:05', '%G-W%V-%u %w %U %W')", "2025-W01-1 1 52 53"),
    ("strftime(date '2024-02-29', '%d.%m.%Y')", "29.02.2024"),
    ("make_timestamp(2024, 2, 29, 13, 14, 15.123456)", "2024-02-29T13:14:15.123456"),
    ("make_timestamp(1969, 12, 31, 23, 59, 59.999999)", "1969-12-31T23:59:59.999999"),
    ("make_timestamp(2024, 2, null, 13, 14, 15)", "NULL"),
    ("make_timestamp(2023, 2, 29, 0, 0, 0)", "error: (2023, 2, 29, 0, 0, 0) is not a date and time"),
    // DuckDB calls these two `timezone(zone, value)`.
    ("local_to_utc(timestamp '2024-01-15 12:00:00', 'America/Los_Angeles')", "2024-01-15T20:00:00Z"),
    ("local_to_utc(timestamp '2024-07-15 12:00:00', 'America/Los_Angeles')", "2024-07-15T19:00:00Z"),
    ("local_to_utc(timestamp '2024-03-10 02:30:00', 'America/Los_Angeles')", "2024-03-10T10:30:00Z"),
    ("local_to_utc(timestamp '2024-03-10 03:00:00', 'America/Los_Angeles')", "2024-03-10T10:00:00Z"),
    ("local_to_utc(timestamp '2024-03-10 01:59:59', 'America/Los_Angeles')", "2024-03-10T09:59:59Z"),
    ("local_to_utc(timestamp '2024-11-03 00:59:59', 'America/Los_Angeles')", "2024-11-03T07:59:59Z"),
    ("local_to_utc(timestamp '2024-11-03 02:00:00', 'America/Los_Angeles')", "2024-11-03T10:00:00Z"),
    ("local_to_utc(timestamp '2024-01-15 12:00:00', 'Asia/Kathmandu')", "2024-01-15T06:15:00Z"),
    ("local_to_utc(timestamp '2011-12-30 12:00:00', 'Pacific/Apia')", "2011-12-30T22:00:00Z"),
    ("utc_to_local(timestamptz '2024-03-10 10:00:00+00', 'America/Los_Angeles')", "2024-03-10T03:00:00"),
    ("utc_to_local(timestamptz '2024-03-10 09:59:59+00', 'America/Los_Angeles')", "2024-03-10T01:59:59"),
    ("utc_to_local(timestamptz '2024-11-03 08:30:00+00', 'America/Los_Angeles')", "2024-11-03T01:30:00"),
    ("utc_to_local(timestamptz '2024-11-03 09:30:00+00', 'America/Los_Angeles')", "2024-11-03T01:30:00"),
    // DuckDB: a cast to timestamptz.
    ("parse_utc('2024-02-29T13:14:15.5+01:00')", "2024-02-29T12:14:15.500Z"),
    ("parse_utc('2024-02-29 13:14:15-0830')", "2024-02-29T21:44:15Z"),
    ("parse_utc('2024-02-29 13:14:15+05')", "2024-02-29T08:14:15Z"),
    ("mod(-7, 3)", "-1"),
    ("mod(7, -3)", "1"),
    ("mod(cast(-7.5 as double), 2)", "-1.5"),
    ("mod(cast('7.25' as decimal(6,2)), cast('2' as decimal(3,0)))", "1.25"),
    ("sign(0)", "0"),
    ("sign(cast('-12.30' as decimal(10,2)))", "-1"),
    ("regexp_extract('abc123def', '([a-z]+)([0-9]+)', 2)", "123"),
    ("regexp_extract('abc', '[0-9]+')", ""),
    ("regexp_extract('abc', 'a(x)?b', 1)", ""),
    ("regexp_extract(null, 'a')", "NULL"),
    ("regexp_extract('äöü12', '[0-9]')", "1"),
    ("typeof(cast(1 as int))", "INTEGER"),
    ("typeof(1)", "BIGINT"), // DuckDB reads the literal as INTEGER
    ("typeof(cast(1 as smallint))", "SMALLINT"),
    ("typeof('a')", "VARCHAR"),
    ("typeof(true)", "BOOLEAN"),
    ("typeof(date '2024-01-01')", "DATE"),
    ("typeof(make_array(cast(1 as int), 2))", "BIGINT[]"),
    ("typeof(named_struct('a', cast(1 as int), 'b', 'x'))", "STRUCT(a INTEGER, b VARCHAR)"),
    ("typeof(cast(1 as double))", "DOUBLE"),
    ("typeof(cast(1 as real))", "FLOAT"),
    ("typeof(interval '1 day')", "INTERVAL"),
    ("to_json(make_array(1, null, 3))", "[1,null,3]"),
    ("to_json(named_struct('a', 1, 'b', null, 'c', 'x\"y'))", r#"{"a":1,"b":null,"c":"x\"y"}"#),
    (r"to_json('a/b\c')", r#""a/b\\c""#),
    ("to_json(true)", "true"),
    ("to_json(null)", "NULL"),
    ("json_object('a', 1, 'b', null, 'c', 'x')", r#"{"a":1,"b":null,"c":"x"}"#),
    (r#"json_extract('{"a": {"b": [1, {"c": "x y"}]}}', '$.a.b[1].c')"#, r#""x y""#),
    (r#"json_extract('{"a": {"b": [1, {"c": "x y"}]}}', '/a/b/1/c')"#, r#""x y""#),
    (r#"json_extract('{"a.b": 1}', 'a.b')"#, "1"),
    (r#"json_extract('{"a.b": 1}', '$."a.b"')"#, "1"),
    ("json_extract('[1,2,3]', 1)", "2"),
    ("json_extract('[1,2,3]', '$[#-1]')", "3"),
    (r#"json_extract('{"a": null}', '$.a')"#, "null"),
    (r#"json_extract('{"a": 12345678901234567890123}', '$.a')"#, "12345678901234567890123"),
    (r#"json_extract('{"a": 1}', '$.b')"#, "NULL"),
    (r#"json_extract('{"a":1}', '$')"#, r#"{"a":1}"#),
    (r#"json_extract_string('{"a": "x\"y\u00e4"}', '$.a')"#, "x\"yä"),
    (r#"json_extract_string('{"a": null}', '$.a')"#, "NULL"),
    (r#"json_extract_string('{"a": {"b":1}}', '$.a')"#, r#"{"b":1}"#),
    (r#"json_extract_string('{"a": true}', 'a')"#, "true"),
    ("if(null, 1, 2)", "2"),
    ("select listagg(c, '-' order by c) from (values ('b'),('a'),(null)) t(c)", "a-b"),
    ("select group_concat(c) from (values ('b'),('a'),(null)) t(c)", "b,a"),
    ("select listagg(distinct c order by c desc) from (values ('b'),('a'),('b')) t(c)", "ba"),
    ("select listagg(c, '-') from (values (cast(null as varchar))) t(c)", "NULL"),
    ("select max_by(a,b) from (values ('x',1),('y',3),('z',null),('w',3)) t(a,b)", "y"),
    ("select min_by(a,b) from (values ('x',1),('y',3),('z',null),('w',1)) t(a,b)", "x"),
    ("select arg_max(a,b) from (values ('x',null),(null,null)) t(a,b)", "NULL"),
    ("select count_if(a > 1) from (values (1),(2),(3),(null)) t(a)", "2"),
    ("select product(a) from (values (2),(3),(-4),(null)) t(a)", "-24.0"),
    ("select product(a) from (values (2)) t(a) where a > 5", "NULL"),
    ("select boolor_agg(a > 1) from (values (1),(null)) t(a)", "false"),
];

const OWN: &[(&str, &str)] = &[
    // Weeks count Mondays, where DuckDB counts whole spans of seven days.
    ("datediff('week', date '2024-03-03', date '2024-03-04')", "1"),
    ("datediff('week', date '2024-03-04', date '2024-03-10')", "0"),
    ("datediff('week', date '1969-12-28', date '1969-12-29')", "1"),
    ("datediff(day, date '2024-01-01', '2024-01-03')", "2"),
    ("datediff(hh, timestamptz '2024-03-10 09:00:00+00', timestamptz '2024-03-10 11:00:00+00')", "2"),
    ("datediff('fortnight', date '2024-01-01', date '2024-01-03')", "error: 'fortnight' is not a date part"),
    ("datediff('day', 1, 2)", "error: datediff is called as datediff(part, start, end)"),
    ("datediff('nanosecond', date '0001-01-01', date '9999-12-31')", "error: too far from 1970"),
    ("dateadd('month', 1, date '2024-01-31')", "2024-02-29"),
    ("dateadd(month, -1, timestamp '2024-03-31 10:00:00')", "2024-02-29T10:00:00"),
    ("dateadd('year', -1, date '2024-02-29')", "2023-02-28"),
    ("dateadd('quarter', 2, date '2023-08-31')", "2024-02-29"),
    ("dateadd('week', -1, date '1970-01-01')", "1969-12-25"),
    ("dateadd('hour', -1, date '1970-01-01')", "1969-12-31T23:00:00"),
    ("dateadd('day', null, date '1970-01-01')", "NULL"),
    ("dateadd('nanosecond', -1, timestamp '1970-01-01 00:00:00')", "1969-12-31T23:59:59.999999999"),
    ("dateadd('day', 9223372036854775807, date '1970-01-01')", "error: does not fit a date"),
    ("dateadd('day', 9223372036854775807, timestamp '1970-01-02 00:00:00')", "error: out of range"),
    ("dateadd('month', 9223372036854775807, date '1970-01-01')", "error: out of range"),
    ("date_trunc(month, timestamp '2024-02-29 10:00:00')", "2024-02-01T00:00:00"),
    ("date_part(dow, date '2024-02-25')", "0"),
    (
        "with t as (select date '2024-02-25' as d) select dateadd(dd, (select max(datediff(mm, d, d)) from t), d) from t",
        "2024-02-25",
    ),
    ("dateadd('day', 1, convert_timezone('America/Los_Angeles', '2024-03-09 20:30:00'))", "2024-03-10T12:30:00-07:00"),
    (
        "dateadd('hour', 24, convert_timezone('America/Los_Angeles', '2024-03-09 20:30:00'))",
        "2024-03-10T13:30:00-07:00",
    ),
    ("date_add(day, 3, date '2024-02-28')", "2024-03-02"),
    ("date_add(date '2024-02-28', 3)", "2024-03-02"),
    ("date_add(timestamp '2024-01-31 01:02:03', interval '1 month')", "2024-02-29T01:02:03"),
    ("last_day(date '2024-02-25', week)", "2024-02-25"),
    ("last_day(date '2024-02-26', 'week')", "2024-03-03"),
    ("last_day(date '2024-02-26', quarter)", "2024-03-31"),
    ("last_day(timestamp '1969-02-26 12:00:00', 'year')", "1969-12-31"),
    ("last_day(null)", "NULL"),
    ("select arrow_typeof(getdate())", "Timestamp(µs, \"UTC\")"),
    ("select arrow_typeof(localtimestamp)", "Timestamp(µs)"),
    ("select count(distinct sysdate()) from (values (1), (2)) t(a)", "1"),
    ("strftime(timestamp '2024-02-29 13:04:05', '%Q')", "error: '%Q' is not a valid format"),
    ("strftime(convert_timezone('America/Los_Angeles', '2024-07-01 00:00:00'), '%H %Z')", "17 -07:00"),
    ("strftime(null, '%Y')", "NULL"),
    // The earlier one of two instants, where DuckDB takes the later one.
    ("local_to_utc('2024-11-03 01:30:00', 'America/Los_Angeles')", "2024-11-03T08:30:00Z"),
    ("local_to_utc('2024-11-03T01:30:00.25', 'America/Los_Angeles')", "2024-11-03T08:30:00.250Z"),
    ("local_to_utc('2024-03-10 02:00:00', 'America/Los_Angeles')", "2024-03-10T10:00:00Z"),
    ("local_to_utc('2024-03-10 02:30:00+00:00', 'America/Los_Angeles')", "2024-03-10T02:30:00Z"),
    ("local_to_utc(date '2024-07-01', 'America/Los_Angeles')", "2024-07-01T07:00:00Z"),
    ("local_to_utc(timestamptz '2024-07-01 00:00:00+02', 'America/Los_Angeles')", "2024-06-30T22:00:00Z"),
    ("local_to_utc('1969-12-31 15:59:59.999999', 'America/Los_Angeles')", "1969-12-31T23:59:59.999999Z"),
    ("local_to_utc(null, 'America/Los_Angeles')", "NULL"),
    ("local_to_utc('2024-07-01 00:00:00', null)", "NULL"),
    ("local_to_utc('2024-02-30 00:00:00', 'America/Los_Angeles')", "error: '2024-02-30 00:00:00' is not a timestamp"),
    ("local_to_utc('2024-07-01 00:00:00', 'Mars/Base')", "error: 'Mars/Base' is not a valid time zone"),
    ("try_local_to_utc('2024-02-30 00:00:00', 'America/Los_Angeles')", "NULL"),
    ("parse_utc('2024-02-29 13:14:15z')", "2024-02-29T13:14:15Z"),
    ("parse_utc('2024-02-29 13:14:15.123456789 +00:00')", "2024-02-29T13:14:15.123456Z"),
    ("parse_utc('1969-12-31T23:59:59.9999999Z')", "1969-12-31T23:59:59.999999Z"),
    ("parse_utc('2024-02-29 13:14:15')", "error: '2024-02-29 13:14:15' has no offset from UTC"),
    ("parse_utc('yesterday')", "error: 'yesterday' is not a timestamp"),
    ("parse_utc('2024-02-29T24:00:00Z')", "error: is not a timestamp"),
    ("parse_utc('2024-02-29T13:14:15+1:00')", "error: is not a timestamp"),
    ("parse_utc('２024-02-29T13:14:15Z')", "error: is not a timestamp"),
    ("parse_utc('')", "error: '' is not a timestamp"),
    ("parse_utc(null)", "NULL"),
    ("parse_utc(timestamp '2024-02-29 13:14:15')", "2024-02-29T13:14:15Z"),
    ("try_parse_utc('2024-02-29 13:14:15')", "NULL"),
    ("try_parse_utc('2024-02-29 13:14:15Z')", "2024-02-29T13:14:15Z"),
    ("is_utc_text('2024-02-29 13:14:15Z')", "true"),
    ("is_utc_text('2024-02-29T13:14:15.5+00:00')", "true"),
    ("is_utc_text('2024-02-29 13:14:15-00:00')", "true"),
    ("is_utc_text('2024-02-29 13:14:15+0000')", "true"),
    ("is_utc_text('2024-02-29 13:14:15 +00')", "true"),
    ("is_utc_text('2024-02-29 13:14:15+01:00')", "false"),
    ("is_utc_text('2024-02-29 13:14:15')", "false"),
    ("is_utc_text('2024-02-29')", "false"),
    ("is_utc_text('Z')", "false"),
    ("is_utc_text('')", "false"),
    ("is_utc_text(null)", "NULL"),
    ("is_utc_text(parse_utc('2024-02-29 13:14:15Z'))", "true"),
    ("is_utc_text(timestamp '2024-02-29 13:14:15')", "false"),
    (
        "convert_timezone('America/Los_Angeles', 'America/New_York', timestamp '2024-01-01 14:00:00')",
        "2024-01-01T17:00:00",
    ),
    ("convert_timezone('Europe/Warsaw', 'UTC', '2024-01-01 00:00:00')", "2023-12-31T23:00:00"),
    ("convert_timezone('America/Los_Angeles', timestamp '2024-01-01 14:00:00')", "2024-01-01T06:00:00-08:00"),
    ("cast(convert_timezone('America/Los_Angeles', timestamp '2024-01-01 01:00:00') as date)", "2023-12-31"),
    ("div_round(2, 3, 4)", "0.6667"),
    ("div_round(-2, 3, 4)", "-0.6667"),
    ("div_round(5, 2, 0)", "3"),
    ("div_round(-5, 2, 0)", "-3"),
    ("div_round(cast('0.125' as decimal(10,3)), 1, 2)", "0.13"),
    ("div_round(cast('-0.125' as decimal(10,3)), 1, 2)", "-0.13"),
    ("div_round(cast('0.124999' as decimal(10,6)), 1, 2)", "0.12"),
    ("div_round(1, cast('0.0003' as decimal(10,4)), 2)", "3333.33"),
    (
        "div_round(cast('99999999999999999999999999999999999999' as decimal(38,0)), cast('99999999999999999999999999999999999998' as decimal(38,0)), 37)",
        "1.0000000000000000000000000000000000000",
    ),
    (
        "div_round(cast('12345678901234567890123456789012345678' as decimal(38,0)), cast('3.0000000000000000000000000000000000000' as decimal(38,37)), 0)",
        "4115226300411522630041152263004115226",
    ),
    (
        "div_round(cast('99999999999999999999999999999999999999' as decimal(38,0)), 1, 2)",
        "error: does not fit a decimal(38, 2)",
    ),
    ("div_round(1, 0, 2)", "error: division by zero"),
    ("div_round(null, 0, 2)", "NULL"),
    ("div_round(1, 2, 39)", "error: the scale must be from 0 to 38"),
    ("div_round(cast(1 as double), 2, 2)", "error: is called as div_round"),
    ("div0(1, 2)", "0.500000"),
    ("div0(1, 0)", "0.000000"),
    ("div0(cast('-1.00' as decimal(10,2)), 3)", "-0.33333333"),
    ("div0(cast(1 as double), 0)", "0.0"),
    ("div0(1, null)", "NULL"),
    ("mod(5, 0)", "error: Divide by zero"),
    ("mod(null, 3)", "NULL"),
    ("sign(cast(-0.5 as double))", "-1.0"),
    ("sign(cast('NaN' as double))", "NaN"),
    ("sign(-9223372036854775807)", "-1"),
    ("sign(null)", "NULL"),
    ("zeroifnull(cast(null as decimal(10,2)))", "0.00"),
    ("zeroifnull(cast('1.5' as decimal(10,2)))", "1.50"),
    ("nullifzero(cast('0.00' as decimal(10,2)))", "NULL"),
    ("nullifzero(-1)", "-1"),
    ("width_bucket(cast('5.35' as double), cast('0.024' as double), cast('10.06' as double), 5)", "3"),
    ("width_bucket(cast('290000.00' as decimal(10,2)), 200000, 600000, 4)", "1"),
    ("width_bucket(300000, 200000, 600000, 4)", "2"),
    ("width_bucket(600000, 200000, 600000, 4)", "5"),
    ("width_bucket(199999, 200000, 600000, 4)", "0"),
    ("width_bucket(95, 100, 0, 10)", "1"),
    ("width_bucket(1, 5, 5, 4)", "error: the bounds must be finite and differ"),
    ("width_bucket(1, 0, 5, 0)", "error: must be positive"),
    ("iff(null, 1, 2)", "2"),
    ("iff(true, 'x', null)", "x"),
    ("select iff(a = 0, -1, 10 / a) from (values (0), (5)) t(a) order by a", "-1; 2"),
    ("iff(1, 2, 3)", "error: iff is called as iff(condition, then, otherwise)"),
    ("equal_null(null, 1)", "false"),
    ("equal_null(1, 1.0)", "true"),
    ("equal_null('a', null)", "false"),
    (
        "select equal_null(a, b) from (values (make_array(1), make_array(1)), (make_array(1), null)) t(a, b)",
        "true; false",
    ),
    ("typeof(null)", "NULL"),
    ("typeof(cast('1.5' as decimal(5,2)))", "DECIMAL(5,2)"),
    ("typeof(now())", "TIMESTAMP WITH TIME ZONE"),
    ("typeof(map(['a'], [1]))", "MAP(VARCHAR, BIGINT)"),
    ("pg_typeof(make_array('a'))", "text[]"),
    ("pg_typeof(timestamp '2024-01-01 00:00:00')", "timestamp without time zone"),
    // These values must never change: tables keep them.
    ("hash(1, 'a', null)", "2656594937615001175"),
    ("hash(date '2024-02-29')", "7758163537355147421"),
    ("hash(null) = hash('')", "false"),
    ("hash('a', 'bc') = hash('ab', 'c')", "false"),
    ("hash(cast('1.50' as decimal(10,2))) = hash(cast('1.5' as double))", "true"),
    ("hash(timestamptz '2024-01-01 00:00:00Z') = hash(convert_timezone('Asia/Tokyo', '2024-01-01 00:00:00'))", "true"),
    ("regexp_substr('no digits', '[0-9]+')", "NULL"),
    ("regexp_substr('äb1 c22', '[0-9]+', 4)", "22"),
    ("regexp_substr('1 22 333', '[0-9]+', 1, 3)", "333"),
    ("regexp_substr('1 22 333', '[0-9]+', 1, 4)", "NULL"),
    ("regexp_substr('1', '(')", "error: '(' is not a valid regular expression"),
    ("regexp_substr('1', '1', 0)", "error: count from 1"),
    ("regexp_extract('1', '1', 1)", "error: has no group 1"),
    ("to_json(cast('1.50' as decimal(5,2)))", "1.50"),
    ("to_json(timestamp '2024-02-29 13:14:15')", "\"2024-02-29T13:14:15\""),
    ("object_construct('a', 1, null, 2, 'c', null)", r#"{"a":1}"#),
    ("object_construct('a', named_struct('b', make_array('x')))", r#"{"a":{"b":["x"]}}"#),
    ("object_construct('a', 1, 'a', 2)", "error: the key 'a' appears twice"),
    ("object_construct('a')", "error: object_construct is called as"),
    (r#"json_extract('{"a": {"b": [1, {"c": "x y"}]}}', '$.a.b')"#, r#"[1, {"c": "x y"}]"#),
    (r#"json_extract('{"a": 1.50}', '$.a')"#, "1.50"),
    ("json_extract('not json', '$.a')", "NULL"),
    ("json_extract(null, '$.a')", "NULL"),
    (r#"json_extract('{"a": 1}', '$.*')"#, "error: is not a path"),
    (r#"json_extract('{"a": 1}', '$[x]')"#, "error: is not a path"),
    (r#"'{"a": {"b": "x"}}' -> 'a' ->> 'b'"#, "x"),
    (r#"'{"a": {"b": "x"}}' #>> array['a', 'b']"#, "x"),
    ("select mode(a) from (values (3),(1),(3),(1),(2),(null),(null),(null)) t(a)", "1"),
    ("select mode(a) from (values (cast(null as varchar))) t(a)", "NULL"),
    ("select mode() within group (order by a) from (values ('x'),('y'),('y')) t(a)", "y"),
    ("select mode(a) filter (where a > 1) from (values (1),(1),(2)) t(a)", "2"),
    ("select count_if(a > 1) from (values (1)) t(a) where a > 5", "0"),
    ("select countif(a > 1) filter (where a < 3) from (values (1),(2),(3)) t(a)", "1"),
    ("select max_by(a, b) from (values ('x',1),(cast(null as varchar),3)) t(a,b)", "NULL"),
    ("select max_by(a, b) filter (where b < 3) from (values ('x',1),('y',2),('z',3)) t(a,b)", "y"),
    ("select listagg(c, '-') within group (order by d desc, c) from (values ('b',1),('a',2),('c',2)) t(c,d)", "a-c-b"),
    ("select listagg(a) within group (order by a) from (values (2),(1)) t(a)", "12"),
    ("select group_concat(c order by c separator ';') from (values ('b'),('a')) t(c)", "a;b"),
    ("select arrow_typeof(listagg(c)) from (values ('b')) t(c)", "LargeUtf8"),
    // By group, and as window functions, which take other ways through the engine.
    ("select max_by(a, b) from (values (1,'x',1),(1,'y',2),(2,'z',0)) t(g,a,b) group by g order by g", "y; z"),
    ("select mode(a) from (values (1,'x'),(1,'x'),(1,'a'),(2,'z')) t(g,a) group by g order by g", "x; z"),
    ("select count_if(a > 1) from (values (1,1),(1,2),(2,0)) t(g,a) group by g order by g", "1; 0"),
    ("select product(a) from (values (1,2),(1,5),(2,3)) t(g,a) group by g order by g", "10.0; 3.0"),
    ("select max_by(a, b) over (order by b) from (values ('x',1),('y',2),('z',3)) t(a,b) order by b", "x; y; z"),
    ("select min_by(a, b) over () from (values ('x',1),('y',2)) t(a,b)", "x; x"),
    ("select count_if(a > 1) over (order by a rows 1 preceding) from (values (1),(2),(3)) t(a) order by a", "0; 1; 2"),
    ("select mode(a) over (order by b rows 1 preceding) from (values (2,1),(2,2),(1,3)) t(a,b) order by b", "2; 2; 1"),
    ("select listagg(a) over (order by a) from (values ('x'),('y')) t(a) order by a", "x; xy"),
];

#[tokio::test]
async fn functions_agree_with_another_engine() {
    check(DUCKDB).await;
}

#[tokio::test]
async fn functions_do_what_their_pages_say() {
    check(OWN).await;
    let catalog = functions::catalog();
    assert!(catalog.len() > 60, "{} functions", catalog.len());
    let examples: Vec<_> = catalog.iter().map(|doc| (doc.example, doc.result)).collect();
    check(&examples).await;
}

/// Kernels see literals as one row, so each is run on a column as well: with nulls, and in every form of text.
#[tokio::test]
async fn functions_work_on_columns_of_any_text_type() {
    let context = context();
    let sql = "create table texts as select a, zone from (values
        (1, '2024-11-03 01:30:00', 'America/Los_Angeles'), (2, null, 'UTC'), (3, '2024-03-10T02:30:00Z', 'Europe/Rome'),
        (4, '2024-03-31 02:30:00', 'Europe/Rome'), (5, 'x', null)) t(id, a, zone) order by id";
    run(&context, sql).await.unwrap();
    for form in ["Utf8", "LargeUtf8", "Utf8View", "Dictionary(Int32, Utf8)"] {
        let cases = [
            ("local_to_utc(V, zone)", "2024-11-03T08:30:00Z; NULL; 2024-03-10T02:30:00Z; 2024-03-31T01:30:00Z; NULL"),
            ("try_parse_utc(V)", "NULL; NULL; 2024-03-10T02:30:00Z; NULL; NULL"),
            ("is_utc_text(V)", "false; NULL; true; false; false"),
            ("regexp_substr(V, '[0-9]+$')", "00; NULL; NULL; 00; NULL"),
            ("regexp_extract(V, '^([0-9]+)-', 1)", "2024; NULL; 2024; 2024; "),
            (
                "object_construct('k', V)",
                r#"{"k":"2024-11-03 01:30:00"}; {}; {"k":"2024-03-10T02:30:00Z"}; {"k":"2024-03-31 02:30:00"}; {"k":"x"}"#,
            ),
            ("iff(zone = 'UTC', 'utc', V)", "2024-11-03 01:30:00; utc; 2024-03-10T02:30:00Z; 2024-03-31 02:30:00; x"),
            ("typeof(V)", "VARCHAR; VARCHAR; VARCHAR; VARCHAR; VARCHAR"),
            ("equal_null(V, 'x')", "false; false; false; false; true"),
            ("hash(V) = hash(arrow_cast(V, 'Utf8'))", "true; true; true; true; true"),
            (
                "json_extract_string(concat('{\"k\": \"', V, '\"}'), '$.k')",
                "2024-11-03 01:30:00; ; 2024-03-10T02:30:00Z; 2024-03-31 02:30:00; x",
            ),
        ];
        for (expression, expected) in cases {
            let value = format!("arrow_cast(a, '{form}')");
            let sql = format!("select {} from texts", expression.replace('V', &value));
            assert_eq!(values(&context, &sql).await.join("; "), expected, "{sql}");
        }
    }
}

/// The pack only adds names, except for the two aggregates that get one more name each, and for `date_trunc`, of which
/// the engine's ends in the year 2262.
#[tokio::test]
async fn functions_of_the_engine_are_not_replaced() {
    let state = SessionContext::new().state();
    let shared: Vec<_> = functions::catalog()
        .iter()
        .flat_map(|doc| doc.aliases.iter().cloned().chain([doc.name.clone()]))
        .filter(|name| {
            state.scalar_functions().contains_key(name)
                || state.aggregate_functions().contains_key(name)
                || state.window_functions().contains_key(name)
        })
        .collect();
    assert_eq!(shared, ["datetrunc", "date_trunc", "bool_or", "bool_and"]);
}
