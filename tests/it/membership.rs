//! `in (select …)` and `exists` wherever a value may stand, with null among the values and without.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::dialect::{rows, session};

/// Relations of the queries: `t` and `s` with null, `n` without, `e` empty.
const RELATIONS: &str = "with t(a, g) as (values (1, 1), (2, 1), (null, 2)), s(v, h) as (values (1, 1), (null, 1)), \
                         n(v, h) as (values (1, 1), (3, 2)), e as (select * from n where v > 100) ";

/// Queries and their rows, sorted as text, as DuckDB gives them.
#[rustfmt::skip]
const CASES: [(&str, &str); 69] = [
    ("select a, a in (select v from s) as b from t", "1|true; 2|NULL; NULL|NULL"),
    ("select a, a not in (select v from s) as b from t", "1|false; 2|NULL; NULL|NULL"),
    ("select a, a in (select v from n) as b from t", "1|true; 2|false; NULL|NULL"),
    ("select a, a not in (select v from n) as b from t", "1|false; 2|true; NULL|NULL"),
    ("select a, a in (select v from e) as b from t", "1|false; 2|false; NULL|false"),
    ("select a, a not in (select v from e) as b from t", "1|true; 2|true; NULL|true"),
    ("select a from t where a not in (select v from s) or a = 2", "2"),
    ("select a from t where not (a in (select v from s) or a = 7)", ""),
    ("select a from t where not (a in (select v from n) or a = 7)", "2"),
    ("select a from t where coalesce(a in (select v from s), true)", "1; 2; NULL"),
    ("select a from t where a in (select v from s) or a = 2", "1; 2"),
    ("select a from t where a not in (select v from s)", ""),
    ("select a from t where a not in (select v from n)", "2"),
    ("select a from t where a not in (select v from e)", "1; 2; NULL"),
    ("select a from t where not (a not in (select v from s))", "1"),
    ("select a from t where a not in (select v from s where h = g)", "NULL"),
    ("select a from t where a not in (select v from n where h = g)", "2"),
    ("select a from t where a not in (select v from s where h = g) or g = 7", "NULL"),
    ("select a, a in (select v from s where h = g) as b from t", "1|true; 2|NULL; NULL|false"),
    ("select a, a in (select v from n where h = g) as b from t", "1|true; 2|false; NULL|NULL"),
    ("select a, case when a not in (select v from s) then 'out' else 'in' end as b from t", "1|in; 2|in; NULL|in"),
    ("select a, case when a in (select v from s) then 'in' else 'out' end as b from t", "1|in; 2|out; NULL|out"),
    ("select a, (a in (select v from s)) is null as b from t", "1|false; 2|true; NULL|true"),
    ("select g, count(*) filter (where a in (select v from s)) as b from t group by g", "1|1; 2|0"),
    ("select g, sum(case when a in (select v from n) then 1 else 0 end) as b from t group by g", "1|1; 2|0"),
    ("select g from t group by g having max(a) not in (select v from s)", ""),
    ("select g from t group by g having max(a) in (select v from s) or g = 2", "2"),
    ("select t.a from t join n on t.a in (select v from s)", "1; 1"),
    ("select t.a, n.v from t left join n on t.a = n.v and t.a in (select v from s)", "1|1; 2|NULL; NULL|NULL"),
    ("select a in (select v from s) as b, count(*) as c from t group by 1", "NULL|2; true|1"),
    ("select a from t where (a in (select v from s)) = false", ""),
    ("select a from t where (a in (select v from s)) is not true", "2; NULL"),
    ("select a from t where not exists (select 1 from s where v = a)", "2; NULL"),
    ("select a from t where a in (select v from s union all select v from n)", "1"),
    ("select a, a in (select v from s union all select v from n) as b from t", "1|true; 2|NULL; NULL|NULL"),
    ("select a, a in (select max(v) from s group by h) as b from t", "1|true; 2|false; NULL|NULL"),
    ("select a, a in (select v from s limit 1) as b from t", "1|true; 2|false; NULL|NULL"),
    ("select a, a + 1 in (select v from s) as b from t", "1|NULL; 2|NULL; NULL|NULL"),
    ("select a, a in (select v + 0.5 from n) as b from t", "1|false; 2|false; NULL|NULL"),
    ("select a from t where a <> all (select v from n)", "2"),
    ("select a from t where a = any (select v from n)", "1"),
    ("select a, exists (select 1 from s where v = a) as b from t", "1|true; 2|false; NULL|false"),
    ("select a, a in (1, null) as b from t", "1|true; 2|NULL; NULL|NULL"),
    ("select a from t where a in (select v from s union all select v from n) or a = 2", "1; 2"),
    ("select a from t where a not in (select v from s union all select v from n) or a = 2", "2"),
    ("select a, count(*) over (partition by a in (select v from s)) as c, a in (select v from n) as d from t", "1|1|true; 2|2|false; NULL|2|NULL"),
    ("select a, (select count(*) from s where v = a) as c, a in (select v from n) as d from t", "1|1|true; 2|0|false; NULL|0|NULL"),
    ("select a in (select v from n) from t", "NULL; false; true"),
    ("select t.*, t.a in (select v from n) from t", "1|1|true; 2|1|false; NULL|2|NULL"),
    ("select a, a in (select v from n where v in (select v from s) or not (v in (select v from s))) as b from t", "1|true; 2|false; NULL|NULL"),
    ("select a, a in (select v from n where not (v in (select v from s))) as b from t", "1|false; 2|false; NULL|false"),
    ("select g in (select h from s) as x, max(a in (select v from n)) as y, count(*) as c from t group by 1 order by 1", "false|NULL|1; true|true|2"),
    ("select a, a in (select v from n) and g in (select h from s) as b, not (a in (select v from n) and g not in (select h from s)) as c from t", "1|true|true; 2|false|true; NULL|false|NULL"),
    ("select a from t union all select a from t where a in (select v from n) or false", "1; 1; 2; NULL"),
    ("select a, 'x' in (select 'x' from n) as b from t", "1|true; 2|true; NULL|true"),
    ("select a, null in (select v from n) as b from t", "1|NULL; 2|NULL; NULL|NULL"),
    ("select a, a in (select v from n where h > g) as b from t", "1|false; 2|false; NULL|false"),
    ("select a, a not in (select v from s where h >= g) as b from t", "1|false; 2|NULL; NULL|true"),
    ("select a, exists (select 1 from s where v > a) as b, not exists (select 1 from n where h = g and v <> a) as c from t", "1|false|true; 2|false|false; NULL|false|true"),
    ("select t.a from t left join n on not (t.a in (select v from s)) and n.v = t.a", "1; 2; NULL"),
    ("select t.a, n.v from t full join n on t.a = n.v and n.v in (select v from s)", "1|1; 2|NULL; NULL|3; NULL|NULL"),
    ("select x, x in (select v from n) as b from (select a + 1 as x from t) q", "2|false; 3|true; NULL|NULL"),
    ("select a, case a in (select v from n) when true then 'y' when false then 'n' else '?' end as b from t", "1|y; 2|n; NULL|?"),
    ("select a, if(a in (select v from s), 1, 0) as b from t", "1|1; 2|0; NULL|0"),
    ("select distinct a in (select v from s) as b from t", "NULL; true"),
    ("select a, a > all (select v from n) as b, a = any (select v from s) as c from t", "1|false|true; 2|false|NULL; NULL|NULL|NULL"),
    ("select (select max(v) from n) in (select v from s) as b", "NULL"),
    ("select 3 in (select v from s) as b", "NULL"),
    ("select 3 not in (select v from n) as b, exists (select 1 from e) as c", "false|false"),
];

#[tokio::test]
async fn a_predicate_on_a_query_may_stand_anywhere() {
    let session = session();
    for (sql, expected) in CASES {
        let found = rows(&session, &format!("{RELATIONS}{sql}")).await;
        let found = found.unwrap_or_else(|problem| format!("{problem:?}"));
        let mut found: Vec<&str> = found.split("; ").collect();
        found.sort_unstable();
        assert_eq!(found.join("; "), expected, "{sql}");
    }
}

/// A condition on `t.a` and the values of `s`.
#[derive(Debug, Clone)]
enum Condition {
    In,
    NotIn,
    InOfGroup,
    Is(i64),
    IsNull(Box<Condition>),
    IsTrue(Box<Condition>),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Coalesce(Box<Condition>, bool),
    Case(Box<Condition>, Box<Condition>),
}

impl Condition {
    fn sql(&self) -> String {
        match self {
            Self::In => "(a in (select v from s))".to_owned(),
            Self::NotIn => "(a not in (select v from s))".to_owned(),
            Self::InOfGroup => "(a in (select v from s where h = g))".to_owned(),
            Self::Is(value) => format!("(a = {value})"),
            Self::IsNull(inner) => format!("({} is null)", inner.sql()),
            Self::IsTrue(inner) => format!("({} is true)", inner.sql()),
            Self::Not(inner) => format!("(not {})", inner.sql()),
            Self::And(left, right) => format!("({} and {})", left.sql(), right.sql()),
            Self::Or(left, right) => format!("({} or {})", left.sql(), right.sql()),
            Self::Coalesce(inner, otherwise) => format!("coalesce({}, {otherwise})", inner.sql()),
            Self::Case(when, then) => format!("(case when {} then {} end)", when.sql(), then.sql()),
        }
    }

    /// The truth for one row of `t`, by the rules of three-valued logic.
    fn truth(&self, row: Row, values: &[Row]) -> Option<bool> {
        let found = |of_group: bool| {
            let mut known = Some(false);
            for (value, group) in values {
                if of_group && *group != row.1 {
                    continue;
                }
                match (row.0, value) {
                    (Some(one), Some(other)) if one == *other => return Some(true),
                    (Some(_), Some(_)) => {}
                    _ => known = None,
                }
            }
            known
        };
        match self {
            Self::In => found(false),
            Self::NotIn => found(false).map(|found| !found),
            Self::InOfGroup => found(true),
            Self::Is(value) => row.0.map(|one| one == *value),
            Self::IsNull(inner) => Some(inner.truth(row, values).is_none()),
            Self::IsTrue(inner) => Some(inner.truth(row, values) == Some(true)),
            Self::Not(inner) => inner.truth(row, values).map(|truth| !truth),
            Self::And(left, right) => match (left.truth(row, values), right.truth(row, values)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(left, right) => match (left.truth(row, values), right.truth(row, values)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Self::Coalesce(inner, otherwise) => Some(inner.truth(row, values).unwrap_or(*otherwise)),
            Self::Case(when, then) => match when.truth(row, values) {
                Some(true) => then.truth(row, values),
                _ => None,
            },
        }
    }
}

/// A value and its group.
type Row = (Option<i64>, i64);

fn condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        Just(Condition::In),
        Just(Condition::NotIn),
        Just(Condition::InOfGroup),
        (1..4_i64).prop_map(Condition::Is)
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        let one = inner.prop_map(Box::new).boxed();
        let two = (one.clone(), one.clone());
        prop_oneof![
            one.clone().prop_map(Condition::IsNull),
            one.clone().prop_map(Condition::IsTrue),
            one.clone().prop_map(Condition::Not),
            two.clone().prop_map(|(left, right)| Condition::And(left, right)),
            two.clone().prop_map(|(left, right)| Condition::Or(left, right)),
            (one, any::<bool>()).prop_map(|(inner, otherwise)| Condition::Coalesce(inner, otherwise)),
            two.prop_map(|(when, then)| Condition::Case(when, then)),
        ]
    })
}

fn relation(name: &str, columns: &str, rows: &[Row]) -> String {
    let rows: Vec<String> = rows
        .iter()
        .map(|(value, group)| {
            let value = value.map_or_else(|| "cast(null as bigint)".to_owned(), |value| value.to_string());
            format!("({value}, {group})")
        })
        .collect();
    // A relation without rows has no `values`.
    let (rows, filter) =
        if rows.is_empty() { ("(cast(null as bigint), 1)".to_owned(), "where false") } else { (rows.join(", "), "") };
    format!("{name} as (select * from (values {rows}) as q({columns}) {filter})")
}

fn some_rows(most: usize) -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec((prop::option::weighted(0.8, 1..4_i64), 1..3_i64), 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_predicate_has_the_truth_of_sql(condition in condition(), asked in some_rows(5), values in some_rows(4)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let session = session();
        let with = format!("with {}, {} ", relation("t", "a, g", &asked), relation("s", "v, h", &values));
        let written = condition.sql();
        let sorted = |sql: &str| {
            let sql = format!("{with}{sql}");
            let found = runtime.block_on(rows(&session, &sql)).unwrap_or_else(|problem| format!("{sql}: {problem:?}"));
            let mut found: Vec<String> = found.split("; ").filter(|row| !row.is_empty()).map(str::to_owned).collect();
            found.sort_unstable();
            found
        };
        let shown = |value: Option<i64>| value.map_or_else(|| "NULL".to_owned(), |value| value.to_string());
        let mut all = Vec::new();
        let mut kept = Vec::new();
        for row in &asked {
            let truth = condition.truth(*row, &values);
            let name = truth.map_or_else(|| "NULL".to_owned(), |truth| truth.to_string());
            all.push(format!("{}|{}|{name}", shown(row.0), row.1));
            if truth == Some(true) {
                kept.push(format!("{}|{}", shown(row.0), row.1));
            }
        }
        all.sort_unstable();
        kept.sort_unstable();
        prop_assert_eq!(sorted(&format!("select a, g, {written} as b from t")), all);
        prop_assert_eq!(&sorted(&format!("select a, g from t where {written}")), &kept);
        let joined = sorted(&format!("select t.a, t.g, u.x from t left join (select 1 as x) u on {written}"));
        let matched: BTreeSet<String> = joined.iter().filter_map(|row| row.strip_suffix("|1")).map(str::to_owned).collect();
        prop_assert_eq!(joined.len(), asked.len());
        prop_assert_eq!(matched, kept.into_iter().collect::<BTreeSet<_>>());
    }
}
