//! dbt's functions and objects.

use std::sync::Arc;

use serde_json::json;

use crate::manifest::version::Version;
use crate::template::host::MessageLevel;
use crate::template::tests::{TestHost, check, check_with, render_with, templates};

#[test]
fn relations() {
    check(&[
        (
            "{{ ref('a') }} {{ ref('p', 'b') }} {{ source('s', 't') }}",
            r#""shop"."gold"."a" "shop"."gold"."b" "shop"."s"."t""#,
        ),
        (
            "{{ this.schema }}.{{ this.identifier }} {{ this.name }} {{ this.database }} {{ this.type }} {{ this.is_table }}",
            "gold.orders orders shop table True",
        ),
        (
            "{{ this.include(database=false) }} {{ this.quote(identifier=false) }} {{ this.include(database=false, schema=false).render() }}",
            r#""gold"."orders" "shop"."gold".orders "orders""#,
        ),
        (
            "{{ api.Relation.create(schema='s', identifier='t') }} {{ ref('orders') == this }} {{ ref('a') == this }}",
            r#""s"."t" True False"#,
        ),
        (
            "{{ adapter.get_relation('shop', 'gold', 'orders') is not none }}{{ load_relation(ref('nope')) }}",
            "TrueNone",
        ),
        (
            "{% for c in adapter.get_columns_in_relation(ref('orders')) %}{{ c.name }} {{ c.data_type }} {{ c.dtype }} {{ c.quoted }} {{ c.is_number() }} {{ c.is_string() }};{% endfor %}",
            r#"id bigint bigint "id" True False;amount decimal(18,2) decimal "amount" True False;"#,
        ),
        ("{{ adapter.get_missing_columns(ref('wide'), ref('orders')) | map(attribute='name') | list }}", "['note']"),
        (
            "{{ adapter.quote('a\"b') }} {{ adapter.type() }} {{ api.Column('x', 'varchar(5)').is_string() }}",
            "\"a\"\"b\" karat True",
        ),
        (
            "{{ adapter.list_relations('shop', 'gold') | length }}{{ adapter.check_schema_exists('shop', 'gold') }}",
            "2True",
        ),
    ]);
}

#[test]
fn context() {
    check(&[
        (
            "{{ target.name }} {{ target.schema }} {{ target['threads'] }} {{ flags.FULL_REFRESH }} {{ flags.WHICH }}",
            "dev dbt_me 4 False run",
        ),
        ("{{ var('days') + 1 }} {{ var('none', 'd') }} {{ var.has_var('days') }} {{ var('keys')[1] }}", "8 d True b"),
        ("{{ env_var('HOME_TOWN') }} {{ env_var('NOPE', 'x') }}", "Bonn x"),
        (
            "{{ model.name }} {{ model.config.materialized }} {{ invocation_id }} {{ execute }} {{ is_incremental() }}",
            "orders table 1234 True True",
        ),
        (
            "{% for n in graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') %}{{ n.name }}{% endfor %}",
            "a",
        ),
        (
            "{{ config(materialized='view', tags=['a']) }}{{ config({'x': 1}) }}{{ config.get('materialized') }}{{ config.get('y', 'd') }}{{ config.require('x') }}{{ config.tags }}",
            "viewd1['a']",
        ),
        ("{{ builtins.ref('a').identifier }}{{ render('{{ 1 + 1 }}') }}{{ should_full_refresh() }}", "a2False"),
        ("{{ try_or_compiler_error('x', var, 'days') }}", "7"),
    ]);
    check_with(
        &[("shop", "{% macro ref(name) %}{{ return(builtins.ref('my_' ~ name)) }}{% endmacro %}")],
        &[("{{ ref('a') }}", r#""shop"."gold"."my_a""#)],
    );
}

#[test]
fn calls_reach_the_host() {
    let host = Arc::new(TestHost::default());
    let text = "{{ log('quiet') }}{{ log('loud', info=true) }}{% do print([1]) %}{% do exceptions.warn('careful') %}{{ ref('a', v=2) }}{{ config(unique_key=['a'], meta={'o': 1}) }}";
    render_with(&templates(&[]), &host, text).unwrap();
    let messages = host.messages.lock().unwrap().clone();
    let expected = [
        (MessageLevel::Debug, "quiet"),
        (MessageLevel::Info, "loud"),
        (MessageLevel::Print, "[1]"),
        (MessageLevel::Warning, "careful"),
    ];
    assert_eq!(messages, expected.map(|(level, text)| (level, text.to_owned())));
    let call = host.refs.lock().unwrap()[0].clone();
    let place = call.location.unwrap();
    assert_eq!((call.version.as_ref().map(Version::as_str), &text[place.range]), (Some("2"), "ref('a', v=2)"));
    assert_eq!(host.config.lock().unwrap()["meta"], json!({"o": 1}));
}

#[test]
fn queries() {
    check(&[
        (
            "{% set r = run_query('select 1') %}{{ r.columns[0].values() }}{{ r.columns['name'].values() }}{{ r.rows | length }}{{ r | length }}",
            "(1, 2, 3)('fern', 'ivy', None)33",
        ),
        (
            "{% for row in run_query('q') %}{{ row['id'] }}{{ row[1] }}{{ row.amount }},{% endfor %}",
            "1fern10.50,2ivy-0.05,3NoneNone,",
        ),
        (
            "{% set r = run_query('q') %}{{ r.column_names }}{{ r[0].amount + 1 }} {{ r[0].amount > r[1]['amount'] }} {{ r.rows[1]['at'] }} {{ r[0].amount * 2 == 21 }}",
            "('id', 'Name', 'amount', 'at')11.50 True 1970-01-01 00:00:01.500000+00:00 True",
        ),
        (
            "{% call statement('s', fetch_result=true) %}select {{ 1 }}{% endcall %}{% set s = load_result('s') %}{{ s.data[0][0] }}{{ s['table'].columns[1].name }}{{ load_result('none') }}",
            "1NameNone",
        ),
        ("{% if run_query('q') %}yes{% endif %}{{ get_columns_in_query('q') | join }}", "yesidNameamountat"),
        ("{{ tojson({'x': run_query('q').columns[2].values()}) }}", r#"{"x": [10.5, -0.05, null]}"#),
    ]);
    let host = Arc::new(TestHost { execute: false, ..TestHost::default() });
    let text = "{% set r = run_query('select 1') %}{% if execute %}{{ r.columns }}{% endif %}{{ adapter.get_relation('a', 'b', 'c') }}{{ adapter.get_columns_in_relation(this) }}{{ is_incremental() }}";
    let rendered = render_with(&templates(&[]), &host, text).unwrap();
    assert_eq!((rendered.sql.as_str(), rendered.introspective), ("None[]False", true));
    assert!(host.queries.lock().unwrap().is_empty());
}
