//! Values through tables: what a model computes is what its children and other readers find, exactly.

use insta::assert_snapshot;

use crate::support::Project;

/// Expressions by name; each becomes a column of a table, which a second table copies.
const VALUES: [(&str, &str); 36] = [
    ("decimal_plain", "0.1 + 0.2"),
    ("decimal_equal", "0.1 + 0.2 = 0.3"),
    ("decimal_38_10", "cast('1234567890123456789012345678.0123456789' as decimal(38, 10))"),
    ("decimal_negative", "cast('-99999999.99' as decimal(10, 2))"),
    ("decimal_widest", "cast('99999999999999999999999999999999999999' as decimal(38, 0))"),
    ("decimal_null", "cast(null as decimal(5, 2))"),
    ("bigint_least", "cast('-9223372036854775808' as bigint)"),
    ("bigint_greatest", "9223372036854775807"),
    ("tinyint_least", "cast(-128 as tinyint)"),
    ("smallint_greatest", "cast(32767 as smallint)"),
    ("integer_least", "cast(-2147483648 as integer)"),
    ("rank_unsigned", "row_number() over ()"),
    ("double_plain", "cast(1 as double) / 3"),
    ("double_nan", "cast('NaN' as double)"),
    ("double_infinite", "cast('-inf' as double)"),
    ("double_negative_zero", "cast('-0' as double)"),
    ("real_plain", "cast(0.1 as real)"),
    ("boolean_true", "true"),
    ("boolean_null", "cast(null as boolean)"),
    ("text_empty", "''"),
    ("text_odd", "'quote '' line\\nü 漢字 🌱'"),
    ("date_early", "date '0001-01-01'"),
    ("date_late", "date '9999-12-31'"),
    ("timestamp_zoneless", "timestamp '2024-03-31 02:30:00.123456'"),
    ("timestamp_early", "timestamp '0001-01-01 00:00:00'"),
    ("timestamp_late", "cast('9999-12-31 23:59:59.999999' as timestamp)"),
    ("timestamp_zone_late", "timestamptz '9999-12-31 23:59:59Z'"),
    ("timestamp_zone", "timestamptz '2024-03-31 02:30:00.5+02:00'"),
    ("timestamp_null", "cast(null as timestamptz)"),
    ("binary_plain", "X'00ff10'"),
    ("list_plain", "[1, null, 3]"),
    ("list_empty", "cast([] as bigint[])"),
    ("list_nested", "[[1.5], [], null]"),
    ("struct_plain", "named_struct('a', 1, 'B c', 'x', 'n', cast(null as date))"),
    ("list_of_structs", "[named_struct('at', timestamptz '2024-01-01 00:00:00Z', 'ok', true)]"),
    ("map_plain", "map {'k': 1, 'l': null}"),
];

#[test]
fn types_go_through_tables_exactly() {
    let columns: Vec<String> = VALUES.iter().map(|(name, sql)| format!("{sql} as {name}")).collect();
    let project = Project::new(&[
        ("models/silver/first.sql", &format!("select\n    {}\n", columns.join(",\n    "))),
        ("models/gold/second.sql", "select * from {{ ref('first') }}"),
    ]);
    project.ok(&["build"]);
    // A second run replaces equal types by equal types.
    project.ok(&["build"]);
    let typed = |relation: &str| {
        let values: Vec<String> =
            VALUES.iter().map(|(name, _)| format!("'{name} is ' || arrow_typeof({name}) as {name}")).collect();
        let types = project.query(&format!("select {} from {relation}", values.join(", "))).remove(0);
        let types: Vec<&str> = types.as_object().unwrap().values().map(|text| text.as_str().unwrap()).collect();
        types.join("\n")
    };
    assert_eq!(project.exact("select * from silver.first"), project.exact("select * from gold.second"));
    assert_eq!(typed("silver.first"), typed("gold.second"));
    assert_snapshot!(project.exact("select * from gold.second").replace(", \"", ",\n\""), @r#"
    {"decimal_plain": 0.3,
    "decimal_equal": true,
    "decimal_38_10": 1234567890123456789012345678.0123456789,
    "decimal_negative": -99999999.99,
    "decimal_widest": 99999999999999999999999999999999999999,
    "decimal_null": null,
    "bigint_least": -9223372036854775808,
    "bigint_greatest": 9223372036854775807,
    "tinyint_least": -128,
    "smallint_greatest": 32767,
    "integer_least": -2147483648,
    "rank_unsigned": 1,
    "double_plain": 0.3333333333333333,
    "double_nan": null,
    "double_infinite": null,
    "double_negative_zero": -0.0,
    "real_plain": 0.1,
    "boolean_true": true,
    "boolean_null": null,
    "text_empty": "",
    "text_odd": "quote ' line\\nü 漢字 🌱",
    "date_early": "0001-01-01",
    "date_late": "9999-12-31",
    "timestamp_zoneless": "2024-03-31T02:30:00.123456",
    "timestamp_early": "0001-01-01T00:00:00",
    "timestamp_late": "9999-12-31T23:59:59.999999",
    "timestamp_zone_late": "9999-12-31T23:59:59Z",
    "timestamp_zone": "2024-03-31T00:30:00.500Z",
    "timestamp_null": null,
    "binary_plain": "00ff10",
    "list_plain": [1, null, 3],
    "list_empty": [],
    "list_nested": [[1.5], [], null],
    "struct_plain": {"a": 1,
    "B c": "x",
    "n": null},
    "list_of_structs": [{"at": "2024-01-01T00:00:00Z",
    "ok": true}],
    "map_plain": {"k": 1,
    "l": null}}
    "#);
    assert_snapshot!(typed("gold.second"), @r#"
    decimal_plain is Decimal128(2, 1)
    decimal_equal is Boolean
    decimal_38_10 is Decimal128(38, 10)
    decimal_negative is Decimal128(10, 2)
    decimal_widest is Decimal128(38, 0)
    decimal_null is Decimal128(5, 2)
    bigint_least is Int64
    bigint_greatest is Int64
    tinyint_least is Int8
    smallint_greatest is Int16
    integer_least is Int32
    rank_unsigned is Int64
    double_plain is Float64
    double_nan is Float64
    double_infinite is Float64
    double_negative_zero is Float64
    real_plain is Float32
    boolean_true is Boolean
    boolean_null is Boolean
    text_empty is Utf8
    text_odd is Utf8
    date_early is Date32
    date_late is Date32
    timestamp_zoneless is Timestamp(µs)
    timestamp_early is Timestamp(µs)
    timestamp_late is Timestamp(µs)
    timestamp_zone_late is Timestamp(µs, "UTC")
    timestamp_zone is Timestamp(µs, "UTC")
    timestamp_null is Timestamp(µs, "UTC")
    binary_plain is Binary
    list_plain is List(Int64, field: 'element')
    list_empty is List(Int64, field: 'element')
    list_nested is List(List(Decimal128(2, 1), field: 'element'), field: 'element')
    struct_plain is Struct("a": Int64, "B c": Utf8, "n": Date32)
    list_of_structs is List(Struct("at": Timestamp(µs, "UTC"), "ok": Boolean), field: 'element')
    map_plain is Map("key_value": non-null Struct("key": non-null Utf8, "value": Int64), unsorted)
    "#);
    // JSON has no words for these.
    let texts = "select cast(double_nan as varchar), cast(double_infinite as varchar) from gold.second";
    assert_eq!(project.rows(texts), ["nan|-inf"]);
}

#[test]
fn types_of_empty_results_are_kept() {
    let project = Project::new(&[
        (
            "models/silver/none.sql",
            "select 1 as id, 1.50 as price, timestamptz '2024-01-01 00:00:00Z' as at, [1] as list where false",
        ),
        ("models/gold/still_none.sql", "select *, id + 1 as next from {{ ref('none') }}"),
    ]);
    project.ok(&["build"]);
    project.ok(&["build"]);
    assert!(project.query("select * from gold.still_none").is_empty());
    assert_snapshot!(project.text("select column_name, data_type from information_schema.columns where table_name = 'still_none' order by ordinal_position"), @r"
    id|bigint
    price|decimal(3,2)
    at|timestamptz
    list|bigint[]
    next|bigint
    ");
}

#[test]
fn types_that_cannot_be_stored_are_refused_all_at_once() {
    let project = Project::new(&[
        ("models/silver/spans.sql", "select 1 as id, interval '1 day' as span, [time '10:00:00'] as times"),
        ("models/silver/nameless.sql", "select 1 as \"\", 2 as id, 3 as \"ID\""),
        ("models/gold/child.sql", "select * from {{ ref('spans') }}"),
    ]);
    let refused = project.run(&["build"]);
    assert_ne!(refused.code, Some(0));
    assert_snapshot!(project.complaints(&refused), @r#"
    error[unstorable-type]: `silver.nameless`: column 1: it has no name; give it one with `as`
     --> models/silver/nameless.sql:1:1
      |
    1 | select 1 as "", 2 as id, 3 as "ID"
      | ^
    error[unstorable-type]: `silver.nameless`: the column names `id` and `ID` are the same
     --> models/silver/nameless.sql:1:1
      |
    1 | select 1 as "", 2 as id, 3 as "ID"
      | ^
    error[unstorable-type]: `silver.spans`: column `span` is interval, which cannot be stored; cast it to `varchar`, or turn it into a number such as seconds with `date_part('epoch', …)`
     --> models/silver/spans.sql:1:1
      |
    1 | select 1 as id, interval '1 day' as span, [time '10:00:00'] as times
      | ^
    error[unstorable-type]: `silver.spans`: column `times[]` is time, which cannot be stored; cast it to `varchar`
     --> models/silver/spans.sql:1:1
      |
    1 | select 1 as id, interval '1 day' as span, [time '10:00:00'] as times
      | ^
    "#);
    assert!(project.entries("dev").is_empty());
    // A view stores nothing, so it may have any type.
    project.write("models/silver/spans.sql", "{{ config(materialized='view') }} select interval '1 day' as span");
    project
        .write("models/gold/child.sql", "select timestamp '2024-01-01 00:00:00' + span as at from {{ ref('spans') }}");
    project.remove("models/silver/nameless.sql");
    project.ok(&["build"]);
    assert_eq!(project.rows("select * from gold.child"), ["2024-01-02T00:00:00"]);
}

#[test]
fn types_do_not_inherit_not_null_from_a_query() {
    let project = Project::new(&[
        ("models/silver/log.sql", "{{ config(materialized='incremental') }} select 1 as id, 'a' as name"),
        ("models/gold/child.sql", "select id, name from {{ ref('log') }}"),
    ]);
    project.ok(&["build"]);
    project.write(
        "models/silver/log.sql",
        "{{ config(materialized='incremental') }} select cast(null as bigint) as id, cast(null as varchar) as name",
    );
    project.ok(&["build"]);
    assert_eq!(project.rows("select id, name from gold.child order by id nulls last"), ["1|a", "null|null"]);
    let log = project.read("warehouse/silver/log/_delta_log/00000000000000000000.json");
    assert!(!log.contains("\\\"nullable\\\":false"), "{log}");
}

#[test]
fn types_of_literals_are_exact_in_filters_and_sums() {
    let project = Project::new(&[
        ("seeds/prices.csv", "id,price\n1,0.10\n2,0.20\n3,0.30\n"),
        ("seeds/prices.yml", "seeds: [{name: prices, config: {column_types: {price: 'decimal(18,2)'}}}]"),
        (
            "models/gold/sums.sql",
            "select sum(price) as sum, sum(price) = 0.6 as equal, sum(price) * 1.1 as more from {{ ref('prices') }}",
        ),
        ("models/gold/cheap.sql", "select id from {{ ref('prices') }} where price <= 0.2"),
    ]);
    project.ok(&["build"]);
    assert_eq!(project.exact("select * from gold.sums"), r#"{"sum": 0.60, "equal": true, "more": 0.660}"#);
    assert_eq!(project.rows("select count(*) from gold.cheap"), ["2"]);
}

#[test]
fn types_of_seeds_round_numbers_with_more_decimals() {
    let project = Project::new(&[
        (
            "seeds/amounts.csv",
            "id,amount,whole\n1,1.505,2.5\n2,-1.505,9.5\n3,9.999,-0.4\n4,.005,.5\n5,2,7\n6,-0.004,0.49\n",
        ),
        (
            "seeds/amounts.yml",
            "seeds: [{name: amounts, config: {column_types: {amount: 'decimal(10,2)', whole: 'decimal(5,0)'}}}]",
        ),
    ]);
    project.ok(&["seed"]);
    assert_eq!(
        project.rows(
            "select cast(amount as varchar) || '/' || cast(whole as varchar) as v from {{ ref('amounts') }} order by id"
        ),
        ["1.51/3", "-1.51/10", "10.00/0", "0.01/1", "2.00/7", "0.00/0"]
    );
}

#[test]
fn types_of_rounded_sums_are_stored_as_planned() {
    // The engine's planner foretells another precision than its function gives.
    let project = Project::new(&[(
        "models/gold/rounded.sql",
        "select k, round(sum(cast(v as decimal(12, 2))), 2) as total, round(sum(cast(v as decimal(12, 2))), 1) as less \
         from (values ('a', 1.25), ('a', 2.5), ('b', 3)) as t(k, v) group by k",
    )]);
    project.ok(&["build"]);
    assert_eq!(project.rows("select k, total, less from gold.rounded order by k"), ["a|3.75|3.8", "b|3.0|3.0"]);
}

/// `information_schema` counts columns from one and names types as SQL does; a view that is broken does not hide the rest.
#[test]
fn information_schema_is_that_of_the_standard() {
    let project = Project::new(&[
        ("dbt_project.yml", "name: p\nversion: '1.0'\n"),
        (
            "models/t.sql",
            "{{ config(materialized='table') }} select 1::int as a, 'x' as b, 1.50::decimal(10, 2) as c, timestamp '2024-01-01' as d",
        ),
        ("models/v.sql", "select a from {{ ref('t') }}"),
        ("models/listed.sql", "select column_name from information_schema.columns where table_name = 't'"),
    ]);
    project.ok(&["build"]);
    let columns = "select column_name, ordinal_position, data_type, numeric_precision, numeric_scale, is_nullable \
                   from information_schema.columns where table_name = 't' order by ordinal_position";
    assert_eq!(
        project.rows(columns),
        [
            "a|1|integer|32|0|YES",
            "b|2|varchar|null|null|YES",
            "c|3|decimal(10,2)|10|2|YES",
            "d|4|timestamp|null|null|YES"
        ]
    );
    let tables = "select table_schema, table_name, table_type from information_schema.tables order by 2";
    assert_eq!(project.rows(tables), ["main|listed|VIEW", "main|t|BASE TABLE", "main|v|VIEW"]);
    assert_eq!(
        project.rows("select schema_name from INFORMATION_SCHEMA.schemata order by 1"),
        ["information_schema", "main"]
    );
    assert_eq!(project.rows("select count(*) as n from main.listed"), ["4"]);
    project.write("models/t.sql", "{{ config(materialized='table') }} select 2 as z");
    project.remove("models/v.sql");
    project.ok(&["run", "--select", "t"]);
    assert_eq!(
        project.rows("select column_name from information_schema.columns where table_name in ('t', 'v')"),
        ["z"]
    );
}

#[test]
fn types_of_columns_are_told_in_sql_and_counted_from_one() {
    let project = Project::new(&[(
        "models/gold/kinds.sql",
        "{{ config(materialized='table') }} select 1::int as a, 'x' as b, 1.5 as c, date '2024-01-01' as d, timestamp '2024-01-01' as e,
         timestamptz '2024-01-01 00:00:00Z' as f, [1] as g, true as h, 1.5::double as i, named_struct('x', 1, 'y', ['a']) as j",
    )]);
    project.ok(&["run"]);
    // Under an alias, in a part of a query, and in quotes.
    let of = |from: &str| {
        project.rows(&format!(
            "with them as (select * from {from} where c.table_name = 'kinds')
             select c.column_name || ' ' || c.ordinal_position || ' ' || c.data_type from them as c order by c.ordinal_position"
        ))
    };
    let found = of("information_schema.columns as c");
    assert_eq!(
        found,
        [
            "a 1 integer",
            "b 2 varchar",
            "c 3 decimal(2,1)",
            "d 4 date",
            "e 5 timestamp",
            "f 6 timestamptz",
            "g 7 bigint[]",
            "h 8 boolean",
            "i 9 double",
            "j 10 struct(x bigint, y varchar[])",
        ]
    );
    assert_eq!(of("\"INFORMATION_SCHEMA\".\"COLUMNS\" as c".to_lowercase().as_str()), found);
    assert_eq!(of("shop.information_schema.columns as c"), found);
    assert_eq!(
        project.rows("select information_schema.columns.ordinal_position from information_schema.columns where columns.column_name = 'j'"),
        ["10"]
    );
}
