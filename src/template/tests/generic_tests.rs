//! The SQL of the generic tests; what they find is tested where there is an engine.

use crate::template::tests::check;

#[test]
fn they_render() {
    check(&[
        (
            "{{ test_unique(ref('o'), 'id') }}",
            "select id as unique_field, count(*) as n_records\nfrom \"shop\".\"gold\".\"o\"\nwhere id is not null\ngroup by id\nhaving count(*) > 1",
        ),
        (
            "{{ test_not_null(model=ref('o'), column_name='id') }}",
            "select *\nfrom \"shop\".\"gold\".\"o\"\nwhere id is null",
        ),
        (
            "{{ test_accepted_values('o', 's', ['a', \"it's\", 3]) }}",
            "with all_values as (\n  select s as value_field, count(*) as n_records\n  from o\n  group by s\n)\nselect *\nfrom all_values\nwhere value_field not in (\n  'a',\n  'it''s',\n  '3'\n)",
        ),
        (
            "{{ test_accepted_values('o', 's', [1, 2], quote=false) }}",
            "with all_values as (\n  select s as value_field, count(*) as n_records\n  from o\n  group by s\n)\nselect *\nfrom all_values\nwhere value_field not in (\n  1,\n  2\n)",
        ),
        (
            "{{ test_relationships('o', 'u', to=ref('users'), field='id') }}",
            "with child as (\n  select u as from_field\n  from o\n  where u is not null\n),\nparent as (\n  select id as to_field\n  from \"shop\".\"gold\".\"users\"\n)\nselect from_field\nfrom child\nleft join parent on child.from_field = parent.to_field\nwhere parent.to_field is null",
        ),
        (
            "{{ test_no_negatives('o', 'a') }}",
            "select *\nfrom o\nwhere a is not null\n  and coalesce(try_cast(trim(cast(a as varchar)) as double) + cast(0 as double) < cast(0 as double), true)",
        ),
        (
            "{{ config(where='x > 1') }}{{ test_not_null(get_where_subquery(ref('o')), 'id') }}",
            "select *\nfrom (select * from \"shop\".\"gold\".\"o\" where x > 1) as dbt_subquery\nwhere id is null",
        ),
    ]);
}
