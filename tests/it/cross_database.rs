//! The macros that dbt's packages call instead of SQL that differs between databases, and packages as they are written.

use std::fmt::Write as _;

use crate::support::Project;

/// (template, what its value is as text; `null` for null)
const CASES: &[(&str, &str)] = &[
    ("dbt.dateadd('month', 1, \"cast('2024-01-31' as date)\")", "2024-02-29"),
    ("dbt.dateadd('hour', -2, \"'2024-01-01 01:30:00'\")", "2023-12-31 23:30:00"),
    ("dbt.dateadd(datepart='DAY', interval='1 + 1', from_date_or_timestamp=\"date '2024-01-01'\")", "2024-01-03"),
    ("dbt.dateadd('day', 'row_number() over (order by 1) - 1', \"date '2024-01-01'\")", "2024-01-01"),
    ("dbt.datediff(\"'1999-12-31 23:59:59.999999'\", \"'2000-01-01 00:00:00.000000'\", 'microsecond')", "1"),
    ("dbt.datediff(\"'1999-12-31 23:59:59.999999'\", \"'2000-01-01 00:00:00'\", 'quarter')", "1"),
    ("dbt.datediff(\"'2019-12-31'\", \"'2019-12-27'\", 'week')", "-1"),
    ("dbt.datediff(\"'2019-12-31'\", \"'2020-01-06 02:00:00'\", 'week')", "1"),
    ("dbt.datediff(\"cast(null as date)\", \"'2020-01-06'\", 'day')", "null"),
    ("dbt.date_trunc('month', \"timestamp '2018-01-05 12:00:00'\")", "2018-01-01 00:00:00"),
    ("dbt.last_day(\"date '2018-01-02'\", 'quarter')", "2018-03-31"),
    ("dbt.last_day(\"'2018-01-02'\", 'YEAR')", "2018-12-31"),
    ("dbt.date(2023, 9, 7)", "2023-09-07"),
    ("dbt.current_timestamp() ~ ' is not null'", "true"),
    ("dbt.safe_cast(\"'x'\", dbt.type_int())", "null"),
    ("dbt.cast(\"'12'\", dbt.type_bigint())", "12"),
    ("dbt.cast(\"'1.5'\", dbt.type_numeric())", "1.500000"),
    ("dbt.cast(\"'1.5'\", dbt.type_float())", "1.5"),
    ("dbt.cast(\"'1'\", dbt.type_boolean())", "true"),
    ("dbt.cast(\"'2024-01-01'\", dbt.type_timestamp())", "2024-01-01 00:00:00"),
    ("dbt.cast(\"'é'\", dbt.type_string())", "é"),
    ("dbt.cast(\"'é'\", api.Column.string_type(10))", "é"),
    ("dbt.cast_bool_to_text('1 = 1')", "true"),
    ("dbt.cast_bool_to_text('null')", "null"),
    ("dbt.concat([\"'a'\", \"''\", \"'b'\"])", "ab"),
    ("dbt.concat([\"'a'\", 'null'])", "null"),
    ("dbt.hash(\"'ab'\")", "187ef4436122d1cc2f40dc2b92f0eba0"),
    ("dbt.hash('1')", "c4ca4238a0b923820dcc509a6f75849b"),
    ("dbt.hash(\"''\")", "d41d8cd98f00b204e9800998ecf8427e"),
    ("dbt.length(\"'straße'\")", "6"),
    ("dbt.position(\"'town'\", \"'fishtown'\")", "5"),
    ("dbt.position(\"'land'\", \"'earth'\")", "0"),
    ("dbt.replace(\"'http://google.com'\", \"'http://'\", \"''\")", "google.com"),
    ("dbt.right(\"'december'\", 5)", "ember"),
    ("dbt.right(\"'december'\", 0)", ""),
    ("dbt.split_part(\"'1|2|3'\", \"'|'\", 2)", "2"),
    ("dbt.split_part(\"'1|2|3'\", \"'|'\", -1)", "3"),
    ("dbt.string_literal(dbt.escape_single_quotes(\"they're\"))", "they're"),
    ("dbt.string_literal(none)", "None"),
    ("dbt.equals('null', 'null')", "true"),
    ("dbt.equals('1', 'null')", "false"),
    ("dbt.array_append(dbt.array_construct([1, 2]), 3)", "[1, 2, 3]"),
    ("dbt.array_append(dbt.array_construct([]), 4)", "[4]"),
    ("dbt.array_append(dbt.array_construct([], dbt.type_string()), \"'a'\")", "[a]"),
    ("dbt.array_concat(dbt.array_construct([1]), dbt.array_construct([]))", "[1]"),
    ("dbt.string_literal(dbt.get_powers_of_two(100))", "7"),
    ("dbt.string_literal(dbt.get_powers_of_two(128))", "7"),
];

#[test]
fn expressions() {
    let mut model = String::from("{{ config(materialized='table') }}\n");
    for (number, (template, _)) in CASES.iter().enumerate() {
        let union = if number == 0 { "" } else { "union all " };
        let value = format!("coalesce(cast({{{{ {template} }}}} as varchar), 'null')");
        let _ = writeln!(model, "{union}select {number} as id, {value} as result");
    }
    let project = Project::new(&[("models/cases.sql", &model)]);
    project.ok(&["build"]);
    let found = project.rows("select result from main.cases order by id");
    let expected: Vec<&str> = CASES.iter().map(|(_, expected)| *expected).collect();
    for ((template, expected), found) in CASES.iter().zip(&found) {
        assert_eq!(found, expected, "{template}");
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn aggregates_sets_and_series() {
    let project = Project::new(&[
        (
            "seeds/rows.csv",
            "g,t,o,a,b\n1,a,1,1,1\n1,b,2,1,0\n1,c,3,0,1\n2,a,2,1,0\n2,1,1,1,0\n2,p,3,1,0\n3,g,1,0,\n3,g,2,1,\n3,g,3,1,\n",
        ),
        (
            "models/lists.sql",
            "select g, {{ dbt.listagg('t', \"'_|_'\", 'order by o') }} as all_of_them,\n\
             {{ dbt.listagg('t', \"'_|_'\", 'order by o', 2) }} as two, {{ dbt.listagg('distinct g') }} as g_once,\n\
             {{ dbt.any_value('g') }} as any_g, {{ dbt.bool_or('a = b') }} as some_equal\n\
             from {{ ref('rows') }} group by g",
        ),
        (
            "models/sets.sql",
            "select n from (select 1 as n union all select 2) {{ dbt.except() }} select 2 as n union all (select 3 as n \
             {{ dbt.intersect() }} select 3 as n)",
        ),
        ("models/days.sql", "{{ dbt.date_spine('day', \"cast('2023-09-29' as date)\", dbt.date(2023, 10, 2)) }}"),
        ("models/hours.sql", "{{ dbt.date_spine('hour', \"'2023-09-29 22:30:00'\", \"'2023-09-30'\") }}"),
        ("models/none.sql", "{{ dbt.date_spine('month', \"'2023-09-29'\", \"'2023-01-01'\") }}"),
        ("models/numbers.sql", "{{ dbt.generate_series(4) }}"),
        (
            "models/asked.sql",
            "select {{ dbt.get_intervals_between(\"'2023-09-01'\", \"'2023-09-12'\", 'day') }} as days",
        ),
    ]);
    project.ok(&["build"]);
    assert_eq!(
        project.rows("select * from main.lists order by g"),
        ["1|a_|_b_|_c|a_|_b|1|1|true", "2|1_|_a_|_p|1_|_a|2|2|false", "3|g_|_g_|_g|g_|_g|3|3|null"]
    );
    assert_eq!(project.rows("select * from main.sets order by n"), ["1", "3"]);
    assert_eq!(project.rows("select * from main.days order by 1"), ["2023-09-29", "2023-09-30", "2023-10-01"]);
    assert_eq!(project.rows("select * from main.hours order by 1"), ["2023-09-29T22:30:00", "2023-09-29T23:30:00"]);
    assert!(project.rows("select * from main.none").is_empty());
    assert_eq!(project.rows("select * from main.numbers order by 1"), ["1", "2", "3", "4"]);
    assert_eq!(project.rows("select * from main.asked"), ["11"]);
}

#[test]
fn a_project_and_karat_s_own_variant_go_before_the_defaults() {
    let project = Project::new(&[
        (
            "macros/own.sql",
            "{% macro default__hash(field) %}'default of the project'{% endmacro %}\n\
             {% macro karat__length(expression) %}'karat of the project'{% endmacro %}\n\
             {% macro right(a, b) %}'right of the project'{% endmacro %}\n\
             {% macro postgres__position(a, b) %}'of another database'{% endmacro %}\n",
        ),
        (
            "models/m.sql",
            "select {{ dbt.hash('1') }} as h, {{ dbt.length('1') }} as l, {{ right('1', 2) }} as r, \
             {{ dbt.position(\"'b'\", \"'ab'\") }} as p",
        ),
    ]);
    project.ok(&["build"]);
    assert_eq!(
        project.rows("select * from main.m"),
        ["default of the project|karat of the project|right of the project|2"]
    );
}

#[test]
fn a_package_asks_what_a_relation_is() {
    let check = "{% macro check(x) %}{% if x is mapping and x.get('metadata', {}).get('type', '').endswith('Relation') \
                 %}relation{% else %}no relation{% endif %}{% endmacro %}";
    let project = Project::new(&[
        ("project.yml", "name: shop\nversion: '1.0'\n"),
        ("dbt_packages/tools/dbt_project.yml", "name: tools\nversion: '1.0'\n"),
        ("dbt_packages/tools/macros/check.sql", check),
        ("models/a.sql", "select 1 as x"),
        ("models/b.sql", "select '{{ tools.check(ref('a')) }}' as r, '{{ tools.check('text') }}' as t"),
    ]);
    project.ok(&["build"]);
    assert_eq!(project.rows("select * from main.b"), ["relation|no relation"]);
}
