//! The SQL of other databases: what is supplied gives the right value, what is not is refused with its replacement.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use async_trait::async_trait;
use chrono::DateTime;
use datafusion::catalog::TableProvider;
use datafusion::error::Result;
use insta::assert_snapshot;
use karat::engine::dialect::{SYNTAX, calls};
use karat::engine::error::SqlProblem;
use karat::engine::memory::MemoryBudget;
use karat::engine::session::{Engine, EngineOptions, RelationSource, Session, Variant};
use karat::manifest::relation::RelationKey;

use crate::support::{Project, cell};

#[derive(Debug)]
struct Nothing;

#[async_trait]
impl RelationSource for Nothing {
    async fn table(&self, _: &RelationKey) -> Result<Option<Arc<dyn TableProvider>>> {
        Ok(None)
    }

    fn names(&self) -> Vec<RelationKey> {
        Vec::new()
    }

    fn exists(&self, _: &RelationKey) -> bool {
        false
    }
}

pub fn session() -> Session {
    let engine = Engine::new(EngineOptions {
        memory: MemoryBudget::new(256 << 20),
        partitions: 2,
        now: DateTime::from_timestamp(1_709_210_000, 0).unwrap(),
        dialect: "generic".to_owned(),
        fractional_division: false,
        caret_is_power: true,
        null_order: karat::files::NullOrder::Largest,
        temporary_folder: std::env::temp_dir(),
        database: "p".to_owned(),
        other_databases: Vec::new(),
        default_schema: "main".to_owned(),
    });
    engine.unwrap().session(Arc::new(Nothing), Variant::Ordered)
}

/// The rows of a result, columns apart by `|`.
pub async fn rows(session: &Session, sql: &str) -> Result<String, SqlProblem> {
    let mut rows = Vec::new();
    for batch in session.query(sql).await? {
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|column| cell(column, row));
            rows.push(cells.collect::<Vec<_>>().join("|"));
        }
    }
    Ok(rows.join("; "))
}

pub async fn check(cases: &[(&str, &str)], first_column: bool) {
    let session = session();
    let mut wrong = Vec::new();
    for (sql, expected) in cases {
        let is_query = ["select ", "with ", "from ", "("].iter().any(|word| sql.starts_with(word));
        let query = if is_query { (*sql).to_owned() } else { format!("select {sql} as value") };
        let found = match rows(&session, &query).await {
            Ok(rows) if first_column => {
                rows.split("; ").map(|row| row.split('|').next().unwrap_or_default()).collect::<Vec<_>>().join("; ")
            }
            Ok(rows) => rows,
            Err(problem) => format!("error: {} {:?}", problem.message, problem.hint),
        };
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

const FUNCTIONS: &[(&str, &str)] = &[
    ("booland(1 = 1, 2 = 3)", "false"),
    ("bitxor(5, 3) + bitand(5, 3)", "7"),
    ("bit_count(5)", "2"),
    ("timestamp_diff(timestamp '2024-01-02 10:00:00', timestamp '2024-01-01 11:00:00', day)", "0"),
    ("datetime_diff(timestamp '2024-01-02 10:00:00', timestamp '2024-01-01 11:00:00', day)", "1"),
    ("unix_date(date '1970-01-03')", "2"),
    ("date_from_unix_date(2)", "1970-01-03"),
    ("round(haversine(40.7127, -74.0059, 34.0500, -118.2500))", "3936.0"),
    ("extract(date from timestamp '2024-01-02 10:00:00')", "2024-01-02"),
    ("'abc' ilike any (array['X%', 'A%'])", "true"),
    ("base64_decode_string('YQ==')", "a"),
    ("current_timestamp(3) = now()", "true"),
    ("filter([1, 2], x -> x > 1)", "[2]"),
    ("fmod(7, 2)", "1.0"),
    ("datesub('month', date '2024-01-31', date '2024-02-29')", "1"),
    ("datesub('day', timestamp '2024-01-02 12:00:00', timestamp '2024-01-01 13:00:00')", "0"),
    ("date_sub('hour', timestamp '2024-01-31 10:30:00', timestamp '2024-01-31 12:29:00')", "1"),
    ("datesub('year', date '2024-03-01', date '2020-03-02')", "-3"),
    ("date '2024-03-15' - age(date '2024-03-15', date '2024-01-20') = date '2024-01-22'", "true"),
    ("extract(month from age(date '2024-03-15', date '2024-01-20'))", "1"),
    ("printf('%d-%s-%05d-%.2f %%', 1, 'a', 42, 3.14159)", "1-a-00042-3.14 %"),
    (
        "printf('%5s|%-5s|%+d|%x|%X|%e|%g', 'a', 'b', 5, 255, 255, 12345.678, 0.0001)",
        "    a|b    |+5|ff|FF|1.234568e+04|0.0001",
    ),
    ("printf('%s')", "error: a value 1 that is not there"),
    ("printf('%q', 1)", "error: kind of a place"),
    ("printf('%5000d', 1)", "error: beyond 1000"),
    ("printf('%s', null)", "NULL"),
    ("format('{} {1} {0:>5}|{0:*^7}|', 'a', 'b')", "a b     a|***a***|"),
    ("format('{:.2f} {:05d} {:,} {:x} {{}}', 3.14159, -42, 1234567, 255)", "3.14 -0042 1,234,567 ff {}"),
    ("format('%s of %s', 1, 'b')", "1 of b"),
    ("format('{', 1)", "error: without `}`"),
    ("hex('abc')", "616263"),
    ("to_base(10, 2)", "1010"),
    ("to_base(-1, 2)", "error: has no digits"),
    ("bin(5)", "101"),
    ("url_decode(url_encode('ä b/c?'))", "ä b/c?"),
    ("round(jaro_winkler_similarity('martha', 'marhta'), 4)", "0.9611"),
    ("list_sort([3, 1, 2], 'desc')", "[3, 2, 1]"),
    ("list_aggregate([1, null, 2], 'count')", "2"),
    ("list_unique([1, 1, null])", "1"),
    ("json_object_of(['a'], [1, 2])", "error: not as many keys as values"),
    ("len('äb')", "2"),
    ("len(null)", "NULL"),
    ("len([])", "0"),
    ("array_size([1, null])", "2"),
    ("dayname(date '2024-02-25')", "Sunday"),
    ("dayname(null)", "NULL"),
    ("monthname(timestamp '2024-12-31 23:59:59')", "December"),
    ("weekday(date '2024-02-25')", "0"),
    ("epoch(timestamp '1969-12-31 23:59:59')", "-1.0"),
    ("epoch_ms(timestamp '1969-12-31 23:59:59.999')", "-1"),
    ("epoch_ms(1500)", "1970-01-01T00:00:01.500"),
    ("epoch_ms(null)", "NULL"),
    ("unix_millis(date '1970-01-02')", "86400000"),
    ("timestamp_micros(-1)", "1969-12-31T23:59:59.999999Z"),
    ("date_from_parts(2024, 2, 30)", "2024-03-01"),
    ("date_from_parts(2024, 0, 1)", "2023-12-01"),
    ("date_from_parts(2024, null, 1)", "NULL"),
    ("datefromparts(2024, 2, 29)", "2024-02-29"),
    ("timestamp_from_parts(2024, 1, 1, 0, 0, -1)", "2023-12-31T23:59:59"),
    ("timestamp_from_parts(2024, 1, 1, 0, 0, 0, 500000000)", "2024-01-01T00:00:00.500"),
    ("time_bucket(interval '7 days', date '2024-02-29')", "2024-02-26"),
    ("time_bucket(interval '3 months', date '2024-02-29')", "2024-01-01"),
    ("time_bucket(interval '1 hour', timestamp '1969-12-31 23:30:00')", "1969-12-31T23:00:00"),
    ("time_bucket(interval '1 day', null)", "NULL"),
    ("to_number('12.5')", "13"),
    ("to_number('1.25', 10, 1)", "1.3"),
    ("to_number('x')", "error: not"),
    ("try_to_number('x', 10, 2)", "NULL"),
    ("try_to_decimal('7', 5)", "7"),
    ("to_varchar(date '2024-02-29', 'YYYY/MM/DD')", "2024/02/29"),
    ("to_char(timestamp '2024-02-29 13:04:05', 'YYYY-MM-DD HH24:MI:SS')", "2024-02-29 13:04:05"),
    ("to_char(timestamp '2024-02-29 13:04:05', 'HH12:MI AM')", "01:04 PM"),
    ("to_char(date '2024-02-29', '%Y')", "2024"),
    ("to_char(date '2024-02-29', 'Q')", "error: format"),
    ("to_date('2024/02/29', 'YYYY/MM/DD')", "2024-02-29"),
    ("to_date('20240229', 'YYYYMMDD')", "2024-02-29"),
    ("to_timestamp_ntz(86400)", "1970-01-02T00:00:00"),
    ("to_timestamp_ntz('9999-12-31 00:00:00')", "9999-12-31T00:00:00"),
    ("to_timestamp_ntz('2024-02-29T01:00', 'YYYY-MM-DDTHH24:MI')", "2024-02-29T01:00:00"),
    ("try_to_timestamp('2024-02-29 10:00:00')", "2024-02-29T10:00:00"),
    ("try_to_timestamp('29.02.2024', 'DD.MM.YYYY')", "2024-02-29T00:00:00"),
    ("try_to_date('x')", "NULL"),
    ("try_to_date('2024-02-29')", "2024-02-29"),
    ("strptime('2024-02', '%Y-%m')", "2024-02-01T00:00:00"),
    ("strptime('2024-02-29T10:00:00+0200', '%Y-%m-%dT%H:%M:%S%z')", "2024-02-29T08:00:00"),
    ("strptime('x', '%Y')", "error: does not fit"),
    ("try_strptime(null, '%Y')", "NULL"),
    ("parse_timestamp('%Y-%m-%d', '2024-02-29')", "2024-02-29T00:00:00Z"),
    ("timestamp_add(timestamp '2024-02-28 23:00:00', interval 2 hour)", "2024-02-29T01:00:00"),
    ("date_diff(date '2024-03-01', date '2024-02-28', day)", "2"),
    ("date_diff('day', date '2024-02-28', date '2024-03-01')", "2"),
    ("timestampdiff(day, date '2024-02-28', date '2024-03-01')", "2"),
    ("date(2024, 2, 29)", "2024-02-29"),
    ("regexp_matches('abc', 'b')", "true"),
    ("regexp_full_match('abc', 'b|abc')", "true"),
    ("regexp_full_match(null, 'b')", "NULL"),
    ("regexp_extract_all('abc', 'x')", "[]"),
    ("regexp_extract_all('a1', '[', 0)", "error: not a valid regular expression"),
    ("split('', ',')", "[]"),
    ("len(split('', ','))", "1"),
    ("str_split('abc', '')", "[a, b, c]"),
    ("split(null, ',')", "NULL"),
    ("string_split_regex('a, b', ', *')", "[a, b]"),
    ("charindex('x', 'abc')", "0"),
    ("charindex('b', null)", "NULL"),
    ("charindex('c', 'äbc')", "3"),
    ("startswith('abc', 'ab')", "true"),
    ("endswith('abc', 'ab')", "false"),
    ("decode(2, 1, 'a', 'z')", "z"),
    ("decode(2, 1, 'a')", "NULL"),
    ("decode('YQ', 'base64') is null", "false"),
    ("div0null(4, 2)", "2.000000"),
    ("safe_divide(1, 4)", "0.25"),
    ("7 // 0", "NULL"),
    ("-7 // 2", "-3"),
    ("7.5 // 2", "error: cannot take"),
    ("div(7, 0)", "error: division by zero"),
    ("md5_hex('a')", "0cc175b9c0f1b6a831c399e269772661"),
    ("sha1(null)", "NULL"),
    ("sha2('a', 512) = sha512('a')", "true"),
    ("to_hex(sha256('a')) = sha256('a')", "true"),
    ("encode(sha256('a'), 'hex') = sha256('a')", "true"),
    ("to_hex(255)", "ff"),
    ("parse_json('[1')", "error: not JSON"),
    ("try_parse_json('[1]')", "[1]"),
    ("try_parse_json(null)", "NULL"),
    (r#"get_json_object('{"a": 1}', '$.a')"#, "1"),
    (r#"json_extract_path_text('{"a": {"b": 2}}', 'a', 'b')"#, "2"),
    (
        "select logical_and(a > 0), logical_or(a > 2), approx_count_distinct(a) from (values (1), (2)) as t(a)",
        "true|false|2",
    ),
    (
        "select list(a order by a desc), first(a order by a), last(a order by a) from (values (1), (2)) as t(a)",
        "[2, 1]|1|2",
    ),
    ("select variance(a) from (values (1), (3)) as t(a)", "2.0"),
    ("select systimestamp() = now()", "true"),
];

const QUERIES: &[(&str, &str)] = &[
    ("select 2 * 3 ^ 2 as a, 2 ^ 3 ^ 2 as b, -2 ^ 2 as c, (1 + 1) ** 2 as d, 2 ** -1 as e", "18.0|64.0|4.0|4.0|0.5"),
    ("select -x ^ 2 ^ 1 as a, 10 - x ^ 2 as b from (values (3)) as t(x)", "9.0|1.0"),
    ("select count(*) from (values (1)) as t(a)", "1"),
    ("select 1_000.5 as a, 1_0 * 2 as b", "1000.5|20"),
    (
        "select a notnull as a, b isnull as b, a + 1 notnull and b notnull as c from (values (1, null)) as t(a, b)",
        "true|true|false",
    ),
    ("select notnull from (values (1)) as t(notnull)", "1"),
    ("select t.isnull as notnull from (values (1)) as t(isnull)", "1"),
    ("with a as not materialized (select 1 as x), b(y) as materialized (select 2) select x, y from a, b", "1|2"),
    ("select materialized from (select 1 as materialized)", "1"),
    ("select filter from (select 1 as filter) where (filter) in (1)", "1"),
    ("select list_transform(l, x -> x + y) from (values ([1, 2], 10), ([3], 20)) as t(l, y)", "[11, 12]; [23]"),
    (
        "select list_transform(list_filter(l, lambda x: x > 1 and x <> 3), x -> x || '!') from (values ([1, 2, 3])) as t(l)",
        "[2!]",
    ),
    ("select [[y * 2 for y in x] for x in [[1, 2], [3]]]", "[[2, 4], [6]]"),
    ("select [upper(x) for x in string_split('a,b', ',') if x in ('b')]", "[B]"),
    ("select any_match([1, 2], x -> x > 1)", "true"),
    ("select json_extract(j -> 'a', '$.b') from (select '{\"a\": {\"b\": 1}}' as j)", "1"),
    ("select CustomerID as a, \"customerid\" as b, t.CUSTOMERID as c from (select 1 as \"CustomerID\") as t", "1|1|1"),
    ("select \"N\" + 1 as m from (select 1 as n) where \"N\" > 0 order by M", "2"),
    (
        "select (a, b) in (select 1, 2) as c, (a, b) not in (select 1, null) as d from (values (1, 2), (3, 4), (null, 2)) as t(a, b)",
        "true|NULL; false|true; NULL|NULL",
    ),
    ("select a from (values (1, 2), (3, 4), (null, 2)) as t(a, b) where (a, b) not in (select 1, 2)", "3"),
    ("select a from (values (1, 2), (3, 4)) as t(a, b) where (a, b) in (select 3, 4 union all select 1, 1)", "3"),
    (
        "select t.id, o, u.n from (values (1, [5, 6]), (2, [7])) as t(id, l), unnest(t.l) with ordinality as u(o, n)",
        "1|5|1; 1|6|2; 2|7|1",
    ),
    ("select o, n from (select [5, 6] as l) as t, unnest(t.l) as o with offset as n", "5|0; 6|1"),
    ("select generate_series from generate_series(1, 2)", "1; 2"),
    ("select g, g.g + 1 as h from generate_series(1, 2) as g", "1|2; 2|3"),
    (
        "select j -> 'a' as a, (j -> 'd')::date as d, (j -> 'd')::text as t, j -> 'a' -> 'b' as b, coalesce(j -> 'x', '{}') as x from (select '{\"a\": {\"b\": 1}, \"d\": \"2024-01-02\"}' as j)",
        "{\"b\": 1}|2024-01-02|\"2024-01-02\"|1|{}",
    ),
    ("select j -> 0 as a, j ->> -1 as b, j -> 1 = '2' as c from (select '[1, 2]' as j)", "1|2|true"),
    ("select string_agg(a) from (values ('a'), ('b')) as t(a)", "a,b"),
    (
        "select percentile_disc(0.5) within group (order by x desc) as a, quantile_disc(x, 0.9) as b, percentile_disc(0.5) within group (order by x) as c from (values ('a'), ('b'), ('c'), ('d')) as t(x)",
        "c|d|b",
    ),
    ("select quantile_disc(x, 2) from (values (1)) as t(x)", "error: the fraction must be a number from 0 to 1"),
    ("select quantile_disc(x, 0.5) over (partition by g) from (values (1, 1), (1, 2), (1, 3)) as t(g, x)", "2; 2; 2"),
    (
        "select json_agg(x order by x desc) filter (where x > 1) as a, json_array(1, 'x', null) as b from (values (1), (2), (3)) as t(x)",
        "[3,2]|[1,\"x\",null]",
    ),
    (
        "select json_array_length(j, '$.l') as a, json_array_length(j -> 'l') as b, json_type(j, '$.l') as c, json_typeof(j) as d from (select '{\"l\": [1, 2]}' as j)",
        "2|2|ARRAY|object",
    ),
    ("select json_valid('{a'), json_valid(null)", "false|NULL"),
    (
        "select date_trunc('month', date '9999-12-31') as a, date_trunc('century', timestamp '1999-05-05 01:02:03') as b, date_trunc('hour', timestamp '1969-12-31 23:59:59') as c",
        "9999-12-01T00:00:00|1900-01-01T00:00:00|1969-12-31T23:00:00",
    ),
    (
        "select date '9999-12-31' > timestamp '2024-01-01' as a, timestamp '9999-12-31' > now() as b, now() < date '9999-12-31' as c",
        "true|true|true",
    ),
    (
        "select coalesce(x, date '9999-12-31') as a, coalesce(x, '9999-12-31') as b, case when true then date '9999-12-31' else x end as c, greatest(date '9999-12-31', timestamp '2024-01-01') as d from (select null::timestamp as x)",
        "9999-12-31T00:00:00|9999-12-31T00:00:00|9999-12-31T00:00:00|9999-12-31T00:00:00",
    ),
    (
        "select timestamp '2024-01-02' between timestamp '2024-01-01' and date '9999-12-31' as a, timestamp '9999-12-31' in (date '9999-12-31') as b",
        "true|true",
    ),
    (
        "select date '9999-12-31' as x union all select timestamp '2024-01-01'",
        "9999-12-31T00:00:00; 2024-01-01T00:00:00",
    ),
    (
        "select a.x from (select date '9999-12-31' as x) as a join (select timestamp '9999-12-31' as y) as b on a.x = b.y",
        "9999-12-31",
    ),
    (
        "select x from (select date '9999-12-31' as x) as a left join (select timestamp '9999-12-31' as x) as b using (x)",
        "9999-12-31",
    ),
    (
        "select * from (values ('a', 2020, 1), ('a', 2021, 2), ('b', 2020, 5)) as t(g, y, v) pivot (sum(v), count(*) as n for y in (2020, 2021 as now)) order by g",
        "a|1|1|2|1; b|5|1|NULL|0",
    ),
    (
        "select x.g, \"p\" from (values ('a', 'p', 1)) as t(g, y, v) pivot (max(v) for y in ('p', 'q')) as x where \"q\" is null",
        "a|1",
    ),
    (
        "with t as (select 1 as id, 2 as jan, null as feb) select * from t unpivot include nulls (v for month in (jan, feb)) as u order by month",
        "1|feb|NULL; 1|jan|2",
    ),
    (
        "with t as (select 1 as id, 2 as jan, null as feb) select u.v from t unpivot (v for month in (jan, feb as f)) as u",
        "2",
    ),
    ("select * from missing unpivot (v for month in (jan, feb))", "error: relation `main.missing` does not exist"),
    (
        "(values (1, 'a'), (1, 'a'), (2, null), (2, null)) intersect all (values (1, 'a'), (2, null), (2, null), (2, null)) order by 1",
        "1|a; 2|NULL; 2|NULL",
    ),
    ("select a from (values (3), (1), (1), (1)) as t(a) except all select b from (values (1), (4)) as u(b)", "1; 1; 3"),
    ("select v from (select 2 as jan, 3 as feb) as s, unnest([s.jan, s.feb]) as u(v)", "2; 3"),
    (
        "select '2024-01-05 03:04'::timestamp as a, cast(d as date) as b, try_cast('2024-1' as date) as c, timestamp '2024-1-5 3:4:5' as e, '3:04'::time as f from (values ('2024/1/5')) as t(d)",
        "2024-01-05T03:04:00|2024-01-05|NULL|2024-01-05T03:04:05|03:04:00",
    ),
    ("select d > '2024-1-5' as a, d = '2024/02/01' as b from (values (date '2024-02-01')) as t(d)", "true|true"),
    ("select 5::bigint + '6' as a, '1.5' * 2 as b, true = 'true' as c, 'no' <> false as d", "11|3.0|true|false"),
    ("select a + 'x' from (values (1)) as t(a)", "error: there is no `+` of bigint and varchar"),
    (
        "select ratio_to_report(a) over (partition by g) from (values (1, 1), (1, 3)) as t(g, a) order by 1",
        "0.25; 0.75",
    ),
    ("select collect_list(a) as l, collect_set(a) as s from (values (1), (1), (null)) as t(a)", "[1, 1]|[1]"),
    (
        "select sum(x = 1) as a, avg(x in (1, 2)) as b, sum(x = 1) filter (where x > 1) as c from (values (1), (2), (1), (3)) as t(x)",
        "2|0.75|0",
    ),
    ("select v from (values (2, null)) as t(jan, feb), unnest(make_array(t.jan, t.feb)) as u(v) order by v", "2; NULL"),
    ("select v from (select null as jan) as t, lateral (select coalesce(t.jan, 5) as v) as u order by v", "5"),
    ("select \"ID\" from (select 1 as \"Id\", 2 as id)", "error: column `ID` does not exist"),
    ("select id from (select 1 as \"Id\", 2 as id)", "2"),
    // `from` without `select`.
    ("select * from (from (values (1, 2)) as t(a, b))", "1|2"),
    ("with x as (from (values (1)) as t(a)) from x", "1"),
    ("from (values (1), (2)) as t(a) select a + 1", "2; 3"),
    ("from (values (1)) as t(a) union all from (values (2)) as t(a)", "1; 2"),
    // Names, in place.
    ("select * rename (b as z) from (select 1 as a, 2 as b, 3 as c)", "1|2|3"),
    ("select z, c from (select * rename (b as z, a as c) from (values (1, 2)) as t(a, b))", "2|1"),
    ("select * exclude (c) rename (a as x) from (values (1, 2, 3)) as t(a, b, c) order by x", "1|2"),
    ("select t.* rename (a as x), u.* from (values (1)) as t(a), (values (2)) as u(a)", "1|2"),
    ("select x from (select t.* rename a as x from (values (2), (1)) as t(a)) order by 1 limit 1", "1"),
    ("select * rename (q as x) from (values (1)) as t(a)", "error: no column `q` to rename"),
    // Order.
    ("select a, b from (values (2, 1), (1, 3), (1, 2)) as t(a, b) order by all", "1|2; 1|3; 2|1"),
    ("select * from (values (2, 1), (1, 3)) as t(a, b) order by all desc", "2|1; 1|3"),
    ("select a from (values (2), (1), (3)) as t(a) order by all limit 2", "1; 2"),
    ("with t as (select 2 as a union all select 1) select a, count(*) from t group by all order by all", "1|1; 2|1"),
    ("select a from (values (2), (null)) as t(a) order by all nulls first", "NULL; 2"),
    // Joins.
    ("select * from (values (1), (2)) as t(a) semi join (values (1), (1)) as u(a) on t.a = u.a", "1"),
    ("select * from (values (1), (2)) as t(a) anti join (values (1)) as u(a) using (a)", "2"),
    // Names of the select list.
    ("select a + 1 as b, b * 2 as c, c + b as d from (values (1), (2)) as t(a) order by a", "2|4|6; 3|6|9"),
    ("select a + 1 as b, -b as c from (values (1)) as t(a)", "2|-2"),
    ("select sum(a) as s, s / count(*) as m from (values (1), (3)) as t(a)", "4|2"),
    ("select row_number() over (order by a desc) as n, n + 1 as m from (values (5)) as t(a)", "1|2"),
    ("select a * 2 as b, b + 1 as c from (values (1), (2)) as t(a) where c > 3", "4|5"),
    ("select a as b, b as c from (values (1, 7)) as t(a, b)", "1|7"),
    ("select 1 as a, (select max(a) from (values (5)) as u(b)) as m", "error: `a` does not exist"),
    ("select a as b, b || 'y' as c, not c like 'x%' as d from (values ('x')) as t(a) order by b", "x|xy|false"),
    (
        "select a + 1 as b, -b as c from (values (1)) as t(a) union all select a as b, -b as c from (values (7, 5)) as t(a, b)",
        "error: `b` does not exist",
    ),
    ("select c as d, 1 as c", "error: `c` does not exist"),
    ("select random() as r, r as s", "error: `r` does not exist"),
    // Rows.
    ("select a from (values (1), (2), (2)) as t(a) minus select 1", "2"),
    ("select top 1 a from (values (2), (1)) as t(a) order by a", "1"),
    ("select a from (values (2), (1)) as t(a) order by a offset 1 rows fetch next 1 rows only", "2"),
    // Types.
    ("select arrow_typeof(cast(1 as number))", "Decimal128(38, 0)"),
    ("select arrow_typeof(cast(1 as number(10)))", "Decimal128(10, 0)"),
    ("select arrow_typeof(cast('1' as bignumeric))", "Decimal256(76, 38)"),
    ("select arrow_typeof(cast(1 as float64)) as a, arrow_typeof(cast(1 as int64)) as b", "Float64|Int64"),
    ("select '1'::json, 'a'::character varying(5), cast('x' as bpchar)", "1|a|x"),
    ("select arrow_typeof(cast('2024-01-01' as timestamp_tz))", "Timestamp(µs, \"UTC\")"),
    ("select safe_cast('x' as int64) as a, try_cast('x' as float64) as b", "NULL|NULL"),
    (
        "select cast(0.5 as boolean), 0.0::boolean, cast('yes' as boolean), cast(null as boolean)",
        "true|false|true|NULL",
    ),
    ("select b from (select a::boolean from (values (0.5)) as t(a)) as u(b)", "true"),
    ("select a from (select t.a::boolean from (values (0.0), (null)) as t(a))", "false; NULL"),
    ("select a::boolean from (values ('x')) as t(a)", "error: boolean"),
    // Patterns, lists, JSON.
    ("select 'b' like any ('a%', 'c%'), 'b' not like any ('a%'), 'B' ilike any ('b')", "false|true|true"),
    ("select 3 in unnest([1, 2]), 3 not in unnest([1, 2])", "false|true"),
    (r#"select j:a::int + 1, j:x from (select '{"a": 1}' as j)"#, "2|NULL"),
    (r#"select j:a['b c'][1] from (select '{"a": {"b c": [1, "y"]}}' as j)"#, "y"),
];

/// SQL, what is said, and a word of the hint.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "select * from (select 1 as a, 2 as b) pivot (sum(b) for a in (any))",
        "`pivot` is not supported",
        "dbt_utils.pivot",
    ),
    ("pivot t on a using sum(b)", "expected a query, found `pivot`", "pivot (sum(v) for y in"),
    ("merge into t using u on true when matched then delete", "expected a query, found `merge`", "incremental"),
    ("select * from (values (1)) as t(a) asof join (values (1)) as u(a) on t.a >= u.a", "MATCH_CONDITION", "qualify"),
    (
        "select * from (values (1)) as t(a) asof join (values (1)) as u(a) match_condition (t.a >= u.a)",
        "`asof join` is not supported",
        "qualify",
    ),
    ("select columns('a') from (values (1)) as t(a)", "no function `columns`", "dbt_utils.star"),
    ("select * from (select [1] as l) as t, lateral flatten(input => t.l) as f", "`lateral flatten(...)`", "unnest"),
    ("select * from table(flatten(input => [1]))", "`lateral flatten(...)`", "unnest"),
    ("select * from table(generator(rowcount => 3))", "generator", "generate_series"),
    ("select * ilike '%a%' from (values (1)) as t(a)", "`select * ilike '...'`", "dbt_utils.star"),
    ("select * from (values (1)) as t(a) tablesample (50)", "`tablesample` is not supported", "random()"),
    ("select 'a' rlike 'a'", "`a rlike b` is not supported", "regexp_full_match"),
    ("select 1__000", "a number has `__000` behind it", "in digits"),
    ("from (values (1)) as t(a) where a = 1", "expected end of statement", "`select *` before `from`"),
    ("select list_reduce([1], (x, y) -> x + y)", "`list_reduce` with a lambda", "aggregate"),
    ("select from_json('{}', '{}')", "no function `from_json`", "json_extract_string"),
    ("select count(distinct a, b) from (values (1, 2)) as t(a, b)", "`count(distinct a, b)`", "select distinct"),
    ("select extract(dayofweek from now())", "`extract(dayofweek from a)`", "extract(dow"),
    ("select timestamp_trunc(now(), week)", "no function `timestamp_trunc`", "Sunday"),
    ("select array_contains(1, [1, 2])", "cannot take", "the list comes first"),
    ("select add_months(now(), 1)", "no function `add_months`", "dateadd"),
];

#[tokio::test]
async fn functions_of_other_databases() {
    check(FUNCTIONS, false).await;
}

#[tokio::test]
async fn syntax_of_other_databases() {
    check(QUERIES, false).await;
}

#[tokio::test]
async fn the_reference_page_tells_the_truth() {
    let examples: Vec<_> =
        SYNTAX.iter().chain(calls::CALLS).map(|spelling| (spelling.example, spelling.result)).collect();
    check(&examples, true).await;
}

#[tokio::test]
async fn other_names_are_names_of_functions() {
    let session = session();
    for (other, known) in calls::RENAMED {
        let said = |name: &str| format!("select {name}(1, 2, 3, 4, 5, 6, 7, 8, 9)");
        let other = session.plan(&said(other)).await.map(|_| ()).map_err(|problem| problem.code);
        assert_ne!(other, Err("unknown-function"), "{known}");
    }
}

#[tokio::test]
async fn what_is_refused_has_a_hint() {
    let session = session();
    let mut wrong = Vec::new();
    for (sql, message, hint) in REFUSED {
        match rows(&session, sql).await {
            Err(problem)
                if problem.message.contains(message)
                    && problem.hint.as_deref().is_some_and(|found| found.contains(hint)) => {}
            other => wrong.push(format!("{sql}\n  {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What packages write for DuckDB.
#[tokio::test]
async fn packages_are_understood() {
    const CASES: [(&str, &str); 11] = [
        ("select to_char(date '2024-02-29', 'FMDay, FMMonth FMDy FMMon')", "Thursday, February Thu Feb"),
        ("select regexp_matches('Ab', '[a-z]', 'c') > 0, regexp_matches('Ab', '[a-z]{2}', 'ci') = 0", "true|false"),
        ("select true = 1, 0 <> false, 1.5 > true, null = true", "true|false|true|NULL"),
        (
            "select rank() over (order by abs(datediff('day', a, date '2024-01-02'))) from (values (date '2024-01-01')) as t(a)",
            "1",
        ),
        (
            "select cast(timestamp '2021-06-07 14:35:20' at time zone 'UTC' at time zone 'America/Los_Angeles' as timestamp)",
            "2021-06-07T07:35:20",
        ),
        (
            "select timestamp '2024-01-01 00:00:00' at time zone 'Asia/Tokyo' = timestamptz '2023-12-31 15:00:00Z'",
            "true",
        ),
        (
            "select coalesce(a, '9999-12-31') from (values (cast(null as date)), (date '2024-01-01')) as t(a) order by 1",
            "2024-01-01; 9999-12-31",
        ),
        (
            "select coalesce(a, '2024-01-01 10:00:00') from (values (cast(null as timestamp))) as t(a)",
            "2024-01-01T10:00:00",
        ),
        (
            "select coalesce(a, '2024-01-01') from (values (cast(null as varchar)), ('x')) as t(a) order by 1",
            "2024-01-01; x",
        ),
        (
            "select date_part('dayofweek', date '2024-03-03'), date_part('isoweek', date '2024-12-30'), date_trunc('isoweek', date '2024-03-03')",
            "0|1|2024-02-26T00:00:00",
        ),
        ("select date_part('epoch_seconds', timestamp '1970-01-01 00:01:00')", "60.0"),
    ];
    let session = session();
    for (sql, expected) in CASES {
        assert_eq!(rows(&session, sql).await.unwrap(), expected, "{sql}");
    }
}

/// A chain of names in which each doubles the one before is refused, not planned without end.
#[tokio::test]
async fn names_do_not_multiply_without_end() {
    let items: Vec<String> = (1..60).map(|at| format!("a{} + a{} as a{at}", at - 1, at - 1)).collect();
    let sql = format!("select 1 as a0, {}", items.join(", "));
    let problem = rows(&session(), &sql).await.unwrap_err();
    assert_eq!(problem.code, "unknown-column");
}

#[tokio::test]
async fn errors_point_into_the_written_sql() {
    let sql = "select * rename (a as b), startswith(nothing, 'x') from (values (1)) as t(a)";
    let problem = rows(&session(), sql).await.unwrap_err();
    assert_eq!(problem.range.and_then(|range| sql.get(range)), Some("nothing"));
}

/// What `/` of integers gives depends on the database that the project was written for.
#[test]
fn division_is_that_of_the_target() {
    let profile = |target: &str| format!("p: {{target: dev, outputs: {{dev: {target}}}}}\n");
    let project = Project::new(&[
        ("dbt_project.yml", "name: p\nversion: '1.0'\nprofile: p\n"),
        ("profiles.yml", &profile("{type: duckdb, path: x.duckdb}")),
    ]);
    let quotients = || project.text("select 7 / 2 as a, 1 / 4 * 4 as b, 7.0 / 2 as c, (33 / 100)::numeric(16, 2) as d");
    assert_snapshot!(quotients(), @"3.5|1.0|3.5|0.33");
    project.write("profiles.yml", &profile("{type: postgres, host: h, schema: main}"));
    assert_snapshot!(quotients(), @"3|0|3.5|0.0");
    project.write("profiles.yml", &profile("{type: karat}"));
    assert_snapshot!(quotients(), @"3|0|3.5|0.0");
    project.write("profiles.yml", &profile("{type: karat, settings: {division: fraction}}"));
    assert_snapshot!(quotients(), @"3.5|1.0|3.5|0.33");
    project.write("profiles.yml", &profile("{type: karat, settings: {division: exact}}"));
    project.run(&["parse"]).expect_code(2).expect_message(&["`division` of a target is", "profiles.yml:1:"]);
}

/// Multiples of intervals, as Postgres and DuckDB compute them.
#[tokio::test]
async fn intervals_are_multiplied() {
    const CASES: [(&str, &str); 9] = [
        ("select date '2024-01-01' + i * interval '1 day' from (values (0), (2)) as t(i)", "2024-01-01; 2024-01-03"),
        ("select timestamp '2024-01-01 00:00:00' + interval '1 hour' * 1.5", "2024-01-01T01:30:00"),
        ("select timestamp '2024-01-31 00:00:00' + interval '2 month' / 2", "2024-02-29T00:00:00"),
        ("select timestamp '2024-01-01 00:00:00' + interval '1 month' / 2", "2024-01-16T00:00:00"),
        ("select timestamp '2024-01-01 00:00:00' - interval '3 day' * -1", "2024-01-04T00:00:00"),
        (
            "select timestamp '2024-01-01 00:00:00' + interval (i + 1) hour from (values (1)) as t(i)",
            "2024-01-01T02:00:00",
        ),
        ("select count(*) from GENERATE_SERIES(0, 3) as s(day)", "4"),
        ("select max(d) from range(date '2024-01-01', date '2024-01-05', interval '2 days') as s(d)", "2024-01-03"),
        ("select (null * interval '1 day') is null, interval '1 day' * cast(null as int)", "true|NULL"),
    ];
    let session = session();
    for (sql, expected) in CASES {
        let found = rows(&session, sql).await.unwrap_or_else(|problem| format!("{problem:?}"));
        assert_eq!(found, expected, "{sql}");
    }
    let problem = rows(&session, "select interval '1 month' * 1e12").await.unwrap_err();
    assert!(problem.message.contains("out of range") || problem.message.contains("too long"), "{}", problem.message);
}

/// Timestamps become text as in Postgres and DuckDB, and quotients keep their digits.
#[tokio::test]
async fn texts_of_timestamps_and_quotients_are_those_of_databases() {
    const CASES: [(&str, &str); 7] = [
        (
            "select cast(t as varchar), 'x' || t from (values (timestamp '2024-01-02 03:04:05.50')) as v(t)",
            "2024-01-02 03:04:05.5|x2024-01-02 03:04:05.5",
        ),
        ("select concat(timestamptz '2024-01-02 03:04:05+02:00', '')", "2024-01-02 01:04:05+00"),
        ("select try_cast(timestamp '2024-01-02' as text), cast(null::timestamp as text)", "2024-01-02 00:00:00|NULL"),
        ("select md5(cast(timestamp '2024-01-02' as varchar))", "4180441d3cbdba09a18df175d6d9eb15"),
        (
            "select t::text as k, count(*) from (values (timestamp '2024-01-02'), (timestamp '2024-01-02')) as v(t) group by 1",
            "2024-01-02 00:00:00|2",
        ),
        ("select 2 / 3.0, 1.0 / 3, 7 / 2", "0.6666666666666666|0.3333333333333333|3"),
        (
            "select (10.00 / 4)::decimal(10, 2), round(sum(x) / count(*), 6) from (values (1.10), (2.25)) as t(x)",
            "2.50|1.675000",
        ),
    ];
    let session = session();
    for (sql, expected) in CASES {
        let found = rows(&session, sql).await.unwrap_or_else(|problem| format!("{problem:?}"));
        assert_eq!(found, expected, "{sql}");
    }
}

/// A column that is a field of a struct has the field's name, however it is reached.
#[test]
fn fields_are_columns_of_their_names() {
    let project = Project::new(&[
        ("project.yml", "name: shop\nversion: '1.0'\n"),
        (
            "models/events.sql",
            "select 1 as id, {'kind': 'a', 'at': {'day': 7}} as payload, [{'sku': 'x', 'n': 2}, {'sku': 'y', 'n': 3}] as lines",
        ),
        (
            "models/flat.sql",
            "select e.id, e.payload.kind, payload.at.day, (e.payload).at, line.sku, line.n from {{ ref('events') }} as e, \
             unnest(e.lines) as line",
        ),
        (
            "models/read.sql",
            "with kinds as (select distinct payload.kind from {{ ref('events') }} order by payload.kind) \
             select f.kind, f.day, f.at.day as again, f.sku, f.n, k.kind as other from {{ ref('flat') }} as f \
             join kinds as k on k.kind = f.kind",
        ),
        (
            "models/both.sql",
            "select a.kind as kind, b.payload.at, b.payload from {{ ref('flat') }} a join {{ ref('events') }} b using (id)",
        ),
    ]);
    project.ok(&["run"]);
    assert_eq!(project.rows("select * from main.read order by sku"), ["a|7|7|x|2|a", "a|7|7|y|3|a"]);
    assert_eq!(project.rows("select count(*), max(kind) from main.both"), ["2|a"]);
}

/// `is distinct from` binds closer than `and`, `or` and `not`, as in Postgres and `DuckDB`.
#[tokio::test(flavor = "multi_thread")]
async fn distinct_from_takes_one_operand() {
    let bools = ["true", "false", "null::boolean"];
    let session = session();
    for form in ["is distinct from", "is not distinct from"] {
        for shape in [
            ("a F b and c", "(a F b) and c"),
            ("a F b or c", "(a F b) or c"),
            ("c and a F b or d", "(c and (a F b)) or d"),
            ("c or a F b and d", "c or ((a F b) and d)"),
            ("not a F b and c", "(not (a F b)) and c"),
            ("a F b and c F d or a", "((a F b) and (c F d)) or a"),
            ("a F (b and c) or d", "(a F (b and c)) or d"),
            ("a F b or c F d and a F c", "(a F b) or ((c F d) and (a F c))"),
            (
                "case when a F b and c then d else a end F c and d",
                "((case when ((a F b) and c) then d else a end) F c) and d",
            ),
            ("a F not b and c", "(a F (not b)) and c"),
        ] {
            let lists: Vec<String> = ["a", "b", "c", "d"]
                .map(|name| {
                    format!("(values {}) as {name}({name})", bools.map(|value| format!("({value})")).join(", "))
                })
                .to_vec();
            let sql = format!(
                "select count(*) from {} where ({}) is distinct from ({})",
                lists.join(" cross join "),
                shape.0.replace('F', form),
                shape.1.replace('F', form)
            );
            assert_eq!(rows(&session, &sql).await.map_err(|problem| problem.message), Ok("0".to_owned()), "{sql}");
        }
    }
    let sql = "select 1 as x where 1 is not distinct from 1 and 2 is distinct from 3 and 4 = 4";
    assert_eq!(rows(&session, sql).await.map_err(|problem| problem.message), Ok("1".to_owned()));
}

/// Arrows into JSON take the operands next to them, and paths.
#[tokio::test(flavor = "multi_thread")]
async fn arrows_bind_closer_than_comparisons() {
    let session = session();
    let json = "(select '{\"a\": \"x\", \"b\": {\"c\": \"y\"}, \"l\": [1, 2]}' as j, 'x' as k)";
    for (expression, expected) in [
        ("j->>'a' = 'x'", "true"),
        ("'x' = j->>'a'", "true"),
        ("k = j->>'a' and j->>'a' is not null", "true"),
        ("k = j->'b'->>'c' or j->>'a' in ('x', 'z')", "true"),
        ("j->'b'->>'c' || '-' || 'z'", "y-z"),
        ("j->>'a' like 'x%' and not j->>'a' like 'y'", "true"),
        ("j->>'a' between 'w' and 'y'", "true"),
        ("j->>'a' is distinct from 'y' and j->>'z' is null", "true"),
        ("j->>'a' is distinct from k or false", "false"),
        ("j->>'$.a'", "x"),
        ("j->>'$.b.c' = 'y'", "true"),
        ("j->'b'->>'$.c'", "y"),
        ("j->'l'->>1", "2"),
        ("j->>'$.l[1]' = '2'", "true"),
        ("coalesce(j->>'none', j->>'a') = 'x'", "true"),
        ("case when j->>'a' = 'x' then 1 else 2 end", "1"),
        ("(j->'b')->>'c' <> k", "true"),
    ] {
        let sql = format!("select {expression} from {json}");
        assert_eq!(rows(&session, &sql).await.map_err(|problem| problem.message), Ok(expected.to_owned()), "{sql}");
    }
}

/// What windows and rounding functions give has a sign and does not overflow.
#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_rows_have_a_sign_and_decimals_become_whole() {
    check(
        &[
            ("select min(d) from (select row_number() over (order by x) - rank() over (order by x desc) as d from (values (1), (2)) t(x))", "-1"),
            ("select min(d) from (select -dense_rank() over (order by x) - ntile(1) over (order by x) as d from (values (1), (2)) t(x))", "-3"),
            ("select count(*) from (select 1 from (values (1), (2), (2)) t(x) qualify row_number() over (partition by x order by x) = 1)", "2"),
            ("arrow_typeof(row_number() over ())", "Int64"),
            ("ceil(9.5)", "10"),
            ("ceil(cast(-0.5 as decimal(10, 2)))", "0"),
            ("floor(-0.5)", "-1"),
            ("floor(cast(99.99 as decimal(4, 2)))", "99"),
            ("ceil(cast(1.5 as double))", "2.0"),
            ("floor(7)", "7.0"),
            ("ceil(cast(null as decimal(3, 1)))", "NULL"),
            ("substr('hello', -3)", "llo"),
            ("substring('1234567890', -4, 2)", "78"),
            ("substring('ab', -4, 3)", "a"),
            ("substring('ab' from -9)", "ab"),
            ("substr('abc', 0, 2)", "a"),
        ],
        false,
    )
    .await;
}

/// What is ordered by an expression that is selected under the name of a column, or of another case.
#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_may_have_the_name_of_its_column() {
    let from = "from (values (1, 2), (1, 3), (2, 9)) t(g, b) group by g";
    check(
        &[
            (&format!("select g, sum(b) as b {from} order by sum(b) desc"), "2|9; 1|5"),
            (&format!("select g, sum(b) as b {from} order by b"), "1|5; 2|9"),
            (&format!("select g, max(b) as b, sum(b) as s {from} order by max(b) desc, g"), "2|9|9; 1|3|5"),
        ],
        false,
    )
    .await;
}

/// Nulls are sorted as in the database that the project was written for.
#[test]
fn nulls_are_where_the_target_has_them() {
    let ordered = |output: &str| {
        let project = Project::new(&[
            ("dbt_project.yml", "name: shop\nversion: '1.0'\nprofile: shop\n"),
            ("profiles.yml", &format!("shop:\n  target: dev\n  outputs:\n    dev: {output}\n")),
            (
                "models/m.sql",
                "select * from (select x, row_number() over (order by x desc) as d, row_number() over (order by x) as a \
                 from (values (1), (null)) t(x)) where x is null",
            ),
        ]);
        project.ok(&["run"]);
        project.text("select d, a from main.m")
    };
    assert_eq!(ordered("{type: duckdb, schema: main}"), "2|2");
    assert_eq!(ordered("{type: postgres, schema: main}"), "1|2");
    assert_eq!(ordered("{type: bigquery, dataset: main}"), "2|1");
    assert_eq!(ordered("{type: karat, schema: main}"), "1|2");
    assert_eq!(ordered("{type: karat, schema: main, settings: {nulls: last}}"), "2|2");
}
