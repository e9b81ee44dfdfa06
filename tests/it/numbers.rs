//! What numbers mean in SQL, and what is computed twice: as in `DuckDB`, against which each case was run.

use crate::dialect::check;
use crate::support::Project;

/// What differs in a cast alone is not the same.
#[tokio::test(flavor = "multi_thread")]
async fn casts_tell_what_is_computed_apart() {
    let days = "from (values ('2024-01-01'), ('2024-01-02')) t(x)";
    check(
        &[
            ("select sum(x::int) a, sum(x::double) b from (values ('1'), ('2')) t(x)", "3|3.0"),
            (&format!("select count(distinct x::date) a, count(x::varchar) b, count(x) c {days}"), "2|2|2"),
            (&format!("select x::date a, x::timestamp b, count(*) c {days} group by x::date, x::timestamp order by 1 limit 1"),
             "2024-01-01|2024-01-01T00:00:00|1"),
            (&format!("select x::date a, date_trunc('month', x::timestamp) b, date_trunc('month', x::date) c {days} order by 1 limit 1"),
             "2024-01-01|2024-01-01T00:00:00|2024-01-01T00:00:00"),
            ("select sum(x::bigint) over () a, sum(x) over () b from (values (1), (2)) t(x)", "3|3; 3|3"),
            ("select x::int, x::varchar || 'a' from (values (1)) t(x)", "1|1a"),
        ],
        false,
    )
    .await;
}

/// A column without a name of its own has a number where an earlier one has its name; tables, too.
#[tokio::test(flavor = "multi_thread")]
async fn columns_are_numbered_that_are_there_twice() {
    let one = "from (values (1, 2)) t(a, b)";
    check(
        &[
            (&format!("select a_1 + b_1 from (select a, b, a, t.b {one})"), "3"),
            (&format!("select a_2 from (select a, 5 as a_1, a {one})"), "1"),
            (&format!("select a_1 from (select *, a {one})"), "1"),
            (&format!("select sum(a), sum(a), count(*), count(*), 1, 1 {one}"), "1|1|1|1|1|1"),
            ("select g, sum(b) as b from (values (1, 2), (1, 3), (2, 4)) t(g, b) group by g order by max(b) desc", "2|4; 1|5"),
            ("select g, sum(b) as b from (values (1, 2), (1, 3), (2, 4)) t(g, b) group by g order by sum(b) + 1 desc", "1|5; 2|4"),
        ],
        false,
    )
    .await;
    let project = Project::new(&[
        ("dbt_project.yml", "name: shop\nversion: '1.0'\n"),
        ("models/m.sql", "select a.id, b.id from (values (1)) a(id) join (values (1)) b(id) on a.id = b.id"),
    ]);
    project.ok(&["run"]);
    assert_eq!(project.text("select id + id_1 from main.m"), "2");
}

/// A number that becomes an integer is rounded: decimals and texts half away from zero, floats half to even.
#[tokio::test(flavor = "multi_thread")]
async fn casts_to_integers_round() {
    let (exact, float) = ("from (values (2.5), (3.4), (3.5)) t(x)", "from (values (2.5::double), (3.4), (3.5)) t(x)");
    check(
        &[
            (
                "select 2.5::int, (-2.5)::int, 2.5::double::int, 3.5::double::bigint, (0.29::double * 100)::int",
                "3|-3|2|4|29",
            ),
            (
                "select '2.7'::int, try_cast('-2.5' as bigint), try_cast('1.x' as int), cast('1e3' as int), '.5'::int",
                "3|-3|NULL|1000|1",
            ),
            ("select avg(x)::int from (values (1), (2)) t(x)", "2"),
            // No comparison is taken through the cast.
            (&format!("select x {exact} where x::int = 3 order by x"), "2.5; 3.4"),
            (&format!("select x {float} where cast(x as int) = 4"), "3.5"),
            (&format!("select x::int, count(*) {exact} group by x::int order by 1"), "3|2; 4|1"),
            ("select try_cast(3e9 as int), try_cast(3e9 as bigint)", "NULL|3000000000"),
            ("select cast('abc' as int)", "error: `abc` is not a valid integer"),
            ("select cast(3e9 as int)", "error: 3000000000"),
        ],
        false,
    )
    .await;
}

/// A float that meets a decimal stays a float, and so is what has an exponent, and the average of decimals.
#[tokio::test(flavor = "multi_thread")]
async fn floats_stay_floats_beside_decimals() {
    check(
        &[
            (
                "select coalesce(x, 0.0) = x, case when x > 0 then x else 0.0 end = x, greatest(x, 0.0) = x, x > 0.0, \
                 x in (0.3, 0.5), x between 0.0 and 1.0 from (values (1e-18)) t(x)",
                "true|true|true|true|false|true",
            ),
            ("select x > 0.5, coalesce(x, 0.0) = x from (values (1e25)) t(x)", "true|true"),
            ("select 0.1::double + 0.2::double = 0.3", "false"),
            ("select typeof(x) from (select 1.5::double as x union all select 0.25) limit 1", "DOUBLE"),
            ("select typeof(x) from (values (1.5::double), (0.25)) t(x) limit 1", "DOUBLE"),
            ("select a.x from (values (1.5::double)) a(x) join (values (1.50)) b(x) on a.x = b.x", "1.5"),
            ("select 1e15 = 1000000000000000, 1e15::bigint, 1.5e3", "true|1000000000000000|1500.0"),
            ("select avg(case when x then 1.0 else 0 end) from (values (true), (true), (false)) t(x)", "0.6666666666666666"),
            ("select avg(x), avg(distinct x) from (values (1.1), (2.2), (3.3), (3.3), (null)) t(x)", "2.475|2.2"),
            ("select g, avg(x) from (values (1, 1.10), (1, 1.20), (2, 5.49), (3, null)) t(g, x) group by g order by g",
             "1|1.15; 2|5.49; 3|NULL"),
            ("select avg(x) over (order by x rows between 1 preceding and current row) from (values (1.1), (2.2), (3.3)) t(x)",
             "1.1; 1.65; 2.75"),
            ("select extract(hour from timestamp '2024-01-03 12:00:00' - timestamp '2024-01-02 00:00:00')", "12"),
        ],
        false,
    )
    .await;
}

/// Integers that do not fit are an error, never another number.
#[tokio::test(flavor = "multi_thread")]
async fn integers_do_not_wrap_around() {
    let most = "from (values (9223372036854775807), (1)) t(x)";
    check(
        &[
            ("select 9223372036854775807 + 1", "error: "),
            (&format!("select x * 2 {most}"), "error: "),
            (&format!("select -2 - x {most}"), "error: "),
            ("select 100000::int * 100000::int", "error: "),
            (&format!("select sum(x) {most}"), "error: the sum of integers is beyond bigint"),
            (&format!("select 1 % 2 as g, sum(x) {most} group by x % 1"), "error: the sum of integers is beyond bigint"),
            ("select sum(x) from (values (9223372036854775807), (1), (-1)) t(x)", "9223372036854775807"),
            ("select x + 1, x - 1, x * 2 from (values (5), (null)) t(x)", "6|4|10; NULL|NULL|NULL"),
            ("select g, sum(x), sum(x) filter (where x > 1) from (values (1, 1), (1, 2), (2, null)) t(g, x) group by g order by g",
             "1|3|2; 2|NULL|NULL"),
            ("select sum(x) over (order by x rows between 1 preceding and current row) from (values (1), (2), (3)) t(x)", "1; 3; 5"),
        ],
        false,
    )
    .await;
}

/// Conditions that may fail are asked of the rows alone that other conditions keep.
#[tokio::test(flavor = "multi_thread")]
async fn conditions_that_may_fail_wait_for_others() {
    let from = "from (values ('1'), ('2'), ('3'), ('abc')) t(x)";
    check(
        &[
            (&format!("select n from (select x::int as n from (select * {from} where x ~ '^[0-9]+$')) where n > 1"), "2; 3"),
            (&format!("with a as (select * {from} where x <> 'abc'), b as (select x::int n, x from a) select x from b where n > 1 and n < 3"), "2"),
            (&format!("select x {from} where x ~ '^[0-9]+$' and x::int > 1"), "2; 3"),
            ("select a / b from (values (4, 2), (1, 0), (9, 3), (8, 2)) t(a, b) where b <> 0 and a / b > 2", "3; 4"),
            (&format!("select n from (select x::int as n {from}) where n > 1"), "error: `abc` is not a valid integer"),
        ],
        false,
    )
    .await;
}

/// Keys are made of the texts of floats; intervals are as long as their months of thirty days.
#[tokio::test(flavor = "multi_thread")]
async fn floats_have_their_text_and_intervals_their_length() {
    let duration = "(timestamp '2024-01-03 12:00:00' - timestamp '2024-01-02 00:00:00')";
    check(
        &[
            ("select 1e20::text, 1e-5::varchar, 0.0001::double::text, 1e15::text, 1e16 || '', 'inf'::double::text", "1e+20|1e-05|0.0001|1000000000000000.0|1e+16|inf"),
            ("select 100::double::text, (-1.5)::double::text, 1.25e-7::text, 0.1::real::text, 'nan'::double::text, x::text from (values (null::double)) t(x)", "100.0|-1.5|1.25e-07|0.1|nan|NULL"),
            ("select interval '1 month' = interval '30 days', interval '1 day' < interval '25 hours'", "true|true"),
            (&format!("select {duration} > interval '1 day', {duration} < interval '2 days', {duration} = interval '36 hours'"), "true|true|true"),
        ],
        false,
    )
    .await;
}
